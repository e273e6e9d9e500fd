"""The sidebar: which workspace, which method. Both live in the address."""

from __future__ import annotations

import streamlit as st

from openmax_core.access import workspace_names
from openmax_core.errors import OpenMaxError
from openmax_core.presets import PRESETS
from pages._shared import start, state

DESCRIPTIONS = {
    "bendale": "The published method (Bendale & Boult, CVPR 2016).",
    "notebook": "The notebook's: three-parameter Weibull on squared distances, softmax twice.",
}


def show() -> None:
    """Draw the sidebar and make its choices the session's."""
    with st.sidebar:
        _choose_workspace()
        workspace = state.workspace()
        default = workspace.settings.defaults.preset if workspace else "bendale"
        presets = list(PRESETS)
        preset = st.selectbox(
            "Method",
            presets,
            index=presets.index(default),
            key="method",
            bind="query-params",
            help="How logits become C + 1 probabilities. "
            + " ".join(f"**{name}**: {text}" for name, text in DESCRIPTIONS.items()),
        )
        st.caption(DESCRIPTIONS[preset])
        with st.expander("Method settings", icon=":material/settings:"):
            standard = PRESETS[preset]
            st.number_input(
                "Tail size η",
                min_value=2,
                max_value=100_000,
                value=None,
                placeholder=f"{standard['tail_size']} (preset)",
                key="tail_size",
                bind="query-params",
                help="How many of the largest distances of each class its Weibull is fitted to.",
            )
            if standard["weighting"] != "all":
                st.number_input(
                    "Alpha rank α",
                    min_value=1,
                    max_value=100_000,
                    value=None,
                    placeholder=f"{standard['alpha_rank']} (preset)",
                    key="alpha_rank",
                    bind="query-params",
                    help="How many top-ranked classes are re-weighted; at most all of them.",
                )


def _choose_workspace() -> None:
    folders = [start.demo().folder, *start.roots().find()]
    if (own := start.started_with()) is not None:
        folders.insert(0, own)
    if (opened := st.session_state.get("opened_folder")) is not None:
        folders.append(opened)
    named = workspace_names(dict.fromkeys(folders))
    if (wanted := st.session_state.pop("show_folder", None)) is not None:
        name = next((name for name, folder in named.items() if folder == wanted), None)
        if name is not None:
            st.session_state["workspace"] = name
    names = list(named)
    name = st.selectbox("Workspace", names, key="workspace", bind="query-params")
    try:
        state.set_workspace(start.roots().open(named[name]))
    except OpenMaxError as error:
        state.set_workspace(None, str(error))
