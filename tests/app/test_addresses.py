"""Workspaces with pictures at an address: shown like others, and not to be opened by anybody."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from openmax_core.workspace.samples import picture_bytes
from openmax_core.workspace.workspace import Workspace
from pages._shared.pictures import thumbnail
from tests.app.visitor import texts
from tests.support.workspaces import make_workspace


@pytest.fixture
def remote(trees: Workspace, tmp_path: Path) -> Workspace:
    """The same workspace, its pictures named by address."""
    workspace = Workspace.open(shutil.copytree(trees.folder, tmp_path / "remote"))
    folders = {split: f"file://{trees.folder}/{split}" for split in workspace.pictures.splits}
    workspace.save_settings(replace(workspace.settings, name="Remote", folders=folders))
    return workspace


def test_the_folders_are_listed_and_compared(open_app, trees, remote):
    app = open_app(remote.folder, "workspace")
    table = app.dataframe[0].value
    assert not app.error, texts(app.error)
    assert table["folder"].tolist() == [
        f"file://{trees.folder}/{s}" for s in remote.pictures.splits
    ]
    assert table["files in the folder"].tolist() == [120, 90, 60]
    assert set(table["state"]) == {"stored"}


def test_pictures_are_drawn_from_an_address(trees, remote):
    path = trees.pictures.find("test").paths[0]
    at, here = (item.pictures.location("test") for item in (remote, trees))
    drawn = thumbnail(at / path)
    assert drawn is not None
    assert drawn == thumbnail(here / path)
    assert picture_bytes(at / path) == picture_bytes(here / path)
    assert thumbnail(at / "ash/gone.png") is None


def test_a_visitor_cannot_open_a_workspace_that_names_an_address(
    open_app, remote, tmp_path, monkeypatch
):
    other = make_workspace(tmp_path / "other", name="Other")
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    app = open_app(other.folder, "workspace")
    field = next(item for item in app.text_input if item.label == "Folder of the workspace")
    field.set_value(str(remote.folder))
    next(item for item in app.button if item.label == "Open").click().run()
    assert "is not under an allowed address (there are none)" in texts(app.error)
