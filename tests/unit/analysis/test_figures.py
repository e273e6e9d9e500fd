"""Figures hold the model's own numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from openmax_core import OpenMax
from openmax_core.analysis.class_health import class_distances
from openmax_core.analysis.figures import (
    class_cdf_figure,
    class_density_figure,
    class_qq_figure,
    probability_figure,
    score_histogram,
    sensitivity_figure,
    weibull_figure,
)
from openmax_core.analysis.sensitivity import METRICS, REJECT_AT_FLOOR, measure_sensitivity
from openmax_core.support.figures import CHOSEN_COLOUR, KNOWN_COLOUR, UNKNOWN_COLOUR
from tests.support.evaluations import made_up_evaluation

NAMES = ("ash", "birch", "cedar")


def openmax_of(preset: str) -> OpenMax:
    labels = np.repeat(np.arange(3), 120)
    logits = np.random.default_rng(0).normal(size=(360, 3))
    logits[np.arange(360), labels] += 9
    return OpenMax(preset).fit(logits, labels, NAMES)


def named(figure: Any, start: str) -> Any:
    found = [trace for trace in figure.data if trace.name and trace.name.startswith(start)]
    assert len(found) == 1
    return found[0]


def numbers(values: Any) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


# --- scores ----------------------------------------------------------------------------------


def test_scores_over_the_share_of_knowns_rejected_tell_saturated_scores_apart() -> None:
    evaluation = made_up_evaluation(preset="robust")
    curve = evaluation.curve
    threshold = float(np.quantile(curve.test_scores, 0.25))
    figure = score_histogram(evaluation, None, threshold, "share")
    test, reject = named(figure, f"{curve.n_test:,} test"), named(figure, f"{curve.n_reject:,} rej")
    below = [(curve.test_scores < score).mean() for score in curve.reject_scores.tolist()]
    np.testing.assert_array_equal(reject.customdata, np.histogram(below, np.linspace(0, 1, 61))[0])
    assert numbers(test.y).sum() == pytest.approx(1)
    assert numbers(test.y).max() < 0.1  # knowns lie evenly
    (line,) = figure.layout.shapes
    assert line.x0 == curve.outcome(threshold).rejected_known / curve.n_test


# --- Weibull ---------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
@pytest.mark.parametrize("index", [0, 2])
def test_tail_points_are_the_training_distances_on_the_cdf(preset: str, index: int) -> None:
    openmax = openmax_of(preset)
    figure = weibull_figure(openmax, index)
    tail = openmax.tails_[index]
    points = named(figure, f"Tail ({len(tail)} pictures)")
    np.testing.assert_array_equal(numbers(points.x), tail)
    rows = np.zeros((len(tail), 3))
    rows[:, index] = tail
    np.testing.assert_array_equal(numbers(points.y), openmax.cdf(rows)[:, index])
    line = named(figure, "Weibull CDF")
    on_line = dict(zip(line.x, line.y, strict=True))
    assert [on_line[x] for x in points.x] == list(points.y)


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_cdf_rises_over_the_whole_axis(preset: str) -> None:
    openmax = openmax_of(preset)
    line = named(weibull_figure(openmax, 1), "Weibull CDF")
    x, y = numbers(line.x), numbers(line.y)
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) >= 0).all()
    assert x[0] >= 0
    assert x[-1] > openmax.tails_[1][-1]
    assert 0 <= y[0] <= y[-1] <= 1
    assert y[-1] > 0.99


@pytest.mark.parametrize(
    ("preset", "words"),
    [("bendale", "Euclidean/200 + cosine"), ("notebook", "squared Euclidean")],
)
def test_the_axis_says_which_distance(preset: str, words: str) -> None:
    figure = weibull_figure(openmax_of(preset), 0)
    assert figure.layout.xaxis.title.text == f"Distance ({words})"


PICTURES = {"near the mean": 0.0, "inside": 0.5, "beyond the tail": 3.0}  # × the largest


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
@pytest.mark.parametrize("share", PICTURES.values(), ids=PICTURES)
def test_a_picture_is_marked_on_the_cdf_of_its_class(preset: str, share: float) -> None:
    openmax = openmax_of(preset)
    distance = share * float(openmax.tails_[2][-1])
    figure = weibull_figure(openmax, 2, distance)
    marker = named(figure, "this picture")
    row = np.zeros((1, 3))
    row[0, 2] = distance
    assert (list(marker.x), list(marker.y)) == ([distance], [openmax.cdf(row)[0, 2]])
    assert marker.marker.color == CHOSEN_COLOUR
    # The line reaches from the tail to the picture, and as far as it would without.
    line, alone = (named(item, "Weibull CDF") for item in (figure, weibull_figure(openmax, 2)))
    assert line.x[0] <= min(distance, alone.x[0])
    assert line.x[-1] >= max(distance, alone.x[-1])
    assert line.x[0] >= 0


def test_without_a_picture_none_is_marked() -> None:
    names = [trace.name for trace in weibull_figure(openmax_of("bendale"), 0).data]
    assert names == ["Weibull CDF", "Tail (20 pictures)"]


# --- probabilities ---------------------------------------------------------------------------


def test_bars_fall_from_the_most_probable_and_unknown_has_its_own_colour() -> None:
    figure = probability_figure(NAMES, [0.1, 0.5, 0.05, 0.35], 0.4)
    bar = figure.data[0]
    assert list(bar.y) == ["birch", "unknown", "ash", "cedar"]
    assert list(bar.x) == [0.5, 0.35, 0.1, 0.05]
    assert list(bar.text) == ["0.500", "0.350", "0.100", "0.050"]
    assert list(bar.marker.color) == [KNOWN_COLOUR, UNKNOWN_COLOUR, KNOWN_COLOUR, KNOWN_COLOUR]
    assert figure.layout.yaxis.autorange == "reversed"  # the first bar is on top
    assert [shape.x0 for shape in figure.layout.shapes] == [0.4]


def test_equal_probabilities_keep_the_order_of_the_classes() -> None:
    bar = probability_figure(NAMES, [0.25] * 4, None).data[0]
    assert list(bar.y) == [*NAMES, "unknown"]


def test_without_a_threshold_no_line_is_drawn() -> None:
    assert probability_figure(NAMES, [0.25] * 4, None).layout.shapes == ()


def test_at_most_ten_bars() -> None:
    probabilities = np.arange(31) / np.arange(31).sum()
    bar = probability_figure(tuple(map(str, range(30))), probabilities, None).data[0]
    assert list(bar.y) == ["unknown", *map(str, range(29, 20, -1))]


# --- all -------------------------------------------------------------------------------------


def test_every_figure_is_json_and_lets_the_page_show_through() -> None:
    for figure in (
        weibull_figure(openmax_of("bendale"), 0),
        weibull_figure(openmax_of("notebook"), 0, 12.5),
        probability_figure(NAMES, [0.25] * 4, 0.5),
    ):
        values = json.loads(figure.to_json())
        assert len(values["data"]) == len(figure.data) > 0
        assert values["layout"]["paper_bgcolor"] == "rgba(0, 0, 0, 0)"
        assert values["layout"]["plot_bgcolor"] == "rgba(0, 0, 0, 0)"


# --- one class of an evaluation --------------------------------------------------------------

PRESETS = ("bendale", "notebook")


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


def location(model: Mapping[str, NDArray[np.float64]], index: int) -> float:
    """Where a class's Weibull begins: libMR shifts by 1, exceedances begin at the threshold."""
    if "threshold" in model:
        return float(model["threshold"][index])
    return float(model["smallest tail value"][index]) - 1


