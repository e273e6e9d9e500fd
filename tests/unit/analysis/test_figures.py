"""Figures hold the model's own numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from openmax_core import OpenMax
from openmax_core.analysis.figures import probability_figure, weibull_figure
from openmax_core.support.figures import CHOSEN_COLOUR, KNOWN_COLOUR, UNKNOWN_COLOUR

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
