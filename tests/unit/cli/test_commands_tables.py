"""The shell on workspaces of tables, from init to the exported file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from openmax_core.export.description import LOGITS_INPUT, METADATA_KEY, ExportDescription
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import shell
from tests.support.tables import labelled, logits_of, of_sets, write, write_sets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of three Parquet files, which tests only read."""
    place = tmp_path_factory.mktemp("tables")
    files = write_sets(place, ".parquet")
    named = [part for split, path in files.items() for part in (f"--{split}-table", path)]
    made = shell("init", place / "w", *named, "--name", "Scores")
    assert made.code == 0, made.err
    assert f"  train             60 rows of {files['train']}" in made.out
    assert f"next: openmax evaluate {place / 'w'}" in made.out
    return place / "w"


def test_one_table_is_divided_and_that_is_said(tmp_path):
    path = write(tmp_path / "t.csv", pd.concat([of_sets()["test"], of_sets()["reject"]]))
    made = shell("init", tmp_path / "w", "--table", path, "--classes", "ash, birch,cedar")
    assert made.code == 0
    assert "t.csv has no column split: of each class every other known row is train" in made.out
    assert "  classes      ash, birch, cedar" in made.out
    assert shell("extract", tmp_path / "w").out.endswith("no table is new or changed.\n")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--train-table", "x.csv"], "the table {}/x.csv does not exist, or is no file"),
        (["--table", "t.csv", "--reject-table", "t.csv"], "--table is divided into all sets"),
        (["--table", "t.csv", "--weights-entry", "ema"], "--weights-entry is of pictures and a"),
        (["--table", "t.csv", "--transform-input"], "--transform-input is of pictures and a"),
        (["--table", "t.csv", "--train", "pictures"], "--train is of pictures and a network"),
        (["--table", "t.csv", "--architecture", "resnet18"], "--architecture is of pictures and"),
        (["--table", "t.csv", "--classes", "a,b"], "{}/t.csv is of other classes: it lacks 'a', "),
        (["--table", "t.txt"], "{}/t.txt is no table; write one as .npz, .parquet, .csv"),
    ],
)
def test_what_does_not_fit_together_is_said_and_nothing_is_made(tmp_path, monkeypatch, given, told):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "t.csv", of_sets()["test"])
    (tmp_path / "t.txt").write_text("x")
    ran = shell("init", tmp_path / "w", *given)
    assert ran.code == 1
    assert told.format(tmp_path) in ran.error
    assert not (tmp_path / "w").exists()


def test_tables_are_decided_on(folder, tmp_path):
    rows = labelled(20, 5).drop(columns="label")
    rows["path"] = [f"in/{row}.png" for row in range(20)]
    path = write(tmp_path / "new.npz", rows)
    out = tmp_path / "decisions.csv"
    ran = shell("predict", folder, path, "--threshold", "0.5", "--csv", out)
    assert ran.code == 0
    decided = pd.read_csv(out)
    assert decided["file"].tolist() == rows["path"].tolist()
    openmax = Workspace.open(folder).evaluate().openmax
    expected = openmax.decide(logits_of(rows))
    is_accepted = expected.scores >= 0.5
    assert (decided["verdict"] == "accepted").tolist() == is_accepted.tolist()
    assert decided["score"].to_numpy() == pytest.approx(expected.scores)
    refused = shell("predict", folder, write(tmp_path / "b.csv", rows.assign(logit_ash=np.inf)))
    assert refused.code == 1
    assert "b.csv, row 1, column logit_ash: inf is no finite number" in refused.error
    (tmp_path / "a.png").write_bytes(b"x")
    assert "has no network to run over pictures" in shell("predict", folder, tmp_path).error


def test_the_exported_file_decides_on_logits(folder, tmp_path):
    ran = shell("export", folder, "--threshold", "0.5", "--output", tmp_path / "o.onnx")
    assert ran.code == 0, ran.err
    assert "takes       float32 logits (N, 3), 'network_logits'; no network is in it" in ran.out
    session = onnxruntime.InferenceSession(tmp_path / "o.onnx")
    text = session.get_modelmeta().custom_metadata_map[METADATA_KEY]
    description = ExportDescription.from_json(text)
    assert description.architecture == "tables"
    logits = logits_of(labelled(20, 5))
    decision, scores = session.run(["decision", "score"], {LOGITS_INPUT: logits})
    expected = Workspace.open(folder).evaluate().openmax.decide(logits)
    assert scores == pytest.approx(expected.scores, abs=1e-12)
    accepted = np.where(expected.scores >= 0.5, expected.predictions, -1)
    assert decision.tolist() == accepted.tolist()


def test_figures_report_and_doctor_need_no_pictures(folder, tmp_path):
    values = json.loads(shell("evaluate", folder, "--json").out)
    assert values["pictures"] == {"train": 60, "test": 45, "reject": 30}
    assert shell("report", folder, "--output", tmp_path).code == 0
    page = (tmp_path / "report.html").read_text()
    assert "none: the logits come from tables" in page
    assert shell("doctor", folder).code in {0, 6}


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_a_table_is_a_batch_for_monitor(folder, tmp_path, suffix):
    path = write(tmp_path / f"batch{suffix}", labelled(30, 6, is_unknown=True))
    ran = shell("monitor", folder, path, "--fail-on-drift", "--threshold", "0.5")
    assert ran.code == 5, ran.err
    assert f"batch       batch: 30 pictures of {path}" in ran.out
    assert "row 1" in ran.out


def test_training_has_nothing_to_train(folder):
    ran = shell("train", folder)
    assert ran.code == 1
    assert "made of tables" in ran.error
