"""Messages, tables, choices, downloads and large numbers: the same on every page.

Messages name files, classes and settings as they are; paths begin at the allowed folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages._shared import start
from pages._shared.format import plain

Option = TypeVar("Option")
MOST_ROWS = 15  # of a table without a scroll bar of its own
TABLE_HEIGHT = 460


def show_error(problem: object) -> None:
    """Say what is wrong."""
    st.error(plain(start.roots().shown(str(problem))), icon=":material/error:")


def show_warning(text: str) -> None:
    """Say what to be careful of."""
    st.warning(plain(start.roots().shown(text)), icon=":material/warning:")


def show_table(
    table: pd.DataFrame, columns: Mapping[str, Any] | None = None, **options: Any
) -> Any:
    """Draw a table.

    Parameters
    ----------
    columns : columns to show, in this order, each with its label or configuration; None: all
    **options : of ``st.dataframe``
    """
    height = "content" if len(table) <= MOST_ROWS else TABLE_HEIGHT
    drawn: dict[str, Any] = {"hide_index": True, "width": "stretch", "height": height} | options
    return st.dataframe(
        table,
        column_order=None if columns is None else list(columns),
        column_config=columns,
        **drawn,
    )


def show_unreadable(title: str, lost: pd.DataFrame) -> None:
    """List files that could not be read, on request."""
    with st.expander(title, icon=":material/broken_image:"):
        show_table(lost)


def choose(
    place: DeltaGenerator,
    label: str,
    options: list[Option],
    key: str,
    default: Option,
    name: Callable[[Option], str] = str,
) -> Option:
    """Draw a choice of one of a few options, which the session remembers."""
    chosen = place.segmented_control(
        label,
        options,
        format_func=name,
        default=default,
        required=True,
        key=key,
        label_visibility="collapsed",
        persist_state="session",
    )
    return default if chosen is None else chosen


def download(
    label: str,
    content: str | Callable[[], str],
    file_name: str,
    mime: str,
    icon: str = ":material/data_object:",
    **options: Any,
) -> None:
    """Offer a file; a click does not run the page again."""
    st.download_button(
        label, content, file_name=file_name, mime=mime, icon=icon, on_click="ignore", **options
    )


def csv_button(label: str, table: pd.DataFrame | Callable[[], pd.DataFrame], name: str) -> None:
    """Offer a table, or one that is made on the click, as a CSV file."""
    content = (
        table.to_csv(index=False)
        if isinstance(table, pd.DataFrame)
        else lambda: table().to_csv(index=False)
    )
    download(label, content, name, "text/csv", ":material/download:")


def figure_card(label: str, value: str, note: str, explanation: str | None = None) -> None:
    """Draw a large number with what it rests on below, and its meaning on request."""
    st.metric(
        label,
        value,
        delta=note,
        delta_color="off",
        delta_arrow="off",
        border=True,
        help=explanation,
    )
