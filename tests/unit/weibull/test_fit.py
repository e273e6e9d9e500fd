"""Weibull tails: against libMR, against SciPy, and the laws that a fit obeys."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from openmax_core.errors import FitError, OpenMaxError
from openmax_core.support.arrays import Float
from openmax_core.weibull.fit import (
    ExceedanceFit,
    TailFit,
    WeibullMaxFit,
    exceedances,
    fit_exceedances,
    fit_tails,
    fit_weibull_max,
    model_from_dict,
    select_tails,
)

LIBMR_CASES = json.loads(
    (Path(__file__).parents[1] / "data" / "libmr_case.json").read_text(encoding="utf-8")
)["weibull"]
# libMR stops its own root search at 1e-6.
LIBMR_TOLERANCE = 5e-6


def case_id(case: dict[str, Any]) -> str:
    return f"{case['distribution']}-{case['tail_size']}"


def score_at_root(tail: Float, shape: float) -> float:
    """Derivative of the log-likelihood in the shape, per picture, in the textbook's form."""
    power = tail**shape
    return float((power * np.log(tail)).sum() / power.sum() - 1 / shape - np.log(tail).mean())


def random_tails(n_classes: int, seed: int = 0) -> list[Float]:
    """Distances of different lengths and sizes, 5 to 199 per class."""
    rng = np.random.default_rng(seed)
    return [
        rng.gamma(3.0, 10.0 ** rng.uniform(-2, 2), rng.integers(5, 200)) for _ in range(n_classes)
    ]


# --- parity -------------------------------------------------------------------------------------


def test_reference_holds_all_90_libmr_fits():
    assert len(LIBMR_CASES) == 90
    assert {case["tail_size"] for case in LIBMR_CASES} == {5, 10, 20, 50, 100}


@pytest.mark.parametrize("case", LIBMR_CASES, ids=case_id)
def test_cdf_agrees_with_libmr(case):
    fit = fit_tails([case["distances"]], case["tail_size"], case["translate"])
    cdf = fit.cdf(np.array(case["query"])[:, None])[:, 0]
    assert_allclose(cdf, case["cdf"], rtol=0, atol=LIBMR_TOLERANCE)
    assert fit.smallest_tail_value[0] == case["smallest_tail_value"]
    assert_allclose(fit.shape[0], case["shape"], rtol=1e-5)
    assert_allclose(fit.scale[0], case["scale"], rtol=1e-5)


def test_all_libmr_cases_of_one_tail_size_agree_in_one_batch():
    for tail_size in (5, 10, 20, 50, 100):
        cases = [case for case in LIBMR_CASES if case["tail_size"] == tail_size]
        fit = fit_tails([case["distances"] for case in cases], tail_size)
        cdf = fit.cdf(np.array([case["query"] for case in cases]).T)
        expected = np.array([case["cdf"] for case in cases]).T
        assert_allclose(cdf, expected, rtol=0, atol=LIBMR_TOLERANCE)


@pytest.mark.parametrize(
    ("distribution", "tail_size"),
    [("chi2_10", 20), ("gamma", 100), ("eucos_like", 5), ("lognormal", 50)],
)
def test_fit_agrees_with_scipy_weibull_min_of_the_translated_tail(distribution, tail_size):
    case = next(
        case
        for case in LIBMR_CASES
        if (case["distribution"], case["tail_size"]) == (distribution, tail_size)
    )
    tail = np.sort(case["distances"])[-tail_size:]
    shape, _, scale = stats.weibull_min.fit(tail + 1.0 - tail[0], floc=0)
    fit = fit_tails([case["distances"]], tail_size)
    # SciPy minimises numerically, to about 1e-4; the likelihood says who is nearer.
    assert_allclose(fit.shape[0], shape, rtol=1e-3)
    assert_allclose(fit.scale[0], scale, rtol=1e-3)
    translated = tail + 1.0 - tail[0]
    ours = stats.weibull_min.logpdf(translated, fit.shape[0], 0, fit.scale[0]).sum()
    theirs = stats.weibull_min.logpdf(translated, shape, 0, scale).sum()
    assert ours >= theirs - 1e-9


