"""Threshold: move it, and watch what it does to Test accuracy and Reject accuracy."""

from __future__ import annotations

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, INTERVALS, share_interval
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.saved_points import SavedPoint
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.guards import (
    require_evaluation,
    show_notice,
    show_point_problem,
    show_provenance,
)
from pages._shared.registry import ensure_routed
from pages._shared.widgets import choose, show_error
from pages._threshold.decision import Decision, show_decision
from pages._threshold.explorer import show_explorer
from pages._threshold.export import show_export, show_sweep
from pages._threshold.mistakes import show_mistakes, show_reject_folders
from pages._threshold.production import show_production
from pages._threshold.saved import show_saved_points
from pages._threshold.stand_ins import show_stand_ins

FEW = 30


def main() -> None:
    st.title("Threshold")
    workspace, evaluation = require_evaluation()
    show_notice(workspace)
    show_provenance(evaluation)
    _warn_if_few(evaluation)
    st.fragment(_explore)(workspace, evaluation)


def _explore(workspace: Workspace, evaluation: Evaluation) -> None:
    show_point_problem(workspace)
    threshold = state.threshold(workspace, evaluation)
    saved = _saved(workspace)
    explorer = st.container()
    interval = _choose_interval()
    evaluation = show_production(workspace, evaluation, interval)
    st.subheader("Decide")
    decision = show_decision(workspace, evaluation, threshold, interval)
    with explorer:
        show_explorer(workspace, evaluation, threshold, interval, decision, saved)
    point = _point(evaluation, decision, threshold)
    with st.container(key="mistake_pictures"):
        st.subheader("Mistakes at this threshold")
        show_mistakes(workspace, evaluation, threshold)
    show_reject_folders(evaluation, threshold, interval)
    show_stand_ins(evaluation, decision.objective, interval)
    st.subheader("Saved points")
    show_saved_points(workspace, point, saved, decision.class_point)
    st.subheader("Table of thresholds")
    table = show_sweep(workspace, evaluation, interval)
    st.subheader("Export")
    show_export(workspace, evaluation, point, table)


def _choose_interval() -> str:
    row = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")
    row.caption(
        "95 % intervals",
        width="content",
        help="**Wilson** intervals contain the true value in 95 % of the cases on average. "
        "**Clopper–Pearson** intervals do so in at least 95 %, so they are wider.",
    )
    return choose(row, "95 % intervals", list(INTERVALS), "interval", DEFAULT_INTERVAL)


def _point(evaluation: Evaluation, decision: Decision, threshold: float) -> OperatingPoint:
    """Point at the threshold; the recommended one where it is the same, for it has its reason."""
    if decision.promised is not None and decision.promised.threshold == threshold:
        return decision.promised
    chosen = decision.point
    if chosen is not None and decision.is_reached and chosen.threshold == threshold:
        return chosen
    return evaluation.point_at(threshold)


def _saved(workspace: Workspace) -> tuple[SavedPoint, ...]:
    try:
        return workspace.saved_points.load()
    except OpenMaxError as error:
        show_error(error)
        return ()


def _warn_if_few(evaluation: Evaluation) -> None:
    """Say how uncertain figures on few pictures are, and what is not measured."""
    for name, count in (
        ("test", evaluation.overall.n_test),
        ("reject", evaluation.overall.n_reject),
    ):
        if 0 < count < FEW:
            half = share_interval(count // 2, count)
            st.warning(
                f"Only {count} {name} picture{'s' * (count > 1)}: each changes {name.capitalize()} "
                f"accuracy by {100 / count:.1f} points, and the 95 % interval may be "
                f"{100 * (half.high - half.low):.0f} points wide. Do not rely on smaller "
                "differences.",
                icon=":material/warning:",
            )
    if not evaluation.overall.n_reject:
        st.info(
            "There is no reject set, so Reject accuracy is not measured. Test accuracy still "
            "shows how many knowns a threshold rejects. In workspace.toml, name a folder with "
            "pictures of unknowns as reject under [folders].",
            icon=":material/info:",
        )


ensure_routed()
main()
