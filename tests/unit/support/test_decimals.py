"""Thresholds as people type them: the fewest digits, and nothing lost."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from openmax_core.errors import OpenMaxError
from openmax_core.support.decimals import (
    require_finite,
    score_text,
    shortest_decimal,
    shortest_decimals,
    threshold_text,
)


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.5, "0.5000"),
        (0.98765, "0.9877"),
        (0.999752, "0.999752"),
        (0.99975, "0.99975"),
        (1 - 1.234567e-9, "0.99999999877"),
        (1.0, "1.0000"),
        (12.34567, "12.3457"),
        (-3.0, "-3.0000"),
        (math.nextafter(1.0, 0.0), "0.9999999999999999"),
    ],
)
def test_a_score_near_1_has_the_digits_that_tell_it_from_1(score, text):
    assert score_text(score) == text


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


@settings(max_examples=500)
@given(unit_bounds, unit_bounds)
def test_shortest_decimal_is_what_trying_all_finds(one, other):
    above, to = min(one, other), max(one, other)
    assume(above < to)
    assert shortest_decimal(above, to) == shortest_by_trying(above, to)


@settings(max_examples=200)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_shortest_decimal_lies_above_the_one_and_not_above_the_other(one, other):
    above, to = min(one, other), max(one, other)
    assume(above < to)
    assert above < shortest_decimal(above, to) <= to


# --- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "text"),
    [
        (0.35, "0.35"),
        (0.0, "0"),
        (1.0, "1"),
        (-2.0, "-2"),
        (10.0, "10"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1 / 3, "0.3333333333333333"),
        (1e-07, "1e-07"),
        (np.float64(0.35), "0.35"),
        (np.float32(0.5), "0.5"),
    ],
)
def test_a_threshold_is_written_with_the_digits_that_it_needs(threshold, text):
    assert threshold_text(threshold) == text


@settings(max_examples=200)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_threshold_typed_again_is_the_same(threshold):
    assert float(threshold_text(threshold)) == threshold


# --- what is no threshold ------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_no_threshold(bad):
    for wrong in (bad, np.float64(bad), [0.5, bad], np.array([[0.5], [bad]])):
        with pytest.raises(OpenMaxError, match=f"^a threshold must be a finite number, not {bad}"):
            require_finite(wrong)
    for fine in (0.5, -1, np.float64(2), [0.1, 0.2], np.zeros(0)):
        require_finite(fine)


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.floats(-1e17, 1e17), st.floats(-1e17, 1e17))
        | st.tuples(st.floats(-2, 2), st.floats(-2, 2))
        | st.floats(-1, 1).map(lambda x: (math.nextafter(x, -math.inf), x)),
        max_size=20,
    )
)
@example([(-math.inf, 0.3), (0.2999999999999999, 0.3), (1 - 1e-15, 1.0)])
def test_many_at_once_are_what_each_is_alone(pairs):
    pairs = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    above, to = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    expected = [shortest_decimal(*pair) for pair in pairs]
    assert shortest_decimals(above, to).tolist() == expected
