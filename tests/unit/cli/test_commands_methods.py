"""--method in every command, from a table of logits to the exported file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from openmax_core.export.description import LOGITS_INPUT, METADATA_KEY, ExportDescription
from openmax_core.methods.scores import SCORES
from openmax_core.methods.settings import PRESETS
from openmax_core.monitor.records import BatchRecords
from openmax_core.prediction.choice import choose_method
from openmax_core.support.decimals import threshold_text
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import shell
from tests.support.tables import labelled, logits_of, write, write_sets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of three Parquet files, which tests only read."""
    place = tmp_path_factory.mktemp("tables")
    files = write_sets(place, ".parquet")
    named = [part for split, path in files.items() for part in (f"--{split}-table", path)]
    assert shell("init", place / "w", *named, "--name", "Scores").code == 0
    assert shell("extract", place / "w").code == 0
    return place / "w"


@pytest.mark.parametrize("method", [*PRESETS, *SCORES])
def test_evaluate_takes_any_method_and_its_older_name(folder, method):
    asked = ("evaluate", folder, "--json", "--min-test-accuracy", "0.5")
    ran = shell(*asked, "--method", method)
    assert (ran.code, ran.err) == (0, "")
    values, evaluation = json.loads(ran.out), Workspace.open(folder).evaluate(method)
    assert values["preset"] == method
    assert values["settings"] == evaluation.method.settings_.to_dict()
    assert values["auroc"] == evaluation.curve.auroc
    recommended = evaluation.recommend(0.5)
    assert values["recommended"]["threshold"] == recommended.threshold
    assert values["recommended"]["preset"] == method
    low, high = evaluation.score_range
    thresholds = [row["threshold"] for row in values["table"]]
    assert 5 <= len(thresholds) <= 11
    assert method == "notebook" or thresholds[0] <= low < high <= thresholds[-1]
    assert shell(*asked, "--preset", method).out == ran.out
    said = shell("evaluate", folder, "--method", method).out
    assert f"method      {method}: " in said
    if method in SCORES:
        assert evaluation.method.words.formula in said


def test_settings_of_openmax_are_refused_for_a_score(folder):
    ran = shell("evaluate", folder, "--method", "gen", "--set", "tail_size=30")
    assert ran.code == 1
    assert "the method 'gen' has no setting tail_size: settings are for OpenMax" in ran.err


def test_a_method_that_there_is_not_lists_those_that_there_are(folder):
    ran = shell("evaluate", folder, "--method", "entropy")
    assert ran.code == 2
    assert "'max_logit'" in ran.err


@pytest.mark.parametrize("method", SCORES)
def test_predict_report_export_and_monitor_take_a_score(folder, tmp_path, method):
    workspace = Workspace.open(folder)
    choice = choose_method(workspace, method)
    rows = labelled(40, 5)
    logits = logits_of(rows)
    decided = choice.evaluation.method.decide(logits)
    accepted = decided.scores >= choice.threshold
    batch = write(tmp_path / "batch.parquet", rows.drop(columns="label"))

    names = [str(tmp_path / name) for name in ("d.csv", "d.json")]
    ran = shell("predict", folder, batch, "--method", method, "--csv", names[0], "--json", names[1])
    assert ran.code == 0
    assert f"method {method}, threshold {threshold_text(choice.threshold)}" in ran.out
    assert "; the network's own answer is" in ran.out
    table = pd.read_csv(names[0])
    assert table["score"].to_numpy() == pytest.approx(decided.scores)
    assert (table["verdict"] == "accepted").tolist() == accepted.tolist()
    p_columns = [f"p_{name}" for name in workspace.classes]
    assert table.columns[6:].tolist() == p_columns
    assert table[p_columns].sum(axis=1).to_numpy() == pytest.approx(np.ones(40))
    values = json.loads(Path(names[1]).read_text(encoding="utf-8"))
    assert (values["method"], values["settings"]) == (method, {})
    assert values["pictures"][0]["after"] is values["pictures"][0]["cdf"] is None

    # A threshold that is given may be negative.
    ran = shell("predict", folder, batch, "--method", method, "--threshold", "-1000000")
    assert "method " + method + ", threshold -1000000 (given)" in ran.out
    assert "rejected" not in ran.out

    ran = shell("report", folder, "--method", method, "--output", tmp_path / "report")
    assert ran.code == 0
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "What decides" in page
    assert "Weibull curves" not in page
    assert "Weibull parameters" not in page

    file = tmp_path / "scores.onnx"
    ran = shell("export", folder, "--method", method, "--output", file)
    assert ran.code == 0, ran.err
    assert f"with method '{method}'" in ran.out
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    _, probabilities, decision, score = session.run(None, {LOGITS_INPUT: logits})
    assert np.array_equal(decision, np.where(accepted, decided.predictions, -1))
    assert score == pytest.approx(decided.scores)
    assert probabilities.shape == logits.shape
    text = session.get_modelmeta().custom_metadata_map[METADATA_KEY]
    assert ExportDescription.from_json(text).operating_point == choice.present_point

    ran = shell("monitor", folder, batch, "--method", method, "--record", "--name", method)
    assert ran.code == 0
    assert "\nscores      " in ran.out
    assert "distance" not in ran.out
    (record,) = [r for r in BatchRecords.of(workspace).load()[0] if r.name == method]
    assert record.report.basis.settings == choice.evaluation.method.settings_
    assert record.report.reject.rejected == int((~accepted).sum())


def test_batches_of_different_methods_are_not_compared(folder, tmp_path):
    batch = write(tmp_path / "batch.parquet", labelled(40, 6).drop(columns="label"))
    for method in ("msp", "energy"):
        shell("monitor", folder, batch, "--method", method, "--record", "--name", f"{method} day")
    ran = shell("monitor", folder, batch, "--method", "msp", "--compare", "energy day")
    assert "there is nothing called 'energy day'" in ran.err
    assert shell("monitor", folder, batch, "--method", "msp", "--compare", "msp day").code == 0


def test_the_operating_point_of_a_score_decides(folder, tmp_path):
    workspace = Workspace.open(folder)
    point = workspace.evaluate("energy").recommend(0.9)
    try:
        workspace.choose(point)
        assert Workspace.open(folder).operating_point() == point
        choice = choose_method(Workspace.open(folder))
        assert choice.evaluation.method.name == "energy"
        assert (choice.threshold, choice.point) == (point.threshold, point)
    finally:
        workspace.operating_point_path.unlink()


def test_the_default_of_a_workspace_may_be_a_score(folder, tmp_path):
    files = write_sets(tmp_path, ".csv")
    named = [part for split, path in files.items() for part in (f"--{split}-table", path)]
    shell("init", tmp_path / "w", *named)
    settings = tmp_path / "w" / "workspace.toml"
    text = settings.read_text(encoding="utf-8").replace(
        'preset = "openmax"', 'preset = "max_logit"'
    )
    settings.write_text(text, encoding="utf-8")
    shell("extract", tmp_path / "w")
    assert "method      max_logit: max z" in shell("evaluate", tmp_path / "w").out
    ran = shell("doctor", tmp_path / "w")
    assert ran.code == 0
    assert "tail" not in ran.out
