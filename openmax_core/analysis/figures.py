"""Plotly figures: pure functions of data, returned, never shown.

Backgrounds are transparent and text takes the page's colour, so one figure serves light and dark.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from scipy.special import betaincinv

from openmax_core.analysis.comparison import BASELINE, Comparison
from openmax_core.analysis.multiples import shown_range
from openmax_core.analysis.paired_bootstrap import MetricGrid
from openmax_core.analysis.sensitivity import REJECT_AT_FLOOR, Sensitivity
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.openmax import OpenMax
from openmax_core.support.arrays import Float
from openmax_core.support.figures import (
    CHOSEN_COLOUR,
    KNOWN_COLOUR,
    UNKNOWN_COLOUR,
    label,
    lay_out,
)
from openmax_core.support.shares import (
    exact_percent,
    percent,
    percent_range,
    points,
    points_range,
)
from openmax_core.weibull.fit import WeibullMaxFit
from openmax_core.weibull.tails import cdf_curve, density, empirical_cdf, quantiles, thinned

HEIGHT = 300
N_SCORE_BINS = 60
N_CURVE_POINTS = 400
MOST_MARKS = 500
MOST_BINS = 16
EMPIRICAL = "#64748b"
LINES = ("#0ea5e9", "#f59e0b", "#10b981", "#ef4444", "#6366f1", "#14b8a6", "#ec4899", "#84cc16")
WORSE, ALIKE, BETTER, ON_CELL = "#fb923c", "#e2e8f0", "#60a5fa", "#0f172a"


def weibull_figure(openmax: OpenMax, index: int, distance: float | None = None) -> go.Figure:
    """CDF of one class over the distance to its MAV, with the tail's distances on it.

    Parameters
    ----------
    distance : of one picture, which is marked; optional
    """
    tail = openmax.tails_[index]
    model = openmax.weibull_
    if isinstance(model, WeibullMaxFit):
        low, high = tail[0], max(tail[-1], model.loc[index])
    else:
        low = min(tail[0], model.quantile(0.0)[index])
        high = max(tail[-1], model.quantile(0.995)[index])
    if distance is not None:
        low, high = min(low, distance), max(high, distance)
    margin = 0.06 * (high - low)
    low, high = max(0.0, low - margin), high + margin
    x, cdf = cdf_curve(model, index, low, high, N_CURVE_POINTS, tail)
    figure = go.Figure()
    _add_weibull(figure, x, cdf, "CDF %{y:.4f}", "Weibull CDF", KNOWN_COLOUR)
    figure.add_scatter(
        x=tail,
        y=model.cdf(tail, index),
        name=f"Tail ({len(tail)} pictures)",
        mode="markers",
        marker={"color": UNKNOWN_COLOUR, "size": 7, "opacity": 0.7},
        hovertemplate="picture of the tail at distance %{x:.4g}, CDF %{y:.4f}<extra></extra>",
    )
    if distance is not None:
        figure.add_scatter(
            x=[distance],
            y=model.cdf([distance], index),
            name="this picture",
            mode="markers",
            marker={"color": CHOSEN_COLOUR, "size": 13, "symbol": "diamond"},
            hovertemplate="this picture: CDF %{y:.4f} at distance %{x:.4g}<extra></extra>",
        )
    lay_out(figure, _distance_title(openmax), "CDF", 280)
    figure.update_yaxes(range=[-0.03, 1.05])
    return figure


def probability_figure(
    class_names: tuple[str, ...], probabilities: Any, threshold: float | None
) -> go.Figure:
    """Bars of one picture's C or C + 1 probabilities, most probable first, at most ten.

    ``threshold`` is drawn where the largest probability itself is compared with it.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    names = np.array([*map(label, class_names), "unknown"], dtype=object)
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
    figure.update_xaxes(range=[0, 1], tickformat="~%")
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    if threshold is not None:
        figure.add_vline(
            x=threshold, line={"color": CHOSEN_COLOUR, "width": 2, "dash": "dash"}, layer="below"
        )
    return figure


