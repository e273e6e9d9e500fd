"""Promises: what a chosen threshold keeps on new pictures, with a stated confidence.

A threshold that just keeps a floor on the pictures at hand breaks it on new ones about every second
time. A promise leaves room for that:

* **A floor or a ceiling.** The share that must be kept changes in one direction with the threshold
  t. Fix the floor f and the confidence 1 − δ, and let k be the smallest count for which
  P(Bin(N, f) ≥ k) ≤ δ: the counts whose one-sided exact lower bound (Clopper and Pearson, 1934) is
  at least f. A threshold that has k pictures or more is promised. The thresholds that truly break
  the floor are all those beyond one fixed threshold, and each of them has at most the count of this
  one. So any of them is promised with a probability of at most δ, however one is picked among the
  promised ones: tests in a fixed sequence, which pay nothing for the choice ("Learn then Test",
  Angelopoulos, Bates, Candès, Jordan, Lei, 2021).
* **A figure without a constraint** (mean of both accuracies, expected cost) is linear in shares of
  pictures at or above the threshold. The exact one-sided Smirnov bound (scipy.special.smirnovi;
  Massart, 1990, gives its size) holds for such a share at all thresholds at once, and so at the
  chosen one. Several shares divide δ among them.

Both presuppose :data:`PRESUPPOSED`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, smirnovi

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.support.shares import exact_percent, percent
from openmax_core.tradeoff.objectives import Kept, Objective, per_picture
from openmax_core.tradeoff.outcomes import Outcome, Outcomes

LEVELS = (0.9, 0.95, 0.99)
DEFAULT_CONFIDENCE = 0.95
CHANCE = 0.8
MOST_PICTURES = 10_000_000
PLANNED_SIZES = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
PRESUPPOSED = (
    "new pictures like these, drawn independently; and that the network, the method, its settings "
    "and the requirement were not chosen on these pictures"
)


class NoPromiseError(OpenMaxError):
    """No valid promise exists for an objective."""


@dataclass(frozen=True)
class Promise:
    """What a point keeps on new pictures, see :data:`PRESUPPOSED`.

    Attributes
    ----------
    figure : str
        One of :data:`FIGURES`.
    bound : float
        The figure is at least this, or at most this for 'rejected_known', 'lost' and 'cost'.
        Shares are fractions; a cost is per picture.
    confidence : float
        Probability, at least, with which pictures give a promise that is true.
    n_test, n_reject : int
        Pictures that it is from; 0 where it does not depend on that set.
    """

    figure: str
    bound: float
    confidence: float
    n_test: int
    n_reject: int

    def __post_init__(self) -> None:
        """Refuse what is no promise.

        Raises
        ------
        OpenMaxError
            An entry is unknown or out of range; it is named.
        """
        if self.figure not in FIGURES:
            raise OpenMaxError(f"figure must be one of {', '.join(FIGURES)}, not {self.figure!r}")
        most = math.inf if self.figure == "cost" else 1.0
        if not (math.isfinite(self.bound) and 0 <= self.bound <= most):
            raise OpenMaxError(f"bound must be a share, or a cost from 0, not {self.bound!r}")
        require_confidence(self.confidence)
        if self.n_test < 0 or self.n_reject < 0 or not self.n_test + self.n_reject:
            raise OpenMaxError("a promise must be from one picture or more")

    @property
    def is_ceiling(self) -> bool:
        """The figure is at most the bound, not at least."""
        return self.figure in CEILINGS

    @property
    def requirement(self) -> str:
        """What holds: 'Test accuracy ≥ 85.0 %'."""
        bound = exact_percent(self.bound) if self.figure in EXACT else _careful(self)
        return FIGURES[self.figure].format(bound.replace(" %", " points", self.figure == "lost"))

    @property
    def in_words(self) -> str:
        """'Test accuracy ≥ 85.0 % with 95 % confidence, from 200 pictures'."""
        pictures = f"{self.n_test or self.n_reject:,}"
        if self.n_test and self.n_reject:
            pictures = f"{self.n_test:,} known and {self.n_reject:,} unknown"
        return (
            f"{self.requirement} with {confidence_text(self.confidence)} confidence, from "
            f"{pictures} pictures"
        )


# Words of what is promised, with a place for the bound.
FIGURES = {
    "test_accuracy": "Test accuracy ≥ {}",
    "rejected_known": "knowns rejected ≤ {}",
    "reject_accuracy": "Reject accuracy ≥ {}",
    "lost": "Test accuracy lost ≤ {}",
    "mean_accuracy": "mean of both accuracies ≥ {}",
    "cost": "expected cost of a picture ≤ {}",
}
CEILINGS = frozenset({"rejected_known", "lost", "cost"})
# Bounds that somebody asked for. All others were calculated, and are rounded to the safe side.
EXACT = frozenset({"test_accuracy", "rejected_known", "reject_accuracy", "lost"})


def _careful(promise: Promise) -> str:
    if promise.figure == "cost":
        # Four digits, the last one rounded up.
        exact = Decimal(repr(promise.bound))
        digit = Decimal(1).scaleb(exact.adjusted() - 3)
        return f"{exact.quantize(digit, ROUND_CEILING):g}" if exact else "0"
    return percent(math.floor(promise.bound * 1000) / 1000)


def require_confidence(confidence: float) -> None:
    """Refuse what is no confidence level.

    Raises
    ------
    OpenMaxError
        It does not lie between 50 % and 100 %, both excluded.
    """
    if not 0.5 < confidence < 1:
        raise OpenMaxError(
            f"a confidence must lie between 50 % and 100 %, as 95 % does, not {confidence!r}"
        )


def confidence_text(confidence: float) -> str:
    """Return 0.95 as '95 %'."""
    return exact_percent(confidence).replace(".0 %", " %")


def fewest(n: ArrayLike, least: float, confidence: float) -> Int:
    """Smallest count of n pictures whose one-sided exact lower bound is at least a share.

    Parameters
    ----------
    n : int, of any shape
    least : share that is to be kept, 0 to 1
    confidence : of the bound

    Returns
    -------
    int64 of the shape of ``n``; n + 1 where not even all n pictures are enough.
    """
    total = np.asarray(n, dtype=np.int64)
    if least <= 0:
        return np.zeros_like(total)  # every share is at least 0
    low, high = np.zeros_like(total), total + 1
    while (low < high).any():  # P(Bin(n, least) ≥ k) falls in k
        middle = (low + high) // 2
        is_enough = at_least(middle, total, least) <= 1 - confidence
        low, high = (
            np.where(is_enough | (low >= high), low, middle + 1),
            np.where(is_enough & (low < high), middle, high),
        )
    return np.asarray(low)


def at_least(count: ArrayLike, n: ArrayLike, share: float) -> Float:
    """P(Bin(n, share) ≥ count), of the common shape of ``count`` and ``n``."""
    k, total = np.broadcast_arrays(np.asarray(count, dtype=float), np.asarray(n, dtype=float))
    inside = (k > 0) & (k <= total)
    tail = betainc(np.where(inside, k, 1.0), np.where(inside, total - k + 1, 1.0), share)
    return np.where(k <= 0, 1.0, np.where(k > total, 0.0, tail))


class Promised(Objective):
    """An objective whose constraint holds with a confidence, on new pictures.

    Parameters
    ----------
    objective : that has a constraint, or none
    confidence : see :class:`Promise`

    Raises
    ------
    OpenMaxError
        The confidence is none.
    """

    def __init__(self, objective: Objective, confidence: float) -> None:
        require_confidence(confidence)
        self.objective, self.confidence = objective, confidence

    @property
    def requirement(self) -> str:
        """What must hold, with the confidence."""
        what = self.objective.requirement or self.objective.in_words
        return f"{what} with {confidence_text(self.confidence)} confidence"

    def problem(self, n_test: int, n_reject: int) -> str:
        """Say why nothing can be chosen, as the objective does."""
        return self.objective.problem(n_test, n_reject)

    def require_valid(self, outcomes: Outcomes) -> None:
        """Refuse an objective for which no valid bound is known.

        Raises
        ------
        NoPromiseError
            Its constraint is no count of pictures, as where kinds of unknowns are weighted.
        """
        has_bound = self.objective.bounded and outcomes.mix is None
        if not has_bound and self.objective.kept(outcomes) is None:
            weighted = " where kinds of unknowns are weighted" if outcomes.mix else ""
            raise NoPromiseError(f"no valid promise exists for {self.objective.in_words}{weighted}")

    def value(self, outcomes: Outcomes) -> Float:
        """The objective's figure."""
        return self.objective.value(outcomes)

    def tie_break(self, outcomes: Outcomes) -> Float:
        """The objective's second figure."""
        return self.objective.tie_break(outcomes)

    def slack(self, outcomes: Outcomes) -> Float:
        """(…, K) pictures more than are needed for the promise."""
        kept = self.objective.kept(outcomes)
        if kept is None:
            return super().slack(outcomes)
        return np.asarray(kept.count - fewest(kept.n, kept.least, self.confidence), dtype=float)

    def reached(self, outcome: Outcome) -> str:
        """What a threshold has instead, as the objective says it."""
        return self.objective.reached(outcome)

    def promise(self, outcome: Outcome) -> Promise:
        """What is promised at the chosen threshold, which meets the constraint."""
        outcomes = Outcomes.of(outcome)
        kept = self.objective.kept(outcomes)
        if kept is None:
            return self._bounded(outcome)
        bound = 1 - kept.least if kept.figure in CEILINGS else kept.least
        # 1 − 0.95 is 0.050000000000000044, and 0.05 was asked for.
        bound = round(bound, 12)
        is_of_test = kept.figure != "reject_accuracy"
        sizes = (kept.n, 0) if is_of_test else (0, kept.n)
        return Promise(kept.figure, bound, self.confidence, *sizes)

    def _bounded(self, outcome: Outcome) -> Promise:
        """Bound of a figure without a constraint, from shares that hold at all thresholds."""
        n, m = outcome.n_test, outcome.n_reject
        right, wrong, unknown = (
            per_picture(self.objective.value, n, m) * np.array([n, n, m])
        ).tolist()
        shares = {
            "right": (outcome.correct, n),
            "wrong": (outcome.wrong, n),
            "accepted": (outcome.correct + outcome.wrong, n),
            "unknown": (outcome.accepted_unknown, m),
        }
        # The known part can be written in three ways; the one with the smallest weights is
        # bounded best. It does not depend on the pictures.
        known: tuple[dict[str, float], ...] = (
            {"right": right, "wrong": wrong},
            {"accepted": wrong, "right": right - wrong},
            {"accepted": right, "wrong": wrong - right},
        )
        weights = min(known, key=_size) | {"unknown": unknown}
        used = {name: weight for name, weight in weights.items() if weight}
        value = float(self.objective.value(Outcomes.of(outcome))[0])
        value -= sum(weight * _share(*shares[name]) for name, weight in used.items())
        for name, weight in used.items():
            count, total = shares[name]
            far = float(smirnovi(total, (1 - self.confidence) / len(used)))
            share = _share(count, total) - math.copysign(far, weight)
            value += weight * min(max(share, 0.0), 1.0)
        is_cost = self.objective.bounded in CEILINGS
        bound = max(0.0, -value) if is_cost else min(max(value, 0.0), 1.0)
        n_reject = m if unknown else 0
        n_test = n if set(used) - {"unknown"} else 0
        return Promise(
            self.objective.bounded,
            bound,
            self.confidence,
            *((n_test, n_reject) if used else (n, m)),
        )

    def to_dict(self) -> dict[str, Any]:
        """The objective, for JSON."""
        return self.objective.to_dict()


