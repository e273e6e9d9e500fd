"""A workspace with an ONNX file in the dashboard: made in the form, extracted, asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs
from tests.app.visitor import given, texts
from tests.support.onnx_graphs import SIDE, save_colour_model
from tests.support.shell import CLASSES, put


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    for name in CLASSES:
        put(tmp_path / "train" / name, name, 12, 0)
        put(tmp_path / "test" / name, name, 4, 100)
    put(tmp_path / "reject", "green", 4, 200)
    return tmp_path


def create(app: AppTest, folder: Path, **values: Any) -> None:
    given = {
        "Folder of the new workspace": folder / "made",
        "Weights file": folder / "net.onnx",
        "Train folder": folder / "train",
        "Test folder": folder / "test",
        "Reject folder": folder / "reject",
    } | values
    for label, value in given.items():
        next(item for item in app.text_input if item.label == label).set_value(str(value))
    next(item for item in app.button if item.label == "Create").click().run()


def test_a_workspace_is_created_from_an_onnx_file_and_answers(open_app, trees, folder):
    """Probabilities, as of Keras; crop comes from the graph, classes from a file."""
    save_colour_model(
        folder / "net.onnx",
        layout="NHWC",
        sides=(SIDE, SIDE),
        softmax=True,
        outputs=("features", "logits"),
    )
    (folder / "labels.txt").write_text("blue\nred\n", encoding="utf-8")
    app = open_app(trees.folder, "workspace")
    create(app, folder)
    assert "has several outputs: 'features'" in texts(app.error)
    output = {"Output of an ONNX file": "logits", "Labels file": folder / "labels.txt"}
    create(app, folder, **output)
    assert not app.error, texts(app.error)
    assert "are probabilities" in texts(app.caption)
    assert "net.onnx takes pictures as NHWC, floats" in texts(app.info)
    made = Workspace.open(folder / "made")
    assert (made.settings.transform.crop, made.classes) == ((SIDE, SIDE), ("blue", "red"))
    next(item for item in app.button if item.label == "Run extraction").click().run()
    job = jobs.find("extraction", made)
    assert job is not None
    job.result(timeout=60)
    for page in ("overview", "threshold", "weibull"):
        app.switch_page(f"pages/{page}.py").run()
        assert not app.exception, app.exception
        assert not app.error, texts(app.error)
    app.switch_page("pages/upload.py").run()
    content = (folder / "test" / "red" / "00.png").read_bytes()
    app.file_uploader[0].set_value([("red.png", content, "")])
    app.run()
    assert not app.exception, app.exception
    (card,) = given(app, "cards")["board"]["cards"]
    assert (card["name"], made.classes[card["class"]]) == ("red.png", "red")


def test_an_onnx_file_that_is_gone_is_named_on_the_page(open_app, folder):
    save_colour_model(folder / "net.onnx")
    made = Workspace.create(
        folder / "made", model=folder / "net.onnx", train=folder / "train", test=folder / "test"
    )
    (folder / "net.onnx").unlink()
    app = open_app(made.folder, "workspace")
    assert "the ONNX file" in texts(app.error)
    assert "does not exist; correct model under [classifier]" in texts(app.error)
