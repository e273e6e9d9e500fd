"""Threshold: move it, and watch what it does to Test accuracy and Reject accuracy."""

from __future__ import annotations

import streamlit as st

from openmax_core import figures
from openmax_core.assessment import Evaluation
from openmax_core.tables import confusion_table, worst_confusions
from openmax_core.workspace import Workspace
from pages._shared.guards import require_evaluation, show_provenance
from pages._shared.outcome import show_outcome
from pages._shared.recommendation import show_recommendation
from pages._shared.registry import ensure_routed
from pages._shared.sweep import show_sweep
from pages._shared.threshold_control import threshold_control

FEW = 30
MOST_CONFUSION_CLASSES = 40
PLOT = {"displayModeBar": False}


def main() -> None:
    st.title("Threshold")
    workspace, evaluation = require_evaluation()
    show_provenance(evaluation)
    _warn_if_few(evaluation)
    st.fragment(_explore)(workspace, evaluation)


def _explore(workspace: Workspace, evaluation: Evaluation) -> None:
    threshold = threshold_control(workspace, evaluation)
    curve = evaluation.curve
    show_outcome(curve.outcome(threshold))
    floor = show_recommendation(workspace, evaluation, threshold)
    score_range = evaluation.openmax.score_range()
    rows = st.container(key="stack")
    left, right = rows.columns(2, gap="medium")
    with left:
        st.subheader("What the threshold trades")
        figure = figures.tradeoff_figure(curve, threshold, score_range, floor)
        st.plotly_chart(figure, key="tradeoff", config=PLOT)
    with right:
        st.subheader("Scores of both sets")
        figure = figures.score_figure(curve, threshold, score_range)
        st.plotly_chart(figure, key="scores", config=PLOT)
    left, right = rows.columns([2, 3], gap="medium")
    with left:
        st.subheader("Confusion at this threshold")
        _show_confusion(workspace, evaluation, threshold)
    with right:
        st.subheader("Table of thresholds")
        show_sweep(workspace, evaluation)


def _show_confusion(workspace: Workspace, evaluation: Evaluation, threshold: float) -> None:
    if len(workspace.classes) > MOST_CONFUSION_CLASSES:
        table = worst_confusions(evaluation.curve, workspace.classes, threshold)
        st.caption(f"The {len(table)} most frequent of all that went wrong.")
        st.dataframe(table, hide_index=True, width="stretch", height=430)
        return
    table = confusion_table(evaluation.curve, workspace.classes, threshold)
    st.plotly_chart(figures.confusion_figure(table), key="confusion", config=PLOT)


def _warn_if_few(evaluation: Evaluation) -> None:
    for name, count in (("test", evaluation.curve.n_test), ("reject", evaluation.curve.n_reject)):
        if 0 < count < FEW:
            st.warning(
                f"Only {count} {name} pictures: a figure counted on so few says little. Look at "
                "its interval.",
                icon=":material/warning:",
            )
    if not evaluation.curve.n_reject:
        st.info(
            "There is no reject set, so Reject accuracy is not measured; Test accuracy still "
            "shows what a threshold costs. Name a folder with pictures of unknowns as reject "
            "under [folders] in workspace.toml.",
            icon=":material/info:",
        )


ensure_routed()
main()
