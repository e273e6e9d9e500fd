"""Curves of a training: loss and accuracy over its epochs."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from openmax_core.support.figures import KNOWN_COLOUR, UNKNOWN_COLOUR, lay_out
from openmax_core.tradeoff.intervals import wilson_bounds
from openmax_core.training.progress import PHASES, Epoch

HEIGHT = 260
INTERVAL_COLOUR = "rgba(59, 130, 246, 0.5)"
BORDER = "rgba(128, 128, 128, 0.6)"


def loss_figure(epochs: Sequence[Epoch]) -> go.Figure:
    """Loss of the training pictures and of the held-out ones after every epoch.

    Parameters
    ----------
    epochs : all that are done, in their order
    """
    figure = go.Figure()
    for name, colour, values in (
        ("held-out pictures", KNOWN_COLOUR, [epoch.held_out_loss for epoch in epochs]),
        ("training pictures", UNKNOWN_COLOUR, [epoch.train_loss for epoch in epochs]),
    ):
        _draw(figure, epochs, values, name, colour, "%{y:.4f}")
    _lay_out(figure, epochs, "Loss (cross-entropy)")
    figure.update_yaxes(rangemode="tozero")
    return figure


def accuracy_figure(epochs: Sequence[Epoch]) -> go.Figure:
    """Accuracy on the held-out pictures after every epoch, with its 95 % interval.

    Parameters
    ----------
    epochs : all that are done, in their order
    """
    figure = go.Figure()
    shares = [epoch.held_out_accuracy for epoch in epochs]
    bounds = [_interval(epoch) for epoch in epochs]
    _draw(figure, epochs, shares, "accuracy, 95 % interval", KNOWN_COLOUR, "%{y:.1%}")
    figure.update_traces(
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [high - share for share, (_, high) in zip(shares, bounds, strict=True)],
            "arrayminus": [share - low for share, (low, _) in zip(shares, bounds, strict=True)],
            "color": INTERVAL_COLOUR,
            "thickness": 1.5,
            "width": 3,
        },
        showlegend=True,
    )
    _lay_out(figure, epochs, "Held-out accuracy")
    figure.update_yaxes(tickformat="~%")
    return figure


def _interval(epoch: Epoch) -> tuple[float, float]:
    if not epoch.n_held_out:  # an earlier version wrote it
        return epoch.held_out_accuracy, epoch.held_out_accuracy
    n_right = round(epoch.held_out_accuracy * epoch.n_held_out)
    low, high = wilson_bounds(n_right, epoch.n_held_out)
    return float(low), float(high)


def _draw(
    figure: go.Figure,
    epochs: Sequence[Epoch],
    values: Sequence[float],
    name: str,
    colour: str,
    value: str,
) -> None:
    figure.add_scatter(
        x=list(range(1, len(epochs) + 1)),
        y=list(values),
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={"size": 7},
        text=[f"epoch {epoch.number} of {PHASES[epoch.phase]}" for epoch in epochs],
        hovertemplate=f"%{{text}}: {value}<extra>{name}</extra>",
    )


def _lay_out(figure: go.Figure, epochs: Sequence[Epoch], title: str) -> None:
    lay_out(figure, "Epoch", title, HEIGHT)
    figure.update_xaxes(
        tickvals=list(range(1, len(epochs) + 1)) if len(epochs) <= 12 else None,
        range=[0.5, max(len(epochs), 2) + 0.5],
        tickformat="d",
    )
    n_head = sum(epoch.phase == "head" for epoch in epochs)
    if 0 < n_head < len(epochs):
        figure.add_vline(
            n_head + 0.5,
            line={"color": BORDER, "dash": "dot", "width": 1},
            annotation={"text": "all layers", "xanchor": "left", "font": {"size": 11}},
        )
