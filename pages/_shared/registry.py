"""The registry of pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages._shared.start import ASSETS


@dataclass(frozen=True)
class PageEntry:
    """One page of the navigation."""

    name: str
    title: str
    icon: str


PAGES = (
    PageEntry("overview", "Overview", ":material/space_dashboard:"),
    PageEntry("threshold", "Threshold", ":material/tune:"),
    PageEntry("weibull", "Weibull", ":material/show_chart:"),
    PageEntry("methods", "Methods", ":material/leaderboard:"),
    PageEntry("upload", "Upload", ":material/add_photo_alternate:"),
    PageEntry("monitor", "Monitor", ":material/monitoring:"),
    PageEntry("workspace", "Workspace", ":material/folder_open:"),
    PageEntry("method", "About the method", ":material/menu_book:"),
)


def set_page_up() -> None:
    """Set title, icon and layout; before :func:`navigate`, which else sets a page's own icon.

    The browser would ask another host for that.
    """
    st.set_page_config(
        page_title="OpenMax",
        page_icon=str(ASSETS / "icon.svg"),
        layout="wide",
        initial_sidebar_state="expanded",
        menu_items={"About": "OpenMax: open-set recognition with an image classifier."},
    )


def navigate() -> StreamlitPage:
    """Register all pages; returns the one that the address asks for."""
    return st.navigation(
        [
            st.Page(
                f"pages/{item.name}.py",
                title=item.title,
                icon=item.icon,
                default=item is PAGES[0],
            )
            for item in PAGES
        ]
    )


def name_of(page: StreamlitPage) -> str:
    """Name of a page in the registry."""
    return next(item.name for item in PAGES if item.title == page.title)


def switch_to(name: str) -> NoReturn:
    """Go to a page, or run the present one again; the threshold stays in the address.

    What else is there belongs to widgets of the sidebar, which write it themselves.
    """
    kept = {key: st.query_params[key] for key in ("threshold",) if key in st.query_params}
    st.switch_page(f"pages/{name}.py", query_params=kept)


@contextmanager
def routed() -> Iterator[None]:
    """Mark that pages run inside ``app.py``."""
    st.session_state["is_routed"] = True
    try:
        yield
    finally:
        st.session_state["is_routed"] = False


def ensure_routed() -> None:
    """Run a page through ``app.py`` if Streamlit started it alone.

    Until a server has seen ``st.navigation`` once, Streamlit takes a ``pages`` folder for its older
    kind of app and runs a deep link's page without ``app.py``. Registering the pages ends that.
    """
    if not st.session_state.get("is_routed"):
        set_page_up()
        navigate()
        st.rerun()


def link_to(name: str, label: str) -> None:
    """Draw a link to a page."""
    entry = next(item for item in PAGES if item.name == name)
    st.page_link(f"pages/{name}.py", label=label, icon=entry.icon)
