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
from pages._shared.guards import require_evaluation, show_notice, show_provenance
from pages._shared.registry import ensure_routed
from pages._shared.widgets import show_error
from pages._threshold.decision import Decision, show_decision
from pages._threshold.explorer import show_explorer
from pages._threshold.export import show_export, show_sweep
from pages._threshold.mistakes import show_mistakes
from pages._threshold.reject_folders import show_reject_folders
from pages._threshold.saved import show_saved_points

FEW = 30


def main() -> None:
    st.title("Threshold")
    workspace, evaluation = require_evaluation()
    show_notice(workspace)
    show_provenance(evaluation)
    _warn_if_few(evaluation)
    st.fragment(_explore)(workspace, evaluation)


def _explore(workspace: Workspace, evaluation: Evaluation) -> None:
    threshold = state.threshold(workspace, evaluation)
    saved = _saved(workspace)
    explorer = st.container()
    interval = _choose_interval()
    st.subheader("Decide")
    decision = show_decision(workspace, evaluation, threshold, interval)
    with explorer:
        show_explorer(
            workspace,
            evaluation,
            threshold,
            interval=interval,
            marks=decision.marks,
            floors=decision.floors,
            saved=[item for item in saved if item.point.settings == evaluation.openmax.settings_],
            spread=decision.spread,
        )
    point = _point(evaluation, decision, threshold)
    with st.container(key="pictures_that_pay"):
        st.subheader("The pictures that pay")
        show_mistakes(workspace, evaluation, threshold)
    show_reject_folders(evaluation, threshold, interval)
    st.subheader("Saved points")
    show_saved_points(workspace, point, saved, decision.class_point)
    st.subheader("Table of thresholds")
    table = show_sweep(workspace, evaluation, interval)
    st.subheader("Take away")
    show_export(workspace, evaluation, point, table)


def _choose_interval() -> str:
    row = st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center")
    row.caption(
        "95 % intervals",
        width="content",
        help="**Wilson** is right on average. **Clopper–Pearson** never covers less than 95 %, so "
        "it is wider.",
    )
    chosen = row.segmented_control(
        "95 % intervals",
        list(INTERVALS),
        default=DEFAULT_INTERVAL,
        required=True,
        key="interval",
        label_visibility="collapsed",
        persist_state="session",
    )
    return chosen or DEFAULT_INTERVAL


def _point(evaluation: Evaluation, decision: Decision, threshold: float) -> OperatingPoint:
    """Point at the threshold; the decision's own where it is that, for it knows its reason."""
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
    """Say what figures on few pictures are worth, and what is not measured."""
    for name, count in (
        ("test", evaluation.overall.n_test),
        ("reject", evaluation.overall.n_reject),
    ):
        if 0 < count < FEW:
            half = share_interval(count // 2, count)
            st.warning(
                f"Only {count} {name} picture{'s' * (count > 1)}: each is worth "
                f"{100 / count:.1f} points of {name.capitalize()} accuracy, and its 95 % interval "
                f"may be as wide as {100 * (half.high - half.low):.0f} points. Smaller "
                "differences say nothing.",
                icon=":material/warning:",
            )
    if not evaluation.overall.n_reject:
        st.info(
            "There is no reject set, so Reject accuracy is not measured; Test accuracy still "
            "shows what a threshold costs. Name a folder with pictures of unknowns as reject "
            "under [folders] in workspace.toml.",
            icon=":material/info:",
        )


ensure_routed()
main()
