"""The dashboard's own components: HTML, CSS and JavaScript of ``assets/``, all of it ours.

What comes from data is never part of them: it travels as data and is written as text. Nothing of
what comes back is trusted to be as we sent it.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from openmax_core.tradeoff.explorer import is_threshold
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.start import ASSETS


def _read(*names: str) -> str:
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)


def _scripts(*names: str) -> list[str]:
    """Files of one script: what all components share comes first."""
    return [f"components/{name}.js" for name in ("dom", *names)]


threshold_explorer = st.components.v2.component(
    "openmax_threshold_explorer",
    html=_read("components/explorer.html"),
    css=_read("vendor/uplot/uPlot.min.css", "components/control.css", "components/explorer.css"),
    js=_read("vendor/uplot/uPlot.iife.min.js", *_scripts("control", "explorer")),
)

gallery = st.components.v2.component(
    "openmax_gallery",
    html='<div class="gallery"><ol></ol></div>',
    css=_read("components/gallery.css"),
    js=_read(*_scripts("gallery")),
)

multiples = st.components.v2.component(
    "openmax_multiples",
    html='<div class="multiples"><p class="key"></p><ol></ol></div>',
    css=_read("components/multiples.css"),
    js=_read(*_scripts("svg", "multiples")),
)

samples = st.components.v2.component(
    "openmax_samples",
    html='<div class="samples"><p></p><ol></ol></div>',
    css=_read("components/samples.css"),
    js=_read(*_scripts("samples")),
)

cards = st.components.v2.component(
    "openmax_cards",
    html=_read("components/cards.html"),
    css=_read("components/control.css", "components/cards.css"),
    js=_read(*_scripts("svg", "control", "cards")),
)

tour = st.components.v2.component(
    "openmax_tour",
    html=_read("components/tour.html"),
    css=_read("components/tour.css"),
    js=_read(*_scripts("tour")),
)


def moved(key: str) -> dict[str, Any]:
    """Return what the component with this key told at its last release; empty before the first."""
    held = st.session_state.get(key)
    told = held.get("moved") if held is not None else None
    return told if isinstance(told, dict) else {}


def take_threshold(workspace: Workspace, key: str) -> None:
    """Make the threshold that it told the session's, if it is one."""
    value = moved(key).get("value")
    if is_threshold(value):
        state.set_threshold(workspace, value)
