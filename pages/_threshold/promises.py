"""The promised threshold beside the recommended one, and how many pictures a promise needs."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.evaluation.offers import Offer, plan_in_words
from openmax_core.support.decimals import threshold_text
from openmax_core.support.shares import percent
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.promises import (
    DEFAULT_CONFIDENCE,
    LEVELS,
    PRESUPPOSED,
    confidence_text,
)
from pages._shared.format import plain, sentence
from pages._shared.widgets import choose


def ask_confidence() -> float:
    """Draw the choice of a promise's confidence and return it."""
    row = st.container(horizontal=True, vertical_alignment="center")
    row.caption(
        "Confidence of the promise",
        width="content",
        help="With 95 %: of many sets of pictures as large as these, at most 5 % give a promise "
        "that new pictures break.",
    )
    return choose(
        row,
        "Confidence of the promise",
        list(LEVELS),
        "confidence",
        DEFAULT_CONFIDENCE,
        confidence_text,
    )


def show_promise(evaluation: Evaluation, offer: Offer) -> None:
    """Draw both points in one table, or why nothing is promised, and the planner."""
    rows = {}
    if offer.best is not None and not offer.problem:
        rows["recommended"] = _row(offer.best, "nothing on new pictures", "")
    if (promised := offer.promised) is not None and promised.promise is not None:
        price = offer.price_in_words if rows else ""
        rows["promised"] = _row(promised, plain(promised.promise.in_words), price)
    if rows:
        st.table(pd.DataFrame(rows).T, border="horizontal")
    if offer.promised is None:
        st.markdown(f"**No promise:** {sentence(offer.promise_problem)}")
    else:
        st.caption(f"The promise presupposes {PRESUPPOSED}.")
    if plan := plan_in_words(evaluation, offer.objective, offer.confidence):
        with st.expander("How many pictures for this promise?"):
            st.table(pd.DataFrame(plan), hide_index=True, border="horizontal")
            st.caption(
                "*Needed on them* is the smallest share at which so many pictures allow the "
                "promise. *Leaves* is what the present pictures have at such a threshold."
            )


def _row(point: OperatingPoint, promise: str, price: str) -> dict[str, str]:
    here = f"Test accuracy {percent(point.test_accuracy)}"
    if point.reject_accuracy is not None:
        here += f", Reject accuracy {percent(point.reject_accuracy)}"
    return {
        "threshold": threshold_text(point.threshold),
        "on these pictures": here.replace(" %", "\u00a0%"),  # a line does not begin with '%'
        "promised": promise,
        "costs": price,
    }
