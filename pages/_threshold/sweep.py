"""The table of thresholds: the notebook's own, or the method's range."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.tradeoff.sweep import default_thresholds, parse_thresholds, sweep_table
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.widgets import show_error

MOST_ROWS = 15


def show_sweep(workspace: Workspace, evaluation: Evaluation, interval: str) -> pd.DataFrame | None:
    """Draw the table, sortable, for thresholds that can be typed; returns it if there is one."""
    text = st.text_input(
        "Thresholds",
        value=default_thresholds(evaluation.openmax),
        key=f"sweep_{state.method_key(workspace)}",
        help="start:stop:step, or a list with commas",
    )
    try:
        table = sweep_table(evaluation.overall, parse_thresholds(text), interval)
    except OpenMaxError as error:
        show_error(error)
        return None
    share = st.column_config.NumberColumn(format="%.4f")
    bound = st.column_config.NumberColumn(format="%.3f", help=f"95 % {interval} interval")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height="content" if len(table) <= MOST_ROWS else 430,
        column_order=[
            "threshold",
            "test_accuracy",
            "test_low",
            "test_high",
            "reject_accuracy",
            "reject_low",
            "reject_high",
            "correct",
            "wrong",
            "rejected_known",
            "rejected_unknown",
            "accepted_unknown",
        ],
        column_config={
            "threshold": st.column_config.NumberColumn("Threshold", format="%.15g", pinned=True),
            "test_accuracy": share | {"label": "Test accuracy"},
            "test_low": bound | {"label": "95 % from"},
            "test_high": bound | {"label": "to"},
            "reject_accuracy": share | {"label": "Reject accuracy"},
            "reject_low": bound | {"label": "95 % from"},
            "reject_high": bound | {"label": "to"},
            "correct": "Correct",
            "wrong": "Wrong",
            "rejected_known": "Known rejected",
            "rejected_unknown": "Unknown rejected",
            "accepted_unknown": "Unknown accepted",
        },
    )
    return table
