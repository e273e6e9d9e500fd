"""openmax predict: decisions in words, as CSV and as JSON."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from openmax_core.cli.commands import EXIT_UNREADABLE
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import CLASSES, TRAIN, Story, process, shell


def accepted(story: Story, name: str) -> Path:
    """Return a test picture of a class that 'unknown' does not win."""
    evaluation = Workspace.open(story.folder).evaluate()
    margins = evaluation.openmax.predict_proba(evaluation.test.logits)
    label = CLASSES.index(name)
    best = np.argmax(margins[:, label] - np.delete(margins, label, axis=1).max(axis=1))
    path = story.folder / "test" / str(evaluation.test.readable["path"].iloc[int(best)])
    assert path.parent.name == name
    return path


def test_a_low_threshold_names_the_class_of_a_known_picture(story: Story) -> None:
    path = accepted(story, "red")
    ran = shell("predict", story.folder, path, "--threshold", "0", "--device", "cpu")
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.splitlines()
    assert first == "method openmax, threshold 0 (given)"
    assert second.split()[:2] == ["red", str(path)]
    assert "reaches the threshold 0; its distance to" in second


def test_a_threshold_above_every_score_rejects_all(story: Story) -> None:
    ran = shell("predict", story.folder, story.folder / "train", "--threshold", "1e6")
    assert ran.code == 0
    lines = ran.out.splitlines()[1:]
    assert len(lines) == 2 * TRAIN
    assert {line.split()[0] for line in lines} == {"rejected"}


def test_a_folder_with_a_damaged_picture_ends_with_3_and_says_why(
    story: Story, tmp_path: Path
) -> None:
    good = shutil.copy(accepted(story, "blue"), tmp_path / "good.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not more than a beginning")
    ran = shell("predict", story.folder, tmp_path, "--threshold", "0")
    assert (ran.code, ran.err) == (EXIT_UNREADABLE, "")
    lines = ran.out.splitlines()
    assert lines[1].split()[:2] == ["unreadable", str(tmp_path / "broken.jpg")]
    assert len(lines[1].split("   ")[-1]) > 10
    assert lines[2].split()[:2] == ["blue", str(good)]


def test_csv_holds_every_figure(story: Story, tmp_path: Path) -> None:
    file = tmp_path / "out" / "verdicts.csv"
    paths = (story.folder / "test" / "red" / "00.png", story.folder / "reject" / "00.png")
    ran = shell("predict", story.folder, *paths, "--threshold", "0.5", "--csv", file)
    assert ran.out.splitlines()[-1] == f"wrote {file}"
    table = pd.read_csv(file)
    assert table["file"].tolist() == [str(path) for path in paths]
    assert list(table.columns) == [
        *("file", "verdict", "decision", "score", "nearest_class", "reason"),
        *("p_blue", "p_red", "p_unknown", "distance_blue", "distance_red", "cdf_blue", "cdf_red"),
    ]
    sums = table[["p_blue", "p_red", "p_unknown"]].sum(axis=1)
    np.testing.assert_allclose(sums, 1.0, rtol=0, atol=1e-12)
    # One network, one picture: the batch alone differs from what was stored.
    workspace = Workspace.open(story.folder)
    evaluation = workspace.evaluate()
    row = evaluation.test.readable["path"].tolist().index("red/00.png")
    stored = evaluation.openmax.predict_proba(evaluation.test.logits[[row]])[0]
    written = table[["p_blue", "p_red", "p_unknown"]].to_numpy()[0]
    np.testing.assert_allclose(written, stored, atol=1e-3)


def test_json_holds_method_threshold_and_every_figure(story: Story, tmp_path: Path) -> None:
    files = [tmp_path / "verdicts.csv", tmp_path / "verdicts.json"]
    paths = (story.folder / "test" / "red" / "00.png", story.folder / "reject" / "00.png")
    ran = shell(
        *("predict", story.folder, *paths, "--threshold", "0.5"),
        *("--csv", files[0], "--json", files[1]),
    )
    assert ran.out.splitlines()[-1] == f"wrote {files[1]}"
    values = json.loads(files[1].read_text(encoding="utf-8"))
    evaluation = Workspace.open(story.folder).evaluate()
    assert (values["method"], values["threshold"]) == ("openmax", 0.5)
    assert values["data"] == evaluation.data
    table = pd.read_csv(files[0])
    for name in ("file", "verdict", "decision", "reason"):
        assert [item[name] for item in values["pictures"]] == table[name].tolist()
    after = np.array([item["after"] for item in values["pictures"]])
    np.testing.assert_allclose(after, table[["p_blue", "p_red", "p_unknown"]], rtol=1e-12)
    logits = np.array([item["logits"] for item in values["pictures"]])
    np.testing.assert_array_equal(evaluation.openmax.predict_proba(logits), after)


def test_the_stored_operating_point_decides(folder: Path) -> None:
    workspace = Workspace.open(folder)
    workspace.choose(workspace.evaluate("notebook").point_at(0.4321))
    ran = shell("predict", folder, folder / "reject" / "00.png")
    assert ran.code == 0
    assert ran.out.startswith(
        "method notebook, threshold 0.4321 (the workspace's operating point)\n"
    )


def test_without_an_operating_point_the_recommended_threshold_decides(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("min_test_accuracy = 0.85", "min_test_accuracy = 0.5"), encoding="utf-8"
    )
    threshold = Workspace.open(folder).evaluate().recommend(0.5).threshold
    text = repr(threshold).removesuffix(".0")  # exactly this threshold, as one would type it
    ran = shell("predict", folder, folder / "reject" / "00.png")
    assert ran.code == 0
    assert ran.out.startswith(
        f"method openmax, threshold {text} (recommended under Test accuracy ≥ 50.0 %)\n"
    )


def test_thresholds_per_class_of_the_stored_point_decide(folder: Path, tmp_path: Path) -> None:
    workspace = Workspace.open(folder)
    evaluation = workspace.evaluate("robust")
    thresholds = {"red": 1.5}  # no red one reaches it; 'blue' keeps the single one
    workspace.choose(replace(evaluation.point_at(0.25), class_thresholds=thresholds))
    file = tmp_path / "verdicts.csv"
    ran = shell("predict", folder, folder / "test", "--csv", file)
    assert ran.out.startswith(
        "method robust, threshold 0.25 (the workspace's operating point, with thresholds per "
        "class (the single one for blue))\n"
    )
    table = pd.read_csv(file)
    probabilities = table[["p_blue", "p_red", "p_unknown"]].to_numpy()
    expected = [("blue", "rejected", "rejected")[best] for best in probabilities.argmax(axis=1)]
    assert table["decision"].tolist() == expected
    reds = table[probabilities.argmax(axis=1) == 1]
    assert len(reds) > 0
    assert all("is under the threshold 1.5;" in reason for reason in reds["reason"])
    # A threshold that is given is one for all.
    ran = shell("predict", folder, folder / "test", "--threshold", "0.25", "--csv", file)
    assert ran.out.startswith("method robust, threshold 0.25 (given)\n")
    decided = pd.read_csv(file)["decision"].tolist()
    assert decided == [("blue", "red", "rejected")[best] for best in probabilities.argmax(axis=1)]


def test_a_file_name_that_is_no_text_is_listed_and_written(story: Story, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    name = os.fsencode(tmp_path / "new") + b"/caf\xe9.png"
    shutil.copy(os.fsencode(story.folder / "test" / "blue" / "00.png"), name)
    file = tmp_path / "verdicts.csv"
    ran = process(
        *("predict", story.folder, tmp_path / "new", "--threshold", "0", "--csv", file),
        PYTHONIOENCODING="utf-8",
    )
    assert b"Traceback" not in ran.stderr
    assert ran.returncode == 0
    assert b"caf" in ran.stdout.splitlines()[1]
    assert "/caf" in pd.read_csv(file)["file"][0]


def test_every_picture_has_one_line_whatever_its_name(story: Story, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    for name in ("two\nlines.png", "\x1b[31mred.png", "<b>bold.png"):
        shutil.copy(story.folder / "test" / "blue" / "00.png", folder / name)
    os.mkfifo(folder / "pipe\n.png")
    written = [tmp_path / "verdicts.csv", tmp_path / "verdicts.json"]
    ran = shell(
        *("predict", story.folder, folder, "--threshold", "0"),
        *("--csv", written[0], "--json", written[1]),
    )
    assert ran.code == 3
    lines = ran.out.splitlines()
    assert len(lines) == 1 + 4 + 2
    for name in ("two\\nlines.png", "\\x1b[31mred.png", "<b>bold.png"):
        assert sum(f"blue             {folder}/{name}   " in line for line in lines) == 1
    assert f"unreadable       {folder}/pipe\\n.png   it is a named pipe, and no picture" in lines
    # A file keeps the names as they are: both formats can hold them.
    names = {str(path) for path in folder.iterdir()}
    assert set(pd.read_csv(written[0])["file"]) == names
    assert {item["file"] for item in json.loads(written[1].read_text())["pictures"]} == names
