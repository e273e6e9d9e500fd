"""Monitor: are new pictures like those that the method was calibrated on?"""

from __future__ import annotations

import streamlit as st
from streamlit.column_config import NumberColumn, TextColumn

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.monitor import figures as monitor_figures
from openmax_core.monitor.records import BatchRecords, RecordedBatch, batch_table
from openmax_core.monitor.report import Basis
from openmax_core.prediction.choice import Choice, choose_method, chosen_settings
from openmax_core.support.decimals import threshold_text
from openmax_core.support.files import modified
from openmax_core.workspace.workspace import Workspace
from pages._monitor.detail import show_batch, show_verdict
from pages._monitor.form import date_of, select_own, show_form
from pages._shared import start, state
from pages._shared.format import plain
from pages._shared.guards import require_evaluation, show_borrowed, show_notice, wait_for_counting
from pages._shared.kept import kept
from pages._shared.registry import ensure_routed, link_to
from pages._shared.widgets import csv_button, in_percent, share_column, show_error, show_warning

MOST_DRAWN = 60
PLOT = {"displayModeBar": False}


def main() -> None:
    st.title("Monitor")
    workspace, _ = require_evaluation()
    show_notice(workspace)
    st.markdown(
        "Are new pictures still like those that the method was calibrated on? This page compares a "
        "**batch** of new pictures with the **test set**: the share of rejected pictures, and the "
        "distances of the pictures to the mean of the class that they are assigned to."
    )
    choice = _choice(workspace)
    if choice is not None:
        _show_choice(choice)
    select_own(workspace)  # before the records are read, so that it is one of them
    records, problems = BatchRecords.of(workspace).load()
    for problem in problems:
        show_warning(problem)
    if not records:
        st.info("No batch is recorded yet.", icon=":material/monitoring:")
        show_form(workspace, choice)
        return
    show_verdict(records[-1], "The newest batch")
    basis = records[-1].report.basis if choice is None else Basis.of(choice)
    _show_over_time(records, basis)
    st.subheader("One batch")
    st.fragment(_show_one)(workspace, records)
    show_form(workspace, choice)


def _choice(workspace: Workspace) -> Choice | None:
    """Return what decides in production, or say why nothing does; wait for what is counted."""
    try:
        preset, settings = chosen_settings(workspace)
        job = state.counting(workspace, preset, settings.to_dict())
        if job is not None and job.is_running:
            wait_for_counting(
                job, f"New batches use the method **{preset}**, not that of the sidebar. "
            )
        counted = None if job is None else job.result()
        return _chosen(workspace, modified(workspace.operating_point_path), counted)
    except OpenMaxError as error:
        show_error(error)
        return None


@kept("Calibrating …")
def _chosen(item: Workspace, moment: int | None, _counted: Evaluation | None) -> Choice:
    return choose_method(Workspace.open(item.folder), evaluation=_counted)


def _show_choice(choice: Choice) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")
    row.caption(
        f"New batches use the method **{choice.evaluation.method.name}** and threshold "
        f"**{threshold_text(choice.threshold)}**: {plain(choice.source)}, as in `openmax predict`. "
        "The sidebar does not change this.",
        width="content",
    )
    with row:
        link_to("threshold", "Choose another")
    show_borrowed(choice.evaluation)


def _show_over_time(records: list[RecordedBatch], basis: Basis) -> None:
    st.subheader("Batches over time")
    drawn = records[-MOST_DRAWN:]
    if len(records) > len(drawn):
        st.caption(f"The newest {len(drawn)} of {len(records):,} batches are drawn.")
    st.plotly_chart(monitor_figures.rate_figure(drawn, basis.key), key="rates", config=PLOT)
    others = [record for record in drawn if record.report.basis.key != basis.key]
    if others:
        st.caption(
            f":material/info: {len(others):,} of them {'was' if len(others) == 1 else 'were'} "
            "decided with another method, calibration or threshold than new batches. They are "
            "grey, each with the value that was expected then. Do not compare their shares."
        )
    alike = [item for item in drawn if item.report.basis.calibration == basis.calibration]
    alike = alike or [
        item
        for item in drawn
        if item.report.basis.calibration == drawn[-1].report.basis.calibration
    ]
    n_classes, n_drawn = len(alike[0].report.classes), monitor_figures.MOST_CLASSES
    measured = alike[-1].report.basis.measured
    st.markdown(f"**Drift of {measured} by class**")
    st.plotly_chart(monitor_figures.drift_figure(alike), key="drift", config=PLOT)
    sides = {
        "distances": "Orange: farther from the class's mean than the test set. Blue: nearer.",
        "scores": "Orange: lower scores than the test set. Blue: higher scores.",
    }
    parts = [
        f"{sides[measured]} The unit is the "
        "interquartile range (IQR). ▲ and ▼ mark differences beyond chance, corrected for all "
        "classes of a batch. – means: too few pictures to test."
    ]
    if n_drawn < n_classes:
        parts.append(f"The {n_drawn} of {n_classes:,} classes that drifted most are drawn.")
    if len(alike) < len(drawn):
        parts.append(f"{len(drawn) - len(alike):,} batches of another calibration are left out.")
    st.caption(" ".join(parts))
    with st.expander(f"All {len(records):,} batches", icon=":material/table_rows:"):
        _show_table(records, basis)


def _show_table(records: list[RecordedBatch], basis: Basis) -> None:
    table = batch_table(records, basis.key)
    table["source"] = table["source"].map(start.roots().shown)
    st.dataframe(
        in_percent(table, "reject_rate", "low", "high", "expected", "test_accuracy"),
        hide_index=True,
        width="stretch",
        column_config={
            "name": TextColumn("Batch", pinned=True),
            "time": st.column_config.DatetimeColumn("Time"),
            "alarm": "Alarm",
            "reject_rate": share_column("Rejected"),
            "low": share_column("95 % from"),
            "high": share_column("to"),
            "expected": share_column("Expected"),
            "p_value": NumberColumn("p", format="%.2g"),
            "test_accuracy": share_column(
                "Test accuracy", "Of the pictures that have a label, where there are some."
            ),
            "drifted": "Classes drifted",
            "tested": "of",
            "pictures": NumberColumn("Pictures", format="localized"),
            "unreadable": "Unreadable",
            "method": "Method",
            "threshold": NumberColumn("Threshold", format="%.15g"),
            "is_current": st.column_config.CheckboxColumn(
                "as new ones", help="Decided with the method and threshold of new batches."
            ),
            "source": "Source",
        },
    )
    csv_button("Batches as CSV", table, "batches.csv")


def _show_one(workspace: Workspace, records: list[RecordedBatch]) -> None:
    newest_first = list(reversed(records))
    labels = {item.id: f"{item.name} · {date_of(item)}" for item in newest_first}
    row = st.container(horizontal=True, vertical_alignment="bottom")
    chosen = row.selectbox(
        "Batch", list(labels), format_func=lambda key: labels[key], key="batch", width=420
    )
    record = next((item for item in newest_first if item.id == chosen), newest_first[0])
    with row.popover("Delete", icon=":material/delete:"):
        st.markdown(f"Delete the record of **{plain(record.name)}**? The pictures stay.")
        if st.button("Delete this record", type="primary"):
            try:
                BatchRecords.of(workspace).remove(record)
            except OpenMaxError as error:
                show_error(error)
            else:
                st.rerun()
    if record is not newest_first[0]:
        show_verdict(record, "This batch")
    show_batch(workspace, record)


ensure_routed()
main()
