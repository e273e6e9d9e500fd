"""One recorded batch: its figures, its classes, and the pictures that are worth a look."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd
import streamlit as st

from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.monitor.records import RecordedBatch
from openmax_core.monitor.report import BatchReport, class_table, p_text
from openmax_core.monitor.shortlist import (
    picture_in_words,
    picture_lines,
    pictures_to_look_at,
    what_is_listed,
)
from openmax_core.workspace.samples import picture_bytes
from openmax_core.workspace.workspace import Workspace
from pages._monitor import batches
from pages._shared.format import interval, percent, plain
from pages._shared.pictures import show_gallery, show_picture, thumbnail_of
from pages._shared.widgets import csv_button, figure_card, show_error

NO_PICTURE = "It is no picture"
MOST_ROWS = 12


def show_batch(workspace: Workspace, record: RecordedBatch) -> None:
    """Draw everything of one batch but its verdict."""
    _show_figures(record)
    for note in record.report.notes:
        st.caption(f":material/info: {plain(note)}.")
    try:
        pictures = record.pictures()
    except OpenMaxError as error:
        show_error(error)
        return
    _show_unreadable(pictures)
    _show_classes(record)
    _show_pictures(workspace, record, pictures)


def show_verdict(record: RecordedBatch, kind: str) -> None:
    """Say in a box what gives alarm, or that nothing does."""
    report = record.report
    text = (
        f"{kind}, **{plain(record.name)}**, {plain(report.rate_in_words)}. "
        f"{plain(report.verdict[:1].upper() + report.verdict[1:])}."
    )
    if report.is_drifting:
        caution = f" {plain(report.caution)}." if report.caution else ""
        st.warning(f"{text}{caution}", icon=":material/warning:")
    else:
        st.success(text, icon=":material/check:")


def _show_figures(record: RecordedBatch) -> None:
    report = record.report
    n_tested, n_drifted = int(report.drift.is_tested.sum()), int(report.drifted.sum())
    untested = len(report.classes) - n_tested
    with st.container(horizontal=True):
        figure_card(
            "Rejected",
            percent(report.reject.value),
            note=f"95 % {interval(report.reject.interval)}",
            explanation=f"{report.reject.rejected:,} of {report.reject.n:,} pictures that could be "
            f"read. {plain(report.difference_in_words)} (Fisher's exact test).",
        )
        figure_card(
            "Expected",
            percent(report.expected.value),
            note=f"95 % {interval(report.expected.interval)}",
            explanation=f"Rejected of the {report.expected.n:,} test pictures at the same "
            f"threshold. They are known ones only.{_expectation(report)}",
        )
        figure_card(
            "Classes drifted",
            f"{n_drifted:,} of {n_tested:,}",
            note=f"{untested:,} not tested: too few" if untested else "all classes tested",
            explanation="Distances to the class's mean against those of test pictures with the "
            "same answer: Cramér–von Mises, corrected over the classes by Holm.",
        )
        figure_card(
            "Pictures",
            f"{report.reject.n + report.n_unreadable:,}",
            note=f"{report.n_unreadable:,} unreadable",
        )
    mix = report.mix
    st.caption(
        f"{plain(report.difference_in_words[:1].upper() + report.difference_in_words[1:])} · "
        f"{percent(mix.distance)} of the pictures in other classes than the test set's, p "
        f"{plain(p_text(mix.p_value))}, which gives no alarm: a test set's mix is often chosen"
    )


def _expectation(report: BatchReport) -> str:
    words = report.expectation_in_words
    return f" {plain(words[:1].upper() + words[1:])}." if words else ""


def _show_unreadable(pictures: pd.DataFrame) -> None:
    lost = pictures[pictures["error"] != ""]
    if not len(lost):
        return
    with st.expander(f"{len(lost):,} files could not be read", icon=":material/broken_image:"):
        st.dataframe(lost[["path", "error"]], hide_index=True, width="stretch")


def _show_classes(record: RecordedBatch) -> None:
    table = class_table(record.report)
    st.markdown("**Distances by class**, the surest drift first")
    p_value = st.column_config.NumberColumn(format="%.2g")
    share = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        table.round({"share": 3, "test_share": 3}),
        hide_index=True,
        width="stretch",
        placeholder="",
        height="content" if len(table) <= MOST_ROWS else 460,
        column_order=[
            *("class", "verdict", "shift", "adjusted", "pictures", "share"),
            *("test_pictures", "test_share"),
        ],
        column_config={
            "class": st.column_config.TextColumn("Class", pinned=True),
            "verdict": "Distances",
            "shift": st.column_config.NumberColumn(
                "Shift, IQR",
                format="%+.2f",
                help="Median of the batch less that of the test set, in interquartile ranges of "
                "the test set. Above 0 the pictures lie farther from the class's mean.",
            ),
            "adjusted": p_value | {"label": "p", "help": "Corrected over the classes (Holm)."},
            "pictures": st.column_config.NumberColumn("Pictures", format="localized"),
            "share": share | {"label": "of the batch"},
            "test_pictures": st.column_config.NumberColumn("Test pictures", format="localized"),
            "test_share": share | {"label": "of the test set"},
        },
    )
    csv_button("Classes as CSV", table, "classes.csv")


def _show_pictures(workspace: Workspace, record: RecordedBatch, pictures: pd.DataFrame) -> None:
    report = record.report
    listed = pictures_to_look_at(report, pictures)
    title = "Pictures that changed most" if report.compared_with else "Pictures farthest out"
    words = what_is_listed(report)
    st.markdown(f"**{title}**")
    if report.not_compared:
        st.caption(f":material/info: {plain(report.not_compared)}.")
    st.caption(f"{plain(words[:1].upper() + words[1:])}.")
    if not len(listed):
        none = "No score has moved" if report.compared_with else "There are none"
        st.caption(f":material/check: {none}.")
        return

    def items(first: int, most: int) -> list[dict[str, Any]]:
        return [
            _item(record, row, picture) for row, picture in listed[first : first + most].iterrows()
        ]

    opened = show_gallery(len(listed), "gallery", f"batch_page_{record.id}", items)
    if opened is not None:
        _open(record, listed.iloc[opened])


def _item(record: RecordedBatch, row: Hashable, picture: pd.Series) -> dict[str, Any]:
    """One picture of the gallery, or why it cannot be shown."""
    url, gone = None, NO_PICTURE
    try:
        url = thumbnail_of(batches.file_of(record, picture))
    except WorkspaceError as error:
        gone = str(error)
    return {
        "key": f"{record.id}:{row}",
        "path": picture["path"],
        "picture": url,
        "gone": gone,
        "lines": picture_lines(picture),
    }


@st.dialog("Picture", width="large")
def _open(record: RecordedBatch, picture: pd.Series) -> None:
    left, right = st.columns([2, 3], gap="medium")
    with left:
        show_picture(
            lambda: picture_bytes(batches.file_of(record, picture)),
            caption=str(picture["path"]),
            gone=NO_PICTURE,
        )
    with right:
        st.markdown(f"**{plain(picture_in_words(picture))}**")
        rows = {
            "decided now": picture["now"],
            "decided before": picture["before"] or "not seen before",
            "nearest class": picture["nearest"],
            "score now": f"{picture['score']:.4f}",
            "score before": f"{picture['score_before']:.4f}" if picture["before"] else "–",
            "farther out than": f"{percent(picture['share'])} of test pictures with this answer",
            "beyond their median": f"{picture['excess']:+.2f} IQR",
        }
        st.dataframe(
            pd.DataFrame({"": list(rows), "value": list(rows.values())}),
            hide_index=True,
            width="stretch",
        )
