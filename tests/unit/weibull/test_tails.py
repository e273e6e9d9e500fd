"""Density, empirical CDF and quantiles against SciPy, integrals and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from openmax_core.weibull.fit import TailFit, WeibullMaxFit
from openmax_core.weibull.tails import (
    cdf_curve,
    density,
    empirical_cdf,
    location,
    log_cdf_and_survival,
    quantiles,
    thinned,
)


def libmr(shape=2.5, scale=1.4, smallest=3.0, translate=1.0) -> TailFit:
    """Two classes; the second is the one that is looked at."""
    two = np.array([9.0, 1.0])
    return TailFit(
        np.array([7.0, shape]),
        np.array([2.0, scale]),
        np.array([0.5, smallest]),
        two.astype(np.int64),
        translate,
    )


def three_parameters(shape=2.5) -> WeibullMaxFit:
    return WeibullMaxFit(
        np.array([7.0, shape]), np.array([1.0, 5.0]), np.array([2.0, 1.4]), np.array([9, 9])
    )


MODELS = {
    "libMR": libmr(),
    "libMR, shape below 1": libmr(shape=0.8),
    "libMR, OSDN's translate": libmr(shape=2e4, scale=1e4, translate=1e4),
    "three parameters": three_parameters(),
    "degenerate": three_parameters(0.3),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_density_integrates_to_the_cdf(model):
    low, high = (float(model.quantile(p)[1]) for p in (0.2, 0.8))
    area, _ = integrate.quad(lambda x: float(density(model, x, 1)), low, high, epsabs=1e-12)
    assert area == pytest.approx(0.6, abs=1e-8)


def test_the_densities_are_scipys():
    x = np.linspace(0, 8, 201)
    expected = stats.weibull_min.pdf(x - 3.0 + 1.0, 2.5, scale=1.4)
    np.testing.assert_allclose(density(libmr(), x, 1), expected, rtol=1e-12)
    expected = stats.weibull_max.pdf(x[x != 5.0], 2.5, loc=5.0, scale=1.4)
    np.testing.assert_allclose(density(three_parameters(), x[x != 5.0], 1), expected, rtol=1e-12)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_logarithms_are_those_of_cdf_and_survival(model):
    x = np.array([float(model.quantile(p)[1]) for p in (0.01, 0.3, 0.7, 0.99)])
    below, above = log_cdf_and_survival(model, x, np.ones(4, dtype=np.intp))
    cdf = model.cdf(x, np.ones(4, dtype=np.intp))
    np.testing.assert_allclose(np.exp(below), cdf, rtol=1e-9)
    np.testing.assert_allclose(np.exp(above), 1 - cdf, rtol=1e-9)


def test_logarithms_stay_exact_where_the_cdf_rounds_to_1():
    below, above = log_cdf_and_survival(libmr(), [40.0], np.array([1]))
    assert above[0] == pytest.approx(-((38 / 1.4) ** 2.5), rel=1e-14)
    assert below[0] == 0.0
    # At the location of the three-parameter form the CDF is 1.
    below, above = log_cdf_and_survival(three_parameters(), [5.0], np.array([1]))
    assert (below[0], above[0]) == (0.0, -np.inf)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_curve_of_a_class_is_its_cdf_evenly_and_through_the_tail(model):
    tail = np.array([4.1, 4.9, 5.0])
    x, y = cdf_curve(model, 1, 3.0, 6.0, 7, tail)
    assert x.tolist() == [3.0, 3.5, 4.0, 4.1, 4.5, 4.9, 5.0, 5.5, 6.0]
    np.testing.assert_array_equal(y, model.cdf(x, np.ones(9, dtype=np.intp)))


def test_the_empirical_cdf_counts_what_is_not_larger():
    tail = np.array([1.0, 2.0, 2.0, 3.5])
    expected = [sum(other <= value for other in tail) / 4 for value in tail]
    assert empirical_cdf(tail).tolist() == expected == [0.25, 0.75, 0.75, 1.0]


def test_thinned_values_keep_their_ends():
    values = np.arange(1000.0)
    few = thinned(values, 7)
    assert len(few) == 7
    assert (few[0], few[-1]) == (0.0, 999.0)
    assert (np.diff(few) > 0).all()
    assert thinned(values, 1000) is values


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_quantiles_undo_the_cdf(model):
    shares = np.array([0.1, 0.5, 0.9])
    at = quantiles(model, shares, 1)
    np.testing.assert_allclose(model.cdf(at, np.ones(3, dtype=np.intp)), shares, rtol=1e-6)


def test_the_location_is_where_the_cdf_leaves_0_or_reaches_1():
    assert location(libmr()).tolist() == [-0.5, 2.0]  # smallest tail value − translate
    assert location(three_parameters()).tolist() == [1.0, 5.0]
