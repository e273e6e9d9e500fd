"""Figures hold the curve's, the table's and the model's own numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from openmax_core import OpenMax, TradeoffCurve
from openmax_core.figures import (
    N_BINS,
    REJECT,
    TEST,
    confusion_figure,
    probability_figure,
    score_figure,
    tradeoff_figure,
    weibull_figure,
)
from openmax_core.tables import confusion_table

RANGE = (0.25, 1.0)
NAMES = ("ash", "birch", "cedar")


def curve_of(n_test: int, n_reject: int, seed: int = 0) -> TradeoffCurve:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n_test)
    return TradeoffCurve(
        rng.uniform(*RANGE, n_test),
        np.where(rng.random(n_test) < 0.8, labels, rng.integers(0, 4, n_test)),
        labels,
        rng.uniform(*RANGE, n_reject),
        rng.integers(0, 4, n_reject),
        3,
    )


def openmax_of(preset: str) -> OpenMax:
    labels = np.repeat(np.arange(3), 120)
    logits = np.random.default_rng(0).normal(size=(360, 3))
    logits[np.arange(360), labels] += 9
    return OpenMax(preset).fit(logits, labels, NAMES)


@pytest.fixture
def curve() -> TradeoffCurve:
    return curve_of(80, 50)


def named(figure: Any, start: str) -> Any:
    found = [trace for trace in figure.data if trace.name and trace.name.startswith(start)]
    assert len(found) == 1
    return found[0]


def numbers(values: Any) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def as_drawn(trace: Any, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height of a 'vh' line: a point's value holds down to, and without, the point before."""
    assert trace.line.shape == "vh"
    return numbers(trace.y)[np.searchsorted(numbers(trace.x), thresholds, side="left")]


# --- trade-off -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Test accuracy", "Reject accuracy"])
def test_the_line_is_the_curve_at_between_and_beside_every_score(
    curve: TradeoffCurve, name: str
) -> None:
    figure = tradeoff_figure(curve, 0.5, RANGE)
    exact = curve.test_accuracy if name.startswith("Test") else curve.reject_accuracy
    scores = np.concatenate([curve.test_scores, curve.reject_scores])
    between = np.random.default_rng(1).uniform(*RANGE, 500)
    below, above = np.nextafter(scores, 0), np.nextafter(scores, 1)
    for thresholds in (scores, between, below, above):
        drawn = as_drawn(named(figure, name), thresholds)
        np.testing.assert_array_equal(drawn, exact(thresholds))


def test_the_markers_stand_on_the_curve_at_the_threshold(curve: TradeoffCurve) -> None:
    markers = [t for t in tradeoff_figure(curve, 0.61, RANGE).data if t.mode == "markers"]
    assert [(trace.x[0], trace.y[0]) for trace in markers] == [
        (0.61, curve.test_accuracy(0.61)),
        (0.61, curve.reject_accuracy(0.61)),
    ]
    assert [trace.marker.color for trace in markers] == [TEST, REJECT]


def test_the_floor_is_drawn_across_and_only_if_there_is_one(curve: TradeoffCurve) -> None:
    floor = named(tradeoff_figure(curve, 0.5, RANGE, 0.85), "Floor 0.85")
    assert list(floor.y) == [0.85, 0.85]
    assert floor.x[0] < RANGE[0] < RANGE[1] < floor.x[1]
    assert len(tradeoff_figure(curve, 0.5, RANGE).data) == 4


@pytest.mark.parametrize("draw", [tradeoff_figure, score_figure])
def test_the_threshold_is_marked_with_its_value(draw: Any, curve: TradeoffCurve) -> None:
    figure = draw(curve, 0.345678, RANGE)
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(0.345678, 0.345678)]
    assert [note.text for note in figure.layout.annotations] == ["threshold 0.345678"]


@pytest.mark.parametrize("draw", [tradeoff_figure, score_figure])
def test_without_a_reject_set_there_is_no_line_of_it_and_no_nan(draw: Any) -> None:
    figure = draw(curve_of(40, 0), 0.5, RANGE)
    assert not [trace for trace in figure.data if trace.name and "Reject" in trace.name]
    for trace in figure.data:
        assert np.isfinite(numbers(trace.x)).all()
        assert np.isfinite(numbers(trace.y)).all()
    assert "NaN" not in figure.to_json()


def test_a_hundred_thousand_scores_are_thinned_to_points_of_the_curve() -> None:
    curve = curve_of(100_000, 100_000)
    figure = tradeoff_figure(curve, 0.5, RANGE)
    for name, exact in (
        ("Test accuracy", curve.test_accuracy),
        ("Reject accuracy", curve.reject_accuracy),
    ):
        trace = named(figure, name)
        assert 500 < len(trace.x) <= 2002
        np.testing.assert_array_equal(numbers(trace.y), exact(numbers(trace.x)))
        # Between two drawn points little is lost.
        assert np.abs(np.diff(numbers(trace.y))).max() < 0.005
        assert (trace.x[0], trace.x[-1]) == RANGE
    assert len(figure.to_json()) < 400_000


# --- scores ----------------------------------------------------------------------------------


