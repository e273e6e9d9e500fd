"""The look that all Plotly figures have.

Backgrounds are transparent and text takes the page's colour, so one figure serves light and dark.
"""

from __future__ import annotations

import plotly.graph_objects as go

from openmax_core.support.files import printable

KNOWN_COLOUR, UNKNOWN_COLOUR, CHOSEN_COLOUR = "#3b82f6", "#f97316", "#8b5cf6"
GRID_COLOUR = "rgba(128, 128, 128, 0.22)"


def label(text: str) -> str:
    """Return a name as Plotly shows it: as it is, for it takes ``<b>`` and ``&lt;`` for markup."""
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def lay_out(figure: go.Figure, x_title: str, y_title: str, height: int) -> None:
    """Give a figure the look that all have: transparent, quiet grid, legend above."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": ""},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(title=x_title, gridcolor=GRID_COLOUR, zeroline=False, automargin=True)
    figure.update_yaxes(title=y_title, gridcolor=GRID_COLOUR, zeroline=False, automargin=True)
