"""What the threshold explorer needs to follow a finger without asking the server.

Counts at every position of the slider and at the steps of the curve, so few that a browser holds
them however many pictures are behind: at most ``MOST_POINTS`` thresholds with exact counts and
their intervals, two histograms, and the confusion at the slider's positions. Arrays travel as
base64 of little-endian values. Nothing is computed in the browser but look-ups.
"""

from __future__ import annotations

import base64
import math
import sys
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.support.arrays import Float, Int
from openmax_core.support.files import fingerprint
from openmax_core.tradeoff.curve import Curve, TradeoffCurve
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, Interval, share_interval
from openmax_core.tradeoff.sweep import sweep_table

MOST_POINTS = 4000
MOST_POSITIONS = 1000
MOST_MATRIX_CLASSES = 15
N_LISTED = 12
N_LIST_SAMPLES = 40
N_BINS = 60


@dataclass(frozen=True)
class Confusions:
    """Counts of (truth, decision) pairs at the slider's positions.

    Attributes
    ----------
    cells : list of (true index or C for unknown, decided index or C for rejected)
    counts : (cells, positions) int
    is_whole : bool
        All cells that are ever filled; else only those that are among the most frequent mistakes.
    """

    cells: list[tuple[int, int]]
    counts: Int
    is_whole: bool


def slider_positions(score_range: tuple[float, float]) -> Float:
    """Ascending round thresholds that cover a method's range of scores, at most about 1,000."""
    low, high = score_range
    exponent = math.floor(math.log10((high - low) / MOST_POSITIONS))
    factor = next(m for m in (1, 2, 5, 10) if m * 10.0**exponent * MOST_POSITIONS >= high - low)
    digits = max(0, -exponent - (factor == 10))
    step = factor * 10.0**exponent
    around = np.arange(math.floor(low / step) - 1, math.ceil(high / step) + 2)
    positions = np.round(around * step, digits)
    # Compared after rounding: a score at the very end of the range must not fall outside.
    first = np.searchsorted(positions, low, side="right") - 1
    return positions[first : np.searchsorted(positions, high) + 1]


def is_threshold(
    value: object, score_range: tuple[float, float] = (-math.inf, math.inf)
) -> TypeGuard[float]:
    """Tell whether something that came from a browser is a threshold.

    A finite number; from 0 to 1 where scores are probabilities.

    Parameters
    ----------
    score_range : smallest and largest score that the method can give
    """
    if type(value) not in {int, float} or not abs(value) <= sys.float_info.max:  # type: ignore[arg-type]
        return False
    low, high = score_range
    return not 0 <= low <= high <= 1 or 0 <= value <= 1  # type: ignore[operator]


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
    positions = slider_positions(score_range)
    corners = curve.drawn_thresholds(MOST_POINTS - len(positions))
    table = sweep_table(curve, np.union1d(positions, corners), interval)
    edges = np.linspace(*score_range, N_BINS + 1)
    confusions = confusions_at(pictures, positions)
    test_histogram, reject_histogram = curve.histograms(edges)
    data = {
        "classes": list(class_names),
        "n_test": curve.n_test,
        "n_reject": curve.n_reject,
        "interval": interval,
        "is_exact": len(corners) == len(curve.thresholds),
        "positions": _packed(positions, "<f8"),
        "thresholds": _packed(table["threshold"], "<f8"),
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
        "totals": [
            *np.bincount(pictures.test_labels, minlength=curve.n_classes).tolist(),
            pictures.n_reject,
        ],
        "cells": [list(cell) for cell in confusions.cells],
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
        return Confusions(cells, _counts_of(curve, cells, thresholds), is_whole=True)
    sampled = np.linspace(0, len(thresholds) - 1, min(N_LIST_SAMPLES, len(thresholds)))
    found: set[int] = set()
    for index in sampled.round().astype(int).tolist():
        mistakes = curve.decided(thresholds[index])
        codes, counts = np.unique(mistakes[mistakes // n != mistakes % n], return_counts=True)
        found.update(codes[np.argsort(-counts, kind="stable")[:N_LISTED]].tolist())
    cells = [divmod(code, n) for code in sorted(found)]
    return Confusions(cells, _counts_of(curve, cells, thresholds), is_whole=False)


def _counts_of(curve: TradeoffCurve, cells: list[tuple[int, int]], thresholds: Float) -> Int:
    """(cells, K) counts; a 'rejected' cell is what is left of its row."""
    last = curve.n_classes
    counts = np.zeros((len(cells), len(thresholds)), dtype=np.int64)
    for index, (truth, decision) in enumerate(cells):
        if truth == last:
            scores, predictions = curve.reject_scores, curve.reject_predictions
            of_truth = np.ones(curve.n_reject, dtype=bool)
        else:
            scores, predictions = curve.test_scores, curve.test_predictions
            of_truth = curve.test_labels == truth
        kept = of_truth & ((predictions != last) if decision == last else (predictions == decision))
        accepted = kept.sum() - np.searchsorted(np.sort(scores[kept]), thresholds)
        counts[index] = of_truth.sum() - accepted if decision == last else accepted
    return counts


def _packed(values: ArrayLike, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")


def _pair(interval: Interval) -> list[float] | None:
    return None if math.isnan(interval.low) else [interval.low, interval.high]