@pytest.mark.parametrize("preset", ["bendale", "openmax"])
def test_the_density_is_scipys(preset):
    evaluation = made_up_evaluation(preset=preset)
    line = named(class_density_figure(evaluation, 2), "Weibull")
    model = evaluation.openmax.weibull_.parameters()
    t = numbers(line.x) - location(model, 2)
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


@pytest.mark.parametrize("preset", ["bendale", "openmax"])
def test_the_qq_band_holds_95_percent_of_the_draws_of_each_rank(preset):
    evaluation = made_up_evaluation(preset=preset)
    band = named(class_qq_figure(evaluation, 0), "95 %")
    n = len(evaluation.openmax.tails_[0])
    low, high = numbers(band.y)[:n], numbers(band.y)[n:][::-1]
    model = evaluation.openmax.weibull_.parameters()
    drawn = np.random.default_rng(0).weibull(model["shape"][0], (4000, n)) * model["scale"][0]
    drawn = np.sort(drawn, axis=1) + location(model, 0)
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
    beyond = np.where(grid.is_beyond_noise, grid.difference, 0.0)
    expected = np.where(np.isnan(grid.difference), np.nan, beyond)
    np.testing.assert_allclose(z * np.abs(z), expected, atol=1e-12)
    assert heat.zmax == -heat.zmin >= np.nanmax(np.abs(z), initial=0.0)
    shown = dict(zip(zip(text.y, text.x, strict=True), text.text, strict=True))
    for (row, column), words in shown.items():
        value = grid.value[row, column]
        sign = ""
        if grid.is_beyond_noise[row, column]:
            sign = "<br>▲" if grid.difference[row, column] > 0 else "<br>▼"
        assert words == ("–" if np.isnan(value) else f"{100 * value:.1f} %{sign}")
        hover = heat.customdata[row][column]
        assert hover.startswith(result.settings_at(row, column))
        if np.isnan(value):
            assert "no threshold keeps Test accuracy ≥ 70.0 %" in hover
            assert metric == REJECT_AT_FLOOR
        elif (row, column) == result.current:
            assert hover.endswith("the current setting")
        else:
            assert f"difference {100 * grid.difference[row, column]:+.1f} points" in hover
    (frame,) = figure.layout.shapes
    centre = ((frame.y0 + frame.y1) / 2, (frame.x0 + frame.x1) / 2)
    assert centre == pytest.approx(result.current)
    assert list(figure.layout.xaxis.ticktext) == [str(size) for size in result.tail_sizes]


def test_every_figure_of_an_evaluation_is_json_and_lets_the_page_show_through(evaluation):
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
    assert evaluation.openmax.settings_.distance_in_words == expected
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


def test_names_are_shown_as_they_are_and_not_as_markup() -> None:
    names = ("<b>bold</b>", "a & b", "two\nlines")
    bar = probability_figure(names, [0.4, 0.3, 0.2, 0.1], None).data[0]
    assert list(bar.y) == ["&lt;b&gt;bold&lt;/b&gt;", "a &amp; b", "two\\nlines", "unknown"]
