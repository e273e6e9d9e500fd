"""Methods of features on the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmax_core.methods.registry import FEATURE_METHODS
from openmax_core.workspace.workspace import Workspace
from tests.app.visitor import texts
from tests.support.colours import TRANSFORM, put
from tests.support.onnx_graphs import save_colour_model
from tests.support.tables import labelled, with_features, write, write_sets


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of tables with features, which tests only read."""
    folder = tmp_path_factory.mktemp("tables")
    files = write_sets(folder, ".npz", has_features=True)
    made = Workspace.create_from_tables(folder / "w", files, features=True)
    made.extract()
    return made


def test_where_none_are_stored_the_sidebar_and_the_page_say_how_to_have_them(
    open_app: Any, trees: Workspace
) -> None:
    app = open_app(trees.folder, "threshold", method="knn")
    said = "needs features, and none are stored: write features = true"
    assert said in texts(app.sidebar.warning)
    assert said in texts(app.error)
    app.sidebar.selectbox(key="method").set_value("energy").run()
    assert not app.sidebar.warning
    assert not app.error


@pytest.mark.parametrize("method", FEATURE_METHODS)
def test_the_weibull_page_shows_what_decides(open_app: Any, scores: Workspace, method: str) -> None:
    app = open_app(scores.folder, "weibull", method=method)
    evaluation = scores.evaluate(method)
    said = texts(app.markdown)
    assert f"The method **{method}**" in said
    assert evaluation.method.words.formula in said
    assert evaluation.method.learned_in_words in said
    assert "x its features" in said
    assert app.get("plotly_chart")
    assert not app.sidebar.warning


@pytest.mark.parametrize("method", ["knn", "vim"])
def test_pages_work_with_a_method_of_features(
    open_app: Any, scores: Workspace, method: str, tmp_path: Path
) -> None:
    for page in ("overview", "threshold", "monitor"):
        app = open_app(scores.folder, page, method=method)
        assert not app.exception
        assert not app.error
    app = open_app(scores.folder, "upload", method=method)
    rows = with_features(labelled(6, 5).drop(columns="label"))
    path = write(tmp_path / "rows.npz", rows)
    app.file_uploader[0].set_value([(path.name, path.read_bytes(), "")])
    app.run()
    assert not app.exception
    shown = app.dataframe[0].value
    evaluation = scores.evaluate(method)
    features = rows.filter(like="feature_").to_numpy()
    logits = rows.filter(like="logit_").to_numpy()
    expected = evaluation.method.decide(logits, features).scores
    np.testing.assert_array_equal(shown["score"].to_numpy(), expected)


def test_uploaded_pictures_are_decided_by_the_features_that_the_network_gives(
    open_app: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    for split, count, first in (("train", 6, 0), ("test", 3, 50)):
        for kind in ("red", "green"):
            put(folder / split / kind, kind, count, first)
    put(folder / "reject", "unknown", 4, 90)
    model = save_colour_model(tmp_path / "colours.onnx")
    made = Workspace.create(
        folder,
        model=model,
        classes=["red", "green"],
        reject="reject",
        transform=TRANSFORM,
        features=True,
    )
    made.extract("cpu")
    evaluation = made.evaluate("rmds")
    app = open_app(folder, "upload", method="rmds")
    paths = [folder / "reject" / name for name in ("0.png", "1.png")]
    app.file_uploader[0].set_value([(path.name, path.read_bytes(), "") for path in paths])
    app.run()
    assert not app.exception, app.exception
    scored = app.session_state["upload_scored"][1]
    np.testing.assert_allclose(scored.scores, evaluation.curve.reject_scores[:2], rtol=1e-3)
    # A method of logits runs them through the network that gives logits alone.
    app.sidebar.selectbox(key="method").set_value("energy").run()
    assert not app.exception, app.exception
    expected = made.evaluate("energy").curve.reject_scores[:2]
    scored = app.session_state["upload_scored"][1]
    np.testing.assert_allclose(scored.scores, expected, rtol=1e-4)
