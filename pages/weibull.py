"""Weibull: per class, how far training pictures lie from their mean, and the curve fitted to it."""

from __future__ import annotations

import streamlit as st

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.guards import require_evaluation, show_notice, show_provenance
from pages._shared.registry import ensure_routed
from pages._weibull import fits
from pages._weibull.class_detail import show_class
from pages._weibull.class_health import show_health_table, show_simulation
from pages._weibull.class_multiples import MOST_PLOTS, show_multiples
from pages._weibull.sensitivity import show_sensitivity


def main() -> None:
    st.title("Weibull")
    workspace, evaluation = require_evaluation()
    show_notice(workspace)
    show_provenance(evaluation)
    st.markdown(
        "For each class a Weibull is fitted to the largest distances between its correctly "
        f"classified *{evaluation.calibrated_on}* pictures and their mean. The CDF at a new "
        "picture's distance says how far out it lies: near **0** it is like them, near **1** it is "
        "farther than almost all of them, and its logit moves to 'unknown'."
    )
    st.fragment(_show_classes)(workspace, evaluation)
    st.subheader("How much η and α matter")
    st.fragment(show_sensitivity)(workspace, evaluation)


def _show_classes(workspace: Workspace, evaluation: Evaluation) -> None:
    """Few classes are all drawn, above their table; of many, those that the table selects."""
    threshold = state.threshold(workspace, evaluation)
    health = fits.health(evaluation)
    if evaluation.sampling is not None:
        st.caption(
            "Fits and tails are of all pictures. What is said of test and reject pictures is of "
            f"{evaluation.sample_in_words}. How far one picture pulls a mean is of the farthest of "
            "all, as a share of the median distance of "
            f"{len(evaluation.train):,} *{evaluation.calibrated_on}* pictures."
        )
    if health.n_warned:
        st.warning(
            f"{health.n_warned:,} of {evaluation.openmax.n_classes:,} fits need a look; each says "
            "why beside its class.",
            icon=":material/warning:",
        )
    if evaluation.openmax.n_classes <= MOST_PLOTS:
        plots = st.container()
        _show_heading()
        selected = show_health_table(workspace, evaluation, health)
    else:
        _show_heading()
        selected = show_health_table(workspace, evaluation, health)
        plots = st.container()
    show_simulation(fits.fit_job(evaluation))
    with plots:
        opened = show_multiples(evaluation, health, selected, threshold)
    if opened is not None:
        show_class(workspace, evaluation, opened, threshold)


def _show_heading() -> None:
    st.subheader("Parameters and health")


ensure_routed()
main()
