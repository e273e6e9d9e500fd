"""Saved points: exact on disk, safe from each other, and plain about what is wrong."""

import errno
import json
import math
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from openmax_core import OperatingPoint
from openmax_core.errors import OpenMaxError
from openmax_core.methods.settings import PRESETS
from openmax_core.tradeoff import saved_points
from openmax_core.tradeoff.objectives import FewestKnownRejected, LeastCost, MostRejected
from openmax_core.tradeoff.saved_points import SavedPoint, SavedPoints, comparison_table
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import make_workspace

FULL = OperatingPoint(
    threshold=0.1 + 0.2,
    test_accuracy=2 / 3,
    reject_accuracy=1 / 7,
    n_test=3,
    n_reject=7,
    counts={
        "correct": 2,
        "wrong": 0,
        "rejected_known": 1,
        "rejected_unknown": 1,
        "accepted_unknown": 6,
    },
    objective=LeastCost(1.0, 0.1 + 0.2, 5.0, 1 / 3).to_dict(),
    class_thresholds={"birch": 0.1, "ash": 1 / 3},
    preset="notebook",
    settings=PRESETS["notebook"],
    data="c0ffee",
)
LEAST = OperatingPoint(threshold=0.5, test_accuracy=1.0, reject_accuracy=None, n_test=1, n_reject=0)


def saved(name: str, point: OperatingPoint = LEAST, note: str = "") -> SavedPoint:
    return SavedPoint(name, note, "2026-03-01T12:00:00+00:00", point)


@pytest.fixture
def points(tmp_path: Path) -> SavedPoints:
    return SavedPoints(tmp_path / "operating_points.json")


def names(points: SavedPoints) -> list[str]:
    return [item.name for item in points.load()]


# --- round trip ----------------------------------------------------------------------------------


def test_without_a_file_nothing_is_saved_and_looking_makes_none(points):
    assert points.load() == ()
    assert not os.listdir(points.path.parent)


def test_points_come_back_as_they_were_in_the_order_they_were_saved(points):
    everything = (saved("z", FULL, "a note"), saved("a"), saved("m", replace(FULL, data=None)))
    for item in everything:
        points.add(item)
    assert points.load() == everything
    assert SavedPoints(points.path).load() == everything


def test_the_thresholds_per_class_keep_their_order(points):
    points.add(saved("per class", FULL))
    (back,) = points.load()
    assert back.point.class_thresholds is not None
    assert list(back.point.class_thresholds) == ["birch", "ash"]


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=30)
@given(finite, st.floats(0, 1), finite)
def test_floats_come_back_exactly(tmp_path_factory, threshold, share, class_threshold):
    points = SavedPoints(tmp_path_factory.mktemp("exact") / "points.json")
    point = replace(
        FULL,
        threshold=threshold,
        test_accuracy=share,
        reject_accuracy=share,
        class_thresholds={"ash": class_threshold},
        counts={},  # with counts the shares are theirs
    )
    points.add(saved("exact", point))
    (back,) = points.load()
    assert back == saved("exact", point)
    assert math.copysign(1, back.point.threshold) == math.copysign(1, threshold)


def test_removing_takes_one_point_away_and_keeps_the_others(points):
    for name in ("first", "second", "third"):
        points.add(saved(name))
    points.remove("second")
    assert names(points) == ["first", "third"]
    points.add(saved("second"))  # its name is free again
    assert names(points) == ["first", "third", "second"]


@pytest.mark.parametrize("name", ["never there", "", "FIRST", "first "])
def test_removing_a_point_that_is_gone_is_no_error(points, name):
    points.remove(name)
    points.add(saved("first"))
    points.remove(name)
    assert names(points) == ["first"]


def test_the_file_says_what_it_is_and_is_readable(points):
    points.add(saved("Гвоздика", FULL))
    text = points.path.read_text(encoding="utf-8")
    values = json.loads(text)
    assert (values["format"], values["version"]) == ("openmax-operating-points", 1)
    assert values["points"][0]["point"] == FULL.to_dict()
    assert "Гвоздика" in text
    assert text.endswith("}\n")


