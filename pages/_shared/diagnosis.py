"""What is wrong with a workspace, in words: where a page cannot calibrate, and on request."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from openmax_core.diagnosis.examine import examine, is_quick
from openmax_core.diagnosis.findings import ERROR, Diagnosis, Finding, confusion_figure
from openmax_core.support.jobs import Job
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs, start
from pages._shared.format import plain
from pages._shared.jobs import show_job
from pages._shared.kept import KEYS
from pages._shared.widgets import show_error, show_table

PLOT = {"displayModeBar": False}
ASKED = "examined"


def show_diagnosis(
    workspace: Workspace, label: str, at_once: bool = False, is_next: bool = False
) -> Diagnosis | None:
    """Show what is wrong; a button begins the examination. Returns it once it is made.

    Parameters
    ----------
    label : of the button
    at_once : begin without it, where the examination is quick
    is_next : it is the next thing to do on the page
    """
    key = (str(workspace.folder), workspace.state())
    is_asked = st.session_state.get(ASKED) == key
    if not is_asked and not (at_once and is_quick(workspace)):
        if st.button(
            label,
            icon=":material/stethoscope:",
            type="primary" if is_next else "secondary",
            help="Takes up to half a minute.",
        ):
            st.session_state[ASKED] = key
            st.rerun()
        return None
    job = _examination(workspace)
    if job.is_running:
        show_job(job, "Looking for what is wrong", "pictures")
        return None
    diagnosis = None
    if job.problem:
        show_error(job.problem)
    else:
        diagnosis = job.result()
        _draw(diagnosis)
    if st.button("Look again", icon=":material/refresh:", help="After pictures were changed."):
        _examination.clear(workspace)
        st.rerun()
    return diagnosis


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs=KEYS)
def _examination(item: Workspace) -> Job[tuple[int, int], Diagnosis]:
    """Examination of a workspace as it is now; once for everybody."""
    opened = Workspace.open(item.folder)
    return jobs.run_network(lambda report: examine(opened, progress=report))


def _draw(diagnosis: Diagnosis) -> None:
    if diagnosis.is_sound:
        st.success(f"**Nothing is wrong.** {plain(diagnosis.summary)}", icon=":material/check:")
    for finding in diagnosis.findings:
        with st.container(border=True):
            _draw_finding(finding)
    if diagnosis.accuracy:
        _draw_network(diagnosis)
    for note in diagnosis.not_examined:
        st.caption(plain(start.roots().shown(note)))
    if not diagnosis.is_sound:
        st.caption(plain(diagnosis.summary))


def _draw_finding(finding: Finding) -> None:
    shown = start.roots().shown
    is_error = finding.severity == ERROR
    icon = ":red[:material/error:]" if is_error else ":orange[:material/warning:]"
    st.markdown(f"{icon} **{plain(shown(finding.sentence))}**")
    if finding.advice:
        st.markdown(plain(shown(finding.advice)))
    if finding.write:
        st.caption("Write into workspace.toml:")
        st.code(finding.write, language="toml", wrap_lines=True)
    if finding.run:
        again = "run the extraction again on the Workspace page, or in the shell"
        is_extraction = finding.run.startswith("openmax extract")
        st.caption(f"Then {again}:" if is_extraction else "Run in the shell:")
        st.code(finding.run, language="bash", wrap_lines=True)


def _draw_network(diagnosis: Diagnosis) -> None:
    """Accuracy and confusion of the network alone, and other transforms beside it."""
    title = f"The network alone: {diagnosis.accuracy_in_words} right, before rejection"
    with st.expander(title, icon=":material/grid_on:", expanded=bool(diagnosis.findings)):
        figure = confusion_figure(diagnosis)
        if figure is not None:
            st.plotly_chart(figure, key="diagnosis_confusion", config=PLOT)
        elif mistakes := diagnosis.confusions():
            columns = ["class", "taken for", "pictures", "of"]
            show_table(pd.DataFrame(mistakes, columns=columns))
        if len(diagnosis.trials) > 1:
            st.markdown(f"**Other transforms**, on the same {diagnosis.trials[0].n:,} pictures")
            rows = [
                {
                    "transform": trial.name,
                    "right": trial.n_right,
                    "in other order": trial.n_right_reordered,
                    "of": trial.n,
                }
                for trial in diagnosis.trials
            ]
            table = pd.DataFrame(rows).dropna(axis="columns", how="all")
            show_table(table)
