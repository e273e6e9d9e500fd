"""What the browser draws of a class: fitted and empirical CDF, and where the pictures lie.

Plain values for JSON, positions as shares of the panel's width and height, 0 left and 1 on top, so
that the browser draws and computes nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from openmax_core.analysis.class_facts import class_boundary
from openmax_core.analysis.class_health import ClassDistances, Health
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.arrays import Float
from openmax_core.weibull.fit import WeibullMaxFit
from openmax_core.weibull.tails import cdf_curve, empirical_cdf, thinned

N_POINTS = 90
MOST_RUGS = 120
N_BINS = 48
MOST_STEPS = 120
WIDEST = 1.0  # times the tail's own width that may lie beside it
N_TICKS = 4


def multiple(
    evaluation: Evaluation,
    distances: ClassDistances,
    health: Health,
    index: int,
    threshold: float,
) -> dict[str, Any]:
    """Everything of one class's small multiple at a threshold."""
    openmax = evaluation.openmax
    tail = openmax.tails_[index]
    test, reject = distances.of(index)
    boundary = class_boundary(evaluation, distances, index, threshold)
    low, high = shown_range(evaluation, index, test, reject, boundary.distance)
    p_value = float(health.goodness.p_value[index])
    return {
        "key": index,
        "name": openmax.class_names_[index],
        "note": ("borrowed tail" if openmax.borrowed_[index] else f"η {len(tail)}")
        + ("" if math.isnan(p_value) else f" · p {p_value:.2g}"),
        "warning": health.warnings[index],
        "curve": _curve(evaluation, index, low, high),
        "steps": _steps(tail, low, high),
        "ticks": [
            {"at": _place(value, low, high), "text": f"{value:.6g}"} for value in ticks(low, high)
        ],
        "test": _strip(test, low, high),
        "reject": _strip(reject, low, high) if evaluation.reject is not None else None,
        "boundary": None if boundary.distance is None else _place(boundary.distance, low, high),
        "boundary_text": boundary.in_words,
    }


def shown_range(
    evaluation: Evaluation, index: int, test: Float, reject: Float, boundary: float | None = None
) -> tuple[float, float]:
    """Distances at the panel's edges.

    Everything, but at most once the tail's width beside it: a few far pictures would
    press the tail together. How many lie farther is said.
    """
    openmax = evaluation.openmax
    model, tail = openmax.weibull_, openmax.tails_[index]
    end = model.loc if isinstance(model, WeibullMaxFit) else model.quantile(0.995)
    width = float(tail[-1] - tail[0])
    farthest = max([float(end[index]), *(float(item[-1]) for item in (test, reject) if len(item))])
    high = max(float(tail[-1]), min(farthest, float(tail[-1]) + WIDEST * width))
    low = min([float(tail[0]), *(float(item[0]) for item in (test, reject) if len(item))])
    low = max(0.0, low, float(tail[0]) - WIDEST * width)
    if boundary:
        most = float(tail[-1]) + 3 * WIDEST * width
        low, high = min(low, boundary), max(high, min(boundary, most))
    margin = 0.03 * (high - low)
    return max(0.0, low - margin), high + margin


def ticks(low: float, high: float) -> list[float]:
    """At most ``N_TICKS`` round numbers in a range, at least two where it has them."""
    exponent = math.floor(math.log10((high - low) / N_TICKS))
    step = next(
        m * 10.0**exponent
        for m in (1, 2, 5, 10, 20)
        if math.floor(high / (m * 10.0**exponent)) - math.ceil(low / (m * 10.0**exponent)) < N_TICKS
    )
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _curve(evaluation: Evaluation, index: int, low: float, high: float) -> list[float]:
    """x, y, x, y, … of the fitted CDF, denser where the tail is."""
    openmax = evaluation.openmax
    tail = openmax.tails_[index]
    inside = tail[(tail >= low) & (tail <= high)]
    through = thinned(inside, N_POINTS // 3)
    x, y = cdf_curve(openmax.weibull_, index, low, high, N_POINTS, through)
    return _pairs((x - low) / (high - low), y)


def _steps(tail: Float, low: float, high: float) -> list[float]:
    """Corners of the tail's empirical CDF; of a long tail every n-th step."""
    x, y = thinned(tail, MOST_STEPS), thinned(empirical_cdf(tail), MOST_STEPS)
    before = np.append(0.0, y[:-1])
    corners_x = np.concatenate([[low], np.repeat(x, 2), [high]])
    corners_y = np.concatenate([[0.0], np.stack([before, y], axis=1).ravel(), [1.0]])
    return _pairs((corners_x - low) / (high - low), corners_y)


def _strip(values: Float, low: float, high: float) -> dict[str, Any]:
    """Marks of few pictures, or a histogram of many; and how many lie outside of the panel."""
    inside = values[(values >= low) & (values <= high)]
    strip: dict[str, Any] = {
        "n": len(values),
        "n_left": int((values < low).sum()),
        "n_right": int((values > high).sum()),
        "marks": None,
        "bars": None,
    }
    if len(values) <= MOST_RUGS:
        return strip | {"marks": np.round((inside - low) / (high - low), 4).tolist()}
    counts = np.histogram(inside, np.linspace(low, high, N_BINS + 1))[0]
    return strip | {"bars": np.round(counts / max(1, counts.max()), 3).tolist()}


def _place(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _pairs(x: Float, y: Float) -> list[float]:
    return np.round(np.stack([x, y], axis=1).ravel(), 4).tolist()
