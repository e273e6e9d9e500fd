"""Messages, tables, choices, downloads and large numbers: the same on every page.

Messages name files, classes and settings as they are; paths begin at the allowed folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from openmax_core.errors import OpenMaxError
from openmax_core.support.shares import exact_percent, parse_share
from pages._shared import start
from pages._shared.format import plain

Option = TypeVar("Option")
LONGEST_SHARE = 30
PERCENT = "%.1f %%"  # of a number that is a percentage
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
    return st.dataframe(table, **(_drawn(table, columns) | options))


def edit_table(table: pd.DataFrame, columns: Mapping[str, Any], key: str) -> pd.DataFrame:
    """Draw a table whose columns can be edited unless they are disabled; returns it as it is now.

    Parameters
    ----------
    columns : as for :func:`show_table`
    """
    edited: pd.DataFrame = st.data_editor(table, key=key, **_drawn(table, columns))
    return edited


def _drawn(table: pd.DataFrame, columns: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "column_order": None if columns is None else list(columns),
        "column_config": columns,
        "hide_index": True,
        "width": "stretch",
        "height": "content" if len(table) <= MOST_ROWS else TABLE_HEIGHT,
    }


def in_percent(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return a table whose columns of shares are percentages, as :func:`share_column` draws."""
    return table.assign(**{name: 100 * table[name] for name in names})


def share_column(label: str | None = None, explanation: str | None = None) -> Any:
    """Column of percentages with one decimal, see :func:`in_percent`."""
    return st.column_config.NumberColumn(label, help=explanation, format=PERCENT)


def share_input(
    place: DeltaGenerator, label: str, key: str, standard: float, **options: Any
) -> float:
    """Draw an input for a share and return it; '85', '85 %' and '0.85' are the same.

    Where it holds no share, say so and return the standard.

    Parameters
    ----------
    place : a row; what is wrong is said below it
    standard : share that it holds first
    **options : of ``st.text_input``
    """
    text = place.text_input(
        label,
        value=exact_percent(standard),
        key=key,
        on_change=_tidy_share,
        args=(key,),
        max_chars=LONGEST_SHARE,
        help="A share: 85, 85 % and 0.85 are the same.",
        **options,
    )
    try:
        return parse_share(text or "")
    except OpenMaxError as error:
        show_error(f"{label}: {error}. {exact_percent(standard)} is used instead.")
        return standard


def share_of(key: str, standard: float) -> float:
    """Share in an input of :func:`share_input`, on a page that does not draw it."""
    try:
        return parse_share(st.session_state.get(key) or "")
    except OpenMaxError:
        return standard


def _tidy_share(key: str) -> None:
    """Write the share that was typed as percent, so that one sees how it was understood."""
    with suppress(OpenMaxError):
        st.session_state[key] = exact_percent(parse_share(st.session_state[key] or ""))


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
