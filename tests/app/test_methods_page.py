"""The page that compares methods: the table, the words, and the choice of one."""

from __future__ import annotations

import pytest

from openmax_core.analysis.ranking import FIGURES, NAMES
from openmax_core.methods.registry import METHODS_OF_LOGITS
from tests.app.visitor import texts
from tests.support.workspaces import make_workspace

ALL = "All figures"


@pytest.fixture
def compared(open_app, trees):
    """The page once the comparison has ended."""
    app = open_app(trees.folder, "methods")
    for _ in range(100):
        if app.dataframe:
            return app
        app.run()
    raise AssertionError("the comparison does not end")


def test_all_methods_stand_beside_softmax(compared):
    table = compared.dataframe[0].value
    assert len(table) == len(METHODS_OF_LOGITS)
    assert "rmds, vim, nci are left out: features are needed" in texts(compared.caption)
    assert table["method"].str.contains("(present)", regex=False).sum() == 1
    said = texts(compared.markdown)
    assert "over softmax" in said or "than softmax" in said
    assert "Reject accuracy at the floor: best" in said
    assert "The present method: Chosen on a random half" in texts(compared.caption)
    compared.segmented_control(key="comparison_figures").set_value(ALL).run()
    assert list(compared.dataframe[0].value.columns) == ["method", *NAMES]


def test_every_figure_says_what_it_is(compared):
    words = compared.dataframe[-1].value
    assert words["figure"].tolist() == [FIGURES[name].label for name in NAMES]
    for name in NAMES:
        compared.selectbox(key="comparison_interval").set_value(name).run()
        assert not compared.exception
        shown = compared.dataframe[1].value
        assert len(shown) == len(METHODS_OF_LOGITS)


def test_without_a_reject_set_the_page_says_so(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "none", n_reject=0)
    app = open_app(workspace.folder, "methods")
    assert "has no reject set" in app.info[0].value
    assert not app.dataframe
