"""Known classes left out in turn, as stand-ins for unknowns; computed on request."""

from __future__ import annotations

import streamlit as st
from streamlit.column_config import NumberColumn, ProgressColumn, TextColumn

from openmax_core.analysis.stand_ins import CAVEAT, StandInChoices, StandIns, measure_stand_ins
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.jobs import Job
from openmax_core.tradeoff.objectives import Objective
from pages._shared.format import plain
from pages._shared.jobs import show_job
from pages._shared.kept import KEYS
from pages._shared.widgets import (
    PERCENT,
    csv_button,
    in_percent,
    share_column,
    show_error,
    show_table,
)

StandInsJob = Job[tuple[int, int], StandIns]


def show_stand_ins(evaluation: Evaluation, objective: Objective, interval: str) -> None:
    """Draw the button, the progress or the figures of each class.

    Parameters
    ----------
    objective : what the threshold is chosen for
    interval : kind of the intervals, see :data:`openmax_core.tradeoff.intervals.INTERVALS`
    """
    st.subheader("Known classes as stand-ins for unknowns")
    if evaluation.method.n_classes < 3:
        st.caption(
            "Each known class can be left out in turn, with its pictures as unknowns. This needs "
            "at least 3 known classes."
        )
        return
    bare = evaluation.in_production(None)  # shares of kinds change nothing of the stand-ins
    job = None  # until the visitor asks for it
    if st.session_state.get("stand_ins_of") == KEYS[Evaluation](bare):
        job = _measure(bare)
    if job is None or job.problem:
        if job is not None:
            show_error(job.problem)
        st.markdown(
            "Leaves out each known class in turn: its test pictures are the unknowns, its logit is "
            "taken away, and the method is fitted anew to the other classes. This shows how much "
            "the figures depend on the kind of unknown, also without a reject set."
        )
        st.button(
            "Leave out each class",
            icon=":material/person_off:",
            key="ask_stand_ins",
            on_click=lambda: _ask(bare),
        )
        return
    if not job.has_result:
        show_job(job, "Leaving out", "classes")
        return
    _show(job.result().choose(objective, interval), evaluation, interval)


def _ask(evaluation: Evaluation) -> None:
    """Begin unless somebody has; once more where it failed."""
    if _measure(evaluation).problem:
        _measure.clear(evaluation)
    st.session_state["stand_ins_of"] = KEYS[Evaluation](evaluation)


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs=KEYS)
def _measure(evaluation: Evaluation) -> StandInsJob:
    return Job(lambda report: measure_stand_ins(evaluation, report))


def _show(choices: StandInChoices, evaluation: Evaluation, interval: str) -> None:
    st.markdown("  \n".join(map(plain, choices.sentences)))
    if (real := choices.beside(evaluation)) is not None:
        st.markdown("  \n".join(map(plain, real.sentences)))
    st.warning(CAVEAT, icon=":material/warning:")
    of_interval = f"95 % {interval} interval"
    table = choices.table
    show_table(
        in_percent(table, "auroc", "test_accuracy", "reject_accuracy", "low", "high"),
        {
            "class": TextColumn("Left out", pinned=True),
            "auroc": share_column("AUROC"),
            "threshold": NumberColumn("Threshold", format="%.6g"),
            "test_accuracy": share_column("Test accuracy of the others"),
            "reject_accuracy": ProgressColumn(
                "Reject accuracy", min_value=0.0, max_value=100.0, format=PERCENT
            ),
            "low": share_column("95 % from", of_interval),
            "high": share_column("to", of_interval),
            "pictures": NumberColumn("Pictures", format="localized"),
        },
    )
    row = st.container(horizontal=True, vertical_alignment="center")
    with row:
        csv_button("Stand-ins (CSV)", table, f"stand-ins-{evaluation.method.name}.csv")
    row.caption(
        f"{choices.stand_ins.extent_in_words} Each threshold is chosen and counted on the same "
        "pictures, for the objective above."
    )
    for name, reason in choices.stand_ins.left_out.items():
        st.caption(plain(f"Not left out: '{name}': {reason}."))
