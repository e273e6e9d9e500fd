"""A self-contained HTML report of an operating point: the explorer, figures, curves, provenance.

One file without a request to anywhere: the same explorer as in the dashboard with its data, tables
that need no script, and the per-class Weibull CDFs as SVG. This module gathers the values; the
template ``assets/components/report.html`` says them, and escapes every name.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmax_core.analysis.reject_folders import reject_folders
from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.openmax import OpenMax
from openmax_core.support.arrays import Float
from openmax_core.support.decimals import threshold_text
from openmax_core.support.shares import counted, percent, percent_range
from openmax_core.tradeoff.explorer import explorer_data, first_axis, outcome_data
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, share_interval
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.outcomes import Outcome
from openmax_core.tradeoff.promises import PRESUPPOSED
from openmax_core.tradeoff.resampling import choose_on_half, rest_in_words
from openmax_core.tradeoff.sweep import (
    borrowed_in_words,
    class_table,
    class_warnings,
    default_thresholds,
    parse_thresholds,
    sweep_table,
)
from openmax_core.weibull.tails import cdf_curve
from openmax_core.workspace.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template

ASSETS = Path(__file__).parents[2] / "assets"
SCRIPT = ("dom", "control", "explorer")
MOST_ROWS = 200
MOST_CURVES = 12
# Of the drawing of a CDF, in units of the SVG.
LEFT, RIGHT, TOP, BOTTOM = 18, 242, 18, 112


def report_html(
    workspace: Workspace,
    evaluation: Evaluation,
    point: OperatingPoint,
    thresholds: Float | None = None,
) -> str:
    """Write the report of a point as one HTML page.

    Parameters
    ----------
    thresholds : rows of the table; without, those at even steps of the slider's way

    Raises
    ------
    OpenMaxError
        The page's parts in ``assets/`` are missing.
    """
    if thresholds is None:
        thresholds = parse_thresholds(
            default_thresholds(evaluation.method.name, evaluation.overall, evaluation.score_range)
        )
    evaluation = evaluation.like(point).with_kinds()
    method = evaluation.method
    parameters = class_table(evaluation.openmax) if evaluation.has_tails else None
    return _rendered(
        workspace=workspace,
        evaluation=evaluation,
        method=method,
        point=point,
        date=datetime.now(UTC).strftime("%d %B %Y"),
        test=_Share.of(point.counts["correct"], point.n_test),
        reject=_Share.of_rejects(point.outcome),
        folders=_folders(evaluation, point),
        expectation=_expectation(evaluation, point),
        counted_names=tuple(point.counts),
        sweep=sweep_table(evaluation.overall, thresholds).to_dict(orient="records"),
        curves=_curves(evaluation.openmax) if evaluation.has_tails else [],
        facts=_facts(workspace, evaluation, point),
        parameters=_rows(parameters),
        most_rows=MOST_ROWS,
        explorer=_explorer(evaluation, point),
    )


def _rows(table: pd.DataFrame | None) -> list[Sequence[Any]]:
    """Names of the columns, and the rows; [] without a table."""
    if table is None:
        return []
    return [list(table.columns), *table.itertuples(index=False, name=None)]


def _rendered(**values: Any) -> str:
    """The template with values in it; only the project's own files are not escaped."""
    from markupsafe import Markup

    styles = ("vendor/uplot/uPlot.min.css", "components/control.css", "components/explorer.css")
    script = "".join(_part(f"components/{name}.js") for name in SCRIPT)
    return _template(_part("components/report.html")).render(
        style=Markup("".join(map(_part, styles))),  # noqa: S704 - the project's own files
        explorer_html=Markup(_part("components/explorer.html")),  # noqa: S704
        uplot=Markup(_part("vendor/uplot/uPlot.iife.min.js")),  # noqa: S704
        script=base64.b64encode(script.encode()).decode("ascii"),
        left=LEFT,
        right=RIGHT,
        top=TOP,
        bottom=BOTTOM,
        **values,
    )


@lru_cache(maxsize=1)
def _template(source: str) -> Template:
    from jinja2 import Environment, StrictUndefined  # only where a report is written

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}
    environment.filters |= {
        "threshold": threshold_text,
        "text": _text,
        "commas": "{:,}".format,
        "percent": percent,
    }
    environment.globals |= {"percent_range": percent_range}
    return environment.from_string(source)


def _part(name: str) -> str:
    try:
        return (ASSETS / name).read_text(encoding="utf-8")
    except OSError as error:
        raise OpenMaxError(
            f"the report needs {ASSETS / name}, which cannot be read ({error.strerror}); install "
            "from a checkout of the project"
        ) from error


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class _Share:
    """A share of some pictures with its 95 % interval, in words."""

    percent: str
    counts: str
    interval: str

    @classmethod
    def of(cls, count: int, total: int) -> _Share | None:
        """None where there are no pictures."""
        if not total:
            return None
        bounds = share_interval(count, total)
        return cls(
            percent(count / total),
            f"{count:,} of {total:,}",
            percent_range(bounds.low, bounds.high),
        )

    @classmethod
    def of_rejects(cls, outcome: Outcome) -> _Share | None:
        """Reject accuracy, weighted by the kinds of unknowns where these have shares."""
        found = cls.of(outcome.rejected_unknown, outcome.n_reject)
        if found is None or outcome.mix is None:
            return found
        bounds = outcome.reject_interval()
        return cls(
            percent(outcome.reject_accuracy),
            f"weighted by kind; unweighted {found.counts}",
            percent_range(bounds.low, bounds.high),
        )


