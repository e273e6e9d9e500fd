"""Thresholds as numbers that people can type."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.errors import OpenMaxError


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


def shortest_decimal(above: float, to: float) -> float:
    """Return the number with the fewest decimals in (above, to], the largest of those.

    ``to`` itself if no number of up to 15 decimals lies in between.
    """
    for digits in range(16):
        whole = math.floor(Fraction(to) * 10**digits)
        # The float nearest to a decimal may lie below it: 0.3 is 0.29999…, and still 0.3.
        for candidate in (float(f"{whole + 1}e-{digits}"), float(f"{whole}e-{digits}")):
            if above < candidate <= to:
                return candidate
    return to
