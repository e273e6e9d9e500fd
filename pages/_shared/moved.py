"""What a component's threshold control said last; nothing of it is trusted to be as we sent it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from openmax_core.tradeoff.explorer import is_threshold
from openmax_core.workspace.workspace import Workspace
from pages._shared import state


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
