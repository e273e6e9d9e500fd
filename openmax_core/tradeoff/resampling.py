"""How much a chosen threshold flatters itself, and how much it depends on the pictures at hand.

* :func:`choose_on_half`: choose on one half of the pictures, count on the other.
* :func:`bootstrap_choices`: choose again on resamples of the pictures (Efron, 1979). Between two
  neighbouring thresholds only counts matter, and resampled counts are multinomial: they are drawn
  directly, and a million pictures cost no more than a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.tradeoff.binned import CountedCurve
from openmax_core.tradeoff.curve import Curve, TradeoffCurve
from openmax_core.tradeoff.objectives import Objective
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.outcomes import Outcome, Outcomes

N_RESAMPLES = 200
MOST_THRESHOLDS = 4000


@dataclass(frozen=True)
class HalfChoice:
    """A point chosen on one half of the pictures.

    Attributes
    ----------
    chosen : OperatingPoint
        With the figures of the half that it was chosen on, which flatter.
    reported : Outcome
        The same threshold on the other half.
    """

    chosen: OperatingPoint
    reported: Outcome


@dataclass(frozen=True)
class Spread:
    """Thresholds chosen on resamples.

    Attributes
    ----------
    thresholds : (R,) float64, ascending, of the resamples in which the constraint can be met
    n_resamples : int
    """

    thresholds: Float
    n_resamples: int

    @property
    def n_infeasible(self) -> int:
        """Resamples in which no threshold meets the constraint."""
        return self.n_resamples - len(self.thresholds)

    def quantiles(self, *shares: float) -> list[float]:
        """Quantiles of the chosen thresholds; each one of them, empty if there are none."""
        if not len(self.thresholds):
            return []
        return np.quantile(self.thresholds, shares, method="nearest").tolist()


def split_in_halves(curve: TradeoffCurve, seed: int = 0) -> tuple[TradeoffCurve, TradeoffCurve]:
    """Split test and reject set at random into halves, each true class split evenly."""
    generator = np.random.default_rng(seed)
    test = _is_in_first_half(curve.test_labels, generator)
    reject = _is_in_first_half(np.zeros(curve.n_reject, dtype=np.int64), generator)
    return curve.subset(test, reject), curve.subset(~test, ~reject)


def choose_on_half(curve: Curve, objective: Objective, seed: int = 0) -> HalfChoice:
    """Choose on one half of the pictures, and count the same threshold on the other.

    Counts have halves of their own, drawn when they were made.

    Raises
    ------
    NoFeasibleThresholdError
        No threshold meets the constraint on the half that is chosen on.
    """
    first, second = _halves(curve, seed)
    chosen = first.choose(objective)
    return HalfChoice(chosen, second.outcome(chosen.threshold))


def bootstrap_choices(
    curve: Curve, objective: Objective, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> Spread:
    """Choose on resamples of test and reject pictures, drawn with replacement.

    Raises
    ------
    NoFeasibleThresholdError
        A set that the objective is counted on is empty.
    """
    if problem := objective.problem(curve.n_test, curve.n_reject):
        raise NoFeasibleThresholdError(problem)
    counted = curve.outcomes(curve.drawn_thresholds(MOST_THRESHOLDS))
    generator = np.random.default_rng(seed)
    correct, wrong = _resample(
        (counted.correct, counted.wrong), curve.n_test, n_resamples, generator
    )
    (accepted,) = _resample((counted.accepted_unknown,), curve.n_reject, n_resamples, generator)
    resampled = Outcomes(counted.thresholds, correct, wrong, accepted, curve.n_test, curve.n_reject)
    chosen = objective.choose(resampled)
    feasible = np.take_along_axis(objective.feasible(resampled), chosen[:, None], axis=1)[:, 0]
    # As short as the chosen threshold itself is made, so that both can be compared.
    shortened = curve.decimals(counted.thresholds[chosen[feasible]])
    return Spread(np.sort(np.array(shortened, dtype=np.float64)), n_resamples)


def _halves(curve: Curve, seed: int) -> tuple[Curve, Curve]:
    if isinstance(curve, TradeoffCurve):
        return split_in_halves(curve, seed)
    if isinstance(curve, CountedCurve) and (halves := curve.halves) is not None:
        return halves
    raise OpenMaxError("the pictures were not counted in two halves; count them again")


def _is_in_first_half(strata: Int, generator: np.random.Generator) -> np.ndarray:
    """(n,) bool: each stratum, and all together, split evenly but for one."""
    shuffled = generator.permutation(len(strata))
    by_stratum = shuffled[np.argsort(strata[shuffled], kind="stable")]
    first = np.zeros(len(strata), dtype=bool)
    first[by_stratum[int(generator.integers(2)) :: 2]] = True
    return first


def _resample(
    counts: tuple[Int, ...], total: int, n_resamples: int, generator: np.random.Generator
) -> list[Int]:
    """(R, K) counts at or above each threshold, per (K,) counts of the same ``total`` pictures."""
    if not total:
        return [np.zeros((n_resamples, len(item)), dtype=np.int64) for item in counts]
    bins = [item - np.append(item[1:], 0) for item in counts]
    rest = total - sum(int(item[0]) for item in counts)
    drawn = generator.multinomial(total, np.append(np.concatenate(bins), rest) / total, n_resamples)
    parts = np.split(drawn[:, :-1], np.cumsum([len(item) for item in bins])[:-1], axis=1)
    return [part[:, ::-1].cumsum(axis=1)[:, ::-1] for part in parts]
