"""The decision: what the threshold is chosen for, which one that gives, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.evaluation.offers import default_in_words, offered
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.objectives import (
    AtMostLost,
    Balanced,
    FewestKnownRejected,
    LeastCost,
    LeastTableCost,
    MostRejected,
    MostRight,
    Objective,
)
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.outcomes import Outcome
from openmax_core.tradeoff.resampling import HalfChoice, Spread, bootstrap_choices, choose_on_half
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.format import counted, plain, rejected_in_words, sentence
from pages._shared.kept import KEYS
from pages._shared.widgets import share_input
from pages._threshold.class_thresholds import show_class_thresholds
from pages._threshold.costs import ask_costs, has_table
from pages._threshold.promises import ask_confidence, show_promise

CHOICES: dict[str, str] = {
    MostRejected.kind: "best Reject accuracy, with Test accuracy at least …",
    AtMostLost.kind: "best Reject accuracy, with Test accuracy lost at most …",
    MostRight.kind: "best Test accuracy, with Reject accuracy at least …",
    FewestKnownRejected.kind: "best Reject accuracy, with at most … of the knowns rejected",
    Balanced.kind: "largest mean of both accuracies",
    LeastCost.kind: "lowest expected cost …",
    LeastTableCost.kind: "lowest expected cost, by a table of costs …",
}
# Without a reject set.
OF_KNOWNS: dict[str, str] = {
    MostRejected.kind: "highest threshold, with Test accuracy at least …",
    AtMostLost.kind: "highest threshold, with Test accuracy lost at most …",
    FewestKnownRejected.kind: "highest threshold, with at most … of the knowns rejected",
}


@dataclass(frozen=True)
class Decision:
    """What the analyst asked for, and the point that answers it.

    Attributes
    ----------
    objective : what was asked for
    point : the best point; where nothing is recommended, the nearest; None without one
    is_reached : the point is recommended
    promised : the point that keeps the constraint on new pictures; None without one
    spread : thresholds between which 95 % of the resamples choose; None if not asked for
    class_point : point with thresholds per class; None if not asked for
    """

    objective: Objective
    point: OperatingPoint | None
    is_reached: bool
    promised: OperatingPoint | None
    spread: tuple[float, float] | None
    class_point: OperatingPoint | None

    @property
    def floors(self) -> list[dict[str, Any]]:
        """Lines across the curves, by ``of`` ('test' or 'reject'): it may not be lower."""
        if isinstance(self.objective, MostRejected):
            share = self.objective.min_test_accuracy
            return [{"of": "test", "share": share, "label": self.objective.requirement}]
        if isinstance(self.objective, MostRight):
            share = self.objective.min_reject_accuracy
            return [{"of": "reject", "share": share, "label": self.objective.requirement}]
        return []

    @property
    def marks(self) -> list[dict[str, Any]]:
        """Where the point lies on the slider."""
        named = [("recommended" if self.is_reached else "nearest", self.point)]
        if self.promised and self.promised.threshold != getattr(self.point, "threshold", None):
            named += [("promised", self.promised)]
        return [
            {"name": name, "label": f" {name}", "threshold": point.threshold}
            for name, point in named
            if point is not None
        ]


def show_decision(
    workspace: Workspace, evaluation: Evaluation, threshold: float, kind: str
) -> Decision:
    """Draw what to choose the threshold for, the answer, and how far to trust it.

    Parameters
    ----------
    kind : of the intervals, see :data:`openmax_core.tradeoff.intervals.INTERVALS`
    """
    with st.container(border=True, key="decision"):
        objective = _ask(workspace, evaluation)
        offer = offered(evaluation, objective, ask_confidence())
        point, is_reached = offer.best, not offer.problem
        if point is not None and is_reached:
            st.markdown(
                f"**Recommended: threshold {threshold_text(point.threshold)}**  \n"
                + _figures(point, objective, kind)
                + f" {plain(state.rest_in_words(evaluation, objective))}"
            )
        else:
            st.markdown(f"**No recommendation:** {offer.problem}.")
        show_promise(evaluation, offer)
        controls = st.container(horizontal=True, vertical_alignment="center")
        controls.button(
            "Use recommended" if is_reached else "Use nearest",
            icon=":material/my_location:",
            disabled=point is None or point.threshold == threshold,
            on_click=lambda: state.set_threshold(workspace, point.threshold) if point else None,
        )
        promised = offer.promised
        controls.button(
            "Use promised",
            icon=":material/verified:",
            disabled=promised is None or promised.threshold == threshold,
            on_click=lambda: (
                state.set_threshold(workspace, promised.threshold) if promised else None
            ),
        )
        is_honest = controls.toggle(
            "Choose on one half, report on the other",
            key="honest",
            persist_state="session",
            help="Accuracies are too high if a threshold is chosen and counted on the same "
            "pictures (selection bias). This splits test and reject set at random into two halves "
            "(stratified by class, always the same split). It chooses on one half and counts on "
            "the other.",
        )
        is_per_class = controls.toggle(
            "A threshold per class",
            key="per_class",
            persist_state="session",
            disabled=evaluation.counted is not None,
            help="Not available for so many pictures: scores are counted for all classes together."
            if evaluation.counted is not None
            else "One threshold for each predicted class. The constraint holds for all pictures "
            "together.",
        )
        spread = class_point = None
        if is_honest and point:
            spread = _show_honest(evaluation, objective, kind)
        if is_per_class and point and is_reached and evaluation.counted is None:
            class_point = show_class_thresholds(evaluation, objective, offer.confidence)
        curve = evaluation.overall
        if evaluation.method.has_unknown:
            won = f"{curve.n_test_unknown_won:,} of {curve.n_test:,} test"
            if curve.n_reject:
                won += f" and {curve.n_reject_unknown_won:,} of {curve.n_reject:,} reject"
            st.caption(
                f"For {won} pictures, 'unknown' is the most probable class. They are rejected at "
                f"every threshold. {evaluation.both_accuracies_in_words}"
            )
    return Decision(objective, point, is_reached, promised, spread, class_point)


def _ask(workspace: Workspace, evaluation: Evaluation) -> Objective:
    """Draw the objective's inputs and return it."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    standard = workspace.settings.defaults.min_test_accuracy
    choices = CHOICES if evaluation.overall.n_reject else OF_KNOWNS
    names = [name for name in choices if name != LeastTableCost.kind or has_table(evaluation)]
    default = evaluation.overall.default_objective(standard)
    if "floor" in st.query_params:  # a link says what was asked for
        default = MostRejected(standard)
    kind = row.selectbox(
        "Choose the threshold with the",
        names,
        index=names.index(default.kind),
        format_func=choices.__getitem__,
        key="objective",
        persist_state="session",
        width=430,
    )
    if kind == MostRight.kind:
        return MostRight(_share(row, "Reject accuracy at least", "reject_floor", 0.9))
    if kind == default.kind and (
        note := default_in_words(default, standard, evaluation.overall.n_reject)
    ):
        st.caption(sentence(note))
    if kind == AtMostLost.kind:
        lost = _share(row, "Test accuracy lost at most", "most_lost", 0.05)
        return AtMostLost(lost, evaluation.overall.all_outcomes.at(0).test_accuracy)
    if kind == FewestKnownRejected.kind:
        return FewestKnownRejected(_share(row, "Knowns rejected at most", "most_rejected", 0.05))
    if kind == Balanced.kind:
        return Balanced()
    if kind == LeastCost.kind:
        wrong = _cost(row, "Cost: wrong class", "cost_wrong", 1.0)
        rejected = _cost(row, "Cost: known rejected", "cost_rejected", 1.0)
        accepted = _cost(row, "Cost: unknown accepted", "cost_accepted", 5.0)
        share = _share(row, "Unknowns in production", "unknown_share", 0.1)
        return LeastCost(wrong, rejected, accepted, share)
    if kind == LeastTableCost.kind:
        share = _share(row, "Unknowns in production", "unknown_share", 0.1)
        return ask_costs(workspace, evaluation, share)
    return MostRejected(
        share_input(
            row, "Test accuracy at least", "floor", standard, bind="query-params", width=190
        )
    )


