"""How much a chosen threshold flatters itself, and how much it depends on the pictures at hand.

* :func:`choose_on_half`: choose on one half of the pictures, count on the other.
* :func:`bootstrap_choices`: choose again on resamples of the pictures (Efron, 1979). Between two
  neighbouring thresholds only counts matter, and resampled counts are multinomial: they are drawn
  directly, and a million pictures cost no more than a thousand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.tradeoff.binned import CountedCurve
from openmax_core.tradeoff.curve import Curve, TradeoffCurve, costs_at
from openmax_core.tradeoff.objectives import LeastTableCost, Objective
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
    """Split test and reject set at random into halves, each true class split evenly.

    And each kind of unknowns, where these have shares.

    Raises
    ------
    NoFeasibleThresholdError
        There is only one picture of a kind that is expected in production; it is named.
    """
    generator = np.random.default_rng(seed)
    test = _is_in_first_half(curve.test_labels, generator)
    of = np.zeros(curve.n_reject, dtype=np.int64)
    if curve.mix is not None and curve.kinds is not None:
        of = curve.kinds.of
        for name, share, size in zip(
            curve.mix.names, curve.mix.shares, curve.mix.sizes, strict=True
        ):
            if share and size < 2:
                raise NoFeasibleThresholdError(
                    f"there is only one picture of the kind '{name}', so the weighted Reject "
                    "accuracy cannot be counted on both halves"
                )
    reject = _is_in_first_half(of, generator)
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
    return HalfChoice(chosen, second.outcomes_for(objective, [chosen.threshold]).at(0))


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
    if isinstance(objective, LeastTableCost):
        return _choices_by_table(curve, objective, counted, n_resamples, generator)
    correct, wrong = _resample(
        (counted.correct, counted.wrong), curve.n_test, n_resamples, generator
    )
    by_kind = None
    if curve.mix is not None and counted.accepted_by_kind is not None:
        of_kinds = zip(counted.accepted_by_kind, curve.mix.sizes, strict=True)
        by_kind = np.array(
            [_resample((own,), size, n_resamples, generator)[0] for own, size in of_kinds]
        )
        accepted = by_kind.sum(axis=0)
    else:
        (accepted,) = _resample((counted.accepted_unknown,), curve.n_reject, n_resamples, generator)
    resampled = Outcomes(
        counted.thresholds,
        correct,
        wrong,
        accepted,
        curve.n_test,
        curve.n_reject,
        curve.mix,
        by_kind,
    )
    chosen = objective.choose(resampled)
    feasible = np.take_along_axis(objective.feasible(resampled), chosen[:, None], axis=1)[:, 0]
    # As short as the chosen threshold itself is made, so that both can be compared.
    shortened = curve.decimals(counted.thresholds[chosen[feasible]])
    return Spread(np.sort(np.array(shortened, dtype=np.float64)), n_resamples)


def _choices_by_table(
    curve: Curve,
    objective: LeastTableCost,
    counted: Outcomes,
    n_resamples: int,
    generator: np.random.Generator,
) -> Spread:
    """Choose by a table of costs, where each picture has a cost of its own: all are drawn again."""
    if not isinstance(curve, TradeoffCurve):
        raise OpenMaxError("a table of costs needs every picture, and these were only counted")
    costs, scores = curve.picture_costs(objective)
    order = np.argsort(scores, kind="stable")
    parts = [np.arange(curve.n_test)]
    if curve.mix is None or curve.kinds is None:
        parts.append(np.arange(curve.n_test, len(scores)))
    else:
        kinds = range(len(curve.kinds.names))
        parts += [curve.n_test + np.flatnonzero(curve.kinds.of == kind) for kind in kinds]
    chosen = []
    for _ in range(n_resamples):
        times = np.zeros(len(scores))
        for part in parts:
            if len(part):
                times[part] = generator.multinomial(len(part), np.full(len(part), 1 / len(part)))
        drawn = (costs * times[:, None])[order]
        cost = costs_at(drawn, scores[order], counted.thresholds)
        chosen.append(int(objective.choose(replace(counted, cost=cost))))
    shortened = curve.decimals(counted.thresholds[chosen])
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
