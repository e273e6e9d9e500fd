"""Shares as people type and read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmax_core.errors import OpenMaxError
from openmax_core.support.shares import (
    counted,
    exact_percent,
    parse_share,
    percent,
    percent_range,
    points,
    points_range,
)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("85%", 0.85),
        ("85 %", 0.85),
        (" 85 ", 0.85),
        ("0.85", 0.85),
        (".85", 0.85),
        ("84.4", 0.844),
        ("84.4%", 0.844),
        ("0.5%", 0.005),
        ("1%", 0.01),
        ("1", 1.0),
        ("1.5", 0.015),
        ("100", 1.0),
        ("100%", 1.0),
        ("0", 0.0),
        ("0 %", 0.0),
    ],
)
def test_percent_and_fractions_are_both_understood(text, share):
    assert parse_share(text) == share


@pytest.mark.parametrize(
    "text", ["", "%", ".", "nan", "inf", "-5", "-5%", "1e-1", "85,5", "85 %%", "1_0", "٨٥", "x"]
)
def test_what_is_no_share_is_answered_with_how_to_write_one(text):
    with pytest.raises(OpenMaxError, match="not a share; write it as"):
        parse_share(text)


@pytest.mark.parametrize("text", ["101", "100.5%", "850"])
def test_more_than_all_pictures_is_refused(text):
    with pytest.raises(OpenMaxError, match="between 0% and 100%"):
        parse_share(text)


def test_percent_has_one_decimal():
    assert [percent(value) for value in (0.0, 0.8512, 1.0)] == ["0.0 %", "85.1 %", "100.0 %"]
    assert percent(math.nan) == "not measured"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.85, "85.0 %"), (0.8512, "85.12 %"), (1.0, "100.0 %"), (0.0, "0.0 %"), (1e-7, "0.00001 %")],
)
def test_what_must_hold_is_never_rounded(share, text):
    assert exact_percent(share) == text


@given(st.floats(0.0, 1.0))
def test_an_exact_percentage_is_read_back_as_the_same_share(share):
    if share == 0 or share > 1e-20:
        assert parse_share(exact_percent(share)) == share


def test_intervals_counts_and_differences_have_one_decimal_too():
    assert percent_range(0.8284, 1.0) == "82.8–100.0 %"
    assert percent_range(math.nan, math.nan) == "no pictures"
    assert counted(1234, 2000) == "61.7 % (1,234 of 2,000)"
    assert counted(0, 0) == "not measured (0 of 0)"
    assert points(0.0123) == "+1.2 points"
    assert points_range(-0.0123, 0.04) == "-1.2 to +4.0"