def test_bars_are_shares_of_their_set_with_counts(curve: TradeoffCurve) -> None:
    figure = score_figure(curve, 0.5, RANGE)
    edges = np.linspace(*RANGE, N_BINS + 1)
    for name, scores in (("Test", curve.test_scores), ("Reject", curve.reject_scores)):
        trace = named(figure, f"{name} pictures ({len(scores)})")
        counts = np.histogram(scores, edges)[0]
        assert list(trace.customdata) == counts.tolist()
        assert counts.sum() == len(scores)
        np.testing.assert_array_equal(numbers(trace.y), counts / len(scores))
        assert math.isclose(sum(trace.y), 1.0, abs_tol=1e-12)
        np.testing.assert_allclose(numbers(trace.x), (edges[:-1] + edges[1:]) / 2, rtol=1e-15)
        np.testing.assert_allclose(numbers(trace.width), np.diff(edges), rtol=1e-15)


def test_scores_on_or_a_rounding_beyond_the_ends_are_counted() -> None:
    scores = [RANGE[0], np.nextafter(RANGE[0], 0), RANGE[1], np.nextafter(RANGE[1], 2)]
    curve = TradeoffCurve(scores, [0] * 4, [0] * 4, [], [], 3)
    trace = named(score_figure(curve, 0.5, RANGE), "Test pictures (4)")
    assert (trace.customdata[0], trace.customdata[-1], sum(trace.customdata)) == (2, 2, 4)


# --- confusion -------------------------------------------------------------------------------


@pytest.mark.parametrize("n_reject", [50, 0])
def test_cells_are_shares_of_the_true_class_with_counts_written_in(n_reject: int) -> None:
    table = confusion_table(curve_of(80, n_reject), NAMES, 0.5)
    figure = confusion_figure(table)
    heat = figure.data[0]
    counts = table.to_numpy()
    assert list(heat.x) == [*NAMES, "rejected"]
    assert list(heat.y) == [*NAMES, "unknown"][: len(table)]
    np.testing.assert_array_equal(np.asarray(heat.customdata), counts)
    np.testing.assert_allclose(numbers(heat.z).sum(axis=1), 1.0, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(numbers(heat.z), counts / counts.sum(axis=1, keepdims=True))
    written = {
        (row, column): text
        for trace in figure.data[1:]
        for column, row, text in zip(trace.x, trace.y, trace.text, strict=True)
    }
    assert written == {
        (row, column): f"{table.loc[row, column]:,}" for row in heat.y for column in heat.x
    }


def test_counts_on_dark_cells_are_white() -> None:
    table = confusion_table(curve_of(80, 50), NAMES, 0.5)
    dark = [trace for trace in confusion_figure(table).data[1:] if trace.textfont.color == "white"]
    shares = table.div(table.sum(axis=1), axis=0)
    cells = {(row, column) for trace in dark for row, column in zip(trace.y, trace.x, strict=True)}
    expected = {(r, c) for r in table.index for c in table.columns if shares.loc[r, c] > 0.5}
    assert cells == expected != set()


def test_a_class_without_test_pictures_is_a_row_of_zeros() -> None:
    table = confusion_table(TradeoffCurve([0.9], [0], [0], [], [], 2), ("ash", "birch"), 0.5)
    assert np.asarray(confusion_figure(table).data[0].z).tolist() == [[1, 0, 0], [0, 0, 0]]


def test_many_classes_have_no_counts_written_in() -> None:
    table = confusion_table(curve_of(80, 50), NAMES, 0.5)
    assert len(confusion_figure(table, most=3).data) == 1
    assert len(confusion_figure(table, most=4).data) == 3


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


# --- probabilities ---------------------------------------------------------------------------


def test_bars_fall_from_the_most_probable_and_unknown_has_its_own_colour() -> None:
    figure = probability_figure(NAMES, [0.1, 0.5, 0.05, 0.35], 0.4)
    bar = figure.data[0]
    assert list(bar.y) == ["birch", "unknown", "ash", "cedar"]
    assert list(bar.x) == [0.5, 0.35, 0.1, 0.05]
    assert list(bar.text) == ["0.500", "0.350", "0.100", "0.050"]
    assert list(bar.marker.color) == [TEST, REJECT, TEST, TEST]
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


def test_every_figure_is_json_and_lets_the_page_show_through(curve: TradeoffCurve) -> None:
    table = confusion_table(curve, NAMES, 0.5)
    for figure in (
        tradeoff_figure(curve, 0.5, RANGE, 0.85),
        score_figure(curve, 0.5, RANGE),
        confusion_figure(table),
        weibull_figure(openmax_of("bendale"), 0),
        weibull_figure(openmax_of("notebook"), 0),
        probability_figure(NAMES, [0.25] * 4, 0.5),
    ):
        values = json.loads(figure.to_json())
        assert len(values["data"]) == len(figure.data) > 0
        assert values["layout"]["paper_bgcolor"] == "rgba(0, 0, 0, 0)"
        assert values["layout"]["plot_bgcolor"] == "rgba(0, 0, 0, 0)"