def _size(weights: dict[str, float]) -> tuple[float, int]:
    return sum(map(abs, weights.values())), sum(map(bool, weights.values()))


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0


# --- how many pictures ----------------------------------------------------------------------------


def chance_of(n: ArrayLike, least: float, rate: float, confidence: float) -> Float:
    """Probability that n new pictures allow a promise.

    Parameters
    ----------
    n : int, of any shape
    least : share that is to be promised
    rate : true share at the threshold that is to be promised
    confidence : of the promise

    Returns
    -------
    float64 of the shape of ``n``.
    """
    return at_least(fewest(n, least, confidence), n, rate)


def pictures_needed(
    least: float, rate: float, confidence: float, chance: float = CHANCE
) -> int | None:
    """About the smallest number of pictures that allow a promise, with a chance of 80 %.

    Exact up to 100, then within 1 %. From there on, every larger number up to twice as many allows
    it too, as far as looked at.

    Parameters
    ----------
    least, rate, confidence : as in :func:`chance_of`

    Returns
    -------
    None where the rate is not above the share, or more than :data:`MOST_PICTURES` are needed.
    """
    if rate <= least:
        return None
    sizes = np.geomspace(100, 2 * MOST_PICTURES, 1230).round().astype(np.int64)
    sizes = np.concatenate([np.arange(1, 100), sizes])
    is_enough = chance_of(sizes, least, rate, confidence) >= chance
    # A number may be enough by chance: counts are whole numbers.
    failures = np.flatnonzero(~is_enough)
    first = 0 if not len(failures) else int(failures[-1]) + 1
    for index in np.flatnonzero(is_enough[:first]):
        beyond = np.searchsorted(sizes, 2 * sizes[index])
        if is_enough[index:beyond].all():
            first = int(index)
            break
    found = int(sizes[first]) if first < len(sizes) else MOST_PICTURES + 1
    return found if found <= MOST_PICTURES else None