UNUSUAL = [
    "🌳👩‍👩‍👧 night shift",
    "\"quoted\" 'twice'",
    "**bold** [link](javascript:alert(1)) `code` $x$ :red[x]",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "line\nbreak\ttab",
    "back\\slash \\u0000 \0",
    " space around ",
    "=1+1",
    "百合",
    "null",
    "x" * 60,
    "🌳" * 60,
]


def test_unusual_names_and_notes_survive(points):
    everything = tuple(saved(name, FULL, note=name * 2) for name in UNUSUAL)
    for item in everything:
        points.add(item)
    assert points.load() == everything
    assert comparison_table(points.load())["name"].tolist() == UNUSUAL
    for name in UNUSUAL:
        points.remove(name)
    assert points.load() == ()


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (saved(""), "give the point a name"),
        (saved(" \t\n"), "give the point a name"),
        (saved("x" * 61), "the name is longer than 60 characters"),
        (saved("new", note="x" * 501), "the note is longer than 500 characters"),
        (saved("taken"), "there is a point 'taken' already; take another name, or delete it"),
    ],
    ids=["empty", "blank", "long name", "long note", "taken"],
)
def test_a_point_that_cannot_be_saved_is_an_error_that_says_why(points, item, message):
    points.add(saved("taken"))
    before = points.path.read_bytes()
    with pytest.raises(OpenMaxError) as caught:
        points.add(item)
    assert str(caught.value) == message
    assert points.path.read_bytes() == before


def test_the_longest_name_and_note_are_saved(points):
    points.add(saved("x" * 60, note="y" * 500))
    assert points.load() == (saved("x" * 60, note="y" * 500),)


def test_names_that_differ_in_case_are_different(points):
    points.add(saved("Night"))
    points.add(saved("night"))
    assert names(points) == ["Night", "night"]


def test_there_are_at_most_100_points(points):
    points.add(saved("0"))
    values = json.loads(points.path.read_text(encoding="utf-8"))
    (entry,) = values["points"]
    values["points"] = [{**entry, "name": str(number)} for number in range(99)]
    points.path.write_text(json.dumps(values), encoding="utf-8")
    points.add(saved("99"))
    with pytest.raises(OpenMaxError, match=r"^there are 100 saved points; delete some first$"):
        points.add(saved("100"))
    points.remove("50")
    points.add(saved("100"))
    assert len(points.load()) == 100


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (saved("new", replace(LEAST, test_accuracy=math.nan)), "nan"),
        (saved("new", replace(LEAST, test_accuracy=math.inf)), "inf"),
        (saved("half a \ud83c letter"), "surrogates not allowed"),
    ],
    ids=["share of nothing", "endless share", "half a letter"],
)
def test_what_json_cannot_hold_is_an_error_of_ours_and_changes_nothing(points, item, reason):
    points.add(saved("old"))
    before = points.path.read_bytes()
    with pytest.raises(OpenMaxError, match=rf"^cannot write .*operating_points\.json: .*{reason}"):
        points.add(item)
    assert points.path.read_bytes() == before


# --- damaged files -------------------------------------------------------------------------------


def file_text(**changed: Any) -> str:
    """Text of a file with one point, entries changed; ``...`` takes an entry out."""
    entry: dict[str, Any] = {"name": "a", "note": "", "saved_at": "2026", "point": FULL.to_dict()}
    entry |= changed.pop("entry", {})
    entry = {name: value for name, value in entry.items() if value is not ...}
    values = {"format": "openmax-operating-points", "version": 1, "points": [entry], **changed}
    return json.dumps({name: value for name, value in values.items() if value is not ...})


