"""Upload: open-set decisions on pictures of the visitor, or on a table of logits."""

from __future__ import annotations

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.pictures.strangers import make_ready
from pages._shared.guards import require_evaluation, show_point_problem, show_provenance
from pages._shared.registry import ensure_routed
from pages._shared.widgets import show_error
from pages._upload import basket
from pages._upload.cards import show_cards
from pages._upload.tables import show_table_upload
from pages._upload.ways_in import show_refused, show_ways_in


def main() -> None:
    st.title("Upload")
    workspace, evaluation = require_evaluation()
    show_provenance(evaluation)
    show_point_problem(workspace)
    if workspace.settings.tables:
        show_table_upload(workspace, evaluation)
        return
    # The network loads, and what decodes starts, while the visitor looks for pictures.
    basket.engine_job(workspace, evaluation.method)
    make_ready()
    show_ways_in(workspace, evaluation)
    try:
        answered = basket.answered(workspace, evaluation.method)
    except OpenMaxError as error:
        show_error(error)
        return
    show_refused(basket.refused())
    if answered:
        st.fragment(show_cards)(workspace, evaluation, answered)


ensure_routed()
main()
