"""Thresholds as numbers that people can type."""

from __future__ import annotations

import math
from fractions import Fraction


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