def test_the_text_that_the_damaged_ones_start_from_is_sound(points):
    points.path.write_text(file_text(), encoding="utf-8")
    assert points.load() == (SavedPoint("a", "", "2026", FULL),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        (file_text()[:200], "Expecting|Unterminated"),
        ("[1, 2]", "not of the format"),
        ("null", "not of the format"),
        ("{}", "format"),
        (file_text(format="openmax-operating-point"), "not of the format openmax-operating-points"),
        (file_text(version=...), "version"),
        (file_text(points=...), "points"),
        (file_text(points=None), "points must be a list, not None"),
        (file_text(points={"a": 1}), "points must be a list"),
        (file_text(points=[1]), r"points\[0\] must be an object, not 1"),
        (file_text(entry={"name": ...}), "name"),
        (file_text(entry={"name": 7}), r"points\[0\].name must be text, not 7"),
        (file_text(entry={"note": None}), r"points\[0\].note must be text, not None"),
        (file_text(entry={"point": ...}), "point"),
        (file_text(entry={"point": None}), r"\(.+\)"),
        (file_text(entry={"point": {**FULL.to_dict(), "threshold": "0.3"}}), "must be a number"),
        (file_text(entry={"point": {**FULL.to_dict(), "threshold": math.nan}}), "must be a number"),
        (file_text(entry={"point": {**FULL.to_dict(), "counts": [1]}}), r"\(.+\)"),
        (file_text(entry={"point": {**FULL.to_dict(), "version": 5}}), "version 4 or older"),
        (file_text(entry={"point": {**FULL.to_dict(), "objective": {"kind": "x"}}}), "objective"),
    ],
    ids=[
        "empty",
        "cut off",
        "a list",
        "null",
        "no entries",
        "one operating point",
        "no version",
        "no points",
        "points null",
        "points by name",
        "a number for a point",
        "no name",
        "name a number",
        "note null",
        "no figures",
        "figures null",
        "threshold as text",
        "threshold NaN",
        "counts a list",
        "newer point",
        "unknown objective",
    ],
)
def test_a_damaged_file_is_named_in_the_error_and_left_as_it_is(points, text, reason):
    points.path.write_text(text, encoding="utf-8")
    for action in (points.load, lambda: points.add(saved("new")), lambda: points.remove("a")):
        with pytest.raises(OpenMaxError, match=reason) as caught:
            action()
        assert str(caught.value).startswith(f"cannot read the saved points {points.path} (")
        assert str(caught.value).endswith("); mend the file, or move it away to start anew")
        assert points.path.read_text(encoding="utf-8") == text


def test_a_file_that_is_no_text_and_a_folder_in_its_place_are_the_same_error(points):
    points.path.write_bytes(b"\x80\xff\xfe")
    with pytest.raises(OpenMaxError, match=r"^cannot read the saved points .*points\.json"):
        points.add(saved("new"))
    assert points.path.read_bytes() == b"\x80\xff\xfe"
    points.path.unlink()
    points.path.mkdir()
    with pytest.raises(OpenMaxError, match=r"^cannot read the saved points .*points\.json"):
        points.add(saved("new"))


@pytest.mark.parametrize("version", [2, 99, "1", None])
def test_a_file_of_another_version_is_refused_with_both_versions_in_the_message(points, version):
    text = file_text(version=version)
    points.path.write_text(text, encoding="utf-8")
    for action in (points.load, lambda: points.add(saved("new"))):
        with pytest.raises(OpenMaxError) as caught:
            action()
        assert str(caught.value) == (
            f"cannot read the saved points {points.path} (format version {version!r}; this program "
            "reads version 1, update it); mend the file, or move it away to start anew"
        )
    assert points.path.read_text(encoding="utf-8") == text


def test_a_point_of_the_older_version_is_read(points):
    old = {
        "format": "openmax-operating-point",
        "version": 1,
        "threshold": 0.5,
        "test_accuracy": 1.0,
        "reject_accuracy": None,
        "n_test": 1,
        "n_reject": 0,
        "min_test_accuracy": 0.9,
    }
    points.path.write_text(file_text(entry={"point": old}), encoding="utf-8")
    (back,) = points.load()
    assert back.point == replace(LEAST, objective=MostRejected(0.9).to_dict())


