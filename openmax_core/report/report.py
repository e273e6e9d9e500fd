"""A self-contained HTML report of an operating point: the explorer, figures, curves, provenance.

One file without a request to anywhere: the same explorer as in the dashboard with its data, tables
that need no script, and the per-class Weibull CDFs as SVG.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.report.sections import (
    class_thresholds,
    expectation,
    folders,
    lead,
    provenance,
    sweep,
    weibull_curves,
)
from openmax_core.support.arrays import Float
from openmax_core.tradeoff.explorer import explorer_data, outcome_data
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.sweep import default_thresholds, parse_thresholds
from openmax_core.workspace.workspace import Workspace

ASSETS = Path(__file__).parents[2] / "assets"


def report_html(
    workspace: Workspace,
    evaluation: Evaluation,
    point: OperatingPoint,
    thresholds: Float | None = None,
) -> str:
    """Write the report of a point as one HTML page.

    Parameters
    ----------
    thresholds : rows of the table; the method's own range without

    Raises
    ------
    OpenMaxError
        The page's parts in ``assets/`` are missing.
    """
    if thresholds is None:
        thresholds = parse_thresholds(default_thresholds(evaluation.openmax))
    name = workspace.settings.name
    # What comes last may hold anything; what comes before has no '$' of its own.
    return Template(_part("components/report.html")).substitute(
        title=escape(f"Open-set recognition: {name}"),
        subtitle=escape(
            f"OpenMax, method {evaluation.openmax.preset_} · "
            f"{len(workspace.classes)} known classes · "
            f"{datetime.now(UTC).strftime('%d %B %Y')}"
        ),
        lead=lead(point),
        style=_part("vendor/uplot/uPlot.min.css")
        + _part("components/control.css")
        + _part("components/explorer.css"),
        explorer=_part("components/explorer.html"),
        sections="\n".join(
            [
                class_thresholds(point),
                folders(evaluation, point),
                expectation(evaluation, point),
                sweep(evaluation, point, thresholds),
                weibull_curves(evaluation.openmax),
                provenance(workspace, evaluation, point),
            ]
        ),
        uplot=_part("vendor/uplot/uPlot.iife.min.js"),
        script=base64.b64encode(
            (_part("components/control.js") + _part("components/explorer.js")).encode()
        ).decode("ascii"),
        data=_script_json(_explorer(evaluation, point)),
    )


def _part(name: str) -> str:
    try:
        return (ASSETS / name).read_text(encoding="utf-8")
    except OSError as error:
        raise OpenMaxError(
            f"the report needs {ASSETS / name}, which cannot be read ({error.strerror}); install "
            "from a checkout of the project"
        ) from error


def _explorer(evaluation: Evaluation, point: OperatingPoint) -> dict[str, Any]:
    openmax = evaluation.openmax
    curve = explorer_data(
        evaluation.overall,
        openmax.class_names_,
        openmax.score_range(),
        pictures=evaluation.curve,
    )
    return {
        "curve": curve,
        "curve_id": curve["id"],
        "value": point.threshold,
        "echo": 0,
        "is_alone": True,
        "current": outcome_data(
            evaluation.overall,
            point.threshold,
            curve["cells"],
            DEFAULT_INTERVAL,
            evaluation.curve,
        ),
        "marks": [{"name": "chosen", "label": " chosen", "threshold": point.threshold}],
    }


def _script_json(values: dict[str, Any]) -> str:
    """JSON that ends no script element, whatever names it holds."""
    return json.dumps(values, allow_nan=False).replace("<", "\\u003c")
