"""Reject accuracy by folder of the reject set, at the threshold."""

from __future__ import annotations

import streamlit as st

from openmax_core.analysis.reject_folders import RejectFolders, folder_table, reject_folders
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.decimals import threshold_text
from pages._shared import state

MOST_ROWS = 12


def show_reject_folders(evaluation: Evaluation, threshold: float, interval: str) -> None:
    """Draw the folders, the worst first; nothing where the reject set is not divided."""
    folders = _divided(evaluation)
    if not folders.is_divided:
        return
    among = f", in {evaluation.sample_in_words}" if evaluation.sampling is not None else ""
    table = folder_table(folders.at(threshold, interval))
    st.subheader("Which unknowns slip through")
    st.caption(
        f"Reject accuracy at threshold {threshold_text(threshold)} by folder of the reject set, "
        f"the worst first{among}."
    )
    bound = st.column_config.NumberColumn(format="%.3f", help=f"95 % {interval} interval")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height="content" if len(table) <= MOST_ROWS else 460,
        column_order=["folder", "reject_accuracy", "low", "high", "accepted", "pictures"],
        column_config={
            "folder": st.column_config.TextColumn("Folder", pinned=True),
            "reject_accuracy": st.column_config.ProgressColumn(
                "Reject accuracy", min_value=0.0, max_value=1.0, format="%.3f"
            ),
            "low": bound | {"label": "95 % from"},
            "high": bound | {"label": "to"},
            "accepted": st.column_config.NumberColumn("Accepted", format="localized"),
            "pictures": st.column_config.NumberColumn("of", format="localized"),
        },
    )


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs=state.KEYS)
def _divided(evaluation: Evaluation) -> RejectFolders:
    return reject_folders(evaluation)