# --- disks that fail -----------------------------------------------------------------------------


def fails_with(error: BaseException) -> Any:
    """Return a function that fails as the operating system does."""

    def fail(*arguments: Any, **keywords: Any) -> None:
        raise error

    return fail


DISK_FULL = OSError(errno.ENOSPC, "No space left on device")
NOT_ALLOWED = PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize(
    ("step", "error"),
    [("fsync", DISK_FULL), ("replace", DISK_FULL), ("open", DISK_FULL), ("open", NOT_ALLOWED)],
    ids=["full at the flush", "full at the rename", "full at the lock", "not writable"],
)
def test_a_write_that_fails_leaves_what_was_there_and_the_next_one_works(
    points, monkeypatch, step, error, is_first
):
    if not is_first:
        points.add(saved("old"))
    before = points.load()
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fails_with(error))
        with pytest.raises(OpenMaxError, match=rf"^cannot write .*: .*{error.strerror}"):
            points.add(saved("new"))
        with pytest.raises(OpenMaxError, match=rf"^cannot write .*: .*{error.strerror}"):
            points.remove("old")
    assert points.load() == before
    assert set(os.listdir(points.path.parent)) <= {points.path.name, f"{points.path.name}.lock"}
    points.add(saved("new"))
    assert points.load() == (*before, saved("new"))


def test_a_disk_without_locks_is_an_error_that_names_the_file(points, monkeypatch):
    points.add(saved("old"))
    error = NotImplementedError("FileSystem does not appear to support flock")
    monkeypatch.setattr(saved_points, "FileLock", fails_with(error))
    with pytest.raises(OpenMaxError, match=r"cannot write .*points\.json: .* support flock"):
        points.add(saved("new"))
    assert names(points) == ["old"]


def test_a_file_in_the_place_of_the_folder_is_an_error_that_names_it(tmp_path):
    (tmp_path / "taken").write_text("text")
    with pytest.raises(OpenMaxError, match=r"^cannot write .*points\.json: "):
        SavedPoints(tmp_path / "taken" / "points.json").add(saved("new"))
    assert (tmp_path / "taken").read_text() == "text"


# --- several at once -----------------------------------------------------------------------------


def test_threads_that_save_and_delete_at_once_lose_nothing(points):
    for number in range(4):
        points.add(saved(f"old {number}"))
    start = threading.Barrier(4)

    def work(worker: int) -> None:
        start.wait()
        for number in range(3):
            points.add(saved(f"{worker}-{number}", FULL))
        SavedPoints(points.path).remove(f"old {worker}")

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(work, worker) for worker in range(4)]
        while not all(run.done() for run in runs):
            points.load()  # whole at every moment
        for run in runs:
            run.result()
    assert sorted(names(points)) == [f"{w}-{n}" for w in range(4) for n in range(3)]
    for worker in range(4):
        mine = [name for name in names(points) if name.startswith(f"{worker}-")]
        assert mine == sorted(mine)


def test_of_threads_that_save_under_one_name_one_succeeds(points):
    start = threading.Barrier(4)

    def work(worker: int) -> str:
        start.wait()
        try:
            points.add(saved("same", note=str(worker)))
        except OpenMaxError as error:
            return str(error)
        return "saved"

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(work, range(4)))
    refused = "there is a point 'same' already; take another name, or delete it"
    assert sorted(answers) == ["saved", refused, refused, refused]
    (kept,) = points.load()
    assert kept.note == str(answers.index("saved"))


WORKER = """
import sys
from pathlib import Path
from openmax_core import OperatingPoint
from openmax_core.tradeoff.saved_points import SavedPoint, SavedPoints
points, me = SavedPoints(Path(sys.argv[1])), sys.argv[2]
point = OperatingPoint(0.5, 1.0, None, 1, 0)
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    points.add(SavedPoint(f"{me}-{number}", "", "2026", point))
"""


