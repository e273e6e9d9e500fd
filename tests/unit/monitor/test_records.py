"""Recorded batches come back as they were, once each, whole or not at all; and their figures."""

from __future__ import annotations

import errno
import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.parquet import read_table, write_table

from openmax_core.errors import OpenMaxError
from openmax_core.monitor.figures import MOST_CLASSES, drift_figure, rate_figure
from openmax_core.monitor.records import (
    BatchRecords,
    RecordedBatch,
    batch_table,
    default_name,
    record_from_dict,
    record_to_dict,
)
from openmax_core.monitor.report import MeasuredBatch, class_table
from openmax_core.monitor.scoring import Earlier, measure_batch
from openmax_core.monitor.shortlist import CHANGED, GONE, picture_file
from openmax_core.prediction.choice import Choice
from tests.support.batches import batch_of, choice_of, chosen_for_the_test_set, logits_of_classes
from tests.support.damaged import JSON
from tests.support.evaluations import made_up_evaluation

MOMENT = datetime(2026, 3, 31, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def batches() -> list[MeasuredBatch]:
    """Alike; few pictures; unlike; and the first once more, at another threshold."""
    evaluation = made_up_evaluation(n_test=60, signal=9.0, preset="bendale")
    alike, unlike = logits_of_classes(20, 3, 1), logits_of_classes(20, 3, 2, 2.0)
    return [
        measure_batch(choice_of(evaluation, 0.7), batch_of(alike)),
        measure_batch(
            chosen_for_the_test_set(choice_of(evaluation, 0.7, {"1": 0.5})),
            batch_of(alike[:3]),
            Earlier("last week", pd.DataFrame(columns=["path", "prediction", "score"])),
        ),
        measure_batch(choice_of(evaluation, 0.7), batch_of(unlike)),
        measure_batch(choice_of(evaluation, 0.5), batch_of(alike)),
    ]


@pytest.fixture
def records(tmp_path, batches) -> BatchRecords:
    kept = BatchRecords(tmp_path / "batches")
    for day, (name, batch) in enumerate(zip("abcd", batches, strict=True), 1):
        kept.add(batch, name, MOMENT.replace(day=day))
    return kept


def test_batches_come_back_as_they_were_the_oldest_first(tmp_path, batches):
    kept = BatchRecords(tmp_path / "batches")
    assert kept.load() == ([], [])
    kept.add(batches[1], "second", MOMENT)
    added = kept.add(batches[0], " first ", MOMENT.replace(day=1))
    assert added.time == "2026-03-01T06:30:00Z"
    found, problems = kept.load()
    assert problems == []
    assert [item.name for item in found] == ["first", "second"]
    for item, measured in zip(found, (batches[0], batches[1]), strict=True):
        written = record_to_dict(RecordedBatch(item.name, item.time, measured.report))
        assert record_to_dict(item) == written
        assert json.loads(json.dumps(written, allow_nan=False)) == written
        assert item.report.verdict == measured.report.verdict
        pd.testing.assert_frame_equal(item.pictures(), measured.pictures)


def test_records_of_older_versions_are_read(tmp_path, batches):
    kept = BatchRecords(tmp_path / "batches")
    added = kept.add(batches[0], "old", MOMENT)
    assert added.path is not None
    table = read_table(added.path)
    values = json.loads(table.schema.metadata[b"openmax-batch"])
    del values["not_compared"], values["is_chosen_on_test_set"]
    for name in ("projection_0", "projection_1"):
        table = table.append_column(name, [np.zeros(len(table), dtype=np.float32)])
    table = table.replace_schema_metadata({"openmax-batch": json.dumps(values)})
    write_table(table, added.path)
    (found,), problems = kept.load()
    assert problems == []
    assert found.report.not_compared == ""
    assert not found.report.is_chosen_on_test_set
    assert found.pictures()["score"].tolist() == batches[0].pictures["score"].tolist()


def test_the_same_batch_is_recorded_once_and_at_another_threshold_again(tmp_path, batches):
    kept = BatchRecords(tmp_path / "batches")
    first = kept.add(batches[0], "a", MOMENT)
    again = kept.add(batches[0], "b", MOMENT.replace(day=1))
    assert (again.name, again.path) == ("a", first.path)
    kept.add(batches[3], "c", MOMENT)
    assert len(kept.load()[0]) == 2


def test_a_batch_is_forgotten(records):
    found, _ = records.load()
    records.remove(found[0])
    records.remove(found[0])
    assert [item.name for item in records.load()[0]] == ["b", "c", "d"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_a_batch_needs_a_name(tmp_path, batches, name):
    with pytest.raises(OpenMaxError, match="needs a name of at most 60 characters"):
        BatchRecords(tmp_path).add(batches[0], name)


def test_a_batch_is_called_as_its_folder_or_file(tmp_path):
    (tmp_path / "2026.03.31").mkdir()
    assert default_name(tmp_path / "2026.03.31") == "2026.03.31"
    assert default_name(tmp_path / "night.parquet") == "night"
    assert len(default_name(tmp_path / ("x" * 80))) == 60


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_behind_and_what_was_there(records, batches, monkeypatch, step):
    before = sorted(os.listdir(records.folder))
    other = MeasuredBatch(replace(batches[0].report, content="other"), batches[0].pictures)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OpenMaxError, match=r"cannot write .*parquet: No space left on device"):
            records.add(other, "full", MOMENT)
    assert sorted(os.listdir(records.folder)) == before
    records.add(other, "full", MOMENT)
    assert len(records.load()[0]) == 5


def test_damaged_files_are_named_and_the_others_are_read(records):
    path = records.load()[0][1].path
    path.write_bytes(path.read_bytes()[:200])
    pd.DataFrame({"a": [1]}).to_parquet(records.folder / "foreign.parquet")
    found, problems = records.load()
    assert [item.name for item in found] == ["a", "c", "d"]
    assert len(problems) == 2
    assert all("cannot read the recorded batch" in text for text in problems)
    assert str(path) in problems[0]


def rewritten(path: Path, **changed: Any) -> None:
    """Write a record again with entries of its JSON changed."""
    table = read_table(path)
    values = json.loads(table.schema.metadata[b"openmax-batch"]) | changed
    write_table(table.replace_schema_metadata({"openmax-batch": json.dumps(values)}), path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"format": "openmax"}, "not of the format openmax-batch"),
        ({"version": 2}, "format version 2; this program reads version 1, update it"),
        ({"name": 3}, "name must be text, not 3"),
        ({"time": "yesterday"}, "time: Invalid isoformat string"),
        ({"source": ["a"]}, r"source must be text, not \['a'\]"),
        ({"folder": 3}, "folder must be text, not 3"),
        ({"basis": {}}, "basis.settings is missing"),
        ({"classes": "abc"}, "classes must be a list, not 'abc'"),
        ({"classes": [{"class": "0"}]}, r"classes\[\].pictures is missing"),
        ({"unreadable": 10**30}, "unreadable must be a whole number, not 1000"),
        ({"reject_rate": {"rejected": 5, "pictures": 3}}, "reject_rate.rejected must lie between"),
        (
            {"reject_rate": {"rejected": True, "pictures": 3}},
            "rejected must be a whole number",
        ),
        ({"difference": None}, "difference.low is missing"),
        ({"mix": {"p_value": "0.1", "distance": 0.1}}, "mix.p_value must be a number, not '0.1'"),
        ({"level": float("inf")}, "level must be a number, not inf"),
        ({"notes": "one"}, "notes must be a list, not 'one'"),
        ({"is_chosen_on_test_set": "no"}, "is_chosen_on_test_set must be true or false"),
    ],
)
def test_what_is_wrong_in_a_record_is_named(records, changed, told):
    path = records.load()[0][1].path
    rewritten(path, **changed)
    found, (problem,) = records.load()
    assert [item.name for item in found] == ["a", "c", "d"]
    assert problem.startswith(f"cannot read the recorded batch {path} (")
    assert problem.endswith("); delete that file")
    assert re.search(told, problem)


