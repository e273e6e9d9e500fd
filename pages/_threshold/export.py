"""The table of thresholds, and the files to export: report, operating point, table."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.report.report import report_html
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.sweep import default_thresholds, parse_thresholds, sweep_table
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.format import code
from pages._shared.widgets import csv_button, show_error

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


def show_export(
    workspace: Workspace, evaluation: Evaluation, point: OperatingPoint, table: pd.DataFrame | None
) -> None:
    """Draw the downloads of what the page shows: the point, and the table of thresholds."""
    preset = evaluation.openmax.preset_
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Report (HTML)",
            lambda: report_html(workspace, evaluation, point),
            file_name=f"openmax-{preset}.html",
            mime="text/html",
            icon=":material/summarize:",
            on_click="ignore",
            type="primary",
            help="One file with the explorer, the figures and the curves, for people without this "
            "dashboard.",
        )
        st.download_button(
            "Operating point (JSON)",
            point.to_json(),
            file_name=f"operating-point-{preset}.json",
            mime="application/json",
            icon=":material/data_object:",
            on_click="ignore",
        )
        if table is not None:
            csv_button("Table (CSV)", table, f"thresholds-{preset}.csv")
    folder = shlex.quote(str(workspace.folder))
    st.caption(f"The same in the shell: {code(f'openmax report {folder}')}")
    st.caption(
        "Classifier, OpenMax and the workspace's default point as one ONNX file for production: "
        f"{code(f'openmax export {folder}')}"
    )
