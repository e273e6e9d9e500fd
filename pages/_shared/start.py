"""Things done once a server."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

import streamlit as st

from openmax_core.demos.catalogue import DEMOS
from openmax_core.demos.demo import Demo, open_demo, why_not
from openmax_core.errors import OpenMaxError
from openmax_core.workspace.access import AllowedRoots
from openmax_core.workspace.workspace import Workspace

ASSETS = Path(__file__).parents[2] / "assets"
LOG = logging.getLogger(__name__)
WORKSPACE_VARIABLE = "OPENMAX_WORKSPACE"


@st.cache_resource(show_spinner=False)
def demos() -> dict[Path, Demo]:
    """Embedded demos by their folders; those that no cache folder can be had for are left out."""
    return {demo.folder: demo for demo in DEMOS if not why_not(demo)}


def no_demo() -> str:
    """Why there is no demo: the user's cache folder cannot be written; '' where there is one."""
    reason = "" if demos() else next(filter(None, map(why_not, DEMOS)), "")
    return reason and (
        f"The demos cannot be made: the cache folder of the server's user cannot be written "
        f"({reason}). Make it writable, or set XDG_CACHE_HOME to another folder, and start again."
    )


@st.cache_resource(show_spinner="Writing the demo's pictures …")
def prepare(folder: Path) -> None:
    """Make a workspace that is chosen, where it is a demo that is not made yet or out of date.

    Raises
    ------
    OpenMaxError
        It cannot be made.
    """
    if folder in demos():
        open_demo(demos()[folder])


@st.cache_resource(show_spinner=False)
def started_with() -> Path | None:
    """Return the workspace folder that the server was started with."""
    named = os.environ.get(WORKSPACE_VARIABLE)
    return Path(named).expanduser().resolve() if named else None


@st.cache_resource(show_spinner=False)
def roots() -> AllowedRoots:
    """Return the folders that may be opened."""
    allowed = AllowedRoots.from_environment(*demos())
    if (folder := started_with()) is not None:
        try:
            return allowed.including(Workspace.open(folder))
        except OpenMaxError as error:
            # The page that opens it says what is wrong with it, too.
            LOG.warning("%s: %s", WORKSPACE_VARIABLE, error)
            return replace(allowed, roots=(*allowed.roots, folder))
    return allowed


@st.cache_data(show_spinner=False, ttl=30)
def found_workspaces() -> list[Path]:
    """Workspace folders under the roots, looked for at most every 30 seconds."""
    return roots().find()


def freeze_imports() -> None:
    """Keep imported modules out of the full collection that Streamlit runs after every rerun."""
    n_modules = len(sys.modules) // 200
    if not _frozen:
        # Some extensions complain of objects that outlive the interpreter.
        atexit.register(gc.unfreeze)
    if _frozen.get("n_modules") != n_modules:
        gc.collect()
        gc.freeze()
        _frozen["n_modules"] = n_modules


_frozen: dict[str, int] = {}
