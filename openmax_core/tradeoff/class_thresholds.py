"""A threshold of its own for every predicted class, chosen under the objective of the single one.

Counts add up over classes, so an objective without a constraint is best for each class alone. With
one, the thresholds that maximise value + λ · slack are found for each class alone, and λ is the
smallest that meets the constraint (Lagrange; Everett, 1963). What the last step of λ leaves of the
constraint is used up class by class.

More thresholds fit the pictures at hand better and new pictures not always. :func:`measure_gain`
chooses on one half and counts on the other, both ways round. Where thresholds were fitted to a
constraint, new pictures miss it by a little, which the figure gains from: λ is what that is worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openmax_core.support.arrays import Float, Int
from openmax_core.tradeoff.curve import TradeoffCurve, costs_at
from openmax_core.tradeoff.intervals import Interval, mean_interval
from openmax_core.tradeoff.objectives import LeastTableCost, Objective, per_picture
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError
from openmax_core.tradeoff.outcomes import Outcome, Outcomes
from openmax_core.tradeoff.promises import NoPromiseError, Promise, Promised, needed_in_words
from openmax_core.tradeoff.resampling import split_in_halves

MOST_CANDIDATES = 1000
SMALLEST_MULTIPLIER, LARGEST_MULTIPLIER = 1e-9, 1e12
N_BISECTIONS = 60
SHORTEST = 1e-9  # of a class whose scores are all equal
TEST, REJECT = 0, 1
Worth = tuple[Float, Float]
States = tuple[Int, Int]
# Of the test and of the reject set: what each picture gains, and what one could gain at most.
Change = tuple[tuple[Float, float], tuple[Float, float]]


@dataclass(frozen=True)
class ClassThresholds:
    """Chosen thresholds.

    Attributes
    ----------
    thresholds : (C,) float64, per predicted class
    outcome : Outcome
        What they do to the pictures they were chosen on; its ``threshold`` is the single one.
    price : float
        λ, what a unit of the constraint's slack costs in the objective's figure; 0 where nothing.
    promise : Promise or None
        What they keep on new pictures; None where nothing is promised.
    """

    thresholds: Float
    outcome: Outcome
    price: float = 0.0
    promise: Promise | None = None


@dataclass(frozen=True)
class Difference:
    """A difference of two figures counted on the same pictures, with its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Gain:
    """Thresholds per class against the single one, each chosen on other pictures than counted on.

    Attributes
    ----------
    value : Difference in the objective's figure; positive is better
    net : Difference
        The same, after paying for what was taken from the constraint, at its price; what the
        figure would gain with the constraint kept as well as before.
    test_accuracy, reject_accuracy : Difference
    """

    value: Difference
    net: Difference
    test_accuracy: Difference
    reject_accuracy: Difference

    @property
    def is_worth_it(self) -> bool:
        """The figure gets better by more than chance, and not at the constraint's expense."""
        return self.value.interval.low > 0 and self.net.interval.low > 0


def choose_class_thresholds(curve: TradeoffCurve, objective: Objective) -> ClassThresholds:
    """Best threshold for every predicted class, under the constraint on all pictures together.

    Never worse, on these pictures, than the best single threshold, which classes without a
    predicted picture keep.

    Raises
    ------
    NoFeasibleThresholdError
        No single threshold meets the constraint, or a set that it is counted on is empty.
    """
    single = curve.choose(objective)
    candidates = _Candidates(curve, objective)
    thresholds, price = np.full(curve.n_classes, single.threshold), 0.0
    if len(candidates.classes) and (best := candidates.best_rows()) is not None:
        rows, price = best
        thresholds[candidates.classes] = candidates.decimals(rows)
    outcome = curve.outcome_by_class(thresholds, single.threshold, objective)
    value, value_alone = objective.value(Outcomes.of(outcome, single.outcome))
    if not (objective.is_met(outcome) and value > value_alone):
        return ClassThresholds(np.full(curve.n_classes, single.threshold), single.outcome)
    return ClassThresholds(thresholds, outcome, price)


