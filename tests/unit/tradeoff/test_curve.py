"""The exact curve: against a count over every picture, and the laws that it obeys."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from openmax_core import NoFeasibleThresholdError, TradeoffCurve
from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.tradeoff.binned import CountedCurve, ScoreCounts, score_edges
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.tradeoff.outcomes import Outcome, Outcomes
from tests.support.pictures import (
    ALL_UNKNOWN,
    N_CLASSES,
    NO_REJECT,
    NO_TEST,
    NOTHING,
    SPECIAL,
    SPECIAL_IDS,
    WORKED,
    Pictures,
    pictures,
    tied_scores,
)

# --- accuracies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "test_accuracy", "reject_accuracy"),
    [
        (0.0, 3 / 5, 1 / 4),  # 'unknown' won for one of each set
        (0.2, 3 / 5, 1 / 4),  # a score equal to the threshold is kept
        (0.3, 3 / 5, 2 / 4),
        (0.5, 3 / 5, 2 / 4),
        (0.6, 2 / 5, 3 / 4),
        (0.8, 2 / 5, 3 / 4),
        (0.85, 1 / 5, 4 / 4),
        (0.9, 1 / 5, 4 / 4),
        (0.91, 0.0, 4 / 4),  # the picture at 0.95 was lost to 'unknown' already
    ],
)
def test_accuracies_are_those_worked_by_hand(threshold, test_accuracy, reject_accuracy):
    curve = WORKED.curve()
    assert curve.test_accuracy(threshold) == test_accuracy
    assert curve.reject_accuracy(threshold) == reject_accuracy


def check_against_counts(sets: Pictures) -> None:
    """Every figure of the curve at every threshold is what counting the pictures gives."""
    curve = sets.curve()
    n, m = len(sets.test), len(sets.reject)
    for threshold in sets.all_thresholds():
        right, wrong, rejected_known, rejected, accepted = sets.counts(threshold)
        outcome = curve.outcome(threshold)
        assert outcome.threshold == threshold
        assert (outcome.correct, outcome.wrong, outcome.rejected_known) == (
            right,
            wrong,
            rejected_known,
        )
        assert (outcome.rejected_unknown, outcome.accepted_unknown) == (rejected, accepted)
        expected = (right / n if n else math.nan, rejected / m if m else math.nan)
        assert_array_equal(
            [curve.test_accuracy(threshold), curve.reject_accuracy(threshold)], expected
        )
        assert_array_equal([outcome.test_accuracy, outcome.reject_accuracy], expected)


@pytest.mark.parametrize("sets", SPECIAL, ids=SPECIAL_IDS)
def test_every_figure_is_a_count_in_special_sets(sets):
    check_against_counts(sets)


@settings(max_examples=200)
@given(pictures())
def test_every_figure_is_a_count_at_every_threshold(sets):
    check_against_counts(sets)


@settings(max_examples=100)
@given(pictures(min_test=1, min_reject=1))
def test_rejecting_more_never_raises_test_accuracy_nor_lowers_reject_accuracy(sets):
    curve = sets.curve()
    thresholds = np.array(sets.all_thresholds())
    assert (np.diff(curve.test_accuracy(thresholds)) <= 0).all()
    assert (np.diff(curve.reject_accuracy(thresholds)) >= 0).all()


@settings(max_examples=100)
@given(pictures(min_test=1, min_reject=1), st.lists(st.floats(-1, 2), min_size=4, max_size=4))
def test_an_array_of_thresholds_gives_what_each_gives_alone(sets, values):
    curve = sets.curve()
    grid = np.array(values).reshape(2, 2)
    for accuracy in (curve.test_accuracy, curve.reject_accuracy):
        both = np.asarray(accuracy(grid))
        assert both.shape == (2, 2)
        assert both.ravel().tolist() == [accuracy(value) for value in values]


def test_a_scalar_threshold_gives_a_float_and_an_array_an_array():
    curve = WORKED.curve()
    for accuracy in (curve.test_accuracy, curve.reject_accuracy):
        assert type(accuracy(0.5)) is float
        assert np.asarray(accuracy(np.array([]))).shape == (0,)


def test_an_empty_set_has_no_accuracy():
    thresholds = np.array([0.1, 0.5])
    assert math.isnan(float(NO_TEST.curve().test_accuracy(0.5)))
    assert_array_equal(NO_TEST.curve().test_accuracy(thresholds), [math.nan, math.nan])
    assert math.isnan(float(NO_REJECT.curve().reject_accuracy(0.5)))
    assert_array_equal(NO_REJECT.curve().reject_accuracy(thresholds), [math.nan, math.nan])
    assert (NO_TEST.curve().n_test, NO_TEST.curve().n_reject) == (0, 4)
    assert (NO_REJECT.curve().n_test, NO_REJECT.curve().n_reject) == (5, 0)


def test_neighbouring_floats_are_different_scores():
    score = 0.35
    above = float(np.nextafter(score, 1))
    curve = Pictures(test=[(score, 0, 0), (above, 0, 0)], reject=[]).curve()
    assert curve.test_accuracy(score) == 1.0
    assert curve.test_accuracy(above) == 0.5
    assert curve.test_accuracy(float(np.nextafter(above, 1))) == 0.0


def test_float32_scores_are_compared_as_the_float64_values_they_are():
    scores = np.array([0.1, 0.7], dtype=np.float32)
    curve = TradeoffCurve(scores, [0, 0], [0, 0], [], [], 2)
    assert curve.test_accuracy(float(scores[1])) == 0.5
    assert curve.test_accuracy(0.7) == 0.0  # float32's 0.7 lies below float64's
    assert curve.test_scores.dtype == np.float64


# --- thresholds ----------------------------------------------------------------------------------


@settings(max_examples=200)
@given(pictures())
def test_thresholds_cover_every_reachable_state(sets):
    thresholds = sets.curve().thresholds
    reached = {sets.counts(float(threshold)) for threshold in thresholds}
    assert reached == {sets.counts(threshold) for threshold in sets.all_thresholds()}


@settings(max_examples=100)
@given(pictures())
def test_thresholds_ascend_and_each_changes_something(sets):
    thresholds = sets.curve().thresholds
    assert (np.diff(thresholds) > 0).all()
    states = [sets.counts(float(threshold)) for threshold in thresholds]
    assert all(before != after for before, after in pairwise(states))


def test_thresholds_are_the_scores_that_matter_and_the_next_number():
    expected = [0.2, 0.5, 0.8, 0.9, np.nextafter(0.9, 1)]  # 0.95 and 0.99: 'unknown' won anyway
    assert WORKED.curve().thresholds.tolist() == expected


@pytest.mark.parametrize("sets", [ALL_UNKNOWN, NOTHING], ids=["all unknown", "nothing"])
def test_where_nothing_changes_there_is_one_threshold(sets):
    assert sets.curve().thresholds.tolist() == [0.0]


@pytest.mark.parametrize("most", [4, 5, 100, 2000])
@pytest.mark.parametrize("spread", ["even", "crowded at 1"])
def test_drawn_thresholds_are_bounded_true_and_keep_the_ends(most, spread):
    scores = np.random.default_rng(0).random(5000)
    scores = 1 - scores**8 / 1000 if spread == "crowded at 1" else scores
    curve = TradeoffCurve(scores, np.zeros(5000), np.zeros(5000), [], [], 2)
    drawn = curve.drawn_thresholds(most)
    assert len(drawn) <= most
    assert (drawn[0], drawn[-1]) == (curve.thresholds[0], curve.thresholds[-1])
    assert (np.diff(drawn) > 0).all()
    assert np.isin(drawn, curve.thresholds).all()


def test_few_thresholds_are_all_drawn():
    curve = WORKED.curve()
    assert_array_equal(curve.drawn_thresholds(5), curve.thresholds)


def test_drawn_thresholds_leave_no_gap_wider_than_two_steps_of_the_grid():
    scores = np.random.default_rng(1).beta(50, 1, 20000)  # a long thin flank, a crowded end
    curve = TradeoffCurve(scores, np.zeros(20000), np.zeros(20000), [], [], 2)
    drawn = curve.drawn_thresholds(400)
    rank = np.searchsorted(curve.thresholds, drawn)
    assert np.diff(rank).max() <= 20001 / 199 + 1


# --- choosing ------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(pictures(min_test=1), st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 0.6, 0.85, 1.0]))
@example(WORKED, 0.6)
@example(ALL_UNKNOWN, 0.0)
@example(NO_REJECT, 0.5)
def test_best_is_the_best_of_all_states_and_keeps_the_floor(sets, floor):
    n, m = len(sets.test), len(sets.reject)
    states = [(sets.counts(t), t) for t in sets.all_thresholds()]
    feasible = [(counts, t) for counts, t in states if counts[0] / n >= floor]
    if not feasible:
        with pytest.raises(NoFeasibleThresholdError):
            sets.curve().best(floor)
        return
    best = sets.curve().best(floor)
    right, _, rejected_known, rejected, _ = sets.counts(best.threshold)
    assert best.test_accuracy == right / n >= floor
    assert (best.n_test, best.n_reject, best.chosen_for) == (n, m, MostRejected(floor))
    if m:
        assert best.reject_accuracy == rejected / m
        assert rejected == max(counts[3] for counts, _ in feasible)
        assert right == max(counts[0] for counts, _ in feasible if counts[3] == rejected)
    else:
        assert best.reject_accuracy is None
        assert rejected_known == max(counts[2] for counts, _ in feasible)


@pytest.mark.parametrize(
    ("floor", "threshold", "test_accuracy", "reject_accuracy"),
    [
        (0.6, 0.5, 3 / 5, 2 / 4),  # (0.2, 0.5]
        (0.5, 0.5, 3 / 5, 2 / 4),  # 3/5 is the smallest share ≥ 0.5
        (0.4, 0.8, 2 / 5, 3 / 4),  # (0.5, 0.8]
        (0.2, 0.9, 1 / 5, 4 / 4),  # (0.8, 0.9]
        (0.0, 0.9, 1 / 5, 4 / 4),  # all unknowns are out at 0.9: no need to lose more
    ],
)
def test_best_is_the_one_worked_by_hand(floor, threshold, test_accuracy, reject_accuracy):
    best = WORKED.curve().best(min_test_accuracy=floor)
    assert (best.threshold, best.test_accuracy, best.reject_accuracy) == (
        threshold,
        test_accuracy,
        reject_accuracy,
    )


def test_best_asks_for_085_unless_told():
    sets = Pictures(test=[(0.1 * k, 0, 0) for k in range(1, 21)], reject=[(5.0, 0)])
    best = sets.curve().best()
    assert best.objective == {"kind": "max_reject_accuracy", "min_test_accuracy": 0.85}
    assert best.test_accuracy == 1.0  # the unknown outscores all: nothing is won by losing any


def test_best_prefers_the_shortest_number_between_two_scores():
    sets = Pictures(test=[(0.41237, 0, 0)], reject=[(0.31415, 0)])
    assert sets.curve().best().threshold == 0.4


def test_best_without_a_reject_set_is_the_largest_threshold_that_keeps_the_floor():
    sets = Pictures(test=[(0.25, 0, 0), (0.5, 0, 0), (0.75, 0, 0), (1.0, 0, 0)], reject=[])
    best = sets.curve().best(0.5)
    assert (best.threshold, best.test_accuracy, best.reject_accuracy) == (0.7, 0.5, None)
    assert sets.curve().best(1.0).threshold == 0.0


def test_best_records_every_count():
    best = WORKED.curve().best(0.5)
    assert best.counts == {
        "correct": 3,
        "wrong": 1,
        "rejected_known": 1,
        "rejected_unknown": 2,
        "accepted_unknown": 2,
    }


def test_a_floor_out_of_reach_is_an_error_that_says_what_can_be_reached():
    with pytest.raises(NoFeasibleThresholdError) as caught:
        WORKED.curve().best(0.85)
    assert str(caught.value) == (
        "no threshold reaches Test accuracy ≥ 85.0 %; the nearest, threshold 0.5, has Test "
        "accuracy 60.0 % (3 of 5)"
    )
    nearest = caught.value.nearest
    assert nearest is not None
    assert (nearest.threshold, nearest.test_accuracy, nearest.reject_accuracy) == (0.5, 0.6, 0.5)


def test_without_a_test_set_there_is_nothing_to_choose_on():
    with pytest.raises(NoFeasibleThresholdError, match="no test pictures") as caught:
        NO_TEST.curve().best()
    assert caught.value.nearest is None


# --- counts --------------------------------------------------------------------------------------


def confusion_by_counting(sets: Pictures, threshold: float) -> list[list[int]]:
    cells = [[0] * (N_CLASSES + 1) for _ in range(N_CLASSES + 1)]
    test, reject = sets.decided(threshold)
    for (_, _, label), decided in zip(sets.test, test, strict=True):
        cells[label][decided] += 1
    for decided in reject:
        cells[N_CLASSES][decided] += 1
    return cells


@settings(max_examples=100)
@given(pictures(), st.one_of(tied_scores, st.floats(-1.0, 2.0)))
@example(NOTHING, 0.5)
def test_confusion_counts_every_picture_once_and_agrees_with_the_outcome(sets, threshold):
    confusion = sets.curve().confusion(threshold)
    assert confusion.tolist() == confusion_by_counting(sets, threshold)
    outcome = sets.curve().outcome(threshold)
    assert confusion[:-1].sum() == len(sets.test) == outcome.n_test
    assert confusion[-1].sum() == len(sets.reject) == outcome.n_reject
    assert np.trace(confusion[:-1, :-1]) == outcome.correct
    assert confusion[:-1, -1].sum() == outcome.rejected_known
    assert confusion[-1, -1] == outcome.rejected_unknown


def test_confusion_is_the_one_worked_by_hand():
    assert WORKED.curve().confusion(0.6).tolist() == [
        [1, 0, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 2],
        [0, 1, 0, 3],
    ]


# --- counts at many thresholds -------------------------------------------------------------------


@settings(max_examples=100)
@given(pictures())
@example(NOTHING)
def test_outcomes_are_the_outcome_of_every_threshold(sets):
    curve = sets.curve()
    thresholds = sets.all_thresholds()
    outcomes = curve.outcomes(thresholds)
    assert outcomes.thresholds.tolist() == thresholds
    for index, threshold in enumerate(thresholds):
        outcome = curve.outcome(threshold)
        assert outcomes.at(index) == outcome
        assert outcome == Outcome(threshold, *sets.counts(threshold))


@pytest.mark.parametrize("sets", SPECIAL, ids=SPECIAL_IDS)
def test_all_outcomes_are_those_of_the_thresholds(sets):
    curve = sets.curve()
    outcomes = curve.all_outcomes
    assert_array_equal(outcomes.thresholds, curve.thresholds)
    counted = [outcomes.at(index) for index in range(len(curve.thresholds))]
    assert counted == [curve.outcome(float(threshold)) for threshold in curve.thresholds]


def test_shares_of_outcomes_are_those_worked_by_hand():
    outcomes = WORKED.curve().outcomes([0.0, 0.6, 0.91])
    assert outcomes.test_accuracy.tolist() == [3 / 5, 2 / 5, 0.0]
    assert outcomes.wrong_share.tolist() == [1 / 5, 1 / 5, 0.0]
    assert outcomes.rejected_known_share.tolist() == [1 / 5, 2 / 5, 1.0]
    assert outcomes.reject_accuracy.tolist() == [1 / 4, 3 / 4, 1.0]
    assert outcomes.accepted_unknown_share.tolist() == [3 / 4, 1 / 4, 0.0]


def test_outcomes_of_resamples_have_shares_of_their_shape():
    correct = np.array([[3, 2], [4, 0], [1, 1]])
    wrong = np.array([[1, 1], [0, 0], [2, 0]])
    accepted = np.array([[8, 6], [4, 0], [1, 1]])
    outcomes = Outcomes(np.array([0.1, 0.2]), correct, wrong, accepted, 5, 8)
    assert outcomes.test_accuracy.tolist() == [[0.6, 0.4], [0.8, 0.0], [0.2, 0.2]]
    assert outcomes.wrong_share.tolist() == [[0.2, 0.2], [0.0, 0.0], [0.4, 0.0]]
    assert outcomes.rejected_known_share.tolist() == [[0.2, 0.4], [0.2, 1.0], [0.4, 0.8]]
    assert outcomes.reject_accuracy.tolist() == [[0.0, 0.25], [0.5, 1.0], [0.875, 0.875]]


def test_shares_of_an_empty_set_are_no_numbers():
    no_test, no_reject = NO_TEST.curve().all_outcomes, NO_REJECT.curve().all_outcomes
    for shares in (no_test.test_accuracy, no_test.wrong_share, no_test.rejected_known_share):
        assert_array_equal(shares, np.full(len(no_test.thresholds), np.nan))
    for shares in (no_reject.reject_accuracy, no_reject.accepted_unknown_share):
        assert_array_equal(shares, np.full(len(no_reject.thresholds), np.nan))


# --- thresholds by class, and parts of the pictures ----------------------------------------------


@settings(max_examples=200)
@given(
    pictures(),
    st.lists(st.one_of(tied_scores, st.floats(-1, 2)), min_size=N_CLASSES, max_size=N_CLASSES),
)
@example(WORKED, [0.9, 0.95, 0.2])
def test_an_outcome_by_class_is_a_count(sets, thresholds):
    outcome = sets.curve().outcome_by_class(np.array(thresholds), 0.25)
    assert outcome == Outcome(0.25, *sets.counts_by_class(thresholds))


@settings(max_examples=50)
@given(pictures(), st.one_of(tied_scores, st.floats(-1, 2)))
def test_the_same_threshold_for_every_class_is_the_single_one(sets, threshold):
    curve = sets.curve()
    by_class = curve.outcome_by_class(np.full(N_CLASSES, threshold), threshold)
    assert by_class == curve.outcome(threshold)


@settings(max_examples=100)
@given(pictures(), st.randoms(use_true_random=False))
def test_a_subset_is_the_curve_of_these_pictures(sets, random):
    in_test = [random.random() < 0.5 for _ in sets.test]
    in_reject = [random.random() < 0.5 for _ in sets.reject]
    part = Pictures(
        [row for row, kept in zip(sets.test, in_test, strict=True) if kept],
        [row for row, kept in zip(sets.reject, in_reject, strict=True) if kept],
    )
    subset = sets.curve().subset(np.array(in_test, dtype=bool), np.array(in_reject, dtype=bool))
    assert (subset.n_test, subset.n_reject) == (len(part.test), len(part.reject))
    for threshold in part.all_thresholds():
        assert subset.outcome(threshold) == Outcome(threshold, *part.counts(threshold))
        assert_array_equal(subset.confusion(threshold), part.curve().confusion(threshold))


# --- AUROC ---------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(pictures(min_test=1, min_reject=1))
def test_auroc_is_scikit_learns_with_unknown_won_ranked_lowest(sets):
    ranks = [-1.0 if prediction == N_CLASSES else score for score, prediction, _ in sets.test]
    ranks += [-1.0 if prediction == N_CLASSES else score for score, prediction in sets.reject]
    known = [1] * len(sets.test) + [0] * len(sets.reject)
    # Ranks instead of scores: scikit-learn merges neighbours that differ by a rounding error only.
    order = np.unique(ranks, return_inverse=True)[1]
    assert_allclose(sets.curve().auroc, roc_auc_score(known, order), rtol=1e-12)


@pytest.mark.parametrize(
    ("test_scores", "reject_scores", "auroc"),
    [([0.8, 0.9], [0.1, 0.2], 1.0), ([0.1], [0.2, 0.3], 0.0), ([0.5], [0.5], 0.5)],
    ids=["apart", "upside down", "tied"],
)
def test_auroc_of_easy_cases(test_scores, reject_scores, auroc):
    sets = Pictures([(s, 0, 0) for s in test_scores], [(s, 0) for s in reject_scores])
    assert sets.curve().auroc == auroc


@pytest.mark.parametrize("sets", [NO_TEST, NO_REJECT], ids=["no test set", "no reject set"])
def test_auroc_of_an_empty_set_is_no_number(sets):
    assert math.isnan(sets.curve().auroc)


# --- errors --------------------------------------------------------------------------------------

SOUND: dict[str, Any] = {
    "test_scores": [0.1, 0.2],
    "test_predictions": [0, 3],
    "test_labels": [0, 2],
    "reject_scores": [0.3],
    "reject_predictions": [3],
}


def test_the_sound_case_that_the_errors_start_from_is_sound():
    assert TradeoffCurve(**SOUND, n_classes=3).test_accuracy(0.0) == 0.5


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("test_scores", [0.1, math.nan], r"test_scores\[1\] is not finite"),
        ("test_scores", [math.inf, 0.1], r"test_scores\[0\] is not finite"),
        ("reject_scores", [-math.inf], r"reject_scores\[0\] is not finite"),
        ("test_scores", [[0.1, 0.2]], r"test_scores must be one-dimensional, not \(1, 2\)"),
        ("reject_scores", 0.5, r"reject_scores must be one-dimensional, not \(\)"),
        ("test_scores", [0.1], r"test_predictions must have the shape \(1,\), not \(2,\)"),
        ("test_labels", [0], r"test_labels must have the shape \(2,\), not \(1,\)"),
        ("reject_predictions", [], r"reject_predictions must have the shape \(1,\), not \(0,\)"),
        ("test_predictions", [0, 4], r"test_predictions must lie in 0\.\.3"),
        ("reject_predictions", [-1], r"reject_predictions must lie in 0\.\.3"),
        ("test_labels", [0, 3], r"test_labels must lie in 0\.\.2"),
        ("test_labels", [-1, 2], r"test_labels must lie in 0\.\.2"),
        ("test_predictions", [0.0, 2.5], "test_predictions"),
        ("test_labels", [0.5, 2.0], "test_labels"),
    ],
)
def test_data_that_do_not_fit_are_an_error_that_names_them(name, values, message):
    with pytest.raises(ActivationsError, match=message):
        TradeoffCurve(**{**SOUND, name: values}, n_classes=3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_threshold_that_is_no_finite_number_is_an_error_of_every_look_up(bad):
    curve = TradeoffCurve(**SOUND, n_classes=3)
    counted = CountedCurve(ScoreCounts.empty(score_edges((0.25, 1.0))), 3)
    for call in (
        curve.test_accuracy,
        curve.reject_accuracy,
        curve.outcome,
        curve.confusion,
        lambda t: curve.outcomes([0.5, t]),
        lambda t: curve.outcome_by_class(np.array([0.5, 0.5, t]), 0.5),
        lambda t: curve.outcome_by_class(np.full(3, 0.5), t),
        counted.test_accuracy,
        counted.outcome,
    ):
        with pytest.raises(OpenMaxError, match="a threshold must be a finite number"):
            call(bad)


# --- OSCR ----------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(pictures(min_test=1, min_reject=1))
def test_oscr_is_the_share_of_pairs_in_which_a_right_known_outscores_an_unknown(data):
    wins = 0.0
    for score, prediction, label in data.test:
        for other, other_prediction in data.reject:
            if prediction != label:
                continue
            if other_prediction == N_CLASSES or score > other:
                wins += 1.0
            elif score == other:
                wins += 0.5
    assert data.curve().oscr == pytest.approx(wins / (len(data.test) * len(data.reject)))


def test_oscr_of_an_empty_set_is_not_measured():
    assert math.isnan(NO_REJECT.curve().oscr)
    assert math.isnan(NO_TEST.curve().oscr)