def _folders(evaluation: Evaluation, point: OperatingPoint) -> list[tuple[str, _Share | None]]:
    """Folders of the reject set with what is rejected, the worst first; [] where it has none."""
    divided = reject_folders(evaluation)
    if not divided.is_divided:
        return []
    table = divided.at(point.limits(evaluation.method.class_names_))
    rows = table[["folder", "rejected", "pictures"]].itertuples(index=False)
    return [(folder, _Share.of(rejected, n)) for folder, rejected, n in rows]


def _expectation(evaluation: Evaluation, point: OperatingPoint) -> dict[str, Any] | None:
    """What the same objective keeps on pictures that it was not chosen on; None without one."""
    objective = point.chosen_for
    if objective is None:
        return None
    often = rest_in_words(evaluation.overall, objective)
    try:
        halves = choose_on_half(evaluation.overall, objective)
    except NoFeasibleThresholdError as error:
        return {"problem": str(error), "often": often}
    both = (halves.chosen.outcome, halves.reported)
    rows = {
        "Test accuracy": [_Share.of(half.correct, half.n_test) for half in both],
        "Reject accuracy": [_Share.of_rejects(half) for half in both],
    }
    return {
        "problem": "",
        "threshold": halves.chosen.threshold,
        "rows": rows,
        "often": often,
    }


def _curves(openmax: OpenMax) -> list[dict[str, Any]]:
    """Classes' CDFs and tails, as places in the drawing; of many classes those with a warning."""
    warnings = class_warnings(openmax)
    order = sorted(range(openmax.n_classes), key=lambda index: not warnings[index])[:MOST_CURVES]
    return [
        {"name": openmax.class_names_[index], "warning": warnings[index], **_curve(openmax, index)}
        for index in sorted(order)
    ]


def _curve(openmax: OpenMax, index: int) -> dict[str, Any]:
    tail = openmax.tails_[index]
    low, high = float(tail[0]), float(tail[-1])
    margin = 0.15 * (high - low) or 1.0
    low, high = max(0.0, low - margin), high + margin

    def places(distances: Float, cdf: Float) -> list[str]:
        across = LEFT + (distances - low) / (high - low) * (RIGHT - LEFT)
        down = BOTTOM - cdf * (BOTTOM - TOP)
        both = zip(across.tolist(), down.tolist(), strict=True)
        return [f"{x:.1f},{y:.1f}" for x, y in both]

    line = places(*cdf_curve(openmax.weibull_, index, low, high, 150, tail))
    dots = [place.split(",") for place in places(tail, openmax.weibull_.cdf(tail, index))]
    return {"line": " ".join(line), "tail": dots, "low": f"{low:.4g}", "high": f"{high:.4g}"}


def _facts(workspace: Workspace, evaluation: Evaluation, point: OperatingPoint) -> dict[str, str]:
    """Everything that the figures can be traced by; what is empty is left out."""
    method, settings = evaluation.method, workspace.settings
    classifier = settings.classifier
    n_read = f"{evaluation.train.n_readable:,} {evaluation.calibrated_on} pictures"
    learned = "nothing: the method learns nothing from training pictures"
    if evaluation.has_tails:
        learned = f"{method.n_correct_.sum():,} correctly classified of {n_read}"
    elif method.needs_features:
        learned = n_read
    facts = {
        "workspace": settings.name,
        "about": settings.description,
        "pictures": settings.notice,
        "network": "none: the logits come from tables" if settings.tables else classifier.in_words,
        "its outputs": workspace.classifier.outputs_in_words or "",
        "classes": ", ".join(method.class_names_),
        "method": method.name,
        "what it is": method.words.title,
        "score": f"{method.words.formula}; {method.words.score}",
        **{f"setting {name}": str(value) for name, value in method.settings_.to_dict().items()},
        "calibrated on": learned,
        "learned": method.learned_in_words,
        "test pictures": f"{evaluation.overall.n_test:,}",
        "reject pictures": f"{evaluation.overall.n_reject:,}",
        "kinds in production": point.mix_in_words,
        "expected cost": ""
        if point.expected_cost is None
        else f"{point.expected_cost:.4g} a picture, by the table of costs of the operating point",
        "how exact": evaluation.accuracy_in_words,
        "single pictures": evaluation.sample_in_words,
        "accuracy before rejection": counted(
            evaluation.n_right_before_rejection, evaluation.overall.n_test
        ),
        "and with the method": evaluation.both_accuracies_in_words,
        "borrowed tails": borrowed_in_words(method),
        "threshold": threshold_text(point.threshold),
        "promised": "" if point.promise is None else point.promise.in_words,
        "a promise presupposes": PRESUPPOSED if point.promise else "",
        "data fingerprint": evaluation.data,
    }
    return {name: value for name, value in facts.items() if value}


def _explorer(evaluation: Evaluation, point: OperatingPoint) -> dict[str, Any]:
    curve = explorer_data(
        evaluation.overall,
        evaluation.curve,
        evaluation.method.class_names_,
        evaluation.score_range,
    )
    return {
        "curve": curve,
        "curve_id": curve["id"],
        "value": point.threshold,
        "echo": 0,
        "axis": first_axis(evaluation.method),
        "has_unknown": evaluation.method.has_unknown,
        "is_alone": True,
        "current": outcome_data(
            evaluation.overall,
            evaluation.curve,
            point.threshold,
            curve["cells"],
            DEFAULT_INTERVAL,
        ),
        "marks": [{"name": "chosen", "label": " chosen", "threshold": point.threshold}],
    }
