"""Points that are saved on the Threshold page, compared, made the default, shown and deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from openmax_core.tradeoff.objectives import Balanced, MostRejected
from openmax_core.tradeoff.saved_points import MOST_POINTS, SavedPoint
from tests.app.visitor import (
    button,
    explorer,
    move_threshold,
    run_fragments_alone,
    texts,
)
from tests.support.workspaces import CLASSES, make_workspace, store_made_up

MOMENT = "2025-01-31T12:00:00+00:00"


def save(app: AppTest, name: str, note: str = "") -> None:
    for label, text in (("Name", name), ("Note", note)):
        next(item for item in app.text_input if item.label == label).set_value(text)
    button(app, "Save threshold").click().run()
    assert not app.exception


def saved_table(app: AppTest) -> pd.DataFrame:
    return next(item.value for item in app.dataframe if "saved_at" in item.value.columns)


def test_before_the_first_there_is_nothing_to_compare(open_app, trees):
    app = open_app(trees.folder, "threshold")
    assert "No point is saved yet." in texts(app.caption)
    assert explorer(app)["saved"] == []


def test_a_point_is_saved_with_name_note_moment_and_the_figures_it_was_seen_with(open_app, trees):
    app = open_app(trees.folder, "threshold", method="notebook", threshold="0.33")
    before = datetime.now(UTC) - timedelta(seconds=1)
    save(app, " night ", "for *dark* rooms")
    (saved,) = trees.saved_points.load()
    assert (saved.name, saved.note) == ("night", "for *dark* rooms")
    assert before <= datetime.fromisoformat(saved.saved_at) <= datetime.now(UTC)
    assert saved.point == trees.evaluate("notebook").point_at(0.33)
    assert saved.point.objective is None
    table = saved_table(app)
    assert table["name"].tolist() == ["night"]
    assert table["default"].tolist() == [False]
    assert table["test_accuracy"].tolist() == [100 * saved.point.test_accuracy]
    assert explorer(app)["saved"] == [
        {
            "name": "night",
            "threshold": 0.33,
            "test": saved.point.test_accuracy,
            "reject": saved.point.reject_accuracy,
        }
    ]


def test_the_recommended_threshold_is_saved_with_what_it_was_chosen_for(open_app, trees):
    app = open_app(trees.folder, "threshold", floor="0.7")
    button(app, "Use recommended").click().run()
    save(app, "recommended")
    (saved,) = trees.saved_points.load()
    assert saved.point == trees.evaluate("bendale").choose(MostRejected(0.7), 0.95)
    assert saved.point.chosen_for == MostRejected(0.7)


def test_the_nearest_to_what_cannot_be_reached_was_chosen_for_nothing(open_app, trees):
    app = open_app(trees.folder, "threshold", threshold="0.9", floor="1.0")
    button(app, "Use nearest").click().run()
    save(app, "nearest")
    (saved,) = trees.saved_points.load()
    assert saved.point.objective is None


def test_settings_of_another_method_do_not_reach_a_saved_point(open_app, trees):
    app = open_app(trees.folder, "threshold", alpha_rank="2")
    assert "α 2" in texts(app.caption)
    app.sidebar.selectbox(key="method").set_value("notebook").run()
    assert "all classes" in texts(app.caption)
    save(app, "notebook")
    (saved,) = trees.saved_points.load()
    assert saved.point.settings == trees.evaluate("notebook").openmax.settings_


@pytest.mark.parametrize("is_wanted", [False, True])
def test_thresholds_per_class_are_saved_if_that_is_wanted(open_app, trees, is_wanted):
    app = open_app(trees.folder, "threshold", method="notebook", threshold="0.4")
    app.selectbox(key="objective").set_value("balanced")
    app.toggle(key="per_class").set_value(True).run()
    button(app, "Use recommended").click().run()
    app.checkbox[0].set_value(is_wanted)
    save(app, "per class")
    (saved,) = trees.saved_points.load()
    evaluation = trees.evaluate("notebook")
    assert saved.point.chosen_for == Balanced()
    assert saved.point.threshold == evaluation.choose(Balanced()).threshold
    assert (saved.point.class_thresholds is None) == (not is_wanted)
    if is_wanted:
        assert set(saved.point.class_thresholds) == set(CLASSES)
    assert saved.point == evaluation.refreshed(saved.point)
    assert saved_table(app)["thresholds per class"].tolist() == [is_wanted]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("night", "there is a point 'night' already; take another name, or delete it"),
        ("  ", "give the point a name"),
        ("", "give the point a name"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_lost(open_app, trees, name, message):
    app = open_app(trees.folder, "threshold", threshold="0.6")
    save(app, "night")
    move_threshold(app, 0.7)
    save(app, name)
    assert message in texts(app.error)
    (saved,) = trees.saved_points.load()
    assert saved.point.threshold == 0.6


def test_more_points_than_can_be_are_refused(open_app, trees):
    point = trees.evaluate("bendale").point_at(0.6)
    for number in range(MOST_POINTS):
        trees.saved_points.add(SavedPoint(f"point {number}", "", MOMENT, point))
    app = open_app(trees.folder, "threshold")
    save(app, "one more")
    assert f"there are {MOST_POINTS} saved points; delete some first" in texts(app.error)
    assert len(trees.saved_points.load()) == MOST_POINTS


def test_a_saved_point_becomes_the_default_of_the_next_visit(open_app, trees):
    point = trees.evaluate("notebook", tail_size=30).point_at(0.31)
    other = trees.evaluate("bendale").point_at(0.6)
    for name, item in (("strict", other), ("night", point)):
        trees.saved_points.add(SavedPoint(name, "", MOMENT, item))
    app = open_app(trees.folder, "threshold")
    app.selectbox(key="saved_point").set_value("night").run()
    button(app, "Make it the default").click().run()
    assert not app.exception
    assert trees.operating_point() == point
    assert saved_table(app)["default"].tolist() == [False, True]
    app = open_app(trees.folder, "threshold")
    assert app.sidebar.selectbox(key="method").value == "notebook"
    assert app.sidebar.number_input(key="tail_size").value == 30
    assert explorer(app)["value"] == 0.31


def test_a_deleted_point_is_gone_and_what_it_decides_stays(open_app, trees):
    point = trees.evaluate("bendale").point_at(0.6)
    for name in ("strict", "mild"):
        trees.saved_points.add(SavedPoint(name, "", MOMENT, point))
    trees.choose(point)
    app = open_app(trees.folder, "threshold")
    app.selectbox(key="saved_point").set_value("mild").run()
    button(app, "Delete").click().run()
    assert not app.exception
    assert [item.name for item in trees.saved_points.load()] == ["strict"]
    assert saved_table(app)["name"].tolist() == ["strict"]
    button(app, "Delete").click().run()
    assert "No point is saved yet." in texts(app.caption)
    assert trees.operating_point() == point


@pytest.mark.parametrize("alone", [False, True], ids=["whole page", "fragment"])
def test_showing_a_point_moves_to_its_method_and_threshold(open_app, trees, monkeypatch, alone):
    evaluation = trees.evaluate("notebook", tail_size=30)
    trees.saved_points.add(SavedPoint("night", "", MOMENT, evaluation.point_at(0.31)))
    app = open_app(trees.folder, "threshold", threshold="0.7")
    assert explorer(app)["saved"] == []  # of another method: not on these curves
    if alone:
        run_fragments_alone(app, monkeypatch)
    button(app, "Show").click().run()
    assert not app.exception
    assert app.sidebar.selectbox(key="method").value == "notebook"
    assert app.sidebar.number_input(key="tail_size").value == 30
    assert explorer(app)["value"] == 0.31
    assert explorer(app)["current"]["correct"] == evaluation.curve.outcome(0.31).correct
    assert [item["name"] for item in explorer(app)["saved"]] == ["night"]


@pytest.mark.parametrize("alone", [False, True], ids=["whole page", "fragment"])
def test_every_change_is_seen_at_once(open_app, trees, monkeypatch, alone):
    app = open_app(trees.folder, "threshold", threshold="0.6")
    if alone:
        run_fragments_alone(app, monkeypatch)
    save(app, "night")
    assert saved_table(app)["name"].tolist() == ["night"]
    assert [item["name"] for item in explorer(app)["saved"]] == ["night"]
    button(app, "Make it the default").click().run()
    assert saved_table(app)["default"].tolist() == [True]
    button(app, "Delete").click().run()
    assert "No point is saved yet." in texts(app.caption)
    assert explorer(app)["saved"] == []
    assert not app.exception


def test_points_on_other_pictures_keep_their_own_figures(open_app, trees):
    point = replace(trees.evaluate("bendale").point_at(0.6), test_accuracy=0.125, counts={})
    trees.saved_points.add(SavedPoint("then", "", MOMENT, point))
    (trees.pictures.folder("test") / "ash" / "000.png").unlink()
    store_made_up(trees, "test", trees.pictures.find("test"), seed=9)
    app = open_app(trees.folder, "threshold")
    table = saved_table(app)
    assert table["test_accuracy"].tolist() == [12.5]
    assert table["data"].tolist() == [point.data] != [trees.evaluate("bendale").data]


@pytest.mark.parametrize("content", ["{", '{"format": "other"}', "[]", ""])
def test_a_damaged_file_of_points_is_named_and_the_page_goes_on(open_app, trees, content):
    trees.saved_points.path.write_text(content)
    app = open_app(trees.folder, "threshold", threshold="0.6")
    assert f"cannot read the saved points {trees.saved_points.path.name} (" in texts(app.error)
    assert explorer(app)["value"] == 0.6
    assert "Recommended: threshold" in texts(app.markdown)
    # Nothing is written over what somebody may mend.
    save(app, "night")
    assert "mend the file, or move it away to start anew" in texts(app.error)
    assert trees.saved_points.path.read_text() == content


def test_a_damaged_operating_point_is_named_beside_the_saved_ones(open_app, trees):
    point = trees.evaluate("bendale").point_at(0.6)
    trees.saved_points.add(SavedPoint("night", "", MOMENT, point))
    trees.operating_point_path.write_text("{")
    app = open_app(trees.folder, "threshold")
    assert "cannot read the operating point" in texts(app.error)
    assert saved_table(app)["default"].tolist() == [False]
    button(app, "Make it the default").click().run()
    assert trees.operating_point() == point
    assert not app.error


def test_a_saved_point_with_a_threshold_for_another_class_is_named_and_never_the_default(
    open_app, trees
):
    point = replace(trees.evaluate("bendale").point_at(0.6), class_thresholds={"elm": 0.9})
    trees.saved_points.add(SavedPoint("of elms", "", MOMENT, point))
    app = open_app(trees.folder, "threshold")
    assert "The saved point 'of elms' does not fit the classes" in texts(app.warning)
    button(app, "Make it the default").click().run()
    assert "there is a threshold for 'elm', but no class of this name" in texts(app.error)
    assert trees.operating_point() is None


def test_without_a_reject_set_a_point_has_no_reject_accuracy(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", n_reject=0)
    app = open_app(workspace.folder, "threshold", threshold="0.6")
    save(app, "night")
    (saved,) = workspace.saved_points.load()
    assert saved.point.reject_accuracy is None
    assert saved_table(app)["reject_accuracy"].isna().all()
    assert explorer(app)["saved"][0]["reject"] is None
