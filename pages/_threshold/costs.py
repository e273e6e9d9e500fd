"""A table of costs for the threshold: edited in place, or taken from a CSV file."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.column_config import NumberColumn, TextColumn

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.tradeoff.cost_table import MOST_CLASSES, CostTable, decoded, parse_costs
from openmax_core.tradeoff.objectives import LeastTableCost
from openmax_core.workspace.workspace import Workspace
from pages._shared.format import plain
from pages._shared.widgets import download, edit_table, show_error

MOST_EDITED = 12  # classes that are edited in place
FIRST = (1.0, 1.0, 5.0)  # wrong known, rejected known, accepted unknown


def has_table(evaluation: Evaluation) -> bool:
    """Whether a table of costs can be used."""
    return evaluation.counted is None and evaluation.method.n_classes <= MOST_CLASSES


def ask_costs(workspace: Workspace, evaluation: Evaluation, unknown_share: float) -> LeastTableCost:
    """Draw the table of costs; returns the objective that it makes.

    Where the table is not whole, the last whole one is used, and what is wrong is said.
    """
    names = evaluation.method.class_names_
    key = f"{workspace.folder}|{names}"
    tables = st.session_state.setdefault("cost_tables", {})
    table: CostTable = tables.get(key) or CostTable.of_three(names, *FIRST)
    if len(names) <= MOST_EDITED:
        st.caption(
            "The cost of one picture: its true class in the row, the decision in the column."
        )
        table = _edited(table, key)
    else:
        st.caption(
            f"A table for {len(names):,} classes is edited as a CSV file: download it, change it, "
            "and upload it."
        )
    tables[key] = table
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        download("Costs (CSV)", table.to_csv(), "costs.csv", "text/csv", ":material/download:")
    row.file_uploader(
        "Costs from a CSV file",
        type="csv",
        max_upload_size=4,
        key=f"costs_file_{_version()}",
        on_change=lambda: _take(key, names),
    )
    if problem := st.session_state.pop("costs_problem", ""):
        show_error(problem)
    if table.kinds:
        kinds = ", ".join(table.kinds)
        st.caption(plain(f"Kinds of unknowns with costs of their own: {kinds}."))
    return LeastTableCost(table, unknown_share)


def _edited(table: CostTable, key: str) -> CostTable:
    """Draw the editor; the editor's first table stays the same as long as the editor is there."""
    editor = f"costs_{key}_{_version()}"
    first = f"first_{editor}"
    columns = {str(index): name for index, name in enumerate(table.column_names)}
    if editor not in st.session_state or first not in st.session_state:
        begun = pd.DataFrame(list(table.costs), columns=list(columns), dtype=float)
        begun.insert(0, "truth", table.row_names)
        st.session_state[first] = (table, begun)
    begun_table, begun = st.session_state[first]
    edited = edit_table(
        begun,
        {
            "truth": TextColumn("True class", disabled=True, pinned=True),
            **{
                place: NumberColumn(name, min_value=0.0, max_value=1e9, required=True)
                for place, name in columns.items()
            },
        },
        key=editor,
    )
    costs = tuple(tuple(map(float, row)) for row in edited[list(columns)].to_numpy(dtype=float))
    try:
        return CostTable(begun_table.classes, begun_table.kinds, costs)
    except OpenMaxError as error:
        show_error(error)
        return table


def _take(key: str, names: tuple[str, ...]) -> None:
    """Use the uploaded table, or keep why it is none."""
    file = st.session_state.get(f"costs_file_{_version()}")
    if file is None:
        return
    try:
        table = parse_costs(decoded(file.getvalue()), names)
    except OpenMaxError as error:
        st.session_state["costs_problem"] = str(error)
        return
    st.session_state["cost_tables"][key] = table
    st.session_state["costs_version"] = _version() + 1


def _version() -> int:
    return int(st.session_state.get("costs_version", 0))
