"""The threshold: a slider over the method's range and the exact number beside it, in step."""

from __future__ import annotations

import math

import streamlit as st

from openmax_core.assessment import Evaluation
from openmax_core.workspace import Workspace
from pages._shared import state

SLIDER_STEPS = 200


def threshold_control(workspace: Workspace, evaluation: Evaluation) -> float:
    """Draw slider and number, and return the threshold; its range is what the method can score."""
    low, high = evaluation.openmax.score_range()
    digits = math.ceil(-math.log10((high - low) / SLIDER_STEPS))
    step = 10.0**-digits
    first, last = (
        round(math.floor(low / step) * step, digits),
        round(math.ceil(high / step) * step, digits),
    )
    threshold = state.threshold(workspace, evaluation)
    _set("threshold_slider", min(max(threshold, first), last))
    _set("threshold_number", threshold)
    st.session_state["slider_moved"] = False

    def take_slider() -> None:
        st.session_state["slider_moved"] = True
        state.set_threshold(workspace, round(st.session_state["threshold_slider"], digits))

    def take_number() -> None:
        # A slider that moves fast sends its value beside a number that the browser has not yet
        # been told to change: that old number is nobody's wish.
        if not st.session_state["slider_moved"]:
            state.set_threshold(workspace, st.session_state["threshold_number"])

    slider, number = st.columns([5, 1], vertical_alignment="bottom")
    slider.slider(
        "Threshold",
        min_value=first,
        max_value=last,
        step=step,
        format=f"%.{digits}f",
        key="threshold_slider",
        on_change=take_slider,
        help="A picture is rejected where its score is below the threshold, or where 'unknown' is "
        f"the most probable. With this method and {evaluation.openmax.n_classes} classes scores "
        f"lie between {low:.3f} and {high:.3f}.",
    )
    number.number_input(
        "Exact threshold",
        min_value=0.0,
        max_value=1.0,
        step=step,
        format="%.15g",
        key="threshold_number",
        on_change=take_number,
        label_visibility="collapsed",
    )
    return threshold


def _set(key: str, value: float) -> None:
    """Give a widget a value that was set elsewhere; one that the visitor moves is left alone.

    Writing it back would pull the slider to where it was when this run began.
    """
    held = st.session_state.get(key)
    if held is None or not math.isclose(held, value, abs_tol=1e-9):
        st.session_state[key] = value