def test_tail_fit_cdf_is_scipy_weibull_min_cdf():
    fit = TailFit(
        np.array([0.7, 3.0]), np.array([2.0, 0.5]), np.array([4.0, 9.0]), np.array([5, 5])
    )
    distances = np.linspace(2.5, 12.0, 40)
    for index in range(2):
        expected = stats.weibull_min.cdf(
            distances + 1.0 - fit.smallest_tail_value[index],
            fit.shape[index],
            0,
            fit.scale[index],
        )
        assert_allclose(
            fit.cdf(np.stack([distances, distances], axis=1))[:, index], expected, rtol=1e-12
        )


def test_weibull_max_cdf_is_scipy_weibull_max_cdf():
    fit = WeibullMaxFit(
        np.array([0.2, 1.7]), np.array([59.5, 10.0]), np.array([1.6, 4.0]), np.array([100, 100])
    )
    distances = np.array([0.0, 5.0, 9.999, 10.0, 30.0, 59.49, 59.5, 60.0, 1e6])
    for index in range(2):
        expected = stats.weibull_max.cdf(
            distances, fit.shape[index], fit.loc[index], fit.scale[index]
        )
        assert_allclose(
            fit.cdf(np.stack([distances, distances], axis=1))[:, index], expected, rtol=1e-12
        )


def test_weibull_max_fit_is_scipy_fit_class_by_class():
    rng = np.random.default_rng(4)
    tails = [np.sort(rng.gamma(2.0, 3.0, size))[-30:] for size in (80, 40)]
    fit = fit_weibull_max(tails)
    assert_array_equal(fit.n_tail, [30, 30])
    for index, tail in enumerate(tails):
        shape, loc, scale = stats.weibull_max.fit(tail)
        assert (fit.shape[index], fit.loc[index], fit.scale[index]) == (shape, loc, scale)


# --- the batch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tail_size", [2, 20, 500], ids=["two", "some ragged", "all ragged"])
def test_ragged_tails_in_one_batch_equal_the_same_fits_alone(tail_size):
    tails = random_tails(40)
    together = fit_tails(tails, tail_size)
    for index, tail in enumerate(tails):
        alone = fit_tails([tail], tail_size)
        assert_allclose(together.shape[index], alone.shape[0], rtol=1e-10)
        assert_allclose(together.scale[index], alone.scale[0], rtol=1e-10)
        assert together.smallest_tail_value[index] == alone.smallest_tail_value[0]
        assert together.n_tail[index] == alone.n_tail[0] == min(tail_size, len(tail))


def test_a_class_with_fewer_distances_than_the_tail_uses_what_it_has():
    fit = fit_tails([[1.0, 2.0, 4.0], np.arange(1.0, 31.0)], tail_size=20)
    assert_array_equal(fit.n_tail, [3, 20])
    assert_array_equal(fit.smallest_tail_value, [1.0, 11.0])


def test_only_the_largest_distances_count_and_their_order_does_not():
    rng = np.random.default_rng(1)
    distances = rng.gamma(3.0, 2.0, 100)
    tail = np.sort(distances)[-15:]
    full, shuffled, tail_alone = fit_tails(
        [distances, rng.permutation(distances), tail], tail_size=15
    ).shape
    assert full == shuffled == tail_alone


def test_fit_does_not_change_its_argument():
    distances = np.array([3.0, 1.0, 2.0, 5.0])
    fit_tails([distances], tail_size=3)
    assert_array_equal(distances, [3.0, 1.0, 2.0, 5.0])


def test_select_tails_gives_ascending_float64_tails():
    tails = select_tails([np.array([3, 1, 2], dtype=np.float32), [9.0, 7.0]], tail_size=2)
    assert [tail.tolist() for tail in tails] == [[2.0, 3.0], [7.0, 9.0]]
    assert all(tail.dtype == np.float64 for tail in tails)


# --- laws ---------------------------------------------------------------------------------------


tail_values = st.lists(
    st.floats(0.01, 100.0, allow_nan=False), min_size=3, max_size=30, unique=True
).filter(lambda values: max(values) - min(values) > 1e-3)


