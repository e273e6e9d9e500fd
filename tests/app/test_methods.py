"""Every page with a method that is not OpenMax."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from openmax_core.methods.registry import FEATURE_METHODS, METHODS
from openmax_core.methods.scores import SCORES
from openmax_core.monitor.records import BatchRecords
from openmax_core.tradeoff.explorer import explorer_data
from tests.app.visitor import button, explorer, gallery, move_threshold, open_picture, texts
from tests.support.batches import measured

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_sidebar_offers_every_method_and_settings_for_openmax_alone(open_app, trees):
    app = open_app(trees.folder)
    choice = app.sidebar.selectbox(key="method")
    assert choice.options == list(METHODS)
    assert [item.key for item in app.sidebar.number_input] == ["tail_size", "alpha_rank"]
    choice.set_value("energy").run()
    assert not app.exception
    assert not app.sidebar.number_input
    assert "`energy` has no settings. η and α belong to OpenMax" in texts(app.sidebar.caption)


@pytest.mark.parametrize("method", SCORES)
def test_the_threshold_page_takes_its_range_from_the_scores(open_app, trees, method):
    app = open_app(trees.folder, "threshold", method=method)
    evaluation = trees.evaluate(method)
    method_words = evaluation.method.words
    assert f"Method **{method}** ({method_words.title}: {method_words.formula})" in texts(
        app.caption
    )
    given = explorer(app)
    expected = explorer_data(
        evaluation.overall, evaluation.curve, trees.classes, evaluation.score_range
    )
    assert given["curve_id"] == expected["id"]
    assert given["value"] == evaluation.recommend(0.85).threshold
    low, _ = evaluation.score_range
    move_threshold(app, low)  # accepts every unknown
    assert explorer(app)["value"] == low
    open_picture(app, gallery(app)[0]["key"])
    assert not app.exception


def test_a_link_may_name_a_negative_threshold_where_scores_are_no_probabilities(open_app, trees):
    app = open_app(trees.folder, "threshold", method="gen", threshold="-0.75")
    assert explorer(app)["value"] == -0.75
    app = open_app(trees.folder, "threshold", method="msp", threshold="-0.75")
    assert explorer(app)["value"] == trees.evaluate("msp").recommend(0.85).threshold


def test_a_point_of_a_score_is_saved_made_the_default_and_shown(open_app, trees):
    app = open_app(trees.folder, "threshold", method="energy")
    for label, text in (("Name", "sure"), ("Note", "")):
        next(item for item in app.text_input if item.label == label).set_value(text)
    button(app, "Save threshold").click().run()
    (saved,) = trees.saved_points.load()
    assert replace(saved.point, promise=None) == trees.evaluate("energy").recommend(0.85)
    assert saved.point.promise is not None  # so much is right that the recommended one is promised
    trees.choose(saved.point)
    app = open_app(trees.folder)
    assert app.sidebar.selectbox(key="method").value == "energy"
    assert "method energy, threshold" in texts(app.success)
    assert "another method" not in texts(app.success)


@pytest.mark.parametrize("method", SCORES)
def test_the_weibull_page_shows_what_decides_and_no_weibull(open_app, trees, method):
    app = open_app(trees.folder, "weibull", method=method)
    evaluation = trees.evaluate(method)
    said = texts(app.markdown)
    assert f"The method **{method}**" in said
    assert "fits no Weibull" in said
    assert evaluation.method.words.formula in said
    assert not app.dataframe
    for chosen in (None, 1):
        app.selectbox(key="score_class").set_value(chosen).run()
        assert not app.exception
        drawn = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
        for bars, split in zip(drawn, ("test", "reject"), strict=True):
            predictions = getattr(evaluation.curve, f"{split}_predictions")
            n = len(predictions) if chosen is None else int((predictions == chosen).sum())
            assert bars["name"] == f"{n:,} {split} pictures"


def test_the_monitor_page_speaks_of_scores(open_app, trees, tmp_path):
    trees.choose(trees.evaluate("max_logit").recommend(0.85))
    batch = measured(trees, tmp_path / "b.parquet", seed=1, signal=2.0)
    BatchRecords.of(trees).add(batch, "b", MOMENT)
    app = open_app(trees.folder, "monitor")
    said = texts([*app.markdown, *app.caption])
    assert "Drift of scores by class" in said
    assert "Orange: lower scores than the test set." in said
    assert "Scores by class" in said
    assert "Pictures with the lowest scores" in said


def test_the_method_page_describes_all(open_app, trees):
    app = open_app(trees.folder, "method")
    table = app.table[1].value
    assert list(table.columns) == list(SCORES)
    of_features = app.table[2].value
    assert list(of_features.columns) == list(FEATURE_METHODS)
    for drawn in (table, of_features):
        assert np.all(drawn.map(bool))
