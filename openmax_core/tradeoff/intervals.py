"""Confidence intervals of a share counted on pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri

from openmax_core.support.arrays import Float

Bounds = Callable[..., tuple[Float, Float]]


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both NaN where nothing was counted."""

    low: float
    high: float


def wilson_bounds(
    successes: ArrayLike, trials: int, confidence: float = 0.95
) -> tuple[Float, Float]:
    """Wilson score interval of shares (Wilson, 1927): its coverage is right on average.

    Parameters
    ----------
    successes : int, of any shape
    trials : int

    Returns
    -------
    Lower and upper bounds, float64 of the shape of ``successes``; NaN for no trials.
    """
    counts = np.asarray(successes, dtype=np.float64)
    if not trials:
        return np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    z = float(ndtri(0.5 + confidence / 2))
    share, spread = counts / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    low = np.where(counts == 0, 0.0, np.maximum(0.0, centre - half))
    high = np.where(counts == trials, 1.0, np.minimum(1.0, centre + half))
    return low, high


def clopper_pearson_bounds(
    successes: ArrayLike, trials: int, confidence: float = 0.95
) -> tuple[Float, Float]:
    """Clopper-Pearson interval of shares (1934): never covers less than it says, so it is wider.

    Arguments and result as in :func:`wilson_bounds`.
    """
    counts = np.asarray(successes, dtype=np.float64)
    if not trials:
        return np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    tail = (1 - confidence) / 2
    low = betaincinv(np.maximum(counts, 1), trials - counts + 1, tail)
    high = betaincinv(counts + 1, np.maximum(trials - counts, 1), 1 - tail)
    return np.where(counts == 0, 0.0, low), np.where(counts == trials, 1.0, high)


INTERVALS: dict[str, Bounds] = {
    "Wilson": wilson_bounds,
    "Clopper–Pearson": clopper_pearson_bounds,
}
DEFAULT_INTERVAL = "Wilson"


def share_interval(successes: int, trials: int, kind: str = DEFAULT_INTERVAL) -> Interval:
    """95 % interval of one share, of a kind named in ``INTERVALS``; NaN for no trials."""
    low, high = INTERVALS[kind](successes, trials)
    return Interval(float(low), float(high))


def mean_interval(values: Float, largest: float, confidence: float = 0.95) -> Interval:
    """Interval of the mean of paired differences, (n,) float.

    Normal, after adding half a picture that gained ``largest``, half a one that lost it and one
    that did not change (Agresti & Min, 2005, for differences of −1, 0 and 1): without these a
    handful of equal differences would look certain.
    """
    if not len(values):
        return Interval(math.nan, math.nan)
    n = len(values) + 2
    mean = float(values.sum()) / n
    variance = (float((values**2).sum()) + largest**2) / n - mean**2
    half = float(ndtri(0.5 + confidence / 2)) * math.sqrt(max(variance, 0.0) / n)
    return Interval(mean - half, mean + half)
