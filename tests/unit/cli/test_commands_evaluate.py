"""openmax evaluate: the table, the recommended threshold and what is counted."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openmax_core.analysis.reject_folders import reject_folders
from openmax_core.cli.commands import EXIT_INFEASIBLE
from openmax_core.tradeoff.intervals import share_interval
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.tradeoff.resampling import repeated_splits, rest_in_words
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import CLASSES, REJECT, TEST, TRAIN, Story, shell
from tests.support.workspaces import divide_reject_set, make_workspace


def test_json_agrees_with_the_curve(story: Story) -> None:
    ran = shell(
        *("evaluate", story.folder, "--json", "--thresholds", "0.30:0.40:0.01"),
        *("--min-test-accuracy", "0.5"),
    )
    assert (ran.code, ran.err) == (0, "")
    values = json.loads(ran.out)
    evaluation = Workspace.open(story.folder).evaluate()
    curve = evaluation.curve
    assert [row["threshold"] for row in values["table"]] == [
        *(0.30, 0.31, 0.32, 0.33, 0.34, 0.35, 0.36, 0.37, 0.38, 0.39, 0.40)
    ]
    for row in values["table"]:
        outcome = curve.outcome(row["threshold"])
        assert row["test_accuracy"] == curve.test_accuracy(row["threshold"])
        assert row["reject_accuracy"] == curve.reject_accuracy(row["threshold"])
        assert row["test_low"] == share_interval(outcome.correct, 2 * TEST).low
        assert row["reject_high"] == share_interval(outcome.rejected_unknown, REJECT).high
        assert row["correct"] + row["wrong"] + row["rejected_known"] == 2 * TEST
        assert row["rejected_unknown"] + row["accepted_unknown"] == REJECT
    point = evaluation.recommend(0.5)
    assert values["recommended"]["threshold"] == point.threshold
    assert values["recommended"]["reject_accuracy"] == point.reject_accuracy
    assert values["problem"] is None
    rest = repeated_splits(curve, MostRejected(0.5))
    assert values["on_the_rest"] == rest.summary
    assert values["auroc"] == curve.auroc
    assert values["classes"] == ["blue", "red"]
    assert values["pictures"] == {"train": 80, "test": 24, "reject": 10}
    assert values["preset"] == "openmax"
    assert values["accuracy_before_rejection"] == evaluation.accuracy_before_rejection
    assert values["data"] == evaluation.data
    # One folder of unknowns says nothing by folder.
    assert values["reject_folders"] == []


def test_evaluate_says_the_reject_accuracy_by_kind_of_unknown(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "trees")
    divide_reject_set(workspace, {"elm": 20})
    evaluation = workspace.evaluate()
    table = reject_folders(evaluation).at(evaluation.recommend(0.85).threshold)
    assert dict(zip(table["folder"], table["pictures"], strict=True)) == {"elm": 20, "oak": 40}
    values = json.loads(shell("evaluate", workspace.folder, "--json").out)
    assert values["reject_folders"] == table.to_dict(orient="records")
    text = shell("evaluate", workspace.folder).out
    for row in table.itertuples():
        assert f"{row.rejected:6} of {row.pictures:6}  {row.folder}" in text


def test_text_has_a_row_a_threshold_with_the_curve_s_values(story: Story) -> None:
    ran = shell(
        "evaluate", story.folder, "--thresholds", "0.30:0.40:0.01", "--min-test-accuracy", "0.5"
    )
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(" threshold"))
    rows = [line.split() for line in lines[start + 1 : start + 12]]
    curve = Workspace.open(story.folder).evaluate().curve
    for row, threshold in zip(rows, np.arange(30, 41) / 100, strict=True):
        assert row[0] == f"{threshold:g}"
        assert row[1:3] == [f"{100 * curve.test_accuracy(threshold):.1f}", "%"]
        assert row[5:7] == [f"{100 * curve.reject_accuracy(threshold):.1f}", "%"]
    assert lines[start + 12] == ""
    assert lines[start + 13].startswith("recommended: threshold ")
    assert lines[start + 14] == rest_in_words(curve, MostRejected(0.5))


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_preset_sets_the_method(story: Story, preset: str) -> None:
    ran = shell("evaluate", story.folder, "--preset", preset, "--min-test-accuracy", "0", "--json")
    values = json.loads(ran.out)
    assert (ran.code, values["preset"]) == (0, preset)
    assert values["settings"]["second_softmax"] is (preset == "notebook")


@pytest.mark.parametrize("command", ["evaluate", "predict", "report", "export", "monitor"])
def test_where_pictures_are_counted_every_command_shows_how_far_it_is(
    folder: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 100)
    given: dict[str, list[str | Path]] = {
        "evaluate": ["--json"],
        "predict": [folder / "reject" / "00.png", "--device", "cpu"],
        "monitor": [folder / "test", "--device", "cpu", "--json"],
    }
    more = given.get(command, [])
    ran = shell(command, folder, *more, terminal=True)
    assert ran.code == 0
    n_to_count = 2 * len(CLASSES) * TRAIN + len(CLASSES) * TEST + REJECT
    assert re.search(rf"counting: .*/{n_to_count} \[", ran.err)
    assert "counting" not in ran.out
    if "--json" in more:
        assert json.loads(ran.out)["workspace"] == "colours"


def test_what_is_counted_already_and_what_no_terminal_shows_is_counted_silently(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 100)
    assert shell("evaluate", folder).err == ""
    assert shell("evaluate", folder, terminal=True).err == ""
    shutil.rmtree(folder / "activations" / "counts")
    assert "counting" in shell("evaluate", folder, terminal=True).err


def test_an_unreachable_floor_ends_with_4_and_prints_the_table(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "trees", preset="bendale")
    ran = shell("evaluate", workspace.folder, "--min-test-accuracy", "1")
    assert (ran.code, ran.err) == (EXIT_INFEASIBLE, "")
    assert "recommended: no threshold reaches Test accuracy ≥ 100.0 %" in ran.out
    assert "\n      0.45  " in ran.out


def test_an_unreachable_floor_in_json(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "trees", preset="bendale")
    ran = shell("evaluate", workspace.folder, "--min-test-accuracy", "1", "--json")
    values = json.loads(ran.out)
    assert (ran.code, values["recommended"]) == (EXIT_INFEASIBLE, None)
    assert "no threshold reaches Test accuracy" in values["problem"]


def test_settings_of_the_method_are_set_one_by_one(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "trees", preset="robust")
    given: dict[str, Any] = {
        "tail_size": 12,
        "strength": 0.5,
        "second_softmax": True,
        "distance": "cosine",
    }
    options = [part for name, value in given.items() for part in ("--set", f"{name}={value}")]
    values = json.loads(shell("evaluate", workspace.folder, "--json", *options).out)
    evaluation = workspace.evaluate("robust", **given)
    assert values["settings"] == evaluation.openmax.settings_.to_dict()
    assert values["recommended"] == evaluation.recommend(0.85).to_dict()
    assert values["settings"] | given == values["settings"]
    text = shell("evaluate", workspace.folder, *options).out
    assert "tail_size 12" in text
    assert "strength 0.5" in text


def test_without_a_reject_set_reject_accuracy_is_not_measured(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('reject = "reject"\n', ""), encoding="utf-8")
    ran = shell("evaluate", folder, "--min-test-accuracy", "0.5", "--method", "robust")
    assert (ran.code, ran.err) == (0, "")
    assert "reject set  none: Reject accuracy cannot be measured" in ran.out
    assert "with Reject accuracy not measured" in ran.out
    asked = ("evaluate", folder, "--min-test-accuracy", "0.5", "--method", "robust", "--json")
    values = json.loads(shell(*asked).out)
    assert ran.out.count("not measured") == 1 + len(values["table"])  # and in each row
    assert values["auroc"] is None
    assert values["recommended"]["reject_accuracy"] is None
    assert {row["reject_accuracy"] for row in values["table"]} == {None}
    assert "NaN" not in json.dumps(values)
