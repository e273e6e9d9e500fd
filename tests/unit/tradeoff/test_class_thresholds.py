"""Thresholds per class: against every combination, and gains that new pictures confirm."""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from openmax_core import NoFeasibleThresholdError, TradeoffCurve
from openmax_core.tradeoff.class_thresholds import (
    MOST_CANDIDATES,
    ClassThresholds,
    Difference,
    Gain,
    choose_class_thresholds,
    measure_gain,
)
from openmax_core.tradeoff.intervals import Interval, mean_interval
from openmax_core.tradeoff.objectives import (
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
    Objective,
)
from openmax_core.tradeoff.outcomes import Outcome
from openmax_core.tradeoff.resampling import split_in_halves
from tests.support.choices import (
    EACH_IDS,
    ONE_OF_EACH,
    Wanted,
    balanced,
    constrained,
    most_rejected,
    most_right,
    unconstrained,
    wanted,
    without_reject_set,
)
from tests.support.pictures import (
    ALL_UNKNOWN,
    N_CLASSES,
    NO_REJECT,
    WORKED,
    Counts,
    Pictures,
    pictures,
)

# --- against every combination -------------------------------------------------------------------


def every_combination(sets: Pictures) -> list[Counts]:
    """What any thresholds per class can do: each at a score of its class, or above all."""
    candidates = []
    for label in range(N_CLASSES):
        scores = {s for s, prediction, _ in sets.test if prediction == label}
        scores |= {s for s, prediction in sets.reject if prediction == label}
        candidates.append([*sorted(scores), math.inf])
    return [sets.counts_by_class(thresholds) for thresholds in product(*candidates)]


def chosen_and_single(sets: Pictures, want: Wanted) -> tuple[ClassThresholds, Counts] | None:
    """Thresholds per class, and what the single one does; None where there is none."""
    curve = sets.curve()
    states = [sets.counts(threshold) for threshold in sets.all_thresholds()]
    single = states[want.best(states)]
    if not want.is_met(single):
        with pytest.raises(NoFeasibleThresholdError):
            choose_class_thresholds(curve, want.objective)
        return None
    chosen = choose_class_thresholds(curve, want.objective)
    threshold = curve.choose(want.objective).threshold
    assert chosen.thresholds.shape == (N_CLASSES,)
    assert chosen.outcome == Outcome(threshold, *sets.counts_by_class(chosen.thresholds.tolist()))
    return chosen, single


def counts_of(outcome: Outcome) -> Counts:
    return Counts(
        outcome.correct,
        outcome.wrong,
        outcome.rejected_known,
        outcome.rejected_unknown,
        outcome.accepted_unknown,
    )


small = pictures(min_test=1, min_reject=1, most=8)


@settings(max_examples=150)
@given(small, unconstrained)
@example(WORKED, balanced())
@example(ALL_UNKNOWN, balanced())
def test_without_a_constraint_no_combination_is_better(sets, want):
    result = chosen_and_single(sets, want)
    assert result is not None
    chosen, _ = result
    best = max(want.value(counts) for counts in every_combination(sets))
    assert want.value(counts_of(chosen.outcome)) == best
    assert chosen.price == 0


def check_under_constraint(sets: Pictures, want: Wanted) -> None:
    """Keeps the constraint, and lies between the single threshold and the best combination."""
    result = chosen_and_single(sets, want)
    if result is None:
        return
    chosen, single = result
    counts = counts_of(chosen.outcome)
    assert want.is_met(counts)
    best = max(want.value(item) for item in every_combination(sets) if want.is_met(item))
    assert want.value(single) <= want.value(counts) <= best
    if chosen.price:  # weak duality: the best is no further off than the slack left is worth
        assert best - want.value(counts) <= chosen.price * want.slack(counts) + 1e-9


@settings(max_examples=250)
@given(small, constrained)
@example(WORKED, most_rejected(Fraction("0.4")))
@example(WORKED, most_right(Fraction("0.75")))
def test_under_a_constraint_the_result_lies_between_single_and_best(sets, want):
    check_under_constraint(sets, want)


