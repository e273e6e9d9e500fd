"""Plotly figures: pure functions of data, returned, never shown.

Backgrounds are transparent and text takes the page's colour, so one figure serves light and dark.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from openmax_core.methods.openmax import OpenMax
from openmax_core.support.figures import CHOSEN_COLOUR, KNOWN_COLOUR, UNKNOWN_COLOUR, lay_out
from openmax_core.weibull.fit import WeibullMaxFit

N_CURVE_POINTS = 300


def weibull_figure(openmax: OpenMax, index: int, distance: float | None = None) -> go.Figure:
    """CDF of one class over the distance to its MAV, with the tail's distances on it.

    Parameters
    ----------
    distance : of one picture, which is marked; optional
    """
    tail = openmax.tails_[index]
    model = openmax.weibull_
    one = np.array([index])
    if isinstance(model, WeibullMaxFit):
        low, high = tail[0], max(tail[-1], model.loc[index])
    else:
        low = min(tail[0], model.quantile(0.0)[index])
        high = max(tail[-1], model.quantile(0.995)[index])
    if distance is not None:
        low, high = min(low, distance), max(high, distance)
    margin = 0.06 * (high - low)
    # Denser where the tail is, so that a step is drawn as one.
    x = np.union1d(np.linspace(max(0.0, low - margin), high + margin, N_CURVE_POINTS), tail)
    figure = go.Figure()
    figure.add_scatter(
        x=x,
        y=model.cdf(x, np.broadcast_to(one, x.shape)),
        name="Weibull CDF",
        mode="lines",
        line={"color": KNOWN_COLOUR, "width": 2.5},
        hovertemplate="CDF %{y:.4f} at distance %{x:.4g}<extra></extra>",
    )
    figure.add_scatter(
        x=tail,
        y=model.cdf(tail, np.broadcast_to(one, tail.shape)),
        name=f"Tail ({len(tail)} pictures)",
        mode="markers",
        marker={"color": UNKNOWN_COLOUR, "size": 7, "opacity": 0.7},
        hovertemplate="picture of the tail at distance %{x:.4g}, CDF %{y:.4f}<extra></extra>",
    )
    if distance is not None:
        figure.add_scatter(
            x=[distance],
            y=model.cdf(np.array([distance]), one),
            name="this picture",
            mode="markers",
            marker={"color": CHOSEN_COLOUR, "size": 13, "symbol": "diamond"},
            hovertemplate="this picture: CDF %{y:.4f} at distance %{x:.4g}<extra></extra>",
        )
    lay_out(figure, f"Distance ({openmax.distance_in_words})", "CDF", 280)
    figure.update_yaxes(range=[-0.03, 1.05])
    return figure


def probability_figure(
    class_names: tuple[str, ...], probabilities: Any, threshold: float | None
) -> go.Figure:
    """Bars of one picture's C + 1 probabilities, most probable first, at most ten.

    ``threshold`` is drawn where the largest probability itself is compared with it.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    names = np.array([*class_names, "unknown"], dtype=object)
    order = np.argsort(-values, kind="stable")[:10]
    figure = go.Figure(
        go.Bar(
            x=values[order],
            y=names[order],
            orientation="h",
            text=[f"{value:.3f}" for value in values[order]],
            textposition="outside",
            cliponaxis=False,
            marker={
                "color": [UNKNOWN_COLOUR if i == len(class_names) else KNOWN_COLOUR for i in order]
            },
            hovertemplate="%{y}: %{x:.6f}<extra></extra>",
        )
    )
    lay_out(figure, "", "", 44 + 30 * len(order))
    figure.update_layout(margin={"l": 8, "r": 44, "t": 8, "b": 24}, bargap=0.35)
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    if threshold is not None:
        figure.add_vline(
            x=threshold, line={"color": CHOSEN_COLOUR, "width": 2, "dash": "dash"}, layer="below"
        )
    return figure
