"""The report: sound HTML that asks nobody for anything and says what the core says."""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from openmax_core import (
    NoFeasibleThresholdError,
    OpenMax,
    OpenMaxError,
    OperatingPoint,
    TradeoffCurve,
    Workspace,
)
from openmax_core.activations.activations import OK, Activations
from openmax_core.analysis.reject_folders import reject_folders
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.network.spec import ClassifierSettings
from openmax_core.report import report as report_module
from openmax_core.report.report import MOST_CURVES, MOST_ROWS, report_html
from openmax_core.support.arrays import Float
from openmax_core.tradeoff.class_thresholds import choose_class_thresholds
from openmax_core.tradeoff.explorer import explorer_data, outcome_data
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL
from openmax_core.tradeoff.objectives import Balanced, LeastCost, MostRejected
from openmax_core.tradeoff.operating_point import FORMAT
from openmax_core.tradeoff.resampling import choose_on_half, rest_in_words
from openmax_core.tradeoff.sweep import (
    class_warnings,
    default_thresholds,
    parse_thresholds,
    sweep_table,
)
from openmax_core.workspace.settings import WorkspaceSettings
from tests.support.workspaces import CLASSES, divide_reject_set, made_up_logits, make_workspace

ASSETS = Path(__file__).parents[3] / "assets"
# An element, a character reference, quotes, a template's sign, the end of the script, a comment.
EVIL = (
    "<script>alert(1)</script>",
    "ash & birch &lt; &amp;",
    "\"quoted\" 'twice' `thrice`",
    "$title ${data} $$ {0} %s \\u003c \\",
    "</script><!--<script>",
    "<img src=x onerror=alert(1)>",
)
EMPTY_ELEMENTS = {"meta", "input", "br", "img", "link", "hr", "source"}


