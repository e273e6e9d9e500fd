"""Methods of features on pictures: the network gives logits and features, in and out of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from openmax_core.analysis.mistakes import picture_at
from openmax_core.errors import FitError, WorkspaceError
from openmax_core.export.write import export_workspace
from openmax_core.monitor.monitor import monitor
from openmax_core.prediction.choice import choose_method, run_network
from openmax_core.prediction.verdicts import score_pictures
from openmax_core.workspace.workspace import Workspace
from tests.support.colours import TRANSFORM, Material, create
from tests.support.onnx_graphs import save_colour_model
from tests.support.shell import shell


@pytest.fixture(scope="module")
def workspace(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("features") / "study"
    made = create(material.copy_to(folder), features=True)
    made.extract("cpu")
    return made


def test_new_pictures_have_the_scores_of_stored_ones(workspace: Workspace, tmp_path: Path) -> None:
    choice = choose_method(workspace, "knn")
    evaluation = choice.evaluation
    expected = evaluation.curve.reject_scores
    assert evaluation.reject is not None
    paths = [
        workspace.pictures.folder("reject") / path for path in evaluation.reject.readable["path"]
    ]
    engine = workspace.classifier.load_engine("cpu", has_features=True)
    results = run_network(engine, paths)
    scored = score_pictures(evaluation.method, [path.name for path in paths], results)
    # In batches of another size convolutions add up in another order.
    np.testing.assert_allclose(scored.scores, expected, rtol=2e-2, atol=1e-4)
    row = results[0]
    assert not isinstance(row, str)
    assert len(row) == 3 + 1024
    assert all(len(item) == 3 for item in scored.results)
    one = picture_at(evaluation, "reject", 1)
    assert one.scores[0] == expected[1]

    ran = shell("predict", workspace.folder, *paths, "--method", "knn", "--json", tmp_path / "d")
    assert ran.code == 0, ran.err
    told = json.loads((tmp_path / "d").read_text(encoding="utf-8"))["pictures"]
    assert [item["score"] for item in told] == scored.scores.tolist()

    measured = monitor(workspace, workspace.pictures.folder("reject"), choice)
    assert measured.report.reject.n == len(paths)
    stored = workspace.stored.newest("reject")
    assert stored is not None
    assert monitor(workspace, stored, choice).report.reject.n == len(paths)


def test_the_file_for_production_has_the_features_within_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    choice = choose_method(workspace, "knn")
    file = tmp_path / "openmax.onnx"
    description = export_workspace(workspace, choice, file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_inputs()] == ["pictures"]
    evaluation = choice.evaluation
    paths = [workspace.pictures.folder("test") / p for p in evaluation.test.readable["path"]]
    pictures = np.stack([description.prepare(path) for path in paths])
    decision, score = session.run(["decision", "score"], {"pictures": pictures})
    np.testing.assert_allclose(score, evaluation.curve.test_scores, rtol=2e-2, atol=1e-4)
    accepted = score >= choice.threshold
    assert np.array_equal(decision, np.where(accepted, evaluation.curve.test_predictions, -1))


def test_a_method_says_that_it_needs_more_pictures_than_there_are(workspace: Workspace) -> None:
    with pytest.raises(FitError, match="there are 24 pictures and 1,024 features"):
        workspace.evaluate("vim")


def test_without_features_the_workspace_says_how_to_have_them(finished: Any) -> None:
    with pytest.raises(WorkspaceError, match=r"write features = true .*workspace\.toml"):
        finished[0].evaluate("knn")


def test_a_model_file_gives_the_features_that_it_has(material: Material, tmp_path: Path) -> None:
    folder = material.copy_to(tmp_path / "study")
    (folder / "train" / "blue").rename(folder / "blue")
    (folder / "test" / "blue").rename(folder / "reject" / "blue")
    made = Workspace.create(
        folder,
        model=save_colour_model(tmp_path / "colours.onnx"),
        classes=["red", "green"],
        reject="reject",
        transform=TRANSFORM,
        features=True,
    )
    made.extract("cpu")
    for name in ("mahalanobis", "rmds", "vim"):
        choice = choose_method(made, name, threshold=-3.0)
        assert choice.evaluation.method.n_features == 3
        export_workspace(made, choice, tmp_path / f"{name}.onnx")
        session = onnxruntime.InferenceSession(
            tmp_path / f"{name}.onnx", providers=["CPUExecutionProvider"]
        )
        assert [item.name for item in session.get_inputs()] == ["pictures"]