def test_a_record_with_a_threshold_for_a_class_that_it_has_not_is_named(batches):
    values = record_to_dict(RecordedBatch("a", "2026-03-31T06:30:00Z", batches[1].report))
    assert record_from_dict(values).report.basis.class_thresholds == {"1": 0.5}
    values["basis"]["class_thresholds"] = {"elm": 0.5}
    with pytest.raises(OpenMaxError, match="a threshold for 'elm', but no class of this name"):
        record_from_dict(values)


@given(st.data())
def test_no_value_of_an_entry_gives_another_error(batches, data):
    whole = record_to_dict(RecordedBatch("a", "2026-03-31T06:30:00Z", batches[0].report))
    values = json.loads(json.dumps(whole))
    nested = ("basis", "reject_rate", "expected", "difference", "mix")
    parts = [values, values["basis"]["settings"], values["classes"][0]]
    part = data.draw(st.sampled_from(parts + [values[name] for name in nested]))
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(JSON)
    try:
        found = record_from_dict(values)
    except OpenMaxError:
        return
    assert found.report.verdict
    assert json.dumps(record_to_dict(found), allow_nan=False)


def test_a_picture_s_file_is_shown_as_long_as_it_is_what_was_decided_on(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"123")
    stat = file.stat()
    known = (str(tmp_path), "a.png", 3, stat.st_mtime_ns)
    assert picture_file(*known) == file
    assert picture_file(None, *known[1:]) == GONE
    assert picture_file(str(tmp_path), "a.png", 0, 0) == GONE
    os.utime(file, ns=(1, 1))
    assert picture_file(*known) == CHANGED
    file.unlink()
    assert picture_file(*known) == GONE


