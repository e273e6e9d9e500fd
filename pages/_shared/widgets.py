"""Messages, downloads and large numbers, the same on every page.

Messages name files, classes and settings: these are shown as they are.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages._shared.format import plain


def show_error(problem: object) -> None:
    """Say what is wrong."""
    st.error(plain(str(problem)), icon=":material/error:")


def show_warning(text: str) -> None:
    """Say what to be careful of."""
    st.warning(plain(text), icon=":material/warning:")


def csv_button(label: str, table: pd.DataFrame, file_name: str) -> None:
    """Offer a table as a CSV file; taking it does not run the page again."""
    st.download_button(
        label,
        table.to_csv(index=False),
        file_name=file_name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


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
