"""Sensitivity to η and α: a heat map of one figure, computed on request."""

from __future__ import annotations

from typing import Any

import streamlit as st

from openmax_core.analysis.figures import sensitivity_figure
from openmax_core.analysis.sensitivity import (
    METRICS,
    REJECT_AT_FLOOR,
    Sensitivity,
    measure_sensitivity,
)
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.jobs import Job
from openmax_core.support.shares import exact_percent
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.format import plain
from pages._shared.jobs import show_job
from pages._shared.kept import KEYS
from pages._shared.widgets import choose, share_of, show_error

SensitivityJob = Job[tuple[int, int], Sensitivity]


def show_sensitivity(workspace: Workspace, evaluation: Evaluation) -> None:
    """Draw the button, the progress or the heat map."""
    if evaluation.counted is not None:
        st.info(
            "Settings are not compared here: each needs a pass over all "
            f"{evaluation.train.n_readable:,} pictures. Change η or α in the sidebar instead. Each "
            "setting is counted once and kept.",
            icon=":material/info:",
        )
        return
    if not evaluation.curve.n_reject:
        st.info(
            "Nothing can be compared without a reject set: all three figures need it.",
            icon=":material/info:",
        )
        return
    floor = share_of("floor", workspace.settings.defaults.min_test_accuracy)
    job = None  # until the visitor asks for it
    if st.session_state.get("sensitivity_of") == _asked(evaluation, floor):
        job = _compare(evaluation, floor)
    if job is None or job.problem:
        if job is not None:
            show_error(job.problem)
        st.markdown(
            "Fits the method with other tail sizes η and alpha ranks α and scores the stored "
            "activations again. The result shows which settings differ from the current one by "
            "more than chance. It takes seconds; three-parameter fits or many classes take up to "
            "minutes."
        )
        st.button(
            "Compare settings",
            icon=":material/grid_on:",
            on_click=lambda: _ask(evaluation, floor),
        )
        return
    if not job.has_result:
        show_job(job, "Comparing", "settings")
        return
    _show_result(job.result(), evaluation)


def _ask(evaluation: Evaluation, floor: float) -> None:
    """Begin the comparison unless somebody has; once more where it failed."""
    if _compare(evaluation, floor).problem:
        _compare.clear(evaluation, floor)
    st.session_state["sensitivity_of"] = _asked(evaluation, floor)


def _asked(evaluation: Evaluation, floor: float) -> tuple[Any, float]:
    return KEYS[Evaluation](evaluation), floor


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs=KEYS)
def _compare(evaluation: Evaluation, floor: float) -> SensitivityJob:
    return Job(lambda report: measure_sensitivity(evaluation, floor, report=report))


def _show_result(result: Sensitivity, evaluation: Evaluation) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")
    shown = choose(row, "Figure", list(METRICS), "sensitivity_metric", METRICS[0])
    row.markdown(f"**{result.verdict(shown)}**")
    st.plotly_chart(
        sensitivity_figure(result, shown), key="sensitivity", config={"displayModeBar": False}
    )
    st.caption(_caption(result, shown))
    if shown == REJECT_AT_FLOOR and (
        words := state.rest_in_words(evaluation, MostRejected(result.floor))
    ):
        st.caption(f"The current setting: {plain(words)}")


def _caption(result: Sensitivity, metric: str) -> str:
    parts = [
        "The frame marks the current setting. Blue (▲) is better and orange (▼) is worse beyond "
        "noise (95 %, corrected for all cells together, "
        f"{result.n_resamples} resamples of the same pictures); grey is within noise. "
        "Point at a cell to see its interval. The best of many cells looks better than it is, "
        "because it was chosen on these pictures."
    ]
    if metric == REJECT_AT_FLOOR:
        parts.append(
            f"Each cell uses its own best threshold that keeps Test accuracy ≥ "
            f"{exact_percent(result.floor)}; – means that there is none. It is chosen and counted "
            "on the same pictures, so the figure is a little too high."
        )
    parts.append(
        f"Scored: {result.n_test:,} test and {result.n_reject:,} reject pictures"
        + (
            f", a random sample of {result.n_test_all:,} and {result.n_reject_all:,}."
            if result.is_sampled
            else ", all there are."
        )
    )
    if result.alpha_ranks == (None,):
        parts.append("This method re-weights all classes in the same way and has no α.")
    if result.left_out:
        sizes = ", ".join(map(str, result.left_out))
        parts.append(f"η {sizes} is left out: a class has no Weibull with it.")
    return " ".join(parts)
