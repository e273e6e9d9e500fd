"""Widgets that several pages draw alike."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator


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


def number(
    place: DeltaGenerator,
    label: str,
    key: str,
    value: float,
    most: float = 1.0,
    step: float = 0.01,
) -> float:
    """Draw a number from 0 that the session remembers, as a part of a sentence."""
    return place.number_input(
        label,
        min_value=0.0,
        max_value=most,
        value=value,
        step=step,
        format="%.10g",
        key=key,
        persist_state="session",
        width=190,
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