class Page(HTMLParser):
    """A page read strictly: every element that is opened is closed, in order.

    Text of the scripts, of the figures' captions and of the tables below each heading.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.scripts: list[str] = []
        self.captions: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.here: list[str] = []
        self.tags: list[str] = []
        self.heading = self.title = self.text = ""
        self.is_here = False
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in EMPTY_ELEMENTS:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")
        elif tag == "figcaption":
            self.captions.append("")
        elif tag == "h2":
            self.heading = ""
        elif tag == "tr":
            self.tables.setdefault(self.heading, []).append([])
            self.is_here = ("class", "here") in attrs
        elif tag in {"td", "th"}:
            self.tables[self.heading][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()
        if tag == "tr" and self.is_here:
            self.here.append(self.tables[self.heading][-1][0])

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts[-1] += data
            return
        if "style" in self.open:
            return
        self.text += data
        if "title" in self.open:
            self.title += data
        if "h2" in self.open:
            self.heading += data
        if "figcaption" in self.open:
            self.captions[-1] += data
        if {"td", "th"} & set(self.open):
            self.tables[self.heading][-1][-1] += data

    @property
    def data(self) -> dict[str, Any]:
        """What the explorer is given."""
        (line,) = re.findall(r"^const data = (.*);$", self.scripts[1], re.MULTILINE)
        return json.loads(line)

    @property
    def facts(self) -> dict[str, str]:
        return dict(self.tables["Where the figures come from"])


def in_memory(
    names: tuple[str, ...],
    *,
    n_train: int = 12,
    n_test: int = 10,
    n_reject: int = 40,
    workspace_name: str = "Trees",
    **settings: Any,
) -> tuple[Workspace, Evaluation]:
    """A workspace without a folder, for names that no folder can have, and its evaluation."""
    n = len(names)
    splits = [
        np.repeat(np.arange(n), n_train),
        np.repeat(np.arange(n), n_test),
        np.full(n_reject, -1),
    ]
    train, test, reject = (
        _activations(labels, made_up_logits(labels, n, seed)) for seed, labels in enumerate(splits)
    )
    openmax = OpenMax(**{"tail_size": 8, **settings}).fit(train.logits, train.labels, names)
    tested, rejected = openmax.decide(test.logits), openmax.decide(reject.logits)
    curve = TradeoffCurve(
        tested.scores, tested.predictions, test.labels, rejected.scores, rejected.predictions, n
    )
    classifier = ClassifierSettings("resnet18", names, "weights.safetensors")
    workspace = Workspace(
        Path("nowhere"), WorkspaceSettings(workspace_name, classifier, {"train": "train"})
    )
    evaluation = Evaluation(openmax, curve, train, test, reject, "train", "0123456789abcdef")
    return workspace, evaluation


def _activations(labels: Any, logits: Any) -> Activations:
    pictures = pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(len(labels))],
            "label": labels,
            "prediction": logits.argmax(axis=1) if len(logits) else [],
            "status": OK,
            "error": "",
        }
    )
    return Activations(logits, pictures, {"store": "made up"})


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("trees"))


@pytest.fixture(scope="module")
def evaluation(trees: Workspace) -> Evaluation:
    return trees.evaluate()


@pytest.fixture(scope="module")
def recommended(evaluation: Evaluation) -> OperatingPoint:
    return evaluation.recommend(0.8)


@pytest.fixture(scope="module")
def page(trees: Workspace, evaluation: Evaluation, recommended: OperatingPoint) -> Page:
    return Page(report_html(trees, evaluation, recommended))


def share(count: int, total: int) -> str:
    """A share with its counts and Wilson interval, by SciPy."""
    bounds = stats.binomtest(count, total).proportion_ci(0.95, "wilson")
    return (
        f"{100 * count / total:.1f} % ({count:,} of {total:,}; 95 % "
        f"{100 * bounds.low:.1f}–{100 * bounds.high:.1f} %)"
    )


# --- a page of its own -----------------------------------------------------------------------


def test_the_page_is_whole_and_has_its_sections_in_order(page: Page) -> None:
    assert page.tags[:2] == ["html", "head"]
    assert page.title == "Open-set recognition: Trees"
    assert list(page.tables) == [
        "What to expect on new pictures",
        "Table of thresholds",
        "Where the figures come from",
        "Weibull parameters",
    ]
    assert "OpenMax, method bendale · 3 known classes" in page.text
    assert page.captions[-3:] == list(CLASSES)


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_nobody_is_asked_for_anything(trees: Workspace, preset: str) -> None:
    evaluation = trees.evaluate(preset)
    html = report_html(trees, evaluation, evaluation.recommend(0.5))
    page = Page(html)
    addresses = {"src", "href", "srcset", "action", "data", "poster", "xlink:href", "background"}
    assert [item for item in page.attributes if item[1] in addresses] == []
    module = re.findall(r'await import\("data:text/javascript;base64,([^"]*)"\)', page.scripts[1])
    script = base64.b64decode(module[0], validate=True).decode()
    named = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`)]*", html + script))
    assert named == {"https://github.com/leeoniya/uPlot"}  # whose the charts are, in a comment
    assert not re.search(
        r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket|sendBeacon", html + script
    )
    policy = next(value for _, _, value in page.attributes if value and "default-src" in value)
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy


def test_the_explorer_is_the_dashboard_s_with_the_core_s_data(
    page: Page, evaluation: Evaluation, recommended: OperatingPoint
) -> None:
    module = re.findall(r'await import\("data:text/javascript;base64,([^"]*)"\)', page.scripts[1])
    parts = [ASSETS / "components" / name for name in ("dom.js", "control.js", "explorer.js")]
    script = "".join(part.read_text(encoding="utf-8") for part in parts)
    assert base64.b64decode(module[0]).decode() == script
    assert page.scripts[0].strip() == (
        (ASSETS / "vendor" / "uplot" / "uPlot.iife.min.js").read_text(encoding="utf-8").strip()
    )
    openmax = evaluation.openmax
    curve = explorer_data(
        evaluation.curve, evaluation.curve, openmax.class_names_, openmax.score_range()
    )
    data = page.data
    assert data["curve"] == curve
    assert data["curve_id"] == curve["id"]
    assert data["value"] == recommended.threshold
    assert data["current"] == outcome_data(
        evaluation.curve, evaluation.curve, recommended.threshold, curve["cells"], DEFAULT_INTERVAL
    )
    assert [mark["threshold"] for mark in data["marks"]] == [recommended.threshold]


@pytest.mark.parametrize(
    "name", ["components/report.html", "components/explorer.js", "vendor/uplot/uPlot.iife.min.js"]
)
def test_a_missing_part_is_named_with_the_way_out(
    trees: Workspace,
    evaluation: Evaluation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    for path in ASSETS.glob("components/*"), ASSETS.glob("vendor/uplot/*"):
        for part in path:
            copied = tmp_path / part.relative_to(ASSETS)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(part.read_bytes())
    monkeypatch.setattr(report_module, "ASSETS", tmp_path)
    point = evaluation.point_at(0.5)
    assert report_html(trees, evaluation, point)
    (tmp_path / name).unlink()
    with pytest.raises(OpenMaxError) as caught:
        report_html(trees, evaluation, point)
    assert str(caught.value) == (
        f"the report needs {tmp_path / name}, which cannot be read (No such file or directory); "
        "install from a checkout of the project"
    )


# --- figures ---------------------------------------------------------------------------------


def test_the_lead_has_the_point_s_own_figures_and_what_it_was_chosen_for(
    page: Page, recommended: OperatingPoint
) -> None:
    counts = recommended.counts
    assert (
        f"At the threshold {recommended.threshold:g} Test accuracy is "
        f"{share(counts['correct'], 89)} and Reject accuracy "
        f"{share(counts['rejected_unknown'], 60)}. It was chosen for the best Reject accuracy with "
        "Test accuracy ≥ 80.0 %."
    ) in page.text


def test_a_point_that_was_set_by_hand_was_chosen_for_nothing(
    trees: Workspace, evaluation: Evaluation
) -> None:
    page = Page(report_html(trees, evaluation, evaluation.point_at(0.4321)))
    outcome = evaluation.curve.outcome(0.4321)
    assert f"At the threshold 0.4321 Test accuracy is {share(outcome.correct, 89)}" in page.text
    assert "It was chosen for" not in page.text
    assert "What to expect on new pictures" not in page.tables
    assert page.facts["threshold"] == "0.4321"


def test_the_folders_of_the_reject_set_are_listed_the_worst_first(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    divide_reject_set(workspace, {"<elm>": 20})
    evaluation = workspace.evaluate()
    point = evaluation.recommend(0.8)
    page = Page(report_html(workspace, evaluation, point))
    expected = [
        [row["folder"], share(row["rejected"], row["pictures"]).replace("95 % ", "")]
        for row in reject_folders(evaluation).at(point.threshold).to_dict(orient="records")
    ]
    assert page.tables["Reject accuracy by kind of unknown"][1:] == expected


def test_the_other_half_of_the_pictures_says_what_to_expect(
    page: Page, evaluation: Evaluation
) -> None:
    halves = choose_on_half(evaluation.curve, MostRejected(0.8))
    chosen, kept = halves.chosen.outcome, halves.reported
    assert (
        f"chosen on one half of the pictures (threshold {halves.chosen.threshold:g})" in page.text
    )
    assert rest_in_words(evaluation.curve, MostRejected(0.8)) in page.text
    assert page.tables["What to expect on new pictures"][1:] == [
        [
            "Test accuracy",
            share(chosen.correct, chosen.n_test).replace("95 % ", ""),
            share(kept.correct, kept.n_test).replace("95 % ", ""),
        ],
        [
            "Reject accuracy",
            share(chosen.rejected_unknown, chosen.n_reject).replace("95 % ", ""),
            share(kept.rejected_unknown, kept.n_reject).replace("95 % ", ""),
        ],
    ]


def test_where_one_half_does_not_meet_the_constraint_that_is_said() -> None:
    workspace, evaluation = in_memory(CLASSES, n_test=11, preset="bendale")
    most = float(evaluation.curve.test_accuracy(0.0))  # on one half it is less, on the other more
    with pytest.raises(NoFeasibleThresholdError) as caught:
        choose_on_half(evaluation.curve, MostRejected(most))
    page = Page(report_html(workspace, evaluation, evaluation.choose(MostRejected(most))))
    assert f"What to expect on new picturesOn one half of the pictures {caught.value}." in page.text


@pytest.mark.parametrize("thresholds", [None, np.array([0.3, 0.5, 0.7512345678901])])
def test_the_table_of_thresholds_is_the_sweep(
    trees: Workspace, evaluation: Evaluation, thresholds: Float | None
) -> None:
    page = Page(report_html(trees, evaluation, evaluation.point_at(0.5), thresholds))
    default = parse_thresholds(
        default_thresholds(evaluation.method.name, evaluation.overall, evaluation.score_range)
    )
    rows = sweep_table(evaluation.curve, default if thresholds is None else thresholds)
    expected = [
        [
            repr(row["threshold"]).removesuffix(".0"),
            *(
                f"{100 * row[f'{of}_accuracy']:.1f} % "
                f"({100 * row[f'{of}_low']:.1f}–{100 * row[f'{of}_high']:.1f} %)"
                for of in ("test", "reject")
            ),
            str(row["correct"]),
            str(row["wrong"]),
            str(row["rejected_known"]),
            str(row["rejected_unknown"]),
            str(row["accepted_unknown"]),
        ]
        for row in rows.to_dict(orient="records")
    ]
    assert page.tables["Table of thresholds"][1:] == expected
    assert page.here == ([] if thresholds is None else ["0.5"])


def test_what_the_workspace_is_about_is_said(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    about = replace(workspace.settings, description="About <trees>", notice="Rendered pictures")
    workspace.save_settings(about)
    evaluation = workspace.evaluate()
    page = Page(report_html(workspace, evaluation, evaluation.recommend(0.8)))
    assert page.facts["about"] == "About <trees>"
    assert page.facts["pictures"] == "Rendered pictures"


def test_everything_that_the_figures_rest_on_is_named(page: Page, evaluation: Evaluation) -> None:
    openmax = evaluation.openmax
    expected = {
        "workspace": "Trees",
        "network": "resnet18, weights weights.safetensors",
        "classes": "ash, birch, cedar",
        "method": "bendale",
        **{f"setting {name}": str(value) for name, value in openmax.settings_.to_dict().items()},
        "calibrated on": "120 correctly classified of 120 train pictures",
        "test pictures": "89",
        "reject pictures": "60",
        "accuracy before rejection": f"{100 * evaluation.accuracy_before_rejection:.1f} % "
        f"({evaluation.n_right_before_rejection} of 89)",
        "data fingerprint": evaluation.data,
    }
    assert {name: page.facts[name] for name in expected} == expected
    rows = page.tables["Weibull parameters"]
    column = rows[0].index("shape")
    assert [row[0] for row in rows[1:]] == list(CLASSES)
    assert [row[column] for row in rows[1:]] == [f"{x:.6g}" for x in openmax.weibull_.shape]


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_curves_pass_through_the_tails(trees: Workspace, preset: str) -> None:
    openmax = trees.evaluate(preset).openmax
    html = report_html(trees, trees.evaluate(preset), trees.evaluate(preset).point_at(0.35))
    drawings = re.findall(r"<svg.*?</svg>", html)
    assert len(drawings) == 3
    for index, drawing in enumerate(drawings):
        line = [
            tuple(map(float, point.split(",")))
            for point in re.findall(r"points='([^']*)'", drawing)[0].split()
        ]
        assert [x for x, _ in line] == sorted(x for x, _ in line)
        assert [y for _, y in line] == sorted((y for _, y in line), reverse=True)
        dots = re.findall(r"<circle class='tail' cx='([\d.]+)' cy='([\d.]+)'", drawing)
        tail = openmax.tails_[index]
        assert len(dots) == len(tail)
        assert {(float(x), float(y)) for x, y in dots} <= set(line)
        # From 0 at the bottom, 112, to 1 at the top, 18.
        rows = np.zeros((len(tail), 3))
        rows[:, index] = tail
        cdf = openmax.cdf(rows)[:, index]
        heights = [(112 - float(y)) / 94 for _, y in dots]
        np.testing.assert_allclose(heights, cdf, atol=0.001)


def test_a_warning_stands_below_its_curve(trees: Workspace) -> None:
    evaluation = trees.evaluate("notebook")
    page = Page(report_html(trees, evaluation, evaluation.point_at(0.35)))
    for warning in class_warnings(evaluation.openmax):
        assert warning
        assert warning in page.text


# --- thresholds per class --------------------------------------------------------------------


def test_thresholds_per_class_are_listed_and_their_figures_lead(
    trees: Workspace, evaluation: Evaluation
) -> None:
    chosen = choose_class_thresholds(evaluation.curve, Balanced())
    point = evaluation.class_point(chosen, Balanced())
    page = Page(report_html(trees, evaluation, point))
    assert page.tables["Thresholds per class"] == [
        ["predicted class", "threshold"],
        *([name, f"{x:.15g}"] for name, x in zip(CLASSES, chosen.thresholds, strict=True)),
    ]
    assert (
        f"With a threshold per class Test accuracy is {share(chosen.outcome.correct, 89)} and "
        f"Reject accuracy {share(chosen.outcome.rejected_unknown, 60)}. It was chosen for the best "
        "mean of Test accuracy and Reject accuracy."
    ) in page.text
    # What is below is of one threshold, and says so.
    assert (
        "The explorer and the table of thresholds show one threshold for all classes." in page.text
    )
    assert "The same objective with one threshold for all classes, chosen on one half" in page.text
    assert page.data["value"] == point.threshold


# --- names and sizes -------------------------------------------------------------------------


def test_names_of_classes_and_workspace_are_text_whatever_they_hold() -> None:
    workspace, evaluation = in_memory(EVIL, workspace_name="".join(EVIL))
    thresholds = dict.fromkeys(EVIL, 0.5)
    point = replace(evaluation.point_at(0.5), class_thresholds=thresholds)
    html = report_html(workspace, evaluation, evaluation.refreshed(point))
    page = Page(html)
    assert page.tags.count("script") == len(page.scripts) == 2
    assert page.tags.count("title") == 1
    assert "img" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert page.title == "Open-set recognition: " + "".join(EVIL)
    assert page.captions[-len(EVIL) :] == list(EVIL)
    assert [row[0] for row in page.tables["Thresholds per class"][1:]] == list(EVIL)
    assert [row[0] for row in page.tables["Weibull parameters"][1:]] == list(EVIL)
    assert page.facts["classes"] == ", ".join(EVIL)
    assert page.data["curve"]["classes"] == list(EVIL)
    # Nor may the script be left by a comment or another script in it.
    assert "<" not in page.scripts[1].split("const data = ")[1].split(";\n")[0]


def test_without_a_reject_set_its_figures_are_not_measured(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, n_reject=0)
    evaluation = workspace.evaluate()
    html = report_html(workspace, evaluation, evaluation.recommend(0.6))
    page = Page(html)
    assert "Reject accuracy is not measured, for want of pictures of unknowns" in page.text
    assert [row[0] for row in page.tables["What to expect on new pictures"][1:]] == [
        "Test accuracy"
    ]
    assert {row[2] for row in page.tables["Table of thresholds"][1:]} == {"not measured"}
    assert page.facts["reject pictures"] == "0"
    assert page.data["current"]["reject"] is None
    assert "nan" not in page.text.lower()


def test_a_point_of_an_older_version_is_counted_again(
    trees: Workspace, evaluation: Evaluation
) -> None:
    old = {
        "format": FORMAT,
        "version": 1,
        "threshold": 0.6,
        "test_accuracy": 0.5,
        "reject_accuracy": 0.5,
        "n_test": 2,
        "n_reject": 2,
        "min_test_accuracy": 0.7,
        "preset": "bendale",
        "settings": evaluation.openmax.settings_.to_dict(),
        "data": "of then",
    }
    point = evaluation.refreshed(OperatingPoint.from_dict(old))
    page = Page(report_html(trees, evaluation, point))
    outcome = evaluation.curve.outcome(0.6)
    assert f"At the threshold 0.6 Test accuracy is {share(outcome.correct, 89)}" in page.text
    assert "It was chosen for the best Reject accuracy with Test accuracy ≥ 70.0 %." in page.text


def test_a_thousand_classes_make_a_page_that_can_be_sent() -> None:
    names = tuple(f"class {number:04d}" for number in range(1000))
    workspace, evaluation = in_memory(names, n_train=4, n_test=3, n_reject=500, tail_size=3)
    start = time.perf_counter()
    html = report_html(workspace, evaluation, evaluation.choose(LeastCost()))
    assert time.perf_counter() - start < 10
    assert len(html.encode()) < 6_000_000
    page = Page(html)
    assert page.tags.count("svg") == MOST_CURVES
    assert f"{1000 - MOST_CURVES} more classes are in the dashboard." in page.text
    assert page.data["curve"]["classes"] == list(names)
    assert not page.data["curve"]["is_matrix"]
    assert len(page.tables["Weibull parameters"]) == 1 + MOST_ROWS
    assert "The first 200 of 1,000 classes." in page.text
