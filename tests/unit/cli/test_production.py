"""openmax evaluate --kinds and --costs: what production looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openmax_core.tradeoff.cost_table import CostTable, parse_costs
from openmax_core.tradeoff.objectives import LeastTableCost
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import shell
from tests.support.workspaces import divide_reject_set, make_workspace


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = make_workspace(tmp_path_factory.mktemp("production") / "trees")
    divide_reject_set(workspace, {"elm": 20})
    return workspace


def test_shares_weight_the_table_and_the_recommended_point(trees: Workspace) -> None:
    ran = shell("evaluate", trees.folder, "--kinds", "oak=3,elm=1", "--json")
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    evaluation = trees.evaluate().in_production({"oak": 3, "elm": 1})
    for row in found["table"]:
        assert row["reject_accuracy"] == evaluation.curve.reject_accuracy(row["threshold"])
    point = evaluation.recommend(trees.settings.defaults.min_test_accuracy)
    assert found["recommended"] == json.loads(point.to_json())
    assert [item["share"] for item in found["recommended"]["kinds"]] == [0.25, 0.75]
    assert {row["folder"]: row["share"] for row in found["reject_folders"]} == {
        "elm": 0.25,
        "oak": 0.75,
    }


def test_what_is_weighted_is_said(trees: Workspace) -> None:
    ran = shell("evaluate", trees.folder, "--kinds", "oak=1")
    assert (
        "production  kinds of unknowns: oak 100 %; Reject accuracy is weighted by them" in ran.out
    )
    assert "not expected: elm" in ran.out
    assert "weighted by kind: oak 100 %" in ran.out
    assert "weighted" not in shell("evaluate", trees.folder).out


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ("oak", 2, "write each folder of the reject set with its share"),
        ("ash=1", 1, "there are no reject pictures of the kind 'ash'"),
        ("oak=0", 1, "are all 0"),
    ],
)
def test_shares_that_fit_nothing_are_refused(
    trees: Workspace, given: str, code: int, words: str
) -> None:
    ran = shell("evaluate", trees.folder, "--kinds", given)
    assert ran.code == code
    assert words in ran.err


def test_a_table_of_costs_chooses_the_threshold(trees: Workspace, tmp_path: Path) -> None:
    table = CostTable.of_three(trees.classes, 1, 2, 9)
    file = tmp_path / "costs.csv"
    file.write_text(table.to_csv() + "unknown: elm,2,2,2,0\n", encoding="utf-8")
    ran = shell("evaluate", trees.folder, "--costs", file, "--unknown-share", "30%", "--json")
    assert (ran.code, ran.err) == (0, "")
    objective = LeastTableCost(parse_costs(file.read_text(), trees.classes), 0.3)
    point = trees.evaluate().choose(objective)
    assert json.loads(ran.out)["recommended"] == json.loads(point.to_json())
    text = shell("evaluate", trees.folder, "--costs", file).out
    assert "the least expected cost by a table of costs (10.0 % unknowns). Expected cost" in text


def test_costs_that_fit_nothing_are_refused(trees: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text(CostTable.of_three(("x", "y"), 1, 1, 1).to_csv(), encoding="utf-8")
    ran = shell("evaluate", trees.folder, "--costs", file)
    assert ran.code == 1
    assert "costs.csv: the table of costs has no column" in ran.err
    ran = shell("evaluate", trees.folder, "--unknown-share", "0.2")
    assert "--unknown-share is for expected costs" in ran.err
    ran = shell("evaluate", trees.folder, "--costs", file, "--min-test-accuracy", "0.5")
    assert "give one of them" in ran.err
