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
from pages._weibull.scores import show_scores
from pages._weibull.sensitivity import show_sensitivity


def main() -> None:
    st.title("Weibull")
    workspace, evaluation = require_evaluation()
    show_notice(workspace)
    show_provenance(evaluation)
    if not evaluation.has_tails:
        st.fragment(show_scores)(workspace, evaluation)
        return
    st.markdown(
        "For each class, a Weibull distribution is fitted to the largest distances between its "
        f"correctly classified *{evaluation.calibrated_on}* pictures and their mean (mean "
        "activation vector, MAV). The CDF at a new picture's distance is near **0** if the picture "
        "is like them. It is near **1** if the picture is farther away than almost all of them; "
        "OpenMax then moves its logit to 'unknown'."
    )
    st.fragment(_show_classes)(workspace, evaluation)
    st.subheader("Sensitivity to η and α")
    st.fragment(show_sensitivity)(workspace, evaluation)


def _show_classes(workspace: Workspace, evaluation: Evaluation) -> None:
    """Draw all classes above their table if they are few, else those selected in the table."""
    threshold = state.threshold(workspace, evaluation)
    health = fits.health(evaluation)
    if evaluation.counted is not None:
        st.caption(
            "Fits and tails use all pictures. Figures of test and reject pictures use "
            f"{evaluation.sample_in_words}. The influence of one picture on a mean is that of the "
            "farthest of all pictures, as a share of the median distance of "
            f"{len(evaluation.train):,} *{evaluation.calibrated_on}* pictures."
        )
    if health.n_warned:
        st.warning(
            f"{health.n_warned:,} of {evaluation.openmax.n_classes:,} fits have a warning, shown "
            "beside the class.",
            icon=":material/warning:",
        )
    is_few = evaluation.openmax.n_classes <= MOST_PLOTS
    above = st.container()
    st.subheader("Parameters and health")
    selected = show_health_table(workspace, evaluation, health)
    plots = above if is_few else st.container()
    show_simulation(fits.fit_job(evaluation))
    with plots:
        opened = show_multiples(evaluation, health, selected, threshold)
    if opened is not None:
        show_class(workspace, evaluation, opened, threshold)


ensure_routed()
main()