def test_processes_that_save_at_once_lose_nothing(points):
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, points.path, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate()
    assert [worker.returncode for worker in workers] == [0, 0]
    assert sorted(names(points)) == [f"{name}-{number}" for name in "ab" for number in range(8)]


def test_a_lock_that_another_holds_too_long_is_an_error_and_changes_nothing(points, monkeypatch):
    points.add(saved("old"))
    monkeypatch.setattr(saved_points, "LOCK_SECONDS", 0.1)
    with ThreadPoolExecutor(1) as pool, FileLock(f"{points.path}.lock"):
        other = pool.submit(points.add, saved("new")).exception()
    assert isinstance(other, OpenMaxError)
    assert str(other).startswith(f"cannot write {points.path}: ")
    assert names(points) == ["old"]
    points.add(saved("new"))
    assert names(points) == ["old", "new"]


# --- the workspace's own -------------------------------------------------------------------------


def test_a_workspace_keeps_its_points_beside_the_chosen_one(tmp_path):
    workspace = make_workspace(tmp_path, n_train=10, n_test=6, n_reject=6)
    assert workspace.saved_points.load() == ()
    evaluated = workspace.evaluate()
    chosen, by_hand = evaluated.recommend(0.5), evaluated.point_at(0.3)
    workspace.choose(chosen)
    state = workspace.state()
    workspace.saved_points.add(saved("chosen", chosen))
    workspace.saved_points.add(saved("by hand", by_hand))
    assert workspace.saved_points.path == tmp_path / "operating_points.json"
    again = Workspace.open(tmp_path)
    assert again.saved_points.load() == (saved("chosen", chosen), saved("by hand", by_hand))
    again.saved_points.remove("chosen")
    assert again.operating_point() == chosen
    assert workspace.state() == state  # nothing that figures are made from has changed


# --- side by side --------------------------------------------------------------------------------

COLUMNS = [
    "name",
    "method",
    "threshold",
    "thresholds per class",
    "test_accuracy",
    "test_interval",
    "reject_accuracy",
    "reject_interval",
    "test pictures",
    "reject pictures",
    "kinds in production",
    "promised",
    "chosen for",
    "note",
    "saved_at",
    "data",
]


def test_the_comparison_has_a_row_a_point_in_their_order():
    known = replace(LEAST, objective=FewestKnownRejected(0.05).to_dict(), preset="bendale")
    table = comparison_table(
        [
            SavedPoint("full", "for the night", "2026-03-01T12:00:00+00:00", FULL),
            SavedPoint("known", "", "2026-03-02T12:00:00+00:00", known),
        ]
    )
    assert list(table.columns) == COLUMNS
    assert table.iloc[0].tolist() == [
        "full",
        "notebook",
        0.1 + 0.2,
        True,
        2 / 3,
        "20.8–93.9 %",
        1 / 7,
        "2.6–51.3 %",
        3,
        7,
        "",
        "",
        "the least expected cost (wrong known 1, rejected known 0.3, accepted unknown 5, "
        "33.33333333333333 % unknowns)",
        "for the night",
        "2026-03-01T12:00:00+00:00",
        "c0ffee",
    ]
    second = table.iloc[1]
    assert second["name"] == "known"
    assert second["chosen for"] == "the highest threshold with knowns rejected ≤ 5.0 %"
    assert not second["thresholds per class"]
    assert math.isnan(second["reject_accuracy"])
    assert pd.isna(second["data"])


def test_a_point_set_by_hand_says_so():
    assert comparison_table([saved("a")])["chosen for"].tolist() == ["set by hand"]


@pytest.mark.parametrize("point", [FULL, LEAST], ids=["with a reject set", "without one"])
def test_figures_are_numbers_also_where_no_point_has_a_reject_set(point):
    table = comparison_table([saved("a", point), saved("b", point)])
    assert table["reject_accuracy"].dtype == "float64"
    assert table["test_accuracy"].dtype == "float64"


def test_the_comparison_of_no_points_has_the_same_columns():
    table = comparison_table([])
    assert (len(table), list(table.columns)) == (0, COLUMNS)
