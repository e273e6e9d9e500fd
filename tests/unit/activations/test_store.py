"""Stored activations: two who write at once, which one is the newest, files that are cut short."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, tzinfo
from pathlib import Path

import numpy as np
import pytest

from openmax_core.activations.activations import Activations
from openmax_core.activations.shards import Rows
from openmax_core.errors import ActivationsError
from openmax_core.pictures.folders import PictureFiles
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import made_up_logits, make_workspace, store_made_up


def test_runs_that_store_the_same_pictures_at_once_all_end_well_and_leave_one_store(
    tmp_path: Path,
) -> None:
    workspace = make_workspace(tmp_path, n_train=4, n_test=2, n_reject=2, stored=False)
    files = workspace.pictures.find("train")
    logits = made_up_logits(files.labels, 3, seed=0)
    rows: Rows = dict(enumerate(logits))
    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(workspace.stored.store.save, "train", files, rows, 3) for _ in range(8)]
        kept = {run.result() for run in runs}
    (folder,) = (tmp_path / "activations").iterdir()
    assert kept == {folder}
    np.testing.assert_array_equal(Activations.load(folder).logits, logits)


def _cut(folder: Path) -> None:
    with (folder / "logits.npy").open("r+b") as stream:
        stream.truncate(128)


def test_small_logits_are_read_whole_so_that_nobody_can_cut_them_short(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, n_train=4, n_test=2, n_reject=2)
    folder = workspace.stored.store.newest("train")
    assert folder is not None
    activations = Activations.load(folder)
    before = np.array(activations.logits)
    _cut(folder)
    np.testing.assert_array_equal(activations.logits, before)


def test_large_logits_that_are_cut_short_while_in_use_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmax_core.activations.activations.MOST_IN_MEMORY", 0)
    workspace = make_workspace(tmp_path, n_train=4, n_test=2, n_reject=2)
    evaluation = workspace.evaluate()
    folder = workspace.stored.store.newest("test")
    assert folder is not None
    logits = evaluation.test.logits
    _cut(folder)
    with pytest.raises(ActivationsError, match=f"{folder.name}.* was cut short"):
        _ = evaluation.test.logits
    with pytest.raises(ActivationsError, match=f"{folder.name}.* was cut short"):
        evaluation.openmax.decide(logits)  # of who took them before


def test_large_logits_whose_folder_is_removed_while_in_use_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmax_core.activations.activations.MOST_IN_MEMORY", 0)
    workspace = make_workspace(tmp_path, n_train=4, n_test=2, n_reject=2)
    evaluation = workspace.evaluate()
    before = np.array(evaluation.test.logits)
    shutil.rmtree(tmp_path / "activations")
    np.testing.assert_array_equal(evaluation.test.logits, before)


def _touch(workspace: Workspace, moment: int) -> PictureFiles:
    os.utime(next((workspace.folder / "train" / "ash").iterdir()), ns=(moment, moment))
    return workspace.pictures.find("train")


def test_the_newest_store_is_the_one_that_was_written_last_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace(tmp_path, n_train=4, n_test=2, n_reject=2)
    store = workspace.stored.store
    with monkeypatch.context() as patch:
        patch.setattr("openmax_core.activations.store.datetime", _SetBack)
        files = _touch(workspace, 7)
        store_made_up(workspace, "train", files, seed=5)  # and killed before it removes the other
    listings = {split: workspace.pictures.find(split) for split in workspace.pictures.splits}
    assert store.newest("train") == store.folder_of("train", files)
    assert workspace.status("train").is_current
    assert not store.holds_all(listings)  # there is one to remove
    store.remove_others("train", store.folder_of("train", files))
    assert store.holds_all(listings)


class _SetBack(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> _SetBack:
        return cls(2001, 1, 1, tzinfo=tz)


def test_a_store_without_a_number_is_older_than_one_with_a_number(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, n_train=4, n_test=2, n_reject=2)
    store = workspace.stored.store
    for folder in (tmp_path / "activations").glob("train-*"):
        key = json.loads((folder / "key.json").read_text(encoding="utf-8"))
        del key["number"]
        key["created"] = "2099-01-01T00:00:00.000000+00:00"
        (folder / "key.json").write_text(json.dumps(key), encoding="utf-8")
    files = _touch(workspace, 7)
    store_made_up(workspace, "train", files, seed=5)
    assert store.newest("train") == store.folder_of("train", files)
