"""The Monitor page: batches over time, one of them, and the way to score another."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from openmax_core.monitor.monitor import monitor
from openmax_core.monitor.records import BatchRecords, RecordedBatch
from openmax_core.monitor.report import class_table
from openmax_core.monitor.shortlist import picture_lines, pictures_to_look_at
from openmax_core.prediction.choice import choose_method
from openmax_core.workspace.workspace import Workspace
from tests.app.visitor import (
    button,
    gallery,
    metric,
    metric_note,
    open_picture,
    percent,
    texts,
)
from tests.support.batches import logits_of_classes, measured, write_table


def record(workspace: Workspace, path, name: str, day: int, **made: float) -> RecordedBatch:
    """Record a batch of made-up logits."""
    batch = measured(workspace, path / f"{name}.parquet", seed=day, **made)
    return BatchRecords.of(workspace).add(batch, name, datetime(2026, 3, day, 6, 30, tzinfo=UTC))


@pytest.fixture
def recorded(trees, tmp_path) -> list[RecordedBatch]:
    """A batch like the test set, and a newer one unlike it."""
    return [
        record(trees, tmp_path, "calm", 1),
        record(trees, tmp_path, "storm", 2, signal=2.0),
    ]


def traces(app: AppTest, place: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(app.get("plotly_chart")[place].proto.spec)["data"]
    return found


def help_of(app: AppTest, label: str) -> str:
    (card,) = [item for item in app.metric if item.label == label]
    return str(card.help)


def choose(app: AppTest, item: RecordedBatch) -> AppTest:
    return app.selectbox(key="batch").set_value(item.id).run()


def test_without_a_batch_the_command_to_type_and_the_form_are_shown(open_app, trees):
    app = open_app(trees.folder, "monitor")
    assert "No batch is recorded yet" in texts(app.info)
    assert app.code[0].value == f"openmax monitor {trees.folder} FOLDER --record --fail-on-drift"
    assert button(app, "Score and record")
    assert f"use this workspace's unknowns: `{trees.pictures.folder('reject')}`." in texts(
        app.caption
    )
    assert not app.get("plotly_chart")


def test_the_newest_batch_is_judged_in_the_core_s_words(open_app, trees, recorded):
    app = open_app(trees.folder, "monitor")
    report = recorded[1].report
    (shown,) = [text for text in [texts([item]) for item in app.warning] if "newest" in text]
    assert f"The newest batch, **storm**, {report.rate_in_words}. " in shown
    assert report.verdict[1:] in shown
    assert report.caution in shown
    assert metric(app, "Rejected") == percent(report.reject.value)
    assert metric(app, "Expected") == percent(report.expected.value)
    assert metric(app, "Classes drifted") == f"{report.drifted.sum()} of 3"
    assert metric(app, "Pictures") == "60"
    assert metric_note(app, "Pictures") == "0 unreadable"


def test_batches_are_drawn_over_time_and_listed(open_app, trees, recorded):
    app = open_app(trees.folder, "monitor")
    points = {item["name"]: item["x"] for item in traces(app, 0) if item.get("name")}
    assert (points["within chance"], points["beyond chance"]) == ([0], [1])
    assert app.dataframe[0].value["name"].tolist() == ["storm", "calm"]
    assert app.dataframe[0].value["is_current"].all()
    assert "another method" not in texts(app.caption)


def test_another_batch_is_chosen_and_its_classes_and_pictures_shown(open_app, trees, recorded):
    app = choose(open_app(trees.folder, "monitor"), recorded[0])
    report = recorded[0].report
    assert "This batch, **calm**," in texts(app.success)
    assert metric(app, "Rejected") == percent(report.reject.value)
    shown = app.dataframe[1].value
    assert shown["class"].tolist() == class_table(report)["class"].tolist()
    listed = pictures_to_look_at(report, recorded[0].pictures())
    assert "those farthest out are listed" in texts(app.caption).lower()
    items = gallery(app)
    assert [item["lines"] for item in items] == [
        picture_lines(row) for _, row in listed.head(12).iterrows()
    ]
    # A table of logits says where no pictures lie.
    assert {item["gone"] for item in items} == {"The picture is no longer there"}
    open_picture(app, items[0]["key"])
    assert not app.exception
    assert "The picture is no longer there" in texts(app.warning)


def test_pictures_that_were_seen_before_are_shown_by_how_they_changed(
    open_app, trees, recorded, tmp_path
):
    logits = 0.4 * logits_of_classes(20, 3, seed=1)  # the calm ones on a foggy day
    path = write_table(tmp_path / "fog.parquet", trees, logits)
    fog = monitor(trees, path, choose_method(trees), compare="calm")
    report = fog.report
    BatchRecords.of(trees).add(fog, "fog")
    app = open_app(trees.folder, "monitor")
    assert report.compared_with == "the batch 'calm' of 2026-03-01"
    assert "with the same path as in the batch 'calm'" in texts(app.caption)
    assert " → " in gallery(app)[0]["lines"][0]


def test_why_no_picture_is_compared_is_said(open_app, trees, recorded, tmp_path):
    logits = logits_of_classes(20, 3, seed=3)
    path = write_table(tmp_path / "rain.parquet", trees, logits)
    rain = monitor(trees, path, choose_method(trees), compare="test")
    BatchRecords.of(trees).add(rain, "rain")
    said = texts(open_app(trees.folder, "monitor").caption)
    assert "no picture has the same path as in the test set." in said
    assert "Those farthest out are listed" in said


def test_labelled_pictures_are_counted_and_the_floor_is_tested(open_app, trees, tmp_path):
    path = write_table(tmp_path / "rain.parquet", trees, logits_of_classes(20, 3, 3, 1.0))
    labels = [*(trees.classes[row // 20] for row in range(58)), "*elm*", ""]
    pd.read_parquet(path).assign(label=labels).to_parquet(path)
    trees.choose(trees.evaluate().recommend(0.85))
    rain = monitor(trees, path, choose_method(trees))
    BatchRecords.of(trees).add(rain, "rain")
    app = open_app(trees.folder, "monitor")
    found = rain.report.labelled
    assert found is not None
    assert metric(app, "Test accuracy") == percent(found.test.value)
    assert metric(app, "Reject accuracy") == percent(found.reject.value)
    assert "the constraint Test accuracy ≥ 85.0 % is broken" in texts(app.warning).lower().replace(
        "test accuracy", "Test accuracy"
    )
    assert "1 without a label." in texts(app.caption)
    assert "This presupposes that the labels are right" in texts(app.caption)
    table = app.dataframe[0].value
    assert table["alarm"].tolist() == [rain.report.alarm_in_words]
    assert table["test_accuracy"].tolist() == [100 * found.test.value]


def test_the_expected_share_is_said_to_flatter_where_the_threshold_was_chosen_on_it(
    open_app, trees, recorded, tmp_path
):
    told = "The threshold was chosen on this test set, so the expected share may be a little too"
    app = open_app(trees.folder, "monitor")
    assert told in help_of(app, "Expected")
    trees.choose(trees.evaluate().point_at(0.6))
    by_hand = record(trees, tmp_path, "by hand", 3)
    app = choose(open_app(trees.folder, "monitor"), by_hand)
    assert "All of them are known." in help_of(app, "Expected")
    assert told not in help_of(app, "Expected")


def test_batches_decided_otherwise_are_said_to_be(open_app, trees, recorded):
    trees.choose(trees.evaluate().point_at(0.4))
    app = open_app(trees.folder, "monitor")
    assert "threshold **0.4**" in texts(app.caption)
    assert "2 of them were decided with another method, calibration or threshold" in (
        texts(app.caption)
    )
    names = {item.get("name") for item in traces(app, 0)}
    assert "decided with another method or threshold" in names
    assert not app.dataframe[0].value["is_current"].any()


def test_the_sidebar_s_method_does_not_change_what_decides(open_app, trees, recorded):
    app = open_app(trees.folder, "monitor", method="notebook")
    assert "use the method **bendale**" in texts(app.caption)


def test_damaged_records_are_named_and_the_others_are_shown(open_app, trees, recorded):
    assert recorded[0].path is not None
    recorded[0].path.write_bytes(b"PAR1")
    app = open_app(trees.folder, "monitor")
    path = recorded[0].path.relative_to(trees.folder)
    assert f"cannot read the recorded batch {path}" in texts(app.warning)
    assert app.dataframe[0].value["name"].tolist() == ["storm"]


def test_a_batch_is_forgotten(open_app, trees, recorded):
    app = choose(open_app(trees.folder, "monitor"), recorded[0])
    button(app, "Delete this record").click().run()
    assert [item.name for item in BatchRecords.of(trees).load()[0]] == ["storm"]
    assert app.dataframe[0].value["name"].tolist() == ["storm"]


def submit(app: AppTest, folder: object, name: str = "") -> AppTest:
    inputs = {item.label: item for item in app.text_input}
    inputs["Folder of pictures, on this server"].set_value(str(folder))
    inputs["Name"].set_value(name)
    button(app, "Score and record").click().run()
    if app.error:
        return app
    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith("Thread-") and "_run" in thread.name:
            thread.join(60)
    return app.run()


@pytest.mark.parametrize("has_labels", [True, False])
def test_the_form_takes_labels_or_leaves_them_out(open_app, trees, has_labels):
    path = write_table(trees.folder / "new.parquet", trees, logits_of_classes(12, 3, 9))
    labels = [trees.classes[row // 12] for row in range(36)]
    pd.read_parquet(path).assign(label=labels).to_parquet(path)
    app = open_app(trees.folder, "monitor")
    (box,) = [item for item in app.checkbox if item.label == "Use labels"]
    box.set_value(has_labels)
    submit(app, path)
    ((recorded,), _) = BatchRecords.of(trees).load()
    assert (recorded.report.labelled is not None) is has_labels


def test_a_batch_is_scored_from_the_page_and_shown(open_app, trees, recorded):
    path = write_table(trees.folder / "new.parquet", trees, logits_of_classes(12, 3, 9))
    app = open_app(trees.folder, "monitor")
    choose(app, recorded[0])
    submit(app, path, "by hand")
    assert "The batch is recorded as by hand" in texts(app.success)
    newest = BatchRecords.of(trees).load()[0][-1]
    assert newest.name == "by hand"
    assert app.selectbox(key="batch").value == newest.id
    assert newest.report.reject == monitor(trees, path, choose_method(trees)).report.reject
    assert metric(app, "Pictures") == "36"


def test_folders_outside_the_allowed_ones_and_empty_ones_are_refused(open_app, trees, tmp_path):
    app = open_app(trees.folder, "monitor")
    submit(app, tmp_path)
    assert "is not under an allowed folder" in texts(app.error)
    empty = trees.folder / "empty"
    empty.mkdir()
    submit(app, empty)
    assert "no files in" in texts(app.error)
    assert BatchRecords.of(trees).load() == ([], [])


def test_pictures_of_a_folder_that_is_not_allowed_are_not_shown(open_app, trees, tmp_path):
    """A record may name any folder of this machine."""
    source = trees.pictures.folder("test") / "ash"
    outside = tmp_path / "outside"
    outside.mkdir()
    (trees.folder / "in").mkdir()
    for row in range(3):
        for folder in (outside, trees.folder / "in"):
            (folder / f"{row}.png").write_bytes((source / f"00{row}.png").read_bytes())
    for seed, (name, folder) in enumerate((("in", trees.folder / "in"), ("out", outside))):
        logits = logits_of_classes(1, 3, seed)
        table = {f"logit_{label}": logits[:, j] for j, label in enumerate(trees.classes)}
        paths = [str(folder / f"{row}.png") for row in range(3)]
        path = tmp_path / f"{name}.parquet"
        pd.DataFrame({"path": paths, **table}).to_parquet(path)
        found = monitor(trees, path, choose_method(trees), compare="none")
        BatchRecords.of(trees).add(found, name, datetime(2026, 3, 1, tzinfo=UTC))
    app = open_app(trees.folder, "monitor")
    by_name = {item.name: item for item in BatchRecords.of(trees).load()[0]}
    choose(app, by_name["in"])
    assert all(item["picture"].startswith("data:image/jpeg") for item in gallery(app))
    choose(app, by_name["out"])
    assert [item["picture"] for item in gallery(app)] == [None] * 3
    assert {item["gone"] for item in gallery(app)} == {"Its folder is not under an allowed one"}
