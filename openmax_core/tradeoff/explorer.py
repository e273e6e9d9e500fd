"""What the threshold explorer needs to follow a finger without asking the server.

Counts at every position of the slider, so few that a browser holds them however many pictures are
behind: at most ``MOST_POINTS`` thresholds with exact counts and their intervals, histograms over
the score and over the share of knowns rejected, and where the confusion changes. Arrays travel as
base64 of little-endian values. Nothing is computed in the browser but look-ups and shares.
"""

from __future__ import annotations

import base64
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.methods.method import Method
from openmax_core.support.arrays import Float, Int
from openmax_core.support.files import fingerprint
from openmax_core.tradeoff.curve import Curve, TradeoffCurve
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, Interval, share_interval
from openmax_core.tradeoff.slider import MOST_POINTS, slider_scale
from openmax_core.tradeoff.sweep import sweep_table

# Tried one after the other, until the changes of the confusion are few enough to travel.
POINTS = (MOST_POINTS, 2000, 1000, 500)
MOST_CHANGES = 75_000
AXES = ("score", "share")
MOST_MATRIX_CLASSES = 15
N_LISTED = 12
N_LIST_SAMPLES = 40
N_BINS = 60


@dataclass(frozen=True)
class Confusions:
    """Counts of (truth, decision) pairs at ascending thresholds, as their changes.

    Attributes
    ----------
    cells : list of (true index or C for unknown, decided index or C for rejected)
    sizes : (cells,) int
        How many entries each cell has in the following; at least one.
    starts : int
        Of each entry the index of the first threshold with its count; a cell's first is 0.
    counts : int
        The count from there on, up to the cell's next entry.
    is_whole : bool
        All cells that are ever filled; else only those that are among the most frequent mistakes.
    """

    cells: list[tuple[int, int]]
    sizes: Int
    starts: Int
    counts: Int
    is_whole: bool


def first_axis(method: Method) -> str:
    """What the charts are drawn over at first: 'share', of the knowns rejected, or 'score'.

    Scores with bounds pile up at one of them, so that the score tells nothing apart. 'notebook'
    keeps the view of the notebook that it is of.
    """
    return "share" if method.is_bounded and method.name != "notebook" else "score"


def explorer_data(
    curve: Curve,
    pictures: TradeoffCurve,
    class_names: tuple[str, ...],
    score_range: tuple[float, float],
    interval: str = DEFAULT_INTERVAL,
) -> dict[str, Any]:
    """Everything that does not depend on where the threshold is; plain values for JSON.

    Parameters
    ----------
    pictures : exact curve, for the confusion: ``curve`` itself, or of a sample where that counts
    """
    for most in POINTS:
        scale = slider_scale(curve, score_range, most)
        confusions = confusions_at(pictures, scale.positions)
        if len(confusions.counts) <= MOST_CHANGES:
            break
    table = sweep_table(curve, scale.thresholds, interval)
    edges = np.linspace(*score_range, N_BINS + 1)
    test_histogram, reject_histogram = curve.histograms(edges)
    test_shares, reject_shares = share_histograms(curve)
    data = {
        "classes": list(class_names),
        "n_test": curve.n_test,
        "n_reject": curve.n_reject,
        "interval": interval,
        "is_exact": scale.is_whole,
        "positions": _packed(scale.positions, "<f8"),
        "thresholds": _packed(scale.thresholds, "<f8"),
        "ways": _packed(scale.ways, "<f8"),
        "correct": _packed(table["correct"], "<u4"),
        "wrong": _packed(table["wrong"], "<u4"),
        "accepted": _packed(table["accepted_unknown"], "<u4"),
        "test_low": _packed(table["test_low"], "<f8"),
        "test_high": _packed(table["test_high"], "<f8"),
        "reject_low": _packed(table["reject_low"], "<f8"),
        "reject_high": _packed(table["reject_high"], "<f8"),
        "edges": _packed(edges, "<f8"),
        "test_histogram": _packed(test_histogram, "<u4"),
        "reject_histogram": _packed(reject_histogram, "<u4"),
        "test_shares": _packed(test_shares, "<u4"),
        "reject_shares": _packed(reject_shares, "<u4"),
        "totals": [
            *np.bincount(pictures.test_labels, minlength=curve.n_classes).tolist(),
            pictures.n_reject,
        ],
        "cells": [list(cell) for cell in confusions.cells],
        "cell_sizes": _packed(confusions.sizes, "<u4"),
        "cell_starts": _packed(confusions.starts, "<u2"),
        "cell_counts": _packed(confusions.counts, "<u4"),
        "is_matrix": confusions.is_whole,
    }
    if curve.mix is not None:
        data["reject_share"] = _packed(table["reject_accuracy"], "<f8")
    if pictures is not curve:
        n_pictures = pictures.n_test + pictures.n_reject
        data["confusion_of"] = f"in a sample of {n_pictures:,} of {curve.n_test + curve.n_reject:,}"
    return {"id": fingerprint(data), **data}


