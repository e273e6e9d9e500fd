"""The Weibull page: panels, one class in detail, the table of health, and η and α compared."""

from __future__ import annotations

import json
import shutil
import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from openmax_core.analysis.class_facts import class_boundary, class_facts
from openmax_core.analysis.class_health import (
    class_distances,
    class_health,
    health_table,
    tail_members,
)
from openmax_core.analysis.multiples import multiple
from openmax_core.analysis.sensitivity import REJECT_AT_FLOOR, measure_sensitivity
from openmax_core.methods.single_class import rejection_distance
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.tradeoff.resampling import rest_in_words
from openmax_core.weibull import goodness
from tests.app.visitor import button, given, run_fragments_alone, run_with, send_event, texts
from tests.support.workspaces import make_workspace, store_made_up

MANY = tuple(f"class_{number:02d}" for number in range(14))


@pytest.fixture
def many(tmp_path):
    return make_workspace(tmp_path / "many", classes=MANY, n_train=9, n_test=2, n_reject=9)


def panels(app: AppTest) -> list[dict[str, Any]]:
    return list(given(app, "multiples")["items"])


def open_class(app: AppTest, key: object) -> None:
    """Click a panel."""
    send_event(app, "multiples", "opened", key)


def select(app: AppTest, rows: list[int]) -> None:
    """Tick rows of the table."""
    state = WidgetState(id=app.dataframe[0].proto.id)
    state.string_value = json.dumps({"selection": {"rows": rows, "columns": [], "cells": []}})
    run_with(app, state)


def shown_after(app: AppTest) -> AppTest:
    """Wait for work in the background, and draw the page again."""
    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith("Thread-") and "_run" in thread.name:
            thread.join(60)
    return app.run()


# --- panels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_every_class_of_few_has_a_panel_at_the_session_s_threshold(open_app, trees, preset):
    app = open_app(trees.folder, "weibull", method=preset, threshold="0.37")
    evaluation = trees.evaluate(preset)
    distances = class_distances(evaluation)
    health = class_health(evaluation, distances)
    drawn = [multiple(evaluation, distances, health, index, 0.37) for index in range(3)]
    assert panels(app) == drawn
    entries = {entry["name"]: entry["text"] for entry in given(app, "multiples")["key"]}
    has_line = any(panel["boundary"] is not None for panel in panels(app))
    line = "beyond this distance most are rejected, at threshold 0.37"
    assert entries.get("boundary") == (line if has_line else None)
    assert entries["reject"] == "reject pictures whose largest logit is this class"


def test_another_threshold_moves_the_line(open_app, trees):
    places = set()
    for threshold in ("0.5", "0.9"):
        app = open_app(trees.folder, "weibull", threshold=threshold)
        assert app.query_params["threshold"] == threshold
        places.add(panels(app)[0]["boundary_text"])
    assert len(places) == 2


def test_what_a_page_was_drawn_with_is_not_kept_as_the_figures_of_a_newer_extraction(
    open_app, tmp_path, monkeypatch
):
    workspace = make_workspace(tmp_path / "trees")
    app = open_app(workspace.folder, "weibull")
    shown = panels(app)
    with monkeypatch.context() as patch:
        run_fragments_alone(app, patch)
        # While the page is open, more pictures are extracted.
        for number in range(20):
            source = workspace.pictures.folder("test") / "ash" / "000.png"
            shutil.copy(source, source.with_name(f"new_{number}.png"))
        store_made_up(workspace, "test", workspace.pictures.find("test"), seed=7)
        app.run()
        assert panels(app) == shown
    evaluation = workspace.evaluate()
    fresh = panels(open_app(workspace.folder, "weibull"))
    distances = class_distances(evaluation)
    threshold = float(app.query_params["threshold"][0])
    health = class_health(evaluation, distances)
    assert fresh[0]["test"]["n"] == shown[0]["test"]["n"] + 20
    assert [panel["test"] for panel in fresh] == [
        multiple(evaluation, distances, health, index, threshold)["test"] for index in range(3)
    ]


