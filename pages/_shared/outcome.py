"""What happens at a threshold, as large numbers with their counts and intervals."""

from __future__ import annotations

import streamlit as st

from openmax_core.evaluation import Outcome
from pages._shared.format import interval, percent


def show_outcome(outcome: Outcome) -> None:
    """Draw Test and Reject accuracy and what they cost."""
    reject = outcome.n_reject > 0
    with st.container(horizontal=True):
        st.metric(
            "Test accuracy",
            percent(outcome.test_accuracy),
            delta=f"{outcome.correct:,} of {outcome.n_test:,} · {interval(outcome.test_interval)}",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Share of the test set given its right class; a rejected picture counts as "
            "wrong. With the 95 % Wilson interval.",
        )
        st.metric(
            "Reject accuracy",
            percent(outcome.reject_accuracy) if reject else "not measured",
            delta=f"{outcome.rejected_unknown:,} of {outcome.n_reject:,} · "
            f"{interval(outcome.reject_interval)}"
            if reject
            else "no reject set",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Share of the reject set that is rejected. With the 95 % Wilson interval.",
        )
        st.metric(
            "Known, rejected",
            f"{outcome.rejected_known:,}",
            delta=f"and {outcome.wrong:,} in a wrong class",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Test pictures that the threshold turns away, and those it lets pass wrongly.",
        )
        st.metric(
            "Unknown, accepted",
            f"{outcome.accepted_unknown:,}" if reject else "–",
            delta=f"of {outcome.n_reject:,} unknowns",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Reject pictures that are taken for a known class.",
        )
