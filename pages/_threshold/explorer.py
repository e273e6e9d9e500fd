"""The threshold explorer: moves under the finger in the browser, and tells the threshold here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.tradeoff.explorer import explorer_data, outcome_data
from openmax_core.tradeoff.saved_points import SavedPoint
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.components import moved, take_threshold, threshold_explorer
from pages._shared.kept import kept
from pages._threshold.decision import Decision

KEY = "explorer"


def show_explorer(
    workspace: Workspace,
    evaluation: Evaluation,
    threshold: float,
    interval: str,
    decision: Decision,
    saved: Sequence[SavedPoint],
) -> None:
    """Draw the explorer at a threshold.

    Parameters
    ----------
    interval : kind of the intervals, see :data:`openmax_core.tradeoff.intervals.INTERVALS`
    decision : what is drawn of it: its marks, floors and spread
    saved : points, of which those of this method are marked on the curves
    """
    curve = _curve(evaluation, interval)
    told = moved(KEY)
    threshold_explorer(
        key=KEY,
        data={
            "curve": None if told.get("have") == curve["id"] else curve,
            "curve_id": curve["id"],
            "value": threshold,
            "echo": told.get("count", 0),
            "current": outcome_data(
                evaluation.overall, evaluation.curve, threshold, curve["cells"], interval
            ),
            "marks": decision.marks,
            "floors": decision.floors,
            "saved": [
                {
                    "name": item.name,
                    "threshold": item.point.threshold,
                    "test": item.point.test_accuracy,
                    "reject": item.point.reject_accuracy,
                }
                for item in saved
                if item.point.settings == evaluation.method.settings_
            ],
            "spread": decision.spread,
            "axis": state.chart_axis(evaluation),
            "has_unknown": evaluation.method.has_unknown,
        },
        on_moved_change=lambda: take_threshold(workspace, evaluation.method, KEY),
        on_axis_change=lambda: state.set_chart_axis(told_axis()),
    )


def told_axis() -> object:
    """Return the axis that the explorer told last; None before."""
    held = st.session_state.get(KEY)
    return held.get("axis") if held is not None else None


@kept()
def _curve(evaluation: Evaluation, interval: str) -> dict[str, Any]:
    """What the explorer shows of an evaluation, whatever the threshold."""
    return explorer_data(
        evaluation.overall,
        evaluation.curve,
        evaluation.method.class_names_,
        evaluation.score_range,
        interval,
    )
