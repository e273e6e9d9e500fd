"""Every page with a workspace of tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from openmax_core.workspace.workspace import Workspace
from tests.app.visitor import texts
from tests.support.tables import labelled, of_sets, write, write_sets


@pytest.fixture
def scores(tmp_path: Path) -> Workspace:
    return Workspace.create_from_tables(tmp_path / "scores", write_sets(tmp_path))


def everything(app) -> str:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(texts(kind) for kind in kinds)


@pytest.mark.parametrize("page", ["threshold", "weibull", "method"])
def test_pages_of_figures_show_them(open_app, scores, page):
    app = open_app(scores.folder, page)
    assert not app.error


def test_overview_says_that_there_are_no_pictures(open_app, scores):
    shown = everything(open_app(scores.folder))
    assert "The logits come from tables. There are no pictures to show" in shown
    assert "The logits come from tables · workspace" in shown
    assert "have changed since" not in shown


def test_overview_shows_pictures_that_a_table_names(open_app, tmp_path):
    folder = tmp_path / "w"
    files = write_sets(folder)
    Image.new("RGB", (8, 8), (9, 90, 120)).save(folder / "a.png")
    write(files["test"], of_sets()["test"].assign(path="a.png"))
    Workspace.create_from_tables(folder, files)
    app = open_app(folder)
    assert "There are no pictures to show" not in everything(app)
    assert [item.proto.imgs[0].caption for item in app.get("image")][:2] == ["ash", "cedar"]


def test_a_table_that_changed_is_read_again_by_the_page(open_app, scores):
    app = open_app(scores.folder)
    write(scores.pictures.folder("test"), labelled(33, 1))
    app.run()
    assert not app.exception
    assert "33 test and 30 reject pictures" in texts(app.caption)


def test_a_table_that_broke_is_named(open_app, scores):
    path = scores.pictures.folder("test")
    path.write_text(path.read_text() + "0,a,0,0\n")
    app = open_app(scores.folder, "threshold")
    assert "test.csv, row 46, column logit_ash: 'a' is no number" in texts(app.error)


def test_workspace_shows_tables_and_reads_them(open_app, scores):
    app = open_app(scores.folder, "workspace")
    shown = everything(app)
    assert "tables of logits" in shown
    assert "Transform" not in shown
    assert "trained weights" not in shown
    assert app.dataframe[0].value["state"].tolist() == ["stored"] * 3
    [button] = [item for item in app.button if item.label == "Read the tables"]
    button.click().run()
    assert not app.exception


def test_tables_that_are_to_be_read_again_are_the_next_step(open_app, scores, tmp_path):
    folder = shutil.copytree(scores.folder, tmp_path / "again")
    shutil.rmtree(folder / "activations")
    app = open_app(folder, "workspace")
    assert not app.exception
    assert "**Read the tables**" in texts(app.markdown)


def test_upload_takes_a_table_and_gives_decisions(open_app, scores):
    app = open_app(scores.folder, "upload", threshold="0.5")
    assert "It has no network" in texts(app.caption)
    content = labelled(20, 5).drop(columns="label").to_csv(index=False).encode()
    app.file_uploader[0].set_value([("new.csv", content, "text/csv")])
    app.run()
    assert not app.exception
    scored = scores.evaluate().openmax.decide(
        labelled(20, 5).filter(like="logit_").to_numpy(dtype="float32")
    )
    n_accepted = int((scored.scores >= 0.5).sum())
    assert f"20 rows, **{n_accepted}** accepted and **{20 - n_accepted}** rejected" in texts(
        app.markdown
    )
    shown: pd.DataFrame = app.dataframe[0].value
    assert shown["file"].tolist()[:2] == ["row 1", "row 2"]
    assert [item.label for item in app.get("download_button")] == ["Results as CSV"]
    app.file_uploader[0].set_value([("bad.csv", content.replace(b"0.", b"x.", 1), "text/csv")])
    app.run()
    assert not app.exception
    assert "bad.csv, row 1, column logit_" in texts(app.error)
    assert "is no number" in texts(app.error)


def test_monitor_takes_a_table(open_app, scores, tmp_path, monkeypatch):
    app = open_app(scores.folder, "monitor")
    shown = everything(app)
    assert "TABLE holds logits" in shown
    assert f"use this workspace's unknowns: `{tmp_path / 'reject.csv'}`" in shown
    assert app.text_input[0].label == "Table of logits, on this server"