def promise_class_thresholds(
    curve: TradeoffCurve, objective: Objective, confidence: float, seed: int = 0
) -> ClassThresholds:
    """Thresholds per class that keep the constraint on new pictures, with a confidence.

    Many thresholds together are no sequence in which a share changes in one direction. So one half
    of the pictures chooses thresholds per class. They are then moved together, in steps of each
    class's range of scores, and the other half says how far: along this path the share does change
    in one direction, as that of a single threshold does.

    Returns
    -------
    ClassThresholds, with the outcome on all pictures and the promise of the second half.

    Raises
    ------
    NoFeasibleThresholdError
        No thresholds on the path can be promised, the first half has no thresholds that meet the
        constraint, or a set is empty.
    NoPromiseError
        No valid promise exists for the objective.
    """
    promised = Promised(objective, confidence)
    if problem := promised.problem(curve.n_test, curve.n_reject):
        raise NoFeasibleThresholdError(problem)
    promised.require_valid(curve.outcomes_for(objective))
    if not objective.requirement:
        raise NoPromiseError(
            f"no valid promise exists for thresholds per class with {objective.in_words}; a single "
            "threshold has one"
        )
    first, second = split_in_halves(curve, seed)
    path = _Path(first, choose_class_thresholds(first, _relative_to(first, objective)))
    promised = Promised(_relative_to(second, objective), confidence)
    steps = path.steps(second)
    outcomes = Outcomes.of(
        *(second.outcome_by_class(path.at(step), path.single_at(step)) for step in steps.tolist())
    )
    index = int(promised.choose(outcomes))
    if not promised.feasible(outcomes)[index]:
        raise NoFeasibleThresholdError(
            f"no thresholds per class reach {promised.requirement} on the half of the pictures "
            f"that tests them; {needed_in_words(promised.objective, outcomes, confidence)}"
        )
    step = float(steps[index])
    thresholds, single = path.at(step), path.single_at(step)
    return ClassThresholds(
        thresholds,
        curve.outcome_by_class(thresholds, single),
        promise=promised.promise(outcomes.at(index)),
    )


def measure_gain(curve: TradeoffCurve, objective: Objective, seed: int = 0) -> Gain:
    """Gain of thresholds per class over the single one, on pictures they were not chosen on.

    Chosen on one half and counted on the other, both ways round; the differences of all pictures
    together make the interval.

    Raises
    ------
    NoFeasibleThresholdError
        On one half no threshold meets the constraint, or a set that it is counted on is empty.
    """
    if problem := objective.problem(curve.n_test, curve.n_reject):
        raise NoFeasibleThresholdError(problem)
    first, second = split_in_halves(curve, seed)
    halves = []
    for chosen_on, counted_on in ((first, second), (second, first)):
        chosen = choose_class_thresholds(chosen_on, objective)
        single = np.full(curve.n_classes, chosen.outcome.threshold)
        halves.append(_Half(counted_on, single, chosen.thresholds, chosen.price))
    shares = np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.0])
    if isinstance(objective, LeastTableCost):  # nothing is taken from a constraint
        value = net = [half.change_of_cost(objective) for half in halves]
    else:
        worth, slack = _worth(curve, objective.value), _worth(curve, objective.slack)
        value = [half.change(worth) for half in halves]
        prices = [half.price for half in halves]
        nets = [(worth[TEST] + p * slack[TEST], worth[REJECT] + p * slack[REJECT]) for p in prices]
        net = [half.change(own) for half, own in zip(halves, nets, strict=True)]
    accuracies = [half.change(shares) for half in halves]
    return Gain(
        _sum_of_both(value),
        _sum_of_both(net),
        _difference(accuracies, TEST),
        _difference(accuracies, REJECT),
    )


@dataclass(frozen=True)
class _Half:
    """Pictures that neither threshold was chosen on.

    Attributes
    ----------
    curve : TradeoffCurve of the pictures
    single, by_class : (C,) float64
    price : λ of the thresholds per class
    """

    curve: TradeoffCurve
    single: Float
    by_class: Float
    price: float

    def change(self, worth: Worth) -> Change:
        """What every picture gains, for what a picture of each state is worth."""
        before, after = _states(self.curve, self.single), _states(self.curve, self.by_class)
        times = self.curve.reject_weights
        most = float(times.max()) if len(times) else 1.0
        return (
            (worth[TEST][after[TEST]] - worth[TEST][before[TEST]], float(np.ptp(worth[TEST]))),
            (
                (worth[REJECT][after[REJECT]] - worth[REJECT][before[REJECT]]) * times,
                most * float(np.ptp(worth[REJECT])),
            ),
        )

    def change_of_cost(self, objective: LeastTableCost) -> Change:
        """What every picture saves by a table of costs."""
        curve = self.curve
        costs, scores = curve.picture_costs(objective)
        before = np.where(curve.is_accepted(self.single, scores), costs[:, 0], costs[:, 1])
        after = np.where(curve.is_accepted(self.by_class, scores), costs[:, 0], costs[:, 1])
        n, m = curve.n_test, curve.n_reject
        largest = np.abs(costs[:, 0] - costs[:, 1])
        sets = (slice(None, n), n), (slice(n, None), m)
        test, reject = (
            ((before - after)[of] * size, float(largest[of].max(initial=0.0)) * size)
            for of, size in sets
        )
        return test, reject


