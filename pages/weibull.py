"""Weibull: per class, how far training pictures lie from their mean, and the curve fitted to it."""

from __future__ import annotations

import streamlit as st

from openmax_core import figures
from openmax_core.assessment import Evaluation
from openmax_core.tables import class_table, class_warnings
from pages._shared.format import plain
from pages._shared.guards import require_evaluation, show_provenance
from pages._shared.registry import ensure_routed
from pages._shared.widgets import csv_button

MOST_PLOTS = 12
N_COLUMNS = 2


def main() -> None:
    st.title("Weibull")
    _, evaluation = require_evaluation()
    show_provenance(evaluation)
    st.markdown(
        "For each class a Weibull is fitted to the largest distances between its correctly "
        f"classified *{evaluation.calibrated_on}* pictures and their mean. The CDF at a new "
        "picture's distance says how far out it lies: near **0** it is like them, near **1** it is "
        "farther than almost all of them, and its logit moves to 'unknown'."
    )
    _show_warnings(evaluation)
    _show_plots(evaluation)
    st.subheader("Parameters")
    table = class_table(evaluation.openmax)
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={"warning": st.column_config.TextColumn("warning", width="large")},
    )
    csv_button("Parameters as CSV", table, f"weibull-{evaluation.openmax.preset_}.csv")


def _show_warnings(evaluation: Evaluation) -> None:
    names = evaluation.openmax.class_names_
    warned = [name for name, text in zip(names, _warnings(evaluation), strict=True) if text]
    if warned:
        st.warning(
            f"{len(warned)} of {len(names)} fits need a look; each says why below its plot.",
            icon=":material/warning:",
        )


def _show_plots(evaluation: Evaluation) -> None:
    names = evaluation.openmax.class_names_
    warnings = _warnings(evaluation)
    chosen = list(names)
    if len(names) > MOST_PLOTS:
        first = sorted(names, key=lambda name: not warnings[names.index(name)])[: N_COLUMNS * 2]
        chosen = st.multiselect(
            "Classes",
            names,
            default=first,
            max_selections=MOST_PLOTS,
            key="classes",
            bind="query-params",
            help="Those with a warning come first.",
        )
    rows = st.container(key="stack")
    for start in range(0, len(chosen), N_COLUMNS):
        for column, name in zip(
            rows.columns(N_COLUMNS, gap="medium"), chosen[start : start + N_COLUMNS], strict=False
        ):
            index = names.index(name)
            with column.container(border=True, height="stretch"):
                st.markdown(f"**Class {plain(name)}**")
                figure = figures.weibull_figure(evaluation.openmax, index)
                st.plotly_chart(figure, key=f"weibull_{index}", config={"displayModeBar": False})
                if warnings[index]:
                    st.caption(f":material/warning: {plain(warnings[index])}")


def _warnings(evaluation: Evaluation) -> list[str]:
    return class_warnings(evaluation.openmax)


ensure_routed()
main()