def _share(place: DeltaGenerator, label: str, key: str, standard: float) -> float:
    """Draw an input for a share, which the session remembers."""
    return share_input(place, label, key, standard, persist_state="session", width=190)


def _cost(place: DeltaGenerator, label: str, key: str, standard: float) -> float:
    """Draw an input for a cost, which the session remembers."""
    return place.number_input(
        label,
        min_value=0.0,
        max_value=1e9,
        value=standard,
        step=1.0,
        format="%.10g",
        key=key,
        persist_state="session",
        width=190,
    )


def _figures(point: OperatingPoint, objective: Objective, kind: str) -> str:
    accuracies = {"Reject accuracy": "not measured"} | _accuracies(point.outcome, kind)
    test, reject = accuracies["Test accuracy"], accuracies["Reject accuracy"]
    cost = ""
    if isinstance(objective, LeastCost):
        cost = f" Expected cost **{objective.cost_of(point.outcome):.4g}** a picture."
    elif point.expected_cost is not None:
        cost = f" Expected cost **{point.expected_cost:.4g}** a picture."
    return (
        f"Test accuracy {test} with Reject accuracy {reject}.{cost} It was chosen and counted on "
        "the same pictures, so these figures are a little too high."
    )


def _accuracies(outcome: Outcome, kind: str) -> dict[str, str]:
    """What was counted of the test set, and of the reject set where there is one."""
    accuracies = {"Test accuracy": counted(outcome.correct, outcome.n_test, kind)}
    if outcome.n_reject:
        accuracies["Reject accuracy"] = rejected_in_words(outcome, kind)
    return accuracies


