"""The curve from counts against the exact one, and counts that add up."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmax_core import NoFeasibleThresholdError, TradeoffCurve
from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.support.arrays import Float
from openmax_core.tradeoff.binned import (
    CountedCurve,
    ErrorBound,
    ScoreCounts,
    score_edges,
    spread_edges,
)
from openmax_core.tradeoff.explorer import explorer_data
from openmax_core.tradeoff.objectives import Balanced, FewestKnownRejected, MostRejected, MostRight
from openmax_core.tradeoff.resampling import bootstrap_choices, choose_on_half
from openmax_core.tradeoff.slider import round_ends

Pictures = list[tuple[float, int]]
N_CLASSES = 4
RANGE = (1 / (N_CLASSES + 1), 1.0)
EDGES = score_edges(RANGE)
COARSE = np.append(np.arange(11) / 10, np.nextafter(1.0, 2.0))
# Scores as they come: spread, piled up near 1, on edges, at both ends.
SCORES = st.one_of(
    st.floats(0.0, 1.0),
    st.floats(0.0, 1e-9).map(lambda x: 1.0 - x),
    st.integers(0, 20).map(lambda k: k / 20),
)
PICTURES = st.lists(st.tuples(SCORES, st.integers(0, N_CLASSES)), max_size=40)


def arrays(pictures: Pictures) -> tuple[Any, Any]:
    scores = np.array([score for score, _ in pictures], dtype=np.float64)
    return scores, np.array([kind for _, kind in pictures], dtype=np.int64)


def both_curves(
    test: Pictures, reject: Pictures, edges: Any = COARSE
) -> tuple[TradeoffCurve, CountedCurve]:
    """Exact curve and the one from counts of the same pictures, all of the true class 0."""
    known, unknown = arrays(test), arrays(reject)
    labels = np.zeros(len(test), dtype=np.int64)
    counts = ScoreCounts.empty(edges).with_pictures(*known, labels, N_CLASSES)
    counts = counts.with_pictures(*unknown, np.full(len(reject), -1), N_CLASSES)
    return TradeoffCurve(*known, labels, *unknown, N_CLASSES), CountedCurve(counts, N_CLASSES)


def drawn(n: int, seed: int) -> Pictures:
    generator = np.random.default_rng(seed)
    scores = 1 - generator.beta(0.3, 2.0, n)
    return list(zip(scores.tolist(), generator.integers(0, 2, n).tolist(), strict=True))


@given(PICTURES, PICTURES, st.lists(st.floats(-0.1, 1.1), max_size=10))
@settings(max_examples=50)
def test_accuracies_are_never_outside_of_the_bound(test, reject, thresholds):
    exact, counted = both_curves(test, reject)
    bound = counted.error_bound
    for t in [*thresholds, *arrays(test)[0], *arrays(reject)[0]]:
        one, other = exact.outcome(t), counted.outcome(t)
        if test:
            assert abs(one.correct - other.correct) <= bound.test * len(test) + 1e-9
            assert abs(one.rejected_known - other.rejected_known) <= bound.test * len(test) + 1e-9
        if reject:
            difference = one.rejected_unknown - other.rejected_unknown
            assert abs(difference) <= bound.reject * len(reject) + 1e-9


@given(PICTURES, PICTURES)
@settings(max_examples=50)
def test_all_is_exact_at_the_edges(test, reject):
    exact, counted = both_curves(test, reject)
    one, other = exact.outcomes(COARSE), counted.outcomes(COARSE)
    assert np.array_equal(one.correct, other.correct)
    assert np.array_equal(one.wrong, other.wrong)
    assert np.array_equal(one.accepted_unknown, other.accepted_unknown)
    assert np.array_equal(
        exact.test_accuracy(COARSE), counted.test_accuracy(COARSE), equal_nan=True
    )
    assert np.array_equal(
        exact.reject_accuracy(COARSE), counted.reject_accuracy(COARSE), equal_nan=True
    )
    for name in ("n_test", "n_reject", "n_test_unknown_won", "n_reject_unknown_won"):
        assert getattr(exact, name) == getattr(counted, name)


@given(PICTURES, PICTURES)
@settings(max_examples=50)
def test_auroc_and_oscr_lie_between_their_bounds(test, reject):
    exact, counted = both_curves(test, reject)
    for name in ("auroc", "oscr"):
        value, (low, high) = getattr(exact, name), getattr(counted, f"{name}_bounds")
        if math.isnan(value):
            assert math.isnan(low)
            assert math.isnan(getattr(counted, name))
        else:
            assert low - 1e-12 <= value <= high + 1e-12
            assert low <= getattr(counted, name) <= high


@given(PICTURES, PICTURES, PICTURES)
@settings(max_examples=50)
def test_added_counts_are_those_of_all_pictures(first, second, reject):
    _, one = both_curves(first, reject)
    _, other = both_curves(second, [])
    _, together = both_curves([*first, *second], reject)
    assert np.array_equal((one.counts + other.counts).counts, together.counts.counts)


def test_counts_in_other_bins_are_not_added():
    with pytest.raises(OpenMaxError, match="other bins"):
        ScoreCounts.empty(EDGES) + ScoreCounts.empty(COARSE)


def round_numbers(score_range: tuple[float, float]) -> Float:
    """Numbers that people type: round ones about every hundredth of a range."""
    low, high = round_ends(score_range)
    digits = 2 - math.floor(math.log10(high - low))
    return np.unique(np.linspace(low, high, 101).round(digits))


@pytest.mark.parametrize("n_classes", [2, 10, 1000])
@pytest.mark.parametrize("is_twice", [False, True])
def test_round_numbers_are_edges(n_classes, is_twice):
    """Also where a second softmax leaves scores a narrow range."""
    largest = math.e / (math.e + n_classes) if is_twice else 1.0
    score_range = (1 / (n_classes + 1), largest)
    edges = score_edges(score_range)
    positions = round_numbers(score_range)
    positions = positions[positions < edges[-1]]
    assert np.array_equal(edges[np.searchsorted(edges, positions)], positions)
    assert (np.diff(edges) > 0).all()
    assert edges[0] == 0
    assert edges[-1] > largest
    assert 50_000 <= len(edges) <= 1_000_000
    # No bin is wide where scores pile up.
    middle = edges[:-1] < largest - 1e-13
    widths = np.diff(edges)[middle] / (largest - edges[:-1][middle])
    assert widths.max() < 0.02


@pytest.mark.parametrize(
    ("ends", "middle"),
    [
        ((-3.2, 41.7), (-1.0, 30.0)),
        ((-8000.0, 12.5), (2.0, 11.0)),
        ((-1e-3, 2e-3), (0.0, 1e-3)),
        ((5e5, 5e5 + 3), (5e5 + 1, 5e5 + 2)),
        ((-1e7, 1e9), (-20.0, 20.0)),
        ((3.0, 3.0), (3.0, 3.0)),
        ((0.0, 0.0), (0.0, 0.0)),
        ((-2.0, 2.0), (-2.0, 2.0)),
    ],
)
def test_bins_hold_all_scores_finely_where_nearly_all_lie(ends, middle):
    edges = spread_edges(ends, middle)
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= ends[0]
    assert edges[-1] > ends[1]
    inside = edges[(edges >= middle[0]) & (edges <= middle[1])]
    assert middle[0] == middle[1] or 50_000 <= len(inside) <= 510_000
    # No bin is wider than a ten-thousandth of its distance, or than those inside.
    widths, finest = np.diff(edges), np.diff(inside).max(initial=np.inf if len(inside) < 2 else 0)
    far = np.maximum(middle[0] - edges[1:], edges[:-1] - middle[1])
    assert (widths <= np.maximum(1.001e-4 * far, 1.001 * finest)).all()
    if ends[0] < ends[1]:
        positions = round_numbers(ends)
        positions = positions[(positions >= edges[0]) & (positions < edges[-1])]
        assert np.array_equal(edges[np.searchsorted(edges, positions)], positions)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
@settings(max_examples=30)
def test_any_scores_are_counted_exactly_at_the_edges(values):
    ends = min(values), max(values)
    low, high = np.quantile(values, [0.1, 0.9]).tolist()
    edges = spread_edges(ends, (low, high))
    scores, zeros = np.array(values), np.zeros(len(values), dtype=np.int64)
    counts = ScoreCounts.empty(edges).with_pictures(scores, zeros, zeros, 2)
    curve = CountedCurve(counts, 2)
    at = edges[np.searchsorted(edges, scores, side="right") - 1]
    expected = [(scores >= threshold).sum() for threshold in at]
    assert curve.outcomes(at).correct.tolist() == expected
    low, high = curve.score_span
    assert low <= ends[0] <= ends[1] <= high


def test_scores_piled_up_near_one_are_told_apart():
    test = [(1 - 10.0**-k, 0) for k in range(1, 15)]
    exact, counted = both_curves(test, [(0.5, 0)], EDGES)
    assert len(counted.thresholds) == len(exact.thresholds)
    between = (exact.thresholds[:-1] + exact.thresholds[1:]) / 2
    assert np.array_equal(exact.outcomes(between).correct, counted.outcomes(between).correct)


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_scores_at_both_ends_are_counted_exactly(score):
    exact, counted = both_curves([(score, 0)] * 3, [(score, 0)] * 2, EDGES)
    for t in (0.0, 0.5, 1.0, np.nextafter(1.0, 2.0)):
        assert exact.outcome(t) == counted.outcome(t)


@pytest.mark.parametrize(
    ("score", "message"),
    [(math.nan, "score 1 is not finite"), (math.inf, "not finite"), (1.5, "lie"), (-0.1, "lie")],
)
def test_scores_that_are_none_are_refused(score, message):
    with pytest.raises(ActivationsError, match=message):
        ScoreCounts.empty(EDGES).with_pictures([0.5, score], [0, 0], [-1, -1], N_CLASSES)


@pytest.mark.parametrize(
    "objective", [MostRejected(0.4), MostRight(0.7), FewestKnownRejected(0.1), Balanced()]
)
def test_the_chosen_point_is_exact_and_hardly_worse_than_the_exact_curves(objective):
    exact, counted = both_curves(drawn(3000, 0), drawn(2000, 1), EDGES)
    best, point = exact.choose(objective), counted.choose(objective)
    assert exact.outcome(point.threshold) == point.outcome
    assert objective.is_met(point.outcome)
    most = 2 * max(counted.error_bound.test, counted.error_bound.reject)
    assert point.test_accuracy == pytest.approx(best.test_accuracy, abs=most)
    assert point.reject_accuracy == pytest.approx(best.reject_accuracy, abs=most)


def test_an_empty_reject_set_is_not_measured():
    exact, counted = both_curves(drawn(50, 0), [], EDGES)
    assert math.isnan(counted.reject_accuracy(0.5))
    assert math.isnan(counted.auroc)
    assert counted.error_bound.reject == 0
    assert counted.best(0.4).test_accuracy == exact.best(0.4).test_accuracy
    with pytest.raises(NoFeasibleThresholdError, match="no reject set"):
        counted.choose(Balanced())


def test_no_pictures_have_one_threshold():
    _, counted = both_curves([], [])
    assert counted.thresholds.tolist() == [0.0]
    assert counted.error_bound.in_words == "exact"


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        (ErrorBound(0.00021, 0.0001), "exact to ±0.03 points"),
        (ErrorBound(0.0, 0.02), "exact to ±2 points"),
        (ErrorBound(1.0, 0.0), "exact to ±100 points"),
        (ErrorBound(0.07, 0.0), "exact to ±7 points"),
    ],
)
def test_the_bound_in_words_is_rounded_up(bound, words):
    assert bound.in_words == words


def test_halves_are_chosen_on_and_reported_apart():
    _, one = both_curves(drawn(400, 0), drawn(300, 1), EDGES)
    _, other = both_curves(drawn(410, 2), drawn(310, 3), EDGES)
    whole = CountedCurve(one.counts + other.counts, N_CLASSES, (one.counts, other.counts))
    halves = choose_on_half(whole, MostRejected(0.4))
    assert halves.chosen.outcome == one.choose(MostRejected(0.4)).outcome
    assert halves.reported == other.outcome(halves.chosen.threshold)
    with pytest.raises(OpenMaxError, match="two halves"):
        choose_on_half(one, MostRejected(0.4))


def test_resamples_of_counts_choose_around_the_chosen_threshold():
    exact, counted = both_curves(drawn(2000, 0), drawn(2000, 1), EDGES)
    spread = bootstrap_choices(counted, MostRejected(0.45))
    low, high = spread.quantiles(0.025, 0.975)
    assert low <= counted.best(0.45).threshold <= high
    other = bootstrap_choices(exact, MostRejected(0.45)).quantiles(0.025, 0.975)
    assert (low, high) == pytest.approx(other, abs=0.05)  # other draws


def test_the_explorer_of_counts_has_the_exact_counts_at_the_slider():
    test, reject = drawn(3000, 0), drawn(2000, 1)
    exact, counted = both_curves(test, reject, EDGES)
    names = tuple("abcd")
    one = explorer_data(exact, exact, names, RANGE)
    other = explorer_data(counted, exact, names, RANGE)
    positions = np.frombuffer(base64.b64decode(other["positions"]))
    outcomes = exact.outcomes(positions)
    for name in ("correct", "wrong", "accepted_unknown"):
        sent = np.frombuffer(base64.b64decode(other[name.split("_")[0]]), "<u4")
        assert np.array_equal(sent, getattr(outcomes, name))
    same = ("cells", "totals", "n_test", "n_reject")
    assert {name: one[name] for name in same} == {name: other[name] for name in same}
    assert other["confusion_of"] == "in a sample of 5,000 of 5,000"
    assert "confusion_of" not in one
