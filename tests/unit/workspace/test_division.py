"""Pictures of one folder are divided into train and test by links."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.workspace import division
from openmax_core.workspace.access import AllowedRoots
from openmax_core.workspace.contents import look_at_folders
from openmax_core.workspace.division import create_divided, deal
from tests.unit.workspace.test_contents import put


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    put(tmp_path / "all" / "ash", 13)
    put(tmp_path / "all" / "birch", 6)
    put(tmp_path / "all" / "birch" / "deep", 5)
    return tmp_path / "all"


def test_every_fifth_picture_of_a_class_is_a_test_picture():
    names = [str(number) for number in range(12)]
    dealt = deal(names)
    assert dealt["test"] == ["4", "9"]
    assert sorted([*dealt["train"], *dealt["test"]], key=int) == names
    assert deal(["a"]) == {"train": ["a"], "test": []}


def test_the_workspace_has_each_picture_once_and_copies_none(pictures, tmp_path):
    made = create_divided(tmp_path / "w", pictures, architecture="resnet18")
    found = {split: made.pictures.find(split) for split in ("train", "test")}
    assert {split: len(files) for split, files in found.items()} == {"train": 20, "test": 4}
    in_test = ("ash/004.png", "ash/009.png", "birch/004.png", "birch/deep/003.png")
    assert found["test"].paths == in_test
    linked = [
        (made.folder / split / path).resolve()
        for split, files in found.items()
        for path in files.paths
    ]
    assert sorted(linked) == sorted(pictures.rglob("*.png"))
    assert made.settings.folders == {"train": "train", "test": "test"}
    link = made.folder / "train" / "ash" / "000.png"
    assert not os.path.isabs(os.readlink(link))  # it goes on when both folders are moved together


def test_counts_before_are_those_of_the_workspace(pictures, tmp_path):
    folders = {"train": pictures, "test": pictures}
    before = look_at_folders(folders, is_divided=True)
    made = create_divided(tmp_path / "w", pictures, architecture="resnet18")
    assert before.totals == {s: len(made.pictures.find(s)) for s in ("train", "test")}
    assert before.rows[0].counts == {"train": 11, "test": 2}
    assert before.problems == ()
    put(pictures / "cedar", 4)
    assert "1 class has no pictures in test: 'cedar'" in " ".join(
        look_at_folders(folders, is_divided=True).warnings
    )


def test_linked_pictures_may_be_shown_where_the_folder_is_allowed(pictures, tmp_path):
    made = create_divided(tmp_path / "w", pictures, architecture="resnet18")
    allowed = AllowedRoots((tmp_path,))
    assert allowed.picture(made, "test", "ash/004.png") == pictures / "ash" / "004.png"
    with pytest.raises(WorkspaceError):
        AllowedRoots((made.folder,)).picture(made, "test", "ash/004.png")


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_stays_behind_where_the_workspace_cannot_be_made(pictures, tmp_path, exists):
    folder = tmp_path / "w"
    if exists:
        put(folder, 1)
    with pytest.raises(OpenMaxError, match="no classification architecture"):
        create_divided(folder, pictures, architecture="resnet1")
    assert folder.exists() == exists
    assert [path.name for path in folder.glob("*")] == (["000.png"] if exists else [])
    assert len(list(pictures.rglob("*.png"))) == 24


def test_a_folder_that_has_sets_is_not_touched(pictures, tmp_path):
    put(tmp_path / "w" / "train" / "ash", 3)
    with pytest.raises(WorkspaceError, match="train exists already; choose another folder"):
        create_divided(tmp_path / "w", pictures, architecture="resnet18")
    assert len(list((tmp_path / "w" / "train" / "ash").iterdir())) == 3


def test_a_disk_without_links_is_told_with_the_way_out(pictures, tmp_path, monkeypatch):
    def refuse(path: Path, picture: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(division, "_link", refuse)
    with pytest.raises(WorkspaceError, match=r"cannot make links .*; divide them by hand"):
        create_divided(tmp_path / "w", pictures, architecture="resnet18")
    assert not (tmp_path / "w").exists()
