"""openmax evaluate --stand-ins: known classes left out in turn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openmax_core.analysis.stand_ins import CAVEAT, measure_stand_ins
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import shell
from tests.support.workspaces import make_workspace


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("stand_ins") / "trees")


def test_each_class_has_a_line_and_the_limits_are_said(trees: Workspace) -> None:
    ran = shell("evaluate", trees.folder, "--stand-ins", "--min-test-accuracy", "0.5")
    assert ran.code == 0
    n = len(trees.classes)
    assert f"stand-ins for unknowns: {n} of {n} classes left out" in ran.out
    for name in trees.classes:
        assert f"{name} (" in ran.out.split("stand-ins for unknowns")[1]
    assert "With the reject set AUROC is" in ran.out
    assert CAVEAT in ran.out


def test_json_has_the_librarys_figures(trees: Workspace) -> None:
    ran = shell("evaluate", trees.folder, "--stand-ins", "2", "--json")
    found = json.loads(ran.out)["stand_ins"]
    floor = trees.settings.defaults.min_test_accuracy
    measured = measure_stand_ins(trees.evaluate(), most_classes=2)
    table = measured.choose(MostRejected(floor)).table
    assert [row["class"] for row in found["classes"]] == list(table["class"])
    assert [row["auroc"] for row in found["classes"]] == list(table["auroc"])
    assert found["caveat"] == CAVEAT
    assert len(found["classes"]) == 2


def test_without_being_asked_for_nothing_is_left_out(trees: Workspace) -> None:
    assert "stand_ins" not in json.loads(shell("evaluate", trees.folder, "--json").out)


def test_two_classes_are_refused_in_words(trees: Workspace, tmp_path: Path) -> None:
    two = make_workspace(tmp_path / "two", classes=("ash", "elm"))
    ran = shell("evaluate", two.folder, "--stand-ins")
    assert ran.code == 1
    assert "stand-ins need at least 3 known classes" in ran.err
