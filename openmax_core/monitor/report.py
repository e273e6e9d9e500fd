"""What is known of a batch of new pictures: what was read, what decided, what was found.

How it is found is in :mod:`openmax_core.monitor.scoring`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.methods.method import Settings
from openmax_core.methods.registry import has_settings
from openmax_core.monitor.drift import (
    LEVEL,
    MIN_PICTURES,
    ClassDrift,
    MixDifference,
    Share,
    ShareDifference,
)
from openmax_core.monitor.labels import Labelled
from openmax_core.support.arrays import Int
from openmax_core.support.files import fingerprint
from openmax_core.support.shares import percent, percent_range, points, points_range

if TYPE_CHECKING:
    from openmax_core.prediction.choice import Choice

N_QUESTIONS = 2
SMALLEST_TOLD = 0.0005
DRIFTED, WITHIN, UNTESTED = "drifted", "within chance", "too few pictures"


@dataclass(frozen=True)
class Batch:
    """New pictures.

    Attributes
    ----------
    source : str, what was read, absolute
    folder : Path or None
        Where the pictures lie, as far as is known.
    paths : N names, relative to the folder, with forward slashes
    errors : N texts, why there are no logits; '' where there are
    logits : (M, C) float32, finite, of those without error, in order
    notes : what one must know of how they came here
    features : (M, D) of the same pictures, where the method needs them
    labels : (N,) int64 or None
        Class indices; −1 of an unknown, −2 of a picture without a label. None without any label.
    """

    source: str
    folder: Path | None
    paths: tuple[str, ...]
    errors: tuple[str, ...]
    logits: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    features: NDArray[np.float32] | None = None
    labels: Int | None = None

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Basis:
    """What a batch was decided with; batches of different bases are not comparable.

    Attributes
    ----------
    preset : str and settings : Settings, the method
    threshold : float
    class_thresholds : dict or None, thresholds of pictures predicted as a class, by its name
    calibrated_on : 'train' or 'calibration'
    calibration : str
        Fingerprint of the method, and of the activations that it was fitted to and tested on.
    """

    preset: str
    settings: Settings
    threshold: float
    class_thresholds: dict[str, float] | None
    calibrated_on: str
    calibration: str

    @property
    def measured(self) -> str:
        """What is compared per class: 'distances', or 'scores' of a method without means."""
        return measured_in_words(has_settings(self.preset))

    @property
    def key(self) -> str:
        """Fingerprint of calibration and thresholds."""
        return fingerprint(self.calibration, self.threshold, self.class_thresholds)

    @classmethod
    def of(cls, choice: Choice) -> Basis:
        """Basis of decisions with a chosen method and threshold."""
        evaluation, method = choice.evaluation, choice.evaluation.method
        settings = method.settings_.stored()
        stores = [
            item.key.get("store", evaluation.data) for item in (evaluation.train, evaluation.test)
        ]
        return cls(
            method.name,
            method.settings_,
            float(choice.threshold),
            choice.class_thresholds,
            evaluation.calibrated_on,
            fingerprint(settings or method.name, list(method.class_names_), stores),
        )


@dataclass(frozen=True)
class ExpectedRise:
    """How much more is rejected where a threshold was not chosen: on the other half of a test set.

    Attributes
    ----------
    mean, worst : float
        Rise of the share of rejected test pictures, on average and at least in the worst 5 % of
        the splits.
    n_splits : int
    """

    mean: float
    worst: float
    n_splits: int

    @property
    def in_words(self) -> str:
        """A part of a sentence."""
        return (
            f"chosen on a random half of the test set ({self.n_splits:,} times), the share on the "
            f"other half differs by {points(self.mean)} on average, and by {points(self.worst)} "
            "or more in the worst 5 %"
        )


@dataclass(frozen=True)
class BatchReport:
    """What was found of a batch.

    Attributes
    ----------
    source : str and folder : str or None, where the pictures come from
    basis : Basis
    classes : C names
    content : str, fingerprint of paths and logits
    n_unreadable : int
    reject, expected : Share
        Rejected pictures of the batch, and of the test set at the same thresholds.
    difference : ShareDifference
    drift : ClassDrift
    mix : MixDifference
    level : float
        Largest probability of an alarm for a batch like the test set.
    compared_with : str
        Name of the earlier pictures of the same paths; '' where there are none.
    n_shared, n_flipped : int
        Pictures of the same path, and those of them that are decided otherwise now.
    not_compared : str
        Why no picture is compared with an earlier one, although that was asked for; else ''.
    is_chosen_on_test_set : bool
        The threshold was chosen on the figures of this test set, as far as is known.
    expected_rise : ExpectedRise or None
        What choosing on this test set does to the expected share; None where nothing says so.
    labelled : Labelled or None
        What became of pictures with labels; None where there are none.
    notes : what one must know
    """

    source: str
    folder: str | None
    basis: Basis
    classes: tuple[str, ...]
    content: str
    n_unreadable: int
    reject: Share
    expected: Share
    difference: ShareDifference
    drift: ClassDrift
    mix: MixDifference
    level: float = LEVEL
    compared_with: str = ""
    n_shared: int = 0
    n_flipped: int = 0
    not_compared: str = ""
    is_chosen_on_test_set: bool = False
    expected_rise: ExpectedRise | None = None
    labelled: Labelled | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def level_of_each(self) -> float:
        """Level of each of the questions that may give alarm: two, with labels three."""
        return self.level / (N_QUESTIONS + self.is_promise_tested)

    @property
    def is_promise_tested(self) -> bool:
        """Labels allow to test what the threshold should keep."""
        return self.labelled is not None and self.labelled.is_tested

    @property
    def is_promise_broken(self) -> bool:
        """Fewer labelled pictures are kept than chance explains."""
        return self.labelled is not None and self.labelled.p_value < self.level_of_each

    @property
    def is_alarm(self) -> bool:
        """The batch has drifted, or what the threshold should keep is broken."""
        return self.is_drifting or self.is_promise_broken

    @property
    def alarm_in_words(self) -> str:
        """'drift', 'broken promise' or 'broken constraint', both, or ''."""
        kinds = ["drift"] if self.is_drifting else []
        if self.is_promise_broken and self.labelled and self.labelled.requirement:
            kinds.append(f"broken {self.labelled.requirement.kind}")
        return ", ".join(kinds)

    @property
    def labels_in_words(self) -> str:
        """Both accuracies of the labelled pictures; '' without labels."""
        found = self.labelled
        if found is None:
            return ""
        parts = [
            f"{name} {share_text(share)} of {share.n:,} labelled {kind}"
            for name, share, kind in (
                ("Test accuracy", found.test, "knowns"),
                ("Reject accuracy", found.reject, "unknowns"),
            )
            if share.n
        ]
        if found.unlabelled:
            parts.append(f"{found.unlabelled:,} without a label")
        return "; ".join(parts)

    @property
    def promise_in_words(self) -> str:
        """What became of what the threshold should keep; '' where nothing is tested."""
        found = self.labelled
        if found is None:
            return ""
        if found.requirement is None:
            return "nothing is tested: the threshold was chosen without a floor or a ceiling"
        if not found.is_tested:
            kind = "unknown" if found.requirement.figure == "reject_accuracy" else "known"
            return f"{found.requirement.name} is not tested: no {kind} picture has a label"
        verdict = "is broken" if self.is_promise_broken else "is not broken beyond chance"
        return (
            f"{found.requirement.name} {verdict}: p {p_text(found.p_value)}, alarm below "
            f"{self.level_of_each:.3g}"
        )

    @property
    def is_rate_off(self) -> bool:
        """The share of rejected pictures differs from the expected one beyond chance."""
        return self.difference.p_value < self.level_of_each

    @property
    def drifted(self) -> NDArray[np.bool_]:
        """(C,) bool, classes whose distances differ beyond chance."""
        return self.drift.is_drifted(self.level_of_each)

    @property
    def is_drifting(self) -> bool:
        """The rejections or the classes give alarm."""
        return self.is_rate_off or bool(self.drifted.any())

    @property
    def rate_in_words(self) -> str:
        """Both shares with their intervals."""
        return (
            f"rejects {share_text(self.reject)} of {self.reject.n:,}; "
            f"expected {share_text(self.expected)}, from the test set"
        )

    @property
    def expectation_in_words(self) -> str:
        """Why more rejections than expected are to be expected; '' where nothing says so."""
        if not self.is_chosen_on_test_set:
            return ""
        return (
            "the threshold was chosen on this test set, so the expected share may be a little too "
            "low" + ("" if self.expected_rise is None else f"; {self.expected_rise.in_words}")
        )

    @property
    def difference_in_words(self) -> str:
        """How far the shares are apart, and what chance says to it."""
        found = self.difference
        apart = f"{abs(100 * found.value):.1f} points {'more' if found.value > 0 else 'less'}"
        if abs(found.value) < SMALLEST_TOLD:
            apart = "no difference"
        bounds = points_range(found.interval.low, found.interval.high)
        verdict = "beyond chance" if self.is_rate_off else "within chance"
        p_value = p_text(found.p_value)
        return f"{apart} ({bounds}), {verdict}: p {p_value}, alarm below {self.level_of_each:.3g}"

    @property
    def drift_in_words(self) -> str:
        """How many classes have drifted, and which are not tested."""
        n_tested, n_drifted = int(self.drift.is_tested.sum()), int(self.drifted.sum())
        untested = len(self.classes) - n_tested
        words = f"{n_drifted:,} of {n_tested:,} tested classes drifted"
        if untested:
            words += f"; {untested:,} not tested, with fewer than {MIN_PICTURES} pictures"
        return words

    @property
    def verdict(self) -> str:
        """One sentence: what gives alarm, or that nothing does."""
        parts = []
        if self.labelled is not None and self.is_promise_broken:
            requirement = self.labelled.requirement
            words = "" if requirement is None else requirement.name
            parts.append(f"{words} is broken on the labelled pictures")
        if self.is_rate_off:
            how = "more" if self.difference.value > 0 else "fewer"
            parts.append(f"{how} pictures are rejected than chance explains")
        if n := int(self.drifted.sum()):
            names = [self.classes[index] for index in self.worst_first[:3].tolist()]
            shown = ", ".join(names[: min(n, 3)]) + (f" and {n - 3} more" if n > 3 else "")
            parts.append(
                f"the {self.basis.measured} of {n} class{'es' * (n > 1)} have drifted ({shown})"
            )
        return " and ".join(parts) if parts else "nothing differs from the test set beyond chance"

    @property
    def caution(self) -> str:
        """What a larger share of rejected pictures may mean as well; '' where it is none."""
        if not self.is_rate_off or self.difference.value < 0:
            return ""
        return (
            "The test set holds known pictures only, so more unknowns among the new pictures have "
            "the same effect as pictures that look otherwise: look at them"
        )

    @property
    def worst_first(self) -> Int:
        """(C,) classes: smallest corrected p first, then the largest shift; untested ones last."""
        drift = self.drift
        far = -np.abs(np.nan_to_num(drift.shift))
        return np.lexsort((far, np.nan_to_num(drift.adjusted, nan=2.0)))


@dataclass(frozen=True)
class MeasuredBatch:
    """A report and the batch's pictures.

    ``pictures`` has a row a picture: path, size and mtime of the file (0 where it is not there),
    error, nearest (class with the largest logit), prediction (C: 'unknown' won), is_rejected,
    score, distance to the nearest class (the negative score of a method without means), share (of
    its test pictures that lie nearer), excess (by how many of their interquartile ranges beyond
    their median); score_before and prediction_before (−1: not scored before), is_rejected_before.
    Unreadable ones are −1 and NaN. Records of earlier versions have more columns, which nothing
    reads.
    """

    report: BatchReport
    pictures: pd.DataFrame


def class_table(report: BatchReport) -> pd.DataFrame:
    """Distances per class, the most certain drift first: class, pictures, shift, p, verdict."""
    drift, order = report.drift, report.worst_first
    is_tested, drifted = drift.is_tested[order], report.drifted[order]
    verdicts = np.where(drifted, DRIFTED, np.where(is_tested, WITHIN, UNTESTED))
    return pd.DataFrame(
        {
            "class": np.array(report.classes, dtype=object)[order],
            "verdict": verdicts,
            "shift": drift.shift[order],
            "p_value": drift.p_value[order],
            "adjusted": drift.adjusted[order],
            "pictures": drift.n_batch[order],
            "share": drift.n_batch[order] / max(1, drift.n_batch.sum()),
            "test_pictures": drift.n_test[order],
            "test_share": drift.n_test[order] / max(1, drift.n_test.sum()),
        }
    )


def measured_in_words(has_means: bool) -> str:
    """What is compared per class: 'distances' to means, or 'scores' where there are no means."""
    return "distances" if has_means else "scores"


def share_text(share: Share) -> str:
    """'12.3 % (10.1–14.9 %)', with the 95 % interval."""
    if not share.n:
        return "not measured"
    bounds = share.interval
    return f"{percent(share.value)} ({percent_range(bounds.low, bounds.high)})"


def p_text(p_value: float) -> str:
    """A p-value that is never called 0."""
    if np.isnan(p_value):
        return "not tested"
    return "< 0.0001" if p_value < 1e-4 else f"{p_value:.4f}"
