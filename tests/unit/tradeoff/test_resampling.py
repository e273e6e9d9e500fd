"""Halves and resamples: fair splits, honest counts, and what drawing pictures really gives."""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from openmax_core import NoFeasibleThresholdError, TradeoffCurve
from openmax_core.support.arrays import Float
from openmax_core.support.decimals import shortest_decimal
from openmax_core.tradeoff.cost_table import CostTable
from openmax_core.tradeoff.kinds import Kinds, Mix
from openmax_core.tradeoff.objectives import (
    Balanced,
    FewestKnownRejected,
    LeastCost,
    LeastTableCost,
    MostRejected,
    MostRight,
)
from openmax_core.tradeoff.outcomes import Outcome, Outcomes
from openmax_core.tradeoff.resampling import (
    MOST_THRESHOLDS,
    N_RESAMPLES,
    RepeatedSplits,
    Spread,
    bootstrap_choices,
    choose_on_half,
    repeated_splits,
    rest_in_words,
    split_in_halves,
)
from tests.support.choices import (
    Wanted,
    balanced,
    fewest_known_rejected,
    most_rejected,
    most_right,
    wanted,
)
from tests.support.pictures import N_CLASSES, Counts, Pictures, pictures

# --- halves --------------------------------------------------------------------------------------


def numbered(labels: list[int], n_reject: int, n_classes: int) -> TradeoffCurve:
    """Curve of pictures that can be told apart by their scores."""
    n = len(labels)
    return TradeoffCurve(
        np.arange(n) / 1000,
        np.arange(n) % (n_classes + 1),
        labels,
        1 + np.arange(n_reject) / 1000,
        np.arange(n_reject) % (n_classes + 1),
        n_classes,
    )


labels_and_rejects = (st.lists(st.integers(0, 4), max_size=60), st.integers(0, 30))


@settings(max_examples=100)
@given(*labels_and_rejects, st.integers(0, 1000))
def test_halves_have_every_picture_once(labels, n_reject, seed):
    curve = numbered(labels, n_reject, 5)
    first, second = split_in_halves(curve, seed)
    test = {row: index for index, row in enumerate(curve.test_scores.tolist())}
    reject = {row: index for index, row in enumerate(curve.reject_scores.tolist())}
    in_test = [test[score] for half in (first, second) for score in half.test_scores.tolist()]
    in_reject = [reject[score] for half in (first, second) for score in half.reject_scores.tolist()]
    assert sorted(in_test) == list(range(len(labels)))
    assert sorted(in_reject) == list(range(n_reject))
    for half in (first, second):
        rows = [test[score] for score in half.test_scores.tolist()]
        assert_array_equal(half.test_labels, curve.test_labels[rows])
        assert_array_equal(half.test_predictions, curve.test_predictions[rows])
        rows = [reject[score] for score in half.reject_scores.tolist()]
        assert_array_equal(half.reject_predictions, curve.reject_predictions[rows])
        assert half.n_classes == 5


@settings(max_examples=100)
@given(*labels_and_rejects, st.integers(0, 1000))
def test_halves_share_each_class_evenly_but_for_one(labels, n_reject, seed):
    first, second = split_in_halves(numbered(labels, n_reject, 5), seed)
    for label in range(5):
        one, other = ((half.test_labels == label).sum() for half in (first, second))
        assert abs(int(one) - int(other)) <= 1
    assert abs(first.n_test - second.n_test) <= 1
    assert abs(first.n_reject - second.n_reject) <= 1


def test_the_same_seed_splits_the_same_way_and_another_another():
    curve = numbered([0, 1, 2] * 20, 30, 3)
    halves = [split_in_halves(curve, seed)[0] for seed in (0, 0, 1)]
    assert_array_equal(halves[0].test_scores, halves[1].test_scores)
    assert_array_equal(halves[0].reject_scores, halves[1].reject_scores)
    assert halves[0].test_scores.tolist() != halves[2].test_scores.tolist()
    assert halves[0].reject_scores.tolist() != halves[2].reject_scores.tolist()


def test_every_picture_is_as_often_in_the_one_half_as_in_the_other():
    curve = numbered([0] * 5 + [1] * 8 + [2], 7, 3)
    n_seeds = 1000
    counts = np.zeros(21)
    for seed in range(n_seeds):
        first, _ = split_in_halves(curve, seed)
        rows = np.round(1000 * first.test_scores).astype(int)
        counts[rows] += 1
        counts[14 + np.round(1000 * (first.reject_scores - 1)).astype(int)] += 1
    # Five standard deviations of a fair coin.
    assert_allclose(counts / n_seeds, 0.5, atol=5 * 0.5 / math.sqrt(n_seeds))


