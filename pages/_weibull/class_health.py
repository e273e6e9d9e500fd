"""The table of classes with their health, worst fit first, and the simulation behind it."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.column_config import CheckboxColumn, LineChartColumn, NumberColumn, TextColumn

from openmax_core.analysis.class_health import Health, health_table, matching
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.tradeoff.sweep import borrowed_in_words
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.format import plain
from pages._shared.jobs import show_job
from pages._shared.widgets import (
    csv_button,
    in_percent,
    share_column,
    show_error,
    show_table,
)
from pages._weibull.class_multiples import MOST_PLOTS
from pages._weibull.fits import FitJob

N_FIRST = 6
MOST_NAMED = 20
SEARCH_WIDTH = 320


def show_health_table(workspace: Workspace, evaluation: Evaluation, health: Health) -> list[int]:
    """Draw the table; returns the classes to plot, as selected in it."""
    names = evaluation.openmax.class_names_
    is_few = len(names) <= MOST_PLOTS
    table = health_table(evaluation, health)
    order = health.worst_first.tolist()
    search = ""
    if not is_few:
        search = st.text_input(
            "Search classes",
            key="class_search",
            placeholder="a part of a name; several with commas",
            width=SEARCH_WIDTH,
        )
        found = set(matching(names, search))
        order = [index for index in order if index in found]
        table = table[table["index"].isin(order)]
    if not order:
        st.caption("No class has this text in its name.")
        return []
    n_replicates = health.goodness.n_replicates
    has_p = bool(table["p_value"].notna().any())
    number = NumberColumn(format="%.4g")
    columns: dict[str, Any] = {
        "class": TextColumn(pinned=True),
        "fit": LineChartColumn(
            y_min=0,
            y_max=1,
            help="The fitted CDF at the tail's distances: a straight line from 0 to 1 if the "
            "Weibull follows the tail.",
        ),
        "tail": LineChartColumn(help="The tail's distances, nearest first."),
        "p_value": NumberColumn(
            "p",
            format="%.3f",
            help="Goodness of fit: small if the tail does not follow the Weibull.",
        ),
        "anderson_darling": number | {"label": "A²", "help": "Anderson–Darling: large is bad."},
        "warning": TextColumn(width="medium"),
        "shape": number,
        "location": number,
        "scale": number,
        "tail_size": "η used",
        "correct": "correct",
        "training_pictures": "training pictures",
        "borrowed": CheckboxColumn(
            "borrowed tail",
            help="Too few pictures of the class are right: its tail is that of the other classes.",
        ),
        "beyond_tail": share_column(
            "beyond the tail",
            "Test pictures of the class farther away than every training picture.",
        ),
        "n_test": "test pictures",
        "dominance": share_column(
            "influence of one picture",
            "How far the mean moves at most without one picture, as a share of the median "
            "distance.",
        ),
    }
    if not has_p:
        del columns["p_value"]
    if not table["borrowed"].any():
        del columns["borrowed"]
    event = show_table(
        in_percent(table, "beyond_tail", "dominance"),
        columns,
        height="content" if is_few else 390,
        on_select="rerun",
        selection_mode="multi-row",
        # Rows are selected by their place: in another order it is another table.
        key=f"health_{state.method_key(workspace)}_{evaluation.data}_{n_replicates}_{search}",
    )
    _explain(evaluation, health)
    csv_button(
        "Parameters as CSV",
        table.drop(columns=["index", "fit", "tail"]),
        f"weibull-{evaluation.openmax.preset_}.csv",
    )
    return _to_plot(event, order, is_few)


def show_simulation(job: FitJob | None) -> None:
    """Poll the simulation of p-values while it runs, then draw the classes again."""
    if job is None or job.has_result:
        return
    if job.problem:
        show_error(f"The p-values could not be simulated: {job.problem}")
        return
    show_job(job, "Simulating p-values", "fits")


def _to_plot(event: object, order: list[int], is_few: bool) -> list[int]:
    rows = list(getattr(getattr(event, "selection", None), "rows", []))
    selected = [order[row] for row in rows if row < len(order)]
    if len(selected) > MOST_PLOTS:
        st.caption(
            f":material/info: {len(selected)} classes are selected. The first {MOST_PLOTS} are "
            "drawn."
        )
    if selected:
        return selected[:MOST_PLOTS]
    if is_few:
        return sorted(order)
    if len(order) > N_FIRST:
        st.caption(
            f"No row is selected, so the {N_FIRST} worst fits are drawn. Select up to {MOST_PLOTS} "
            "rows to see others."
        )
    return order[:N_FIRST]


def _explain(evaluation: Evaluation, health: Health) -> None:
    goodness = health.goodness
    parts = ["Worst fit first."]
    if borrowed := borrowed_in_words(evaluation.openmax, MOST_NAMED):
        parts.append(plain(borrowed))
    if goodness.n_replicates:
        parts.append(
            f"**p** comes from a parametric bootstrap: up to {goodness.n_replicates} tails per "
            "class are drawn from its Weibull and fitted again. p is the share of them that fits "
            "no better. A small p means that the distances do not follow the Weibull. This is "
            "usual with libMR's form and many pictures. The column 'beyond the tail' shows the "
            "effect on test pictures."
        )
    parts += [
        f"{count:,} {'class has' if count == 1 else 'classes have'} no p: {reason}."
        for count, reason in goodness.without_p_value
    ]
    if health.is_sampled(evaluation.openmax.n_correct_):
        parts.append(
            f"The influence of one picture was examined on at most {health.n_examined.max():,} "
            "random training pictures per class. The farthest may not be among them."
        )
    st.caption(" ".join(parts))
