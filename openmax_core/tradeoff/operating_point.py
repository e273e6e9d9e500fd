"""The chosen threshold with the figures it was chosen on: made, saved, loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.methods.method import Settings
from openmax_core.methods.registry import has_settings, require_method, stored_settings
from openmax_core.methods.settings import EARLIER_DEFAULT
from openmax_core.support.arrays import Float
from openmax_core.support.codec import read_json, rebuilt, without_header
from openmax_core.support.decimals import require_finite
from openmax_core.support.files import listed, write_text_atomically
from openmax_core.tradeoff.intervals import Interval, share_interval
from openmax_core.tradeoff.kinds import KindCount, mix_of
from openmax_core.tradeoff.objectives import MostRejected, Objective, objective_from_dict
from openmax_core.tradeoff.outcomes import LEAST_REJECTED, Outcome
from openmax_core.tradeoff.promises import Promise

FORMAT = "openmax-operating-point"
FORMAT_VERSION = 4
CLOSE = 1e-9  # a share that was counted, and the same one from its counts
COUNTS = ("correct", "wrong", "rejected_known", "rejected_unknown", "accepted_unknown")


@dataclass(frozen=True)
class OperatingPoint:
    """Method, threshold and the figures they gave.

    Attributes
    ----------
    threshold : float
        A picture is rejected where its score is below this, or 'unknown' won.
    test_accuracy : float
        Share of the test set given its right class.
    reject_accuracy : float or None
        Share of the reject set that is rejected, weighted where there are ``kinds``; None without a
        reject set.
    n_test, n_reject : int
        Pictures that the figures were counted on.
    counts : dict
        How many of them were 'correct', 'wrong', 'rejected_known', 'rejected_unknown' and
        'accepted_unknown'; empty in points of older versions.
    objective : dict or None
        What it was chosen for (:mod:`openmax_core.tradeoff.objectives`); None if it was set by
        hand.
    class_thresholds : dict or None
        Thresholds of pictures predicted as a class, by its name; ``threshold`` for all others.
    preset : str or None
        Name of the method; of OpenMax, that of its preset.
    settings : Settings or None
        Of the method; None if it was not said.
    data : str or None
        Fingerprint of the activations that the figures were counted on.
    kinds : tuple of KindCount, or None
        Kinds of unknowns with the share of each that production is expected to have, by which
        ``reject_accuracy`` is weighted; None where all pictures count alike.
    expected_cost : float or None
        Of a picture, where it was chosen by a table of costs.
    promise : Promise or None
        What the thresholds keep on new pictures; None where nothing is promised.
    """

    threshold: float
    test_accuracy: float
    reject_accuracy: float | None
    n_test: int
    n_reject: int
    counts: dict[str, int] = field(default_factory=dict)
    objective: dict[str, Any] | None = None
    class_thresholds: dict[str, float] | None = None
    preset: str | None = None
    settings: Settings | None = None
    data: str | None = None
    kinds: tuple[KindCount, ...] | None = None
    expected_cost: float | None = None
    promise: Promise | None = None

    def __post_init__(self) -> None:
        """Refuse thresholds that are no finite numbers.

        Raises
        ------
        OpenMaxError
            One is NaN or infinite.
        """
        require_finite([self.threshold, *(self.class_thresholds or {}).values()])

    @classmethod
    def of(cls, outcome: Outcome, **described: Any) -> OperatingPoint:
        """Point with an outcome's threshold and figures."""
        return cls(
            threshold=outcome.threshold,
            test_accuracy=outcome.test_accuracy,
            reject_accuracy=outcome.reject_accuracy if outcome.n_reject else None,
            n_test=outcome.n_test,
            n_reject=outcome.n_reject,
            counts={name: getattr(outcome, name) for name in COUNTS},
            kinds=outcome.kinds,
            expected_cost=outcome.cost,
            **described,
        )

    @property
    def outcome(self) -> Outcome:
        """The counts as an outcome.

        Raises
        ------
        KeyError
            A point of an older version, without counts.
        """
        counts = {name: self.counts[name] for name in COUNTS}
        kinds = self.kinds or ()
        return Outcome(
            threshold=self.threshold,
            **counts,
            mix=mix_of(kinds) if kinds else None,
            rejected_by_kind=tuple(item.rejected for item in kinds),
            cost=self.expected_cost,
        )

    @property
    def mix_in_words(self) -> str:
        """By what Reject accuracy is weighted: 'indoor 75 %, street 25 %'; '' where by nothing."""
        return mix_of(self.kinds).in_words if self.kinds else ""

    @property
    def reject_interval(self) -> Interval | None:
        """95 % Wilson interval of the Reject accuracy; None without a reject set."""
        if self.reject_accuracy is None:
            return None
        if self.kinds:
            return self.outcome.reject_interval()
        return share_interval(round(self.reject_accuracy * self.n_reject), self.n_reject)

    @property
    def chosen_for(self) -> Objective | None:
        """What the point was chosen for; None if it was set by hand."""
        return None if self.objective is None else objective_from_dict(self.objective)

    @property
    def useless(self) -> str:
        """Why nobody should use it, see :attr:`Outcome.useless`; '' if one may."""
        if self.counts:
            return self.outcome.useless
        # An older version kept no counts: of its shares only this one tells.
        if self.reject_accuracy is not None and self.reject_accuracy < LEAST_REJECTED:
            return f"rejects almost none of the {self.n_reject:,} pictures of unknowns"
        return ""

    def limits(self, class_names: Sequence[str]) -> Float:
        """(C,) thresholds of pictures predicted as a class, see :func:`class_limits`."""
        return class_limits(class_names, self.threshold, self.class_thresholds)

    def without_own(self, class_names: Sequence[str]) -> list[str]:
        """Classes that the single threshold decides on, although others have one of their own."""
        own = self.class_thresholds
        return [name for name in class_names if own and name not in own]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON; :meth:`from_dict` reads it back."""
        settings = {} if self.settings is None else self.settings.stored()
        values = asdict(self) | {"settings": settings}
        return {"format": FORMAT, "version": FORMAT_VERSION, **values}

    def to_json(self) -> str:
        """JSON text; floats come back exactly."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

    def save(self, path: Path) -> None:
        """Write as JSON, in one step."""
        write_text_atomically(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> OperatingPoint:
        """Read what :meth:`save` wrote, in this version or an older one.

        Raises
        ------
        OpenMaxError
            The file cannot be read or is no operating point; it is named.
        """
        try:
            return cls.from_dict(read_json(path))
        except OpenMaxError as error:
            raise OpenMaxError(
                f"cannot read the operating point {path} ({error}); choose the threshold again"
            ) from error

    @classmethod
    def from_dict(cls, given: Any) -> OperatingPoint:
        """Rebuild a point from :meth:`to_dict`.

        Raises
        ------
        OpenMaxError
            It is none, or an entry is not what it should be; the entry is named.
        """
        values, version = without_header(given, FORMAT, FORMAT_VERSION)
        if version == 1 and (floor := values.pop("min_test_accuracy", None)) is not None:
            values["objective"] = MostRejected(floor).to_dict()
        values["settings"] = _settings(values)
        point = rebuilt(cls, values)
        if set(point.counts) not in (set(), set(COUNTS)):
            raise OpenMaxError("the counts are unknown")
        if point.objective is not None:
            objective_from_dict(point.objective)
        point._require_sound_figures()
        return point

    def _require_sound_figures(self) -> None:
        """Refuse shares that are none, and counts that are of other pictures or of none."""
        for name in ("test_accuracy", "reject_accuracy"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise OpenMaxError(f"{name} must lie between 0 and 1, not {share!r}")
        sizes = {"n_test": self.n_test, "n_reject": self.n_reject}
        for name, count in (sizes | self.counts).items():
            if count < 0:
                raise OpenMaxError(f"{name} must be 0 or more, not {count}")
        if self.expected_cost is not None and self.expected_cost < 0:
            raise OpenMaxError(f"expected_cost must be 0 or more, not {self.expected_cost!r}")
        if self.kinds is not None:
            self._require_sound_kinds()
        if not self.counts:
            return
        outcome = self.outcome
        if (outcome.n_test, outcome.n_reject) != (self.n_test, self.n_reject):
            raise OpenMaxError(
                f"the counts are not those of {self.n_test:,} test and {self.n_reject:,} reject "
                "pictures"
            )
        for name in ("test_accuracy", "reject_accuracy"):
            stored, share = getattr(self, name), getattr(outcome, name)
            if stored is not None and not abs(stored - share) <= CLOSE:
                raise OpenMaxError(f"{name} is {stored!r}, and the counts give {share!r}")

    def _require_sound_kinds(self) -> None:
        """Refuse kinds that are not those of the counts."""
        kinds = self.kinds or ()
        mix_of(kinds)
        if not self.counts or self.reject_accuracy is None:
            raise OpenMaxError("there are kinds of unknowns, and no counts of their pictures")
        found = sum(item.rejected for item in kinds), sum(item.pictures for item in kinds)
        if found != (self.counts["rejected_unknown"], self.n_reject):
            raise OpenMaxError(
                f"the kinds have {found[0]:,} of {found[1]:,} unknowns rejected, and the counts "
                f"{self.counts['rejected_unknown']:,} of {self.n_reject:,}"
            )


def class_limits(
    class_names: Sequence[str],
    threshold: float,
    class_thresholds: Mapping[str, float] | None = None,
) -> Float:
    """(C,) thresholds of pictures predicted as a class; the single one where none is its own.

    Raises
    ------
    OpenMaxError
        A threshold is no finite number, or is of a class that there is not: a class that was
        renamed would lose its threshold.
    """
    own = class_thresholds or {}
    known = set(class_names)
    if absent := [name for name in own if name not in known]:
        single = [name for name in class_names if name not in own]
        without = f" (without a threshold of its own: {listed(single, 5)})" if single else ""
        raise OpenMaxError(
            f"there is a threshold for {listed(absent, 5)}, but no class of this name{without}; "
            "choose the thresholds again on the Threshold page, or rename the class under "
            "class_thresholds"
        )
    limits = [own.get(name, threshold) for name in class_names]
    require_finite([threshold, *limits])
    return np.array(limits, dtype=np.float64)


def _settings(values: dict[str, Any]) -> Settings | None:
    """Settings of a stored point; None where its method was not said."""
    given, name = values.get("settings", {}), values.get("preset")
    if name is not None:
        require_method(name)
    if given == {} and (name is None or has_settings(name)):
        return None
    return stored_settings(given, EARLIER_DEFAULT if name is None else name)


class NoFeasibleThresholdError(OpenMaxError):
    """No threshold meets the constraint.

    Attributes
    ----------
    nearest : OperatingPoint or None
        The point that comes nearest to it; None where there is nothing to choose on.
    """

    def __init__(self, message: str, nearest: OperatingPoint | None = None) -> None:
        super().__init__(message)
        self.nearest = nearest
