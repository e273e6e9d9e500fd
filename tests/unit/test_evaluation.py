"""The exact curve: against a count over every picture, and the laws that it obeys."""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from openmax_core import NoFeasibleThresholdError, TradeoffCurve
from openmax_core.errors import ActivationsError
from openmax_core.evaluation import Interval, shortest_decimal, wilson_interval

N_CLASSES = 3


@dataclass(frozen=True)
class Pictures:
    """Test and reject pictures as plain lists; the counts over them are plain loops."""

    test: list[tuple[float, int, int]]  # score, prediction, label
    reject: list[tuple[float, int]]  # score, prediction

    def curve(self) -> TradeoffCurve:
        return TradeoffCurve(
            [score for score, _, _ in self.test],
            [prediction for _, prediction, _ in self.test],
            [label for _, _, label in self.test],
            [score for score, _ in self.reject],
            [prediction for _, prediction in self.reject],
            N_CLASSES,
        )

    def decided(self, threshold: float) -> tuple[list[int], list[int]]:
        """Class per picture of both sets, ``N_CLASSES`` where rejected."""
        test = [N_CLASSES if s < threshold else prediction for s, prediction, _ in self.test]
        reject = [N_CLASSES if s < threshold else prediction for s, prediction in self.reject]
        return test, reject

    def counts(self, threshold: float) -> tuple[int, int, int, int, int]:
        """Right, wrong and rejected test pictures; rejected and accepted reject pictures."""
        test, reject = self.decided(threshold)
        labels = [label for _, _, label in self.test]
        right = sum(a == b for a, b in zip(test, labels, strict=True))
        rejected_known = test.count(N_CLASSES)
        rejected = reject.count(N_CLASSES)
        return (
            right,
            len(test) - right - rejected_known,
            rejected_known,
            rejected,
            len(reject) - rejected,
        )

    def all_thresholds(self) -> list[float]:
        """Thresholds below, at, between and above all scores: every state that there can be."""
        scores = sorted({row[0] for row in [*self.test, *self.reject]})
        between = [(a + b) / 2 for a, b in pairwise(scores)]
        ends = [scores[0] - 1, scores[-1] + 1] if scores else [0.0]
        return sorted([*scores, *between, *ends])


# Few different scores, so that ties within and between the sets are the rule.
tied_scores = st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.30000000000000004, 0.6, 0.7, 1.0])
scores_ = st.one_of(tied_scores, st.floats(0.0, 1.0))
predictions_ = st.integers(0, N_CLASSES)
labels_ = st.integers(0, N_CLASSES - 1)


def pictures(min_test: int = 0, min_reject: int = 0) -> st.SearchStrategy[Pictures]:
    return st.builds(
        Pictures,
        st.lists(st.tuples(scores_, predictions_, labels_), min_size=min_test, max_size=20),
        st.lists(st.tuples(scores_, predictions_), min_size=min_reject, max_size=20),
    )


WORKED = Pictures(
    test=[(0.9, 0, 0), (0.8, 1, 1), (0.8, 2, 1), (0.5, 2, 2), (0.95, 3, 2)],
    reject=[(0.5, 0), (0.8, 1), (0.99, 3), (0.2, 2)],
)
ALL_UNKNOWN = Pictures(test=[(0.4, 3, 0), (0.5, 3, 1)], reject=[(0.6, 3), (0.1, 3)])
NO_REJECT = Pictures(test=WORKED.test, reject=[])
NO_TEST = Pictures(test=[], reject=WORKED.reject)
NOTHING = Pictures(test=[], reject=[])
SPECIAL = [WORKED, ALL_UNKNOWN, NO_REJECT, NO_TEST, NOTHING]
SPECIAL_IDS = ["worked", "all unknown", "no reject set", "no test set", "nothing"]


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


@settings(max_examples=200, deadline=None)
@given(pictures())
def test_every_figure_is_a_count_at_every_threshold(sets):
    check_against_counts(sets)


@settings(max_examples=100, deadline=None)
@given(pictures(min_test=1, min_reject=1))
def test_rejecting_more_never_raises_test_accuracy_nor_lowers_reject_accuracy(sets):
    curve = sets.curve()
    thresholds = np.array(sets.all_thresholds())
    assert (np.diff(curve.test_accuracy(thresholds)) <= 0).all()
    assert (np.diff(curve.reject_accuracy(thresholds)) >= 0).all()


@settings(max_examples=100, deadline=None)
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


@settings(max_examples=200, deadline=None)
@given(pictures())
def test_thresholds_cover_every_reachable_state(sets):
    thresholds = sets.curve().thresholds
    reached = {sets.counts(float(threshold)) for threshold in thresholds}
    assert reached == {sets.counts(threshold) for threshold in sets.all_thresholds()}


@settings(max_examples=100, deadline=None)
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


@settings(max_examples=300, deadline=None)
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
    assert (best.n_test, best.n_reject, best.min_test_accuracy) == (n, m, floor)
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
    assert best.min_test_accuracy == 0.85
    assert best.test_accuracy == 1.0  # the unknown outscores all: nothing is won by losing any


