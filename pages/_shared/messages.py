"""Messages that name files, classes and settings, shown as they are."""

from __future__ import annotations

import streamlit as st

from pages._shared.format import plain


def show_error(problem: object) -> None:
    """Say what is wrong."""
    st.error(plain(str(problem)), icon=":material/error:")


def show_warning(text: str) -> None:
    """Say what to be careful of."""
    st.warning(plain(text), icon=":material/warning:")