def _relative_to(curve: TradeoffCurve, objective: Objective) -> Objective:
    return objective.relative_to(curve.all_outcomes.at(0))


class _Path:
    """Thresholds per class that move together; every one rises with the step.

    At step 0 they are the chosen ones, at −1 each is its class's lowest score, at 1 the highest.
    """

    def __init__(self, curve: TradeoffCurve, chosen: ClassThresholds) -> None:
        self.chosen, self.single = chosen.thresholds, chosen.outcome.threshold
        scores = np.concatenate([curve.test_scores, curve.reject_scores])
        predictions = np.concatenate([curve.test_predictions, curve.reject_predictions])
        ends = [_ends(scores[predictions == index]) for index in range(curve.n_classes)]
        low, high = np.array(ends).reshape(-1, 2).T
        all_low, all_high = _ends(scores)
        self.down = np.maximum(self.chosen - np.where(np.isnan(low), all_low, low), SHORTEST)
        self.up = np.maximum(np.where(np.isnan(high), all_high, high) - self.chosen, SHORTEST)
        self.single_down = max(self.single - all_low, SHORTEST)
        self.single_up = max(all_high - self.single, SHORTEST)

    def at(self, step: float) -> Float:
        """(C,) thresholds."""
        return self.chosen + step * (self.down if step < 0 else self.up)

    def single_at(self, step: float) -> float:
        """The single threshold that stands for them."""
        return self.single + step * (self.single_down if step < 0 else self.single_up)

    def steps(self, curve: TradeoffCurve) -> Float:
        """Ascending steps at which pictures change, up to :data:`MOST_CANDIDATES` of them."""
        scores = np.concatenate([curve.test_scores, curve.reject_scores])
        predictions = np.concatenate([curve.test_predictions, curve.reject_predictions])
        of_class = predictions < curve.n_classes
        scores, predictions = scores[of_class], predictions[of_class]
        far = scores - self.chosen[predictions]
        steps = np.where(far < 0, far / self.down[predictions], far / self.up[predictions])
        steps = np.unique(np.append(steps, 0.0))
        # Beyond the last one all pictures are rejected.
        steps = np.append(steps, np.nextafter(steps[-1], np.inf) + SHORTEST)
        if len(steps) > MOST_CANDIDATES:
            steps = steps[np.linspace(0, len(steps) - 1, MOST_CANDIDATES).round().astype(int)]
        return np.asarray(steps)


def _ends(scores: Float) -> tuple[float, float]:
    return (float(scores.min()), float(scores.max())) if len(scores) else (math.nan, math.nan)