@settings(max_examples=100)
@given(tail_values)
def test_shape_is_the_root_of_the_profile_likelihood(values):
    fit = fit_tails([values], tail_size=len(values))
    translated = np.array(values) + 1.0 - min(values)
    shape, scale = fit.shape[0], fit.scale[0]
    # Scaled to 1 so that no power overflows; the score is the same.
    relative = translated / translated.max()
    assert (
        score_at_root(relative, shape * (1 - 1e-6))
        < 0
        < score_at_root(relative, shape * (1 + 1e-6))
    )
    assert_allclose(scale, translated.max() * (relative**shape).mean() ** (1 / shape), rtol=1e-9)


@settings(max_examples=100)
@given(tail_values, st.floats(0.01, 100.0))
def test_scaling_distances_and_translate_scales_the_scale_alone(values, factor):
    fit = fit_tails([values], tail_size=len(values))
    scaled = fit_tails([np.array(values) * factor], tail_size=len(values), translate=factor)
    assert_allclose(scaled.shape, fit.shape, rtol=1e-7)
    assert_allclose(scaled.scale, fit.scale * factor, rtol=1e-7)


@settings(max_examples=100)
@given(tail_values, st.floats(0.0, 100.0))
def test_moving_all_distances_moves_the_tail_value_alone(values, offset):
    fit = fit_tails([values], tail_size=len(values))
    moved = fit_tails([np.array(values) + offset], tail_size=len(values))
    assert_allclose(moved.shape, fit.shape, rtol=1e-7)
    assert_allclose(moved.scale, fit.scale, rtol=1e-7)
    assert_allclose(moved.smallest_tail_value, fit.smallest_tail_value + offset, rtol=1e-12)


@pytest.mark.parametrize("translate", [0.5, 1.0, 10000.0], ids=["small", "libMR", "OSDN's copy"])
@pytest.mark.parametrize("probability", [0.0, 1e-6, 0.01, 0.5, 0.99, 1 - 1e-9])
def test_quantile_undoes_the_cdf(translate, probability):
    fit = fit_tails(random_tails(20), tail_size=20, translate=translate)
    assert_allclose(fit.cdf(fit.quantile(probability)), probability, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("probability", [1e-6, 0.01, 0.5, 0.99, 1.0])
def test_quantile_undoes_the_weibull_max_cdf(probability):
    fit = WeibullMaxFit(
        np.array([0.8, 1.7]), np.array([59.5, 10.0]), np.array([1.6, 4.0]), np.array([9, 9])
    )
    assert_allclose(fit.cdf(fit.quantile(probability)), probability, rtol=1e-9)


def test_cdf_grows_with_the_distance_from_0_to_1():
    fit = fit_tails(random_tails(10), tail_size=20)
    below = fit.smallest_tail_value - fit.translate
    assert_array_equal(fit.cdf(below), np.zeros(10))
    assert_array_equal(fit.cdf(below - 5.0), np.zeros(10))
    assert_array_equal(fit.cdf(np.full(10, 1e9)), np.ones(10))
    steps = fit.cdf(np.linspace(0, 1000, 500)[:, None] * np.ones(10))
    assert (np.diff(steps, axis=0) >= 0).all()


def test_cdf_by_class_equals_the_column_of_that_class():
    fit = fit_tails(random_tails(6), tail_size=20)
    distances = np.random.default_rng(2).gamma(3.0, 10.0, (50, 6))
    classes = np.random.default_rng(3).integers(0, 6, (50, 3))
    by_class = fit.cdf(np.take_along_axis(distances, classes, axis=1), classes)
    assert_array_equal(by_class, np.take_along_axis(fit.cdf(distances), classes, axis=1))


def test_cdf_of_one_distance_and_its_class_is_one_number():
    fit = TailFit(np.ones(2), np.array([1.0, 2.0]), np.ones(2), np.array([3, 3]))
    assert_allclose(fit.cdf(2.0, np.array(1)), 1 - np.exp(-1.0), rtol=1e-15)


def test_cdf_leaves_the_callers_distances_alone():
    distances = np.array([[-5.0, 3.0]])
    fit_tails([[1.0, 2.0], [1.0, 3.0]], tail_size=2).cdf(distances)
    assert_array_equal(distances, [[-5.0, 3.0]])


@pytest.mark.filterwarnings("error")
def test_a_distance_far_outside_a_steep_tail_gives_1_without_numeric_warnings():
    # OSDN's translate makes shapes of about 1e4, whose powers overflow far from the mean.
    fit = fit_tails([[1.0, 2.0, 3.0]], tail_size=3, translate=10000.0)
    assert fit.cdf([1e6]).tolist() == [1.0]


# --- errors -------------------------------------------------------------------------------------

GOOD = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("distances", "reason"),
    [
        ([], "has 0 correctly classified"),
        ([5.0], "has 1 correctly classified"),
        ([5.0, 5.0, 5.0], "all 3 distances of its tail are equal"),
        ([0.0, 0.0], "all 2 distances of its tail are equal"),
        ([5.0, 5.0 * (1 + 1e-12)], "all 2 distances of its tail are equal"),
        ([1.0, 1.0, 2.0, 2.0, 2.0, 2.0], "all 4 distances of its tail are equal"),
        ([1.0, np.nan, 2.0], "not finite"),
        ([1.0, np.nan, 2.0, 3.0, 4.0, 5.0], "not finite"),
        ([1.0, np.inf, 2.0], "not finite"),
        ([1.0, -np.inf, 2.0], "not finite"),
    ],
    ids=[
        "none",
        "one",
        "equal",
        "zeros",
        "rounding",
        "equal tail",
        "nan",
        "nan cut",
        "inf",
        "-inf",
    ],
)
@pytest.mark.parametrize("fit", [fit_tails, select_tails], ids=["fit_tails", "select_tails"])
def test_a_class_without_a_tail_is_an_error_that_names_it(fit, distances, reason):
    with pytest.raises(FitError, match=f"^class 'orchid'.*{reason}"):
        fit([GOOD, distances, GOOD], 4, class_names=["rose", "orchid", "tulip"])
    with pytest.raises(FitError, match=f"^class 1.*{reason}"):
        fit([GOOD, distances, GOOD], 4)


