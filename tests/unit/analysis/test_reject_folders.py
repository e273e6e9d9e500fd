"""Reject accuracy by kind of unknown, counted against a plain loop."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmax_core.analysis.reject_folders import (
    RejectFolders,
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


@cache
def small() -> Evaluation:
    return divided(preset="bendale", signal=2.0, n_train=20, n_test=5, n_reject=31)


@given(threshold=st.floats(0, 1))
def test_every_folder_is_counted_as_a_loop_over_its_pictures_counts(threshold: float) -> None:
    evaluation = small()
    curve = evaluation.curve
    table = reject_folders(evaluation).at(threshold)
    found = {row["folder"]: row for row in table.to_dict(orient="records")}
    assert sorted(found) == sorted(REASONS)
    for number, name in enumerate(REASONS):
        rows = range(number, curve.n_reject, len(REASONS))
        rejected = sum(
            curve.reject_predictions[row] == curve.n_classes or curve.reject_scores[row] < threshold
            for row in rows
        )
        row, bounds = found[name], share_interval(rejected, len(rows))
        assert (row["pictures"], row["rejected"]) == (len(rows), rejected)
        assert (row["low"], row["high"]) == (bounds.low, bounds.high)


def test_the_folders_add_up_to_the_curve_s_own_counts(evaluation: Evaluation) -> None:
    for threshold in np.linspace(0, 1, 21).tolist():
        table = reject_folders(evaluation).at(threshold)
        total = evaluation.curve.outcome(threshold)
        assert table["rejected"].sum() == total.rejected_unknown
        assert table["pictures"].sum() == total.n_reject


def test_thresholds_per_class_are_held_against_the_predicted_class(evaluation: Evaluation) -> None:
    limits = np.array([0.2, 0.6, 0.9])
    table = reject_folders(evaluation).at(limits)
    expected = evaluation.curve.outcome_by_class(limits, 0.5)
    assert table["rejected"].sum() == expected.rejected_unknown


def test_the_worst_folder_comes_first_and_of_equal_ones_the_larger() -> None:
    folders = RejectFolders(
        names=("a", "b", "c", "d"),
        folders=np.array([0, 0, 1, 2, 2, 3, 3]),
        scores=np.array([0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.2]),
        predictions=np.zeros(7, dtype=np.int64),
        n_classes=2,
    )
    table = folders.at(0.5)
    assert table[["folder", "rejected", "pictures"]].to_numpy().tolist() == [
        ["c", 0, 2],
        ["b", 0, 1],
        ["a", 1, 2],
        ["d", 2, 2],
    ]
    assert table["reject_accuracy"].tolist() == [0, 0, 0.5, 1]


def test_a_picture_that_unknown_won_is_rejected_at_every_threshold() -> None:
    folders = RejectFolders(
        ("a", "b"), np.array([0, 1]), np.array([0.9, 0.9]), np.array([2, 0]), n_classes=2
    )
    table = folders.at(0.0)
    assert table[["folder", "rejected"]].to_numpy().tolist() == [["b", 0], ["a", 1]]


@pytest.mark.parametrize("kind", ["Wilson", "Clopper–Pearson"])
def test_intervals_are_of_the_kind_that_was_asked_for(evaluation: Evaluation, kind: str) -> None:
    for row in reject_folders(evaluation).at(0.5, kind).to_dict(orient="records"):
        bounds = share_interval(row["rejected"], row["pictures"], kind)
        assert (row["low"], row["high"]) == (bounds.low, bounds.high)


def test_a_set_in_one_folder_or_none_is_not_divided() -> None:
    assert not reject_folders(divided(("oak",), preset="bendale")).is_divided
    assert not reject_folders(made_up_evaluation(preset="bendale", n_reject=0)).is_divided
    assert reject_folders(divided(preset="bendale")).is_divided


def test_rows_hold_what_json_tells(evaluation: Evaluation) -> None:
    (first, *_) = reject_folders(evaluation).at(0.5).to_dict(orient="records")
    bounds = share_interval(first["rejected"], 20)
    assert json.loads(json.dumps(first)) == {
        "folder": first["folder"],
        "pictures": 20,
        "rejected": first["rejected"],
        "accepted": 20 - first["rejected"],
        "reject_accuracy": first["rejected"] / 20,
        "low": bounds.low,
        "high": bounds.high,
    }


def test_shares_in_production_stand_beside_the_folders() -> None:
    found = divided(preset="bendale").in_production({"no car": 3, "too close": 1})
    table = reject_folders(found).at(0.5).set_index("folder")
    assert table["share"].to_dict() == {"no car": 0.75, "too close": 0.25, "outdoor lot": 0.0}
    assert "share" not in reject_folders(divided(preset="bendale")).at(0.5)
