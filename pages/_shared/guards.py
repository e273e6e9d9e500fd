"""What a page needs before it can draw; where it is missing, what to do next."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs, state
from pages._shared.format import plain
from pages._shared.jobs import show_extraction, show_extraction_beside, show_job
from pages._shared.registry import link_to
from pages._shared.widgets import show_error, show_warning


def require_workspace() -> Workspace:
    """Return the session's workspace, or say what is wrong and stop the page."""
    workspace = state.workspace()
    if workspace is None:
        show_error(state.workspace_problem())
        link_to("workspace", "Open or create another workspace")
        st.stop()
    return workspace


def require_evaluation() -> tuple[Workspace, Evaluation]:
    """Return workspace and evaluation; extract a demo first, or say what is missing and stop."""
    workspace = require_workspace()
    _require_activations(workspace)
    try:
        job = state.counting(workspace)
    except OpenMaxError:
        job = None  # evaluating says what is wrong
    if job is not None and not job.has_result:
        if job.problem:
            show_error(job.problem)
            link_to("workspace", "Go to the workspace")
            st.stop()
        wait_for_counting(job)
    try:
        evaluation = state.evaluation(workspace)
    except OpenMaxError as error:
        show_error(error)
        link_to("workspace", "Go to the workspace")
        st.stop()
    _warn_if_stale(workspace)
    return workspace, evaluation


def show_notice(workspace: Workspace) -> None:
    """Say what one must know of the workspace's pictures, where they are shown."""
    if workspace.settings.notice:
        # Not st.badge: it escapes brackets once more.
        st.markdown(f":gray-badge[:material/info: {plain(workspace.settings.notice)}]")


def show_provenance(evaluation: Evaluation) -> None:
    """One line that says what the page's numbers rest on."""
    openmax = evaluation.openmax
    settings = openmax.settings_
    alpha = "all classes"
    if settings.weighting != "all":
        alpha = f"α {min(settings.alpha_rank or openmax.n_classes, openmax.n_classes)}"
    overall = evaluation.overall
    n_reject = f"{overall.n_reject:,}" if evaluation.reject is not None else "no"
    st.caption(
        f"Method **{openmax.preset_}** ({settings.distance.replace('_', ' ')}, "
        f"η {settings.tail_in_words}, {alpha}) · calibrated on {openmax.n_correct_.sum():,} "
        f"correctly classified of {evaluation.train.n_readable:,} *{evaluation.calibrated_on}* "
        f"pictures · {overall.n_test:,} test and {n_reject} reject pictures · "
        f"data {evaluation.data[:8]}"
    )
    if evaluation.sampling is not None:
        st.caption(
            f":material/functions: {evaluation.accuracy_in_words} Single pictures, and what is "
            f"said of classes and folders, are of {evaluation.sample_in_words}."
        )


def _require_activations(workspace: Workspace) -> None:
    try:
        missing = [split for split in workspace.pictures.splits if not workspace.stored.has(split)]
    except OpenMaxError as error:
        show_error(error)
        link_to("workspace", "Go to the workspace")
        st.stop()
    job = jobs.extraction(workspace)
    if job is not None and job.is_running:
        if not missing:
            show_extraction_beside(job)
            return
        show_extraction(job)
        st.stop()
    if not missing:
        return
    if job is not None and job.problem:
        show_error(job.problem)
        link_to("workspace", "Go to the workspace")
        st.stop()
    if state.is_demo(workspace) and (job is None or not job.is_cancelled):
        jobs.start_extraction(workspace)
        st.rerun()
    st.info(
        f"The pictures of {' and '.join(missing)} have not been through the network yet. "
        "Run the extraction on the Workspace page; it is done once and stored.",
        icon=":material/hourglass_empty:",
    )
    link_to("workspace", "Run the extraction")
    st.stop()


def wait_for_counting(job: state.CountingJob, why: str = "") -> NoReturn:
    """Draw the progress of counting many pictures, after why it is done, and stop the page."""
    st.info(
        f"{why}There are so many pictures that this method is fitted and counted in chunks, once; "
        "the counts are stored. It goes on when you leave this page.",
        icon=":material/functions:",
    )
    show_job(job, "Fitting and counting", "pictures")
    st.stop()


def _warn_if_stale(workspace: Workspace) -> None:
    if state.is_large(workspace):  # looking at millions of files takes minutes
        return
    statuses = state.status(workspace)
    for status in statuses.values():
        if status.problem:
            show_warning(status.problem)
    changed = [
        f"{split} ({status.n_files:,} files now, {status.n_stored or 0:,} then)"
        for split, status in statuses.items()
        if not status.is_current and not status.problem
    ]
    if changed:
        st.warning(
            f"The pictures in {', '.join(changed)} have changed since the extraction. The figures "
            "are those of the extraction; run it again on the Workspace page.",
            icon=":material/warning:",
        )
