"""Mistakes at the threshold: pictures, nearest to it first, and kinds of unknowns, worst first."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.column_config import NumberColumn, ProgressColumn, TextColumn

from openmax_core.analysis import figures
from openmax_core.analysis.mistakes import find_mistakes, picture_at
from openmax_core.analysis.reject_folders import RejectFolders, reject_folders
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.prediction.verdicts import ACCEPTED, decision_table
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.operating_point import class_limits
from openmax_core.workspace.workspace import Workspace
from pages._shared import pictures
from pages._shared.format import plain, sentence
from pages._shared.guards import show_notice
from pages._shared.kept import kept
from pages._shared.widgets import PERCENT, choose, in_percent, share_column, show_table

UNKNOWNS_IN, KNOWNS_OUT, CONFUSED = "Accepted unknowns", "Rejected knowns", "Confused classes"


def show_mistakes(workspace: Workspace, evaluation: Evaluation, threshold: float) -> None:
    """Draw the pictures that are decided wrongly, a page of thumbnails at a time."""
    found = find_mistakes(evaluation, threshold)
    curve = evaluation.curve
    tables = {
        UNKNOWNS_IN: (found.accepted_unknowns, f"of {curve.n_reject:,} unknowns are accepted"),
        KNOWNS_OUT: (found.rejected_knowns, f"of {curve.n_test:,} knowns are rejected"),
        CONFUSED: (found.confused, f"of {curve.n_test:,} knowns are accepted in a wrong class"),
    }
    row = st.container(horizontal=True, vertical_alignment="center")
    default = UNKNOWNS_IN if curve.n_reject else KNOWNS_OUT
    kind = choose(row, "Which pictures", list(tables), "mistakes", default)
    table, in_words = tables[kind]
    among = f" in {evaluation.sample_in_words}" if evaluation.counted is not None else ""
    row.caption(f"**{len(table):,}** {in_words}{among}; nearest to the threshold first.")
    with row:
        show_notice(workspace)
    if not len(table):
        st.caption(":material/check: None at this threshold.")
        return

    def items(first: int, most: int) -> list[dict[str, Any]]:
        return [
            {
                "key": f"{picture['split']}:{picture['row']}",
                "path": picture["path"],
                **pictures.stored_thumbnail(workspace, picture["split"], picture["path"]),
                "lines": _lines(picture, is_rejected=kind == KNOWNS_OUT),
            }
            for picture in table.table(first, most).to_dict(orient="records")
        ]

    opened = pictures.show_gallery(len(table), "gallery", f"page_{kind}", items)
    if opened is not None:
        _open(workspace, evaluation, table.table(opened, 1).iloc[0], threshold)


def _lines(picture: dict[Hashable, Any], is_rejected: bool) -> list[str]:
    """Score and its difference to the threshold, prediction, truth."""
    gap = "'unknown' most probable" if pd.isna(picture["gap"]) else f"{picture['gap']:.4f} away"
    folder = str(picture["path"]).split("/")[0] if "/" in str(picture["path"]) else ""
    truth = picture["truth"]
    if picture["split"] == "reject" and folder:
        truth = folder
    return [
        f"{picture['score']:.4f} · {gap}",
        f"{'nearest class' if is_rejected else 'accepted as'}: {picture['predicted']}",
        f"true: {truth}",
    ]


@st.dialog("Picture", width="large")
def _open(
    workspace: Workspace, evaluation: Evaluation, picture: pd.Series, threshold: float
) -> None:
    split, path = str(picture["split"]), str(picture["path"])
    method = evaluation.method
    scored = picture_at(evaluation, split, int(picture["row"]))
    decided = decision_table(scored, class_limits(method.class_names_, threshold)).iloc[0]
    left, right = st.columns([2, 3], gap="medium")
    with left:
        pictures.show_picture(
            lambda: pictures.stored_picture(workspace, split, path), f"{split}/{path}"
        )
        show_notice(workspace)
    with right:
        is_accepted = decided["verdict"] == ACCEPTED
        verdict = f"Accepted as {decided['decision']}" if is_accepted else "Rejected"
        st.markdown(f"**{plain(verdict)}** · true class: **{plain(str(picture['truth']))}**")
        st.caption(sentence(str(decided["reason"])))
        own = threshold if method.is_probability else None
        st.plotly_chart(
            figures.probability_figure(method.class_names_, scored.probabilities[0], own),
            key="opened_probabilities",
            config=pictures.STILL,
        )
    pictures.show_nearest(evaluation, scored, 0)


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
    of_interval = f"95 % {interval} interval"
    shares = ["share"] if folders.mix is not None else []
    show_table(
        in_percent(folders.at(threshold, interval), "reject_accuracy", "low", "high", *shares),
        {
            "folder": TextColumn("Folder", pinned=True),
            **{name: share_column("Share in production") for name in shares},
            "reject_accuracy": ProgressColumn(
                "Reject accuracy", min_value=0.0, max_value=100.0, format=PERCENT
            ),
            "low": share_column("95 % from", of_interval),
            "high": share_column("to", of_interval),
            "accepted": NumberColumn("Accepted", format="localized"),
            "pictures": NumberColumn("of", format="localized"),
        },
    )


@kept()
def _divided(evaluation: Evaluation) -> RejectFolders:
    return reject_folders(evaluation)
