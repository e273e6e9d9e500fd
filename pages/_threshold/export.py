"""The table of thresholds, and the files to export: report, operating point, table."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st
from streamlit.column_config import NumberColumn

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.report.report import report_html
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.sweep import default_thresholds, parse_thresholds, sweep_table
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.format import code
from pages._shared.widgets import (
    csv_button,
    download,
    in_percent,
    share_column,
    show_error,
    show_table,
)


def show_sweep(workspace: Workspace, evaluation: Evaluation, interval: str) -> pd.DataFrame | None:
    """Draw the table for thresholds that the visitor can type; returns it if there is one."""
    text = st.text_input(
        "Thresholds",
        value=default_thresholds(
            evaluation.method.name, evaluation.overall, evaluation.score_range
        ),
        key=f"sweep_{state.method_key(workspace)}",
        help="start:stop:step, or a list with commas",
    )
    try:
        table = sweep_table(evaluation.overall, parse_thresholds(text), interval)
    except OpenMaxError as error:
        show_error(error)
        return None
    of_interval = f"95 % {interval} interval"
    names = [f"{of}_{what}" for of in ("test", "reject") for what in ("accuracy", "low", "high")]
    show_table(
        in_percent(table, *names),
        {
            "threshold": NumberColumn("Threshold", format="%.15g", pinned=True),
            "test_accuracy": share_column("Test accuracy"),
            "test_low": share_column("95 % from", of_interval),
            "test_high": share_column("to", of_interval),
            "reject_accuracy": share_column("Reject accuracy"),
            "reject_low": share_column("95 % from", of_interval),
            "reject_high": share_column("to", of_interval),
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
    """Draw the downloads of what the page shows."""
    name = evaluation.method.name
    with st.container(horizontal=True, vertical_alignment="center"):
        download(
            "Report (HTML)",
            lambda: report_html(workspace, evaluation, point),
            f"openmax-{name}.html",
            "text/html",
            ":material/summarize:",
            type="primary",
            help="One file with the slider, the figures and the curves, for people without this "
            "dashboard.",
        )
        download(
            "Operating point (JSON)",
            point.to_json(),
            f"operating-point-{name}.json",
            "application/json",
        )
        if table is not None:
            csv_button("Table (CSV)", table, f"thresholds-{name}.csv")
    folder = shlex.quote(str(workspace.folder))
    what = "with classifier, method and the default threshold"
    if workspace.settings.tables:
        what = "from logits to decision, with method and default threshold"
    st.caption(f"The report in the shell: {code(f'openmax report {folder}')}")
    st.caption(f"One ONNX file for production, {what}: {code(f'openmax export {folder}')}")
