"""Saved points: name and note, side by side, and one of them the workspace's default."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st
from streamlit.errors import StreamlitAPIException

from openmax_core.errors import OpenMaxError
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.saved_points import (
    LONGEST_NAME,
    LONGEST_NOTE,
    SavedPoint,
    comparison_table,
)
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.widgets import show_error


def show_saved_points(
    workspace: Workspace,
    point: OperatingPoint,
    saved: Sequence[SavedPoint],
    class_point: OperatingPoint | None,
) -> None:
    """Draw the form that saves the present point, and the points that there are.

    Parameters
    ----------
    point : what the page shows
    class_point : the point with thresholds per class, where they are shown
    """
    with st.form("save_point", clear_on_submit=True, border=True):
        row = st.container(horizontal=True, vertical_alignment="bottom")
        name = row.text_input("Name", max_chars=LONGEST_NAME, width=220)
        note = row.text_input("Note", max_chars=LONGEST_NOTE)
        is_per_class = False
        if class_point is not None:
            is_per_class = row.checkbox("With the thresholds per class")
        text = f"Save threshold {threshold_text(point.threshold)}"
        if row.form_submit_button(text, icon=":material/bookmark_add:", type="primary"):
            chosen = class_point if is_per_class and class_point is not None else point
            moment = datetime.now(UTC).isoformat(timespec="seconds")
            _save(workspace, SavedPoint(name.strip(), note.strip(), moment, chosen))
    if not saved:
        st.caption(
            "No point is saved yet. Saved points are compared here and marked on the curves."
        )
        return
    _show_table(workspace, saved)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = row.selectbox("Point", [item.name for item in saved], key="saved_point", width=260)
    item = next((item for item in saved if item.name == name), saved[-1])
    if row.button(
        "Make it the default",
        icon=":material/flag:",
        help="Upload, 'openmax predict' and new visits then decide with this method and threshold.",
    ):
        _make_default(workspace, item)
    if row.button(
        "Show",
        icon=":material/my_location:",
        help="Move to its threshold, and to its method.",
        on_click=lambda: state.show_point(workspace, item.point),
    ):
        st.rerun()  # its method is the sidebar's and the whole page's
    if row.button("Delete", icon=":material/delete:"):
        _delete(workspace, item)


def _show_table(workspace: Workspace, saved: Sequence[SavedPoint]) -> None:
    try:
        default = workspace.operating_point()
    except OpenMaxError as error:
        show_error(error)
        default = None
    table = comparison_table(saved)
    table.insert(0, "default", [item.point == default for item in saved])
    share = st.column_config.NumberColumn(format="%.4f")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={
            "threshold": st.column_config.NumberColumn(format="%.15g"),
            "test_accuracy": share | {"label": "Test accuracy"},
            "test_interval": "95 % interval",
            "reject_accuracy": share | {"label": "Reject accuracy"},
            "reject_interval": "95 % interval",
            "saved_at": st.column_config.DatetimeColumn("saved"),
        },
    )


def _save(workspace: Workspace, saved: SavedPoint) -> None:
    try:
        workspace.saved_points.add(saved)
    except OpenMaxError as error:
        show_error(error)
        return
    st.toast(f"Saved as '{saved.name}'.", icon=":material/bookmark_added:")
    _draw_again()


def _make_default(workspace: Workspace, saved: SavedPoint) -> None:
    try:
        workspace.choose(saved.point)
    except OpenMaxError as error:
        show_error(error)
        return
    st.toast(f"'{saved.name}' is now the workspace's operating point.", icon=":material/flag:")
    _draw_again()


def _delete(workspace: Workspace, saved: SavedPoint) -> None:
    try:
        workspace.saved_points.remove(saved.name)
    except OpenMaxError as error:
        show_error(error)
        return
    st.toast(f"'{saved.name}' is deleted.", icon=":material/delete:")
    _draw_again()


def _draw_again() -> None:
    """Run again what drew the points as they were before the change."""
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:  # the click came with a run of the whole page
        st.rerun()
