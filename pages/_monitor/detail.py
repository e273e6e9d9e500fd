"""One recorded batch: its figures, its classes, and the pictures to look at."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.column_config import NumberColumn, TextColumn

from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.monitor.labels import PRESUPPOSED
from openmax_core.monitor.records import RecordedBatch
from openmax_core.monitor.report import class_table, p_text
from openmax_core.monitor.shortlist import (
    picture_file,
    picture_in_words,
    picture_lines,
    pictures_to_look_at,
    what_is_listed,
)
from openmax_core.support.shares import percent
from openmax_core.workspace.workspace import Workspace
from pages._shared import start
from pages._shared.format import interval, plain, sentence
from pages._shared.pictures import OUTSIDE, show_gallery, show_picture, thumbnail
from pages._shared.widgets import (
    csv_button,
    figure_card,
    in_percent,
    share_column,
    show_error,
    show_table,
    show_unreadable,
)

NO_PICTURE = "It is no picture"
MEASURED = {"distances": "Distances to the class's mean", "scores": "Scores"}


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
    lost = pictures[pictures["error"] != ""]
    if len(lost):
        show_unreadable(f"{len(lost):,} files could not be read", lost[["path", "error"]])
    _show_classes(record)
    _show_pictures(workspace, record, pictures)


def show_verdict(record: RecordedBatch, kind: str) -> None:
    """Say in a box what gives an alarm, or that nothing does."""
    report = record.report
    text = (
        f"{kind}, **{plain(record.name)}**, {plain(report.rate_in_words)}. "
        f"{sentence(report.verdict)}"
    )
    if report.is_alarm:
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
            f"threshold. All of them are known. {sentence(report.expectation_in_words)}",
        )
        if (labelled := report.labelled) is not None:
            for name, share in (
                ("Test accuracy", labelled.test),
                ("Reject accuracy", labelled.reject),
            ):
                if share.n:
                    figure_card(
                        name,
                        percent(share.value),
                        note=f"95 % {interval(share.interval)}",
                        explanation=f"{share.rejected:,} of {share.n:,} labelled pictures. "
                        f"{sentence(report.promise_in_words)} (Exact binomial test.)",
                    )
        figure_card(
            "Classes drifted",
            f"{n_drifted:,} of {n_tested:,}",
            note=f"{untested:,} not tested: too few pictures" if untested else "all classes tested",
            explanation=f"{MEASURED[report.basis.measured]}, compared with test pictures of the "
            "same predicted class: Cramér–von Mises test, Holm's correction for all classes.",
        )
        figure_card(
            "Pictures",
            f"{report.reject.n + report.n_unreadable:,}",
            note=f"{report.n_unreadable:,} unreadable",
        )
    if report.labels_in_words:
        st.caption(
            f"{sentence(report.labels_in_words)} {sentence(report.promise_in_words)} {PRESUPPOSED}."
        )
    mix = report.mix
    st.caption(
        f"{sentence(report.difference_in_words)} The mix of predicted classes differs from the "
        f"test set's by {percent(mix.distance)} (total variation distance, p "
        f"{plain(p_text(mix.p_value))}). This gives no alarm: the mix of a test set is often "
        "artificial."
    )


def _show_classes(record: RecordedBatch) -> None:
    table = class_table(record.report)
    measured = record.report.basis.measured
    far = {
        "distances": "Above 0 the pictures lie farther from the class's mean.",
        "scores": "Of the negative score: above 0 the scores are lower.",
    }[measured]
    st.markdown(f"**{measured.capitalize()} by class**, the clearest drift first")
    show_table(
        in_percent(table, "share", "test_share"),
        {
            "class": TextColumn("Class", pinned=True),
            "verdict": measured.capitalize(),
            "shift": NumberColumn(
                "Shift, IQR",
                format="%+.2f",
                help="Median of the batch minus median of the test set, in interquartile ranges of "
                f"the test set. {far}",
            ),
            "adjusted": NumberColumn(
                "p", format="%.2g", help="Corrected for the number of classes (Holm)."
            ),
            "pictures": NumberColumn("Pictures", format="localized"),
            "share": share_column("of the batch"),
            "test_pictures": NumberColumn("Test pictures", format="localized"),
            "test_share": share_column("of the test set"),
        },
        placeholder="",
    )
    csv_button("Classes as CSV", table, "classes.csv")


def _show_pictures(workspace: Workspace, record: RecordedBatch, pictures: pd.DataFrame) -> None:
    report = record.report
    listed = pictures_to_look_at(report, pictures)
    farthest = {
        "distances": "Pictures farthest from the mean",
        "scores": "Pictures with the lowest scores",
    }[report.basis.measured]
    title = "Pictures that changed most" if report.compared_with else farthest
    st.markdown(f"**{title}**")
    if report.not_compared:
        st.caption(f":material/info: {plain(report.not_compared)}.")
    st.caption(sentence(what_is_listed(report)))
    if not len(listed):
        none = "No score has changed" if report.compared_with else "There are none"
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
        url = thumbnail(_file_of(record, picture))
    except WorkspaceError as error:
        gone = str(error)
    return {
        "key": f"{record.id}:{row}",
        "path": picture["path"],
        "picture": url,
        "gone": gone,
        "lines": picture_lines(picture),
    }


def _file_of(record: RecordedBatch, picture: pd.Series) -> Path:
    """Find the file of a row of the record's pictures.

    Raises
    ------
    WorkspaceError
        None can be shown: it is gone, or another than then, or not under an allowed folder.
    """
    folder, path = record.report.folder, str(picture["path"])
    try:  # before anything is looked at
        if folder is not None:
            start.roots().check(Path(folder) / path)
    except WorkspaceError as error:
        raise WorkspaceError(OUTSIDE) from error
    file = picture_file(folder, path, int(picture["size"]), int(picture["mtime"]))
    if isinstance(file, str):
        raise WorkspaceError(file)
    return file


@st.dialog("Picture", width="large")
def _open(record: RecordedBatch, picture: pd.Series) -> None:
    left, right = st.columns([2, 3], gap="medium")
    with left:
        show_picture(
            lambda: _file_of(record, picture), caption=str(picture["path"]), gone=NO_PICTURE
        )
    with right:
        st.markdown(f"**{plain(picture_in_words(picture))}**")
        rows = {
            "decided now": picture["now"],
            "decided before": picture["before"] or "not seen before",
            "nearest class": picture["nearest"],
            "score now": f"{picture['score']:.4f}",
            "score before": f"{picture['score_before']:.4f}" if picture["before"] else "–",
            "farther out than": f"{percent(picture['share'])} of the class's test pictures",
            "beyond their median": f"{picture['excess']:+.2f} IQR",
        }
        show_table(pd.DataFrame({"": list(rows), "value": list(rows.values())}))
