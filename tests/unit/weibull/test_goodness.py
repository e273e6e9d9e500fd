"""Anderson–Darling against SciPy and a plain loop; p-values against what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from openmax_core.weibull import goodness
from openmax_core.weibull.fit import (
    TailFit,
    WeibullMaxFit,
    fit_exceedances,
    fit_tails,
    fit_weibull_max,
)
from openmax_core.weibull.goodness import (
    anderson_darling,
    goodness_of_fit,
    simulate_goodness,
    untestable,
)


def drawn_tails(n_tails: int, n: int, shape=20.0, scale=1.1, seed=0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [np.sort(scale * generator.weibull(shape, n)) for _ in range(n_tails)]


def in_a_loop(model: TailFit, tail: np.ndarray, index: int) -> float:
    """A² as it is written down."""
    n = len(tail)
    t = (tail + model.translate - model.smallest_tail_value[index]) / model.scale[index]
    cdf = 1 - np.exp(-(t ** model.shape[index]))
    total = 0.0
    for i in range(1, n + 1):
        total += (2 * i - 1) * (math.log(cdf[i - 1]) + math.log(1 - cdf[n - i]))
    return -n - total / n


def test_the_statistic_is_that_of_the_formula_for_tails_of_any_length():
    tails = [drawn_tails(1, n, seed=n)[0] for n in (5, 20, 7, 20)]
    model = fit_tails(tails, 20)
    expected = [in_a_loop(model, tail, index) for index, tail in enumerate(tails)]
    np.testing.assert_allclose(anderson_darling(model, tails), expected, rtol=1e-10)
    # Tails of other classes than their place says.
    swapped = anderson_darling(model, [tails[3]], np.array([3]))
    assert swapped[0] == pytest.approx(expected[3], rel=1e-10)


def test_the_statistic_is_scipys_for_a_two_parameter_weibull():
    # With translate = smallest value libMR's shift is none, as SciPy's with its location at 0.
    tail = drawn_tails(1, 40, shape=2.0, scale=3.0)[0]
    model = fit_tails([tail], 40, translate=float(tail[0]))
    shape, _, scale = stats.weibull_min.fit(tail, floc=0)
    assert (model.shape[0], model.scale[0]) == pytest.approx((shape, scale), rel=1e-4)
    fixed = {"c": model.shape[0], "loc": 0.0, "scale": model.scale[0]}
    result = stats.goodness_of_fit(
        stats.weibull_min, tail, known_params=fixed, statistic="ad", n_mc_samples=2, rng=0
    )
    assert anderson_darling(model, [tail])[0] == pytest.approx(result.statistic, rel=1e-9)


def test_a_distance_at_the_end_of_the_fit_makes_the_statistic_infinite():
    model = WeibullMaxFit(np.array([0.5]), np.array([2.0]), np.array([1.0]), np.array([3]))
    assert anderson_darling(model, [np.array([1.0, 1.5, 2.0])])[0] == np.inf


@pytest.mark.parametrize(("shape", "scale"), [(20.0, 1.1), (60.0, 1.02), (5.0, 3.0)])
def test_under_the_null_p_values_are_about_uniform(shape, scale, monkeypatch):
    monkeypatch.setattr(goodness, "BUDGET_VALUES", 1_600_000)
    tails = drawn_tails(800, 20, shape, scale, seed=5)
    result = goodness_of_fit(fit_tails(tails, 20), tails)
    assert result.n_replicates == 100
    assert result.reasons == ("",) * 800
    # 800 draws: a share of 0.05 has a standard error of 0.008, one of 0.5 of 0.018.
    assert np.mean(result.p_value <= 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(result.p_value <= 0.5) == pytest.approx(0.5, abs=0.06)
    assert stats.kstest(result.p_value, "uniform").statistic < 0.1


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.5])
def test_p_values_of_exceedances_are_about_uniform_for_every_shape(shape, monkeypatch):
    monkeypatch.setattr(goodness, "BUDGET_VALUES", 600_000)
    generator = np.random.default_rng(7)
    tails = list(3.0 + np.sort(0.01 * generator.weibull(shape, (400, 20)), axis=1))
    result = goodness_of_fit(fit_exceedances(tails, np.full(400, 3.0)), tails)
    assert result.reasons == ("",) * 400
    assert np.mean(result.p_value <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(result.p_value <= 0.5) == pytest.approx(0.5, abs=0.08)


def test_tails_of_another_form_get_small_p_values():
    generator = np.random.default_rng(0)
    # Two groups far apart.
    tails = [
        np.sort(np.concatenate([generator.normal(1, 0.01, 10), generator.normal(2, 0.01, 10)]))
        for _ in range(10)
    ]
    result = goodness_of_fit(fit_tails(tails, 20), tails)
    assert result.p_value.max() <= 0.01


def test_the_p_value_is_that_of_a_plain_loop():
    tails = drawn_tails(3, 12, seed=3)
    model = fit_tails(tails, 12)
    result = goodness_of_fit(model, tails)
    generator = np.random.default_rng(11)
    larger = 0
    for _ in range(2000):
        t = model.scale[1] * generator.weibull(model.shape[1], 12)
        own = np.sort(t - 1 + model.smallest_tail_value[1])
        larger += in_a_loop(fit_tails([own], 12), own, 0) >= result.statistic[1]
    assert result.n_replicates == 999
    # Standard errors of both shares together are at most 0.02.
    assert result.p_value[1] == pytest.approx((1 + larger) / 2001, abs=0.06)


def test_the_result_is_the_same_every_time():
    tails = drawn_tails(4, 20)
    model = fit_tails(tails, 20)
    first, second = goodness_of_fit(model, tails), goodness_of_fit(model, tails)
    assert first.p_value.tolist() == second.p_value.tolist()


@pytest.mark.parametrize(("n_classes", "expected"), [(1, 999), (400, 250), (1000, 100)])
def test_replicates_follow_the_budget(n_classes, expected, monkeypatch):
    def none_larger(model, statistic, tested, n_replicates, generator):
        return np.zeros(len(tested), dtype=np.int64)

    monkeypatch.setattr(goodness, "_count_larger", none_larger)
    tails = drawn_tails(n_classes, 20)
    assert goodness_of_fit(fit_tails(tails, 20), tails).n_replicates == expected


def test_where_the_budget_binds_clear_cases_stop_early(monkeypatch):
    generator = np.random.default_rng(0)
    tails = drawn_tails(6, 20)
    tails.append(np.sort(np.concatenate([generator.normal(1, 0.01, 19), [3.0]])))
    model = fit_tails(tails, 20)
    full = goodness_of_fit(model, tails)
    monkeypatch.setattr(goodness, "BUDGET_VALUES", 200 * 140)
    result = goodness_of_fit(model, tails)
    assert result.n_replicates == 200
    counted = set()
    for p in result.p_value:
        n = 20 if p >= 0.3 else 201
        assert p * n == pytest.approx(round(p * n))
        counted.add(n)
    assert counted == {20, 201}
    np.testing.assert_allclose(result.p_value, full.p_value, atol=0.3)
    assert result.p_value[6] == pytest.approx(1 / 201)


def test_what_cannot_be_tested_says_why():
    tails = [np.array([1.0, 1.1, 1.3]), 1 + 3e-7 * np.arange(6), drawn_tails(1, 6)[0]]
    model = fit_tails(tails, 6)
    result = goodness_of_fit(model, tails)
    assert result.reasons == (
        "3 distances are too few to test",
        "the tail is nearly constant",
        "",
    )
    assert np.isnan(result.p_value).tolist() == [True, True, False]
    assert not result.is_open
    assert {reason: n for n, reason in result.without_p_value} == {
        "3 distances are too few to test": 1,
        "the tail is nearly constant": 1,
    }


def test_osdns_translate_is_tested_as_well():
    tails = drawn_tails(3, 20)
    result = goodness_of_fit(fit_tails(tails, 20, translate=10_000.0), tails)
    assert np.isfinite(result.p_value).all()


# --- three parameters ----------------------------------------------------------------------------


def sound_and_degenerate() -> tuple[WeibullMaxFit, list[np.ndarray]]:
    generator = np.random.default_rng(4)
    sound = [
        np.sort(stats.weibull_max.rvs(3, loc=9, scale=2, size=60, random_state=generator))
        for _ in range(2)
    ]
    degenerate = np.sort(generator.exponential(size=60))
    tails = [sound[0], degenerate, sound[1]]
    model = fit_weibull_max(tails)
    assert (model.shape > 1).tolist() == [True, False, True]
    return model, tails


def test_three_parameter_fits_wait_for_a_simulation_and_degenerate_ones_get_none():
    model, tails = sound_and_degenerate()
    result = goodness_of_fit(model, tails)
    assert np.isnan(result.p_value).all()
    assert result.is_open
    assert result.n_replicates == 0
    assert result.reasons[1].startswith("no maximum likelihood exists for a shape below 1")
    assert untestable(model, tails) == list(result.reasons)


def test_the_simulation_gives_sound_fits_a_p_value_and_tells_how_far_it_is():
    model, tails = sound_and_degenerate()
    seen: list[tuple[int, int]] = []
    result = simulate_goodness(model, tails, seen.append)
    n = goodness.MAX_FORM_REPLICATES
    assert seen[-1] == (2 * n, 2 * n)
    assert seen == sorted(seen)
    assert np.isnan(result.p_value).tolist() == [False, True, False]
    assert (result.p_value[[0, 2]] > 0.02).all()
    assert result.n_replicates == n
    assert not result.is_open


def test_draws_whose_own_fit_is_degenerate_do_not_count(monkeypatch):
    model, tails = sound_and_degenerate()

    def degenerate(tails, class_names=None):
        return WeibullMaxFit(np.array([0.4]), np.array([9.0]), np.ones(1), np.array([60]))

    monkeypatch.setattr(goodness, "fit_weibull_max", degenerate)
    result = simulate_goodness(model, tails, lambda progress: None)
    assert np.isnan(result.p_value).all()
    assert result.reasons[0] == "most tails drawn from its Weibull have degenerate fits themselves"
    assert not result.is_open


def test_only_as_many_classes_are_simulated_as_the_budget_allows(monkeypatch):
    model, tails = sound_and_degenerate()
    monkeypatch.setattr(goodness, "MAX_FORM_REPLICATES", 19)
    monkeypatch.setattr(goodness, "MAX_FORM_REFITS", 20)
    result = simulate_goodness(model, tails, lambda progress: None)
    statistic = anderson_darling(model, tails)
    worse, better = (0, 2) if statistic[0] >= statistic[2] else (2, 0)
    assert np.isfinite(result.p_value[worse])
    assert result.reasons[better].startswith("not simulated: only the 1 classes")
