"""One of the visitor's pictures in large: what decided about it, in every class."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from openmax_core.analysis import figures
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.pictures.uploads import Upload
from openmax_core.prediction.answers import large_view
from openmax_core.prediction.cards import N_NEAREST
from openmax_core.prediction.results import class_values
from openmax_core.prediction.verdicts import ACCEPTED, ScoredPictures
from openmax_core.workspace.workspace import Workspace
from pages._shared.format import plain

PLOT = {"displayModeBar": False, "staticPlot": True}
MOST_ROWS = 12
WIDTH = 200


@st.dialog("Picture", width="large")
def open_picture(
    workspace: Workspace,
    evaluation: Evaluation,
    scored: ScoredPictures,
    row: int,
    file: Upload,
    decision: pd.Series,
) -> None:
    """Draw both pictures, the reason, the classes' figures and the nearest Weibull CDFs."""
    is_accepted = decision["verdict"] == ACCEPTED
    verdict = f"Accepted as {decision['decision']}" if is_accepted else "Rejected"
    reason = str(decision["reason"])
    st.markdown(f"**{plain(verdict)}** · {plain(file.name)}")
    st.caption(f"{plain(reason[:1].upper() + reason[1:])}.")
    pictures, numbers = st.columns([1, 3], gap="medium")
    view = large_view(file.content, workspace.settings.transform)
    if view is not None:
        # Data URLs: a picture that Streamlit serves would have an address of its own.
        pictures.image(view.original, width=WIDTH)
        pictures.caption("Original, {} × {} pixels".format(*view.size))
        pictures.image(view.seen, width=WIDTH)
        pictures.caption("What the network sees, {} × {} pixels".format(*view.seen_size))
    table = class_values(scored, row)
    share = st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="%.4f")
    numbers.dataframe(
        table,
        hide_index=True,
        placeholder="",
        height="content" if len(table) <= MOST_ROWS else 460,
        column_config={
            "logit": st.column_config.NumberColumn(format="%.3f"),
            "before": share | {"label": "before"},
            "after": share | {"label": "after OpenMax"},
            "distance": st.column_config.NumberColumn(format="%.4g"),
            "cdf": share | {"label": "Weibull CDF"},
        },
    )
    st.markdown("**How far out it lies**, beside the tails of the nearest classes")
    names = evaluation.openmax.class_names_
    nearest = scored.ranked(row)[:N_NEAREST]
    for column, index in zip(st.columns(N_NEAREST, gap="medium"), nearest, strict=False):
        distance, cdf = scored.distances[row, index], scored.cdf[row, index]
        column.markdown(
            f"Class {plain(names[index])}: CDF **{cdf:.4f}** at distance {distance:.4g}"
        )
        column.plotly_chart(
            figures.weibull_figure(evaluation.openmax, index, distance),
            key=f"opened_weibull_{index}",
            config=PLOT,
        )