@settings(max_examples=100)
@given(small.map(lambda sets: replace(sets, reject=[])), without_reject_set)
@example(NO_REJECT, most_rejected(Fraction("0.4")))
def test_without_a_reject_set_the_result_lies_between_single_and_best(sets, want):
    check_under_constraint(sets, want)


@pytest.mark.parametrize(
    ("floor", "right", "rejected"),
    [
        (Fraction("1"), 6, 4),  # the unknown at 0.38 stays: it outscores the known at 0.35
        (Fraction("0.8"), 5, 5),  # that known may go
    ],
)
def test_thresholds_per_class_are_those_worked_by_hand(floor, right, rejected):
    sets = Pictures(
        test=[(0.75, 0, 0), (0.8, 0, 0), (0.9, 0, 0), (0.35, 1, 1), (0.4, 1, 1), (0.5, 1, 1)],
        reject=[(0.6, 0), (0.7, 0), (0.2, 1), (0.3, 1), (0.38, 1)],
    )
    chosen = choose_class_thresholds(sets.curve(), MostRejected(float(floor)))
    assert (chosen.outcome.correct, chosen.outcome.rejected_unknown) == (right, rejected)
    single = sets.curve().choose(MostRejected(float(floor)))
    assert chosen.outcome.threshold == single.threshold
    assert single.counts["rejected_unknown"] < rejected


def test_what_the_constraint_leaves_is_used_up_class_by_class():
    """Three equal classes, in each of which an unknown can be traded for a known: one may."""
    sets = Pictures(
        test=[(score, label, label) for label in range(3) for score in (0.5, 0.9)],
        reject=[(0.7, label) for label in range(3)],
    )
    for most, floor in enumerate((1.0, 0.8, 0.6, 0.5)):
        chosen = choose_class_thresholds(sets.curve(), MostRejected(floor))
        counted = (chosen.outcome.correct, chosen.outcome.rejected_unknown)
        assert counted == (6 - most, most)


def test_thresholds_per_class_have_the_fewest_digits():
    sets = Pictures(test=[(0.87654, 0, 0), (0.41237, 1, 1)], reject=[(0.54321, 0), (0.31415, 1)])
    chosen = choose_class_thresholds(sets.curve(), Balanced())
    assert chosen.thresholds.tolist()[:2] == [0.8, 0.4]


# --- classes without pictures, and none at all ---------------------------------------------------


@settings(max_examples=100)
@given(small, wanted, st.integers(0, N_CLASSES - 1))
def test_a_class_without_predicted_pictures_keeps_the_single_threshold(sets, want, empty):
    others = Pictures(
        [row for row in sets.test if row[1] != empty], [r for r in sets.reject if r[1] != empty]
    )
    if want.objective.problem(len(others.test), len(others.reject)):
        return
    result = chosen_and_single(others, want)
    if result is not None:
        chosen, _ = result
        assert chosen.thresholds[empty] == chosen.outcome.threshold


def test_where_unknown_always_won_every_class_keeps_the_single_threshold():
    chosen = choose_class_thresholds(ALL_UNKNOWN.curve(), Balanced())
    assert chosen.thresholds.tolist() == [0.0] * N_CLASSES
    assert chosen.outcome == ALL_UNKNOWN.curve().outcome(0.0)


@pytest.mark.parametrize("want", ONE_OF_EACH, ids=EACH_IDS)
def test_equal_classes_with_one_picture_each_have_one_threshold(want):
    sets = Pictures(
        test=[(0.9, label, label) for label in range(N_CLASSES)],
        reject=[(0.2, label) for label in range(N_CLASSES)],
    )
    chosen = choose_class_thresholds(sets.curve(), want.objective)
    assert chosen.thresholds.tolist() == [chosen.outcome.threshold] * N_CLASSES


def test_out_of_reach_is_the_error_of_the_single_threshold():
    with pytest.raises(NoFeasibleThresholdError, match="no threshold reaches Test accu") as caught:
        choose_class_thresholds(WORKED.curve(), MostRejected(0.85))
    assert caught.value.nearest is not None


# --- many pictures -------------------------------------------------------------------------------


