"""What production looks like: the share of each kind of unknowns, set in a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from streamlit.column_config import NumberColumn, TextColumn

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.format import plain
from pages._shared.kept import kept
from pages._shared.widgets import edit_table, show_error

EXPLANATIONS = {
    "Wilson": "The kinds' Wilson intervals are combined by the squares of their arms (MOVER), so "
    "the interval is right on average.",
    "Clopper–Pearson": "The kinds' Clopper–Pearson intervals hold together (Bonferroni), so the "
    "interval never covers less than 95 %.",
}


def show_production(workspace: Workspace, evaluation: Evaluation, interval: str) -> Evaluation:
    """Draw the shares of the kinds; returns the evaluation that is weighted by them.

    Nothing is drawn where the reject set is not divided.

    Parameters
    ----------
    interval : kind of the intervals, see :data:`openmax_core.tradeoff.intervals.INTERVALS`
    """
    evaluation = _with_kinds(evaluation)
    sizes = {} if evaluation.kinds is None else evaluation.kinds.sizes
    if len(sizes) < 2:
        return evaluation
    shares = state.kind_shares(workspace)
    with st.expander(
        "What production looks like: kinds of unknowns",
        icon=":material/balance:",
        expanded=bool(shares),
    ):
        if evaluation.counted is not None:
            st.caption(
                f"Not available for {evaluation.overall.n_reject:,} reject pictures: scores are "
                "counted for all kinds together."
            )
            return evaluation
        st.markdown(
            "Give each kind of unknowns (a folder of the reject set) the share that you expect in "
            "production, in any unit: 3 and 1 are the same as 75 and 25. Reject accuracy is then "
            "weighted by the shares, everywhere on this page. A kind without a share is not "
            "expected. Without any share all pictures count alike."
        )
        shares = _edited(workspace, sizes, shares)
        st.button(
            "Count all pictures alike",
            icon=":material/backspace:",
            key="no_kind_shares",
            disabled=not shares,
            on_click=lambda: state.set_kind_shares(workspace, {}),
        )
        try:
            found = _in_production(evaluation, shares)
        except OpenMaxError as error:
            show_error(error)
            return evaluation
        if found.mix is not None:
            st.caption(
                f"Reject accuracy is weighted: {plain(found.mix.in_words)}. "
                f"{EXPLANATIONS[interval]} AUROC, the histogram and the confusion count all "
                "pictures alike."
            )
    return found


def _edited(
    workspace: Workspace, sizes: dict[str, int], shares: dict[str, float]
) -> dict[str, float]:
    """Draw the table; returns the shares that are above 0, and remembers them.

    The editor keeps the changes that were made to the table it began with, so this one stays the
    same as long as the editor is there.
    """
    key = f"kinds_{workspace.folder}_{st.session_state.get('kind_shares_version', 0)}"
    first = f"first_{key}"
    if key not in st.session_state or first not in st.session_state:
        st.session_state[first] = pd.DataFrame(
            {
                "kind": list(sizes),
                "share": [shares.get(name) for name in sizes],
                "pictures": list(sizes.values()),
            }
        ).astype({"share": float})
    edited = edit_table(
        st.session_state[first],
        {
            "kind": TextColumn("Kind of unknowns", disabled=True),
            "share": NumberColumn(
                "Share in production", min_value=0.0, max_value=1e9, required=False
            ),
            "pictures": NumberColumn("Reject pictures", format="localized", disabled=True),
        },
        key=key,
    )
    pairs = zip(edited["kind"].tolist(), edited["share"].tolist(), strict=True)
    found = {name: float(share) for name, share in pairs if share is not None and share > 0}
    state.keep_kind_shares(workspace, found)
    return found


@kept()
def _with_kinds(evaluation: Evaluation) -> Evaluation:
    return evaluation.with_kinds()


@kept()
def _in_production(evaluation: Evaluation, shares: dict[str, float]) -> Evaluation:
    return evaluation.in_production(shares)
