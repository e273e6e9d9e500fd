"""The evidence for the default method: how it is read, and that the preset is what it chose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openmax_core.analysis.evidence import (
    BASELINE,
    FIELD_FIGURES,
    FIGURES,
    KINDS,
    LOOKS,
    OWN,
    SHIFTED,
    Evidence,
)
from openmax_core.errors import OpenMaxError
from openmax_core.methods.registry import FEATURE_METHODS
from openmax_core.methods.settings import DEFAULT_PRESET, PRESETS

SHIPPED = Path(__file__).parents[3] / "assets" / "evidence.json"


def figures(difference: float, half: float) -> dict[str, dict[str, float]]:
    return {
        name: {
            "value": 0.5 + difference,
            "difference": difference,
            "low": difference - half,
            "high": difference + half,
        }
        for name in FIGURES
    }


def made_up() -> Evidence:
    """Two problems in one group: 'openmax' is better in one, 'bendale' worse in the other."""
    differences = {
        "openmax": (0.2, 0.01),
        "robust": (0.0, 0.01),
        "bendale": (0.01, -0.2),
        "notebook": (0.0, 0.0),
        "maximum logit": (0.02, -0.02),
        "energy": (0.0, 0.0),
        "GEN": (0.0, 0.0),
        BASELINE: (0.0, 0.0),
    }
    by_problem: list[dict[str, Any]] = []
    by_group: list[dict[str, Any]] = []
    for method, values in differences.items():
        for number, value in enumerate(values):
            about = {"classes": 3, "test": 40, "reject": 20, "group": "digits"}
            row = {"problem": f"digits {number}", "method": method, **about}
            by_problem.append(row | figures(value, 0.05))
        mean = sum(values) / 2
        by_group.append({"group": "digits", "problems": 2, "method": method} | figures(mean, 0.04))
    change = figures(-0.03, 0.01)
    ablations = [
        {
            "change": "no centring",
            **{
                part: {name: change[name][part] for name in FIGURES}
                for part in ("difference", "low", "high")
            },
            "by_group": {"digits": dict.fromkeys(FIGURES, -0.03)},
        }
    ]
    return Evidence(10, 4, 1000, {}, [], by_problem, by_group, ablations)


def test_beyond_noise_are_the_comparisons_whose_interval_leaves_zero_out():
    evidence = made_up()
    below, above = evidence.beyond_noise("openmax", "")
    assert below == []
    assert above == [f"digits 0 ({name})" for name in FIGURES.values()]
    below, above = evidence.beyond_noise("bendale", "")
    assert below == [f"digits 1 ({name})" for name in FIGURES.values()]
    assert above == []


def test_problems_with_a_constant_added_are_counted_apart():
    evidence = made_up()
    moved = [
        {**row, "problem": f"{row['problem']}, moved", "group": "digits, shifted"}
        for row in evidence.by_problem
        if row["problem"] == "digits 0"
    ]
    both = replace(evidence, by_problem=[*evidence.by_problem, *moved])
    assert (both.n_problems, both.n_of(SHIFTED), both.n_of(OWN)) == (3, 1, 0)
    assert both.noise_table("").equals(evidence.noise_table(""))
    counts = both.noise_table(SHIFTED).drop(columns="method").to_numpy()
    assert counts.sum(axis=1).tolist() == [both.n_comparisons(SHIFTED)] * len(LOOKS)
    assert counts[0].tolist() == [3, 0, 0]


def test_every_comparison_is_counted_once():
    table = made_up().noise_table("")
    assert table["method"].tolist() == list(LOOKS)
    counts = table[["better", "within noise", "worse"]].to_numpy().tolist()
    by_method = dict(zip(LOOKS, counts, strict=True))
    assert by_method["openmax"] == [3, 3, 0]
    assert by_method["bendale"] == [0, 3, 3]
    assert by_method["maximum logit"] == [0, 6, 0]


@pytest.mark.parametrize("figure", FIGURES)
def test_the_table_has_a_row_a_problem_and_a_column_a_method(figure: str):
    table = made_up().table(figure)
    assert table["problem"].tolist() == ["digits 0", "digits 1"]
    assert table["openmax"].tolist() == pytest.approx([0.7, 0.51])
    assert table[BASELINE].tolist() == [0.5, 0.5]


def test_what_a_change_costs_is_written_with_its_sign_and_interval():
    (row,) = made_up().ablation_table().to_dict(orient="records")
    assert row == {
        "instead": "no centring",
        **dict.fromkeys(FIGURES.values(), "-3.0 points (-4.0 to -2.0)"),
    }


@pytest.mark.parametrize("figure", FIGURES)
def test_what_a_change_costs_is_told_by_group(figure: str):
    (row,) = made_up().ablation_groups(figure).to_dict(orient="records")
    assert row == {"instead": "no centring", "digits": -0.03}


@pytest.mark.parametrize("figure", FIGURES)
def test_the_figure_draws_differences_with_the_ends_of_their_intervals(figure: str):
    drawn = made_up().figure(figure)
    assert [trace.name for trace in drawn.data] == list(LOOKS)
    first = drawn.data[0]
    assert first.x[0] == pytest.approx(10.5)
    assert [first.error_x.array[0], first.error_x.arrayminus[0]] == pytest.approx([4.0, 4.0])
    assert drawn.layout.yaxis.ticktext == ("digits",)


def test_the_default_preset_meets_the_rule_of_the_shipped_evidence():
    evidence = Evidence.load(SHIPPED)
    preset = PRESETS[DEFAULT_PRESET].to_dict()
    assert {name: preset[name] for name in evidence.chosen} == evidence.chosen
    (own,) = [row for row in evidence.candidates if evidence.chosen.items() <= row.items()]
    assert own["counts"]
    assert len(evidence.candidates) == evidence.n_candidates


def test_shipped_evidence_has_every_method_on_every_problem():
    evidence = Evidence.load(SHIPPED)
    methods = {*LOOKS, BASELINE}
    cases = {(row["problem"], row["method"]) for row in evidence.by_problem}
    assert len(cases) == len(evidence.by_problem) == evidence.n_problems * len(methods)
    assert evidence.n_problems > 20


def test_shipped_evidence_never_has_the_default_beyond_noise_below_softmax():
    """Nor where the network adds a constant; one of each picture's own it does not claim."""
    for kind in ("", SHIFTED):
        below, above = Evidence.load(SHIPPED).beyond_noise(DEFAULT_PRESET, kind)
        assert below == []
        assert above


