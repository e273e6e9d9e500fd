"""Every page on a workspace of so many pictures that scores are counted."""

from __future__ import annotations

import shutil
import threading
import time

import pytest
from streamlit.testing.v1 import AppTest

from openmax_core import OpenMax
from openmax_core.errors import FitError
from openmax_core.evaluation.counting import count
from openmax_core.monitor.records import BatchRecords
from openmax_core.tradeoff.explorer import explorer_data
from openmax_core.tradeoff.sweep import sweep_table
from pages._shared import state
from tests.app.visitor import explorer, gallery, metric, move_threshold, percent, texts
from tests.support.batches import measured
from tests.support.workspaces import divide_reject_set

SECONDS = 30


@pytest.fixture
def many(trees, monkeypatch):
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 100)
    monkeypatch.setattr("openmax_core.evaluation.counting.N_SAMPLED", 25)
    return trees


def until_counted(app: AppTest) -> AppTest:
    """Run the page until the counting in the background has ended."""
    limit = time.monotonic() + SECONDS
    while "once; the counts are stored" in texts(app.info):
        assert time.monotonic() < limit
        app.run()
    assert not app.exception, app.exception
    return app


def test_the_first_visit_counts_and_shows_that(open_app, many, monkeypatch):
    app = open_app(many.folder, "threshold")
    until_counted(app)
    assert many.is_counted()
    evaluation = many.evaluate()
    openmax = evaluation.openmax
    assert explorer(app)["curve"] == explorer_data(
        evaluation.overall, evaluation.curve, openmax.class_names_, openmax.score_range()
    )
    said = texts(app.caption)
    assert evaluation.overall.error_bound.in_words in said
    assert "a sample of 25 of 89 test and 25 of 60 reject pictures" in said
    assert "89 test and 60 reject pictures" in said


def test_the_threshold_page_works_on_counts_and_a_sample(open_app, many):
    divide_reject_set(many, {"larch": 20})
    evaluation = many.evaluate()
    app = open_app(many.folder, "threshold", floor="0.6")
    move_threshold(app, 0.3337774)  # between two edges
    outcome = evaluation.overall.outcome(0.3337774)
    assert explorer(app)["current"]["correct"] == outcome.correct
    assert explorer(app)["current"]["accepted"] == outcome.accepted_unknown
    assert len(gallery(app)) <= 25
    assert {item["path"] for item in gallery(app)} <= set(evaluation.reject.readable["path"])
    assert "Reject accuracy by kind of unknown" in texts(app.subheader)
    assert texts(app.caption).count(evaluation.sample_in_words) >= 3
    (per_class,) = [item for item in app.toggle if item.label == "A threshold per class"]
    assert per_class.disabled
    (honest,) = [item for item in app.toggle if item.key == "honest"]
    honest.set_value(True).run()
    assert not app.exception
    assert "Chosen on one half" in texts(app.markdown)
    shown = next(item.value for item in app.dataframe if "correct" in item.value)
    expected = sweep_table(evaluation.overall, shown["threshold"])
    assert shown["correct"].tolist() == expected["correct"].tolist()


def test_the_overview_counts_all_pictures(open_app, many):
    evaluation = many.evaluate()
    app = open_app(many.folder)
    assert metric(app, "Test pictures") == "89"
    assert metric(app, "Reject pictures") == "60"
    assert metric(app, "Known or unknown (AUROC)") == percent(evaluation.overall.auroc)
    assert "1 files could not be read" in [item.label for item in app.expander]


def test_the_weibull_page_says_what_is_of_a_sample(open_app, many):
    many.evaluate()
    app = open_app(many.folder, "weibull")
    said = texts(app.caption)
    assert "The influence of one picture on a mean is that of the farthest of all" in said
    assert "random training pictures" not in said
    assert "Settings are not compared here" in texts(app.info)


@pytest.mark.parametrize("page", ["workspace", "upload", "monitor", "method"])
def test_the_other_pages_are_there(open_app, many, page):
    many.evaluate()
    app = open_app(many.folder, page)
    assert not app.error
    if page == "workspace":
        table = app.dataframe[0].value
        assert table["files in the store"].tolist() == [120, 90, 60]
        assert table["state"].str.startswith("stored; not compared").all()
        assert "1 files could not be read" in texts(app.warning)


def test_the_monitor_page_counts_what_decides_in_the_background(open_app, many, monkeypatch):
    many.choose(many.evaluate("robust").point_at(0.6))
    shutil.rmtree(many.stored.counts.folder / "counts")
    many.evaluate()  # what the sidebar shows
    gate = threading.Event()

    def wait_and_count(*arguments):
        assert gate.wait(SECONDS)
        return count(*arguments)

    monkeypatch.setattr("openmax_core.workspace.workspace.count", wait_and_count)
    app = open_app(many.folder, "monitor", method="bendale")
    assert "New batches use the method **robust**, not that of the sidebar" in texts(app.info)
    assert "No batch is recorded yet" not in texts(app.info)
    gate.set()
    until_counted(app)
    assert many.is_counted("robust")
    assert "New batches use the method **robust** and threshold **0.6**" in texts(app.caption)
    assert "No batch is recorded yet" in texts(app.info)


def test_where_what_decides_cannot_be_counted_recorded_batches_are_shown(
    open_app, many, tmp_path, monkeypatch
):
    BatchRecords.of(many).add(measured(many, tmp_path / "calm.parquet", seed=1), "calm")
    many.choose(many.evaluate("robust").point_at(0.6))
    shutil.rmtree(many.stored.counts.folder / "counts")
    many.evaluate()

    def fail(*arguments):
        raise FitError("class 'ash' has no Weibull")

    monkeypatch.setattr("openmax_core.workspace.workspace.count", fail)
    app = until_counted(open_app(many.folder, "monitor", method="bendale"))
    assert "class 'ash' has no Weibull" in texts(app.error)
    assert "The newest batch, **calm**" in texts([*app.success, *app.warning])
    monkeypatch.setattr("openmax_core.workspace.workspace.count", count)
    until_counted(app.run())
    assert not app.error
    assert "use the method **robust**" in texts(app.caption)


def test_a_method_named_in_two_ways_is_counted_once(many):
    settings = OpenMax("robust", tail_size=12).settings().to_dict()
    one = state.counting(many, "robust", {"tail_size": 12})
    other = state.counting(many, "robust", settings)
    assert one is not None
    assert one is other
    one.result(SECONDS)


def test_what_cannot_be_counted_is_said_and_tried_again(open_app, many, monkeypatch):
    def fail(*arguments):
        raise FitError("class 'ash' has no Weibull")

    monkeypatch.setattr("openmax_core.workspace.workspace.count", fail)
    app = open_app(many.folder, "threshold")
    until_counted(app)
    assert "class 'ash' has no Weibull" in texts(app.error)
    monkeypatch.setattr("openmax_core.workspace.workspace.count", count)
    until_counted(app.run())
    assert not app.error
    assert explorer(app)["curve"]["n_test"] == 89
