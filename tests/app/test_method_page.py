"""The page about the method: the presets, and the evidence with its counts."""

from __future__ import annotations

import json

import pytest

from openmax_core.analysis.evidence import FIGURES, KINDS, Evidence
from openmax_core.methods.settings import PRESETS
from tests.app.visitor import texts
from tests.unit.analysis.test_evidence import SHIPPED


@pytest.fixture
def evidence() -> Evidence:
    return Evidence.load(SHIPPED)


def test_the_presets_are_described_side_by_side(open_app, trees):
    app = open_app(trees.folder, "method")
    table = app.table[0].value
    assert list(table.columns) == ["openmax (default)", "robust", "bendale", "notebook"]
    for name, column in zip(PRESETS, table.columns, strict=True):
        assert table[column].to_dict() == PRESETS[name].in_words


def test_the_claim_is_counted_from_the_evidence(open_app, trees, evidence):
    app = open_app(trees.folder, "method")
    below, above = evidence.beyond_noise("openmax", "")
    said = texts(app.markdown)
    assert f"{evidence.n_candidates} settings" in said
    assert f"{evidence.n_problems} other problems" in said
    assert (
        f"better than maximum softmax probability in {len(above)} and worse in {len(below)}" in said
    )
    for table, kind in zip(app.dataframe[:3], KINDS, strict=True):
        assert table.value.equals(evidence.noise_table(kind))


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_can_be_compared(open_app, trees, evidence, figure):
    app = open_app(trees.folder, "method")
    app.segmented_control(key="evidence_figure").set_value(figure).run()
    assert not app.exception
    drawn = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert drawn["layout"]["xaxis"]["title"]["text"].startswith(FIGURES[figure])
    shown = next(item.value for item in app.dataframe if "problem" in item.value.columns)
    expected = evidence.table(figure)
    expected[expected.columns[4:]] *= 100
    assert shown.equals(expected)


def test_it_needs_no_workspace(open_app, tmp_path):
    app = open_app(tmp_path / "nothing", "method")
    assert app.title[0].value == "About the method"
    assert not app.error


def test_damaged_evidence_is_named_and_the_rest_stands(open_app, trees, tmp_path, monkeypatch):
    damaged, load = tmp_path / "evidence.json", Evidence.load
    damaged.write_text("{}", encoding="utf-8")
    monkeypatch.setattr(Evidence, "load", lambda path: load(damaged))
    app = open_app(trees.folder, "method")
    assert f"the evidence {damaged} cannot be read" in texts(app.error)
    assert app.table
    assert app.subheader[-1].value == "Known problems of OpenMax"
