"""Things done once a server."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import streamlit as st

from openmax_core.access import AllowedRoots
from openmax_core.demo import open_digits_demo
from openmax_core.errors import OpenMaxError
from openmax_core.workspace import Workspace

ASSETS = Path(__file__).parents[2] / "assets"
WORKSPACE_VARIABLE = "OPENMAX_WORKSPACE"


@st.cache_resource(show_spinner="Writing the demo's pictures …")
def demo() -> Workspace:
    """Open the embedded demo; its pictures are written at the first start."""
    return open_digits_demo(ASSETS / "demo" / "digits.safetensors")


@st.cache_resource(show_spinner=False)
def started_with() -> Path | None:
    """Return the workspace folder that the server was started with."""
    named = os.environ.get(WORKSPACE_VARIABLE)
    return Path(named).expanduser().resolve() if named else None


@st.cache_resource(show_spinner=False)
def roots() -> AllowedRoots:
    """Return the folders that may be opened."""
    allowed = AllowedRoots.from_environment(demo().folder)
    if (folder := started_with()) is not None:
        try:
            return allowed.including(Workspace.open(folder))
        except OpenMaxError:
            # The page that opens it says what is wrong with it.
            return AllowedRoots((*allowed.roots, folder))
    return allowed


def freeze_imports() -> None:
    """Keep imported modules out of the full collection that Streamlit runs after every rerun."""
    n_modules = len(sys.modules) // 200
    if _frozen.get("n_modules") != n_modules:
        gc.collect()
        gc.freeze()
        _frozen["n_modules"] = n_modules


_frozen: dict[str, int] = {}
