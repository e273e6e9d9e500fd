"""Threshold: move it, and watch what it does to Test accuracy and Reject accuracy."""

from __future__ import annotations

import streamlit as st

from openmax_core import figures
from openmax_core.errors import NoFeasibleThresholdError, OpenMaxError
from openmax_core.evaluation import Outcome
from openmax_core.operating_point import OperatingPoint
from openmax_core.tables import (
    confusion_table,
    default_thresholds,
    parse_thresholds,
    sweep_table,
    threshold_text,
    worst_confusions,
)
from openmax_core.workspace import Evaluation, Workspace
from pages._shared import state
from pages._shared.format import interval, percent
from pages._shared.guards import require_evaluation, show_provenance
from pages._shared.messages import show_error
from pages._shared.registry import ensure_routed
from pages._shared.threshold_control import threshold_control

FEW = 30
MOST_ROWS = 15
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
    _show_outcome(curve.outcome(threshold))
    floor = _show_recommendation(workspace, evaluation, threshold)
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
        _show_sweep(workspace, evaluation)


def _show_outcome(outcome: Outcome) -> None:
    reject = outcome.n_reject > 0
    with st.container(horizontal=True):
        st.metric(
            "Test accuracy",
            percent(outcome.test_accuracy),
            delta=f"{outcome.correct:,} of {outcome.n_test:,} · {interval(outcome.test_interval)}",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Share of the test set given its right class; a rejected picture counts as "
            "wrong. With the 95 % Wilson interval.",
        )
        st.metric(
            "Reject accuracy",
            percent(outcome.reject_accuracy) if reject else "not measured",
            delta=f"{outcome.rejected_unknown:,} of {outcome.n_reject:,} · "
            f"{interval(outcome.reject_interval)}"
            if reject
            else "no reject set",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Share of the reject set that is rejected. With the 95 % Wilson interval.",
        )
        st.metric(
            "Known, rejected",
            f"{outcome.rejected_known:,}",
            delta=f"and {outcome.wrong:,} in a wrong class",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Test pictures that the threshold turns away, and those it lets pass wrongly.",
        )
        st.metric(
            "Unknown, accepted",
            f"{outcome.accepted_unknown:,}" if reject else "–",
            delta=f"of {outcome.n_reject:,} unknowns",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Reject pictures that are taken for a known class.",
        )


def _show_recommendation(workspace: Workspace, evaluation: Evaluation, threshold: float) -> float:
    with st.container(border=True):
        text = st.container()
        controls = st.container(horizontal=True, vertical_alignment="bottom")
        floor = controls.number_input(
            "Test accuracy at least",
            min_value=0.0,
            max_value=1.0,
            value=workspace.settings.defaults.min_test_accuracy,
            step=0.01,
            format="%.3f",
            key="floor",
            bind="query-params",
            width=190,
        )
        point, curve = None, evaluation.curve
        try:
            point = evaluation.recommend(floor)
            reject = (
                f"Reject accuracy **{point.reject_accuracy:.4f}**"
                if point.reject_accuracy is not None
                else "Reject accuracy not measured"
            )
            text.markdown(
                f"**Recommended: threshold {threshold_text(point.threshold)}**  \nTest accuracy "
                f"**{point.test_accuracy:.4f}** with {reject}. Chosen and counted on the same "
                "pictures, so it flatters a little."
            )
        except NoFeasibleThresholdError as error:
            text.markdown(f"**No recommendation:** {error}.")
        text.caption(
            f"'Unknown' is the most probable for {curve.n_test_unknown_won:,} of "
            f"{curve.n_test:,} test and {curve.n_reject_unknown_won:,} of {curve.n_reject:,} "
            "reject pictures: these are rejected at every threshold."
        )
        controls.button(
            "Use recommended",
            icon=":material/my_location:",
            disabled=point is None or point.threshold == threshold,
            on_click=lambda: state.set_threshold(workspace, point.threshold) if point else None,
        )
        if controls.button(
            "Save as chosen",
            icon=":material/flag:",
            type="primary",
            help="Make this method and threshold the workspace's operating point: 'openmax "
            "predict' decides with it, and new visits begin with it.",
        ):
            _choose(workspace, evaluation.point_at(threshold))
    return float(floor)


def _choose(workspace: Workspace, point: OperatingPoint) -> None:
    try:
        workspace.choose(point)
        st.toast(
            f"Threshold {threshold_text(point.threshold)} is now the operating point.", icon="🚩"
        )
    except OpenMaxError as error:
        show_error(error)


def _show_confusion(workspace: Workspace, evaluation: Evaluation, threshold: float) -> None:
    if len(workspace.classes) > MOST_CONFUSION_CLASSES:
        table = worst_confusions(evaluation.curve, workspace.classes, threshold)
        st.caption(f"The {len(table)} most frequent of all that went wrong.")
        st.dataframe(table, hide_index=True, width="stretch", height=430)
        return
    table = confusion_table(evaluation.curve, workspace.classes, threshold)
    st.plotly_chart(figures.confusion_figure(table), key="confusion", config=PLOT)


def _show_sweep(workspace: Workspace, evaluation: Evaluation) -> None:
    text = st.text_input(
        "Thresholds",
        value=default_thresholds(evaluation.openmax),
        key=f"sweep_{state.method_key(workspace)}",
        help="start:stop:step, or a list with commas",
    )
    try:
        table = sweep_table(evaluation.curve, parse_thresholds(text))
    except OpenMaxError as error:
        show_error(error)
        return
    share = st.column_config.NumberColumn(format="%.4f")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height="content" if len(table) <= MOST_ROWS else 430,
        column_order=[
            "threshold",
            "test_accuracy",
            "reject_accuracy",
            "correct",
            "wrong",
            "rejected_known",
            "rejected_unknown",
            "accepted_unknown",
        ],
        column_config={
            "threshold": st.column_config.NumberColumn("Threshold", format="%.15g", pinned=True),
            "test_accuracy": share | {"label": "Test accuracy"},
            "reject_accuracy": share | {"label": "Reject accuracy"},
            "correct": "Correct",
            "wrong": "Wrong",
            "rejected_known": "Known rejected",
            "rejected_unknown": "Unknown rejected",
            "accepted_unknown": "Unknown accepted",
        },
    )
    st.download_button(
        "Table as CSV",
        table.to_csv(index=False),
        file_name=f"thresholds-{evaluation.openmax.preset_}.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


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