@settings(max_examples=100)
@given(pictures(min_test=2, min_reject=2), wanted, st.integers(0, 100))
def test_the_half_reports_what_counting_the_other_half_gives(sets, want, seed):
    first, second = (pictures_of(half) for half in split_in_halves(sets.curve(), seed))
    states = [first.counts(threshold) for threshold in first.all_thresholds()]
    best = states[want.best(states)]
    if not want.is_met(best):
        with pytest.raises(NoFeasibleThresholdError):
            choose_on_half(sets.curve(), want.objective, seed)
        return
    choice = choose_on_half(sets.curve(), want.objective, seed)
    assert first.counts(choice.chosen.threshold) == tuple(choice.chosen.counts.values()) == best
    counted = second.counts(choice.chosen.threshold)
    assert choice.reported == Outcome(choice.chosen.threshold, *counted)


def pictures_of(curve: TradeoffCurve) -> Pictures:
    columns = (curve.test_scores, curve.test_predictions, curve.test_labels)
    return Pictures(
        list(zip(*(column.tolist() for column in columns), strict=True)),
        list(zip(curve.reject_scores.tolist(), curve.reject_predictions.tolist(), strict=True)),
    )


def test_a_choice_on_a_half_depends_on_the_seed_only():
    generator = np.random.default_rng(0)
    curve = TradeoffCurve(
        generator.normal(0.7, 0.2, 100),
        np.zeros(100),
        np.zeros(100),
        generator.normal(0.4, 0.2, 100),
        np.zeros(100),
        2,
    )
    choices = [choose_on_half(curve, MostRejected(0.8), seed) for seed in (0, 0, 1)]
    assert choices[0] == choices[1] != choices[2]


def test_without_a_reject_set_the_halves_have_none():
    curve = numbered([0, 1] * 4, 0, 2)
    choice = choose_on_half(curve, FewestKnownRejected(1.0))
    assert choice.chosen.reject_accuracy is None
    assert choice.reported.n_reject == 0
    with pytest.raises(NoFeasibleThresholdError, match="there is no reject set"):
        choose_on_half(curve, Balanced())


# --- resamples -----------------------------------------------------------------------------------

SMALL = Pictures(
    test=[
        *[(score / 10, 0, 0) for score in (2, 4, 4, 5, 6, 7, 8, 9)],
        *[(0.3, 1, 0), (0.4, 1, 2), (0.6, 2, 1)],
        (0.9, N_CLASSES, 2),
    ],
    reject=[
        *[(score / 10, 0) for score in (1, 2, 3, 4, 5, 6, 7)],
        (0.8, N_CLASSES),
    ],
)


@dataclass(frozen=True)
class Recording(Balanced):
    """An objective that keeps the counts that it is asked about."""

    seen: list[Outcomes] = field(default_factory=list)

    def value(self, outcomes: Outcomes) -> Float:
        self.seen.append(outcomes)
        return super().value(outcomes)


def resampled(curve: TradeoffCurve, n_resamples: int) -> Outcomes:
    recording = Recording()
    bootstrap_choices(curve, recording, n_resamples)
    (outcomes,) = recording.seen
    return outcomes


def test_resampled_counts_have_the_mean_and_covariance_of_the_multinomial():
    """Of pictures drawn with replacement: any two counts of one set vary as N (p_both − p p')."""
    n_resamples = 20_000
    curve = SMALL.curve()
    outcomes = resampled(curve, n_resamples)
    thresholds = curve.thresholds
    assert_array_equal(outcomes.thresholds, thresholds)
    right = [
        [prediction == label and s >= t for t in thresholds] for s, prediction, label in SMALL.test
    ]
    wrong = [
        [prediction not in {label, N_CLASSES} and s >= t for t in thresholds]
        for s, prediction, label in SMALL.test
    ]
    accepted = [[p != N_CLASSES and s >= t for t in thresholds] for s, p in SMALL.reject]
    for counts, is_counted in (
        (np.hstack([outcomes.correct, outcomes.wrong]), np.hstack([right, wrong]).astype(float)),
        (outcomes.accepted_unknown, np.array(accepted, dtype=float)),
    ):
        n = len(is_counted)
        mean, covariance = is_counted.sum(axis=0), n * np.cov(is_counted.T, bias=True)
        deviation = np.sqrt(np.diag(covariance))
        assert (np.abs(counts.mean(axis=0) - mean) <= 5 * deviation / math.sqrt(n_resamples)).all()
        scale = np.outer(deviation, deviation)
        # A covariance of so many draws is itself off by about its scale · √(2 / draws).
        tolerance = 5 * scale * math.sqrt(2 / n_resamples)
        assert (np.abs(np.cov(counts.T) - covariance) <= tolerance + 1e-12).all()


