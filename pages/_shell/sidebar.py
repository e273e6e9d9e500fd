"""The sidebar: which workspace, which method. Both live in the address."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.methods.registry import METHODS, has_settings, needs_features, words_of
from openmax_core.methods.settings import DEFAULT_PRESET, LARGEST_COUNT, PRESETS
from openmax_core.support.shares import exact_percent
from openmax_core.workspace.access import workspace_names
from pages._shared import start, state
from pages._shared.widgets import show_warning
from pages._shell import tour


def show() -> None:
    """Draw the sidebar and make its choices the session's."""
    with st.sidebar:
        _choose_workspace()
        name = _choose_method()
        st.caption(words_of(name).sentence)
        _warn_of_missing_features(name)
        with st.expander("Method settings", icon=":material/settings:"):
            if has_settings(name):
                _choose_settings(name)
            else:
                st.caption(
                    f"`{name}` has no settings. η and α belong to OpenMax: {', '.join(PRESETS)}."
                )
        tour.offer_again()


def _choose_workspace() -> None:
    named = _named_workspaces()
    asked = st.query_params.get("workspace")
    if "linked" not in st.session_state and asked is not None and asked not in named:
        start.found_workspaces.clear()  # it may have been made a moment ago
        named = _named_workspaces()
    if not named:
        none = f"There is no workspace under the allowed folders. {start.no_demo()}"
        state.set_workspace(none.strip())
        return
    if (wanted := st.session_state.pop("show_folder", None)) is not None:
        st.session_state["workspace"] = next(
            name for name, folder in named.items() if folder == wanted
        )
    _warn_of_unknown_name(list(named))
    name = st.selectbox("Workspace", list(named), key="workspace", bind="query-params")
    try:
        start.prepare(named[name])
        state.set_workspace(start.roots().open(named[name]))
    except OpenMaxError as error:
        state.set_workspace(str(error))
    _take_defaults()


def _named_workspaces() -> dict[str, Path]:
    """Folders of the workspaces that can be chosen, by the name that is shown."""
    demos = {folder: demo.settings.name for folder, demo in start.demos().items()}
    folders = [*demos, *start.found_workspaces()]
    if (own := start.started_with()) is not None:
        folders.insert(0, own)
    if (opened := st.session_state.get("opened_folder")) is not None:
        folders.append(opened)
    return workspace_names(dict.fromkeys(folders), demos)


def _warn_of_unknown_name(names: list[str]) -> None:
    """Say that a link's workspace is not here, instead of showing another under its threshold."""
    if "linked" not in st.session_state:
        asked = st.query_params.get("workspace")
        st.session_state["linked"] = asked if asked not in names else None
    if (unknown := st.session_state["linked"]) is not None:
        show_warning(
            f"The link names the workspace '{unknown}', which is not under the allowed folders. "
            "Open it by its folder on the Workspace page."
        )


def _take_defaults() -> None:
    """Begin with the method of the workspace's operating point, or with its default preset.

    At the start of a session the address comes first: the widgets' own defaults leave that to it.
    After a change of workspace the widgets are set anew.
    """
    workspace = state.workspace()
    if workspace is None:
        return
    before = st.session_state.get("defaults_of")
    if before == workspace.folder:
        return
    defaults = state.first_method(workspace)
    st.session_state["defaults_of"] = workspace.folder
    st.session_state["first_method"] = defaults
    if before is not None:
        st.session_state["linked"] = None
        for name in ("method", "tail_size", "alpha_rank"):
            st.session_state[name] = defaults[name]
        st.session_state["floor"] = exact_percent(workspace.settings.defaults.min_test_accuracy)


def _choose_method() -> str:
    first = st.session_state.get("first_method", {}).get("method", DEFAULT_PRESET)
    return st.selectbox(
        "Method",
        METHODS,
        index=METHODS.index(first),
        key="method",
        bind="query-params",
        help="What gives each picture the score that is compared with the threshold. "
        + " ".join(f"**{name}**: {words_of(name).sentence}" for name in METHODS),
    )


def _warn_of_missing_features(name: str) -> None:
    """Say why a method cannot be taken, where it needs features that are not stored."""
    workspace = state.workspace()
    if workspace is None or not needs_features(name):
        return
    try:
        problem = workspace.stored.features_problem(name)
    except OpenMaxError:  # the pages say it
        return
    if problem is not None:
        show_warning(problem)


def _choose_settings(preset: str) -> None:
    standard = PRESETS[preset]
    first = st.session_state.get("first_method", {})
    st.number_input(
        "Tail size η",
        min_value=2,
        max_value=LARGEST_COUNT,
        value=first.get("tail_size"),
        placeholder=f"{standard.tail_in_words} (preset)",
        key="tail_size",
        bind=_binding("tail_size"),
        help="The Weibull of each class is fitted to its η largest distances.",
    )
    if standard.weighting != "all":
        st.number_input(
            "Alpha rank α",
            min_value=1,
            max_value=LARGEST_COUNT,
            value=first.get("alpha_rank"),
            placeholder=f"{standard.alpha_rank} (preset)",
            key="alpha_rank",
            bind=_binding("alpha_rank"),
            help="OpenMax reduces the logits of the α top-ranked classes.",
        )


def _binding(name: str) -> Literal["query-params"] | None:
    """Bind a whole number to the address; not where that holds inf, at which Streamlit fails."""
    try:
        is_infinite = math.isinf(float(st.query_params.get(name, "")))
    except ValueError:
        is_infinite = False
    return None if is_infinite else "query-params"