def noisy(
    n_classes: int, n: int, seed: int, apart: float = 0.0, n_reject: int | None = None
) -> TradeoffCurve:
    """Pictures with scores of one form in every class, moved by up to ``apart``."""
    generator = np.random.default_rng(seed)
    moved = np.linspace(-apart, apart, n_classes)
    m = n if n_reject is None else n_reject
    labels = generator.integers(0, n_classes, n)
    elsewhere = generator.random(n) < 0.07
    predictions = np.where(elsewhere, generator.integers(0, n_classes, n), labels)
    rejects = generator.integers(0, n_classes, m)
    return TradeoffCurve(
        generator.normal(0.7, 0.15, n) + moved[predictions],
        predictions,
        labels,
        generator.normal(0.4, 0.15, m) + moved[rejects],
        rejects,
        n_classes,
    )


OBJECTIVES = [
    MostRejected(0.8),
    MostRight(0.8),
    FewestKnownRejected(0.1),
    Balanced(),
    LeastCost(1, 1, 5, 0.3),
]
IDS = [objective.kind for objective in OBJECTIVES]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=IDS)
def test_of_many_scores_a_threshold_does_what_was_counted_when_it_was_chosen(objective):
    """Shortening its digits must not step over scores between the few that were looked at."""
    curve = noisy(2, 20_000, seed=0, apart=0.2)
    chosen = choose_class_thresholds(curve, objective)
    assert len(set(chosen.thresholds.tolist())) == 2
    for label, threshold in enumerate(chosen.thresholds.tolist()):
        of_class = curve.subset(curve.test_predictions == label, curve.reject_predictions == label)
        drawn = of_class.drawn_thresholds(MOST_CANDIDATES)
        assert len(of_class.thresholds) > len(drawn)
        looked_at = {counts_of(of_class.outcome(float(candidate))) for candidate in drawn}
        assert counts_of(of_class.outcome(threshold)) in looked_at


def test_of_very_many_scores_thresholds_per_class_still_keep_the_constraint():
    curve = noisy(2, 200_000, seed=0, apart=0.2)
    chosen = choose_class_thresholds(curve, MostRight(0.9))
    assert chosen.outcome.reject_accuracy >= 0.9
    assert chosen.outcome.test_accuracy > curve.choose(MostRight(0.9)).test_accuracy + 0.1


# --- gains on other pictures ---------------------------------------------------------------------


def rows_of(curve: TradeoffCurve) -> tuple[list[tuple[float, int, int]], list[tuple[float, int]]]:
    columns = (curve.test_scores, curve.test_predictions, curve.test_labels)
    return (
        list(zip(*(column.tolist() for column in columns), strict=True)),
        list(zip(curve.reject_scores.tolist(), curve.reject_predictions.tolist(), strict=True)),
    )


Change = tuple[str, str]  # what became of a picture with the single threshold, and per class


def changes_by_loops(
    curve: TradeoffCurve, objective: Objective, seed: int
) -> list[tuple[float, list[Change], list[Change]]]:
    """Per half: the price there, and what became of each test and reject picture."""
    first, second = split_in_halves(curve, seed)
    found = []
    for chosen_on, counted_on in ((first, second), (second, first)):
        chosen = choose_class_thresholds(chosen_on, objective)
        one = [chosen.outcome.threshold] * curve.n_classes + [math.inf]
        many = [*chosen.thresholds.tolist(), math.inf]
        test, reject = [], []
        test_rows, reject_rows = rows_of(counted_on)
        for score, prediction, label in test_rows:
            given_class = "right" if prediction == label else "wrong"
            test.append(
                (
                    given_class if score >= one[prediction] else "rejected known",
                    given_class if score >= many[prediction] else "rejected known",
                )
            )
        for score, prediction in reject_rows:
            reject.append(
                (
                    "accepted" if score >= one[prediction] else "rejected",
                    "accepted" if score >= many[prediction] else "rejected",
                )
            )
        found.append((chosen.price, test, reject))
    return found


def tally(states: list[str]) -> Counts:
    names = ("right", "wrong", "rejected known", "rejected", "accepted")
    return Counts(*(states.count(name) for name in names))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("want", ONE_OF_EACH, ids=EACH_IDS)
