"""Figures of one class hold the model's own numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from openmax_core.analysis.class_figures import (
    class_cdf_figure,
    class_density_figure,
    class_qq_figure,
    sensitivity_figure,
)
from openmax_core.analysis.class_health import class_distances
from openmax_core.analysis.sensitivity import METRICS, REJECT_AT_FLOOR, measure_sensitivity
from tests.support.evaluations import made_up_evaluation

PRESETS = ("bendale", "notebook")


def named(figure: Any, start: str) -> Any:
    (found,) = [trace for trace in figure.data if trace.name and trace.name.startswith(start)]
    return found


def numbers(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


@pytest.fixture(params=PRESETS)
def evaluation(request):
    return made_up_evaluation(preset=request.param, n_train=60)


def test_the_cdf_figure_has_fit_tail_and_both_sets(evaluation):
    test, reject = class_distances(evaluation).of(1)
    figure = class_cdf_figure(evaluation, 1, test, reject, 0.7)
    openmax, tail = evaluation.openmax, evaluation.openmax.tails_[1]
    line = named(figure, "Weibull")
    rows = np.zeros((len(line.x), 3))
    rows[:, 1] = numbers(line.x)
    np.testing.assert_array_equal(numbers(line.y), openmax.cdf(rows)[:, 1])
    steps = named(figure, f"Tail ({len(tail)})")
    np.testing.assert_array_equal(numbers(steps.x)[1:-1], tail)
    expected = [sum(other <= value for other in tail) / len(tail) for value in tail]
    np.testing.assert_allclose(numbers(steps.y)[1:-1], expected)
    assert steps.line.shape == "hv"
    low, high = figure.layout.xaxis.range
    for name, values in (("Test", test), ("Reject", reject)):
        inside = [value for value in values if low <= value <= high]
        assert numbers(named(figure, name).x).tolist() == inside
    assert [shape.x0 for shape in figure.layout.shapes] == [0.7]
    none = np.empty(0)
    bare = class_cdf_figure(evaluation, 1, none, none, None)
    assert [trace.name for trace in bare.data] == [f"Tail ({len(tail)})", "Weibull"]
    assert bare.layout.shapes == ()


def test_the_bars_of_the_density_have_an_area_of_1_and_hold_every_picture(evaluation):
    figure = class_density_figure(evaluation, 0)
    tail = evaluation.openmax.tails_[0]
    bars = named(figure, "Tail")
    assert (numbers(bars.y) * bars.width).sum() == pytest.approx(1.0)
    assert sum(bars.customdata) == len(tail)


def test_the_density_is_scipys():
    evaluation = made_up_evaluation()
    line = named(class_density_figure(evaluation, 2), "Weibull")
    model = evaluation.openmax.weibull_.parameters()
    t = numbers(line.x) + 1 - model["smallest tail value"][2]
    expected = stats.weibull_min.pdf(t, model["shape"][2], scale=model["scale"][2])
    np.testing.assert_allclose(numbers(line.y), expected, rtol=1e-9)


def test_the_qq_plot_sets_the_tail_beside_the_weibull_s_quantiles(evaluation):
    figure = class_qq_figure(evaluation, 1)
    tail = evaluation.openmax.tails_[1]
    points = named(figure, "Tail")
    assert numbers(points.y).tolist() == tail.tolist()
    rows = np.zeros((len(tail), 3))
    rows[:, 1] = numbers(points.x)
    shares = (np.arange(1, len(tail) + 1) - 0.5) / len(tail)
    np.testing.assert_allclose(evaluation.openmax.cdf(rows)[:, 1], shares, rtol=1e-6)
    line = named(figure, "as the Weibull")
    assert list(line.x) == list(line.y)


def test_the_qq_band_holds_95_percent_of_the_draws_of_each_rank():
    evaluation = made_up_evaluation()
    band = named(class_qq_figure(evaluation, 0), "95 %")
    n = len(evaluation.openmax.tails_[0])
    low, high = numbers(band.y)[:n], numbers(band.y)[n:][::-1]
    model = evaluation.openmax.weibull_.parameters()
    drawn = np.random.default_rng(0).weibull(model["shape"][0], (4000, n)) * model["scale"][0]
    drawn = np.sort(drawn, axis=1) - 1 + model["smallest tail value"][0]
    inside = ((drawn >= low) & (drawn <= high)).mean(axis=0)
    np.testing.assert_allclose(inside, 0.95, atol=0.015)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("preset", PRESETS)
def test_the_heat_map_shows_values_and_differences_and_frames_the_current_setting(preset, metric):
    evaluation = made_up_evaluation(preset=preset, n_train=30, signal=3.0)
    result = measure_sensitivity(evaluation, 0.7, n_resamples=20)
    figure = sensitivity_figure(result, metric)
    heat, text = figure.data
    grid = result.grids[metric]
    z = numbers(heat.z)
    np.testing.assert_allclose(z * np.abs(z), grid.difference, atol=1e-12)
    assert heat.zmax == -heat.zmin >= np.nanmax(np.abs(z), initial=0.0)
    shown = dict(zip(zip(text.y, text.x, strict=True), text.text, strict=True))
    for (row, column), words in shown.items():
        value = grid.value[row, column]
        sign = ""
        if grid.is_beyond_noise[row, column]:
            sign = "<br>▲" if grid.difference[row, column] > 0 else "<br>▼"
        assert words == ("–" if np.isnan(value) else f"{value:.3f}{sign}")
        hover = heat.customdata[row][column]
        assert hover.startswith(result.settings_at(row, column))
        if np.isnan(value):
            assert "no threshold keeps Test accuracy ≥ 0.7" in hover
            assert metric == REJECT_AT_FLOOR
        elif (row, column) == result.current:
            assert hover.endswith("the current setting")
        else:
            assert f"difference {grid.difference[row, column]:+.4f}" in hover
    (frame,) = figure.layout.shapes
    centre = ((frame.y0 + frame.y1) / 2, (frame.x0 + frame.x1) / 2)
    assert centre == pytest.approx(result.current)
    assert list(figure.layout.xaxis.ticktext) == [str(size) for size in result.tail_sizes]


def test_every_figure_is_json_and_lets_the_page_show_through(evaluation):
    none = np.empty(0)
    result = measure_sensitivity(evaluation, 0.7, n_resamples=5)
    for figure in (
        class_cdf_figure(evaluation, 0, none, none, None),
        class_density_figure(evaluation, 0),
        class_qq_figure(evaluation, 0),
        sensitivity_figure(result, REJECT_AT_FLOOR),
    ):
        values = json.loads(figure.to_json())
        assert len(values["data"]) == len(figure.data) > 0
        assert values["layout"]["paper_bgcolor"] == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("euclidean", "Euclidean"),
        ("squared_euclidean", "squared Euclidean"),
        ("cosine", "cosine"),
        ("eucos", "Euclidean/200 + cosine"),
    ],
)
def test_distances_have_names_that_people_read(distance, expected):
    evaluation = made_up_evaluation(distance=distance)
    assert evaluation.openmax.distance_in_words == expected
    title = class_density_figure(evaluation, 0).layout.xaxis.title.text
    assert title == f"Distance ({expected})"


def test_of_many_pictures_some_marks_are_drawn_and_all_are_counted():
    evaluation = made_up_evaluation(n_train=3000, tail_size=2000)
    many = np.linspace(0.0, float(evaluation.openmax.tails_[0][-1]), 100_000)
    figure = class_cdf_figure(evaluation, 0, many, many[:0], None)
    (test,) = [trace for trace in figure.data if trace.name.startswith("Test")]
    assert test.name == "Test (500 of 100,000)"
    assert len(test.x) == 500
    assert (test.x[0], test.x[-1]) == (many[0], many[-1])
    marks = class_qq_figure(evaluation, 0).data[-1]
    assert len(marks.x) == 500
    assert (marks.y[0], marks.y[-1]) == tuple(evaluation.openmax.tails_[0][[0, -1]])


def test_pictures_outside_of_the_figure_are_counted():
    evaluation = made_up_evaluation()
    far = np.array([0.3, 1e6])
    figure = class_cdf_figure(evaluation, 0, far, far[1:], None)
    assert named(figure, "Test").name == "Test (1 of 2)"
    assert named(figure, "Reject").name == "Reject (0 of 1)"
