"""Recorded batches over time: the share of rejected pictures, and the drift of every class."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import plotly.graph_objects as go

from openmax_core.monitor.records import RecordedBatch
from openmax_core.monitor.report import p_text, share_text
from openmax_core.support.decimals import threshold_text
from openmax_core.support.figures import (
    GRID_COLOUR,
    KNOWN_COLOUR,
    UNKNOWN_COLOUR,
    label,
    lay_out,
)

OTHER, BAND = "#94a3b8", "rgba(100, 116, 139, 0.22)"
NEARER, ALIKE, FARTHER, ON_CELL = "#60a5fa", "#e2e8f0", "#fb923c", "#0f172a"
MOST_TICKS = 10
LONGEST_LABEL = 14
MOST_CLASSES = 20
MOST_SIGNED = 24  # batches beside each other in whose cells a sign can still be read
LARGEST_SHIFT = 3.0


def rate_figure(records: Sequence[RecordedBatch], current: str) -> go.Figure:
    """Share of rejected pictures of every batch beside what was expected of it.

    Parameters
    ----------
    records : the oldest first
    current : key of the basis that is in force; batches decided with another are grey
    """
    figure = go.Figure()
    _draw_expected(figure, records)
    kinds = [_kind(record, current) for record in records]
    looks = {
        "within chance": (KNOWN_COLOUR, "circle"),
        "beyond chance": (UNKNOWN_COLOUR, "diamond"),
        "decided with another method or threshold": (OTHER, "circle-open"),
    }
    for kind, (colour, symbol) in looks.items():
        places = [place for place, own in enumerate(kinds) if own == kind]
        if not places:
            continue
        shares = [records[place].report.reject for place in places]
        figure.add_scatter(
            x=places,
            y=[share.value for share in shares],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [share.interval.high - share.value for share in shares],
                "arrayminus": [share.value - share.interval.low for share in shares],
                "thickness": 1.6,
                "width": 4,
            },
            name=kind,
            mode="markers",
            marker={
                "color": colour,
                "symbol": symbol,
                "size": 11,
                "line": {"width": 2, "color": colour},
            },
            text=[_hover(records[place]) for place in places],
            hovertemplate="%{text}<extra></extra>",
        )
    lay_out(figure, "", "Rejected", 330)
    figure.update_layout(hovermode="closest")
    figure.update_yaxes(tickformat="~%", rangemode="tozero")
    _lay_out_batches(figure, records)
    return figure


def drift_figure(records: Sequence[RecordedBatch]) -> go.Figure:
    """Shift of every class's distances in every batch, as a heat map.

    Of many classes the 20 with the most drifted batches, then the largest shift.

    Parameters
    ----------
    records : the oldest first, of one calibration
    """
    names = records[0].report.classes
    shift = np.array([record.report.drift.shift for record in records])
    drifted = np.array([record.report.drifted for record in records])
    largest = np.where(np.isnan(shift), 0.0, np.abs(shift)).max(axis=0)
    worst = np.lexsort((-largest, -drifted.sum(axis=0)))[:MOST_CLASSES]
    shown = np.sort(worst) if len(names) <= MOST_CLASSES else worst
    z, marks = shift[:, shown].T, drifted[:, shown].T
    y = np.arange(len(shown))
    figure = go.Figure(
        go.Heatmap(
            z=np.clip(z, -LARGEST_SHIFT, LARGEST_SHIFT),
            x=np.arange(len(records)),
            y=y,
            zmin=-LARGEST_SHIFT,
            zmax=LARGEST_SHIFT,
            colorscale=[[0.0, NEARER], [0.5, ALIKE], [1.0, FARTHER]],
            xgap=2,
            ygap=2,
            text=[[_cell_hover(record, index) for record in records] for index in shown.tolist()],
            hovertemplate="%{text}<extra></extra>",
            hoverongaps=True,
            colorbar={
                "title": {"text": "shift, IQR", "side": "right"},
                "thickness": 12,
                "tickvals": [-3, -2, -1, 0, 1, 2, 3],
                "ticktext": ["≤ −3", "−2", "−1", "0", "+1", "+2", "≥ +3"],
                "outlinewidth": 0,
            },
        )
    )
    if len(records) <= MOST_SIGNED:
        _write_cells(figure, z, marks)
    lay_out(figure, "", "", 110 + 30 * len(shown))
    figure.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})
    labels = [label(_short(names[index])) for index in shown.tolist()]
    figure.update_yaxes(
        tickvals=y,
        ticktext=labels,
        range=[len(shown) - 0.5, -0.5],
        showgrid=False,
        fixedrange=True,
        title="class",
    )
    figure.update_xaxes(showgrid=False)
    _lay_out_batches(figure, records)
    return figure


def _draw_expected(figure: go.Figure, records: Sequence[RecordedBatch]) -> None:
    """Bands and lines, a run of batches with the same expectation at a time."""
    first = 0
    for (_, expected), run in groupby(
        (record.report for record in records), lambda report: (report.basis.key, report.expected)
    ):
        last = first + len(list(run))
        left, right, bounds = first - 0.5, last - 0.5, expected.interval
        figure.add_scatter(
            x=[left, right, right, left],
            y=[bounds.low, bounds.low, bounds.high, bounds.high],
            fill="toself",
            fillcolor=BAND,
            line={"width": 0},
            mode="lines",
            name="expected from the test set, 95 %",
            legendgroup="expected",
            showlegend=first == 0,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=[left, right],
            y=[expected.value, expected.value],
            mode="lines",
            line={"color": OTHER, "width": 2, "dash": "dash"},
            legendgroup="expected",
            showlegend=False,
            hovertemplate=f"expected {share_text(expected)}<extra></extra>",
        )
        first = last


def _kind(record: RecordedBatch, current: str) -> str:
    if record.report.basis.key != current:
        return "decided with another method or threshold"
    return "beyond chance" if record.report.is_rate_off else "within chance"


def _write_cells(figure: go.Figure, z: np.ndarray, marks: np.ndarray) -> None:
    """Arrows into cells that drifted, and dashes into those that were not tested."""
    signs = np.where(marks, np.where(z < 0, "▼", "▲"), "–")
    for cells, size, colour in ((marks, 14, ON_CELL), (np.isnan(z) & ~marks, 13, OTHER)):
        rows, columns = np.nonzero(cells)
        figure.add_scatter(
            x=columns,
            y=rows,
            mode="text",
            text=signs[rows, columns].tolist(),
            textfont={"size": size, "color": colour},
            hoverinfo="skip",
            showlegend=False,
        )


def _hover(record: RecordedBatch) -> str:
    report, basis = record.report, record.report.basis
    parts = (report.labels_in_words, report.promise_in_words) if report.labelled else ()
    labels = "".join(f"<br>{label(words)}" for words in parts)
    return (
        f"<b>{label(record.name)}</b>, {record.time[:16].replace('T', ' ')}"
        f"<br>rejects {share_text(report.reject)} of {report.reject.n:,}"
        f"<br>expected {share_text(report.expected)}"
        f"<br>{report.difference_in_words}{labels}"
        f"<br>{basis.preset}, threshold {threshold_text(basis.threshold)}"
    )


def _cell_hover(record: RecordedBatch, index: int) -> str:
    report = record.report
    drift = report.drift
    head = f"<b>class {label(report.classes[index])}</b>, {label(record.name)}"
    counts = f"{drift.n_batch[index]:,} pictures, {drift.n_test[index]:,} of the test set"
    if not drift.is_tested[index]:
        return f"{head}<br>not tested: {counts}"
    verdict = "drifted" if report.drifted[index] else "within chance"
    shift = "no IQR" if np.isnan(drift.shift[index]) else f"shift {drift.shift[index]:+.2f} IQR"
    return f"{head}<br>{shift}<br>{verdict}: p {p_text(drift.adjusted[index])}<br>{counts}"


def _lay_out_batches(figure: go.Figure, records: Sequence[RecordedBatch]) -> None:
    """One place a batch, whatever the time between them."""
    n = len(records)
    shown = np.unique(np.linspace(0, n - 1, min(n, MOST_TICKS)).round().astype(int)).tolist()
    figure.update_xaxes(
        tickvals=shown,
        ticktext=[f"{label(_short(records[i].name))}<br>{records[i].time[:10]}" for i in shown],
        range=[-0.5, n - 0.5],
        fixedrange=True,
        autotickangles=[0, 45, 90],
        gridcolor=GRID_COLOUR,
        title=None,
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"
