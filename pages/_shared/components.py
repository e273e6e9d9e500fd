"""The dashboard's own components: HTML, CSS and JavaScript of ``assets/``, all of it ours.

What comes from data is never part of them: it travels as data and is written as text. Nothing of
what comes back is trusted to be as we sent it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from openmax_core.methods.method import Method
from openmax_core.tradeoff.slider import is_threshold
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.start import ASSETS


def _read(*names: str) -> str:
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in names)


def _component(
    name: str, html: str = "", styles: Sequence[str] = (), scripts: Sequence[str] = ()
) -> Any:
    """Register ``components/<name>.*`` after the named files that it shares with others.

    The script that all components share comes first.
    """
    return st.components.v2.component(
        f"openmax_{name}",
        html=html or _read(f"components/{name}.html"),
        css=_read(*styles, f"components/{name}.css"),
        js=_read("components/dom.js", *scripts, f"components/{name}.js"),
    )


threshold_explorer = _component(
    "explorer",
    styles=("vendor/uplot/uPlot.min.css", "components/control.css"),
    scripts=("vendor/uplot/uPlot.iife.min.js", "components/control.js"),
)
gallery = _component("gallery", '<div class="gallery"><ol></ol></div>')
multiples = _component(
    "multiples",
    '<div class="multiples"><p class="key"></p><ol></ol></div>',
    scripts=("components/svg.js",),
)
samples = _component("samples", '<div class="samples"><p></p><ol></ol></div>')
cards = _component(
    "cards",
    styles=("components/control.css",),
    scripts=("components/svg.js", "components/control.js"),
)
tour = _component("tour")


def moved(key: str) -> dict[str, Any]:
    """Return what the component with this key told at its last release; empty before the first."""
    held = st.session_state.get(key)
    told = held.get("moved") if held is not None else None
    return told if isinstance(told, dict) else {}


def take_threshold(workspace: Workspace, method: Method, key: str) -> None:
    """Make the threshold that a component told the session's, if it is one for the method."""
    value = moved(key).get("value")
    if is_threshold(value, method.score_range()):
        state.set_threshold(workspace, value)
