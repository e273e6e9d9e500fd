"""What the browser draws of a class, back in distances and shares."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from openmax_core.analysis.class_facts import class_boundary
from openmax_core.analysis.class_health import Health, class_distances, class_health
from openmax_core.analysis.multiples import MOST_RUGS, multiple, shown_range, ticks
from openmax_core.evaluation.evaluation import Evaluation
from tests.support.evaluations import made_up_evaluation


def drawn(evaluation: Evaluation, index: int, threshold: float = 0.6) -> dict[str, Any]:
    item = multiple(
        evaluation, class_distances(evaluation), health_of(evaluation), index, threshold
    )
    json.dumps(item, allow_nan=False)
    return item


def health_of(evaluation: Evaluation) -> Health:
    return class_health(evaluation, class_distances(evaluation))


def edges(evaluation: Evaluation, index: int, threshold: float = 0.6) -> tuple[float, float]:
    distances = class_distances(evaluation)
    boundary = class_boundary(evaluation, distances, index, threshold)
    return shown_range(evaluation, index, *distances.of(index), boundary.distance)


def points(pairs: list[float]) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.reshape(pairs, (-1, 2)).T
    return x, y


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_curve_is_the_fitted_cdf(preset):
    evaluation = made_up_evaluation(preset=preset)
    item = drawn(evaluation, 1)
    low, high = edges(evaluation, 1)
    x, y = points(item["curve"])
    assert (np.diff(x) >= 0).all()
    assert (x[0], x[-1]) == (0.0, 1.0)
    # Positions are rounded: the CDF at the next or the last position bounds it.
    rows = np.zeros((len(x), 3))
    for shift, sign in ((1e-4, 1), (-1e-4, -1)):
        rows[:, 1] = np.maximum(low + (x + shift) * (high - low), 0)
        assert (sign * (evaluation.openmax.cdf(rows)[:, 1] - y) >= -1e-4).all()


def test_the_steps_rise_by_one_picture_at_each_distance_of_the_tail():
    evaluation = made_up_evaluation(tail_size=10)
    item, (low, high) = drawn(evaluation, 0), edges(evaluation, 0)
    x, y = points(item["steps"])
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)
    expected = np.repeat((evaluation.openmax.tails_[0] - low) / (high - low), 2)
    np.testing.assert_allclose(x[1:-1], expected, atol=1e-4)
    np.testing.assert_allclose(y[1:-1:2], np.arange(10) / 10)
    np.testing.assert_allclose(y[2:-1:2], np.arange(1, 11) / 10)


def test_a_long_tail_is_drawn_with_fewer_steps_that_end_at_1():
    evaluation = made_up_evaluation(n_train=400, tail_size=400)
    x, y = points(drawn(evaluation, 0)["steps"])
    assert len(x) < 250
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    assert y[-1] == 1.0


def test_few_pictures_are_marks_and_those_outside_are_counted():
    evaluation = made_up_evaluation(n_reject=90)
    item, (low, high) = drawn(evaluation, 2), edges(evaluation, 2)
    for name, values in zip(("test", "reject"), class_distances(evaluation).of(2), strict=True):
        strip = item[name]
        inside = [value for value in values if low <= value <= high]
        assert strip["n"] == len(values) <= MOST_RUGS
        assert strip["n_right"] == sum(value > high for value in values)
        assert strip["n_left"] == sum(value < low for value in values)
        expected = [(value - low) / (high - low) for value in inside]
        np.testing.assert_allclose(strip["marks"], expected, atol=1e-4)
        assert strip["bars"] is None


def test_many_pictures_are_a_histogram():
    evaluation = made_up_evaluation(n_test=300, n_reject=0)
    item, (low, high) = drawn(evaluation, 0), edges(evaluation, 0)
    strip = item["test"]
    assert strip["marks"] is None
    values = class_distances(evaluation).of(0)[0]
    counts = np.zeros(len(strip["bars"]))
    for value in values:
        if low <= value <= high:
            counts[min(int((value - low) / (high - low) * len(counts)), len(counts) - 1)] += 1
    np.testing.assert_allclose(strip["bars"], counts / counts.max(), atol=1e-3)
    assert item["reject"] is None


def test_the_panel_keeps_the_tail_and_cuts_off_what_is_far():
    evaluation = made_up_evaluation()
    tail = evaluation.openmax.tails_[0]
    width = tail[-1] - tail[0]
    far = np.array([tail[0], 1000.0])
    low, high = shown_range(evaluation, 0, far, far)
    assert max(0, tail[0] - 1.2 * width) <= low < tail[0]
    assert tail[-1] < high < tail[-1] + 1.2 * width


def test_the_line_is_the_boundary_between_rejected_and_accepted():
    evaluation = made_up_evaluation(preset="robust")
    item, (low, high) = drawn(evaluation, 1, 0.9), edges(evaluation, 1, 0.9)
    boundary = class_boundary(evaluation, class_distances(evaluation), 1, 0.9)
    assert boundary.distance is not None
    assert item["boundary"] == pytest.approx((boundary.distance - low) / (high - low))
    assert item["boundary_text"] == boundary.in_words
    always = drawn(evaluation, 1, 1.1)
    assert always["boundary"] is None
    assert always["boundary_text"].endswith("at any distance")


def test_a_panel_says_what_it_rests_on():
    evaluation = made_up_evaluation(n_train=150, preset="notebook")
    item = drawn(evaluation, 0)
    assert item["note"] == "η 100"
    assert "degenerate fit" in item["warning"]
    evaluation = made_up_evaluation(n_train=60)
    p = health_of(evaluation).goodness.p_value[2]
    assert drawn(evaluation, 2)["note"] == f"η 20 · p {p:.2g}"
    assert drawn(evaluation, 2)["key"] == 2


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.03, 0.29), (-0.2, 0.7), (0, 1234), (5.01, 5.02), (0, 3e-7)]
)
def test_ticks_are_few_round_numbers_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 4
    assert all(low <= value <= high for value in found)
    np.testing.assert_allclose(np.diff(found), found[1] - found[0])
    assert all(len(f"{value:.6g}") <= 8 for value in found)
