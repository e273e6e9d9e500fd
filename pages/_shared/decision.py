"""The decision: what the threshold is chosen for, what comes of it, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from openmax_core.assessment import Evaluation
from openmax_core.decimals import threshold_text
from openmax_core.errors import NoFeasibleThresholdError
from openmax_core.intervals import share_interval
from openmax_core.objectives import (
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
    Objective,
)
from openmax_core.operating_point import OperatingPoint
from openmax_core.workspace import Workspace
from pages._shared import derived, state
from pages._shared.class_thresholds import show_class_thresholds
from pages._shared.format import interval, percent
from pages._shared.widgets import number

CHOICES: dict[str, str] = {
    MostRejected.kind: "best Reject accuracy, with Test accuracy at least …",
    MostRight.kind: "best Test accuracy, with Reject accuracy at least …",
    FewestKnownRejected.kind: "best Reject accuracy, with at most … of the knowns rejected",
    Balanced.kind: "best balance: the largest mean of both accuracies",
    LeastCost.kind: "least expected cost …",
}


@dataclass(frozen=True)
class Decision:
    """What the analyst asked for, and the point that answers it.

    Attributes
    ----------
    objective : what was asked for
    point : the best point; where nothing meets the constraint, the nearest; None without one
    is_reached : the constraint holds
    spread : thresholds between which 95 % of the resamples choose; None if not asked for
    class_point : point with thresholds per class; None if not asked for
    """

    objective: Objective
    point: OperatingPoint | None
    is_reached: bool
    spread: tuple[float, float] | None
    class_point: OperatingPoint | None

    @property
    def floors(self) -> list[dict[str, Any]]:
        """Lines across the curves that must not be crossed."""
        if isinstance(self.objective, MostRejected):
            share = self.objective.min_test_accuracy
            return [{"of": "test", "share": share, "label": f"Test accuracy ≥ {share:g}"}]
        if isinstance(self.objective, MostRight):
            share = self.objective.min_reject_accuracy
            return [{"of": "reject", "share": share, "label": f"Reject accuracy ≥ {share:g}"}]
        return []

    @property
    def marks(self) -> list[dict[str, Any]]:
        """Where the point lies on the slider."""
        if self.point is None:
            return []
        name = "recommended" if self.is_reached else "nearest"
        return [{"name": name, "label": f" {name}", "threshold": self.point.threshold}]


def show_decision(workspace: Workspace, evaluation: Evaluation, threshold: float) -> Decision:
    """Draw the sentence that the analyst completes, its answer, and how far to trust it."""
    with st.container(border=True, key="decision"):
        objective = _ask(workspace)
        answer = st.container()
        point, is_reached = None, True
        try:
            point = evaluation.choose(objective)
            answer.markdown(f"**Recommended: {_in_words(point)}**  \n{_figures(point, objective)}")
        except NoFeasibleThresholdError as error:
            point, is_reached = error.nearest, False
            _show_infeasible(answer, error)
        controls = st.container(horizontal=True, vertical_alignment="center")
        controls.button(
            "Use recommended" if is_reached else "Use nearest",
            icon=":material/my_location:",
            disabled=point is None or point.threshold == threshold,
            on_click=lambda: state.set_threshold(workspace, point.threshold) if point else None,
        )
        is_honest = controls.toggle(
            "Choose on one half, report on the other",
            key="honest",
            persist_state="session",
            help="A threshold that is chosen and counted on the same pictures flatters itself. "
            "This splits test and reject set at random into halves (classes evenly, always the "
            "same way), chooses on one, and counts on the other.",
        )
        is_per_class = controls.toggle(
            "A threshold per class",
            key="per_class",
            persist_state="session",
            help="A threshold for each predicted class, under the same constraint on all pictures "
            "together.",
        )
        spread = _show_honest(workspace, evaluation, objective) if is_honest and point else None
        class_point = None
        if is_per_class and point and is_reached:
            class_point = show_class_thresholds(workspace, evaluation, objective)
        curve = evaluation.curve
        st.caption(
            f"'Unknown' is the most probable for {curve.n_test_unknown_won:,} of "
            f"{curve.n_test:,} test and {curve.n_reject_unknown_won:,} of {curve.n_reject:,} "
            "reject pictures: these are rejected at every threshold."
        )
    return Decision(objective, point, is_reached, spread, class_point)


def _ask(workspace: Workspace) -> Objective:
    """Draw the sentence and return what it says."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    kind = row.selectbox(
        "Choose the threshold with the",
        list(CHOICES),
        format_func=CHOICES.__getitem__,
        key="objective",
        persist_state="session",
        width=430,
    )
    if kind == MostRight.kind:
        return MostRight(number(row, "Reject accuracy at least", "reject_floor", 0.9))
    if kind == FewestKnownRejected.kind:
        share = number(row, "% of the knowns rejected", "most_rejected", 5.0, 100.0, 1.0)
        return FewestKnownRejected(share / 100)
    if kind == Balanced.kind:
        return Balanced()
    if kind == LeastCost.kind:
        most = 1e9
        wrong = number(row, "Cost: wrong class", "cost_wrong", 1.0, most, 1.0)
        rejected = number(row, "Cost: known rejected", "cost_rejected", 1.0, most, 1.0)
        accepted = number(row, "Cost: unknown accepted", "cost_accepted", 5.0, most, 1.0)
        share = number(row, "% unknowns in production", "unknown_share", 10.0, 100.0, 1.0)
        return LeastCost(wrong, rejected, accepted, share / 100)
    floor = row.number_input(
        "Test accuracy at least",
        min_value=0.0,
        max_value=1.0,
        value=workspace.settings.defaults.min_test_accuracy,
        step=0.01,
        format="%.3f",
        key="floor",
        bind="query-params",
        width=190,
    )
    return MostRejected(float(floor))