def test_a_gain_is_what_counting_the_other_half_gives(want, seed):
    curve = noisy(3, 120, seed=seed, apart=0.2, n_reject=91)
    gain = measure_gain(curve, want.objective, seed)
    halves = changes_by_loops(curve, want.objective, seed)
    before = tally([state for _, *sets in halves for pictures in sets for state, _ in pictures])
    after = tally([state for _, *sets in halves for pictures in sets for _, state in pictures])
    assert sum(before) == sum(after) == 211
    value = want.value(after) - want.value(before)
    assert gain.value.value == pytest.approx(float(value), abs=1e-12)
    assert gain.test_accuracy.value == pytest.approx((after.right - before.right) / 120)
    assert gain.reject_accuracy.value == pytest.approx((after.rejected - before.rejected) / 91)
    net = float(value)
    for index, (price, *_) in enumerate(halves):
        # Only this half's pictures moved: what that took from the constraint, at its price.
        moved = tally(
            [
                states[1 if other == index else 0]
                for other, (_, *sets) in enumerate(halves)
                for pictures in sets
                for states in pictures
            ]
        )
        net += price * float(want.slack(moved) - want.slack(before))
    assert gain.net.value == pytest.approx(net, abs=1e-12)


def interval_of_ones(changes: list[Change], better: str) -> Interval:
    """Interval of the mean difference in how many are ``better``, by counting."""
    gained = sum(before != better and after == better for before, after in changes)
    lost = sum(before == better and after != better for before, after in changes)
    same = len(changes) - gained - lost
    return mean_interval(np.repeat([1.0, -1.0, 0.0], [gained, lost, same]), 1.0)


def assert_close(interval: Interval, expected: Interval) -> None:
    assert_allclose((interval.low, interval.high), (expected.low, expected.high), atol=1e-12)


@pytest.mark.parametrize("want", ONE_OF_EACH, ids=EACH_IDS)
def test_gains_have_the_intervals_of_their_paired_differences(want):
    curve = noisy(3, 120, seed=0, apart=0.2, n_reject=91)
    gain = measure_gain(curve, want.objective)
    halves = changes_by_loops(curve, want.objective, 0)
    test = [change for _, pictures, _ in halves for change in pictures]
    reject = [change for *_, pictures in halves for change in pictures]
    right, rejected = interval_of_ones(test, "right"), interval_of_ones(reject, "rejected")
    assert_close(gain.test_accuracy.interval, right)
    assert_close(gain.reject_accuracy.interval, rejected)
    names = ("max_reject_accuracy", "max_lost_test_accuracy", "max_rejected_known")
    expected = dict.fromkeys(names, rejected)
    expected["max_test_accuracy"] = right
    expected["balanced"] = summed((right, 0.5), (rejected, 0.5))
    if want.objective.kind == "least_cost":  # wrong 2, rejected ½, accepted 5, one in ten unknown
        costs = {"right": 0.0, "wrong": 2.0, "rejected known": 0.5}
        saved = np.array([costs[before] - costs[after] for before, after in test])
        expected["least_cost"] = summed((mean_interval(saved, 2.0), 0.9), (rejected, 0.5))
    assert_close(gain.value.interval, expected[want.objective.kind])


def summed(*parts: tuple[Interval, float]) -> Interval:
    """Interval of a weighted sum of independent figures."""
    centre = sum(weight * (part.low + part.high) / 2 for part, weight in parts)
    half = math.sqrt(sum((weight * (part.high - part.low) / 2) ** 2 for part, weight in parts))
    return Interval(centre - half, centre + half)


@pytest.mark.parametrize("objective", [Balanced(), LeastCost()], ids=["balanced", "least_cost"])
def test_where_nothing_is_required_the_net_gain_is_the_gain(objective):
    gain = measure_gain(noisy(4, 200, seed=3, apart=0.1), objective)
    assert gain.net == gain.value


def apart_in_every_class() -> TradeoffCurve:
    """Class 0 scores high and class 1 low: no single threshold serves both, two serve all."""
    known = np.concatenate([np.linspace(0.8, 0.95, 60), np.linspace(0.4, 0.55, 60)])
    unknown = np.concatenate([np.linspace(0.6, 0.75, 50), np.linspace(0.1, 0.35, 50)])
    labels = np.repeat([0, 1], 60)
    return TradeoffCurve(known, labels, labels, unknown, np.repeat([0, 1], 50), 2)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=IDS)