def test_readme_and_guide_tell_the_shipped_counts():
    folder = SHIPPED.parents[1]
    guide = (folder / "assets" / "guides" / "method.md").read_text(encoding="utf-8")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    evidence = Evidence.load(SHIPPED)
    tables = [evidence.noise_table(kind).to_dict(orient="records") for kind in KINDS]
    for rows in zip(*tables, strict=True):
        counts = " | ".join(
            f"{row['better']} / {row['within noise']} / {row['worse']}" for row in rows
        )
        name = rows[0]["method"]
        assert f"| `{name}` | {counts} |" in guide or f"| {name} | {counts} |" in guide
    assert f"{evidence.n_candidates} settings were compared on" in guide
    own = tables[0][0]
    assert (own["method"], own["worse"]) == (DEFAULT_PRESET, 0)
    total = sum(own[name] for name in ("better", "within noise", "worse"))
    better = f"{total} comparisons with softmax alone: {own['better']} better"
    assert f"{better}, none worse beyond noise" in readme
    words = f"{evidence.n_of('')} as they are, {evidence.n_of(SHIFTED)} with a constant"
    assert words in guide


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"chosen": {}})])
def test_what_is_no_evidence_is_an_error_that_names_the_file(tmp_path: Path, text: str):
    path = tmp_path / "evidence.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OpenMaxError, match=r"evidence\.json cannot be read"):
        Evidence.load(path)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(OpenMaxError, match=r"nowhere\.json"):
        Evidence.load(tmp_path / "nowhere.json")


def test_every_preset_is_described_by_the_same_steps():
    described = [settings.in_words for settings in PRESETS.values()]
    assert len({tuple(item) for item in described}) == 1
    assert PRESETS["robust"].in_words["weight of rank i"] == "0.25 · (α + 1 − i)/α, α = 5"
    assert PRESETS["notebook"].in_words["weight of rank i"] == "1 for every class"


def test_methods_of_features_are_counted_against_softmax():
    """A smaller FPR is better."""

    def row(method: str, low: float, high: float) -> dict[str, Any]:
        ends = {"value": 0.5, "difference": 0.0, "low": low, "high": high}
        return {"problem": "p", "method": method} | dict.fromkeys(FIELD_FIGURES, ends)

    rows = [row("knn", 0.1, 0.2), row("knn", -0.1, 0.1), row("vim", -0.2, -0.1)]
    table = replace(made_up(), of_features=rows).features_table()
    assert table.to_numpy().tolist() == [
        ["knn", 2, "1 / 1 / 0", "0 / 1 / 1", "1 / 1 / 0", "1 / 1 / 0"],
        ["vim", 1, "0 / 0 / 1", "1 / 0 / 0", "0 / 0 / 1", "0 / 0 / 1"],
    ]


def test_the_shipped_evidence_has_every_method_of_features():
    table = Evidence.load(SHIPPED).features_table()
    assert {*FEATURE_METHODS, "openmax", "msp"} <= set(table["method"])
    assert table["problems"].min() >= 10
