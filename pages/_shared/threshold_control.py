"""The threshold: a slider over the method's range and the exact number beside it, in step."""

from __future__ import annotations

import math

import streamlit as st

from openmax_core.workspace import Evaluation, Workspace
from pages._shared import state

SLIDER_STEPS = 200


def threshold_control(workspace: Workspace, evaluation: Evaluation) -> float:
    """Draw slider and number, and return the threshold; its range is what the method can score."""
    low, high = evaluation.openmax.score_range()
    step = 10.0 ** math.floor(math.log10((high - low) / SLIDER_STEPS))
    threshold = state.threshold(workspace, evaluation)
    st.session_state["threshold_slider"] = min(max(threshold, low), high)
    st.session_state["threshold_number"] = threshold

    def take(key: str) -> None:
        state.set_threshold(workspace, st.session_state[key])

    slider, number = st.columns([5, 1], vertical_alignment="bottom")
    slider.slider(
        "Threshold",
        min_value=low,
        max_value=high,
        step=step,
        format=f"%.{max(0, -math.floor(math.log10(step)))}f",
        key="threshold_slider",
        on_change=take,
        args=("threshold_slider",),
        help="A picture is rejected where its score is below the threshold, or where 'unknown' is "
        f"the most probable. With this method and {evaluation.openmax.n_classes} classes scores "
        f"lie between {low:.3f} and {high:.3f}.",
    )
    number.number_input(
        "Exact threshold",
        min_value=0.0,
        max_value=1.0,
        step=step,
        format="%.6f",
        key="threshold_number",
        on_change=take,
        args=("threshold_number",),
        label_visibility="collapsed",
    )
    return threshold
