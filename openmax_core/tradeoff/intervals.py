"""Confidence intervals of a share counted on pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


def weighted_bounds(
    successes: ArrayLike,
    trials: Sequence[int],
    weights: Sequence[float],
    kind: str = DEFAULT_INTERVAL,
    confidence: float = 0.95,
) -> tuple[Float, Float]:
    """Interval of a weighted sum of shares that were counted on different pictures.

    * Wilson: the interval of each share, combined by the squares of its arms (MOVER; Zou and
      Donner, 2008). Like the interval of one share, its coverage is right on average.
    * Clopper-Pearson: with F weights above 0, each share's interval at the confidence
      1 − (1 − confidence) / F, and the weighted sums of the lower and of the upper ends
      (Bonferroni). It never covers less than it says.

    With one weight above 0 both are the interval of that share.

    Parameters
    ----------
    successes : (F, …) int
    trials : F numbers of pictures
    weights : F, from 0, with sum 1
    kind : named in :data:`INTERVALS`

    Returns
    -------
    Lower and upper bounds, float64 of the shape (…); NaN where one with a weight has no trials.
    """
    counts = np.asarray(successes, dtype=np.float64)
    used = [index for index, weight in enumerate(weights) if weight]
    is_exact = INTERVALS[kind] is clopper_pearson_bounds
    if is_exact:
        confidence = 1 - (1 - confidence) / max(1, len(used))
    share = np.zeros(counts.shape[1:])
    below, above = np.zeros_like(share), np.zeros_like(share)
    power = 1 if is_exact else 2
    for index in used:
        if not trials[index]:
            return np.full_like(share, np.nan), np.full_like(share, np.nan)
        own = counts[index] / trials[index]
        low, high = INTERVALS[kind](counts[index], trials[index], confidence)
        if len(used) == 1:
            return low, high
        share = share + weights[index] * own
        below = below + (weights[index] * (own - low)) ** power
        above = above + (weights[index] * (high - own)) ** power
    if not is_exact:
        below, above = np.sqrt(below), np.sqrt(above)
    return np.maximum(0.0, share - below), np.minimum(1.0, share + above)


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
