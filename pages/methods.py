"""Methods: all of them on the workspace's own pictures, beside softmax; a click takes one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from openmax_core.analysis.comparison import BASELINE, Comparison, compare_methods
from openmax_core.analysis.figures import comparison_figure
from openmax_core.analysis.ranking import FIGURES, NAMES
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.jobs import Job
from openmax_core.support.shares import exact_percent
from openmax_core.tradeoff.objectives import MostRejected
from pages._shared import state
from pages._shared.format import plain
from pages._shared.guards import require_evaluation, show_notice, show_provenance
from pages._shared.jobs import show_job
from pages._shared.kept import KEYS
from pages._shared.registry import ensure_routed, link_to
from pages._shared.widgets import choose, csv_button, show_error, show_table

ComparisonJob = Job[tuple[int, int], Comparison]
SHORT = ("reject_at_floor", "auroc", "fpr_at_95_tpr", "oscr", "macro_f1")
FEW, ALL = "The usual figures", "All figures"


def main() -> None:
    st.title("Methods")
    workspace, evaluation = require_evaluation()
    show_notice(workspace)
    show_provenance(evaluation)
    if evaluation.reject is None:
        st.info(
            "Methods are compared by the unknown pictures that they reject, and this workspace "
            "has no reject set. Add a folder of unknown pictures as reject under [folders] of "
            "workspace.toml, and run the extraction.",
            icon=":material/info:",
        )
        link_to("workspace", "Go to the workspace")
        return
    floor = workspace.settings.defaults.min_test_accuracy
    job = _compare(evaluation, floor)
    if job.is_running:
        st.markdown("All methods are fitted and counted on the same pictures.")
        show_job(job, "Comparing", "methods")
        return
    if job.problem:
        show_error(job.problem)
        return
    _show_result(job.result(), evaluation)


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs=KEYS)
def _compare(evaluation: Evaluation, floor: float) -> ComparisonJob:
    return Job(lambda report: compare_methods(evaluation, floor, report=report))


def _show_result(result: Comparison, evaluation: Evaluation) -> None:
    current = _current(result, evaluation)
    st.markdown(f"**{plain(result.verdict(current))}** {plain(result.extremes(SHORT[0]))}")
    st.plotly_chart(
        comparison_figure(result, current), key="comparison", config={"displayModeBar": False}
    )
    st.caption(
        "A curve nearer to the top right is better. The dashed curve is softmax, the thick one is "
        "the present method."
    )
    shown = choose(st.container(), "Figures", [FEW, ALL], "comparison_figures", FEW)
    names = SHORT if shown == FEW else NAMES
    st.caption(
        "Click on a row to work with that method on all pages. ▲ and ▼ mark what is better and "
        f"worse than softmax beyond noise: 95 %, for the whole table together, "
        f"{result.n_resamples} resamples of the same pictures."
    )
    table = pd.DataFrame(
        {
            "method": [
                f"{method.title} (present)" if method.name == current else method.title
                for method in result.methods
            ],
            **{
                name: [result.cell_in_words(method, name) for method in result.names]
                for name in names
            },
        }
    )
    columns: dict[str, Any] = {"method": "Method"} | {
        name: st.column_config.TextColumn(FIGURES[name].label, help=_help(name)) for name in names
    }
    show_table(
        table,
        columns,
        key="compared_methods",
        on_select=partial(_take, result.names),
        selection_mode=["single-row", "single-cell"],
    )
    for sentence in result.left_out_in_words:
        st.caption(plain(sentence))
    st.caption(_what_was_counted(result))
    if words := state.rest_in_words(evaluation, MostRejected(result.floor)):
        st.caption(f"The present method: {plain(words)}")
    with st.expander("Intervals and differences to softmax", icon=":material/expand:"):
        _show_intervals(result)
    with st.expander("What the figures mean, and their names elsewhere", icon=":material/help:"):
        show_table(
            pd.DataFrame(
                {
                    "figure": [FIGURES[name].label for name in NAMES],
                    "here": [FIGURES[name].in_words for name in NAMES],
                    "elsewhere": [FIGURES[name].elsewhere for name in NAMES],
                }
            ),
            row_height=72,
        )


def _show_intervals(result: Comparison) -> None:
    shown = st.selectbox(
        "Figure", NAMES, format_func=lambda name: FIGURES[name].label, key="comparison_interval"
    )
    st.markdown(plain(result.extremes(shown)))
    show_table(
        pd.DataFrame(
            {
                "method": [method.title for method in result.methods],
                "figure": [result.cell_in_words(name, shown) for name in result.names],
                "95 % interval; difference": [
                    result.interval_in_words(name, shown) for name in result.names
                ],
            }
        )
    )
    csv_button("Whole table (CSV)", result.table(), "methods.csv")


def _current(result: Comparison, evaluation: Evaluation) -> str:
    """Name of the session's method in the table."""
    own = f"{evaluation.method.name}*"
    for name in (own, evaluation.method.name):
        if name in result.names:
            return name
    return BASELINE


def _take(names: tuple[str, ...]) -> None:
    """Make the clicked row's method the session's."""
    selection = st.session_state["compared_methods"]["selection"]
    rows = [*selection["rows"], *(row for row, _ in selection["cells"])]
    if not rows or names[rows[0]].endswith("*"):  # that is the session's already
        return
    st.session_state["method"] = names[rows[0]]
    for setting in state.OVERRIDABLE:
        st.session_state[setting] = None


def _help(name: str) -> str:
    return f"{FIGURES[name].in_words} {FIGURES[name].elsewhere}".strip()


def _what_was_counted(result: Comparison) -> str:
    counted = f"{result.n_test:,} test and {result.n_reject:,} reject pictures"
    if result.is_sampled:
        counted += f", a random sample of {result.n_test_all:,} and {result.n_reject_all:,}"
    missing = result.floor_in_words
    missing = f" {missing[0].upper()}{missing[1:]}" if missing else ""
    return (
        f"Counted: {counted}. The floor of Test accuracy is {exact_percent(result.floor)}."
        f"{missing} Each method has its own threshold for it, chosen and counted on these "
        "pictures, so Reject accuracy and macro-F1 are a little too high for all of them."
    )


ensure_routed()
main()
