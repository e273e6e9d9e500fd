"""Decisions on a table of logits, for a workspace that is made of tables and has no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from openmax_core.activations.tables import SUFFIXES, open_table
from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.pictures.intake import MAX_ARCHIVE_BYTES, Upload, megabytes
from openmax_core.prediction.tables import rows_of
from openmax_core.prediction.verdicts import (
    ACCEPTED,
    ScoredPictures,
    decision_table,
    score_pictures,
)
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.operating_point import class_limits
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.format import plain
from pages._shared.registry import link_to
from pages._shared.widgets import csv_button, show_error, show_table
from pages._upload import basket

HELD, SCORED = "upload_table", "upload_table_scored"
MOST_VALUES, MOST_ROWS = 5_000_000, 50_000
MOST_SHOWN = 1_000
COLUMNS = {
    "file": "row or picture",
    "verdict": "verdict",
    "decision": "decision",
    "score": st.column_config.NumberColumn("score", format="%.4f"),
    "nearest_class": "nearest class",
    "reason": "reason",
}


def show_table_upload(workspace: Workspace, evaluation: Evaluation) -> None:
    """Draw the place to drop a table, and the decisions on the one that was dropped."""
    key = f"upload_table_{st.session_state.setdefault('upload_turn', 0)}"
    st.file_uploader(
        "Drop a table of logits",
        type=[suffix[1:] for suffix in SUFFIXES],
        key=key,
        on_change=lambda: _take(key),
        max_upload_size=MAX_ARCHIVE_BYTES // 1_000_000,
        help="CSV and Parquet: a column logit_<class> for every class, and path if you like. NPZ: "
        "the array logits. Labels are not needed.",
    )
    st.caption(
        "This workspace is made of tables. It has no network, so that it cannot decide on "
        f"pictures. A table may have {megabytes(MAX_ARCHIVE_BYTES)} and {MOST_ROWS:,} rows; larger "
        "ones: `openmax predict`. It stays in this session's memory, and nothing is written to "
        "disk."
    )
    held: Upload | None = st.session_state.get(HELD)
    if held is None:
        return
    try:
        scored = _scored(workspace, evaluation, held)
    except OpenMaxError as error:
        show_error(error)
        return
    _show_decisions(workspace, evaluation, held, scored)


def _take(key: str) -> None:
    sent = st.session_state[key]
    if sent is not None:
        st.session_state[HELD] = basket.received([sent])[0]
        st.session_state["upload_turn"] += 1


def _scored(workspace: Workspace, evaluation: Evaluation, held: Upload) -> ScoredPictures:
    """Scores of all rows, which no threshold changes: made once for the table and the method."""
    made_of = (state.method_key(workspace), evaluation.data, held.key)
    made: tuple[Any, ScoredPictures] | None = st.session_state.get(SCORED)
    if made is None or made[0] != made_of:
        table = open_table(Path(held.name), held.content)
        names, logits = rows_of(
            [table],
            workspace.classes,
            MOST_ROWS,
            MOST_VALUES,
            has_features=evaluation.method.needs_features,
        )
        made = (made_of, score_pictures(evaluation.method, names, logits))
        st.session_state[SCORED] = made
    return made[1]


def _show_decisions(
    workspace: Workspace, evaluation: Evaluation, held: Upload, scored: ScoredPictures
) -> None:
    threshold = state.threshold(workspace, evaluation)
    point = state.chosen_point(workspace, evaluation)
    by_class = None
    if point is not None and point.threshold == threshold:
        by_class = point.class_thresholds
    limits = class_limits(evaluation.method.class_names_, threshold, by_class)
    table = decision_table(scored, limits)
    n_accepted = int((table["verdict"] == ACCEPTED).sum())
    own = ", with thresholds per class" if by_class else ""
    st.markdown(
        f"**{plain(held.name)}**: {len(table):,} rows, **{n_accepted:,}** accepted and "
        f"**{len(table) - n_accepted:,}** rejected at the threshold "
        f"{threshold_text(threshold)}{own}."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        name = evaluation.method.name
        csv_button("Results as CSV", table, f"decisions-{name}.csv")
        link_to("threshold", "Change the threshold")
        if st.button("Remove the table", icon=":material/delete:"):
            st.session_state.pop(HELD, None)
            st.session_state.pop(SCORED, None)
            st.rerun()
    show_table(table.head(MOST_SHOWN), COLUMNS)
    if len(table) > MOST_SHOWN:
        st.caption(f"The first {MOST_SHOWN:,} of {len(table):,} rows; the CSV has all.")