def test_best_prefers_the_shortest_number_between_two_scores():
    sets = Pictures(test=[(0.41237, 0, 0)], reject=[(0.31415, 0)])
    assert sets.curve().best().threshold == 0.4


def test_best_without_a_reject_set_is_the_largest_threshold_that_keeps_the_floor():
    sets = Pictures(test=[(0.25, 0, 0), (0.5, 0, 0), (0.75, 0, 0), (1.0, 0, 0)], reject=[])
    best = sets.curve().best(0.5)
    assert (best.threshold, best.test_accuracy, best.reject_accuracy) == (0.7, 0.5, None)
    assert sets.curve().best(1.0).threshold == 0.0


def test_a_floor_out_of_reach_is_an_error_that_says_what_can_be_reached():
    with pytest.raises(NoFeasibleThresholdError) as caught:
        WORKED.curve().best(0.85)
    assert str(caught.value) == (
        "no threshold reaches Test accuracy ≥ 0.85: without any threshold it is 0.6000 (3 of 5)"
    )
    assert caught.value.best_test_accuracy == 0.6


def test_without_a_test_set_there_is_nothing_to_choose_on():
    with pytest.raises(NoFeasibleThresholdError, match="no test pictures") as caught:
        NO_TEST.curve().best()
    assert math.isnan(caught.value.best_test_accuracy)


# --- counts --------------------------------------------------------------------------------------


def confusion_by_counting(sets: Pictures, threshold: float) -> list[list[int]]:
    cells = [[0] * (N_CLASSES + 1) for _ in range(N_CLASSES + 1)]
    test, reject = sets.decided(threshold)
    for (_, _, label), decided in zip(sets.test, test, strict=True):
        cells[label][decided] += 1
    for decided in reject:
        cells[N_CLASSES][decided] += 1
    return cells


@settings(max_examples=100, deadline=None)
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


# --- intervals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (0, 30), (30, 30), (7, 9), (425, 500), (3, 10**6)]
)
def test_wilson_interval_is_scipys(successes, trials, confidence):
    interval = wilson_interval(successes, trials, confidence)
    expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert_allclose((interval.low, interval.high), expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (7, 7), (3, 7), (1, 10**9)])
def test_wilson_interval_holds_the_share_and_stays_in_0_to_1(successes, trials):
    interval = wilson_interval(successes, trials)
    assert 0.0 <= interval.low <= successes / trials <= interval.high <= 1.0


def test_no_trials_have_no_interval():
    interval = wilson_interval(0, 0)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_outcome_gives_the_intervals_of_its_shares():
    outcome = WORKED.curve().outcome(0.6)
    assert outcome.test_interval == wilson_interval(2, 5)
    assert outcome.reject_interval == wilson_interval(3, 4)
    assert isinstance(outcome.test_interval, Interval)


# --- AUROC ---------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
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


# --- the shortest decimal ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "to", "expected"),
    [
        (0.314, 0.4199, 0.4),
        (0.31, 0.38, 0.38),
        (0.3512, 0.3591, 0.359),
        (0.2, 1.7, 1.0),
        (0.2, 2.0, 2.0),
        (-math.inf, 0.35, 0.0),
        (-math.inf, -0.35, -1.0),
        (-0.5, -0.1, -0.1),
        (-0.5, -0.15, -0.2),
        (0.0, 1e-7, 1e-7),
        (0.0, 3e-20, 3e-20),  # no number of 15 decimals: the bound itself
        (0.35, np.nextafter(0.35, 1), np.nextafter(0.35, 1)),
        # Floats a little below the decimal they are written as are that decimal all the same.
        (0.25, 0.3, 0.3),
        (0.29, 0.3, 0.3),
        (0.345, 0.35, 0.35),
        (0.0, 0.7, 0.7),
        (np.nextafter(0.3, 0), 0.3, 0.3),
    ],
)
def test_shortest_decimal_is_the_largest_of_the_fewest_digits(above, to, expected):
    assert shortest_decimal(above, to) == expected


def shortest_by_trying(above: float, to: float) -> float:
    """Write every candidate down as text, as one would type it."""
    for digits in range(16):
        nearest = math.floor(Fraction(to) * 10**digits)
        for numerator in (nearest + 1, nearest, nearest - 1):
            if above < float(f"{numerator}e-{digits}") <= to:
                return float(f"{numerator}e-{digits}")
    return to


unit_bounds = st.one_of(st.floats(0.0, 1.0), st.integers(0, 1000).map(lambda k: k / 1000))


@settings(max_examples=500, deadline=None)
@given(unit_bounds, unit_bounds)
def test_shortest_decimal_is_what_trying_all_finds(one, other):
    above, to = min(one, other), max(one, other)
    assume(above < to)
    assert shortest_decimal(above, to) == shortest_by_trying(above, to)


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
