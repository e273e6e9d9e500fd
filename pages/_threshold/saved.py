"""Saved points with name and note; one of them can become the workspace's default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import streamlit as st
from streamlit.column_config import NumberColumn
from streamlit.errors import StreamlitAPIException

from openmax_core.errors import OpenMaxError
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.saved_points import (
    LONGEST_NAME,
    LONGEST_NOTE,
    SavedPoint,
    comparison_table,
    unfit,
)
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.format import sentence
from pages._shared.widgets import in_percent, share_column, show_error, show_warning


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
            saving = SavedPoint(name.strip(), note.strip(), moment, chosen)
            _change(
                lambda: workspace.saved_points.add(saving),
                f"Saved as '{saving.name}'.",
                ":material/bookmark_added:",
            )
    if not saved:
        st.caption(
            "No point is saved yet. Saved points appear in a table here and as marks on the curves."
        )
        return
    _show_table(workspace, saved)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = row.selectbox("Point", [item.name for item in saved], key="saved_point", width=260)
    item = next((item for item in saved if item.name == name), saved[-1])
    if row.button(
        "Make it the default",
        icon=":material/flag:",
        help="Upload, 'openmax predict' and new visits then use this method and threshold.",
    ):
        _change(
            lambda: workspace.choose(item.point),
            f"'{item.name}' is now the workspace's operating point.",
            ":material/flag:",
        )
    if row.button(
        "Show",
        icon=":material/my_location:",
        help="Go to its method and threshold.",
        on_click=lambda: state.show_point(workspace, item.point),
    ):
        st.rerun()  # its method is the sidebar's and the whole page's
    if row.button("Delete", icon=":material/delete:"):
        _change(
            lambda: workspace.saved_points.remove(item.name),
            f"'{item.name}' is deleted.",
            ":material/delete:",
        )


def _show_table(workspace: Workspace, saved: Sequence[SavedPoint]) -> None:
    for problem in unfit(saved, workspace.classes):
        show_warning(sentence(problem))
    try:
        default = workspace.operating_point()
    except OpenMaxError:  # said at the top of the page
        default = None
    table = comparison_table(saved)
    table.insert(0, "default", [item.point == default for item in saved])
    st.dataframe(
        in_percent(table, "test_accuracy", "reject_accuracy"),
        hide_index=True,
        width="stretch",
        column_config={
            "threshold": NumberColumn(format="%.15g"),
            "test_accuracy": share_column("Test accuracy"),
            "test_interval": "95 % interval",
            "reject_accuracy": share_column("Reject accuracy"),
            "reject_interval": "95 % interval",
            "saved_at": st.column_config.DatetimeColumn("saved"),
        },
    )


def _change(work: Callable[[], object], said: str, icon: str) -> None:
    """Change what is stored, say so, and draw the points as they are now."""
    try:
        work()
    except OpenMaxError as error:
        show_error(error)
        return
    st.toast(said, icon=icon)
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:  # the click came with a run of the whole page
        st.rerun()
