"""Workspaces: made and opened again, the threshold that is chosen, and what opening one imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openmax_core.errors import (
    ClassifierError,
    OpenMaxError,
    WorkspaceError,
)
from openmax_core.methods.settings import MethodSettings
from openmax_core.pictures.images import Transform
from openmax_core.workspace.sets import SplitStatus
from openmax_core.workspace.settings import Defaults
from openmax_core.workspace.workspace import Workspace
from tests.support.colours import (
    CLASSES,
    REJECT,
    TEST,
    TRAIN,
    TRANSFORM,
    Material,
    create,
)

REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_new_workspace_opens_again_with_the_same_settings(workspace: Workspace) -> None:
    again = Workspace.open(workspace.folder)
    assert again.settings == workspace.settings
    assert again.classes == CLASSES
    assert again.pictures.splits == ("train", "test", "reject")
    assert again.settings.name == "study"
    assert again.settings.transform == TRANSFORM
    assert again.settings.classifier.weights == "weights.safetensors"
    assert again.settings.folders == {"train": "train", "test": "test", "reject": "reject"}


def test_classes_are_the_sorted_names_of_the_training_folders(
    material: Material, tmp_path: Path
) -> None:
    workspace = create(material.copy_to(tmp_path), classes=None)
    assert workspace.classes == ("blue", "green", "red")
    assert workspace.pictures.find("test").labels.tolist() == [0] * TEST + [1] * TEST + [2] * TEST


def test_given_classes_set_the_order_of_the_labels(finished: Any) -> None:
    files = finished[0].pictures.find("test")
    assert files.labels.tolist() == [0] * TEST + [1] * TEST + [2] * TEST
    assert files.paths[0] == "red/0.png"
    assert files.paths[-1] == f"blue/{TEST - 1}.png"


def test_folders_elsewhere_are_kept_as_absolute_paths(material: Material, tmp_path: Path) -> None:
    workspace = create(
        tmp_path / "study",
        weights=material.folder / "weights.safetensors",
        train=material.folder / "train",
        test=material.folder / "test",
        reject=material.folder / "reject",
    )
    for split in ("train", "test", "reject"):
        assert workspace.settings.folders[split] == str(material.folder / split)
        assert workspace.pictures.folder(split) == material.folder / split
    assert workspace.classifier.weights_path == material.folder / "weights.safetensors"
    assert len(workspace.pictures.find("train")) == TRAIN * 3


def test_relative_folders_are_those_of_the_present_folder(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    material.copy_to(tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    workspace = create(
        Path("study"),
        weights="pictures/weights.safetensors",
        train="pictures/train",
        test="pictures/test",
        reject="pictures/reject",
    )
    assert workspace.folder == tmp_path / "study"
    monkeypatch.chdir("/")
    again = Workspace.open(workspace.folder)
    assert again.pictures.folder("reject") == tmp_path / "pictures/reject"
    assert len(workspace.pictures.find("reject")) == REJECT


def test_a_workspace_that_exists_is_not_overwritten(workspace: Workspace) -> None:
    text = (workspace.folder / "workspace.toml").read_text(encoding="utf-8")
    with pytest.raises(WorkspaceError, match="exists already; edit it, or choose another folder"):
        create(workspace.folder, name="other")
    assert (workspace.folder / "workspace.toml").read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"weights": "gone.pth"}, ClassifierError, "weights file .*gone.pth does not exist"),
        ({"train": "gone"}, WorkspaceError, "study/gone does not exist"),
        ({"reject": "gone"}, WorkspaceError, "study/gone does not exist"),
        ({"calibration": "gone"}, WorkspaceError, "study/gone does not exist"),
        ({"classes": ("red", "green")}, WorkspaceError, "'blue' that the classifier does not know"),
        ({"classes": (*CLASSES, "grey")}, ClassifierError, "with 3 classes, but the workspace has"),
        (
            {"classes": (*CLASSES, "grey"), "weights": None},
            WorkspaceError,
            "lacks a folder for the class 'grey'",
        ),
        ({"classes": ("red",)}, WorkspaceError, "at least 2 known classes"),
        (
            {"classes": ("red", "red", "green", "blue"), "weights": None},
            WorkspaceError,
            "different names",
        ),
        ({"transform": Transform(crop=(0, 32))}, WorkspaceError, r"transform\.crop"),
        ({"defaults": Defaults(preset="none")}, WorkspaceError, r"defaults\.preset"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_does_not_fit_together_is_named_and_nothing_is_written(
    material: Material,
    tmp_path: Path,
    changes: dict[str, Any],
    error: type[OpenMaxError],
    message: str,
) -> None:
    folder = material.copy_to(tmp_path / "study")
    with pytest.raises(error, match=message):
        create(folder, **changes)
    assert not (folder / "workspace.toml").exists()


def test_an_unknown_architecture_is_named_and_nothing_is_written(
    material: Material, tmp_path: Path
) -> None:
    folder = material.copy_to(tmp_path)
    with pytest.raises(ClassifierError, match="no classification architecture 'resnet5'"):
        Workspace.create(folder, "resnet5", classes=CLASSES)
    assert not (folder / "workspace.toml").exists()


def test_a_workspace_without_weights_says_how_to_get_some(
    material: Material, tmp_path: Path
) -> None:
    workspace = create(material.copy_to(tmp_path), weights=None)
    assert workspace.settings.classifier.weights is None
    with pytest.raises(WorkspaceError, match="has no trained weights yet; run 'openmax train"):
        workspace.extract("cpu")
    assert workspace.status("train") == SplitStatus(TRAIN * 3, None, False, None)


def test_a_folder_without_a_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(
        WorkspaceError, match="'openmax init' and the page Workspace make a new one"
    ):
        Workspace.open(tmp_path)


def test_the_chosen_point_comes_back_with_method_and_data(extracted: Workspace) -> None:
    assert extracted.operating_point() is None
    evaluation = extracted.evaluate("bendale", tail_size=5)
    point = evaluation.recommend(0.75)
    assert point.test_accuracy >= 0.75
    assert point.test_accuracy == evaluation.curve.test_accuracy(point.threshold)
    assert point.reject_accuracy == evaluation.curve.reject_accuracy(point.threshold)
    assert (point.n_test, point.n_reject) == (TEST * 3, REJECT)
    assert point.preset == "bendale"
    assert isinstance(point.settings, MethodSettings)
    assert point.settings.tail_size == 5
    assert point.data == evaluation.data
    extracted.choose(point)
    assert Workspace.open(extracted.folder).operating_point() == point


def test_a_threshold_set_by_hand_has_the_figures_of_the_curve(extracted: Workspace) -> None:
    evaluation = extracted.evaluate("bendale")
    point = evaluation.point_at(1 / 3)
    assert point.threshold == 1 / 3
    assert point.objective is None
    assert point.test_accuracy == evaluation.curve.test_accuracy(1 / 3)
    assert point.reject_accuracy == evaluation.curve.reject_accuracy(1 / 3)
    extracted.choose(evaluation.point_at(0.9))
    extracted.choose(point)
    assert extracted.operating_point() == point


def test_a_damaged_operating_point_is_named(extracted: Workspace) -> None:
    extracted.operating_point_path.write_text('{"format": ', encoding="utf-8")
    with pytest.raises(OpenMaxError, match=r"cannot read the operating point .*choose the thresho"):
        extracted.operating_point()


def test_stored_activations_are_evaluated_without_torch_and_streamlit(finished: Any) -> None:
    program = (
        "import sys\n"
        "import openmax_core\n"
        "assert 'pandas' not in sys.modules, 'pandas'\n"
        "from openmax_core import Workspace\n"
        f"workspace = Workspace.open({str(finished[0].folder)!r})\n"
        "evaluation = workspace.evaluate('bendale')\n"
        "workspace.status('test')\n"
        "evaluation.recommend(0.5)\n"
        "heavy = {'torch', 'torchvision', 'streamlit', 'plotly'} & set(sys.modules)\n"
        "print(evaluation.curve.n_test, sorted(heavy))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert result.stderr == ""
    assert result.stdout == f"{TEST * 3} []\n"
