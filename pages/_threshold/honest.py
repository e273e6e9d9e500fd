"""What a chosen threshold keeps on pictures that it was not chosen on, and how much it varies."""

from __future__ import annotations

import streamlit as st

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.objectives import Objective
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError
from openmax_core.tradeoff.resampling import HalfChoice, Spread
from openmax_core.workspace.workspace import Workspace
from pages._shared import derived
from pages._shared.format import counted


def show_honest(
    workspace: Workspace, evaluation: Evaluation, objective: Objective, kind: str
) -> tuple[float, float] | None:
    """Draw honest beside flattering figures; returns where 95 % of the resamples choose."""
    try:
        _show_halves(derived.half_choice(workspace, evaluation, objective), objective, kind)
    except NoFeasibleThresholdError as error:
        st.warning(f"On one half of the pictures {error}.", icon=":material/warning:")
    return _show_spread(derived.spread(workspace, evaluation, objective))


def _show_halves(halves: HalfChoice, objective: Objective, kind: str) -> None:
    chosen, reported = halves.chosen, halves.reported
    st.markdown(
        f"Chosen on one half: **threshold {threshold_text(chosen.threshold)}**. What it promises "
        "there, and what it keeps on the other half:"
    )
    rows = [
        ("Test accuracy", chosen.outcome.correct, chosen.n_test, reported.correct, reported.n_test)
    ]
    if chosen.n_reject:
        rows.append(
            (
                "Reject accuracy",
                chosen.outcome.rejected_unknown,
                chosen.n_reject,
                reported.rejected_unknown,
                reported.n_reject,
            )
        )
    st.table(
        {
            "": [name for name, *_ in rows],
            "flattering: the half it was chosen on": [
                counted(count, total, kind) for _, count, total, _, _ in rows
            ],
            "honest: the other half": [counted(count, total, kind) for *_, count, total in rows],
        },
        hide_index=True,
        border="horizontal",
    )
    if (requirement := objective.requirement) and not objective.is_met(reported):
        st.caption(
            f":material/warning: On the other half it misses what was asked for ({requirement}): "
            f"{objective.reached(reported)}."
        )


def _show_spread(spread: Spread) -> tuple[float, float] | None:
    if not len(spread.thresholds):
        st.caption(
            f"In none of {spread.n_resamples} resamples of the pictures does a threshold meet the "
            "constraint."
        )
        return None
    missed = (
        f" In {spread.n_infeasible} of them no threshold meets the constraint; these are left out."
        if spread.n_infeasible
        else ""
    )
    low, middle, high = spread.quantiles(0.025, 0.5, 0.975)
    st.caption(
        f"Over {spread.n_resamples} resamples of the pictures the chosen threshold lies between "
        f"**{low:.4g}** and **{high:.4g}** in 95 %, in the middle at "
        f"**{middle:.4g}**; the band below the slider.{missed}"
    )
    return low, high
