"""One threshold per predicted class, compared with a single threshold."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.shares import percent, points, points_range
from openmax_core.tradeoff.class_thresholds import (
    ClassThresholds,
    Difference,
    Gain,
    choose_class_thresholds,
    measure_gain,
    promise_class_thresholds,
)
from openmax_core.tradeoff.objectives import Objective
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from pages._shared.format import plain
from pages._shared.kept import KEYS


def show_class_thresholds(
    evaluation: Evaluation, objective: Objective, confidence: float
) -> OperatingPoint | None:
    """Draw thresholds and gain; returns the point that has them, or the promised ones if asked for.

    Parameters
    ----------
    confidence : of the promise
    """
    try:
        chosen, gain = _choose(evaluation, objective)
    except NoFeasibleThresholdError as error:
        st.warning(
            f"Thresholds per class cannot be compared. On one half of the pictures: {error}.",
            icon=":material/warning:",
        )
        return None
    _show_verdict(gain)
    st.table(_gains(gain, objective, evaluation.curve.n_reject), border="horizontal")
    chosen = _promised(evaluation, objective, confidence) or chosen
    point = evaluation.class_point(chosen, objective)
    with st.expander("Thresholds of the classes"):
        st.dataframe(
            pd.DataFrame(
                {
                    "predicted class": evaluation.method.class_names_,
                    "threshold": chosen.thresholds,
                }
            ),
            hide_index=True,
            column_config={"threshold": st.column_config.NumberColumn(format="%.15g")},
        )
    return point


def _promised(
    evaluation: Evaluation, objective: Objective, confidence: float
) -> ClassThresholds | None:
    """Draw what thresholds per class can promise; returns them where they are to be taken."""
    try:
        found = _promise(evaluation, objective, confidence)
    except OpenMaxError as error:
        st.caption(f"Thresholds per class promise nothing: {plain(str(error))}.")
        return None
    if found.promise is None or found.outcome.useless:
        st.caption(f"Thresholds per class promise nothing: those that do {found.outcome.useless}.")
        return None
    accuracies = f"Test accuracy {percent(found.outcome.test_accuracy)}"
    if found.outcome.n_reject:
        accuracies += f", Reject accuracy {percent(found.outcome.reject_accuracy)}"
    st.caption(
        f"Other thresholds per class can be promised: {plain(found.promise.in_words)}. On all of "
        f"these pictures they have {accuracies}. One half of the pictures chose them, the other "
        "half tested them."
    )
    return found if st.toggle("Take the promised ones", key="promised_per_class") else None


@st.cache_resource(
    show_spinner="Promising thresholds per class …", max_entries=100, hash_funcs=KEYS
)
def _promise(evaluation: Evaluation, objective: Objective, confidence: float) -> ClassThresholds:
    return promise_class_thresholds(evaluation.curve, objective, confidence)


@st.cache_resource(
    show_spinner="Choosing a threshold per class …", max_entries=100, hash_funcs=KEYS
)
def _choose(evaluation: Evaluation, objective: Objective) -> tuple[ClassThresholds, Gain]:
    curve = evaluation.curve
    return choose_class_thresholds(curve, objective), measure_gain(curve, objective)


def _show_verdict(gain: Gain) -> None:
    if gain.is_worth_it:
        st.success(
            "Thresholds per class are **better**: on pictures that were not used for the choice, "
            "the gain is larger than chance.",
            icon=":material/trending_up:",
        )
    elif gain.net.interval.high >= 0:
        st.warning(
            "The gain of thresholds per class is **within noise**: use the single threshold.",
            icon=":material/warning:",
        )
    else:
        st.warning(
            "Thresholds per class are **worse** on pictures that were not used for the choice: use "
            "the single threshold.",
            icon=":material/trending_down:",
        )


def _gains(gain: Gain, objective: Objective, n_reject: int) -> pd.DataFrame:
    """Differences to the single threshold, on pictures that were not used for either choice."""
    rows = {"Test accuracy": _in_words(gain.test_accuracy, is_share=True)}
    if n_reject:
        rows["Reject accuracy"] = _in_words(gain.reject_accuracy, is_share=True)
    rows.setdefault(objective.gain_name, _in_words(gain.value, objective.gain_is_share))
    if objective.requirement:
        kept = f"{objective.gain_name}, with the same constraint ({objective.requirement})"
        rows[kept] = _in_words(gain.net, objective.gain_is_share)
    return pd.DataFrame(
        {"gain over the single threshold, with 95 % interval": rows.values()}, index=list(rows)
    )


def _in_words(difference: Difference, is_share: bool) -> str:
    low, high = difference.interval.low, difference.interval.high
    if not is_share:
        return f"{difference.value:+.4g} ({low:+.4g} to {high:+.4g})"
    return f"{points(difference.value)} ({points_range(low, high)})"