def test_test_and_reject_pictures_are_resampled_independently():
    outcomes = resampled(SMALL.curve(), 20_000)
    for known in (outcomes.correct[:, 2], outcomes.wrong[:, 2]):
        correlation = np.corrcoef(known, outcomes.accepted_unknown[:, 2])[0, 1]
        assert abs(correlation) < 5 / math.sqrt(20_000)


@settings(max_examples=50)
@given(pictures(min_test=1, min_reject=1), st.integers(1, 20))
def test_resampled_counts_are_counts_of_as_many_pictures(sets, n_resamples):
    curve = sets.curve()
    outcomes = resampled(curve, n_resamples)
    assert outcomes.correct.shape == (n_resamples, len(curve.thresholds))
    for counts in (outcomes.correct, outcomes.wrong, outcomes.accepted_unknown):
        assert counts.min() >= 0
        assert (np.diff(counts, axis=1) <= 0).all()
    assert (outcomes.correct + outcomes.wrong).max() <= curve.n_test
    assert outcomes.accepted_unknown.max() <= curve.n_reject
    if not curve.n_test_unknown_won:  # then all are accepted without a threshold
        assert ((outcomes.correct + outcomes.wrong)[:, 0] == curve.n_test).all()


def naive_bootstrap(sets: Pictures, want: Wanted, n_resamples: int) -> tuple[list[float], int]:
    """Draw pictures, count them at every threshold, choose in a plain loop."""
    generator = np.random.default_rng(99)
    thresholds = sets.curve().thresholds.tolist()
    test = [[counts_of(Pictures([row], []), t) for t in thresholds] for row in sets.test]
    reject = [[counts_of(Pictures([], [row]), t) for t in thresholds] for row in sets.reject]
    chosen: list[float] = []
    n_infeasible = 0
    for _ in range(n_resamples):
        drawn = [test[i] for i in generator.integers(0, len(test), len(test))]
        drawn += [reject[i] for i in generator.integers(0, len(reject), len(reject))]
        states = [Counts(*total) for total in np.sum(drawn, axis=0).tolist()]
        best = want.best(states)
        if want.is_met(states[best]):
            chosen.append(thresholds[best])
        else:
            n_infeasible += 1
    return sorted(chosen), n_infeasible


def shortest_of(curve: TradeoffCurve) -> list[float]:
    """Per step of the curve the shortest number that chooses it."""
    steps = [-math.inf, *curve.thresholds.tolist()]
    return [shortest_decimal(below, to) for below, to in pairwise(steps)]


def counts_of(sets: Pictures, threshold: float) -> list[int]:
    return list(sets.counts(threshold))


@pytest.mark.parametrize(
    "want",
    [
        most_rejected(Fraction("0.6")),
        most_right(Fraction("0.6")),
        fewest_known_rejected(Fraction("0.25")),
        balanced(),
    ],
    ids=lambda want: want.objective.kind,
)
def test_resampling_counts_chooses_as_often_as_drawing_pictures(want):
    n_naive, n_drawn = 2000, 20_000
    naive, naive_infeasible = naive_bootstrap(SMALL, want, n_naive)
    spread = bootstrap_choices(SMALL.curve(), want.objective, n_drawn)
    for share in (0.025, 0.25, 0.5, 0.75, 0.975):  # the same step of the curve, or a neighbour
        (quantile,) = spread.quantiles(share)
        expected = float(np.quantile(naive, share, method="nearest"))
        steps = SMALL.curve().thresholds
        assert abs(np.searchsorted(steps, quantile) - np.searchsorted(steps, expected)) <= 1
    steps = SMALL.curve().thresholds
    chosen = np.searchsorted(steps, spread.thresholds)
    for step, threshold in enumerate(steps.tolist()):
        often = (chosen == step).sum() / n_drawn
        expected = naive.count(threshold) / n_naive
        assert abs(often - expected) <= 5 * math.sqrt(max(often, 1e-3) / n_naive)
    share = spread.n_infeasible / n_drawn
    assert abs(share - naive_infeasible / n_naive) <= 5 * math.sqrt(max(share, 1e-3) / n_naive)


