"""Methods are calibrated and scored on what a workspace has stored."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmax_core import OpenMax
from openmax_core.errors import (
    WorkspaceError,
)
from openmax_core.workspace.workspace import Workspace
from tests.support.colours import (
    CLASSES,
    REJECT,
    TEST,
    TRAIN,
    Material,
    add_a_picture,
    create,
    put,
    stored,
)


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_curve_counts_what_openmax_predicts(finished: Any, preset: str) -> None:
    workspace = finished[0]
    evaluation = workspace.evaluate(preset)
    train, test, reject = (stored(workspace, split) for split in ("train", "test", "reject"))
    om = OpenMax(preset).fit(train.logits, train.labels, CLASSES)
    assert evaluation.openmax.preset == preset
    assert evaluation.openmax.class_names_ == CLASSES
    np.testing.assert_array_equal(evaluation.openmax.means_, om.means_)
    curve = evaluation.curve
    assert (curve.n_test, curve.n_reject) == (TEST * 3, REJECT)
    for threshold in [0.0, 0.3, 0.35, *curve.thresholds, 1.0]:
        right = (om.predict(test.logits, threshold) == test.labels).mean()
        rejected = (om.predict(reject.logits, threshold) == len(CLASSES)).mean()
        assert curve.test_accuracy(threshold) == right
        assert curve.reject_accuracy(threshold) == rejected


def test_the_classifier_knows_its_classes(finished: Any) -> None:
    assert finished[0].evaluate("bendale").accuracy_before_rejection == 1.0


def test_the_presets_and_settings_are_the_workspaces_unless_given(
    extracted: Workspace,
) -> None:
    assert extracted.evaluate().openmax.preset == extracted.settings.defaults.preset
    evaluation = extracted.evaluate("bendale", tail_size=3, distance="cosine")
    assert evaluation.openmax.settings_.tail_size == 3
    assert evaluation.openmax.settings_.distance == "cosine"
    assert [len(tail) for tail in evaluation.openmax.tails_] == [3, 3, 3]


def test_without_activations_evaluation_says_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="train have not been through the network yet; run"):
        workspace.evaluate()


def test_without_a_reject_set_there_is_no_reject_accuracy(
    material: Material, tmp_path: Path
) -> None:
    workspace = create(material.copy_to(tmp_path / "study"), reject=None)
    assert workspace.pictures.splits == ("train", "test")
    assert workspace.extract("cpu").n_run == {"train": TRAIN * 3, "test": TEST * 3}
    evaluation = workspace.evaluate("bendale")
    assert evaluation.reject is None
    assert evaluation.curve.n_reject == 0
    assert np.isnan(evaluation.curve.reject_accuracy(0.5))
    point = evaluation.point_at(0.5)
    assert point.reject_accuracy is None
    workspace.choose(point)
    assert workspace.operating_point() == point
    assert evaluation.recommend(0.5).reject_accuracy is None


def test_held_out_pictures_are_calibrated_on_where_there_are_some(
    material: Material, tmp_path: Path
) -> None:
    folder = material.copy_to(tmp_path / "study")
    for name in CLASSES:
        put(folder / "held-out" / name, name, 5, 300)
    workspace = create(folder, calibration="held-out")
    assert workspace.pictures.splits == ("train", "calibration", "test", "reject")
    assert workspace.pictures.calibration_split == "calibration"
    assert workspace.extract("cpu").n_run["calibration"] == 15
    evaluation = workspace.evaluate("bendale")
    assert evaluation.calibrated_on == "calibration"
    held_out = stored(workspace, "calibration")
    assert evaluation.train.pictures["path"].tolist() == held_out.pictures["path"].tolist()
    om = OpenMax("bendale").fit(held_out.logits, held_out.labels)
    np.testing.assert_array_equal(evaluation.openmax.means_, om.means_)
    assert evaluation.openmax.n_training_.tolist() == [5, 5, 5]


def test_without_held_out_pictures_training_pictures_are_calibrated_on(finished: Any) -> None:
    evaluation = finished[0].evaluate("bendale")
    assert evaluation.calibrated_on == "train"
    assert evaluation.openmax.n_training_.tolist() == [TRAIN] * 3


@pytest.mark.parametrize("left", [0, 1])
def test_a_class_with_too_few_training_pictures_borrows_a_tail(
    workspace: Workspace, left: int
) -> None:
    for path in sorted((workspace.pictures.folder("train") / "green").iterdir())[left:]:
        path.unlink()
    workspace.extract("cpu")
    openmax = workspace.evaluate("bendale").openmax
    assert dict(zip(openmax.class_names_, openmax.borrowed_.tolist(), strict=True)) == {
        name: name == "green" for name in workspace.classes
    }


def test_a_class_without_test_pictures_is_evaluated_on_the_others(workspace: Workspace) -> None:
    shutil.rmtree(workspace.pictures.folder("test") / "green")
    workspace.extract("cpu")
    evaluation = workspace.evaluate("bendale")
    assert evaluation.curve.n_test == TEST * 2
    assert evaluation.curve.confusion(0.0)[1].tolist() == [0, 0, 0, 0]


def test_the_data_fingerprint_changes_with_the_data_alone(extracted: Workspace) -> None:
    before = extracted.evaluate("bendale").data
    assert Workspace.open(extracted.folder).evaluate("bendale", tail_size=3).data == before
    add_a_picture(extracted.pictures.folder("test"))
    extracted.extract("cpu")
    assert extracted.evaluate("bendale").data != before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("split", ["train", "test", "reject"])
def test_stored_logits_that_are_not_finite_are_named_by_their_picture(
    extracted: Workspace, split: str, value: float
) -> None:
    (folder,) = (extracted.folder / "activations").glob(f"{split}-*")
    logits = np.load(folder / "logits.npy")
    logits[[2, 4], 1] = value
    np.save(folder / "logits.npy", logits)
    path = stored(extracted, split).readable["path"].iloc[2]
    with pytest.raises(WorkspaceError) as caught:
        extracted.evaluate("bendale")
    assert str(caught.value) == (
        f"the stored logits of {split}/{path} are damaged (NaN or Inf); delete {folder} and run "
        "the extraction again"
    )
    shutil.rmtree(folder)
    extracted.extract("cpu")
    assert extracted.evaluate("bendale").curve.n_test == TEST * 3