def needed_in_words(objective: Objective, outcomes: Outcomes, confidence: float) -> str:
    """How many pictures a promise needs: 'not with 200 known pictures: …'.

    Parameters
    ----------
    outcomes : at all thresholds; the rate is the best at one that rejects some but not nearly all
        pictures, where there is one

    Returns
    -------
    '' where the objective has no constraint.
    """
    kept = objective.kept(outcomes)
    if kept is None:
        return ""
    useful = ~outcomes.is_useless
    count = int(kept.count[useful].max() if useful.any() else kept.count.max())
    rate = _share(count, kept.n)
    begin = f"not with {kept.n:,} pictures"
    what = FIGURES[kept.figure].split(" ≥")[0].split(" ≤")[0]
    observed = f"at the observed rate ({what} {percent(shown_share(kept, rate))})"
    if rate <= kept.least:
        return f"{begin}, and {observed} not with more; ask for less"
    needed = pictures_needed(kept.least, rate, confidence)
    if needed is None:
        return f"{begin}: {observed} more than {MOST_PICTURES:,} are needed"
    chance = f"{100 * CHANCE:g} %"
    return f"{begin}: {observed} about {_about(needed):,} are needed for a chance of {chance}"


def _about(count: int) -> int:
    """Two leading digits, rounded up."""
    step = 10 ** max(0, len(str(count)) - 2)
    return -(-count // step) * step


@dataclass(frozen=True)
class Plan:
    """What a number of pictures allows.

    Attributes
    ----------
    n : int
        Pictures of the set that the requirement is counted on.
    least : float
        Share that is needed on them, at the least; NaN where even all of them are too few.
    outcome : Outcome or None
        Of the present pictures, at the best threshold that has this share; None without one.
    """

    n: int
    least: float
    outcome: Outcome | None


def plans(
    objective: Objective, outcomes: Outcomes, confidence: float = DEFAULT_CONFIDENCE
) -> list[Plan]:
    """What 50 to 10,000 pictures, and as many as there are, allow to promise.

    Parameters
    ----------
    outcomes : at all thresholds

    Returns
    -------
    Ascending by number; empty where the objective has no constraint.
    """
    kept = objective.kept(outcomes)
    if kept is None or not kept.n:
        return []
    found = []
    for n in sorted({*PLANNED_SIZES, kept.n}):
        count = int(fewest(n, kept.least, confidence))
        if count > n:
            found.append(Plan(n, math.nan, None))
            continue
        is_kept = kept.count * n >= count * kept.n
        outcome = None
        if is_kept.any():
            best = np.where(is_kept, objective.value(outcomes), -np.inf)
            outcome = outcomes.at(int(best.argmax()))
        found.append(Plan(n, count / n, outcome))
    return found


def shown_share(kept: Kept, share: float) -> float:
    """Share of the figure that a kept share stands for: 95 % accepted is 5 % rejected."""
    return 1 - share if kept.figure in CEILINGS else share