def test_without_a_reject_set_only_test_pictures_are_shown(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", n_reject=0)
    app = open_app(workspace.folder, "weibull")
    assert [panel["reject"] for panel in panels(app)] == [None] * 3
    assert "reject" not in {entry["name"] for entry in given(app, "multiples")["key"]}
    assert "Nothing can be compared without a reject set" in texts(app.info)


def test_fits_that_need_a_look_are_counted(open_app, trees):
    app = open_app(trees.folder, "weibull", method="notebook")
    assert "3 of 3 fits have a warning" in texts(app.warning)
    assert all("degenerate fit" in panel["warning"] for panel in panels(app))
    assert "3 classes have no p: no maximum likelihood exists" in texts(app.caption)


# --- one class -----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_a_click_on_a_panel_opens_the_class(open_app, trees, preset):
    app = open_app(trees.folder, "weibull", method=preset, threshold="0.37")
    assert not app.get("plotly_chart")
    open_class(app, 1)
    evaluation = trees.evaluate(preset)
    assert len(app.get("plotly_chart")) == 3
    members = tail_members(evaluation, 1)
    shown = given(app, "tail")["items"]
    assert [item["path"] for item in shown] == members["path"].tolist()[:12]
    assert all(item["picture"].startswith("data:image/jpeg") for item in shown)
    assert shown[0]["lines"][0] == f"distance {members['distance'].iloc[0]:.4g}"
    health = class_health(evaluation, class_distances(evaluation))
    limit = rejection_distance(evaluation.openmax, 1, 0.37)
    boundary = class_boundary(evaluation, class_distances(evaluation), 1, 0.37)
    facts = class_facts(evaluation, health, 1, limit, boundary)
    assert app.table[0].value["value"].tolist() == facts["value"].tolist()


@pytest.mark.parametrize("key", [7, -1, "1", None, [1], True])
def test_what_no_panel_sends_opens_nothing(open_app, tmp_path, key):
    workspace = make_workspace(tmp_path / "trees", classes=("ash", "birch"))
    app = open_app(workspace.folder, "weibull")
    open_class(app, key)
    assert not app.get("plotly_chart")


def test_pictures_that_have_gone_are_left_out_of_the_tail(open_app, trees):
    shutil.rmtree(trees.folder / "train" / "ash")
    app = open_app(trees.folder, "weibull")
    open_class(app, 0)
    assert [item["picture"] for item in given(app, "tail")["items"]] == [None] * 12


def test_names_of_classes_are_shown_as_they_are(open_app, tmp_path):
    classes = ("![ash](http:--example.org-x)", "*birch*", "cedar")
    workspace = make_workspace(tmp_path / "trees", classes=classes)
    app = open_app(workspace.folder, "weibull")
    assert [panel["name"] for panel in panels(app)] == list(classes)
    open_class(app, 1)
    titles = [block.proto.dialog.title for block in blocks(app) if block.proto.dialog.title]
    assert titles == ["Class \\*birch\\*"]


def blocks(app: AppTest) -> list[Any]:
    """All blocks of the page."""
    found, waiting = [], [app._tree]
    while waiting:
        block = waiting.pop()
        children = getattr(block, "children", {})
        found += [child for child in children.values() if getattr(child, "proto", None) is not None]
        waiting += children.values()
    return [item for item in found if hasattr(item.proto, "dialog")]


# --- the table -----------------------------------------------------------------------------------


def test_the_table_has_every_class_worst_fit_first(open_app, trees):
    app = open_app(trees.folder, "weibull")
    evaluation = trees.evaluate("bendale")
    health = class_health(evaluation, class_distances(evaluation))
    expected = health_table(evaluation, health)
    shown = app.dataframe[0].value
    assert shown["class"].tolist() == expected["class"].tolist()
    assert shown["p_value"].tolist() == expected["p_value"].tolist()
    assert shown["shape"].tolist() == expected["shape"].tolist()
    assert f"{health.goodness.n_replicates} tails per class" in texts(app.caption)


def test_of_many_classes_the_worst_are_drawn_until_rows_are_selected(open_app, many):
    app = open_app(many.folder, "weibull")
    order = app.dataframe[0].value["class"].tolist()
    assert len(order) == 14
    assert [panel["name"] for panel in panels(app)] == order[:6]
    assert "the 6 worst fits are drawn" in texts(app.caption)


def test_selected_rows_are_drawn_and_no_more_than_twelve(open_app, many):
    app = open_app(many.folder, "weibull")
    order = app.dataframe[0].value["class"].tolist()
    select(app, [8, 13])
    assert [panel["name"] for panel in panels(app)] == [order[8], order[13]]
    select(app, list(range(14)))
    assert [panel["name"] for panel in panels(app)] == order[:12]
    assert "14 classes are selected. The first 12 are drawn" in texts(app.caption)


def test_of_few_classes_a_selection_draws_these_alone(open_app, trees):
    app = open_app(trees.folder, "weibull")
    order = app.dataframe[0].value["class"].tolist()
    assert [panel["name"] for panel in panels(app)] == ["ash", "birch", "cedar"]
    select(app, [2])
    assert [panel["name"] for panel in panels(app)] == [order[2]]


def test_a_search_leaves_the_classes_that_match(open_app, many):
    app = open_app(many.folder, "weibull")
    app.text_input(key="class_search").set_value("_13, 02").run()
    assert sorted(app.dataframe[0].value["class"]) == ["class_02", "class_13"]
    assert sorted(panel["name"] for panel in panels(app)) == ["class_02", "class_13"]
    app.text_input(key="class_search").set_value("oak").run()
    assert "No class has this text in its name" in texts(app.caption)
    assert not panels(app)


def test_two_classes_of_two_pictures_are_shown(open_app, tmp_path):
    workspace = make_workspace(
        tmp_path / "few", classes=("ash", "birch"), n_train=2, n_test=2, n_reject=1
    )
    app = open_app(workspace.folder, "weibull")
    assert "2 distances are too few to test" in texts(app.caption)
    open_class(app, 0)
    assert len(given(app, "tail")["items"]) == 2


def test_sound_fits_of_three_parameters_are_simulated_in_the_background(
    open_app, tmp_path, monkeypatch
):
    monkeypatch.setattr(goodness, "MAX_FORM_REPLICATES", 19)
    workspace = make_workspace(tmp_path / "trees", n_train=100, n_test=3, stored=False)
    # With sound fits, and one that is not.
    for seed, split in enumerate(workspace.pictures.splits, start=2):
        files = workspace.pictures.find(split)
        rows = on_shells(files.labels, seed)
        workspace.stored.store.save(split, files, dict(enumerate(rows)), 3)
    shapes = workspace.evaluate("notebook").openmax.weibull_.parameters()["shape"]
    assert (shapes > 1).tolist() == [True, False, True]
    app = shown_after(open_app(workspace.folder, "weibull", method="notebook"))
    table = app.dataframe[0].value
    assert (table["p_value"].notna() == (table["shape"] > 1)).all()
    assert "up to 19 tails per class" in texts(app.caption)


def on_shells(labels: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """Logits whose squared distances to their class's centre have an upper end."""
    generator = np.random.default_rng(seed)
    squared = np.maximum(9 - 2 * generator.weibull(3, len(labels)), 0.5)
    directions = generator.normal(size=(len(labels), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centres = 12 * np.eye(3)[np.maximum(labels, 0)] * (labels >= 0)[:, None]
    return (centres + np.sqrt(squared)[:, None] * directions).astype(np.float32)


# --- η and α -------------------------------------------------------------------------------------


def test_settings_are_compared_when_asked_for(open_app, trees):
    app = open_app(trees.folder, "weibull")
    assert not app.get("plotly_chart")
    button(app, "Compare settings").click().run()
    app = shown_after(app)
    result = measure_sensitivity(trees.evaluate("bendale"), 0.85)
    assert result.verdict("AUROC") in texts(app.markdown)
    assert len(app.get("plotly_chart")) == 1
    assert "89 test and 60 reject pictures, all there are" in texts(app.caption)
    app.segmented_control(key="sensitivity_metric").set_value(REJECT_AT_FLOOR).run()
    assert result.verdict(REJECT_AT_FLOOR) in texts(app.markdown)
    assert "keeps Test accuracy ≥ 85.0 %" in texts(app.caption)


def test_the_floor_is_the_threshold_page_s(open_app, trees):
    app = open_app(trees.folder, "threshold")
    app.text_input(key="floor").set_value("70").run()
    app.switch_page("pages/weibull.py").run()
    button(app, "Compare settings").click().run()
    app = shown_after(app)
    app.segmented_control(key="sensitivity_metric").set_value(REJECT_AT_FLOOR).run()
    assert "keeps Test accuracy ≥ 70.0 %" in texts(app.caption)
    words = rest_in_words(trees.evaluate("bendale").curve, MostRejected(0.7))
    assert f"The current setting: {words}" in texts(app.caption)


def test_another_method_is_compared_anew_and_a_failure_is_named(open_app, trees, monkeypatch):
    app = open_app(trees.folder, "weibull")
    button(app, "Compare settings").click().run()
    app = shown_after(app)
    app.sidebar.selectbox(key="method").set_value("notebook").run()
    assert button(app, "Compare settings")

    def fail(*arguments: object, **named: object) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr("pages._weibull.sensitivity.measure_sensitivity", fail)
    button(app, "Compare settings").click().run()
    app = shown_after(app)
    assert "unexpected MemoryError: no memory" in texts(app.error)
    assert button(app, "Compare settings")
    assert np.isfinite(trees.evaluate("notebook").curve.auroc)
