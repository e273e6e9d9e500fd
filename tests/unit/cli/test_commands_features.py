"""Methods of features in every command, from tables with features to the exported file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from openmax_core.methods.registry import FEATURE_METHODS, METHODS
from openmax_core.prediction.choice import choose_method
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import shell
from tests.support.tables import (
    features_in,
    labelled,
    logits_of,
    with_features,
    write,
    write_sets,
)


def made(place: Path, *, has_features: bool) -> Path:
    files = write_sets(place, ".npz" if has_features else ".parquet", has_features=has_features)
    named = [part for split, path in files.items() for part in (f"--{split}-table", path)]
    wish = ["--features"] if has_features else []
    assert shell("init", place / "w", *named, *wish, "--name", "Scores").code == 0
    assert shell("extract", place / "w").code == 0
    return place / "w"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("with"), has_features=True)


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("without"), has_features=False)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    parts = [labelled(25, 5), labelled(15, 6, is_unknown=True)]
    rows = with_features(pd.concat(parts, ignore_index=True))
    place = tmp_path_factory.mktemp("batch") / "batch.parquet"
    return write(place, rows.drop(columns="label")), rows


@pytest.mark.parametrize("method", FEATURE_METHODS)
def test_every_command_takes_a_method_of_features(folder, batch, tmp_path, method):
    workspace, (path, rows) = Workspace.open(folder), batch
    choice = choose_method(workspace, method)
    logits, features = logits_of(rows), features_in(rows)
    decided = choice.evaluation.method.decide(logits, features)
    accepted = decided.scores >= choice.threshold
    assert 0 < accepted.sum() < len(accepted)

    said = shell("evaluate", folder, "--method", method).out
    assert f"method      {method}: {choice.evaluation.method.words.formula}" in said
    assert "calibrated on train" in said
    assert f"learned     {choice.evaluation.method.learned_in_words}" in said
    # The unknowns have small logits in no direction.
    assert choice.evaluation.curve.auroc > 0.9

    table = tmp_path / "d.csv"
    ran = shell("predict", folder, path, "--method", method, "--csv", table)
    assert ran.code == 0
    read = pd.read_csv(table)
    np.testing.assert_array_equal(read["score"].to_numpy(), decided.scores)
    assert (read["verdict"] == "accepted").tolist() == accepted.tolist()

    ran = shell("report", folder, "--method", method, "--output", tmp_path / "report")
    assert ran.code == 0
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "60 train pictures" in page

    file = tmp_path / "scores.onnx"
    ran = shell("export", folder, "--method", method, "--output", file)
    assert ran.code == 0, ran.err
    assert "and features (N, 8), 'network_features'; no network is in it" in ran.out
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    given = {"network_logits": logits, "network_features": features}
    _, _, decision, score = session.run(None, given)
    assert np.array_equal(decision, np.where(accepted, decided.predictions, -1))
    np.testing.assert_allclose(score, decided.scores, rtol=1e-6, atol=1e-7)

    ran = shell("monitor", folder, path, "--method", method, "--json")
    assert ran.code == 0, ran.err
    values = json.loads(ran.out)
    assert values["reject_rate"]["rejected"] == int((~accepted).sum())


def test_an_operating_point_of_features_decides(folder, batch, tmp_path):
    workspace = Workspace.open(folder)
    point = workspace.evaluate("rmds").recommend(0.8)
    try:
        workspace.choose(point)
        assert Workspace.open(folder).operating_point() == point
        ran = shell("predict", folder, batch[0])
        assert "method rmds, threshold" in ran.out
    finally:
        workspace.operating_point_path.unlink()


def test_compare_has_all_methods(folder, without):
    values = json.loads(shell("compare", folder, "--json").out)
    assert [row["method"] for row in values["methods"]] == list(METHODS)
    assert values["left_out"] == {}
    ran = shell("compare", without)
    assert ran.code == 0
    assert (
        "left out    knn, mahalanobis, rmds, vim, nci are left out: features are needed, and none "
        "are stored; write features = true under [classifier] in workspace.toml" in ran.out
    )


@pytest.mark.parametrize("method", FEATURE_METHODS)
def test_without_features_it_says_how_to_have_them(without, method):
    ran = shell("evaluate", without, "--method", method)
    assert ran.code == 1
    assert f"the method '{method}' needs features, and none are stored: write features" in ran.err
    assert "workspace.toml, then run the extraction again" in ran.err


def test_the_doctor_says_that_the_default_method_needs_features(without):
    path = without / "workspace.toml"
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(text.replace('preset = "openmax"', 'preset = "knn"'), encoding="utf-8")
        ran = shell("doctor", without)
        assert "the method 'knn' needs features, and none are stored" in ran.out
    finally:
        path.write_text(text, encoding="utf-8")


def test_new_rows_without_features_are_refused(folder, tmp_path):
    path = write(tmp_path / "rows.parquet", labelled(5, 5).drop(columns="label"))
    for command in ("predict", "monitor"):
        ran = shell(command, folder, path, "--method", "knn")
        assert ran.code == 1
        assert "has no columns feature_<i>, and the method needs them" in ran.err
    other = write(tmp_path / "narrow.parquet", with_features(labelled(5, 5), 7))
    ran = shell("predict", folder, other, "--method", "knn")
    assert "features must have the shape (5, 8), not (5, 7)" in ran.err
