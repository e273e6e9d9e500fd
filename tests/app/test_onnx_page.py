"""A workspace with an ONNX file in the dashboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from openmax_core.workspace.workspace import Workspace
from tests.app.visitor import texts
from tests.support.onnx_graphs import save_colour_model
from tests.support.shell import CLASSES, put


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    for name in CLASSES:
        put(tmp_path / "train" / name, name, 12, 0)
        put(tmp_path / "test" / name, name, 4, 100)
    put(tmp_path / "reject", "green", 4, 200)
    return tmp_path


def test_an_onnx_file_that_is_gone_is_named_on_the_page(open_app, folder):
    save_colour_model(folder / "net.onnx")
    made = Workspace.create(
        folder / "made", model=folder / "net.onnx", train=folder / "train", test=folder / "test"
    )
    (folder / "net.onnx").unlink()
    app = open_app(made.folder, "workspace")
    assert "the ONNX file" in texts(app.error)
    assert "does not exist; correct model under [classifier]" in texts(app.error)
