"""Workspace: open another one, make one, train its network and run it over its pictures."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import streamlit as st

from openmax_core.diagnosis.findings import ERROR
from openmax_core.errors import OpenMaxError
from openmax_core.workspace.sets import SplitStatus
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs, start, state
from pages._shared.diagnosis import show_diagnosis
from pages._shared.format import plain, sentence
from pages._shared.guards import show_notice
from pages._shared.jobs import show_extraction
from pages._shared.registry import ensure_routed, switch_to
from pages._shared.widgets import show_error, show_table
from pages._workspace.browser import Wanted
from pages._workspace.create import show_guide
from pages._workspace.fields import Fields
from pages._workspace.steps import CHECK, CHOOSE, EXTRACT, READ, TRAIN, next_step, show_steps
from pages._workspace.training import job_of, show_outcome, show_training

LOOK = "Check this workspace"
WORKSPACE = Wanted("Open this workspace", needs_workspace=True)


def main() -> None:
    st.title("Workspace")
    workspace = state.workspace()
    if workspace is None:
        show_error(state.workspace_problem())
    else:
        _show_workspace(workspace)
    _open_another()
    show_guide(_show_new)


def _show_workspace(workspace: Workspace) -> None:
    _show_head(workspace)
    extraction, training = jobs.find("extraction", workspace), job_of(workspace)
    has_trained = training is not None
    is_of_tables = bool(workspace.settings.tables)
    if extraction is not None and extraction.is_running:
        if not state.is_demo(workspace):
            show_steps(EXTRACT, has_trained, is_of_tables)
        show_extraction(extraction, can_stop=True)
        return
    statuses = state.status(workspace)
    step = next_step(workspace, statuses, extraction, _is_new(workspace))
    place = st.container()
    if step not in (None, CHECK):
        with place:
            show_steps(step, has_trained or step == TRAIN, is_of_tables)
    if step == TRAIN:
        show_training(workspace, statuses["train"].n_files)
        _show_sets(workspace, statuses)
        show_diagnosis(workspace, LOOK)
        return
    show_outcome(workspace)
    if extraction is not None:
        _show_outcome(extraction)
    if step == CHECK:
        step = _show_check(workspace)
        with place:
            show_steps(step, has_trained, is_of_tables)
    _show_sets(workspace, statuses)
    _offer_extraction(workspace, statuses)
    _show_unreadable(workspace)
    if step not in (CHECK, CHOOSE):
        show_diagnosis(workspace, LOOK)
    _offer_training(workspace, statuses)


def _show_head(workspace: Workspace) -> None:
    """What the workspace is, and what must be known of it."""
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


def _is_new(workspace: Workspace) -> bool:
    """Tell whether the workspace was made in this session."""
    folder, _ = st.session_state.get("notes_on", (None, ()))
    return bool(folder == workspace.folder)


def _show_check(workspace: Workspace) -> str:
    """Look for what is wrong in a new workspace; returns the step that is next then."""
    place = st.container()
    diagnosis = show_diagnosis(workspace, LOOK, at_once=True, is_next=True)
    is_sound = diagnosis is not None and not any(
        finding.severity == ERROR for finding in diagnosis.findings
    )
    # What is wrong is read first; where nothing is, the next step stands before the figures.
    with place if is_sound else nullcontext():
        if st.button(CHOOSE, icon=":material/tune:", type="primary" if is_sound else "secondary"):
            switch_to("threshold")
    return CHOOSE if is_sound else CHECK


def _show_sets(workspace: Workspace, statuses: dict[str, SplitStatus]) -> None:
    """What lies in the folders and in the store."""
    shown, is_of_tables = start.roots().shown, bool(workspace.settings.tables)
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
    _show_features(workspace, sum(status.n_files for status in statuses.values()))


def _offer_extraction(workspace: Workspace, statuses: dict[str, SplitStatus]) -> None:
    is_of_tables = bool(workspace.settings.tables)
    is_current = all(status.is_current for status in statuses.values())
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            READ if is_of_tables else EXTRACT,
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


def _offer_training(workspace: Workspace, statuses: dict[str, SplitStatus]) -> None:
    """Train once more, on request; a demo's network stays as it is."""
    is_network = workspace.settings.classifier.architecture is not None
    if workspace.settings.tables or not is_network or state.is_demo(workspace):
        return
    job = job_of(workspace)
    is_running = job is not None and job.is_running
    with st.expander("Train again", icon=":material/model_training:", expanded=is_running):
        st.caption(
            "The new weights replace the present ones in workspace.toml; the present file stays. "
            "Then run the extraction again, and choose a threshold again."
        )
        show_training(workspace, statuses["train"].n_files)


def _show_outputs(workspace: Workspace) -> None:
    """Say what must be known of an ONNX file's outputs."""
    try:
        words = workspace.classifier.outputs_in_words
    except OpenMaxError as error:
        show_error(error)
        return
    if words is not None:
        st.caption(plain(f"{words[0].upper()}{words[1:]}."))


def _show_features(workspace: Workspace, n: int) -> None:
    """Say what the features of all pictures take, where the extraction stores them."""
    try:
        words = workspace.stored.features_in_words(n)
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
    st.fragment(_show_opening)()


def _show_opening() -> None:
    fields: Fields = st.session_state.setdefault("opening", Fields("opening"))
    fields.path(
        "folder",
        "Folder of the workspace",
        WORKSPACE,
        chosen=lambda path: _note_chosen(fields, path),
        placeholder="a folder with workspace.toml",
    )
    if st.button("Open", icon=":material/folder_open:") or fields.values.pop("chosen", False):
        fields.begin_check()
        opened = fields.checked("folder", start.roots().open, required=True)
        if opened is not None:
            del st.session_state["opening"]
            _show(opened)
        st.rerun()


def _note_chosen(fields: Fields, path: Path) -> None:
    """Open what was chosen in the browser, when the page is drawn again."""
    fields.set("folder", str(path))
    fields.browse(None)
    fields.values["chosen"] = True


def _show_new(workspace: Workspace) -> None:
    st.session_state["notes_on"] = workspace.folder, workspace.notes
    _show(workspace)


def _show(workspace: Workspace) -> None:
    st.session_state["opened_folder"] = workspace.folder
    st.session_state["show_folder"] = workspace.folder
    st.rerun()


ensure_routed()
main()
