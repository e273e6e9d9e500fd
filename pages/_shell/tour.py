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
from openmax_core.support.shares import percent
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.components import tour
from pages._shared.registry import switch_to

KEY = "tour"
STEP, RUN, MOVE, BY_LINK = "tour_step", "tour_run", "tour_move", "tour_by_link"


@dataclass(frozen=True)
class Step:
    """One step of the tour.

    Attributes
    ----------
    page : name of its page in the registry
    target : selector of what it speaks of, and of the part inside of a component or None
    text : what it says
    figures : a sentence with figures that do not depend on the threshold
    """

    title: str
    page: str
    target: tuple[str, str | None]
    text: str
    figures: Callable[[Evaluation], str] | None = None


def show(page: str) -> None:
    """Draw the tour's bar where there is a tour; the browser hides it if a visitor has left it."""
    # A link with a threshold shows its view without the tour. Pages write the threshold later.
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
        return " " + step.figures(state.evaluation(workspace))
    except OpenMaxError:  # the page says what is wrong
        return ""


def _problem(evaluation: Evaluation) -> str:
    right = percent(evaluation.accuracy_before_rejection)
    return (
        f"Without rejection it is right on {right} of the {evaluation.curve.n_test:,} test "
        f"pictures, and wrong on all {evaluation.curve.n_reject:,} others."
    )


def _weibull(evaluation: Evaluation) -> str:
    tail = evaluation.openmax.settings_.tail_in_words
    return f"Click a panel to see the pictures that the curve was fitted to (η {tail})."


STEPS = (
    Step(
        "The problem",
        "overview",
        (".st-key-pictures", None),
        "The classifier has learned four garages. For any other picture it still names one of the "
        "four. It should accept the pictures in the first row and reject those in the second row.",
        _problem,
    ),
    Step(
        "The slider",
        "threshold",
        (".st-key-explorer", ".control"),
        "Every picture has a score. It is rejected if its score is below the threshold. Move the "
        "slider: a higher threshold rejects more unknowns, but also more knowns.",
    ),
    Step(
        "Mistakes at this threshold",
        "threshold",
        (".st-key-mistake_pictures", None),
        "These pictures are decided wrongly, nearest to the threshold first. Click a picture to "
        "see why. A table below shows which kinds of unknowns are accepted most often.",
    ),
    Step(
        "The Weibull curves",
        "weibull",
        (".st-key-multiples", None),
        "For each class, a curve is fitted to the training pictures that lie farthest from the "
        "mean. Below it are test pictures (blue) and unknowns that look like the class (orange). "
        "Where both overlap, they are hard to separate.",
        _weibull,
    ),
    Step(
        "Your own picture",
        "upload",
        ('[data-testid="stFileUploader"]', None),
        "Drop your own pictures, or click samples below. You see whether each picture is "
        "accepted or rejected, and why, while you move the threshold. Your pictures stay in this "
        "session's memory.",
    ),
)
