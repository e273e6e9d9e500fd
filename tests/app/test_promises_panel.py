"""The promised threshold beside the recommended one, or why nothing is promised."""

from __future__ import annotations

import pytest

from openmax_core.tradeoff.objectives import AtMostLost, FewestKnownRejected, MostRejected
from tests.app.visitor import button, texts
from tests.support.drawn import drawn_workspace


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """200 test and 150 reject pictures: the default floor of 85 % is kept, and promised."""
    return drawn_workspace(tmp_path_factory.mktemp("large"), 200, 150, height=4.5)


def rows(app) -> list[str]:
    """Names of the rows of the table of both points."""
    found = [table.value for table in app.table if "on these pictures" in table.value.columns]
    return list(found[0].index) if found else []


def test_both_points_stand_in_one_table_and_one_is_taken_by_a_click(open_app, large):
    app = open_app(large.folder, "threshold")
    evaluation = large.evaluate()
    promised = evaluation.choose(MostRejected(0.85), 0.95)
    assert rows(app) == ["recommended", "promised"]
    table = next(item.value for item in app.table if "promised" in item.value.index)
    assert promised.promise is not None
    assert table.loc["promised", "promised"].replace("\\", "") == promised.promise.in_words
    assert table.loc["promised", "costs"].endswith("points of Reject accuracy less")
    assert "presupposes new pictures like these" in texts(app.caption)
    button(app, "Use promised").click().run()
    assert app.query_params["threshold"] in (given := f"{promised.threshold:g}", [given])
    assert button(app, "Use promised").disabled


def test_the_confidence_can_be_chosen(open_app, large):
    app = open_app(large.folder, "threshold")
    app.segmented_control(key="confidence").set_value(0.99).run()
    promised = large.evaluate().choose(MostRejected(0.85), 0.99)
    table = next(item.value for item in app.table if "promised" in item.value.index)
    assert "with 99 % confidence" in table.loc["promised", "promised"]
    assert float(table.loc["promised", "threshold"]) == promised.threshold


def test_what_cannot_be_promised_says_how_many_pictures_are_needed(open_app, tmp_path):
    few = drawn_workspace(tmp_path, 40, 40)
    app = open_app(few.folder, "threshold")
    app.selectbox(key="objective").set_value(FewestKnownRejected.kind).run()
    assert rows(app) == ["recommended"]
    told = texts(app.markdown)
    assert "**No promise:** Not with 40 pictures: at the observed rate" in told
    assert "are needed for a chance of 80 %" in told
    assert button(app, "Use promised").disabled
    plan = next(item.value for item in app.table if "needed on them" in item.value.columns)
    assert "40 known" in list(plan["pictures"])


def test_a_floor_out_of_reach_is_relative_by_default(open_app, tmp_path):
    weak = drawn_workspace(tmp_path, 200, 150)
    app = open_app(weak.folder, "threshold")
    assert app.selectbox(key="objective").value == AtMostLost.kind
    assert "lose at most 5 points against 82.5 %" in texts(app.caption)
    assert "**Recommended: threshold" in texts(app.markdown)


def test_without_unknowns_the_threshold_is_from_known_pictures_alone(open_app, tmp_path):
    alone = drawn_workspace(tmp_path, 200, 0)
    app = open_app(alone.folder, "threshold")
    choice = app.selectbox(key="objective")
    assert choice.value == FewestKnownRejected.kind
    assert not any("Reject accuracy" in option for option in choice.options)
    assert rows(app) == ["recommended", "promised"]
    promised = alone.evaluate().choose(FewestKnownRejected(0.05), 0.95)
    table = next(item.value for item in app.table if "promised" in item.value.index)
    assert promised.promise is not None
    assert table.loc["promised", "promised"].replace("\\", "") == promised.promise.in_words
    assert "Reject accuracy" not in table.to_string()


def test_a_useless_point_is_not_recommended(open_app, tmp_path):
    indistinct = drawn_workspace(tmp_path, 200, 150, height=0.5)
    app = open_app(indistinct.folder, "threshold")
    app.selectbox(key="objective").set_value(MostRejected.kind).run()
    app.text_input(key="floor").set_value("0 %").run()
    told = texts(app.markdown)
    assert "**No recommendation:** the best threshold for" in told
    assert "of the 200 known pictures" in told
    assert "**Recommended:" not in told


def test_thresholds_per_class_can_be_promised_too(open_app, large):
    app = open_app(large.folder, "threshold")
    app.toggle(key="per_class").set_value(True).run()
    told = texts(app.caption)
    assert "Other thresholds per class can be promised: Test accuracy ≥ 85.0 %" in told
    assert "from 100 pictures" in told
