"""The recommended threshold under the analyst's floor, and choosing one for the workspace."""

from __future__ import annotations

import streamlit as st

from openmax_core.assessment import Evaluation
from openmax_core.decimals import threshold_text
from openmax_core.errors import NoFeasibleThresholdError, OpenMaxError
from openmax_core.operating_point import OperatingPoint
from openmax_core.workspace import Workspace
from pages._shared import state
from pages._shared.messages import show_error


def show_recommendation(workspace: Workspace, evaluation: Evaluation, threshold: float) -> float:
    """Draw recommendation, floor and buttons; returns the floor."""
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
