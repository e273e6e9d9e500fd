"""Small multiples: one panel a class, drawn in the browser; a click opens the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from openmax_core.analysis.class_health import Health
from openmax_core.analysis.multiples import MOST_RUGS, multiple
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.decimals import threshold_text
from pages._shared.components import multiples
from pages._weibull import fits

MOST_PLOTS = 12


def show_multiples(
    evaluation: Evaluation,
    health: Health,
    classes: Sequence[int],
    threshold: float,
) -> int | None:
    """Draw the panels; returns the class that was clicked, if one was."""
    distances = fits.distances(evaluation)
    items = [multiple(evaluation, distances, health, index, threshold) for index in classes]
    opened = multiples(
        key="multiples",
        data={
            "key": _key(evaluation, items, threshold),
            "items": items,
        },
        on_opened_change=lambda: None,
    ).opened
    distance = evaluation.openmax.settings_.distance_in_words
    st.caption(
        f"Horizontal axis: distance to the class's mean ({distance}). "
        f"Numbers left of a strip count its pictures; more than {MOST_RUGS} are drawn as a "
        "histogram. ← and → count pictures outside of the panel. The text below counts rejected "
        f"pictures at threshold {threshold_text(threshold)}. The threshold applies to scores; the "
        "dashed line is the distance that separates rejected and accepted pictures best. Click a "
        "panel to open the class."
    )
    # Only what is shown can be opened: the number comes back from the browser.
    return opened if type(opened) is int and opened in classes else None


def _key(
    evaluation: Evaluation, items: Sequence[dict[str, Any]], threshold: float
) -> list[dict[str, str]]:
    """What the lines and marks mean."""
    entries = [("curve", "Weibull CDF"), ("steps", "empirical CDF of the tail")]
    if any(item["boundary"] is not None for item in items):
        text = f"beyond this distance most are rejected, at threshold {threshold_text(threshold)}"
        entries.append(("boundary", text))
    entries.append(("test", "test pictures of this class"))
    if evaluation.reject is not None:
        entries.append(("reject", "reject pictures whose largest logit is this class"))
    return [{"name": name, "text": text} for name, text in entries]