# --- labels --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled_record() -> RecordedBatch:
    evaluation = made_up_evaluation(preset="bendale", n_train=40, signal=6.0)
    point = evaluation.recommend(0.7)
    batch = replace(batch_of(logits_of_classes(20, 3, 4, 1.0)), labels=np.arange(60) // 20)
    choice = Choice(evaluation, point.threshold, "recommended", point)
    return RecordedBatch("rain", "2026-03-01T00:00:00Z", measure_batch(choice, batch).report)


def test_what_is_known_of_labels_comes_back_from_a_record(labelled_record):
    values = json.loads(json.dumps(record_to_dict(labelled_record), allow_nan=False))
    assert values["is_promise_broken"] is labelled_record.report.is_promise_broken is True
    again = record_from_dict(values).report
    assert again.labelled == labelled_record.report.labelled
    assert again.expected_rise == labelled_record.report.expected_rise
    assert again.is_promise_broken


def test_the_chart_says_what_became_of_labels(labelled_record):
    report = labelled_record.report
    shown = rate_figure([labelled_record], report.basis.key)
    (text,) = [trace.text[0] for trace in shown.data if trace.text]
    assert f"<br>{report.labels_in_words}<br>the constraint Test accuracy ≥ 70.0 % is" in text


def test_a_record_of_an_earlier_version_has_no_labels(labelled_record):
    values = record_to_dict(labelled_record)
    for name in ("labelled", "expected_rise", "is_promise_broken", "is_alarm"):
        del values[name]
    report = record_from_dict(values).report
    assert (report.labelled, report.expected_rise, report.is_promise_broken) == (None, None, False)


@pytest.mark.parametrize(
    ("name", "odd", "problem"),
    [
        ("correct", -1, "labelled.correct must be 0 or more"),
        ("p_value", 2.0, "labelled.p_value must lie between 0 and 1"),
        ("lost", 10_000, "labelled.lost must be at most"),
        ("requirement", None, "labelled.p_value must be of a requirement"),
        ("requirement", {"figure": "x", "bound": 0.5, "confidence": None}, "figure must be one of"),
    ],
)
def test_odd_labels_in_a_record_are_refused_by_name(labelled_record, name, odd, problem):
    values = record_to_dict(labelled_record)
    values["labelled"][name] = odd
    with pytest.raises(OpenMaxError, match=problem):
        record_from_dict(values)


# --- tables and figures --------------------------------------------------------------------------


def test_the_tables_hold_the_reports_own_numbers(records):
    found, _ = records.load()
    current = found[0].report.basis.key
    table = batch_table(found, current)
    assert table["name"].tolist() == ["d", "c", "b", "a"]
    assert table["is_current"].tolist() == [False, True, False, True]
    assert table["alarm"].tolist() == ["", "drift", "", ""]
    report = found[2].report
    row = table.iloc[1]
    assert (row["reject_rate"], row["expected"]) == (report.reject.value, report.expected.value)
    assert row["drifted"] == report.drifted.sum() > 0
    classes = class_table(report)
    assert classes["verdict"].tolist()[0] == "drifted"
    assert classes["share"].sum() == pytest.approx(1)


def named(figure: Any, start: str) -> list[Any]:
    return [trace for trace in figure.data if (trace.name or "").startswith(start)]


def test_the_rates_are_drawn_with_their_intervals_beside_what_was_expected(records):
    found, _ = records.load()
    figure = rate_figure(found, found[0].report.basis.key)
    (within,) = named(figure, "within chance")
    (beyond,) = named(figure, "beyond chance")
    (other,) = named(figure, "decided with another")
    assert (list(within.x), list(beyond.x), list(other.x)) == ([0], [2], [1, 3])
    share = found[2].report.reject
    assert beyond.y[0] == share.value
    assert beyond.y[0] + beyond.error_y.array[0] == pytest.approx(share.interval.high)
    assert beyond.y[0] - beyond.error_y.arrayminus[0] == pytest.approx(share.interval.low)
    # One band a run of batches with the same expectation: every basis change begins another.
    bands = named(figure, "expected")
    assert [(band.x[0], band.x[1]) for band in bands] == [
        (place - 0.5, place + 0.5) for place in range(4)
    ]
    expected = found[3].report.expected.interval
    assert (bands[3].y[0], bands[3].y[2]) == (expected.low, expected.high)
    assert [band.showlegend for band in bands] == [True, False, False, False]


def test_batches_decided_alike_share_one_band(records):
    found, _ = records.load()
    figure = rate_figure([found[0], found[2]], found[0].report.basis.key)
    assert [(band.x[0], band.x[1]) for band in named(figure, "expected")] == [(-0.5, 1.5)]


def test_names_are_no_markup_of_the_figure(records, batches):
    other = MeasuredBatch(replace(batches[0].report, content="other"), batches[0].pictures)
    records.add(other, "<b>&", MOMENT)
    found, _ = records.load()
    figure = rate_figure(found, "")
    assert "&lt;b&gt;&amp;" in figure.data[-1].text[-1]
    assert figure.layout.xaxis.ticktext[-1].startswith("&lt;b&gt;&amp;<br>")


def test_the_heat_map_marks_what_drifted_and_what_was_not_tested(records):
    found, _ = records.load()
    figure = drift_figure(found[:3])
    heat, marks, untested = figure.data
    assert np.isnan(np.array(heat.z, dtype=float)[:, 1]).all()
    shift = np.clip(found[2].report.drift.shift, -3, 3)
    assert np.array(heat.z, dtype=float)[:, 2] == pytest.approx(shift)
    drifted = np.flatnonzero(found[2].report.drifted).tolist()
    assert sorted(zip(marks.x, marks.y, strict=True)) == [(2, index) for index in drifted]
    assert set(marks.text) == {"▲"}
    assert sorted(zip(untested.x, untested.y, strict=True)) == [(1, 0), (1, 1), (1, 2)]
    assert "not tested: 3 pictures, 60 of the test set" in heat.text[0][1]


def test_of_many_classes_those_that_drifted_most_are_drawn():
    n = 2 * MOST_CLASSES
    evaluation = made_up_evaluation(n_classes=n, n_train=20, n_test=15, n_reject=0, signal=9.0)
    logits = logits_of_classes(15, n, 3)
    own = logits.argmax(axis=1)
    logits[own == n - 1] += np.random.default_rng(0).normal(0, 3, logits[own == n - 1].shape)
    measured = measure_batch(choice_of(evaluation, 0.5), batch_of(logits))
    figure = drift_figure([RecordedBatch("a", "2026-03-31T06:30:00Z", measured.report)])
    assert len(figure.data[0].z) == MOST_CLASSES
    assert figure.layout.yaxis.ticktext[0] == str(n - 1)