@pytest.mark.parametrize("objective", [MostRejected(0.5), MostRight(0.5), Balanced()])
def test_the_same_seed_gives_the_same_resamples_and_another_others(objective):
    spreads = [bootstrap_choices(SMALL.curve(), objective, seed=seed) for seed in (3, 3, 4)]
    assert_array_equal(spreads[0].thresholds, spreads[1].thresholds)
    assert spreads[0].thresholds.tolist() != spreads[2].thresholds.tolist()


@settings(max_examples=100)
@given(pictures(min_test=1, min_reject=1), wanted)
def test_resamples_choose_among_the_thresholds_of_the_curve(sets, want):
    curve = sets.curve()
    spread = bootstrap_choices(curve, want.objective, 20)
    assert np.isin(spread.thresholds, shortest_of(curve)).all()
    assert (np.diff(spread.thresholds) >= 0).all()
    assert spread.n_resamples == 20 == len(spread.thresholds) + spread.n_infeasible


def test_there_are_two_hundred_resamples_unless_told():
    assert bootstrap_choices(SMALL.curve(), Balanced()).n_resamples == N_RESAMPLES == 200


def test_one_picture_alone_is_resampled_to_itself():
    curve = TradeoffCurve([0.7], [0], [0], [0.3], [0], 2)
    spread = bootstrap_choices(curve, Balanced())
    assert spread.thresholds.tolist() == [0.7] * 200
    assert spread.n_infeasible == 0


def test_resamples_in_which_the_constraint_cannot_be_met_are_counted():
    # One right, one lost to 'unknown': half of them right, unless the lost one is drawn twice.
    curve = TradeoffCurve([0.7, 0.8], [0, 2], [0, 1], [0.3], [0], 2)
    spread = bootstrap_choices(curve, MostRejected(0.5), 10_000)
    assert abs(spread.n_infeasible / 10_000 - 1 / 4) < 5 * math.sqrt(3 / 16 / 10_000)
    assert set(spread.thresholds.tolist()) == {0.7}


def test_where_no_resample_can_meet_the_constraint_there_is_nothing_to_show():
    curve = TradeoffCurve([0.7, 0.8], [1, 2], [0, 1], [0.3], [0], 2)
    spread = bootstrap_choices(curve, MostRejected(0.5), 50)
    assert spread.thresholds.tolist() == []
    assert spread.n_infeasible == spread.n_resamples == 50
    assert spread.quantiles(0.025, 0.5, 0.975) == []


def test_without_a_reject_set_the_known_pictures_are_resampled():
    curve = TradeoffCurve(np.arange(1, 21) / 20, np.zeros(20), np.zeros(20), [], [], 2)
    spread = bootstrap_choices(curve, FewestKnownRejected(0.2), 500)
    assert spread.n_infeasible == 0
    assert np.isin(spread.thresholds, shortest_of(curve)).all()
    assert spread.quantiles(0.5)[0] == pytest.approx(0.25, abs=0.051)  # 4 of 20 rejected
    assert len(set(spread.thresholds.tolist())) > 3


@pytest.mark.parametrize("objective", [Balanced(), MostRight(0.5)])
def test_objectives_that_need_a_reject_set_cannot_be_resampled_without(objective):
    curve = TradeoffCurve([0.5], [0], [0], [], [], 2)
    with pytest.raises(NoFeasibleThresholdError) as caught:
        bootstrap_choices(curve, objective)
    assert str(caught.value) == "there is no reject set, which this objective is counted on"
    assert caught.value.nearest is None


def test_without_test_pictures_nothing_is_resampled():
    curve = TradeoffCurve([], [], [], [0.5], [0], 2)
    with pytest.raises(NoFeasibleThresholdError, match="there are no test pictures"):
        bootstrap_choices(curve, MostRejected(0.5))


# --- many thresholds -----------------------------------------------------------------------------


