"""The shell says what is promised, refuses useless points, and carries promises into files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openmax_core.export.description import ExportDescription
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.workspace.workspace import Workspace
from tests.support.drawn import drawn_workspace
from tests.support.shell import shell


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return drawn_workspace(tmp_path_factory.mktemp("drawn"), 200, 150)


def evaluated(workspace: Workspace, *options: str) -> tuple[int, str]:
    ran = shell("evaluate", workspace.folder, *options)
    return ran.code, ran.out


def test_the_promised_threshold_stands_below_the_recommended_one(workspace: Workspace) -> None:
    code, out = evaluated(workspace, "--min-test-accuracy", "75%", "--confidence", "90%")
    point = workspace.evaluate().choose(MostRejected(0.75), 0.9)
    assert code == 0
    assert point.promise is not None
    assert f"promised:    threshold {point.threshold:g}: {point.promise.in_words}" in out
    assert "points of Reject accuracy less)" in out
    assert "presupposes new pictures like these, drawn independently" in out
    assert "10,000 known pictures" in out


def test_what_cannot_be_promised_says_how_many_pictures_are_needed(workspace: Workspace) -> None:
    code, out = evaluated(workspace, "--min-test-accuracy", "0.82", "--confidence", "95")
    assert code == 4
    assert "promised:    nothing; not with 200 pictures: at the observed rate" in out
    # Nobody asked for a promise: the recommended threshold is an answer.
    code, out = evaluated(workspace, "--min-test-accuracy", "0.82")
    assert code == 0
    assert "promised:    nothing; not with 200 pictures" in out


def test_a_floor_out_of_reach_is_relative_by_default(workspace: Workspace) -> None:
    code, out = evaluated(workspace)
    assert code == 0
    assert "lose at most 5 points against 82.5 %" in out
    assert evaluated(workspace, "--min-test-accuracy", "85%")[0] == 4


def test_json_has_the_promised_point_and_the_plan(workspace: Workspace) -> None:
    _, out = evaluated(workspace, "--max-known-rejected", "10%", "--json")
    found = json.loads(out)
    assert found["confidence"] == 0.95
    assert found["promise"]["figure"] == "rejected_known"
    assert found["promised"]["promise"] == found["promise"]
    assert found["promise_problem"] is None
    assert len(found["plan"]) == 8


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--confidence", "40%"), "between 50 % and 100 %"),
        (("--confidence", "sure"), "not a share"),
    ],
)
def test_what_is_no_confidence_is_a_wrong_argument(
    workspace: Workspace, options: tuple[str, ...], told: str
) -> None:
    ran = shell("evaluate", workspace.folder, *options)
    assert ran.code == 2
    assert told in ran.err


def test_two_requirements_at_once_are_refused(workspace: Workspace) -> None:
    options = ("--min-test-accuracy", "80%", "--max-known-rejected", "5%")
    ran = shell("evaluate", workspace.folder, *options)
    assert ran.code == 1
    assert "--min-test-accuracy and --max-known-rejected each choose a threshold" in ran.err


def test_without_unknowns_no_word_is_said_about_them(tmp_path: Path) -> None:
    alone = drawn_workspace(tmp_path, 200, 0)
    code, out = evaluated(alone, "--confidence", "95%")
    assert code == 0
    assert "promised:    threshold" in out
    assert "knowns rejected ≤ 5.0 % with 95 % confidence, from 200 pictures" in out
    for line in out.splitlines():
        if "Reject accuracy" in line:
            assert "not measured" in line or "cannot be measured" in line or "threshold  " in line


def test_a_useless_default_is_refused_without_the_flag(tmp_path: Path) -> None:
    workspace = drawn_workspace(tmp_path, 60, 40)
    workspace.choose(workspace.evaluate().point_at(-100.0))
    table = tmp_path / "tables" / "test.npz"
    for command in (("predict", table), ("export",)):
        ran = shell(command[0], workspace.folder, *command[1:])
        assert ran.code == 1
        assert "rejects none of the 40 pictures of unknowns" in ran.err
        assert "--anyway" in ran.err
        assert shell(command[0], workspace.folder, *command[1:], "--anyway").code == 0
    # A threshold that is given is taken as it is.
    assert shell("predict", workspace.folder, table, "--threshold", "-100").code == 0


def test_a_promise_is_carried_through_predict_report_and_export(tmp_path: Path) -> None:
    workspace = drawn_workspace(tmp_path, 200, 150)
    point = workspace.evaluate().choose(MostRejected(0.75), 0.9)
    workspace.choose(point)
    promised = "Test accuracy ≥ 75.0 % with 90 % confidence, from 200 pictures"
    results = tmp_path / "results.json"
    ran = shell("predict", workspace.folder, tmp_path / "tables" / "test.npz", "--json", results)
    assert f"promised: {promised}" in ran.out
    assert json.loads(results.read_text(encoding="utf-8"))["promise"]["bound"] == 0.75
    assert shell("report", workspace.folder).code == 0
    folder = workspace.folder / "report"
    assert promised in (folder / "report.html").read_text(encoding="utf-8")
    stored = json.loads((folder / "operating-point.json").read_text(encoding="utf-8"))
    assert stored["promise"]["confidence"] == 0.9
    ran = shell("export", workspace.folder)
    assert f"promised: {promised}" in ran.out
    import onnx

    model = onnx.load(workspace.folder / "export" / "openmax.onnx")
    metadata = {item.key: item.value for item in model.metadata_props}
    description = ExportDescription.from_json(metadata["openmax"])
    assert description.operating_point.promise == point.promise
