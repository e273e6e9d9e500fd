"""A guided tour of the first demo: five steps, each on the page that it speaks of.

It is a bar that takes its own room at the head of the page. Whether a visitor has left it is
remembered in the browser alone, see ``assets/components/tour.js``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.components import tour
from pages._shared.format import percent
from pages._shared.registry import switch_to

KEY = "tour"
STEP, RUN, MOVE, BY_LINK = "tour_step", "tour_run", "tour_move", "tour_by_link"


@dataclass(frozen=True)
class Step:
    """One step of the tour.

    Attributes
    ----------
    page : name of its page in the registry
    target : selector of what it speaks of, and where that is a component, of its part
    text : what it says
    figures : the figures that belong to it, in a sentence; those that a threshold moves are no
        part of it, for the page shows them while they move
    """

    title: str
    page: str
    target: tuple[str, str | None]
    text: str
    figures: Callable[[Workspace, Evaluation], str] | None = None


def show(page: str) -> None:
    """Draw the tour's bar on a page, where there is a tour; the browser hides it from who left."""
    # Whoever follows a link came for its view; pages write the threshold into the address later.
    by_link = st.session_state.setdefault(BY_LINK, "threshold" in st.query_params)
    workspace = state.workspace()
    if workspace is None or not state.has_tour(workspace):
        return
    number = st.session_state.get(STEP, 0)
    step = STEPS[number]
    asked = tour(
        key=KEY,
        data={
            "titles": [item.title for item in STEPS],
            "step": number,
            "text": f"{step.text}{_figures(workspace, step)}" if step.page == page else "",
            "target": step.target,
            "is_here": step.page == page,
            "by_link": by_link,
            "run": st.session_state.get(RUN),
            "move": st.session_state.get(MOVE),
        },
        on_step_change=lambda: None,
        on_resume_change=lambda: None,
    )
    if _is_step(asked.resume):
        st.session_state[STEP] = asked.resume
        st.rerun()
    if _is_step(asked.step):
        _go_to(asked.step)


def _is_step(number: object) -> bool:
    return type(number) is int and 0 <= number < len(STEPS)


def offer_again() -> None:
    """Draw the link that begins the tour anew, where the workspace has one."""
    workspace = state.workspace()
    if workspace is None or not state.has_tour(workspace):
        return
    if st.button("Tour of this demo", icon=":material/tour:", type="tertiary"):
        st.session_state[RUN] = secrets.token_hex(8)
        _go_to(0)


def _go_to(number: int) -> None:
    st.session_state[STEP] = number
    st.session_state[MOVE] = secrets.token_hex(8)
    switch_to(STEPS[number].page)


def _figures(workspace: Workspace, step: Step) -> str:
    """Figures of a step; none before the first extraction."""
    if step.figures is None:
        return ""
    try:
        if not all(workspace.stored.has(split) for split in workspace.pictures.splits):
            return ""
        return " " + step.figures(workspace, state.evaluation(workspace))
    except OpenMaxError:  # the page says what is wrong
        return ""


def _problem(workspace: Workspace, evaluation: Evaluation) -> str:
    right = percent(evaluation.accuracy_before_rejection)
    return (
        f"Before anything is rejected it is right on {right} of the {evaluation.curve.n_test:,} "
        f"test pictures, and wrong on all {evaluation.curve.n_reject:,} others."
    )


def _weibull(workspace: Workspace, evaluation: Evaluation) -> str:
    tail = evaluation.openmax.settings_.tail_in_words
    return f"A click on a panel shows the pictures that it was fitted to (η {tail})."


STEPS = (
    Step(
        "The problem",
        "overview",
        (".st-key-pictures", None),
        "The classifier has learned four garages and nothing else: shown any other picture, it "
        "still names one of the four. The first row below may be accepted, the second must be "
        "rejected.",
        _problem,
    ),
    Step(
        "The slider",
        "threshold",
        (".st-key-explorer", ".control"),
        "Every picture gets a score, and is rejected where that is below the threshold. Drag it: "
        "rejecting more of the unknowns costs right answers on the knowns.",
    ),
    Step(
        "The pictures that pay",
        "threshold",
        (".st-key-pictures_that_pay", None),
        "What the threshold gets wrong, nearest to it first; a click on a picture shows why. "
        "Further down a table counts the unknowns by kind, those that slip through most first.",
    ),
    Step(
        "The Weibull curves",
        "weibull",
        (".st-key-multiples", None),
        "How far is too far? For each class, the curve fitted to its training pictures farthest "
        "from their mean. Below it lie test pictures (blue) and unknowns taken for the class "
        "(orange): where both overlap, they are hard to tell apart.",
        _weibull,
    ),
    Step(
        "Your own picture",
        "upload",
        ('[data-testid="stFileUploader"]', None),
        "Drop pictures of your own, or click samples below. Each gets its verdict with the reason, "
        "decided anew while you move the threshold. They stay in this session's memory.",
    ),
)
