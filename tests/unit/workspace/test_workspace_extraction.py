"""A workspace's pictures go through the network once; and what happens when things fail."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Never

import numpy as np
import pytest
import safetensors.torch
import torch

from openmax_core.errors import (
    ActivationsError,
    ClassifierError,
    OpenMaxError,
    WorkspaceError,
)
from openmax_core.network.inference import NOT_FINITE, Progress
from openmax_core.network.spec import NamedClassifier
from openmax_core.pictures.images import Transform
from openmax_core.workspace.settings import Defaults
from openmax_core.workspace.workspace import Workspace
from tests.support.colours import (
    CLASSES,
    CLOSE,
    REJECT,
    TEST,
    TRAIN,
    TRANSFORM,
    Material,
    add_a_picture,
    by_torchvision,
    change_a_picture,
    create,
    delete_a_picture,
    picture,
    store_of,
    stored,
    touch_a_picture,
)


def must_not_be_loaded() -> Never:
    raise AssertionError("the classifier was loaded, though there is nothing to run")


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


@pytest.fixture(scope="module")
def doubled(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that give twice the logits, with the export of their network beside them."""
    workspace = create(material.copy_to(tmp_path_factory.mktemp("doubled")))
    state = safetensors.torch.load_file(workspace.classifier.weights_path)
    state["fc.weight"] *= 2
    state["fc.bias"] *= 2
    safetensors.torch.save_file(state, workspace.classifier.weights_path)
    workspace.classifier.load_engine("cpu")
    return workspace.folder


def new_weights(workspace: Workspace, doubled: Path) -> None:
    for path in doubled.glob("weights*"):
        shutil.copy2(path, workspace.folder)


@pytest.mark.parametrize("reopened", [True, False], ids=["reopened", "same object"])
def test_new_weights_run_everything_again(
    extracted: Workspace, doubled: Path, reopened: bool
) -> None:
    before = stored(extracted, "test").logits.copy()
    new_weights(extracted, doubled)
    workspace = Workspace.open(extracted.folder) if reopened else extracted
    assert workspace.stored.activations("test") is None
    assert not workspace.status("test").is_current
    with pytest.raises(WorkspaceError, match="have not been through the network yet"):
        workspace.evaluate()
    report = workspace.extract("cpu")
    assert report.n_run == {"train": TRAIN * 3, "test": TEST * 3, "reject": REJECT}
    np.testing.assert_allclose(stored(workspace, "test").logits, 2 * before, rtol=0, atol=2 * CLOSE)


def test_new_weights_and_a_new_picture_never_mix_old_and_new_logits(
    extracted: Workspace, doubled: Path
) -> None:
    before = stored(extracted, "test").logits.copy()
    new_weights(extracted, doubled)
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
        replace(TRANSFORM, exif=False),
        replace(TRANSFORM, alpha="drop"),
    ],
    ids=["interpolation", "crop", "resize", "mean", "exif", "alpha"],
)
def test_another_transform_runs_everything_again(
    extracted: Workspace, through_torch: None, transform: Transform
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
    material: Material, workspace: Workspace, through_torch: None
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


# --- what the machine does not give ----------------------------------------------------------


def test_a_picture_that_was_not_read_is_tried_again_at_the_next_run(
    workspace: Workspace, finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = workspace.pictures.folder("test") / CLASSES[1] / "0.png"
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **named: Any) -> Any:
        if path == lost:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return opened(path, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        report = workspace.extract("cpu")
        assert (report.n_not_read, report.n_unreadable["test"]) == (1, 1)
        assert "1 picture was not read" in report.in_words
        unreadable = stored(workspace, "test").unreadable.iloc[0]
        assert (unreadable["path"], unreadable["status"]) == (f"{CLASSES[1]}/0.png", "not read")
        assert os.strerror(errno.EMFILE) in unreadable["error"]
        assert not workspace.status("test").is_current
        again = workspace.extract("cpu")
        assert (again.n_run["test"], again.n_not_read) == (1, 1)
        assert again.n_run["train"] == 0
    report = workspace.extract("cpu")
    assert (report.n_run["test"], report.n_reused["test"]) == (1, 3 * TEST - 1)
    assert (report.n_not_read, report.n_unreadable["test"]) == (0, 0)
    assert workspace.status("test").is_current
    assert len(list((workspace.folder / "activations").glob("test-*"))) == 1
    mine, expected = stored(workspace, "test"), stored(finished[0], "test")
    assert mine.pictures["path"].tolist() == expected.pictures["path"].tolist()
    # another batch may differ by the last bits
    np.testing.assert_allclose(mine.logits, expected.logits, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_among_the_pictures_is_reported_and_holds_nobody_up(
    workspace: Workspace,
) -> None:
    os.mkfifo(workspace.pictures.folder("test") / CLASSES[0] / "pipe.png")
    report = workspace.extract("cpu")
    assert (report.n_unreadable["test"], report.n_not_read) == (1, 0)
    unreadable = stored(workspace, "test").unreadable.iloc[0]
    assert unreadable["error"] == "it is a named pipe, and no picture"
    assert workspace.extract("cpu").n_run["test"] == 0


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_empty_class_folder_is_refused_when_the_workspace_is_made(
    material: Material, tmp_path: Path, split: str
) -> None:
    folder = material.copy_to(tmp_path / "study")
    for name in CLASSES[:2]:
        for path in (folder / split / name).iterdir():
            path.unlink()
    with pytest.raises(WorkspaceError) as caught:
        create(folder)
    names = ", ".join(f"'{name}'" for name in sorted(CLASSES[:2]))
    assert f"{split} has no pictures in the class folders {names};" in str(caught.value)
