"""Intervals: against SciPy and the papers' formulae, and what must never be certain."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom, binomtest, norm

from openmax_core.tradeoff.intervals import (
    DEFAULT_INTERVAL,
    INTERVALS,
    clopper_pearson_bounds,
    mean_interval,
    share_interval,
    wilson_bounds,
)

# --- Wilson --------------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (0, 30), (30, 30), (7, 9), (425, 500), (3, 10**6)]
)
def test_wilson_bounds_are_scipys(successes, trials, confidence):
    bounds = wilson_bounds(successes, trials, confidence)
    expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert_allclose(bounds, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (7, 7), (3, 7), (1, 10**9)])
def test_wilson_interval_holds_the_share_and_stays_in_0_to_1(successes, trials):
    interval = share_interval(successes, trials, "Wilson")
    assert 0.0 <= interval.low <= successes / trials <= interval.high <= 1.0


def test_no_trials_have_no_interval():
    interval = share_interval(0, 0, "Wilson")
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


# --- Clopper-Pearson -----------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (0, 30), (30, 30), (7, 9), (425, 500), (3, 10**6)]
)
def test_clopper_pearson_bounds_are_scipys(successes, trials, confidence):
    bounds = clopper_pearson_bounds(successes, trials, confidence)
    expected = binomtest(successes, trials).proportion_ci(confidence, method="exact")
    assert_allclose(bounds, expected, rtol=1e-9, atol=2e-12)  # SciPy's root finder stops there


@settings(max_examples=100)
@given(st.integers(1, 10**6), st.data())
def test_clopper_pearson_leaves_at_most_a_fortieth_on_either_side(trials, data):
    successes = data.draw(st.integers(0, trials))
    low, high = (float(bound) for bound in clopper_pearson_bounds(successes, trials))
    at_low = 0.025 if successes else 1.0  # what the bounds are defined by
    at_high = 0.025 if successes < trials else 1.0
    assert_allclose(binom.sf(successes - 1, trials, low), at_low, rtol=1e-7)
    assert_allclose(binom.cdf(successes, trials, high), at_high, rtol=1e-7)


def coverage(kind: str, trials: int, share: float) -> float:
    """Probability that an interval of so many trials holds the share that they come from."""
    counts = np.arange(trials + 1)
    low, high = INTERVALS[kind](counts, trials)
    return float(binom.pmf(counts, trials, share)[(low <= share) & (share <= high)].sum())


@pytest.mark.parametrize("trials", [5, 20, 100])
def test_clopper_pearson_never_covers_less_than_it_says_and_wilson_is_right_on_average(trials):
    shares = np.linspace(0.005, 0.995, 199)
    exact = [coverage("Clopper–Pearson", trials, share) for share in shares]
    wilson = [coverage("Wilson", trials, share) for share in shares]
    assert min(exact) >= 0.95
    assert min(wilson) < 0.95
    assert 0.945 <= np.mean(wilson) <= 0.957
    assert np.mean(exact) > np.mean(wilson) + 0.01


# --- both ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", INTERVALS)
@pytest.mark.parametrize("trials", [1, 40, 10**6])
def test_bounds_of_an_array_are_those_of_each_share(kind, trials):
    counts = np.unique(np.linspace(0, trials, 12).round().astype(int)).reshape(-1, 2)
    low, high = INTERVALS[kind](counts, trials)
    assert low.shape == high.shape == counts.shape
    assert low.dtype == high.dtype == np.float64
    for index, successes in np.ndenumerate(counts):
        interval = share_interval(int(successes), trials, kind)
        assert [low[index], high[index]] == [interval.low, interval.high]


@pytest.mark.parametrize("kind", INTERVALS)
@settings(max_examples=50)
@given(st.integers(1, 10**9), st.data())
def test_every_interval_holds_its_share_and_stays_in_0_to_1(kind, trials, data):
    successes = data.draw(st.integers(0, trials))
    interval = share_interval(successes, trials, kind)
    assert 0.0 <= interval.low <= successes / trials <= interval.high <= 1.0


@pytest.mark.parametrize("kind", INTERVALS)
def test_without_trials_every_bound_is_no_number(kind):
    low, high = INTERVALS[kind](np.zeros((2, 3), dtype=int), 0)
    assert_array_equal(low, np.full((2, 3), np.nan))
    assert_array_equal(high, np.full((2, 3), np.nan))
    alone = share_interval(0, 0, kind)
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)


@pytest.mark.parametrize("kind", INTERVALS)
def test_all_and_none_of_the_pictures_end_at_one_and_nought(kind):
    for trials in (1, 3, 50, 10**6):
        assert share_interval(0, trials, kind).low == 0.0
        assert share_interval(trials, trials, kind).high == 1.0


def test_an_interval_is_wilson_s_unless_told():
    assert DEFAULT_INTERVAL == "Wilson"
    assert share_interval(7, 9) == share_interval(7, 9, "Wilson")
    assert share_interval(7, 9) != share_interval(7, 9, "Clopper–Pearson")


# --- paired differences --------------------------------------------------------------------------


def agresti_min(n_gained: int, n_lost: int, n: int, confidence: float) -> tuple[float, float]:
    """Wald interval of a difference of proportions, half a picture added to each of four cells."""
    gained, lost, total = n_gained + 0.5, n_lost + 0.5, n + 2
    difference = (gained - lost) / total
    variance = (gained + lost - (gained - lost) ** 2 / total) / total**2
    half = norm.ppf(1 - (1 - confidence) / 2) * math.sqrt(variance)
    return difference - half, difference + half


@settings(max_examples=200)
@given(
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(0, 50),
    st.sampled_from([0.8, 0.95, 0.999]),
)
@example(1, 0, 0, 0.95)
@example(0, 0, 1, 0.95)
def test_differences_of_one_have_the_interval_of_agresti_and_min(gained, lost, same, confidence):
    n = gained + lost + same
    if not n:
        return
    values = np.repeat([1.0, -1.0, 0.0], [gained, lost, same])
    interval = mean_interval(values, 1.0, confidence)
    assert_allclose(
        (interval.low, interval.high), agresti_min(gained, lost, n, confidence), atol=1e-12
    )


def test_the_interval_of_paired_differences_worked_by_hand():
    # 12 gained, 2 lost, 86 as before: (12.5 − 2.5) / 102, and 15 / 102 − (10 / 102)² over 102.
    interval = mean_interval(np.repeat([1.0, -1.0, 0.0], [12, 2, 86]), 1.0)
    half = 1.959963984540054 * math.sqrt((15 / 102 - (10 / 102) ** 2) / 102)
    assert_allclose((interval.low, interval.high), (10 / 102 - half, 10 / 102 + half), rtol=1e-12)


@settings(max_examples=100)
@given(st.integers(1, 10), st.sampled_from([-1.0, 0.0, 0.25, 1.0]), st.floats(1e-3, 1e3))
def test_a_few_equal_differences_never_look_certain(n, value, largest):
    interval = mean_interval(np.full(n, value * largest), largest)
    assert interval.low < value * largest < interval.high
    assert interval.high - interval.low > largest / n / 2


@settings(max_examples=100)
@given(st.lists(st.sampled_from([-1.0, -0.3, 0.0, 0.5, 1.0]), min_size=1, max_size=50))
def test_a_loss_has_the_interval_of_the_gain_turned_round(values):
    gain = mean_interval(np.array(values), 1.0)
    loss = mean_interval(-np.array(values), 1.0)
    assert_allclose((loss.low, loss.high), (-gain.high, -gain.low), atol=1e-15)


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from([-1.0, -0.3, 0.0, 0.5, 1.0]), min_size=1, max_size=50),
    st.sampled_from([0.01, 3.0, 1e6]),
)
def test_differences_in_another_unit_have_the_interval_in_that_unit(values, unit):
    plain = mean_interval(np.array(values), 1.0)
    scaled = mean_interval(unit * np.array(values), unit)
    assert_allclose(
        (scaled.low, scaled.high), (unit * plain.low, unit * plain.high), rtol=1e-9, atol=1e-12
    )


def test_many_differences_have_the_normal_interval_of_their_mean():
    values = np.random.default_rng(0).choice([-1.0, 0.0, 0.5], 100_000)
    interval = mean_interval(values, 1.0)
    half = 1.959963984540054 * values.std() / math.sqrt(len(values))
    expected = (values.mean() - half, values.mean() + half)
    assert_allclose((interval.low, interval.high), expected, atol=1e-5)


def test_intervals_of_paired_differences_cover_what_they_say():
    generator = np.random.default_rng(0)
    cells = [0.2, 0.05, 0.75]  # gained, lost, as before: the true difference is 0.15
    covered = 0
    for gained, lost, same in generator.multinomial(40, cells, 2000).tolist():
        interval = mean_interval(np.repeat([1.0, -1.0, 0.0], [gained, lost, same]), 1.0)
        covered += interval.low <= 0.15 <= interval.high
    assert 0.94 <= covered / 2000 <= 0.97


def test_nothing_to_compare_has_no_interval():
    interval = mean_interval(np.array([]), 1.0)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_wilson_bounds_take_another_confidence():
    expected = binomtest(7, 9).proportion_ci(0.8, method="wilson")
    assert_allclose(wilson_bounds(7, 9, 0.8), expected, rtol=1e-10)
