"""Curves of a training."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from openmax_core.training.curves import accuracy_figure, loss_figure
from openmax_core.training.progress import Epoch

HEAD = (Epoch("head", 1, 1.5, 1.2, 0.4, 20), Epoch("head", 2, 1.1, 0.9, 0.6, 20))
ALL = (Epoch("all", 1, 0.8, 0.7, 0.8, 20),)


def test_both_losses_are_drawn_over_the_epochs_of_both_phases() -> None:
    figure = loss_figure((*HEAD, *ALL))
    held_out, trained = figure.data
    assert tuple(held_out.y) == (1.2, 0.9, 0.7)
    assert tuple(trained.y) == (1.5, 1.1, 0.8)
    assert tuple(held_out.x) == tuple(trained.x) == (1, 2, 3)
    assert held_out.text == (
        "epoch 1 of the last layer",
        "epoch 2 of the last layer",
        "epoch 1 of all layers",
    )


def test_the_interval_of_the_accuracy_is_wilson_s() -> None:
    (line,) = accuracy_figure(HEAD).data
    assert tuple(line.y) == (0.4, 0.6)
    for place, count in enumerate((8, 12)):
        expected = binomtest(count, 20).proportion_ci(0.95, method="wilson")
        assert line.y[place] + line.error_y.array[place] == pytest.approx(expected.high)
        assert line.y[place] - line.error_y.arrayminus[place] == pytest.approx(expected.low)


def test_where_all_layers_begin_is_marked_once_they_have_begun() -> None:
    assert not loss_figure(HEAD).layout.shapes
    (border,) = loss_figure((*HEAD, *ALL)).layout.shapes
    assert border.x0 == border.x1 == 2.5
    assert not loss_figure(ALL).layout.shapes


def test_one_epoch_is_drawn() -> None:
    assert tuple(accuracy_figure(ALL).data[0].x) == (1,)


def test_epochs_of_an_earlier_version_have_no_interval() -> None:
    old = Epoch("all", 1, 0.9, 0.8, 0.5)
    (line,) = accuracy_figure((old, Epoch("all", 2, 0.8, 0.7, 0.6, 10))).data
    assert line.error_y.array[0] == line.error_y.arrayminus[0] == 0
    assert line.error_y.array[1] > 0