class _Candidates:
    """Every threshold that could matter, of all predicted classes one after another."""

    def __init__(self, curve: TradeoffCurve, objective: Objective) -> None:
        by_class = [
            curve.subset(curve.test_predictions == index, curve.reject_predictions == index)
            for index in range(curve.n_classes)
        ]
        self.classes = np.flatnonzero([item.n_test + item.n_reject for item in by_class])
        self.curves = [by_class[index] for index in self.classes.tolist()]
        self.objective = objective
        self.n_test, self.n_reject = curve.n_test, curve.n_reject
        if not self.curves:
            return
        parts = [item.outcomes(item.drawn_thresholds(MOST_CANDIDATES)) for item in self.curves]
        self.lengths = np.array([len(item.thresholds) for item in parts], dtype=np.int64)
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.thresholds = np.concatenate([item.thresholds for item in parts])
        accepted = [_counting_for(curve, item) for item in parts]
        self.counts = np.concatenate(
            [[one.correct, one.wrong, other] for one, other in zip(parts, accepted, strict=True)],
            axis=1,
        )
        if isinstance(objective, LeastTableCost):
            self.value = -self._costs(curve, objective, [item.thresholds for item in parts])
            self.slack = np.zeros_like(self.value)
            return
        self.value = self._summed(objective.value)
        self.slack = self._summed(objective.slack)

    def best_rows(self) -> tuple[Int, float] | None:
        """Row of the chosen candidate per class, and λ; None where the constraint cannot be met."""
        lowest = self._rows_at(SMALLEST_MULTIPLIER)
        if self._is_feasible(lowest):
            return lowest, 0.0
        highest = self._rows_at(LARGEST_MULTIPLIER)
        if not self._is_feasible(highest):
            return None
        low, high = math.log(SMALLEST_MULTIPLIER), math.log(LARGEST_MULTIPLIER)
        for _ in range(N_BISECTIONS):
            middle = (low + high) / 2
            rows = self._rows_at(math.exp(middle))
            if self._is_feasible(rows):
                high, highest = middle, rows
            else:
                low, lowest = middle, rows
        return self._use_up(highest, lowest), math.exp(high)

    def decimals(self, rows: Int) -> list[float]:
        """Shortest number for every chosen candidate."""
        at = self.thresholds[rows, None]
        return [curve.decimals(one)[0] for curve, one in zip(self.curves, at, strict=True)]

    def _costs(
        self, curve: TradeoffCurve, objective: LeastTableCost, thresholds: list[Float]
    ) -> Float:
        """What the pictures of each candidate add to the expected cost."""
        costs, scores = curve.picture_costs(objective)
        predictions = np.concatenate([curve.test_predictions, curve.reject_predictions])
        found = []
        for index, at in zip(self.classes.tolist(), thresholds, strict=True):
            own = np.flatnonzero(predictions == index)
            own = own[np.argsort(scores[own], kind="stable")]
            found.append(costs_at(costs[own], scores[own], at))
        return np.concatenate(found)

    def _summed(self, figure: Callable[[Outcomes], Float]) -> Float:
        """What the pictures of each candidate add to a figure."""
        weights = per_picture(figure, self.n_test, self.n_reject)
        return np.asarray((weights[:, None] * self.counts).sum(axis=0))

    def _rows_at(self, multiplier: float) -> Int:
        """Per class the first candidate with the largest value + multiplier · slack."""
        total = self.value + multiplier * self.slack
        best = np.repeat(np.maximum.reduceat(total, self.starts), self.lengths)
        rows = np.flatnonzero(total == best)
        segment = np.searchsorted(self.starts, rows, side="right") - 1
        return rows[np.unique(segment, return_index=True)[1]]

    def _is_feasible(self, rows: Int) -> bool:
        correct, wrong, accepted = self.counts[:, rows].sum(axis=1, keepdims=True)
        outcomes = Outcomes(np.zeros(1), correct, wrong, accepted, self.n_test, self.n_reject)
        return bool(self.objective.feasible(outcomes)[0])

    def _use_up(self, feasible: Int, infeasible: Int) -> Int:
        """Move classes from one solution to the other while the constraint holds, best first."""
        rows = feasible.copy()
        gain = self.value[infeasible] - self.value[feasible]
        price = self.slack[feasible] - self.slack[infeasible]
        worth: NDArray[np.float64] = gain / np.maximum(price, 1e-300)
        for index in np.argsort(-worth, kind="stable").tolist():
            if gain[index] <= 0:
                continue
            tried = rows.copy()
            tried[index] = infeasible[index]
            if self._is_feasible(tried):
                rows = tried
        return rows


def _counting_for(curve: TradeoffCurve, part: Outcomes) -> Int | Float:
    """(K,) accepted unknowns of a part of a curve's pictures, by what each counts for in all."""
    if curve.mix is None or part.accepted_by_kind is None:
        return part.accepted_unknown
    return np.asarray(curve.mix.units @ part.accepted_by_kind)


def _worth(curve: TradeoffCurve, figure: Callable[[Outcomes], Float]) -> Worth:
    """What a picture of the test and of the reject set adds to a mean over its set, by state."""
    correct, wrong, accepted = per_picture(figure, curve.n_test, curve.n_reject)
    return curve.n_test * np.array([correct, wrong, 0.0]), curve.n_reject * np.array([0, accepted])


def _states(curve: TradeoffCurve, thresholds: Float) -> States:
    """Per test picture 0 right, 1 wrong, 2 rejected; per reject picture 0 rejected, 1 accepted."""
    limits = np.append(thresholds, np.inf)
    rejected = curve.test_scores < limits[curve.test_predictions]
    state = np.where(curve.test_predictions == curve.test_labels, 0, 1)
    accepted = curve.reject_scores >= limits[curve.reject_predictions]
    return np.where(rejected, 2, state), accepted.astype(np.int64)


def _difference(changes: list[Change], of: int) -> Difference:
    """Mean of what the pictures of a set gain, over both halves."""
    values = np.concatenate([change[of][0] for change in changes])
    mean = float(values.mean()) if len(values) else math.nan
    return Difference(mean, mean_interval(values, max(change[of][1] for change in changes)))


def _sum_of_both(changes: list[Change]) -> Difference:
    """Sum of the differences on both sets, which are independent; an empty set adds nothing."""
    both = (_difference(changes, of) for of in (TEST, REJECT))
    parts = [item for item in both if not math.isnan(item.value)]
    value = sum(item.value for item in parts)
    centre = sum((item.interval.low + item.interval.high) / 2 for item in parts)
    half = math.hypot(*((item.interval.high - item.interval.low) / 2 for item in parts))
    return Difference(value, Interval(centre - half, centre + half))
