"""Files to take away: table, operating point, report."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.report.report import report_html
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.workspace.workspace import Workspace
from pages._shared.format import code
from pages._shared.widgets import csv_button


def show_take_away(
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
