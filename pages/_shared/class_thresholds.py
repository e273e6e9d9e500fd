"""A threshold per predicted class beside the single one, and whether that is worth it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from openmax_core.assessment import Evaluation
from openmax_core.class_thresholds import Difference
from openmax_core.errors import NoFeasibleThresholdError
from openmax_core.objectives import Objective
from openmax_core.operating_point import OperatingPoint
from openmax_core.workspace import Workspace
from pages._shared import derived


def show_class_thresholds(
    workspace: Workspace, evaluation: Evaluation, objective: Objective
) -> OperatingPoint | None:
    """Draw thresholds and gain; returns the point that has them."""
    try:
        chosen, gain = derived.class_choice(workspace, evaluation, objective)
    except NoFeasibleThresholdError as error:
        st.warning(
            f"Thresholds per class cannot be judged: on one half of the pictures {error}.",
            icon=":material/warning:",
        )
        return None
    point = evaluation.class_point(chosen, objective)
    reject = (
        "" if point.reject_accuracy is None else f", Reject accuracy {point.reject_accuracy:.4f}"
    )
    text = (
        f"**A threshold per class**, on the same pictures: Test accuracy {point.test_accuracy:.4f}"
        f"{reject}. Gain over the single threshold on pictures that it was not chosen on: "
        f"{objective.gain_name} **{_in_points(gain.value, objective)}**; Test accuracy "
        f"{_in_points(gain.test_accuracy)}"
        + (f", Reject accuracy {_in_points(gain.reject_accuracy)}" if reject else "")
        + "."
    )
    if gain.is_worth_it:
        st.success(text, icon=":material/trending_up:")
    elif gain.value.is_within_noise:
        st.warning(
            f"{text} That is **within noise**: stay with the single threshold.",
            icon=":material/warning:",
        )
    else:
        st.warning(
            f"{text} That is **worse**: stay with the single threshold.",
            icon=":material/trending_down:",
        )
    with st.expander("Thresholds of the classes"):
        names = evaluation.openmax.class_names_
        st.dataframe(
            pd.DataFrame({"predicted class": names, "threshold": chosen.thresholds}),
            hide_index=True,
            column_config={"threshold": st.column_config.NumberColumn(format="%.15g")},
        )
    return point


def _in_points(difference: Difference, objective: Objective | None = None) -> str:
    """A difference with its interval: shares in points of a hundred, costs as they are."""
    low, high = difference.interval.low, difference.interval.high
    if objective is not None and objective.gain_name == "expected cost":
        return f"{-difference.value:+.4g} [{-high:+.4g}, {-low:+.4g}]"
    return f"{100 * difference.value:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"
