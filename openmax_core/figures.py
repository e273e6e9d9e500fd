"""Plotly figures: pure functions of data, returned, never shown.

Backgrounds are transparent and text takes the page's colour, so one figure serves light and dark.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from openmax_core.evaluation import TradeoffCurve
from openmax_core.openmax import OpenMax
from openmax_core.weibull import WeibullMaxFit

TEST, REJECT, CHOSEN = "#3b82f6", "#f97316", "#8b5cf6"
WRONG, REJECTED = "#dc2626", "#94a3b8"
GRID = "rgba(128, 128, 128, 0.22)"
HEIGHT = 340
N_BINS = 60
N_CURVE_POINTS = 300


def tradeoff_figure(
    curve: TradeoffCurve,
    threshold: float,
    score_range: tuple[float, float],
    floor: float | None = None,
) -> go.Figure:
    """Test and Reject accuracy over the threshold, with the threshold and the floor marked."""
    figure = go.Figure()
    drawn = np.union1d(curve.drawn_thresholds(), score_range)
    series = [("Test accuracy", TEST, curve.test_accuracy)]
    if curve.n_reject:
        series.append(("Reject accuracy", REJECT, curve.reject_accuracy))
    for name, colour, accuracy in series:
        figure.add_scatter(
            x=drawn,
            y=accuracy(drawn),
            name=name,
            mode="lines",
            # The value at a score holds down to the score below it.
            line={"color": colour, "width": 2.5, "shape": "vh"},
            hovertemplate=f"{name} %{{y:.4f}} at threshold %{{x:.4f}}<extra></extra>",
        )
        value = accuracy(threshold)
        figure.add_scatter(
            x=[threshold],
            y=[value],
            mode="markers",
            marker={"color": colour, "size": 11, "line": {"color": "white", "width": 2}},
            showlegend=False,
            hovertemplate=f"{name} %{{y:.4f}} at the threshold %{{x:.4f}}<extra></extra>",
        )
    _mark_threshold(figure, threshold, score_range)
    if floor is not None:
        figure.add_scatter(
            x=_padded(score_range),
            y=[floor, floor],
            name=f"Floor {floor:g}",
            mode="lines",
            line={"color": TEST, "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
        )
    _lay_out(figure, "Threshold", "Accuracy", HEIGHT)
    figure.update_xaxes(range=_padded(score_range))
    figure.update_yaxes(range=[-0.02, 1.04], tickformat=".0%")
    return figure


def score_figure(
    curve: TradeoffCurve, threshold: float, score_range: tuple[float, float]
) -> go.Figure:
    """Histograms of the scores of test and reject pictures, with the threshold marked."""
    figure = go.Figure()
    edges = np.linspace(*score_range, N_BINS + 1)
    for name, scores, colour in (
        ("Test pictures", curve.test_scores, TEST),
        ("Reject pictures", curve.reject_scores, REJECT),
    ):
        if not len(scores):
            continue
        counts, _ = np.histogram(np.clip(scores, *score_range), edges)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts / len(scores),
            width=np.diff(edges),
            customdata=counts,
            name=f"{name} ({len(scores):,})",
            marker={"color": colour, "line": {"width": 0}},
            opacity=0.6,
            hovertemplate="%{customdata:,} pictures (%{y:.1%}) around %{x:.3f}<extra></extra>",
        )
    _mark_threshold(figure, threshold, score_range)
    _lay_out(figure, "Score that is compared with the threshold", "Share of the set", HEIGHT)
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(range=_padded(score_range))
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure


def confusion_figure(table: pd.DataFrame, most: int = 30) -> go.Figure:
    """Heat map of counts, each row as shares of its true class; the last column is 'rejected'.

    Parameters
    ----------
    table : counts of :func:`openmax_core.tables.confusion_table`
    most : classes up to which counts and names are written into the cells
    """
    counts = table.to_numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=[str(name) for name in table.columns],
            y=[str(name) for name in table.index],
            customdata=counts,
            colorscale=[[0, "rgba(59, 130, 246, 0.04)"], [1, TEST]],
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=2,
            ygap=2,
            hovertemplate="%{y} decided as %{x}: %{customdata:,} (%{z:.1%})<extra></extra>",
        )
    )
    if len(table) <= most:
        _write_counts(figure, table, counts, shares)
    _lay_out(figure, "Decided", "True", max(HEIGHT, 40 * min(len(table), most) + 90))
    figure.update_xaxes(type="category", side="bottom", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure


def _write_counts(
    figure: go.Figure, table: pd.DataFrame, counts: NDArray[Any], shares: NDArray[np.float64]
) -> None:
    """Counts on the cells: white on dark cells, in the page's own colour on light ones."""
    for is_dark, font in ((True, {"color": "white"}), (False, {})):
        cells = np.argwhere((shares > 0.5) == is_dark).tolist()
        figure.add_scatter(
            x=[str(table.columns[column]) for _, column in cells],
            y=[str(table.index[row]) for row, _ in cells],
            text=[f"{counts[row, column]:,}" for row, column in cells],
            mode="text",
            textfont={"size": 13, **font},
            hoverinfo="skip",
            showlegend=False,
        )


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
        line={"color": TEST, "width": 2.5},
        hovertemplate="CDF %{y:.4f} at distance %{x:.4g}<extra></extra>",
    )
    figure.add_scatter(
        x=tail,
        y=model.cdf(tail, np.broadcast_to(one, tail.shape)),
        name=f"Tail ({len(tail)} pictures)",
        mode="markers",
        marker={"color": REJECT, "size": 7, "opacity": 0.7},
        hovertemplate="picture of the tail at distance %{x:.4g}, CDF %{y:.4f}<extra></extra>",
    )
    if distance is not None:
        figure.add_scatter(
            x=[distance],
            y=model.cdf(np.array([distance]), one),
            name="this picture",
            mode="markers",
            marker={"color": CHOSEN, "size": 13, "symbol": "diamond"},
            hovertemplate="this picture: CDF %{y:.4f} at distance %{x:.4g}<extra></extra>",
        )
    _lay_out(figure, f"Distance ({_distance_in_words(openmax)})", "CDF", 280)
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
            marker={"color": [REJECT if i == len(class_names) else TEST for i in order]},
            hovertemplate="%{y}: %{x:.6f}<extra></extra>",
        )
    )
    _lay_out(figure, "", "", 44 + 30 * len(order))
    figure.update_layout(margin={"l": 8, "r": 44, "t": 8, "b": 24}, bargap=0.35)
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    if threshold is not None:
        figure.add_vline(
            x=threshold, line={"color": CHOSEN, "width": 2, "dash": "dash"}, layer="below"
        )
    return figure


def _distance_in_words(openmax: OpenMax) -> str:
    return {
        "euclidean": "Euclidean",
        "squared_euclidean": "squared Euclidean",
        "cosine": "cosine",
        "eucos": "Euclidean/200 + cosine",
    }[openmax.settings_["distance"]]


def _mark_threshold(figure: go.Figure, threshold: float, score_range: tuple[float, float]) -> None:
    figure.add_vline(
        x=threshold,
        line={"color": CHOSEN, "width": 2, "dash": "dash"},
        annotation_text=f"threshold {threshold:.6g}",
        annotation_position="top left" if threshold > sum(score_range) / 2 else "top right",
        annotation_font={"size": 12, "color": CHOSEN},
    )


def _padded(score_range: tuple[float, float]) -> list[float]:
    low, high = score_range
    margin = 0.015 * (high - low)
    return [low - margin, high + margin]


def _lay_out(figure: go.Figure, x_title: str, y_title: str, height: int) -> None:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": ""},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(title=x_title, gridcolor=GRID, zeroline=False, automargin=True)
    figure.update_yaxes(title=y_title, gridcolor=GRID, zeroline=False, automargin=True)
