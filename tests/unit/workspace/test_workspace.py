"""Workspaces: made, extracted once, kept up to date, evaluated; and what happens when things fail.

The classifier is a real, small network whose last layer is solved for so that it knows red, green
and blue noise apart.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Never

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import transforms

from openmax_core import OpenMax
from openmax_core.activations.activations import Activations
from openmax_core.errors import (
    ActivationsError,
    ClassifierError,
    FitError,
    OpenMaxError,
    WorkspaceError,
)
from openmax_core.extraction.extraction import ExtractionReport
from openmax_core.network.classifier import build_network
from openmax_core.network.inference import NOT_FINITE, Progress
from openmax_core.network.spec import NamedClassifier
from openmax_core.pictures.images import IMAGENET_MEAN, IMAGENET_STD, Transform
from openmax_core.workspace.sets import SplitStatus
from openmax_core.workspace.settings import Defaults
from openmax_core.workspace.workspace import Workspace

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

ARCHITECTURE = "shufflenet_v2_x0_5"
CLASSES = ("red", "green", "blue")  # not in the order of the alphabet
TRANSFORM = Transform(resize=(36, 40), crop=(32, 32), interpolation="bilinear")
TRAIN, TEST, REJECT = 8, 4, 5
RIDGE = 1.0
BATCH = 16  # on the CPU
# In batches of another size convolutions add up in another order: the last digits differ.
CLOSE = 2e-4
REPOSITORY = Path(__file__).resolve().parents[3]
Vectors = NDArray[np.float32]


def picture(kind: str, seed: int) -> Image.Image:
    """48 × 40 pixels of dark noise, bright in the channel of its class; grey for unknowns."""
    rng = np.random.default_rng([seed, *kind.encode()])
    pixels = rng.integers(0, 90, (40, 48, 3))
    if kind in CLASSES:
        pixels[..., CLASSES.index(kind)] += rng.integers(100, 160)
    else:
        pixels += rng.integers(30, 100)
    return Image.fromarray(pixels.astype(np.uint8))


def put(folder: Path, kind: str, count: int, first_seed: int) -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        picture(kind, first_seed + index).save(folder / f"{index}.png")


def by_torchvision(paths: list[Path]) -> torch.Tensor:
    chain = transforms.Compose(
        [
            transforms.Resize((36, 40), transforms.InterpolationMode.BILINEAR),
            transforms.CenterCrop((32, 32)),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    return torch.stack([chain(Image.open(path).convert("RGB")) for path in paths])


@dataclass(frozen=True)
class Material:
    """Pictures and weights that workspaces are made of; copied, never changed."""

    folder: Path
    network: torch.nn.Module

    def copy_to(self, folder: Path) -> Path:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return folder

    def logits_of(self, paths: list[Path]) -> Vectors:
        batches = [by_torchvision(paths[i : i + BATCH]) for i in range(0, len(paths), BATCH)]
        with torch.inference_mode():
            return torch.cat([self.network(batch) for batch in batches]).numpy()


def solved_head(network: torch.nn.Module, train: Path) -> None:
    """Solve the last layer for logits of ±4: ridge regression on the features of ``train``."""
    paths = [path for name in CLASSES for path in sorted((train / name).iterdir())]
    batch = by_torchvision(paths)
    network.train()
    head = network.get_submodule("fc")
    assert isinstance(head, torch.nn.Linear)
    network.fc = torch.nn.Identity()
    with torch.no_grad():
        for _ in range(20):
            network(batch)  # settles the statistics of batch normalisation
        features = network.eval()(batch).double()
        targets = torch.full((len(paths), len(CLASSES)), -4.0, dtype=torch.float64)
        targets[torch.arange(len(paths)), torch.arange(len(paths)) // TRAIN] = 4.0
        centred = features - features.mean(0)
        gram = centred @ centred.T
        ridge = gram + RIDGE * gram.trace() / len(paths) * torch.eye(len(paths))
        weight = centred.T @ torch.linalg.solve(ridge, targets - targets.mean(0))
        head.weight.copy_(weight.T)
        head.bias.copy_(targets.mean(0) - features.mean(0) @ weight)
    network.fc = head


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("material")
    for name in CLASSES:
        put(folder / "train" / name, name, TRAIN, 0)
        put(folder / "test" / name, name, TEST, 100)
    put(folder / "reject", "unknown", REJECT, 200)
    torch.manual_seed(0)
    network = build_network(ARCHITECTURE, len(CLASSES))
    solved_head(network, folder / "train")
    safetensors.torch.save_file(network.state_dict(), folder / "weights.safetensors")
    create(folder).classifier.load_engine("cpu")  # exports the network beside its weights, once
    (folder / "workspace.toml").unlink()
    return Material(folder, network)


def create(folder: Path, **changes: Any) -> Workspace:
    """Make a workspace of the pictures that lie in ``folder``."""
    given: dict[str, Any] = {
        "weights": folder / "weights.safetensors",
        "reject": "reject",
        "classes": CLASSES,
        "transform": TRANSFORM,
        **changes,
    }
    return Workspace.create(folder, ARCHITECTURE, **given)


@pytest.fixture
def workspace(material: Material, tmp_path: Path) -> Workspace:
    """A workspace of its own for a test that changes it; nothing extracted."""
    return create(material.copy_to(tmp_path / "study"))


@pytest.fixture
def extracted(workspace: Workspace) -> Workspace:
    """A workspace of its own for a test that changes it; extracted."""
    workspace.extract("cpu")
    return workspace


@pytest.fixture(scope="module")
def finished(
    material: Material, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Workspace, ExtractionReport]]:
    """An extracted workspace that tests only read, with its report."""
    workspace = create(material.copy_to(tmp_path_factory.mktemp("finished")))
    report = workspace.extract("cpu")
    before = store_of(workspace)
    yield workspace, report
    assert store_of(workspace) == before


def store_of(workspace: Workspace) -> dict[str, tuple[bytes, int]]:
    """Content and mtime of every stored file, hidden ones included, but the lock."""
    folder = workspace.folder / "activations"
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def stored(workspace: Workspace, split: str) -> Activations:
    activations = workspace.stored.activations(split)
    assert activations is not None
    return activations


def must_not_be_loaded() -> Never:
    raise AssertionError("the classifier was loaded, though there is nothing to run")


# --- making a workspace ----------------------------------------------------------------------


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
        ({"classes": (*CLASSES, "grey")}, WorkspaceError, "lacks a folder for the class 'grey'"),
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
    with pytest.raises(WorkspaceError, match="make one with 'openmax init'"):
        Workspace.open(tmp_path)


# --- extraction ------------------------------------------------------------------------------


def test_every_picture_is_run_once_and_counted(finished: Any) -> None:
    report = finished[1]
    assert report.n_run == {"train": TRAIN * 3, "test": TEST * 3, "reject": REJECT}
    assert report.n_reused == {"train": 0, "test": 0, "reject": 0}
    assert report.n_unreadable == {"train": 0, "test": 0, "reject": 0}
    assert report.seconds > 0


@pytest.mark.parametrize("split", ["train", "test", "reject"])
def test_stored_logits_are_those_of_the_network_on_torchvisions_transform(
    material: Material, finished: Any, split: str
) -> None:
    activations = stored(finished[0], split)
    paths = [material.folder / split / path for path in activations.pictures["path"]]
    expected = material.logits_of(paths)
    assert activations.logits.dtype == np.float32
    # float32 through other convolutions: channels last, and batches of another size
    np.testing.assert_allclose(activations.logits, expected, rtol=1e-4, atol=1e-4)
    assert activations.pictures["prediction"].tolist() == expected.argmax(axis=1).tolist()


def test_the_table_tells_what_became_of_every_file(finished: Any) -> None:
    activations = stored(finished[0], "test")
    table = activations.pictures
    assert table["path"].tolist() == [f"{c}/{i}.png" for c in CLASSES for i in range(TEST)]
    assert table["label"].tolist() == np.repeat([0, 1, 2], TEST).tolist()
    assert table["label"].tolist() == activations.labels.tolist()
    assert set(table["status"]) == {"ok"}
    assert set(table["error"]) == {""}
    folder = finished[0].pictures.folder("test")
    assert table["size"].tolist() == [(folder / path).stat().st_size for path in table["path"]]
    assert set(stored(finished[0], "reject").pictures["label"]) == {-1}


def test_progress_is_told_for_every_picture(workspace: Workspace) -> None:
    told: list[tuple[str, Progress]] = []
    workspace.extract("cpu", progress=lambda split, progress: told.append((split, progress)))
    for split, total in (("train", TRAIN * 3), ("test", TEST * 3), ("reject", REJECT)):
        steps = [progress for name, progress in told if name == split]
        assert [step.done for step in steps] == list(range(total + 1))
        assert {step.total for step in steps} == {total}


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_batch_size_does_not_change_the_logits(
    workspace: Workspace, finished: Any, batch_size: int
) -> None:
    workspace.extract("cpu", batch_size=batch_size)
    for split in workspace.pictures.splits:
        np.testing.assert_allclose(
            stored(workspace, split).logits, stored(finished[0], split).logits, rtol=0, atol=CLOSE
        )


def test_a_second_extraction_runs_nothing_and_touches_nothing(
    extracted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store_of(extracted)
    again = Workspace.open(extracted.folder)
    monkeypatch.setattr(NamedClassifier, "load_engine", must_not_be_loaded)
    report = again.extract("cpu")
    assert report.n_run == {"train": 0, "test": 0, "reject": 0}
    assert report.n_reused == {"train": TRAIN * 3, "test": TEST * 3, "reject": REJECT}
    assert store_of(again) == before


def add_a_picture(folder: Path) -> None:
    picture("green", 777).save(folder / "green" / "added.png")


def change_a_picture(folder: Path) -> None:
    picture("green", 778).save(folder / "green" / "1.png")
    os.utime(folder / "green" / "1.png", ns=(1, 1))


def touch_a_picture(folder: Path) -> None:
    os.utime(folder / "green" / "1.png", ns=(2, 2))


def delete_a_picture(folder: Path) -> None:
    (folder / "green" / "1.png").unlink()


@pytest.mark.parametrize(
    ("change", "n_run"),
    [(add_a_picture, 1), (change_a_picture, 1), (touch_a_picture, 1), (delete_a_picture, 0)],
)
def test_only_what_changed_is_run_again(
    material: Material, extracted: Workspace, change: Callable[[Path], None], n_run: int
) -> None:
    folder = extracted.pictures.folder("test")
    change(folder)
    report = extracted.extract("cpu")
    files = extracted.pictures.find("test")
    assert report.n_run == {"train": 0, "test": n_run, "reject": 0}
    assert report.n_reused["test"] == len(files) - n_run
    activations = stored(extracted, "test")
    assert activations.pictures["path"].tolist() == list(files.paths)
    expected = material.logits_of([folder / path for path in files.paths])
    np.testing.assert_allclose(activations.logits, expected, rtol=0, atol=CLOSE)
    assert len(list((extracted.folder / "activations").glob("test-*"))) == 1


def test_deleting_pictures_needs_no_network(
    extracted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_a_picture(extracted.pictures.folder("test"))
    monkeypatch.setattr(NamedClassifier, "load_engine", must_not_be_loaded)
    assert extracted.extract("cpu").n_run == {"train": 0, "test": 0, "reject": 0}


def test_a_picture_moved_to_another_class_has_its_new_label(extracted: Workspace) -> None:
    folder = extracted.pictures.folder("test")
    (folder / "red" / "0.png").rename(folder / "blue" / "from-red.png")
    extracted.extract("cpu")
    activations = stored(extracted, "test")
    assert np.bincount(activations.labels).tolist() == [TEST - 1, TEST, TEST + 1]
    row = activations.pictures["path"].tolist().index("blue/from-red.png")
    assert activations.labels[row] == 2
    assert activations.pictures["prediction"][row] == 0


def new_weights(workspace: Workspace, factor: float = 2.0) -> None:
    state = safetensors.torch.load_file(workspace.classifier.weights_path)
    state["fc.weight"] *= factor
    state["fc.bias"] *= factor
    safetensors.torch.save_file(state, workspace.classifier.weights_path)


@pytest.mark.parametrize("reopened", [True, False], ids=["reopened", "same object"])
def test_new_weights_run_everything_again(extracted: Workspace, reopened: bool) -> None:
    before = stored(extracted, "test").logits.copy()
    new_weights(extracted)
    workspace = Workspace.open(extracted.folder) if reopened else extracted
    assert workspace.stored.activations("test") is None
    assert not workspace.status("test").is_current
    with pytest.raises(WorkspaceError, match="have not been through the network yet"):
        workspace.evaluate()
    report = workspace.extract("cpu")
    assert report.n_run == {"train": TRAIN * 3, "test": TEST * 3, "reject": REJECT}
    np.testing.assert_allclose(stored(workspace, "test").logits, 2 * before, rtol=0, atol=2 * CLOSE)


def test_new_weights_and_a_new_picture_never_mix_old_and_new_logits(extracted: Workspace) -> None:
    before = stored(extracted, "test").logits.copy()
    new_weights(extracted)
    add_a_picture(extracted.pictures.folder("test"))
    extracted.extract("cpu")
    after = stored(extracted, "test")
    kept = (after.pictures["path"] != "green/added.png").to_numpy()
    np.testing.assert_allclose(after.logits[kept], 2 * before, rtol=0, atol=2 * CLOSE)


@pytest.mark.parametrize(
    "transform",
    [
        replace(TRANSFORM, interpolation="nearest"),
        replace(TRANSFORM, crop=(30, 32)),
        replace(TRANSFORM, resize=40),
        replace(TRANSFORM, mean=(0.5, 0.5, 0.5)),
    ],
    ids=["interpolation", "crop", "resize", "mean"],
)
def test_another_transform_runs_everything_again(
    extracted: Workspace, transform: Transform
) -> None:
    extracted.save_settings(replace(extracted.settings, transform=transform))
    assert extracted.stored.activations("train") is None
    report = extracted.extract("cpu")
    assert report.n_run == {"train": TRAIN * 3, "test": TEST * 3, "reject": REJECT}
    assert Workspace.open(extracted.folder).settings.transform == transform


def test_other_defaults_run_nothing_again(
    extracted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    extracted.save_settings(
        replace(extracted.settings, name="other", defaults=Defaults("notebook", 0.5))
    )
    monkeypatch.setattr(NamedClassifier, "load_engine", must_not_be_loaded)
    assert extracted.extract("cpu").n_run == {"train": 0, "test": 0, "reject": 0}


def test_unreadable_files_are_recorded_with_their_reason(
    material: Material, workspace: Workspace
) -> None:
    folder = workspace.pictures.folder("test")
    (folder / "red" / "0a.jpg").write_bytes(b"")
    (folder / "green" / "notes.txt").write_text("no picture")
    whole = (folder / "blue" / "0.png").read_bytes()
    (folder / "blue" / "torn.png").write_bytes(whole[: len(whole) // 2])
    report = workspace.extract("cpu")
    assert report.n_unreadable == {"train": 0, "test": 3, "reject": 0}
    assert report.n_run["test"] == TEST * 3 + 3
    activations = stored(workspace, "test")
    assert len(activations) == TEST * 3
    reasons = dict(
        zip(activations.unreadable["path"], activations.unreadable["error"], strict=True)
    )
    assert reasons["red/0a.jpg"] == "the file is empty"
    assert reasons["green/notes.txt"].startswith("the content is not a picture")
    assert reasons["blue/torn.png"].startswith("damaged picture")
    assert len(reasons) == 3
    assert set(activations.unreadable["prediction"]) == {-1}
    expected = material.logits_of([folder / path for path in activations.readable["path"]])
    np.testing.assert_allclose(activations.logits, expected, rtol=0, atol=CLOSE)
    assert workspace.evaluate("bendale").curve.n_test == TEST * 3
    assert workspace.extract("cpu").n_unreadable == {"train": 0, "test": 3, "reject": 0}


def test_rows_after_an_unreadable_file_are_reused_with_their_own_logits(
    workspace: Workspace,
) -> None:
    folder = workspace.pictures.folder("test")
    (folder / "red" / "0a.jpg").write_bytes(b"")
    workspace.extract("cpu")
    before = stored(workspace, "test")
    by_path = dict(zip(before.readable["path"], before.logits.copy(), strict=True))
    (folder / "red" / "1.png").unlink()
    assert workspace.extract("cpu").n_run["test"] == 0
    after = stored(workspace, "test")
    assert len(after) == TEST * 3 - 1
    for path, row in zip(after.readable["path"], after.logits, strict=True):
        np.testing.assert_array_equal(row, by_path[path])


def test_a_split_without_one_readable_picture_is_an_error_that_says_why(
    workspace: Workspace,
) -> None:
    folder = workspace.pictures.folder("reject")
    for path in folder.iterdir():
        path.write_bytes(b"")
    with pytest.raises(ActivationsError) as caught:
        workspace.extract("cpu")
    assert str(caught.value) == (
        f"none of the {REJECT} files in {folder} gave logits; the first, 0.png: the file is empty"
    )
    assert workspace.stored.activations("reject") is None
    assert len(stored(workspace, "train")) == TRAIN * 3


def test_outputs_that_are_not_finite_are_recorded_picture_by_picture(
    material: Material, workspace: Workspace
) -> None:
    folder = workspace.pictures.folder("test")
    paths = [folder / path for path in workspace.pictures.find("test").paths]
    state = safetensors.torch.load_file(workspace.classifier.weights_path)
    features: list[torch.Tensor] = []
    hook = material.network.get_submodule("fc").register_forward_pre_hook(
        lambda _, inputs: features.append(inputs[0].sum(dim=1))
    )
    material.logits_of(paths)
    hook.remove()
    # the sum of a picture's features, times this, overflows for half of the pictures
    state["fc.weight"][0] = float(np.finfo(np.float32).max) / features[0].median()
    state["fc.bias"][0] = 0.0
    safetensors.torch.save_file(state, workspace.classifier.weights_path)
    network = Workspace.open(workspace.folder).classifier.load().network
    with torch.inference_mode():
        finite = np.isfinite(network(by_torchvision(paths)).numpy()).all(axis=1)
    assert 0 < finite.sum() < len(paths)
    workspace.save_settings(replace(workspace.settings, folders={"train": "test", "test": "test"}))
    report = workspace.extract("cpu")
    assert report.n_unreadable["test"] == (~finite).sum()
    table = stored(workspace, "test").pictures
    assert (table["status"] == "ok").tolist() == finite.tolist()
    assert set(table["error"][~finite]) == {NOT_FINITE}
    assert np.isfinite(stored(workspace, "test").logits).all()


def test_a_missing_weights_file_is_named(extracted: Workspace) -> None:
    extracted.classifier.weights_path.unlink()
    workspace = Workspace.open(extracted.folder)
    path = workspace.classifier.weights_path
    message = f"the weights file {path} does not exist; correct weights under"
    for action in (lambda: workspace.extract("cpu"), workspace.evaluate):
        with pytest.raises(WorkspaceError) as caught:
            action()
        assert str(caught.value).startswith(message)


def test_a_device_that_is_not_there_is_named(workspace: Workspace) -> None:
    with pytest.raises(ClassifierError, match="no device 'tpu'; use one of auto, cpu, cuda, mps"):
        workspace.extract("tpu")
    assert workspace.stored.activations("train") is None


def test_a_file_name_that_is_no_unicode_is_named_and_nothing_stays_behind(
    workspace: Workspace,
) -> None:
    name = os.fsencode(workspace.pictures.folder("reject")) + b"/caf\xe9.png"
    picture("unknown", 0).save(workspace.folder / "plain.png")
    os.rename(workspace.folder / "plain.png", name)
    with pytest.raises(OpenMaxError, match="caf"):
        workspace.extract("cpu")
    folder = workspace.folder / "activations"
    assert not folder.exists() or not list(folder.glob(".*"))


def fails_with_a_full_disk(*arguments: object, **options: object) -> Never:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("what", "n_kept"), [("pandas.DataFrame.to_parquet", 1), ("os.fsync", 0), ("os.replace", 0)]
)
def test_a_full_disk_leaves_what_was_stored_and_nothing_half_written(
    extracted: Workspace, monkeypatch: pytest.MonkeyPatch, what: str, n_kept: int
) -> None:
    before = store_of(extracted)
    earlier = extracted.evaluate("bendale").curve.test_accuracy(0.5)
    add_a_picture(extracted.pictures.folder("test"))
    with monkeypatch.context() as patch:
        patch.setattr(what, fails_with_a_full_disk)
        with pytest.raises(ActivationsError) as caught:
            extracted.extract("cpu")
    message = str(caught.value)
    assert message.startswith(f"cannot store activations in {extracted.folder / 'activations'}")
    assert "No space left on device. What was stored before stays" in message
    after = store_of(extracted)
    kept = set(after) - set(before)
    assert {name: after[name] for name in before} == before
    # A picture that was through the network is kept for the next run.
    assert [name.startswith(".unfinished-test-") for name in kept] == [True] * n_kept
    assert extracted.evaluate("bendale").curve.test_accuracy(0.5) == earlier
    report = extracted.extract("cpu")
    assert report.n_run == {"train": 0, "test": 1 - n_kept, "reject": 0}
    assert report.n_resumed == n_kept


# --- status ----------------------------------------------------------------------------------


def test_status_tells_missing_current_and_stale(workspace: Workspace) -> None:
    assert workspace.status("test") == SplitStatus(TEST * 3, None, False, None)
    workspace.extract("cpu")
    assert workspace.status("test") == SplitStatus(TEST * 3, TEST * 3, True, None)
    add_a_picture(workspace.pictures.folder("test"))
    assert workspace.status("test") == SplitStatus(TEST * 3 + 1, TEST * 3, False, None)
    assert workspace.status("train").is_current
    touch_a_picture(workspace.pictures.folder("train"))
    assert workspace.status("train") == SplitStatus(TRAIN * 3, TRAIN * 3, False, None)


def test_status_tells_a_missing_folder(extracted: Workspace) -> None:
    shutil.rmtree(extracted.pictures.folder("reject"))
    status = extracted.status("reject")
    assert (status.n_files, status.n_stored, status.is_current) == (0, REJECT, False)
    assert str(status.problem).startswith(
        f"the folder {extracted.folder / 'reject'} does not exist"
    )


def test_status_tells_missing_weights_and_still_counts_the_pictures(extracted: Workspace) -> None:
    path = extracted.classifier.weights_path
    path.unlink()
    status = Workspace.open(extracted.folder).status("test")
    assert (status.n_files, status.n_stored, status.is_current) == (TEST * 3, None, False)
    assert f"the weights file {path} does not exist" in str(status.problem)


# --- evaluation ------------------------------------------------------------------------------


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
def test_a_class_with_too_few_training_pictures_is_named(workspace: Workspace, left: int) -> None:
    for path in sorted((workspace.pictures.folder("train") / "green").iterdir())[left:]:
        path.unlink()
    workspace.extract("cpu")
    with pytest.raises(FitError, match="green"):
        workspace.evaluate("bendale")


def test_a_class_without_test_pictures_is_evaluated_on_the_others(workspace: Workspace) -> None:
    shutil.rmtree(workspace.pictures.folder("test") / "green")
    workspace.extract("cpu")
    evaluation = workspace.evaluate("bendale")
    assert evaluation.curve.n_test == TEST * 2
    assert evaluation.curve.confusion(0.0)[1].tolist() == [0, 0, 0, 0]


def test_a_test_folder_of_another_class_is_named(workspace: Workspace) -> None:
    folder = workspace.pictures.folder("test")
    (folder / "green").rename(folder / "grean")
    with pytest.raises(WorkspaceError, match="has the folder 'grean' that the classifier does not"):
        workspace.extract("cpu")
    assert not (workspace.folder / "activations").exists()


def test_a_training_folder_that_is_missing_is_named_before_anything_is_run(
    workspace: Workspace,
) -> None:
    shutil.rmtree(workspace.pictures.folder("train") / "green")
    with pytest.raises(WorkspaceError, match="lacks a folder for the class 'green'"):
        workspace.extract("cpu")
    assert not (workspace.folder / "activations").exists()


def test_the_data_fingerprint_changes_with_the_data_alone(extracted: Workspace) -> None:
    before = extracted.evaluate("bendale").data
    assert Workspace.open(extracted.folder).evaluate("bendale", tail_size=3).data == before
    add_a_picture(extracted.pictures.folder("test"))
    extracted.extract("cpu")
    assert extracted.evaluate("bendale").data != before


# --- damaged stores --------------------------------------------------------------------------


def empty(path: Path) -> None:
    path.write_bytes(b"")


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path: Path) -> None:
    path.write_bytes(b"\xff" * 500)


@pytest.mark.parametrize("damage", [empty, tear, overwrite, Path.unlink])
def test_a_store_without_its_key_is_made_again(
    extracted: Workspace, damage: Callable[[Path], None]
) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    damage(folder / "key.json")
    assert extracted.extract("cpu").n_run == {"train": 0, "test": TEST * 3, "reject": 0}
    assert extracted.evaluate("bendale").curve.n_test == TEST * 3


@pytest.mark.parametrize("name", ["logits.npy", "pictures.parquet"])
@pytest.mark.parametrize("damage", [empty, tear, overwrite, Path.unlink])
def test_damaged_activations_are_named_with_the_way_out(
    extracted: Workspace, name: str, damage: Callable[[Path], None]
) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    damage(folder / name)
    with pytest.raises(ActivationsError, match=r"are damaged .*; delete that folder and run") as e:
        extracted.extract("cpu")
    assert str(folder) in str(e.value)
    with pytest.raises(ActivationsError, match="are damaged"):
        extracted.evaluate("bendale")
    shutil.rmtree(folder)
    assert extracted.extract("cpu").n_run == {"train": 0, "test": TEST * 3, "reject": 0}
    assert extracted.evaluate("bendale").curve.n_test == TEST * 3


def test_logits_that_do_not_belong_to_the_table_are_refused(extracted: Workspace) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    np.save(folder / "logits.npy", np.zeros((TEST * 3 - 1, 3), dtype=np.float32))
    with pytest.raises(ActivationsError, match=r"do not fit together\); delete that folder"):
        extracted.evaluate("bendale")


def test_a_table_without_its_columns_is_refused(extracted: Workspace) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    stored(extracted, "test").pictures.drop(columns="status").to_parquet(
        folder / "pictures.parquet"
    )
    with pytest.raises(ActivationsError, match="damaged"):
        extracted.evaluate("bendale")


def test_pickled_objects_in_place_of_logits_are_never_opened(extracted: Workspace) -> None:
    (folder,) = (extracted.folder / "activations").glob("test-*")
    np.save(folder / "logits.npy", np.array([{"any": "object"}], dtype=object), allow_pickle=True)
    with pytest.raises(ActivationsError, match="are damaged"):
        extracted.evaluate("bendale")


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


# --- operating points ------------------------------------------------------------------------


def test_the_chosen_point_comes_back_with_method_and_data(extracted: Workspace) -> None:
    assert extracted.operating_point() is None
    evaluation = extracted.evaluate("bendale", tail_size=5)
    point = evaluation.recommend(0.75)
    assert point.test_accuracy >= 0.75
    assert point.test_accuracy == evaluation.curve.test_accuracy(point.threshold)
    assert point.reject_accuracy == evaluation.curve.reject_accuracy(point.threshold)
    assert (point.n_test, point.n_reject) == (TEST * 3, REJECT)
    assert point.preset == "bendale"
    assert point.settings is not None
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


# --- what is imported ------------------------------------------------------------------------


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