def test_thresholds_per_class_are_worth_it_where_classes_differ(objective):
    curve = apart_in_every_class()
    gain = measure_gain(curve, objective)
    assert gain.is_worth_it
    assert gain.value.value > 0.05
    assert gain.net.value > 0.05
    assert choose_class_thresholds(curve, Balanced()).outcome == Outcome(
        curve.choose(Balanced()).threshold, 120, 0, 0, 100, 0
    )


@pytest.mark.parametrize("objective", OBJECTIVES, ids=IDS)
def test_thresholds_per_class_are_not_worth_it_where_classes_are_the_same(objective):
    for seed in range(6):
        assert not measure_gain(noisy(20, 400, seed), objective).is_worth_it


def test_a_gain_at_the_expense_of_the_constraint_is_not_worth_it():
    """Fitted to twenty classes, thresholds miss the floor on new pictures and reject more."""
    gains = [measure_gain(noisy(20, 600, seed), MostRejected(0.8)) for seed in range(10)]
    assert sum(gain.value.interval.low > 0 for gain in gains) >= 4  # alone it would look better
    assert np.mean([gain.test_accuracy.value for gain in gains]) < -0.01
    assert np.mean([gain.net.value for gain in gains]) < 0
    assert not any(gain.is_worth_it for gain in gains)


def test_the_same_seed_gives_the_same_gain_and_another_another():
    curve = noisy(3, 120, seed=0, apart=0.1)
    gains = [measure_gain(curve, Balanced(), seed) for seed in (0, 0, 1)]
    assert gains[0] == gains[1] != gains[2]


@pytest.mark.parametrize("objective", [MostRejected(0.8), FewestKnownRejected(0.1)])
def test_without_a_reject_set_the_gain_is_counted_on_the_known_pictures(objective):
    gain = measure_gain(noisy(3, 120, seed=0, apart=0.1, n_reject=0), objective)
    assert math.isnan(gain.reject_accuracy.value)
    assert math.isnan(gain.reject_accuracy.interval.low)
    assert gain.value.interval.low <= gain.value.value <= gain.value.interval.high


@pytest.mark.parametrize("objective", [MostRight(0.8), Balanced(), LeastCost()])
def test_objectives_that_need_a_reject_set_have_no_gain_without(objective):
    curve = noisy(2, 20, seed=0, n_reject=0)
    for function in (measure_gain, choose_class_thresholds):
        run: Callable[[TradeoffCurve, Objective], object] = function
        with pytest.raises(NoFeasibleThresholdError, match=r"^there is no reject set, which"):
            run(curve, objective)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=IDS)
def test_without_test_pictures_there_is_no_gain(objective):
    curve = TradeoffCurve([], [], [], [0.3, 0.4], [0, 1], 2)
    for function in (measure_gain, choose_class_thresholds):
        run: Callable[[TradeoffCurve, Objective], object] = function
        with pytest.raises(NoFeasibleThresholdError, match=r"^there are no test pictures"):
            run(curve, objective)


def test_a_half_on_which_the_constraint_cannot_be_met_is_an_error():
    # One of two is right: on one half it is none.
    curve = TradeoffCurve([0.8, 0.9], [0, 1], [0, 0], [0.2, 0.3], [0, 1], 2)
    assert choose_class_thresholds(curve, MostRejected(0.5)).outcome.correct == 1
    with pytest.raises(NoFeasibleThresholdError, match=r"no threshold reaches .*\(0 of 1\)"):
        measure_gain(curve, MostRejected(0.5))


@pytest.mark.parametrize(
    ("low", "high"),
    [(-0.1, 0.2), (0.0, 0.2), (-0.2, 0.0), (0.01, 0.2), (-0.2, -0.01), (math.nan, math.nan)],
)
def test_thresholds_are_worth_it_where_both_intervals_lie_above_nothing(low, high):
    difference = Difference(0.1, Interval(low, high))
    even = Difference(0.0, Interval(-1.0, 1.0))
    better = Difference(0.1, Interval(0.05, 0.2))
    assert Gain(difference, better, even, even).is_worth_it == (low > 0)
    assert Gain(better, difference, even, even).is_worth_it == (low > 0)