def score_histogram(
    evaluation: Evaluation,
    index: int | None = None,
    threshold: float | None = None,
    axis: str = "score",
) -> go.Figure:
    """Scores of test and reject pictures, as shares of each; of one predicted class, or of all.

    Parameters
    ----------
    index : predicted class; None: all pictures
    axis : 'score', or 'share': of the knowns that are rejected below a score
    """
    curve, (low, high) = evaluation.curve, evaluation.score_range
    is_share = axis == "share"
    if is_share:
        low, high = 0.0, 1.0

    def places(scores: Float) -> Float:
        if not is_share:
            # The range is that of all pictures, so that rounding alone can put one beyond it.
            return np.clip(scores, low, high)
        return evaluation.overall.outcomes(scores).rejected_known_share

    edges = np.linspace(low, high, N_SCORE_BINS + 1)
    figure = go.Figure()
    for name, colour, scores, predictions in (
        ("test", KNOWN_COLOUR, curve.test_scores, curve.test_predictions),
        ("reject", UNKNOWN_COLOUR, curve.reject_scores, curve.reject_predictions),
    ):
        own = scores if index is None else scores[predictions == index]
        counts = np.histogram(places(own), edges)[0]
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts / max(1, len(own)),
            width=np.diff(edges),
            name=f"{len(own):,} {name} pictures",
            marker={"color": colour, "opacity": 0.6, "line": {"width": 0}},
            customdata=counts,
            hovertemplate=f"%{{customdata:,}} {name} pictures about "
            f"%{{x:{'.1%' if is_share else '.4g'}}}<extra></extra>",
        )
    title = "Share of knowns rejected" if is_share else "Score (larger: more known)"
    lay_out(figure, title, "Share", HEIGHT)
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_yaxes(tickformat="~%")
    if is_share:
        figure.update_xaxes(tickformat="~%")
    if threshold is not None:
        at = float(places(np.array([threshold]))[0]) if is_share else threshold
        figure.add_vline(x=at, line={"color": CHOSEN_COLOUR, "width": 2, "dash": "dash"})
    return figure


def class_cdf_figure(
    evaluation: Evaluation, index: int, test: Float, reject: Float, boundary: float | None
) -> go.Figure:
    """Fitted CDF, the tail's empirical CDF, and where test and reject pictures lie.

    Parameters
    ----------
    test, reject : distances of pictures to the class's MAV, ascending
    boundary : distance that tells rejected from accepted pictures best; None if none does
    """
    openmax = evaluation.openmax
    tail = openmax.tails_[index]
    low, high = shown_range(evaluation, index, test, reject, boundary)
    x, cdf = cdf_curve(openmax.weibull_, index, low, high, N_CURVE_POINTS, tail)
    figure = go.Figure()
    figure.add_scatter(
        x=np.concatenate([[low], tail, [high]]),
        y=np.concatenate([[0.0], empirical_cdf(tail), [1.0]]),
        name=f"Tail ({len(tail)})",
        mode="lines",
        line={"color": EMPIRICAL, "width": 1.5, "shape": "hv"},
        hovertemplate="%{y:.1%} of the tail up to distance %{x:.4g}<extra></extra>",
    )
    _add_weibull(figure, x, cdf, "CDF %{y:.4f}")
    rows = [("Test", test, KNOWN_COLOUR, -0.07), ("Reject", reject, UNKNOWN_COLOUR, -0.15)]
    for name, values, colour, height in rows:
        inside = values[(values >= low) & (values <= high)]
        if len(values):
            drawn = thinned(inside, MOST_MARKS)
            shown = "" if len(drawn) == len(values) else f"{len(drawn):,} of "
            figure.add_scatter(
                x=drawn,
                y=np.full(len(drawn), height),
                name=f"{name} ({shown}{len(values):,})",
                mode="markers",
                marker={
                    "color": colour,
                    "symbol": "line-ns",
                    "size": 9,
                    "line": {"color": colour, "width": 1.2},
                    "opacity": 0.6,
                },
                hovertemplate="distance %{x:.4g}<extra></extra>",
            )
    if boundary:
        figure.add_vline(x=boundary, line={"color": CHOSEN_COLOUR, "width": 2, "dash": "dash"})
    lay_out(figure, _distance_title(openmax), "CDF", HEIGHT)
    figure.update_xaxes(range=[low, high])
    figure.update_yaxes(range=[-0.21, 1.05], tickvals=[0, 0.25, 0.5, 0.75, 1])
    return figure


