"""What decides where the method is not OpenMax: its score, in words and as histograms."""

from __future__ import annotations

import streamlit as st

from openmax_core.analysis import figures
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.settings import PRESETS
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.format import plain

PLOT = {"displayModeBar": False}


def show_scores(workspace: Workspace, evaluation: Evaluation) -> None:
    """Draw words, formula and the scores of test and reject pictures, by predicted class."""
    method = evaluation.method
    words = method.words
    st.markdown(
        f"The method **{method.name}** ({words.title}) fits no Weibull. {words.sentence}\n\n"
        f"- Score: **{words.formula}** ({words.score}). z are the logits of a picture"
        f"{', x its features' if method.needs_features else ''}. A larger score means more "
        f"known.{' ' * bool(method.learned_in_words)}{method.learned_in_words}\n"
        "- The prediction is the class with the largest logit. A picture is rejected if its score "
        "is below the threshold; nothing else rejects it.\n"
        f"- {words.shift}\n\n"
        f"To see Weibull curves, choose a preset of OpenMax in the sidebar: {', '.join(PRESETS)}."
    )
    if evaluation.counted is not None:
        st.caption(f"The histograms show {evaluation.sample_in_words}.")
    names = method.class_names_
    chosen = st.selectbox(
        "Predicted class",
        [None, *range(len(names))],
        format_func=lambda index: "all classes" if index is None else names[index],
        key="score_class",
        width=420,
    )
    threshold = state.threshold(workspace, evaluation)
    axis = state.chart_axis(evaluation)
    st.plotly_chart(
        figures.score_histogram(evaluation, chosen, threshold, axis),
        key="score_histogram",
        config=PLOT,
    )
    of = "all pictures" if chosen is None else f"pictures taken for {plain(names[chosen])}"
    st.caption(
        f"Scores of {of}: test pictures (blue) and reject pictures (orange), each as shares of "
        "their own number. The dashed line is the threshold. The axis is that of the charts on the "
        "page Threshold, where you can choose another."
    )
