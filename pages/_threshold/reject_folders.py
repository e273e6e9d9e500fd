"""Reject accuracy by folder of the reject set, at the threshold."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.column_config import NumberColumn, ProgressColumn, TextColumn

from openmax_core.analysis.reject_folders import RejectFolders, reject_folders
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.decimals import threshold_text
from pages._shared import state
from pages._shared.widgets import show_table


def show_reject_folders(evaluation: Evaluation, threshold: float, interval: str) -> None:
    """Draw the folders, the worst first; nothing where the reject set is not divided."""
    folders = _divided(evaluation)
    if not folders.is_divided:
        return
    among = f", in {evaluation.sample_in_words}" if evaluation.counted is not None else ""
    st.subheader("Reject accuracy by kind of unknown")
    st.caption(
        f"At threshold {threshold_text(threshold)}, by folder of the reject set, the worst "
        f"first{among}."
    )
    bound: dict[str, Any] = {"format": "%.3f", "help": f"95 % {interval} interval"}
    show_table(
        folders.at(threshold, interval),
        {
            "folder": TextColumn("Folder", pinned=True),
            "reject_accuracy": ProgressColumn(
                "Reject accuracy", min_value=0.0, max_value=1.0, format="%.3f"
            ),
            "low": NumberColumn("95 % from", **bound),
            "high": NumberColumn("to", **bound),
            "accepted": NumberColumn("Accepted", format="localized"),
            "pictures": NumberColumn("of", format="localized"),
        },
    )


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs=state.KEYS)
def _divided(evaluation: Evaluation) -> RejectFolders:
    return reject_folders(evaluation)