def class_density_figure(evaluation: Evaluation, index: int) -> go.Figure:
    """Fitted density over a histogram of the tail whose area is 1."""
    openmax = evaluation.openmax
    model, tail = openmax.weibull_, openmax.tails_[index]
    width = float(tail[-1] - tail[0])
    low, high = max(0.0, float(tail[0]) - 0.5 * width), float(tail[-1]) + 0.5 * width
    n_bins = int(np.clip(round(2 * len(tail) ** 0.5), 4, MOST_BINS))
    edges = np.linspace(tail[0], tail[-1], n_bins + 1)
    counts = np.histogram(tail, edges)[0]
    heights = counts / (len(tail) * (edges[1] - edges[0]))
    x = np.linspace(low, high, N_CURVE_POINTS)
    y = density(model, x, index)
    figure = go.Figure()
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2,
        y=heights,
        width=edges[1] - edges[0],
        name=f"Tail ({len(tail)} pictures)",
        customdata=counts,
        marker={"color": EMPIRICAL, "opacity": 0.45},
        hovertemplate="%{customdata} pictures around distance %{x:.4g}<extra></extra>",
    )
    _add_weibull(figure, x, y, "density %{y:.4g}")
    lay_out(figure, _distance_title(openmax), "Density", HEIGHT)
    # A degenerate fit is infinite at the largest distance.
    figure.update_yaxes(range=[0, 1.1 * max(float(heights.max()), float(np.quantile(y, 0.97)))])
    return figure


def _add_weibull(
    figure: go.Figure,
    x: Float,
    y: Float,
    shown: str,
    name: str = "Weibull",
    colour: str = CHOSEN_COLOUR,
) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"color": colour, "width": 2.5},
        hovertemplate=f"{shown} at distance %{{x:.4g}}<extra></extra>",
    )


def class_qq_figure(evaluation: Evaluation, index: int) -> go.Figure:
    """Distances of the tail over those that the Weibull would have, with a 95 % band.

    The i-th smallest of n draws of the Weibull has the CDF of a Beta(i, n + 1 − i) draw; the band
    holds 95 % of each. That the Weibull was fitted to the tail is not counted in.
    """
    openmax = evaluation.openmax
    model, tail = openmax.weibull_, openmax.tails_[index]
    n = len(tail)
    # Of a long tail some ranks: more marks than a figure has room for say nothing more.
    ranks = thinned(np.arange(1, n + 1), MOST_MARKS)
    drawn = tail[ranks - 1]
    expected = quantiles(model, (ranks - 0.5) / n, index)
    low = quantiles(model, betaincinv(ranks, n + 1 - ranks, 0.025), index)
    high = quantiles(model, betaincinv(ranks, n + 1 - ranks, 0.975), index)
    ends = [min(expected[0], tail[0]), max(expected[-1], tail[-1])]
    figure = go.Figure()
    figure.add_scatter(
        x=np.concatenate([expected, expected[::-1]]),
        y=np.concatenate([low, high[::-1]]),
        name="95 % of draws",
        mode="lines",
        fill="toself",
        line={"width": 0},
        fillcolor="rgba(139, 92, 246, 0.18)",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=ends,
        y=ends,
        name="as the Weibull",
        mode="lines",
        line={"color": CHOSEN_COLOUR, "width": 1.5},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=expected,
        y=drawn,
        name=f"Tail ({n} pictures)",
        mode="markers",
        marker={"color": EMPIRICAL, "size": 7, "opacity": 0.85},
        hovertemplate="distance %{y:.4g}; the Weibull's %{x:.4g}<extra></extra>",
    )
    lay_out(figure, "Distance that the Weibull expects", "Distance in the tail", HEIGHT)
    return figure


