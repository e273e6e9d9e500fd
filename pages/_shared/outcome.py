"""What happens at a threshold, as large numbers with their counts and intervals."""

from __future__ import annotations

import streamlit as st

from openmax_core.outcomes import Outcome
from pages._shared.format import interval, percent
from pages._shared.widgets import figure_card


def show_outcome(outcome: Outcome) -> None:
    """Draw Test and Reject accuracy and what they cost."""
    reject = outcome.n_reject > 0
    with st.container(horizontal=True):
        figure_card(
            "Test accuracy",
            percent(outcome.test_accuracy),
            note=f"{outcome.correct:,} of {outcome.n_test:,} · {interval(outcome.test_interval)}",
            explanation="Share of the test set given its right class; a rejected picture counts as "
            "wrong. With the 95 % Wilson interval.",
        )
        figure_card(
            "Reject accuracy",
            percent(outcome.reject_accuracy) if reject else "not measured",
            note=f"{outcome.rejected_unknown:,} of {outcome.n_reject:,} · "
            f"{interval(outcome.reject_interval)}"
            if reject
            else "no reject set",
            explanation="Share of the reject set that is rejected. With the 95 % Wilson interval.",
        )
        figure_card(
            "Known, rejected",
            f"{outcome.rejected_known:,}",
            note=f"and {outcome.wrong:,} in a wrong class",
            explanation="Test pictures that the threshold turns away, and those it lets pass "
            "wrongly.",
        )
        figure_card(
            "Unknown, accepted",
            f"{outcome.accepted_unknown:,}" if reject else "–",
            note=f"of {outcome.n_reject:,} unknowns",
            explanation="Reject pictures that are taken for a known class.",
        )