def _show_honest(
    evaluation: Evaluation, objective: Objective, kind: str
) -> tuple[float, float] | None:
    """Draw figures of both halves; returns the range that 95 % of the resamples choose in."""
    try:
        _show_halves(_choose_on_half(evaluation, objective), objective, kind)
    except NoFeasibleThresholdError as error:
        st.warning(f"On one half of the pictures: {error}.", icon=":material/warning:")
    return _show_spread(_resample(evaluation, objective))


def _show_halves(halves: HalfChoice, objective: Objective, kind: str) -> None:
    chosen, reported = halves.chosen, halves.reported
    st.markdown(
        f"Chosen on one half: **threshold {threshold_text(chosen.threshold)}**. Figures on that "
        "half and on the other half:"
    )
    own, other = _accuracies(chosen.outcome, kind), _accuracies(reported, kind)
    st.table(
        {
            "": list(own),
            "the half it was chosen on: too high": list(own.values()),
            "the other half: unbiased": [other.get(name, "no pictures") for name in own],
        },
        hide_index=True,
        border="horizontal",
    )
    if (requirement := objective.requirement) and not objective.is_met(reported):
        st.caption(
            ":material/warning: On the other half it does not meet the constraint "
            f"({requirement}): {objective.reached(reported)}."
        )


@st.cache_resource(show_spinner="Choosing on one half …", max_entries=100, hash_funcs=KEYS)
def _choose_on_half(evaluation: Evaluation, objective: Objective) -> HalfChoice:
    return choose_on_half(evaluation.overall, objective)


@st.cache_resource(show_spinner="Choosing on resamples …", max_entries=100, hash_funcs=KEYS)
def _resample(evaluation: Evaluation, objective: Objective) -> Spread:
    return bootstrap_choices(evaluation.overall, objective)


def _show_spread(spread: Spread) -> tuple[float, float] | None:
    if not len(spread.thresholds):
        st.caption(
            f"No threshold meets the constraint in any of {spread.n_resamples} resamples of the "
            "pictures."
        )
        return None
    missed = (
        f" In {spread.n_infeasible} of them no threshold meets the constraint; these are left out."
        if spread.n_infeasible
        else ""
    )
    low, middle, high = spread.quantiles(0.025, 0.5, 0.975)
    st.caption(
        f"{spread.n_resamples} resamples of the pictures (bootstrap) choose thresholds with the "
        f"median **{middle:.4g}**; 95 % of them lie between **{low:.4g}** and **{high:.4g}**, the "
        f"band below the slider.{missed}"
    )
    return low, high
