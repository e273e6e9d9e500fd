"""Tests of drift: against published values, plain arithmetic, and how often they err."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from openmax_core.monitor.drift import (
    MIN_PICTURES,
    Share,
    class_drift,
    compare_mix,
    compare_shares,
    holm,
)


def test_holm_gives_what_r_gives() -> None:
    # p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_was_not_tested() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])
    assert math.isnan(adjusted[1])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_never_lowers_a_p_and_keeps_their_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()


def test_the_difference_of_shares_has_newcombes_interval_and_fishers_p() -> None:
    # Newcombe (1998), table II, method 10: 56/70 against 48/80.
    found = compare_shares(Share(56, 70), Share(48, 80))
    assert found.value == pytest.approx(0.2)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    # Fisher's tea: 3 of 4 against 1 of 4, both sides 34/70.
    assert compare_shares(Share(3, 4), Share(1, 4)).p_value == pytest.approx(34 / 70)


def test_both_sides_uncertainty_counts() -> None:
    few = compare_shares(Share(12, 100), Share(1, 20))
    many = compare_shares(Share(12, 100), Share(1000, 20_000))
    assert few.p_value > many.p_value
    assert few.interval.low < 0 < many.interval.low


def test_a_share_of_no_pictures_is_compared_with_nothing() -> None:
    found = compare_shares(Share(0, 0), Share(1, 20))
    assert math.isnan(found.p_value)
    assert math.isnan(Share(0, 0).value)


def test_one_picture_has_a_share_and_says_little() -> None:
    found = compare_shares(Share(1, 1), Share(3, 30))
    assert found.p_value == pytest.approx(4 / 31)  # (1 of 1 and 3 of 30): 4 of 31 are rejected


def test_the_shift_is_the_medians_in_ranges_of_the_test_set() -> None:
    test = np.arange(1.0, 22.0)  # median 11, quartiles 6 and 16
    found = class_drift([test + 5], [test])
    assert found.shift == pytest.approx([0.5])
    expected = stats.cramervonmises_2samp(test + 5, test, method="asymptotic").pvalue
    assert found.p_value == pytest.approx([expected])


def test_classes_with_few_pictures_on_either_side_are_not_tested() -> None:
    many, few = np.arange(30.0), np.arange(MIN_PICTURES - 1.0)
    found = class_drift([many, few, many, few[:0]], [many, many, few, many])
    assert found.is_tested.tolist() == [True, False, False, False]
    assert found.n_batch.tolist() == [30, 9, 30, 0]
    assert not found.is_drifted(1.0)[1:].any()
    assert np.isnan(found.shift[1:]).all()


def test_equal_distances_of_a_class_have_no_range_to_measure_in() -> None:
    found = class_drift([np.full(20, 3.0)], [np.full(20, 1.0)])
    assert np.isnan(found.shift).all()
    assert found.is_drifted(0.01).all()


@pytest.mark.parametrize(("n", "m"), [(10, 10), (15, 60), (40, 50)])
def test_the_p_value_errs_no_more_often_than_it_says(n: int, m: int) -> None:
    generator = np.random.default_rng(n)
    draws = 1000
    found = class_drift(
        [generator.gamma(3, size=n) for _ in range(draws)],
        [generator.gamma(3, size=m) for _ in range(draws)],
    )
    for level in (0.2, 0.05, 0.01):
        errors = (found.p_value < level).mean()
        # 1.05: what is measured at most, see the module; the rest is chance in the draws.
        assert errors < 1.05 * level + 3 * math.sqrt(level / draws), level
        assert errors > 0.5 * level - 3 * math.sqrt(level / draws), level


def test_the_corrected_test_of_many_classes_gives_few_false_alarms() -> None:
    generator = np.random.default_rng(7)
    n_classes, n_batches, level = 8, 150, 0.1
    alarms = 0
    for _ in range(n_batches):
        batch = [generator.gamma(3, size=25) for _ in range(n_classes)]
        test = [generator.gamma(3, size=40) for _ in range(n_classes)]
        alarms += bool(class_drift(batch, test).is_drifted(level).any())
    assert 0.03 < alarms / n_batches < level + 3 * math.sqrt(level / n_batches)


def test_a_clear_drift_is_found_and_only_where_it_is() -> None:
    generator = np.random.default_rng(8)
    found = np.zeros(4, dtype=int)
    for _ in range(40):
        test = [generator.gamma(3, size=50) for _ in range(4)]
        batch = [generator.gamma(3, size=40) for _ in range(4)]
        batch[2] = batch[2] + 2.5  # about one interquartile range
        found += class_drift(batch, test).is_drifted(0.005)
    assert found[2] >= 38
    assert found[[0, 1, 3]].sum() <= 3


def test_the_mix_of_classes_is_tested_by_chi_square() -> None:
    batch, test = np.array([30, 50, 20]), np.array([40, 40, 20])
    found = compare_mix(batch, test)
    # By hand: 2 · (5²/35 + 5²/45)
    statistic = 2 * (25 / 35 + 25 / 45)
    assert found.p_value == pytest.approx(stats.chi2.sf(statistic, 2))
    assert found.distance == pytest.approx(0.1)
    assert compare_mix(test, test).p_value == pytest.approx(1)


def test_rare_classes_are_counted_together() -> None:
    found = compare_mix(np.array([60, 40, 2, 3, 3]), np.array([60, 40, 3, 2, 3]))
    assert found.p_value == pytest.approx(
        compare_mix(np.array([60, 40, 8]), np.array([60, 40, 8])).p_value
    )
    assert math.isnan(compare_mix(np.array([20, 0]), np.array([1, 0])).p_value)
    assert math.isnan(compare_mix(np.array([0, 0]), np.array([5, 5])).distance)


def test_the_farther_two_sets_are_apart_the_smaller_is_p() -> None:
    """SciPy's own p grows again from about 1e-10 on, which Holm's factor of many classes finds."""
    sizes = (20, 60, 200, 2000, 30_000)
    apart = [np.arange(n, dtype=float) for n in sizes]
    found = class_drift(apart, [values + 1e6 for values in apart]).p_value
    assert (np.diff(found) <= 0).all()
    assert found[-1] < 1e-100
    assert found[0] == pytest.approx(
        stats.cramervonmises_2samp(apart[0], apart[0] + 1e6, method="asymptotic").pvalue
    )
