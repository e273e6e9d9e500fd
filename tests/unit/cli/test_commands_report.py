"""openmax report: three files of an operating point."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.objectives import AtMostLost, Balanced, MostRejected
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.sweep import default_thresholds, parse_thresholds, sweep_table
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import TEST, Story, shell

NAMES = ("report.html", "thresholds.csv", "operating-point.json")


def test_a_report_is_three_files_of_the_workspace_s_operating_point(folder: Path) -> None:
    workspace = Workspace.open(folder)
    evaluation = workspace.evaluate("notebook", tail_size=15)
    workspace.choose(evaluation.choose(Balanced()))
    point = evaluation.choose(Balanced())
    ran = shell("report", folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"method notebook, threshold {threshold_text(point.threshold)} (the workspace's operating "
        "point)",
        *(f"wrote {folder / 'report' / name}" for name in NAMES),
    ]
    assert sorted(path.name for path in (folder / "report").iterdir()) == sorted(NAMES)
    assert OperatingPoint.load(folder / "report" / NAMES[2]) == point
    expected = sweep_table(
        evaluation.curve,
        parse_thresholds(
            default_thresholds(evaluation.method.name, evaluation.overall, evaluation.score_range)
        ),
    )
    with (folder / "report" / NAMES[1]).open(encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    assert header == expected.columns.tolist()
    assert [list(map(float, row)) for row in rows] == expected.to_numpy().tolist()
    html = (folder / "report" / NAMES[0]).read_text(encoding="utf-8")
    assert "Open-set recognition: colours" in html
    assert f"At the threshold <b>{threshold_text(point.threshold)}</b>" in html
    share = f"({point.counts['correct']} of {2 * TEST}; 95 % "
    assert f"Test accuracy is <b>{100 * point.test_accuracy:.1f} %</b> {share}" in html
    assert "It was chosen for the best mean of Test accuracy and Reject accuracy." in html


def test_a_second_report_replaces_the_first(folder: Path) -> None:
    for threshold in ("0.5", "0.75"):
        assert shell("report", folder, "--threshold", threshold).code == 0
        assert OperatingPoint.load(folder / "report" / NAMES[2]).threshold == float(threshold)
    assert len(list((folder / "report").iterdir())) == len(NAMES)


def test_method_threshold_rows_and_folder_of_a_report_can_be_given(
    story: Story, tmp_path: Path
) -> None:
    output = tmp_path / "for" / "the board"
    ran = shell(
        *("report", story.folder, "--preset", "notebook", "--threshold", "0.4321"),
        *("--thresholds", "0.5,0.25", "--output", output),
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "method notebook, threshold 0.4321 (given)",
        *(f"wrote {output / name}" for name in NAMES),
    ]
    assert OperatingPoint.load(output / NAMES[2]) == (
        Workspace.open(story.folder).evaluate("notebook").point_at(0.4321)
    )
    assert pd.read_csv(output / NAMES[1])["threshold"].tolist() == [0.5, 0.25]
    html = (output / NAMES[0]).read_text(encoding="utf-8")
    rows = re.findall(r"<tr[^>]*><th scope='row'>([\d.]+)</th>", html)
    assert rows == ["0.5", "0.25"]
    assert not (story.folder / "report").exists()


def test_a_report_of_thresholds_per_class_has_their_figures_on_the_present_pictures(
    folder: Path,
) -> None:
    workspace = Workspace.open(folder)
    evaluation = workspace.evaluate("robust")
    old = replace(
        evaluation.point_at(0.25),
        class_thresholds={"red": 1.5},
        test_accuracy=0.5,
        counts={},
        data="of then",
    )
    workspace.choose(old)
    ran = shell("report", folder)
    assert ran.out.startswith(
        "method robust, threshold 0.25 (the workspace's operating point, with thresholds per "
        "class (the single one for blue), on activations that have changed since)\n"
    )
    point = OperatingPoint.load(folder / "report" / NAMES[2])
    curve = evaluation.curve
    blue = (curve.test_predictions == 0) & (curve.test_scores >= 0.25)
    assert point.class_thresholds == {"red": 1.5}
    assert point.counts["correct"] == int((blue & (curve.test_labels == 0)).sum()) > 0
    assert point.data == evaluation.data
    assert "With a threshold per class Test accuracy is" in (
        (folder / "report" / NAMES[0]).read_text(encoding="utf-8")
    )


def test_without_an_operating_point_the_report_is_of_the_recommended_one(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("min_test_accuracy = 0.85", "min_test_accuracy = 0.5"), encoding="utf-8"
    )
    ran = shell("report", folder)
    assert ran.code == 0
    assert "(recommended under Test accuracy ≥ 50.0 %)\n" in ran.out
    written = OperatingPoint.load(folder / "report" / NAMES[2])
    assert written == Workspace.open(folder).evaluate().recommend(0.5)
    assert written.chosen_for == MostRejected(0.5)


def test_where_no_threshold_keeps_the_floor_the_report_is_under_a_relative_one(
    folder: Path,
) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    text = text.replace("min_test_accuracy = 0.85", "min_test_accuracy = 1.0")
    path.write_text(text.replace('preset = "openmax"', 'preset = "bendale"'), encoding="utf-8")
    ran = shell("report", folder)
    assert ran.code == 0
    assert "(recommended under at most 5 points lost against a Test accuracy of " in ran.out
    written = OperatingPoint.load(folder / "report" / NAMES[2])
    assert isinstance(written.chosen_for, AtMostLost)


def test_a_report_into_a_place_that_is_no_folder_is_an_error(story: Story, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    ran = shell("report", story.folder, "--threshold", "0.5", "--output", tmp_path / "taken")
    assert (ran.code, ran.out) == (1, "")
    assert ran.error.startswith(f"cannot write {tmp_path / 'taken' / NAMES[0]}: ")
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "a file"


def test_a_report_where_nothing_can_be_written_is_an_error(story: Story) -> None:
    ran = shell("report", story.folder, "--threshold", "0.5", "--output", "/proc/nowhere")
    assert (ran.code, ran.out) == (1, "")
    assert ran.error.startswith(f"cannot write /proc/nowhere/{NAMES[0]}: ")
