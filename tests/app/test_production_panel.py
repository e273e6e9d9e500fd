"""The Threshold page's shares of kinds of unknowns, and its table of costs."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from openmax_core.tradeoff.cost_table import CostTable, parse_costs
from openmax_core.tradeoff.objectives import LeastTableCost, MostRejected
from openmax_core.tradeoff.saved_points import SavedPoint
from pages._shared.format import plain, rejected_in_words
from tests.app.visitor import button, texts
from tests.support.workspaces import divide_reject_set, make_workspace


@pytest.fixture
def divided(trees):
    divide_reject_set(trees, {"elm": 20})
    return trees


def with_shares(app: AppTest, folder, **shares: float) -> AppTest:
    """The page after the shares were typed: AppTest cannot edit a table."""
    app.session_state["kind_shares"] = {str(folder): shares}
    app.session_state["kind_shares_version"] = 7
    return app.run()


def test_shares_weight_what_the_page_shows(open_app, divided):
    app = open_app(divided.folder, "threshold")
    assert "weighted by kind" not in texts(app.markdown)
    app = with_shares(app, divided.folder, oak=1.0, elm=3.0)
    evaluation = divided.evaluate("bendale").in_production({"oak": 1, "elm": 3})
    point = evaluation.choose(MostRejected(0.85))
    assert rejected_in_words(point.outcome, "Wilson") in texts(app.markdown)
    assert "Reject accuracy is weighted: elm 75 %, oak 25 %" in texts(app.caption)
    table = next(item.value for item in app.dataframe if "folder" in item.value)
    assert sorted(table["share"]) == [25.0, 75.0]
    app.segmented_control(key="interval").set_value("Clopper–Pearson").run()
    assert "Bonferroni" in texts(app.caption)
    button(app, "Count all pictures alike").click().run()
    assert "weighted by kind" not in texts(app.markdown)


def test_shares_are_saved_with_the_point_and_shown_with_it(open_app, divided):
    app = with_shares(open_app(divided.folder, "threshold"), divided.folder, elm=1.0)
    button(app, "Use recommended").click().run()
    evaluation = divided.evaluate("bendale").in_production({"elm": 1})
    point = evaluation.choose(MostRejected(0.85))
    divided.saved_points.add(SavedPoint("elms", "", "2026-01-01T00:00:00+00:00", point))
    app = open_app(divided.folder, "threshold")
    button(app, "Show").click().run()
    assert "Reject accuracy is weighted: elm 100 %" in texts(app.caption)
    assert app.session_state["kind_shares"] == {str(divided.folder): {"elm": 1.0}}


def test_the_operating_point_s_shares_are_the_first_ones(open_app, divided):
    evaluation = divided.evaluate("bendale").in_production({"oak": 1, "elm": 1})
    divided.choose(evaluation.choose(MostRejected(0.85)))
    app = open_app(divided.folder, "threshold")
    assert "Reject accuracy is weighted: elm 50 %, oak 50 %" in texts(app.caption)
    app.switch_page("pages/overview.py").run()
    assert "weighted by kind" in texts(app.success)


def test_a_share_of_a_kind_that_is_gone_is_said(open_app, divided):
    app = with_shares(open_app(divided.folder, "threshold"), divided.folder, oak=1.0, gone=2.0)
    # The table has the kinds that there are.
    assert "Reject accuracy is weighted: oak 100 %" in texts(app.caption)


def test_an_undivided_reject_set_has_no_shares(open_app, trees):
    app = open_app(trees.folder, "threshold")
    assert not [item for item in app.button if item.label == "Count all pictures alike"]


def test_hostile_names_of_kinds_stay_text(open_app, tmp_path):
    hostile = make_workspace(tmp_path / "hostile")
    divide_reject_set(hostile, {"![x](https:__a.b_c.png)": 20})
    app = open_app(hostile.folder, "threshold")
    kinds = hostile.evaluate().kinds
    assert kinds is not None
    shares = dict.fromkeys(kinds.sizes, 1.0)
    app = with_shares(app, hostile.folder, **shares)
    assert any(plain("![x](https:__a.b_c.png)") in item.value for item in app.caption)


# --- costs ----------------------------------------------------------------------------------------


def test_the_table_of_costs_begins_with_the_three_costs(open_app, divided):
    app = open_app(divided.folder, "threshold")
    app.selectbox(key="objective").set_value("least_table_cost").run()
    table = CostTable.of_three(divided.classes, 1, 1, 5)
    point = divided.evaluate("bendale").choose(LeastTableCost(table, 0.1))
    assert f"Expected cost **{point.expected_cost:.4g}**" in texts(app.markdown)
    app.text_input(key="unknown_share").set_value("40%").run()
    point = divided.evaluate("bendale").choose(LeastTableCost(table, 0.4))
    assert f"Expected cost **{point.expected_cost:.4g}**" in texts(app.markdown)
    assert not app.exception


def test_another_table_chooses_anew_and_can_be_judged(open_app, divided):
    app = open_app(divided.folder, "threshold")
    names = divided.classes
    text = CostTable.of_three(names, 7, 1, 2).to_csv() + "unknown: elm,9,9,9,0\n"
    table = parse_costs(text, names)
    app.session_state["cost_tables"] = {f"{divided.folder}|{names}": table}
    app.selectbox(key="objective").set_value("least_table_cost").run()
    point = divided.evaluate("bendale").choose(LeastTableCost(table, 0.1))
    assert f"Expected cost **{point.expected_cost:.4g}**" in texts(app.markdown)
    app.toggle(key="honest").set_value(True).run()
    assert "resamples of the pictures" in texts(app.caption)
    app.toggle(key="per_class").set_value(True).run()
    assert "expected cost saved" in str(app.table[-1].value)
    assert "Kinds of unknowns with costs of their own: elm." in texts(app.caption)
    assert not app.exception


def test_many_classes_have_a_file_instead_of_an_editor(open_app, tmp_path):
    names = tuple(f"class{index:02}" for index in range(14))
    many = make_workspace(tmp_path / "many", classes=names, n_train=6, n_test=3, n_reject=5)
    app = open_app(many.folder, "threshold")
    app.selectbox(key="objective").set_value("least_table_cost").run()
    assert "A table for 14 classes is edited as a CSV file" in texts(app.caption)
    assert "Expected cost" in texts(app.markdown)
