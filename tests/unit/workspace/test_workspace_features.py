"""Workspaces with features: what is stored, what turning them on and off finds."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from openmax_core.activations.activations import Activations
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.errors import ActivationsError, WorkspaceError
from openmax_core.workspace.features import run_in_words, size_in_words
from openmax_core.workspace.workspace import Workspace
from tests.support.colours import (
    REJECT,
    TEST,
    TRAIN,
    Material,
    add_a_picture,
    create,
    store_of,
    stored,
)

WIDTH = 1024
N = {"train": TRAIN * 3, "test": TEST * 3, "reject": REJECT}


def turn(workspace: Workspace, features: bool) -> Workspace:
    """The workspace with features or without, opened anew."""
    settings = workspace.settings
    classifier = replace(settings.classifier, features=features)
    workspace.save_settings(replace(settings, classifier=classifier))
    return Workspace.open(workspace.folder)


@pytest.fixture(scope="module")
def with_features(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("features") / "study"
    workspace = create(material.copy_to(folder), features=True)
    return workspace, workspace.extract("cpu")


def test_features_are_what_the_last_layer_takes(
    material: Material, with_features: Any, finished: Any
) -> None:
    workspace, report = with_features
    assert report.n_features == WIDTH
    assert "1,024 features of each are stored." in report.in_words
    head = material.network.get_submodule("fc")
    assert isinstance(head, torch.nn.Linear)
    for split in workspace.pictures.splits:
        found = stored(workspace, split)
        assert found.features is not None
        assert found.features.dtype == np.float16
        assert found.features.shape == (N[split], WIDTH)
        features = np.array(found.features, dtype=np.float32)
        with torch.inference_mode():
            logits = head(torch.from_numpy(features)).numpy()
        weights = np.abs(head.weight.detach().numpy())
        rounding = np.abs(features) @ weights.T / 2**11  # of float16, at most
        assert (np.abs(logits - found.logits) <= rounding + 1e-4).all()
        np.testing.assert_array_equal(found.logits, stored(finished[0], split).logits)


def test_the_size_is_told_when_a_workspace_is_made_and_before_a_run(with_features: Any) -> None:
    workspace, _ = with_features
    n = sum(N.values())
    size = f"features take 84.0 kB: {n} pictures × 1,024 features × 2 bytes"
    assert size in workspace.notes
    words = workspace.stored.features_in_words(n)
    assert words == f"{size}. The network takes as long as without them"
    assert turn_off_words(workspace) is None


def turn_off_words(workspace: Workspace) -> str | None:
    settings = replace(workspace.settings.classifier, features=False)
    other = Workspace(workspace.folder, replace(workspace.settings, classifier=settings))
    return other.stored.features_in_words(1)


def test_sizes_have_units_that_fit() -> None:
    assert size_in_words(1_000_000, 2048).startswith("features take 4.1 GB: 1,000,000 pictures × ")
    assert size_in_words(1, 100, "row") == "features take 0.2 kB: 1 row × 100 features × 2 bytes"
    assert size_in_words(None, 100, "row") == "features take 0.2 kB for each row"
    assert "how many a picture has is known once" in run_in_words(9, None, has_logits=False)
    assert "the stored logits stay in use until" in run_in_words(9, 4, has_logits=True)


def test_turned_on_the_old_logits_stay_in_use_until_all_has_run_again(
    extracted: Workspace,
) -> None:
    before = store_of(extracted)
    figures = extracted.evaluate().data
    on = turn(extracted, features=True)
    assert not on.status("test").is_current
    assert on.evaluate().data == figures
    assert stored(on, "test").features is None
    words = on.stored.features_in_words(sum(N.values()))
    assert words is not None
    assert "every picture runs again" in words
    report = on.extract("cpu")
    assert report.n_run == N
    assert "No features were stored before, so every picture was run again" in report.in_words
    assert stored(on, "test").features is not None
    assert on.status("test").is_current
    assert on.evaluate().data == figures  # so that what was chosen before is not called outdated
    assert "Nothing to do" in on.extract("cpu").in_words
    # The logits of before lie beside them as they were.
    off = turn(on, features=False)
    assert off.status("test").is_current
    assert "Nothing to do" in off.extract("cpu").in_words
    assert off.evaluate().data == figures
    assert {name: item for name, item in store_of(off).items() if name in before} == before
    assert stored(off, "test").features is None
    assert "Nothing to do" in turn(off, features=True).extract("cpu").in_words


def test_turned_off_the_logits_that_have_features_are_used(with_features: Any) -> None:
    workspace, _ = with_features
    off = Workspace(
        workspace.folder,
        replace(
            workspace.settings, classifier=replace(workspace.settings.classifier, features=False)
        ),
    )
    before = store_of(off)
    assert off.status("train").is_current
    assert "Nothing to do" in off.extract("cpu").in_words
    assert store_of(off) == before
    np.testing.assert_array_equal(stored(off, "test").logits, stored(workspace, "test").logits)


def test_only_what_is_new_runs_again_and_stale_logits_go(extracted: Workspace) -> None:
    on = turn(extracted, features=True)
    on.extract("cpu")
    add_a_picture(on.pictures.folder("test"))
    report = on.extract("cpu")
    assert report.n_run == {"train": 0, "test": 1, "reject": 0}
    found = stored(on, "test")
    assert found.features is not None
    assert len(found.features) == len(found.logits) == 3 * TEST + 1
    names = sorted(path.name.split("-")[0] for path in on.stored.folder.glob("[!.]*"))
    assert names == ["reject", "reject", "test", "train", "train"]  # with features and without
    off = turn(on, features=False)
    assert "Nothing to do" in off.extract("cpu").in_words
    add = off.pictures.folder("train")
    add_a_picture(add)
    assert off.extract("cpu").n_run == {"train": 1, "test": 0, "reject": 0}
    assert turn(off, features=True).extract("cpu").n_run["train"] == 3 * TRAIN + 1


def test_parts_and_samples_of_many_pictures_have_features_where_they_are_asked_for(
    with_features: Any,
) -> None:
    workspace, _ = with_features
    whole = np.asarray(stored(workspace, "train").features)
    opened = StoredSplit(workspace.stored.store.newest("train"))
    assert opened.n_features == WIDTH
    assert all(chunk.features is None for chunk in opened.chunks())
    chunks = list(opened.chunks(5 * (WIDTH + 3), has_features=True))
    assert [len(chunk) for chunk in chunks] == [5, 5, 5, 5, 4]
    assert np.array_equal(np.concatenate([item.features for item in chunks]), whole)
    rows = np.array([0, 7, 23])
    assert opened.at(rows).features is None
    sample = opened.at(rows, has_features=True)
    assert np.array_equal(np.asarray(sample.features), whole[rows])


def test_a_sample_is_saved_with_its_features_or_without(with_features: Any, tmp_path: Path) -> None:
    opened = StoredSplit(with_features[0].stored.store.newest("test"))
    for has_features in (False, True):
        sample = opened.at(np.array([1, 2]), has_features=has_features)
        sample.save(tmp_path / str(has_features))
        again = Activations.load(tmp_path / str(has_features))
        assert (again.features is not None) == has_features
        assert len(again.features if again.features is not None else again.logits) == 2


def test_other_users_of_the_network_get_logits_alone(with_features: Any) -> None:
    assert with_features[0].classifier.load_engine("cpu").n_features == 0


# --- what goes wrong ---------------------------------------------------------------------------


def test_features_that_another_process_cuts_short_are_refused_by_name(
    material: Material, tmp_path: Path
) -> None:
    workspace = create(material.copy_to(tmp_path / "study"), features=True)
    workspace.extract("cpu")
    found = stored(workspace, "test")
    folder = workspace.stored.store.newest("test")
    assert folder is not None
    with (folder / "features.npy").open("r+b") as stream:
        stream.truncate(200)
    with pytest.raises(ActivationsError, match=rf"{folder.name}.features\.npy was cut short"):
        _ = found.features
    with pytest.raises(ActivationsError, match=r"are damaged \(features\.npy"):
        stored(workspace, "test")
    (folder / "features.npy").unlink()
    with pytest.raises(ActivationsError, match=r"are damaged \(features\.npy"):
        StoredSplit(folder)


@pytest.mark.parametrize(
    ("entry", "words"),
    [(7, "there are 1024 features, not 7"), ("many", "key.json: n_features")],
)
def test_a_key_that_says_something_else_of_the_features_is_refused(
    with_features: Any, tmp_path: Path, entry: Any, words: str
) -> None:
    folder = with_features[0].stored.store.newest("test")
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    key = json.loads((copy / "key.json").read_text(encoding="utf-8"))
    (copy / "key.json").write_text(json.dumps(key | {"n_features": entry}), encoding="utf-8")
    for opened in (Activations.load, StoredSplit):
        with pytest.raises(ActivationsError, match=words):
            opened(copy)


def test_without_room_on_the_disk_nothing_runs(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = create(material.copy_to(tmp_path / "study"), features=True)
    asked: list[int] = []

    def full(number: int, offset: int, size: int) -> None:
        asked.append(size)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(ActivationsError, match=r"No space left.*features = false under"):
        workspace.extract("cpu")
    # Shards and the finished store: logits of 4 bytes, features of 2.
    assert asked == [2 * sum(N.values()) * (4 * 3 + 2 * WIDTH)]
    assert [path.name for path in workspace.stored.folder.iterdir()] == [".lock"]


def test_features_output_is_of_an_onnx_file_alone(material: Material, tmp_path: Path) -> None:
    folder = material.copy_to(tmp_path / "study")
    with pytest.raises(WorkspaceError, match="features_output names a tensor of an ONNX file"):
        create(folder, features=True, features_output="pooled")