@pytest.mark.parametrize("tail_size", [1, 0, -3])
def test_a_tail_of_fewer_than_two_is_an_error(tail_size):
    with pytest.raises(FitError, match=f"tail_size must be at least 2, not {tail_size}"):
        fit_tails([GOOD], tail_size)


@pytest.mark.parametrize("translate", [0.0, -1.0, np.nan, np.inf])
def test_a_translate_that_is_no_positive_number_is_an_error(translate):
    with pytest.raises(FitError, match=f"translate must be .*, not {translate}"):
        fit_tails([GOOD], 3, translate=translate)


def test_a_failed_weibull_max_fit_names_the_class_and_the_way_out():
    with pytest.raises(FitError, match=r"class 'orchid'.*preset 'bendale'"):
        fit_weibull_max([GOOD, [1.0, np.nan]], class_names=["rose", "orchid"])


# --- storing ------------------------------------------------------------------------------------


def test_libmr_model_survives_json_exactly():
    fit = fit_tails(random_tails(12), tail_size=20, translate=0.1)
    back = model_from_dict(json.loads(json.dumps(fit.to_dict())))
    assert isinstance(back, TailFit)
    assert back.translate == 0.1
    for name in ("shape", "scale", "smallest_tail_value", "n_tail"):
        assert_array_equal(getattr(back, name), getattr(fit, name))
        assert getattr(back, name).dtype == getattr(fit, name).dtype


def test_weibull_max_model_survives_json_exactly():
    fit = WeibullMaxFit(
        np.array([0.1, 1 / 3]), np.array([7.7, 1e-300]), np.ones(2), np.array([9, 8])
    )
    back = model_from_dict(json.loads(json.dumps(fit.to_dict())))
    assert isinstance(back, WeibullMaxFit)
    for name in ("shape", "loc", "scale", "n_tail"):
        assert_array_equal(getattr(back, name), getattr(fit, name))
        assert getattr(back, name).dtype == getattr(fit, name).dtype


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "form is missing"),
        ({"form": "gumbel"}, "no Weibull form 'gumbel'"),
        ({"form": "libmr", "shape": [1.0]}, "scale is missing"),
        ({"form": "libmr", "colour": 3}, "colour is unknown"),
    ],
    ids=["empty", "unknown form", "entries missing", "unknown entry"],
)
def test_a_damaged_model_is_an_error_that_names_the_entry(values, told):
    with pytest.raises(OpenMaxError, match=told):
        model_from_dict(values)


