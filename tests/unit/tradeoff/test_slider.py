"""The slider moves by rank: every state can be reached, and equal steps change equally many."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from openmax_core import TradeoffCurve
from openmax_core.tradeoff.binned import CountedCurve, ScoreCounts, score_edges
from openmax_core.tradeoff.curve import Curve
from openmax_core.tradeoff.slider import is_threshold, round_ends, slider_scale

UNIT = (0.0, 1.0)


def curve_of(test: Any, reject: Any = (), wrong: Any = ()) -> TradeoffCurve:
    """Curve of scores: test pictures in their right class, in a wrong one, and reject pictures."""
    scores = [*test, *wrong]
    predictions = [0] * len(test) + [1] * len(wrong)
    return TradeoffCurve(scores, predictions, [0] * len(scores), reject, [0] * len(reject), 2)


def states(curve: Curve, thresholds: Any) -> list[tuple[int, int, int]]:
    found = curve.outcomes(thresholds)
    return list(zip(found.correct, found.wrong, found.accepted_unknown, strict=True))


def saturated(n: int, rate: float, seed: int) -> Any:
    """Scores that pile up below 1, down to the last digits."""
    generator = np.random.default_rng(seed)
    return 1 - 10.0 ** -generator.gamma(rate, 1.2, n)


SATURATED = curve_of(saturated(200, 6, 0), saturated(150, 2, 1), saturated(9, 3, 2))


# --- ends ----------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@example(0.0, 1.0)
@example(0.0, math.nextafter(0.1, 1))  # a hair above a round number is not covered by it
@example(math.nextafter(0.3, 0), 0.9)
@example(0.25, 0.25 + 1e-6)
def test_ends_are_round_and_cover_the_range_closely(one, other):
    low, high = min(one, other), max(one, other)
    assume(high - low >= 1e-6)
    first, last = round_ends((low, high))
    assert first <= low < high <= last
    assert max(low - first, last - high) <= 0.0026 * (high - low)
    digits = 3 - math.floor(math.log10(high - low))
    assert (round(first, digits), round(last, digits)) == (first, last)


@pytest.mark.parametrize(
    ("low", "high", "first", "last"),
    [
        (0.0, 1.0, 0.0, 1.0),
        (1 / 11, 1.0, 0.09, 1.0),
        (1 / 3, 1.0, 0.333, 1.0),
        (0.1, math.e / (math.e + 9), 0.1, 0.232),
        (1 / 1001, math.e / (math.e + 1000), 0.000998, 0.002712),
        (-1.0, 1.0, -1.0, 1.0),
        (0.0, 5000.0, 0.0, 5000.0),
        (-3.21, 17.04, -3.25, 17.05),
    ],
)
def test_ends_are_those_worked_by_hand(low, high, first, last):
    assert round_ends((low, high)) == (first, last)


# --- positions -----------------------------------------------------------------------------------


def test_positions_and_ways_are_those_worked_by_hand():
    # Rejected one after the other: 0.11 (unknown), 0.25, 0.31 (unknown), 0.8 twice.
    scale = slider_scale(curve_of([0.25, 0.8], [0.11, 0.31], [0.8]), UNIT)
    assert scale.positions.tolist() == [0.0, 0.2, 0.3, 0.8, 1.0]
    assert scale.thresholds.tolist() == [0.11, 0.25, 0.31, 0.8, math.nextafter(0.8, 1)]
    assert scale.ways.tolist() == pytest.approx([0, 1 / 4, 1 / 4 + 1 / 6, 1 / 2 + 1 / 6, 1])
    assert scale.is_whole


def test_known_and_unknown_pictures_have_the_same_weight_whatever_their_number():
    scale = slider_scale(curve_of(np.linspace(0.5, 0.9, 500), [0.1, 0.2]), UNIT)
    assert scale.way_of(0.5) == pytest.approx(0.5, abs=0.01)
    alone = slider_scale(curve_of(np.linspace(0.5, 0.9, 500)), UNIT)
    assert alone.way_of(0.7) == pytest.approx(0.5, abs=0.01)


def check_every_state(curve: Curve, score_range: tuple[float, float]) -> None:
    """Ascending, from round end to round end, with each state that a threshold can set."""
    scale = slider_scale(curve, score_range)
    assert scale.is_whole
    assert (np.diff(scale.positions) > 0).all()
    assert (np.diff(scale.ways) > 0).all()
    assert (scale.ways[0], scale.ways[-1]) == (0, 1)
    assert scale.positions[0] <= score_range[0]
    assert scale.positions[-1] >= score_range[1]
    assert all(is_threshold(position, score_range) for position in scale.positions.tolist())
    assert states(curve, scale.positions) == states(curve, scale.thresholds)
    assert set(states(curve, scale.positions)) == set(states(curve, curve.thresholds))
    assert states(curve, scale.positions[-1:]) == [(0, 0, 0)]


scores_ = st.lists(
    st.one_of(
        st.floats(0, 1),
        st.sampled_from([0.0, 0.3, 0.30000000000000004, 1.0]),
        st.integers(1, 16).map(lambda k: 1 - 10.0**-k),
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(scores_, scores_, scores_)
@example([1.0], [1.0], [])  # only the next number above 1 changes anything
@example([], [], [])
@example([0.0], [], [])
def test_every_state_is_a_position_of_probabilities(test, wrong, reject):
    check_every_state(curve_of(test, reject, wrong), UNIT)


@settings(max_examples=100)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), st.lists(st.floats(-50, 50)))
@example([3.0], [])
@example([16.0, 2.0], [0.0])  # a round number is the largest score: one beyond rejects it
def test_every_state_is_a_position_of_scores_without_bounds(test, reject):
    curve = curve_of(test, reject)
    low, high = curve.score_span
    assume(high - low > 1e-9 * max(1, abs(low), abs(high)))
    check_every_state(curve, (low, high))


def test_positions_have_as_many_digits_as_decide():
    scale = slider_scale(SATURATED, UNIT)
    for before, position, threshold in zip(
        scale.thresholds[:-1], scale.positions[1:-1], scale.thresholds[1:-1], strict=False
    ):
        text = f"{position:.16f}".rstrip("0")
        digits = len(text) - 2
        shorter = math.floor(threshold * 10 ** (digits - 1)) / 10 ** (digits - 1)
        assert before < position <= threshold
        assert shorter <= before or digits in {1, 16}


def test_more_states_than_positions_are_thinned_at_even_steps_of_the_way():
    curve = curve_of(saturated(3000, 6, 0), saturated(2000, 2, 1))
    scale = slider_scale(curve, UNIT, 500)
    assert not scale.is_whole
    assert 400 < len(scale.positions) <= 500
    assert np.diff(scale.ways)[:-1].max() < 1.5 / 500  # the last are those with the score 1
    whole = slider_scale(curve, UNIT, 10_000)
    assert whole.is_whole
    assert set(scale.positions) <= set(whole.positions)


def test_positions_of_counts_in_bins_are_counted_exactly():
    test, reject = saturated(3000, 6, 0), saturated(2000, 2, 1)
    exact, zeros = curve_of(test, reject), np.zeros(3000, dtype=int)
    counts = ScoreCounts.empty(score_edges((0.1, 1.0))).with_pictures(test, zeros, zeros, 2)
    counted = CountedCurve(counts.with_pictures(reject, zeros[:2000], zeros[:2000] - 1, 2), 2)
    scale = slider_scale(counted, (0.1, 1.0), 300)
    assert states(exact, scale.positions) == states(counted, scale.positions)
    assert states(counted, scale.positions) == states(counted, scale.thresholds)


# --- from a threshold to the way and back --------------------------------------------------------


def test_a_threshold_between_positions_lies_between_them():
    scale = slider_scale(SATURATED, UNIT)
    for (a, b), (from_, to) in zip(pairwise(scale.positions), pairwise(scale.ways), strict=True):
        assert from_ <= scale.way_of((a + b) / 2) <= to
    assert scale.way_of([-7, 7]).tolist() == [0, 1]
    assert scale.at(0.0) == 0
    assert scale.at(1.0) == scale.positions[-1]
    assert scale.at(float(scale.ways[77])) == scale.positions[77]


def test_scores_of_other_pictures_get_positions_that_tell_them_apart():
    scale = slider_scale(curve_of([0.2, 0.8], [0.5]), UNIT)
    others = [0.61, 0.612, 0.611, 0.95, -3.0, 5.0]
    wider = scale.with_scores(others)
    assert set(scale.positions) <= set(wider.positions)
    accepted = [(np.array(others[:4]) >= position).tolist() for position in wider.positions]
    assert len(set(map(tuple, accepted))) == 5  # each of the four is rejected on its own
    assert {0.611, 0.612} <= set(wider.positions)
    assert_array_equal(wider.ways, scale.way_of(wider.positions))
    assert (np.diff(wider.thresholds) >= 0).all()
    assert (wider.positions[:-1] <= wider.thresholds[:-1]).all()
    same = scale.with_scores([])
    assert_array_equal(same.positions, scale.positions)
    assert_array_equal(same.thresholds, scale.thresholds)


# --- rows of a table -----------------------------------------------------------------------------


def test_rows_lie_where_something_happens():
    rows = slider_scale(SATURATED, UNIT).rows(11)
    assert len(rows) == 11
    assert (rows[0], rows[-1]) == (0, 1)
    ways = slider_scale(SATURATED, UNIT).way_of(rows)
    assert ways == pytest.approx(np.linspace(0, 1, 11), abs=0.03)
    found = states(SATURATED, rows)
    assert len(set(found)) == 11
    assert sum(row > 0.9 for row in rows) >= 8


def test_rows_have_few_digits_and_are_as_many_as_the_states():
    assert slider_scale(curve_of([0.25, 0.8], [0.11, 0.31], [0.8]), UNIT).rows(11) == [
        0.0,
        0.2,
        0.3,
        0.8,
        1.0,
    ]
    assert slider_scale(curve_of([], []), UNIT).rows(11) == [0.0, 1.0]
    many = slider_scale(curve_of(np.linspace(-5, 20, 999), np.linspace(-9, 4, 777)), (-9, 20))
    assert max(len(repr(row)) for row in many.rows(11)) <= 5


# --- what a browser may say ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.35, 5e-324, -0.1, 1.1, -31.25, 1e300])
def test_a_finite_number_is_a_threshold(value):
    assert is_threshold(value) is True


@pytest.mark.parametrize(
    "value",
    [10**400, math.nan, math.inf, -math.inf, True, None, "0.5", [0.5], {"value": 0.5}],
)
def test_nothing_else_is_a_threshold(value):
    assert is_threshold(value) is False


def test_the_next_number_above_1_rejects_pictures_with_the_score_1():
    curve = curve_of([0.3, 1.0, 1.0], [0.2, 1.0])
    scale = slider_scale(curve, UNIT)
    assert scale.positions.tolist() == [0.0, 0.3, 1.0, math.nextafter(1.0, 2.0)]
    assert states(curve, scale.positions) == [(3, 0, 2), (3, 0, 1), (2, 0, 1), (0, 0, 0)]
    assert is_threshold(math.nextafter(1.0, 2.0), UNIT) is True
    assert is_threshold(1.0000000000000004, UNIT) is False


@pytest.mark.parametrize("value", [-0.1, 1.1, 7, -5e-324])
def test_a_threshold_of_probabilities_lies_from_0_to_1(value):
    assert is_threshold(value, (0.25, 1.0)) is False
    assert is_threshold(value, (-1.7, 0.0)) is True
    assert is_threshold(0.1, (0.25, 1.0)) is True
