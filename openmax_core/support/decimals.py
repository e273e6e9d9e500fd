"""Thresholds as numbers that people can type."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float

MOST_DIGITS = 15
MOST_EXACT = 2.0**52  # whole numbers below it, and those next to it, are exact


def require_finite(thresholds: ArrayLike) -> None:
    """Refuse a threshold, or an array of them, that is NaN or infinite.

    No score is below NaN, so that it would accept every picture.

    Raises
    ------
    OpenMaxError
        One is no finite number.
    """
    single: object = thresholds
    if isinstance(single, float) and math.isfinite(single):
        return  # quick, for one look-up
    values = np.asarray(thresholds, dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        wrong = float(values[~finite][0])
        raise OpenMaxError(f"a threshold must be a finite number, not {wrong}")


def threshold_text(threshold: float) -> str:
    """Shortest text that is exactly this threshold: typed again, it decides the same."""
    return repr(float(threshold)).removesuffix(".0")


def score_text(score: float) -> str:
    """Text of a score for people: four decimals, or more where it is nearly 1.

    Its distance from 1 then has three digits: '0.99975' and not '0.9998', for probabilities pile up
    there, and thresholds lie between them.
    """
    digits = 2 - math.floor(math.log10(1 - score)) if 0.99 < score < 1 else 4
    if digits > MOST_DIGITS:
        return repr(float(score))
    return f"{score:.4f}" if digits <= 4 else f"{score:.{digits}f}".rstrip("0")


def shortest_decimal(above: float, to: float) -> float:
    """Return the number with the fewest decimals in (above, to], the largest of those.

    ``to`` itself if no number of up to 15 decimals lies in between.
    """
    for digits in range(MOST_DIGITS + 1):
        whole = math.floor(Fraction(to) * 10**digits)
        # The float nearest to a decimal may lie below it: 0.3 is 0.29999…, and still 0.3.
        for candidate in (float(f"{whole + 1}e-{digits}"), float(f"{whole}e-{digits}")):
            if above < candidate <= to:
                return candidate
    return to


def shortest_decimals(above: ArrayLike, to: ArrayLike) -> Float:
    """(N,) results of :func:`shortest_decimal` for (N,) pairs, much faster for many of them."""
    low, high = np.asarray(above, dtype=np.float64), np.asarray(to, dtype=np.float64)
    found = np.full(high.shape, np.nan)
    open_ = np.flatnonzero(np.abs(high) < MOST_EXACT)
    for digits in range(MOST_DIGITS + 1):
        power = 10.0**digits
        whole = np.floor(high[open_] * power)
        # Beyond, the product is rounded; the exact way is for those few.
        open_, whole = open_[np.abs(whole) < MOST_EXACT], whole[np.abs(whole) < MOST_EXACT]
        if not len(open_):
            break
        # The product may be rounded up to the next whole number: that one below counts as well.
        for step in (1.0, 0.0, -1.0):
            candidate = (whole + step) / power  # rounded once: the float nearest to the decimal
            fits = np.isnan(found[open_]) & (low[open_] < candidate) & (candidate <= high[open_])
            found[open_[fits]] = candidate[fits]
        open_ = open_[np.isnan(found[open_])]
    for index in np.flatnonzero(np.isnan(found)).tolist():
        found[index] = shortest_decimal(float(low[index]), float(high[index]))
    return found
