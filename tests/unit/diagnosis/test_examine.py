"""Workspaces of a network that is right, each made wrong in one way: what the diagnosis says."""

from __future__ import annotations

import json
import shutil
import threading
import tomllib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
from PIL import Image

from openmax_core.demos.catalogue import DIGITS
from openmax_core.demos.demo import open_demo
from openmax_core.diagnosis import trials
from openmax_core.diagnosis.examine import examine, is_quick
from openmax_core.diagnosis.findings import Diagnosis
from openmax_core.errors import ClassifierError, FitError
from openmax_core.network.classifier import build_network
from openmax_core.pictures.images import Transform, decode
from openmax_core.support.jobs import CancelledError
from openmax_core.workspace.workspace import Workspace
from tests.support.colours import ARCHITECTURE, CLASSES, TRANSFORM, Material

OTHER_ORDER = ("green", "blue", "red")
IN_255 = replace(TRANSFORM, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
LONG = 600.0  # seconds: no test depends on how busy the machine is


@pytest.fixture(autouse=True)
def few_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be quick, and the same on every machine."""
    monkeypatch.setattr(trials, "MOST_TRIED", 16)
    monkeypatch.setattr(trials, "n_cores", lambda: 1)


def diagnosed(workspace: Workspace) -> Diagnosis:
    return examine(workspace, "cpu", LONG)


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [item.kind for item in diagnosis.findings]


def followed(workspace: Workspace, diagnosis: Diagnosis) -> Workspace:
    """The workspace with what the findings say to write."""
    settings = workspace.settings
    for finding in diagnosis.findings:
        tables = tomllib.loads(finding.write)
        if names := tables.get("classifier", {}).get("classes"):
            settings = replace(
                settings, classifier=replace(settings.classifier, classes=tuple(names))
            )
        for name, value in tables.get("transform", {}).items():
            change: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value}
            settings = replace(settings, transform=replace(settings.transform, **change))
    workspace.save_settings(settings)
    return Workspace.open(workspace.folder)


def store(workspace: Workspace, material: Material, damaged: str = "") -> None:
    """Store what an extraction would, without its export of the network."""
    for split in workspace.pictures.splits:
        files = workspace.pictures.find(split)
        paths = [workspace.pictures.folder(split) / path for path in files.paths]
        readable = [path for path in paths if not damaged or not path.match(damaged)]
        logits = iter(material.logits_of(readable))
        rows = {
            row: next(logits) if path in readable else "the file is empty"
            for row, path in enumerate(paths)
        }
        workspace.stored.store.save(split, files, rows, len(CLASSES))


def test_a_sound_workspace_has_no_finding(made):
    diagnosis = diagnosed(made())
    assert diagnosis.is_sound
    assert diagnosis.findings == ()
    assert {split: (item.n, item.n_right) for split, item in diagnosis.accuracy.items()} == {
        "train": (66, 66),
        "test": (24, 24),
    }
    assert diagnosis.confusion.tolist() == np.diag([30, 30, 30]).tolist()
    assert diagnosis.trials[0].n_right == diagnosis.trials[0].n == 16


def test_the_demo_is_sound(tmp_path):
    demo = open_demo(DIGITS, folder=tmp_path / "digits")
    diagnosis = diagnosed(demo)
    assert diagnosis.findings == ()
    assert diagnosis.accuracy["test"].share > 0.85


def test_classes_in_another_order_are_explained_with_the_line_to_write(made, material):
    workspace = made(classes=OTHER_ORDER)
    store(workspace, material)
    with pytest.raises(FitError, match="0 correctly classified"):
        workspace.evaluate()
    diagnosis = diagnosed(workspace)
    (finding,) = diagnosis.findings
    assert (finding.kind, finding.severity) == ("class order", "error")
    assert tomllib.loads(finding.write) == {"classifier": {"classes": list(CLASSES)}}
    assert finding.run == f"openmax extract {workspace.folder}"
    assert "24 of 24 pictures are right, in the present one 0" in finding.sentence
    assert finding.gain == 1.0
    assert diagnosis.confusions(1) == [("green", "blue", 30, 30)]
    workspace = followed(workspace, diagnosis)
    store(workspace, material)
    assert workspace.evaluate().accuracy_before_rejection == 1.0


def test_the_order_is_found_before_anything_is_extracted(made):
    diagnosis = diagnosed(made(classes=OTHER_ORDER))
    assert kinds(diagnosis) == ["class order"]
    assert diagnosis.trials[0].n_right_reordered == 16


def test_mean_and_std_of_0_to_255_are_explained(made):
    workspace = made(transform=IN_255)
    diagnosis = diagnosed(workspace)
    (finding,) = diagnosis.findings
    assert finding.kind == "transform"
    assert "16 of 16 pictures are right, with the stored one " in finding.sentence
    assert followed(workspace, diagnosis).settings.transform == TRANSFORM


def test_a_wrong_normalisation_is_explained_by_the_best_of_those_that_were_tried(made):
    workspace = made(transform=replace(TRANSFORM, mean=(0.0,) * 3, std=(1.0,) * 3))
    diagnosis = diagnosed(workspace)
    assert kinds(diagnosis) == ["transform"]
    assert followed(workspace, diagnosis).settings.transform == TRANSFORM
    assert diagnosed(Workspace.open(workspace.folder)).is_sound
    by_name = {item.name: item for item in diagnosis.trials}
    assert {item.n for item in diagnosis.trials} == {16}
    assert by_name["stored"].n_right < by_name["mean and std of ImageNet"].n_right == 16
    assert by_name["stored"].write == ""


def test_a_network_that_was_trained_with_the_stored_transform_needs_no_other(made):
    wrong = replace(TRANSFORM, mean=(0.0,) * 3, std=(1.0,) * 3)
    workspace = made(transform=wrong)
    path = workspace.classifier.weights_path
    tensors = safetensors.torch.load_file(path)
    for transform, said in ((wrong, False), (TRANSFORM, True)):
        noted = {"openmax": json.dumps({"transform": transform.to_dict()})}
        safetensors.torch.save_file(tensors, path, noted)
        assert ("transform" in kinds(diagnosed(Workspace.open(workspace.folder)))) is said


def test_two_causes_at_once_are_both_said(made):
    workspace = made(classes=OTHER_ORDER, transform=IN_255)
    diagnosis = diagnosed(workspace)
    assert kinds(diagnosis) == ["transform", "class order"]
    settings = followed(workspace, diagnosis).settings
    assert (settings.transform, settings.classifier.classes) == (TRANSFORM, CLASSES)


def test_a_network_of_small_pictures_is_explained_by_their_own_size(made):
    workspace = made(transform=Transform())
    for path in workspace.folder.rglob("*.png"):
        Image.fromarray(TRANSFORM.pixels(decode(path))).save(path)
    diagnosis = diagnosed(workspace)
    assert kinds(diagnosis) == ["transform"]
    assert "the pictures in their own size" in diagnosis.findings[0].sentence
    transform = followed(workspace, diagnosis).settings.transform
    assert (transform.resize, transform.crop) == ((32, 32), (32, 32))


def test_weights_of_another_problem_are_said_where_nothing_explains_them(made):
    import safetensors.torch
    import torch

    workspace = made()
    torch.manual_seed(3)
    network = build_network(ARCHITECTURE, len(CLASSES))
    safetensors.torch.save_file(network.state_dict(), workspace.classifier.weights_path)
    found = {item.kind: item for item in diagnosed(workspace).findings}
    assert "accuracy" in found
    assert found["accuracy"].run == f"openmax train {workspace.folder}"
    assert "none right" in found


def test_weights_that_do_not_load_are_named_and_folders_are_looked_at_all_the_same(made):
    workspace = made()
    workspace.classifier.weights_path.write_bytes(b"nothing")
    shutil.rmtree(workspace.folder / "train" / "blue")
    diagnosis = diagnosed(workspace)
    found = {item.kind: item for item in diagnosis.findings}
    assert set(found) == {"weights", "empty class"}
    assert "weights.safetensors" in found["weights"].sentence
    assert (diagnosis.trials, dict(diagnosis.accuracy)) == ((), {})


def test_a_workspace_without_weights_is_told_to_train(made):
    workspace = made(weights=None)
    (finding,) = diagnosed(workspace).findings
    assert "openmax train" in finding.sentence


def test_missing_folders_are_findings_and_the_others_are_looked_at(made):
    workspace = made()
    shutil.rmtree(workspace.folder / "train")
    diagnosis = diagnosed(workspace)
    (finding,) = diagnosis.findings
    assert (finding.kind, finding.severity) == ("folder", "error")
    assert dict(diagnosis.accuracy).keys() == {"test"}
    shutil.rmtree(workspace.folder / "test")
    assert kinds(diagnosed(workspace)) == ["folder", "folder"]


def test_files_that_cannot_be_read_are_counted(made, material):
    workspace = made()
    (workspace.folder / "test" / "blue" / "0.png").write_bytes(b"")
    for _ in range(2):  # of the sample, and of what is stored
        found = {item.kind: item for item in diagnosed(workspace).findings}
        assert set(found) == {"unreadable"}
        assert "test/blue/0.png: the file is empty" in found["unreadable"].sentence
        store(workspace, material, "test/blue/0.png")


def test_logits_that_are_probabilities_are_said_whatever_stored_them(made):
    workspace = made()
    for split in workspace.pictures.splits:
        files = workspace.pictures.find(split)
        rows = {row: np.full(3, 0.1, np.float32) for row in range(len(files))}
        for row, label in enumerate(files.labels.tolist()):
            rows[row][max(label, 0)] = 0.8
        workspace.stored.store.save(split, files, rows, 3)
    assert kinds(diagnosed(workspace)) == ["probabilities"]


def test_the_confusion_of_a_class_that_the_network_does_not_know_is_shown(made):
    workspace = made()
    for split in ("train", "test"):
        for path in (workspace.folder / split / "blue").iterdir():
            shutil.copy(next((workspace.folder / split / "red").iterdir()), path)
    diagnosis = diagnosed(workspace)
    assert ("blue", "red", 30, 30) in diagnosis.confusions()
    assert "none right" in kinds(diagnosis)


def test_an_examination_keeps_its_budget_and_looks_at_a_few_pictures_at_least(made):
    diagnosis = examine(made(), "cpu", 0.0)
    assert sum(item.n for item in diagnosis.accuracy.values()) == trials.BATCH
    assert [item.name for item in diagnosis.trials] == ["stored"]


def test_an_examination_reports_and_can_be_stopped(made):
    told: list[tuple[int, int]] = []
    workspace = made()
    examine(workspace, "cpu", LONG, told.append)
    assert told[-1] == (90, 90)

    def stop(_: tuple[int, int]) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        examine(workspace, "cpu", LONG, stop)
    assert not [thread for thread in threading.enumerate() if "diagnosis" in thread.name]


def test_nothing_is_changed_by_an_examination(made):
    workspace = made()
    before = {path: path.stat().st_mtime_ns for path in workspace.folder.rglob("*")}
    diagnosed(workspace)
    assert {path: path.stat().st_mtime_ns for path in workspace.folder.rglob("*")} == before


def test_a_device_that_is_not_there_is_refused(made):
    with pytest.raises(ClassifierError, match="no device 'tpu'"):
        examine(made(), "tpu")


def test_large_weights_and_addresses_are_not_quick(made, monkeypatch):
    workspace = made()
    assert is_quick(workspace)
    monkeypatch.setattr("openmax_core.diagnosis.examine.QUICK_BYTES", 10)
    assert not is_quick(workspace)
    folders = {**workspace.settings.folders, "test": "s3://bucket/test"}
    workspace.save_settings(replace(workspace.settings, folders=folders))
    assert not is_quick(Workspace.open(workspace.folder))