def sensitivity_figure(result: Sensitivity, metric: str) -> go.Figure:
    """Heat map of one figure over η and α, coloured where it differs beyond noise.

    By the square root of the difference to the current setting, so that small gains are seen beside
    large losses. ▲ and ▼ mark the same cells; a frame the current setting.
    """
    grid = result.grids[metric]
    n_rows, n_columns = grid.value.shape
    x, y = np.arange(n_columns), np.arange(n_rows)
    noise = np.nan_to_num(np.abs(np.stack([grid.difference_low, grid.difference_high]))).max()
    most = max(float(np.nanmax(np.abs(grid.difference), initial=0.0)), float(noise), 1e-9) ** 0.5
    signs = np.where(grid.is_beyond_noise, np.where(grid.difference > 0, "<br>▲", "<br>▼"), "")
    figure = go.Figure()
    figure.add_heatmap(
        x=x,
        y=y,
        # NaN stays NaN: an empty cell.
        z=np.sign(grid.difference)
        * np.sqrt(np.abs(grid.difference))
        * np.where(np.isnan(grid.difference), np.nan, grid.is_beyond_noise),
        zmin=-most,
        zmax=most,
        colorscale=[[0, WORSE], [0.5, ALIKE], [1, BETTER]],
        showscale=False,
        xgap=3,
        ygap=3,
        customdata=[[_hover(result, metric, i, j) for j in range(n_columns)] for i in y.tolist()],
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
    )
    places = np.argwhere(np.ones_like(signs, dtype=bool))
    figure.add_scatter(
        x=places[:, 1],
        y=places[:, 0],
        mode="text",
        text=[
            "–" if np.isnan(grid.value[i, j]) else f"{percent(grid.value[i, j])}{signs[i, j]}"
            for i, j in places.tolist()
        ],
        textfont={
            "size": 13,
            "weight": 600,
            "color": np.where(np.isnan(grid.value), EMPIRICAL, ON_CELL).ravel(),
        },
        hoverinfo="skip",
        showlegend=False,
    )
    row, column = result.current
    figure.add_shape(
        type="rect",
        x0=column - 0.48,
        x1=column + 0.48,
        y0=row - 0.48,
        y1=row + 0.48,
        line={"color": CHOSEN_COLOUR, "width": 3},
    )
    lay_out(figure, "Tail size η", "α, classes re-weighted", 110 + 52 * n_rows)
    figure.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})
    sizes = [str(size) for size in result.tail_sizes]
    ranks = ["all" if rank is None else str(rank) for rank in result.alpha_ranks]
    still = {"showgrid": False, "fixedrange": True}
    figure.update_xaxes(tickvals=x, ticktext=sizes, range=[-0.5, n_columns - 0.5], **still)
    figure.update_yaxes(tickvals=y, ticktext=ranks, range=[-0.5, n_rows - 0.5], **still)
    return figure


def _hover(result: Sensitivity, metric: str, row: int, column: int) -> str:
    grid, cell, setting = result.grids[metric], (row, column), result.settings_at(row, column)
    if np.isnan(grid.value[cell]):
        return f"{setting}<br>{_why_empty(result, metric, column)}"
    text = (
        f"{setting}<br>{metric} {percent(grid.value[cell])}"
        f"<br>95 % interval {percent_range(grid.low[cell], grid.high[cell])}"
    )
    if cell == result.current:
        return f"{text}<br>the current setting"
    return (
        f"{text}<br>difference {points(grid.difference[cell])}<br>95 % interval "
        f"{points_range(grid.difference_low[cell], grid.difference_high[cell])}"
        f"<br>{_judgement(grid, row, column)}"
    )


def _judgement(grid: MetricGrid, row: int, column: int) -> str:
    if grid.is_judged[row, column]:
        return "beyond noise" if grid.is_beyond_noise[row, column] else "within noise"
    share = grid.reached[row, column]
    return f"not judged: only {100 * share:.0f} % of the resamples reach the floor"


def _why_empty(result: Sensitivity, metric: str, column: int) -> str:
    if result.tail_sizes[column] in result.left_out:
        return "a class has no Weibull fit at this η"
    if metric == REJECT_AT_FLOOR:
        return f"no threshold keeps Test accuracy ≥ {exact_percent(result.floor)}"
    return "cannot be computed"


def _distance_title(openmax: OpenMax) -> str:
    return f"Distance ({openmax.settings_.distance_in_words})"


def comparison_figure(result: Comparison, current: str) -> go.Figure:
    """Reject accuracy over Test accuracy of every method; the current one stands out.

    A curve nearer to the top right is better. The floor is a vertical line.
    """
    figure = go.Figure()
    others = [item.name for item in result.methods if item.name not in (current, BASELINE)]
    for method in result.methods:
        is_current, is_baseline = method.name == current, method.name == BASELINE
        colour = (
            EMPIRICAL
            if is_baseline
            else LINES[others.index(method.name) % len(LINES)]
            if not is_current
            else CHOSEN_COLOUR
        )
        figure.add_scatter(
            x=method.test_accuracy,
            y=method.reject_accuracy,
            name=label(method.title),
            mode="lines",
            line={
                "color": colour,
                "width": 3.5 if is_current else 1.8,
                "dash": "dash" if is_baseline else "solid",
                "shape": "hv",
            },
            hovertemplate=f"{label(method.title)}<br>Test accuracy %{{x:.1%}}, "
            "Reject accuracy %{y:.1%}<extra></extra>",
        )
    figure.add_vline(
        x=result.floor,
        line={"color": EMPIRICAL, "width": 1, "dash": "dot"},
        annotation={"text": f"floor {exact_percent(result.floor)}", "font": {"size": 12}},
    )
    lay_out(figure, "Test accuracy", "Reject accuracy", 420)
    figure.update_xaxes(tickformat="~%")
    figure.update_yaxes(tickformat="~%", range=[-0.02, 1.04])
    return figure