def _in_words(point: OperatingPoint) -> str:
    return f"threshold {threshold_text(point.threshold)}"


def _figures(point: OperatingPoint, objective: Objective) -> str:
    reject = (
        f"Reject accuracy **{point.reject_accuracy:.4f}** ({point.counts['rejected_unknown']:,} of "
        f"{point.n_reject:,})"
        if point.reject_accuracy is not None
        else "Reject accuracy not measured"
    )
    cost = ""
    if isinstance(objective, LeastCost):
        cost = f" Expected cost **{objective.cost_of(point.outcome):.4g}** a picture."
    return (
        f"Test accuracy **{point.test_accuracy:.4f}** ({point.counts['correct']:,} of "
        f"{point.n_test:,}) with {reject}.{cost} Chosen and counted on the same pictures, so it "
        "flatters a little."
    )


def _show_infeasible(answer: DeltaGenerator, error: NoFeasibleThresholdError) -> None:
    text = str(error)
    answer.markdown(f"**No recommendation:** {text[:1]}{text[1:]}.")


def _show_honest(
    workspace: Workspace, evaluation: Evaluation, objective: Objective
) -> tuple[float, float] | None:
    """Draw honest beside flattering figures; returns where 95 % of the resamples choose."""
    try:
        halves, spread = derived.honest_choice(workspace, evaluation, objective)
    except NoFeasibleThresholdError as error:
        st.warning(f"On one half of the pictures {error}.", icon=":material/warning:")
        return None
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
                _share(count, total) for _, count, total, _, _ in rows
            ],
            "honest: the other half": [_share(count, total) for *_, count, total in rows],
        },
        hide_index=True,
        border="horizontal",
    )
    if (requirement := objective.requirement) and not objective.is_met(reported):
        st.caption(
            f":material/warning: On the other half it misses what was asked for ({requirement}): "
            f"{objective.reached(reported)}."
        )
    missed = (
        f" In {spread.n_infeasible} of them no threshold meets the constraint."
        if spread.n_infeasible
        else ""
    )
    if not len(spread.thresholds):
        st.caption(f"Over {spread.n_resamples} resamples of the pictures:{missed}")
        return None
    low, middle, high = spread.quantiles(0.025, 0.5, 0.975)
    st.caption(
        f"Over {spread.n_resamples} resamples of the pictures the chosen threshold lies between "
        f"**{low:.4g}** and **{high:.4g}** in 95 %, in the middle at "
        f"**{middle:.4g}**; the band below the slider.{missed}"
    )
    return low, high


def _share(count: int, total: int) -> str:
    """Share with its counts and Wilson interval."""
    if not total:
        return "no pictures"
    bounds = interval(share_interval(count, total))
    return f"{percent(count / total)} · {count:,} of {total:,} · {bounds}"
