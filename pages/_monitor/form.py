"""How to monitor a batch: the shell command, and a form that runs it on the server."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.monitor.monitor import COMPARE_NOTHING, monitor
from openmax_core.monitor.records import LONGEST_NAME, BatchRecords, RecordedBatch, default_name
from openmax_core.prediction.choice import Choice
from openmax_core.support.jobs import Job
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs, start
from pages._shared.format import code, plain
from pages._shared.jobs import show_job
from pages._shared.widgets import show_error

MonitorJob = Job[tuple[int, int], RecordedBatch]
WITH_LABELS = (
    "Where pictures have labels (folders that are called like classes, or a column label), "
    "Test accuracy is counted and tested too; exit code 7 means that the threshold no longer keeps "
    "what it should."
)
OWN_JOB, TO_SELECT = "own_monitor_job", "monitor_job_to_select"


def date_of(record: RecordedBatch) -> str:
    """Day and minute that a batch is of."""
    return record.time[:16].replace("T", " ")


def show_form(workspace: Workspace, choice: Choice | None) -> None:
    """Draw how to monitor a batch, in the shell or here."""
    st.subheader("Monitor a batch")
    st.markdown("In the shell, for example every night:")
    is_of_tables = bool(workspace.settings.tables)
    batch = "TABLE" if is_of_tables else "FOLDER"
    folder = shlex.quote(str(workspace.folder))
    st.code(f"openmax monitor {folder} {batch} --record --fail-on-drift", language="sh")
    st.caption(
        "TABLE holds logits, as .npz, .parquet or .csv, like the tables of the workspace. Exit "
        f"code 5 means that the batch has drifted. {WITH_LABELS}"
        if is_of_tables
        else "FOLDER contains pictures, with or without sub-folders. Exit code 5 means that the "
        f"batch has drifted. {WITH_LABELS} The command also reads files with logits: "
        "`openmax monitor --help`."
    )
    job = _job(workspace)
    if job is not None and job.is_running:
        show_job(job, "Scoring the batch", "pictures")
        return
    if job is not None and _is_noted(job, OWN_JOB):
        if _is_noted(job, TO_SELECT):
            st.rerun()  # it ended while the page was drawn, after the records had been read
        if job.problem:
            show_error(job.problem)
        else:
            done = job.result()
            st.success(
                f"The batch is recorded as {plain(done.name)}, {date_of(done)}.",
                icon=":material/check:",
            )
    if choice is None:
        return
    st.markdown("Or on this page:")
    with (
        st.form("monitor", border=False),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        what = "Table of logits" if is_of_tables else "Folder of pictures"
        folder = st.text_input(f"{what}, on this server", width=420)
        name = st.text_input(
            "Name", placeholder=f"as the {batch.lower()}", max_chars=LONGEST_NAME, width=220
        )
        compare = st.selectbox(
            "Compare with",
            _comparable(workspace),
            format_func=lambda name: "nothing" if name == COMPARE_NOTHING else name,
            help="Pictures with the same path in the test set, the reject set or a recorded batch.",
            width=180,
        )
        has_labels = st.checkbox(
            "Use labels",
            value=True,
            help="Take folders that are called like classes, or a column label, for the classes of "
            "the pictures. Leave them out where they are what another program decided.",
        )
        submitted = st.form_submit_button("Score and record", icon=":material/play_arrow:")
    st.caption(
        f"Allowed are folders under {code(', '.join(map(str, start.roots().roots)))}."
        f"{_example(workspace)}"
    )
    if submitted and folder.strip():
        _begin(workspace, choice, folder.strip(), name.strip(), compare, has_labels)


def _comparable(workspace: Workspace) -> list[str]:
    """Names of what pictures can be compared with, the newest batch first."""
    splits = [split for split in ("test", "reject") if split in workspace.pictures.splits]
    names = dict.fromkeys(record.name for record in reversed(BatchRecords.of(workspace).load()[0]))
    taken = [COMPARE_NOTHING, *splits]
    return [*taken, *(name for name in names if name not in taken)]


def _example(workspace: Workspace) -> str:
    """What to type to see a batch that is unlike the test set."""
    tables = workspace.settings.tables
    if tables and list(tables.values()).count(tables.get("reject", "")) != 1:
        return ""  # there is none, or it holds known rows as well
    try:
        folder = start.roots().check(workspace.pictures.folder("reject"))
    except OpenMaxError:  # there is none, or not on this machine
        return ""
    return f" To see drift, use this workspace's unknowns: {code(str(folder))}."


def _begin(
    workspace: Workspace, choice: Choice, folder: str, name: str, compare: str, has_labels: bool
) -> None:
    try:
        path: Path = start.roots().check(folder)
    except OpenMaxError as error:
        show_error(error)
        return

    def work(report: Callable[[tuple[int, int]], None]) -> RecordedBatch:
        measured = monitor(
            workspace,
            path,
            choice,
            compare=compare,
            has_labels=has_labels,
            progress=lambda now: report((now.done, now.total)),
        )
        return BatchRecords.of(workspace).add(measured, name or default_name(path))

    job = jobs.begin("monitor", workspace, work)
    st.session_state[OWN_JOB] = st.session_state[TO_SELECT] = job
    st.rerun()


def _job(workspace: Workspace) -> MonitorJob | None:
    """Return the batch that is under way or was the last, whoever started it."""
    return jobs.find("monitor", workspace)


def _is_noted(job: MonitorJob, name: str) -> bool:
    return st.session_state.get(name) is job


def select_own(workspace: Workspace) -> None:
    """Show the batch that this visitor had scored, once it is recorded."""
    job = _job(workspace)
    if job is not None and _is_noted(job, TO_SELECT) and not job.is_running:
        del st.session_state[TO_SELECT]
        if job.has_result:
            st.session_state["batch"] = job.result().id
