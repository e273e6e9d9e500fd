"""What a page needs before it can draw; where it is missing, what to do next."""

from __future__ import annotations

from contextlib import nullcontext
from typing import NoReturn

import streamlit as st

from openmax_core.errors import FitError, OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.tradeoff.sweep import borrowed_in_words
from openmax_core.workspace.workspace import Workspace
from pages._shared import jobs, state
from pages._shared.diagnosis import show_diagnosis
from pages._shared.format import plain
from pages._shared.jobs import show_extraction, show_job
from pages._shared.registry import link_to
from pages._shared.widgets import show_error, show_warning

MOST_NAMED = 20  # classes


def require_workspace() -> Workspace:
    """Return the session's workspace, or say what is wrong and stop the page."""
    workspace = state.workspace()
    if workspace is None:
        _stop(state.workspace_problem(), "Open or create another workspace")
    return workspace


def require_evaluation() -> tuple[Workspace, Evaluation]:
    """Return workspace and evaluation; extract a demo first, or say what is missing and stop."""
    workspace = require_workspace()
    _require_activations(workspace)
    try:
        job = state.counting(workspace, *state.method())
        if job is not None and job.is_running:
            wait_for_counting(job)
        evaluation = state.evaluation(workspace) if job is None else job.result()
    except OpenMaxError as error:
        _stop(error, workspace=workspace)
    _warn_if_stale(workspace)
    return workspace, evaluation


def _stop(
    problem: object, way_out: str = "Go to the workspace", workspace: Workspace | None = None
) -> NoReturn:
    """Say what is wrong, with a link to the Workspace page, and stop the page.

    Of a workspace that cannot be calibrated, its diagnosis is shown too.
    """
    show_error(problem)
    if workspace is not None:
        show_diagnosis(workspace, "Look for the reason", at_once=isinstance(problem, FitError))
    link_to("workspace", way_out)
    st.stop()


def show_notice(workspace: Workspace) -> None:
    """Show the notice that belongs to the workspace's pictures, if it has one."""
    if workspace.settings.notice:
        # Not st.badge: it escapes brackets once more.
        st.markdown(f":gray-badge[:material/info: {plain(workspace.settings.notice)}]")


def show_point_problem(workspace: Workspace) -> None:
    """Say what is wrong with the operating point, where it is damaged or fits the classes not."""
    try:
        workspace.operating_point()
    except OpenMaxError as error:
        show_error(error)


def show_provenance(evaluation: Evaluation) -> None:
    """One line that says what the page's numbers rest on."""
    overall = evaluation.overall
    n_reject = f"{overall.n_reject:,}" if evaluation.reject is not None else "no"
    st.caption(
        f"{_method_in_words(evaluation)} · {overall.n_test:,} test and {n_reject} reject pictures "
        f"· data {evaluation.data[:8]}"
    )
    show_borrowed(evaluation)
    if evaluation.counted is not None:
        st.caption(
            f":material/functions: {evaluation.accuracy_in_words} Single pictures and figures of "
            f"classes and folders come from {evaluation.sample_in_words}."
        )


def _method_in_words(evaluation: Evaluation) -> str:
    """Name of the method; of OpenMax its settings, and what it was calibrated on."""
    if not evaluation.has_tails:
        words = evaluation.method.words
        return f"Method **{evaluation.method.name}** ({words.title}: {words.formula})"
    openmax = evaluation.openmax
    settings = openmax.settings_
    alpha = "all classes"
    if settings.weighting != "all":
        alpha = f"α {min(settings.alpha_rank or openmax.n_classes, openmax.n_classes)}"
    return (
        f"Method **{openmax.name}** ({settings.distance.replace('_', ' ')}, "
        f"η {settings.tail_in_words}, {alpha}) · calibrated on {openmax.n_correct_.sum():,} "
        f"correctly classified of {evaluation.train.n_readable:,} *{evaluation.calibrated_on}* "
        "pictures"
    )


def show_borrowed(evaluation: Evaluation) -> None:
    """Name the classes whose tails are borrowed, where there are some."""
    if borrowed := borrowed_in_words(evaluation.method, MOST_NAMED):
        st.caption(f":material/info: {plain(borrowed)}")


def _require_weights(workspace: Workspace) -> None:
    classifier = workspace.settings.classifier
    if classifier.file is not None or workspace.settings.tables:
        return
    job = jobs.find("training", workspace)
    if job is not None and job.is_running:
        st.info("The network is being trained.", icon=":material/model_training:")
        link_to("workspace", "Watch the training")
    else:
        st.info("The network has no trained weights yet.", icon=":material/model_training:")
        link_to("workspace", "Train the network")
    st.stop()


def _require_activations(workspace: Workspace) -> None:
    _require_weights(workspace)
    try:
        with st.spinner("Reading the tables …") if workspace.settings.tables else nullcontext():
            stored = workspace.stored
            missing = [split for split in workspace.pictures.splits if not stored.has(split)]
    except OpenMaxError as error:
        _stop(error, workspace=workspace)
    job = jobs.find("extraction", workspace)
    if job is not None and job.is_running:
        show_extraction(job, has_figures=not missing)
        if missing:
            st.stop()
    if not missing:
        return
    if job is not None and job.problem:
        _stop(job.problem, workspace=workspace)
    if state.is_demo(workspace) and (job is None or not job.is_cancelled):
        jobs.start_extraction(workspace)
        st.rerun()
    st.info(
        f"The pictures of {' and '.join(missing)} have not been through the network yet. "
        "Run the extraction on the Workspace page. It runs once and stores its results.",
        icon=":material/hourglass_empty:",
    )
    link_to("workspace", "Run the extraction")
    st.stop()


def wait_for_counting(job: state.CountingJob, why: str = "") -> NoReturn:
    """Say why many pictures are counted, draw the progress, and stop the page."""
    st.info(
        f"{why}There are very many pictures: this method is fitted and counted in chunks, only "
        "once; the counts are stored. The work goes on when you leave this page.",
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
            "are from before the change. Run the extraction again on the Workspace page.",
            icon=":material/warning:",
        )