def curve_of(n_scores: int) -> TradeoffCurve:
    scores = np.random.default_rng(5).permutation(np.arange(n_scores) / n_scores)
    middle = n_scores // 2
    known, unknown = np.sqrt(scores[:middle]), scores[middle:]
    return TradeoffCurve(
        known, np.zeros(len(known)), np.zeros(len(known)), unknown, np.zeros(len(unknown)), 2
    )


def test_up_to_four_thousand_thresholds_are_all_chosen_among():
    curve = curve_of(MOST_THRESHOLDS - 1)
    assert len(curve.thresholds) == MOST_THRESHOLDS == 4000
    assert resampled(curve, 5).correct.shape[1] == MOST_THRESHOLDS


def test_of_more_thresholds_a_part_is_chosen_among():
    curve = curve_of(20_000)
    spread = bootstrap_choices(curve, MostRejected(0.9), 50)
    assert resampled(curve, 3).correct.shape[1] < len(curve.thresholds)
    assert np.isin(spread.thresholds, shortest_of(curve)).all()
    low, high = spread.quantiles(0.0, 1.0)
    chosen = curve.best(0.9).threshold
    assert low <= chosen <= high
    assert high - low < 0.05


def test_many_pictures_are_counted_at_few_thresholds():
    assert resampled(curve_of(20_000), 3).correct.shape[1] <= MOST_THRESHOLDS


# --- quantiles -----------------------------------------------------------------------------------


def test_quantiles_are_thresholds_that_were_chosen():
    spread = Spread(np.array([0.1, 0.2, 0.2, 0.7, 0.9]), 6)
    assert spread.quantiles(0.0, 0.25, 0.5, 0.74, 0.76, 1.0) == [0.1, 0.2, 0.2, 0.7, 0.7, 0.9]
    assert spread.quantiles() == []
    assert spread.n_infeasible == 1


# --- many halves ---------------------------------------------------------------------------------


