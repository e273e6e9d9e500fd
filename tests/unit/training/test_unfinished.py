"""What an interrupted training leaves: read without torch, and refused by name where damaged."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from openmax_core.errors import ClassifierError
from openmax_core.training.progress import Epoch
from openmax_core.training.settings import TrainingSettings
from openmax_core.training.unfinished import (
    ENTRY,
    Unfinished,
    checkpoint_of,
    find_unfinished,
    read_checkpoint_file,
    unfinished_weights,
    write_checkpoint,
)
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import make_workspace

RUN = Unfinished(
    TrainingSettings(epochs=7, learning_rate=0.003),
    "DEFAULT",
    "cpu",
    (Epoch("head", 1, 0.9, 0.8, 0.5), Epoch("all", 1, 0.7, 0.6, 0.75)),
)
VALUES = {"key": "k", "network": {"weight": torch.arange(6.0)}, "number": 1}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "trees", n_train=1, n_test=1, n_reject=0, stored=False)


@pytest.fixture
def path(workspace: Workspace) -> Path:
    found = checkpoint_of(unfinished_weights(workspace))
    write_checkpoint(found, VALUES, RUN)
    return found


def with_entry(path: Path, text: str) -> None:
    torch.save(VALUES, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(ENTRY, text)


def test_tensors_and_description_come_back(path: Path) -> None:
    values, run = read_checkpoint_file(path)
    assert run == RUN
    assert torch.equal(values["network"]["weight"], torch.arange(6.0))
    assert run.in_words == "after epoch 1 of all layers"


def test_there_is_none_where_nothing_was_interrupted(workspace: Workspace) -> None:
    assert find_unfinished(workspace) is None


def test_the_description_is_read_without_torch(workspace: Workspace, path: Path) -> None:
    code = (
        "import sys\n"
        "from openmax_core.training.unfinished import find_unfinished\n"
        "from openmax_core.workspace.workspace import Workspace\n"
        f"print(find_unfinished(Workspace.open({str(workspace.folder)!r})).in_words)\n"
        "assert 'torch' not in sys.modules\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "after epoch 1 of all layers"


def test_a_file_of_an_earlier_version_has_no_description(workspace: Workspace, path: Path) -> None:
    torch.save(VALUES, path)
    found = find_unfinished(workspace)
    assert found == Unfinished()
    assert found.in_words == "after its last whole epoch"
    assert read_checkpoint_file(path)[0]["key"] == "k"


@pytest.mark.parametrize(
    ("entry", "value", "problem"),
    [
        ("settings", {"epochs": "many"}, "settings.epochs must be a whole number"),
        ("settings", {"patience": 0}, "patience must be at least 1"),
        ("backbone_weights", 3, "backbone_weights must be text"),
        ("epochs", [{"phase": "all"}], r"epochs\[0\].number is missing"),
        (
            "epochs",
            [{**RUN.epochs[0].__dict__, "phase": "tail"}],
            "an epoch is of no phase",
        ),
        ("device", None, "device must be text"),
        ("more", 1, "more is unknown"),
    ],
)
def test_a_description_that_was_edited_is_refused_by_name(
    workspace: Workspace, path: Path, entry: str, value: Any, problem: str
) -> None:
    with_entry(path, json.dumps({entry: value}))
    with pytest.raises(ClassifierError, match=problem) as caught:
        find_unfinished(workspace)
    assert str(caught.value).startswith(f"{path} is of an interrupted training and cannot be read")
    assert "start anew" in str(caught.value)


def test_a_file_that_is_cut_is_refused_by_name(workspace: Workspace, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ClassifierError, match=r"unfinished\.pt is of an interrupted training"):
        find_unfinished(workspace)
