"""Workspace: open another one, make one, and run the network over its pictures."""

from __future__ import annotations

from shlex import quote

import pandas as pd
import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.workspace.sets import SplitStatus
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs, start, state
from pages._shared.diagnosis import show_diagnosis
from pages._shared.format import code, plain, sentence
from pages._shared.guards import show_notice
from pages._shared.jobs import show_extraction
from pages._shared.registry import ensure_routed
from pages._shared.widgets import show_error, show_table
from pages._workspace.create import show_form

CHECK = "Check this workspace"


def main() -> None:
    st.title("Workspace")
    workspace = state.workspace()
    if workspace is None:
        show_error(state.workspace_problem())
    else:
        _show_workspace(workspace)
    left, right = st.container(key="stack").columns(2, gap="medium")
    with left.container(border=True, height="stretch"):
        _open_another()
    with right.container(border=True, height="stretch"):
        show_form(_show_new)


def _show_workspace(workspace: Workspace) -> None:
    shown = start.roots().shown
    classifier, is_of_tables = workspace.settings.classifier, bool(workspace.settings.tables)
    st.markdown(
        f"**{plain(workspace.settings.name)}** · "
        f"{'tables of logits' if is_of_tables else plain(classifier.name)} · "
        f"{len(workspace.classes)} classes · {plain(shown(str(workspace.folder)))}"
    )
    if workspace.settings.description:
        st.caption(plain(workspace.settings.description))
    show_notice(workspace)
    transform = workspace.settings.transform
    if not is_of_tables:
        st.caption(f"Transform: {transform.in_words}")
        _show_outputs(workspace)
    for doubt in transform.doubts:
        st.warning(plain(doubt), icon=":material/warning:")
    folder, notes = st.session_state.get("notes_on", (None, ()))
    if folder == workspace.folder and notes:
        st.info("\n".join(f"- {plain(shown(note))}" for note in notes), icon=":material/info:")
    job = jobs.find("extraction", workspace)
    if job is not None and job.is_running:
        show_extraction(job, can_stop=True)
        return
    if job is not None:
        _show_outcome(job)
    statuses = state.status(workspace)
    rows = [
        {
            "set": split,
            "rows in the store": status.n_stored or 0,
            "state": shown(status.problem or ("stored" if status.is_current else "to be read")),
            "table": shown(str(workspace.pictures.location(split))),
        }
        if is_of_tables
        else {
            "set": split,
            "files in the folder": status.n_files if status.is_compared else None,
            "files in the store": status.n_stored or 0,
            "state": shown(status.problem or _in_words(status)),
            "folder": shown(str(workspace.pictures.location(split))),
        }
        for split, status in statuses.items()
    ]
    show_table(pd.DataFrame(rows))
    for status in statuses.values():
        if status.passed_over:
            st.caption(sentence(status.passed_over))
    if classifier.file is None and not is_of_tables:
        st.info(
            "There are no trained weights yet. Train the network in the shell: "
            + code(f"openmax train {quote(str(workspace.folder))} --backbone-weights DEFAULT"),
            icon=":material/model_training:",
        )
        show_diagnosis(workspace, CHECK)
        return
    is_current = all(status.is_current for status in statuses.values())
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Read the tables" if is_of_tables else "Run extraction",
            icon=":material/play_arrow:",
            type="secondary" if is_current else "primary",
            help="Reads tables that are new or have changed, and stores the logits."
            if is_of_tables
            else "Runs the network over new and changed pictures, and stores the logits.",
        ):
            jobs.start_extraction(workspace)
            state.status.clear()
            st.rerun()
        if is_current and all(status.is_compared for status in statuses.values()):
            st.caption("Everything is stored. Another run has nothing to do.")
    if is_of_tables:
        st.caption("Tables that change are read again as soon as a page needs them.")
    _show_unreadable(workspace)
    show_diagnosis(workspace, CHECK)


def _show_outputs(workspace: Workspace) -> None:
    """Say what must be known of an ONNX file's outputs."""
    try:
        words = workspace.classifier.outputs_in_words
    except OpenMaxError as error:
        show_error(error)
        return
    if words is not None:
        st.caption(plain(f"{words[0].upper()}{words[1:]}."))


def _in_words(status: SplitStatus) -> str:
    if status.n_unfinished:
        return f"unfinished: {status.n_unfinished:,} pictures are done"
    if not status.is_compared:
        return "stored; not compared with the folder, which has too many files"
    return "stored" if status.is_current else "to be run"


def _show_outcome(job: jobs.ExtractionJob) -> None:
    """Say how the last extraction ended."""
    if job.problem:
        show_error(job.problem)
    elif job.has_result:
        st.success(plain(job.result().in_words), icon=":material/check:")
    else:
        st.warning(
            "The extraction was stopped. The finished part is kept. Run it again to continue.",
            icon=":material/stop_circle:",
        )


def _show_unreadable(workspace: Workspace) -> None:
    try:
        items = {split: workspace.stored.few(split, 1) for split in workspace.pictures.splits}
    except OpenMaxError as error:
        show_error(error)
        return
    lost = [item.unreadable.assign(set=split) for split, item in items.items() if item is not None]
    table = pd.concat(lost) if lost else pd.DataFrame()
    n_lost = sum(item.n_unreadable for item in items.values() if item is not None)
    if n_lost:
        first = f" The first {len(table):,}:" if len(table) < n_lost else ""
        st.warning(
            f"{n_lost:,} files could not be read and are left out.{first}",
            icon=":material/broken_image:",
        )
        show_table(table[["set", "path", "error"]])


def _open_another() -> None:
    st.subheader("Open another")
    roots = start.roots()
    allowed = plain(", ".join(map(str, (*roots.roots, *roots.addresses))))
    st.caption(f"Allowed are folders under {allowed}. The variable OPENMAX_ROOTS allows others.")
    with st.form("open", border=False):
        folder = st.text_input(
            "Folder of the workspace", placeholder="a folder with workspace.toml"
        )
        if st.form_submit_button("Open", icon=":material/folder_open:") and folder:
            try:
                _show(roots.open(folder))
            except OpenMaxError as error:
                show_error(error)


def _show_new(workspace: Workspace) -> None:
    st.session_state["notes_on"] = workspace.folder, workspace.notes
    _show(workspace)


def _show(workspace: Workspace) -> None:
    st.session_state["opened_folder"] = workspace.folder
    st.session_state["show_folder"] = workspace.folder
    st.rerun()


ensure_routed()
main()