def outcome_data(
    curve: Curve,
    pictures: TradeoffCurve,
    threshold: float,
    cells: list[tuple[int, int]],
    interval: str,
) -> dict[str, Any]:
    """The exact counts at one threshold, for one that lies between those that were sent.

    ``pictures`` as in :func:`explorer_data`.
    """
    outcome, counts = curve.outcome(threshold), pictures.confusion(threshold)
    test = share_interval(outcome.correct, outcome.n_test, interval)
    weighted = {} if outcome.mix is None else {"reject_share": outcome.reject_accuracy}
    return {
        **weighted,
        "threshold": float(threshold),
        "correct": outcome.correct,
        "wrong": outcome.wrong,
        "accepted": outcome.accepted_unknown,
        "test": _pair(test),
        "reject": _pair(outcome.reject_interval(interval)),
        "cells": [int(counts[truth, decided]) for truth, decided in cells],
    }


def share_histograms(curve: Curve) -> tuple[Int, Int]:
    """Test and reject pictures by the share of knowns rejected below their score, in 60 bins.

    Pictures for which 'unknown' won are rejected at every threshold: they count to the first bin.

    Returns
    -------
    two (60,) int arrays; all of the test pictures are 0 without a test set
    """
    outcomes = curve.all_outcomes
    counts = np.zeros((2, N_BINS), dtype=np.int64)
    if not curve.n_test:
        return counts[0], counts[1]
    known, unknown = outcomes.correct + outcomes.wrong, outcomes.accepted_unknown
    rejected = (curve.n_test - known) / curve.n_test
    bins = np.minimum((rejected * N_BINS).astype(np.int64), N_BINS - 1)
    for row, accepted, total in zip(
        counts, (known, unknown), (curve.n_test, curve.n_reject), strict=True
    ):
        # Those between a threshold and the next have the score of the first.
        np.add.at(row, bins, accepted - np.append(accepted[1:], 0))
        row[0] += total - accepted[0]
    return counts[0], counts[1]


def confusions_at(curve: TradeoffCurve, thresholds: Float) -> Confusions:
    """Count (truth, decision) pairs at (K,) ascending thresholds.

    Up to 15 classes all pairs that ever occur; with more, mistakes that are among the 12 most
    frequent at one of 40 thresholds spread over the range.
    """
    n = curve.n_classes + 1
    if curve.n_classes <= MOST_MATRIX_CLASSES:
        filled = np.flatnonzero(curve.confusion(-sys.float_info.max)[:, :-1])
        cells = [divmod(int(cell), n - 1) for cell in filled]
        cells += [(truth, n - 1) for truth in range(n if curve.n_reject else n - 1)]
        return Confusions(cells, *_changes_of(curve, cells, thresholds), is_whole=True)
    sampled = np.linspace(0, len(thresholds) - 1, min(N_LIST_SAMPLES, len(thresholds)))
    found: set[int] = set()
    for index in sampled.round().astype(int).tolist():
        mistakes = curve.decided(thresholds[index])
        codes, counts = np.unique(mistakes[mistakes // n != mistakes % n], return_counts=True)
        found.update(codes[np.argsort(-counts, kind="stable")[:N_LISTED]].tolist())
    cells = [divmod(code, n) for code in sorted(found)]
    return Confusions(cells, *_changes_of(curve, cells, thresholds), is_whole=False)


def _changes_of(
    curve: TradeoffCurve, cells: list[tuple[int, int]], thresholds: Float
) -> tuple[Int, Int, Int]:
    """Sizes, starts and counts of the cells, see :class:`Confusions`."""
    n, n_thresholds = curve.n_classes + 1, len(thresholds)
    index_of = np.full(n * n, -1)
    index_of[[truth * n + decision for truth, decision in cells]] = np.arange(len(cells))
    truths = np.append(curve.test_labels, np.full(curve.n_reject, n - 1)) * n
    predictions = np.append(curve.test_predictions, curve.reject_predictions)
    scores = np.append(curve.test_scores, curve.reject_scores)
    # Index of the first threshold that rejects a picture: all accept it before, none from there.
    until = np.searchsorted(thresholds, scores, side="right") * (predictions != n - 1)
    taken, rejected = index_of[truths + predictions], index_of[truths + n - 1]
    parts = (
        (taken[until > 0], np.zeros((until > 0).sum(), dtype=np.int64), 1),
        (taken[until > 0], until[until > 0], -1),
        (rejected, until, 1),
        (np.arange(len(cells)), np.zeros(len(cells), dtype=np.int64), 0),
    )
    places = np.concatenate([cell * (n_thresholds + 1) + start for cell, start, _ in parts])
    steps = np.concatenate([np.full(len(cell), step) for cell, _, step in parts])
    is_shown = np.concatenate([cell >= 0 for cell, _, _ in parts])
    places, inverse = np.unique(places[is_shown], return_inverse=True)
    step = np.bincount(inverse, steps[is_shown], len(places)).astype(np.int64)
    cell, start = np.divmod(places, n_thresholds + 1)
    kept = (start < n_thresholds) & ((step != 0) | (start == 0))
    cell, start, step = cell[kept], start[kept], step[kept]
    sums = step.cumsum()
    firsts = np.flatnonzero(start == 0)
    sizes = np.diff(np.append(firsts, len(start)))
    return sizes, start, sums - np.repeat(sums[firsts] - step[firsts], sizes)


def _packed(values: ArrayLike, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")


def _pair(interval: Interval) -> list[float] | None:
    return None if math.isnan(interval.low) else [interval.low, interval.high]