def drawn_curve(n_test: int, n_reject: int, seed: int = 0) -> TradeoffCurve:
    """Curve of made-up pictures, of which 93 % of the knowns are right."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n_test)
    wrong = generator.random(n_test) > 0.93
    return TradeoffCurve(
        np.round(generator.normal(1.5, 1, n_test), 2),
        np.where(wrong, (labels + 1) % 3, labels),
        labels,
        np.round(generator.normal(0, 1, n_reject), 2),
        generator.integers(0, 3, n_reject),
        3,
    )


@pytest.mark.parametrize("objective", [MostRejected(0.8), MostRight(0.6), FewestKnownRejected(0.1)])
def test_constraints_break_on_the_rest_as_often_as_counting_halves_says(objective):
    curve = drawn_curve(90, 60)
    found = repeated_splits(curve, objective, 2000)
    generator = np.random.default_rng(5)
    slack = []
    for _ in range(600):
        masks = [np.isin(np.arange(n), generator.permutation(n)[: n // 2]) for n in (90, 60)]
        try:
            chosen = curve.subset(masks[0], masks[1]).choose(objective)
        except NoFeasibleThresholdError:
            continue
        rest = curve.subset(~masks[0], ~masks[1]).outcome(chosen.threshold)
        slack.append(float(objective.slack(Outcomes.of(rest))[0]))
    assert len(found.slack) / 2000 == pytest.approx(len(slack) / 600, abs=0.05)
    # Four standard deviations of 600 coins.
    assert found.broken == pytest.approx(np.mean(np.array(slack) < 0), abs=0.09)
    worst = -np.quantile(slack, 0.05)
    assert found.worst_shortfall == pytest.approx(worst, abs=0.05)


def test_what_is_not_constrained_falls_on_the_rest_as_counting_halves_says():
    curve, objective = drawn_curve(60, 40), Balanced()
    found = repeated_splits(curve, objective, 2000)
    generator = np.random.default_rng(5)
    falls = []
    for _ in range(400):
        masks = [np.isin(np.arange(n), generator.permutation(n)[: n // 2]) for n in (60, 40)]
        chosen = curve.subset(masks[0], masks[1]).choose(objective)
        rest = curve.subset(~masks[0], ~masks[1]).outcome(chosen.threshold)
        falls.append(
            sum(objective.value(Outcomes.of(chosen.outcome)) - objective.value(Outcomes.of(rest)))
        )
    assert not found.slack.any()
    assert found.fall.mean() == pytest.approx(np.mean(falls), abs=0.015)
    assert found.fall.mean() > 0.01


def test_halves_that_cannot_keep_the_floor_are_left_out_and_counted():
    curve = TradeoffCurve([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], [0, 0, 0, 0], [], [], 2)
    found = repeated_splits(curve, MostRejected(1.0), 300)
    assert 20 < len(found.slack) < 90  # one of the six halves has no wrong picture
    assert found.broken == 1.0
    assert f"(left out: {300 - len(found.slack)} halves on which" in found.in_words
    never = repeated_splits(
        curve.subset(np.array([0, 1, 0, 1], bool), np.zeros(0, bool)), MostRejected(1.0)
    )
    assert math.isnan(never.broken)
    assert never.in_words.startswith("On none of 300 random halves of these pictures")
    assert math.isnan(never.summary["worst_fall"])


def test_what_is_drawn_bin_by_bin_is_like_what_is_shuffled(monkeypatch):
    curve, objective = drawn_curve(500, 300), MostRejected(0.8)
    shuffled = repeated_splits(curve, objective, 1500)
    monkeypatch.setattr("openmax_core.tradeoff.resampling.MOST_SHUFFLED", 10)
    monkeypatch.setattr("openmax_core.tradeoff.resampling.MOST_THRESHOLDS", 100)
    monkeypatch.setattr("openmax_core.tradeoff.resampling.MOST_STEPS", 60)
    thinned = repeated_splits(curve, objective, 1500)
    assert thinned.broken == pytest.approx(shuffled.broken, abs=0.07)
    assert thinned.worst_shortfall == pytest.approx(shuffled.worst_shortfall, abs=0.015)


def test_the_words_say_how_often_and_how_far():
    slack = np.array([-0.08, -0.02, 0.0, 0.01] * 5)
    found = RepeatedSplits(MostRejected(0.85), slack, np.zeros(20), 20)
    assert found.in_words == (
        "Chosen on a random half of these pictures and counted on the other, 20 times: Test "
        "accuracy ≥ 85.0 % breaks on the other half in 50.0 % of the cases; the worst 5 % miss it "
        "by 8.0 points or more."
    )
    kept = RepeatedSplits(MostRejected(0.85), np.zeros(20), np.zeros(20), 20)
    assert kept.in_words.endswith("breaks on the other half in 0.0 % of the cases.")
    free = RepeatedSplits(Balanced(), np.zeros(20), np.linspace(0.0, 0.19, 20), 20)
    assert free.in_words == (
        "Chosen on a random half of these pictures and counted on the other, 20 times: the mean of "
        "both accuracies changes by -9.5 points on the other half on average, and by -18.0 points "
        "or worse in the worst 5 %."
    )


@pytest.mark.parametrize("sizes", [(0, 5), (1, 5), (5, 1)])
def test_what_cannot_be_divided_has_no_words(sizes):
    curve = drawn_curve(*sizes)
    with pytest.raises(NoFeasibleThresholdError):
        repeated_splits(curve, MostRejected(0.5))
    assert rest_in_words(curve, MostRejected(0.5)) == ""


def test_kinds_of_unknowns_are_divided_each_for_itself_and_weighted():
    generator = np.random.default_rng(2)
    plain = drawn_curve(80, 60)
    of = generator.integers(0, 2, 60)
    kinds = Kinds(("indoor", "street"), of)
    curve = plain.with_kinds(kinds, Mix.of({"indoor": 3, "street": 1}, kinds.sizes))
    objective = MostRight(0.6)
    found = repeated_splits(curve, objective, 1500)
    slack = []
    for seed in range(300):
        first, second = split_in_halves(curve, seed)
        threshold = first.choose(objective).threshold
        slack.append(float(objective.slack(second.outcomes([threshold]))[0]))
    assert found.broken == pytest.approx(np.mean(np.array(slack) < 0), abs=0.12)
    assert found.worst_shortfall == pytest.approx(-np.quantile(slack, 0.05), abs=0.06)


def test_a_table_of_costs_is_divided_picture_by_picture():
    table = CostTable(("a", "b", "c"), (), ((0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (5, 5, 5, 0)))
    by_table = repeated_splits(drawn_curve(60, 40), LeastTableCost(table, 0.1))
    assert by_table.n_splits == len(by_table.fall) == 50
    simple = repeated_splits(drawn_curve(60, 40), LeastCost(1, 1, 5, 0.1), 1000)
    assert by_table.fall.mean() == pytest.approx(simple.fall.mean(), abs=0.06)
    assert by_table.in_words.startswith("Chosen on a random half of these pictures")
