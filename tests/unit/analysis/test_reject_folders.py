"""Reject accuracy by folder: which kind of unknown slips through, counted against a plain loop."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmax_core.analysis.reject_folders import (
    NO_FOLDER,
    RejectFolders,
    folder_of,
    folder_table,
    reject_folders,
)
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.tradeoff.intervals import share_interval
from tests.support.evaluations import made_up_evaluation

REASONS = ("no car", "too close", "outdoor lot")


def divided(reasons: tuple[str, ...] = REASONS, **settings: Any) -> Evaluation:
    """A made-up evaluation whose reject pictures lie in folders in turn."""
    evaluation = made_up_evaluation(**settings)
    assert evaluation.reject is not None
    pictures = evaluation.reject.pictures.assign(
        path=[f"{reasons[row % len(reasons)]}/{row}.png" for row in range(len(evaluation.reject))]
    )
    return replace(evaluation, reject=replace(evaluation.reject, pictures=pictures))


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return divided(preset="bendale", signal=2.0)


@given(threshold=st.floats(0, 1))
def test_every_folder_is_counted_as_a_loop_over_its_pictures_counts(threshold: float) -> None:
    evaluation = divided(preset="bendale", signal=2.0, n_train=20, n_test=5, n_reject=31)
    curve = evaluation.curve
    found = {item.folder: item for item in reject_folders(evaluation).at(threshold)}
    assert sorted(found) == sorted(REASONS)
    for number, name in enumerate(REASONS):
        rows = range(number, curve.n_reject, len(REASONS))
        rejected = sum(
            curve.reject_predictions[row] == curve.n_classes or curve.reject_scores[row] < threshold
            for row in rows
        )
        assert (found[name].n, found[name].rejected) == (len(rows), rejected)
        assert found[name].interval == share_interval(rejected, len(rows))


def test_the_folders_add_up_to_the_curve_s_own_counts(evaluation: Evaluation) -> None:
    for threshold in np.linspace(0, 1, 21).tolist():
        outcomes = reject_folders(evaluation).at(threshold)
        total = evaluation.curve.outcome(threshold)
        assert sum(item.rejected for item in outcomes) == total.rejected_unknown
        assert sum(item.n for item in outcomes) == total.n_reject


def test_thresholds_per_class_are_held_against_the_predicted_class(evaluation: Evaluation) -> None:
    limits = np.array([0.2, 0.6, 0.9])
    outcomes = reject_folders(evaluation).at(limits)
    expected = evaluation.curve.outcome_by_class(limits, 0.5)
    assert sum(item.rejected for item in outcomes) == expected.rejected_unknown


def test_the_worst_folder_comes_first_and_of_equal_ones_the_larger() -> None:
    folders = RejectFolders(
        names=("a", "b", "c", "d"),
        folders=np.array([0, 0, 1, 2, 2, 3, 3]),
        scores=np.array([0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.2]),
        predictions=np.zeros(7, dtype=np.int64),
        n_classes=2,
    )
    outcomes = folders.at(0.5)
    assert [(item.folder, item.rejected, item.n) for item in outcomes] == [
        ("c", 0, 2),
        ("b", 0, 1),
        ("a", 1, 2),
        ("d", 2, 2),
    ]
    assert folder_table(outcomes)["reject_accuracy"].tolist() == [0, 0, 0.5, 1]


def test_a_picture_that_unknown_won_is_rejected_at_every_threshold() -> None:
    folders = RejectFolders(
        ("a", "b"), np.array([0, 1]), np.array([0.9, 0.9]), np.array([2, 0]), n_classes=2
    )
    assert [(item.folder, item.rejected) for item in folders.at(0.0)] == [("b", 0), ("a", 1)]


@pytest.mark.parametrize("kind", ["Wilson", "Clopper–Pearson"])
def test_intervals_are_of_the_kind_that_was_asked_for(evaluation: Evaluation, kind: str) -> None:
    for item in reject_folders(evaluation).at(0.5, kind):
        assert item.interval == share_interval(item.rejected, item.n, kind)


@pytest.mark.parametrize(
    ("path", "folder"),
    [("no car/1.jpg", "no car"), ("a/b/c.jpg", "a"), ("picture.jpg", NO_FOLDER)],
)
def test_the_folder_is_the_first_below_the_reject_folder(path: str, folder: str) -> None:
    assert folder_of(path) == folder


def test_a_set_in_one_folder_or_none_is_not_divided() -> None:
    assert not reject_folders(divided(("oak",), preset="bendale")).is_divided
    assert not reject_folders(made_up_evaluation(preset="bendale", n_reject=0)).is_divided
    assert reject_folders(divided(preset="bendale")).is_divided


def test_outcomes_are_json(evaluation: Evaluation) -> None:
    (first, *_) = reject_folders(evaluation).at(0.5)
    assert json.loads(json.dumps(first.to_dict())) == {
        "folder": first.folder,
        "pictures": 20,
        "rejected": first.rejected,
        "accepted": 20 - first.rejected,
        "reject_accuracy": first.rejected / 20,
        "low": first.interval.low,
        "high": first.interval.high,
    }
