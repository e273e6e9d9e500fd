"""How much a chosen threshold flatters itself, and how much it depends on the pictures at hand.

* :func:`choose_on_half`: choose on one half of the pictures, count on the other.
* :func:`repeated_splits`: the same with many random halves. It says how often a constraint that
  holds where the threshold was chosen breaks on the rest, and how far.
* :func:`bootstrap_choices`: choose again on resamples of the pictures (Efron, 1979). Between two
  neighbouring thresholds only counts matter. Resampled counts are multinomial, and those of a
  random half multivariate hypergeometric: they are drawn directly, and a million pictures cost no
  more than a thousand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.support.decimals import shortest_decimal
from openmax_core.support.shares import percent, points
from openmax_core.tradeoff.binned import CountedCurve
from openmax_core.tradeoff.curve import Curve, TradeoffCurve, costs_at
from openmax_core.tradeoff.objectives import LeastTableCost, Objective
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.outcomes import Outcome, Outcomes

N_RESAMPLES = 200
N_SPLITS = 300
MOST_TABLE_SPLITS = 50  # by a table of costs, which takes longer
WORST = 0.05  # share of the splits that are called the worst
MOST_SHUFFLED = 20_000  # pictures; of more, halves are drawn bin by bin
MOST_STEPS = 1000  # thresholds of two kinds that very many are thinned to
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
class RepeatedSplits:
    """An objective chosen on one half of the pictures and counted on the other, many times.

    Attributes
    ----------
    objective : Objective
    slack : (S,) float64
        By how much the constraint holds on the other half, negative where it breaks; of the S
        splits in which a threshold meets it on the half that is chosen on. Zeros without a
        constraint.
    fall : (S,) float64
        By how much the figure that is to be largest is lower on the other half.
    n_splits : int
    rise : (S,) float64
        By how much the share of known pictures that are rejected is higher on the other half.
    """

    objective: Objective
    slack: Float
    fall: Float
    n_splits: int
    rise: Float = field(default_factory=lambda: np.zeros(0))

    @property
    def broken(self) -> float:
        """Share of the S splits in which the constraint breaks on the other half; NaN for none."""
        return float((self.slack < 0).mean()) if len(self.slack) else math.nan

    @property
    def worst_shortfall(self) -> float:
        """By how much the worst 5 % miss the constraint at least, a share; 0 where they meet it."""
        return max(0.0, -_quantile(self.slack, WORST))

    @property
    def worst_fall(self) -> float:
        """By how much the figure falls at least in the worst 5 % of the splits."""
        return _quantile(self.fall, 1 - WORST)

    @property
    def worst_rise(self) -> float:
        """By how much the share of rejected knowns rises at least in the worst 5 %."""
        return _quantile(self.rise, 1 - WORST)

    @property
    def summary(self) -> dict[str, float]:
        """The figures, for JSON; NaN where no half reaches the constraint."""
        return {
            "splits": self.n_splits,
            "splits_counted": len(self.slack),
            "broken": self.broken,
            "worst_shortfall": self.worst_shortfall,
            "mean_fall": float(self.fall.mean()) if len(self.fall) else math.nan,
            "worst_fall": self.worst_fall,
        }

    @property
    def in_words(self) -> str:
        """What choosing and counting on the same pictures does, in one sentence."""
        objective = self.objective
        how = f"Chosen on a random half of these pictures and counted on the other, {self.n_splits}"
        if not len(self.slack):
            return (
                f"On none of {self.n_splits} random halves of these pictures a threshold reaches "
                f"{objective.requirement}."
            )
        if not objective.requirement:
            mean, worst = float(self.fall.mean()), self.worst_fall
            if objective.gain_is_share:
                low, far = points(-mean), points(-worst)
            else:
                low, far = f"{-mean:+.3g}", f"{-worst:+.3g}"
            return (
                f"{how} times: the {objective.gain_name} changes by {low} on the other half on "
                f"average, and by {far} or worse in the worst 5 %."
            )
        words = (
            f"{how} times: {objective.requirement} breaks on the other half in "
            f"{percent(self.broken)} of the cases"
        )
        if self.worst_shortfall:
            words += f"; the worst 5 % miss it by {_plain_points(self.worst_shortfall)} or more"
        if n := self.n_splits - len(self.slack):
            words += f" (left out: {n:,} halves on which no threshold reaches it)"
        return f"{words}."


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


def repeated_splits(
    curve: Curve, objective: Objective, n_splits: int = N_SPLITS, seed: int = 0
) -> RepeatedSplits:
    """Choose on random halves of test and reject pictures, and count each on the other half.

    Of a curve with more than 4,000 thresholds, 1,000 spread over it and 1,000 around the chosen one
    are compared: between two of them far less changes than between two halves.

    Raises
    ------
    NoFeasibleThresholdError
        A set that the objective is counted on is empty, or has a single picture; or a kind of
        unknowns that is expected in production has.
    """
    problem = objective.problem(curve.n_test, curve.n_reject)
    if not problem and 1 in (curve.n_test, curve.n_reject):
        problem = "a single picture cannot be divided into halves"
    if not problem and curve.mix is not None:
        expected = zip(curve.mix.shares, curve.mix.sizes, strict=True)
        if any(share and size < 2 for share, size in expected):
            problem = "there is only one picture of a kind of unknowns"
    if problem:
        raise NoFeasibleThresholdError(problem)
    if isinstance(objective, LeastTableCost):
        return _splits_by_table(curve, objective, min(n_splits, MOST_TABLE_SPLITS), seed)
    counted = curve.outcomes(_compared(curve, objective))
    generator = np.random.default_rng(seed)
    known = (counted.correct, counted.wrong)
    correct, wrong = _divided(known, curve.n_test, n_splits, generator)
    n_test, n_reject = curve.n_test // 2, curve.n_reject // 2
    mix, by_kind, all_by_kind = curve.mix, None, counted.accepted_by_kind
    if mix is not None and all_by_kind is not None:  # each kind is divided for itself
        own_mix = mix.resized([size // 2 for size in mix.sizes])
        n_reject = sum(own_mix.sizes)
        of_kinds = zip(all_by_kind, mix.sizes, strict=True)
        by_kind = np.array([_divided((own,), n, n_splits, generator)[0] for own, n in of_kinds])
        accepted = by_kind.sum(axis=0)
    else:
        own_mix = None
        (accepted,) = _divided((counted.accepted_unknown,), curve.n_reject, n_splits, generator)
    half = Outcomes(
        counted.thresholds, correct, wrong, accepted, n_test, n_reject, own_mix, by_kind
    )
    chosen = objective.choose(half)[:, None]
    at = _chosen_at(half, chosen)

    def of_half(counts: Int) -> Int:
        return np.asarray(np.take_along_axis(counts, chosen, axis=1))

    own_by_kind = rest_by_kind = rest_mix = None
    if mix is not None and own_mix is not None and by_kind is not None and all_by_kind is not None:
        rest_mix = mix.resized([n - m for n, m in zip(mix.sizes, own_mix.sizes, strict=True)])
        own_by_kind = np.take_along_axis(by_kind, chosen[None], axis=2)
        rest_by_kind = all_by_kind[:, at] - own_by_kind
    own = Outcomes(
        counted.thresholds[at],
        of_half(correct),
        of_half(wrong),
        of_half(accepted),
        n_test,
        n_reject,
        own_mix,
        own_by_kind,
    )
    rest = Outcomes(
        own.thresholds,
        counted.correct[at] - own.correct,
        counted.wrong[at] - own.wrong,
        counted.accepted_unknown[at] - own.accepted_unknown,
        curve.n_test - n_test,
        curve.n_reject - n_reject,
        rest_mix,
        rest_by_kind,
    )
    is_met = objective.feasible(own)[:, 0]
    fall = (objective.value(own) - objective.value(rest))[is_met, 0]
    rise = (rest.rejected_known_share - own.rejected_known_share)[is_met, 0]
    return RepeatedSplits(objective, objective.slack(rest)[is_met, 0], fall, n_splits, rise)


def _chosen_at(half: Outcomes, chosen: Int) -> Int:
    """(S, 1) places of the thresholds that :meth:`Curve.choose` gives on the halves.

    Of thresholds that change nothing on a half it takes the decimal with the fewest digits, which
    decides on pictures of the other half that lie in between.

    Parameters
    ----------
    half : counts of (S, K) thresholds
    chosen : (S, 1) the first of the best ones
    """
    same = np.ones(np.shape(half.correct), dtype=bool)
    for counts in (half.correct, half.wrong, half.accepted_unknown):
        same &= counts == np.take_along_axis(counts, chosen, axis=1)
    last = chosen[:, 0] + same.sum(axis=1) - 1
    before = np.append(-np.inf, half.thresholds)[chosen[:, 0]]
    ends = zip(before.tolist(), half.thresholds[last].tolist(), strict=True)
    thresholds = [shortest_decimal(*pair) for pair in ends]
    return np.searchsorted(half.thresholds, thresholds)[:, None]


def _splits_by_table(
    curve: Curve, objective: LeastTableCost, n_splits: int, seed: int
) -> RepeatedSplits:
    """Split the pictures themselves: each has a cost of its own."""
    if not isinstance(curve, TradeoffCurve):
        raise OpenMaxError("a table of costs needs every picture, and these were only counted")
    falls, rises = [], []
    for number in range(n_splits):
        halves = split_in_halves(curve, seed + number)
        chosen = halves[0].choose(objective)
        own, rest = (half.outcomes_for(objective, [chosen.threshold]) for half in halves)
        falls.append(objective.value(own) - objective.value(rest))
        rises.append(rest.rejected_known_share - own.rejected_known_share)
    fall, rise = (np.array(values, dtype=np.float64).ravel() for values in (falls, rises))
    return RepeatedSplits(objective, np.zeros(len(fall)), fall, n_splits, rise)


def rest_in_words(curve: Curve, objective: Objective) -> str:
    """Say what choosing and counting on the same pictures does; '' where they cannot be divided."""
    try:
        return repeated_splits(curve, objective).in_words
    except OpenMaxError:
        return ""


def _compared(curve: Curve, objective: Objective) -> Float:
    """Thresholds that are compared on the halves: all, or some where they are very many."""
    thresholds = curve.thresholds
    if len(thresholds) <= MOST_THRESHOLDS:
        return thresholds
    at = int(objective.choose(curve.all_outcomes))
    # What half of the pictures chooses lies within some standard deviations of what all choose.
    reach = 6 * math.isqrt(curve.n_test + curve.n_reject)
    near = np.linspace(max(0, at - reach), min(len(thresholds) - 1, at + reach), MOST_STEPS)
    return np.union1d(curve.drawn_thresholds(MOST_STEPS), thresholds[near.astype(np.int64)])


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

    def draw(pictures: Int) -> Int:
        return generator.multinomial(total, pictures / total, n_resamples)

    return _drawn(counts, total, n_resamples, draw)


def _divided(
    counts: tuple[Int, ...], total: int, n_splits: int, generator: np.random.Generator
) -> list[Int]:
    """(S, K) counts of random halves, ``total // 2`` pictures each; arguments as in `_resample`."""

    def draw(pictures: Int) -> Int:
        method: Literal["count", "marginals"] = "count" if total <= MOST_SHUFFLED else "marginals"
        return generator.multivariate_hypergeometric(
            pictures, total // 2, n_splits, method=method
        ).astype(np.int64)

    return _drawn(counts, total, n_splits, draw)


def _drawn(
    counts: tuple[Int, ...], total: int, n_draws: int, draw: Callable[[Int], Int]
) -> list[Int]:
    """(R, K) counts at or above each threshold of what is drawn from the pictures in between.

    Parameters
    ----------
    counts : (K,) counts at or above each threshold
    total : pictures that there are, also below the first threshold
    draw : (R, B) counts of (B,) pictures
    """
    if not total:
        return [np.zeros((n_draws, len(item)), dtype=np.int64) for item in counts]
    bins = [item - np.append(item[1:], 0) for item in counts]
    rest = total - sum(int(item[0]) for item in counts)
    drawn = draw(np.append(np.concatenate(bins), rest))
    parts = np.split(drawn[:, :-1], np.cumsum([len(item) for item in bins])[:-1], axis=1)
    return [part[:, ::-1].cumsum(axis=1)[:, ::-1] for part in parts]


def _quantile(values: Float, share: float) -> float:
    """Quantile that is one of the values; NaN of none."""
    return float(np.quantile(values, share, method="inverted_cdf")) if len(values) else math.nan


def _plain_points(share: float) -> str:
    return points(share).removeprefix("+")