def test_parameters_are_named_per_form():
    assert list(fit_tails([GOOD], 3).parameters()) == ["shape", "scale", "smallest tail value"]
    model = WeibullMaxFit(np.ones(1), np.full(1, 2.0), np.full(1, 3.0), np.array([9]))
    assert {name: value.tolist() for name, value in model.parameters().items()} == {
        "shape": [1.0],
        "location": [2.0],
        "scale": [3.0],
    }


def test_a_tail_size_beyond_every_distance_takes_all_and_no_more_memory():
    distances = [[1.0, 2.0, 4.0], [3.0, 1.0]]
    tails = select_tails(distances, 1_000_000_000)
    assert [tail.tolist() for tail in tails] == [[1.0, 2.0, 4.0], [1.0, 3.0]]
    assert_array_equal(fit_tails(distances, 1_000_000_000).shape, fit_tails(distances, 3).shape)


# --- exceedances ----------------------------------------------------------------------------------


def fit_to_exceedances(distances: list[Float], tail_size: int) -> tuple[ExceedanceFit, list[Float]]:
    found = [exceedances(values, tail_size) for values in distances]
    tails = [tail for _, tail in found]
    return fit_exceedances(tails, [start for start, _ in found]), tails


def test_a_fit_to_exceedances_is_scipys_of_what_lies_beyond_the_next_distance():
    distances = random_tails(20, seed=3)
    model, tails = fit_to_exceedances(distances, 25)
    for index, values in enumerate(distances):
        ordered = np.sort(values)
        eta = min(25, len(ordered) - 1)
        assert model.threshold[index] == ordered[-eta - 1]
        assert_array_equal(tails[index], ordered[-eta:])
        beyond = tails[index] - model.threshold[index]
        shape, _, scale = stats.weibull_min.fit(beyond, floc=0)
        assert model.shape[index] == pytest.approx(shape, rel=2e-3)
        assert model.scale[index] == pytest.approx(scale, rel=2e-3)
        assert score_at_root(beyond, model.shape[index]) == pytest.approx(0, abs=1e-9)
        expected = stats.weibull_min.cdf(beyond, model.shape[index], scale=model.scale[index])
        assert_allclose(model.cdf(tails[index], index), expected, rtol=1e-9)


def test_the_cdf_of_exceedances_is_0_up_to_the_threshold_and_does_not_depend_on_the_unit():
    distances = random_tails(6)
    model, _ = fit_to_exceedances(distances, 10)
    tiny, _ = fit_to_exceedances([values * 2.0**-20 for values in distances], 10)
    assert_array_equal(tiny.shape, model.shape)
    assert (model.cdf(model.threshold) == 0).all()
    assert (model.cdf(np.zeros(6)) == 0).all()
    at = np.linspace(0, 4, 9)[:, None] * model.threshold
    assert_array_equal(tiny.cdf(at * 2.0**-20), model.cdf(at))
    assert_allclose(model.cdf(model.quantile(0.7)), 0.7, rtol=1e-12)
    assert_array_equal(model.quantile(0.0), model.threshold)


def test_distances_that_equal_the_threshold_do_not_exceed_it():
    threshold, tail = exceedances([1.0, 2.0, 2.0, 2.0 + 1e-12, 3.0, 4.0], 4)
    assert threshold == 2.0
    assert tail.tolist() == [3.0, 4.0]
    assert exceedances([5.0, 1.0], 20)[1].tolist() == [5.0]
    assert exceedances([], 20)[1].tolist() == []


def test_a_fit_to_exceedances_survives_json():
    model, _ = fit_to_exceedances(random_tails(3), 10)
    again = model_from_dict(json.loads(json.dumps(model.to_dict())))
    assert isinstance(again, ExceedanceFit)
    assert_array_equal(again.threshold, model.threshold)
    assert_array_equal(again.cdf([9.0, 9.0, 9.0]), model.cdf([9.0, 9.0, 9.0]))


def test_a_distance_under_its_threshold_is_refused():
    with pytest.raises(FitError, match="class 'ash' has a distance under its threshold"):
        fit_exceedances([[1.0, 2.0]], [1.0], ["ash"])
