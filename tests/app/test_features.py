"""What the Workspace page says of features before an extraction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openmax_core.workspace.workspace import Workspace
from tests.app.visitor import texts
from tests.support.workspaces import make_workspace


def with_features(workspace: Workspace) -> Workspace:
    settings = workspace.settings
    classifier = replace(settings.classifier, features=True)
    workspace.save_settings(replace(settings, classifier=classifier))
    return workspace


def test_turning_features_on_is_told_with_what_it_takes(
    open_app: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    workspace = with_features(make_workspace(tmp_path / "trees", n_train=4, n_test=3, n_reject=5))
    app = open_app(workspace.folder, "workspace")
    assert not app.exception, app.exception
    shown = texts(app.caption)
    assert "Features take 2 bytes each; how many a picture has is known once the network" in shown
    assert "every picture runs again; the stored logits stay in use" in shown
    assert "to be run" in app.dataframe[0].value["state"].tolist()
    app.switch_page("pages/overview.py").run()  # with the logits that are stored
    assert not app.exception, app.exception


def test_without_features_nothing_is_said(open_app: Any, trees: Workspace) -> None:
    assert "Features take" not in texts(open_app(trees.folder, "workspace").caption)
