"""Shares of pictures as text: percent for people, fractions from 0 to 1 for files and code."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from openmax_core.errors import OpenMaxError

NUMBER = re.compile(r"(\d{0,30}\.?\d{0,30})\s*(%?)", re.ASCII)


def parse_share(text: str) -> float:
    """Share, 0 to 1, of what a person types: '85%', '85 %', '85' and '0.85' are all 0.85.

    With a percent sign the number is a percentage. Without one, up to 1 it is a fraction (so '1'
    is all pictures, and '1%' is one in a hundred), and above 1 a percentage.

    Raises
    ------
    OpenMaxError
        It is no number, or not between 0 % and 100 %.
    """
    match = NUMBER.fullmatch(text.strip())
    if match is None or not match[1].strip("."):
        raise OpenMaxError(f"'{text}' is not a share; write it as 85% or 0.85")
    number = Decimal(match[1])
    share = number / 100 if match[2] or number > 1 else number
    if share > 1:
        raise OpenMaxError(f"a share must lie between 0% and 100%, not '{text}'")
    return float(share)


def percent(share: float) -> str:
    """Return 0.8512 as '85.1 %', and NaN as 'not measured'."""
    return "not measured" if math.isnan(share) else f"{100 * share:.1f} %"


def exact_percent(share: float) -> str:
    """Return 0.85 as '85.0 %' and 0.8512 as '85.12 %': what must hold is never rounded."""
    text = f"{Decimal(repr(float(share))) * 100:f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'} %"


def percent_range(low: float, high: float) -> str:
    """Return an interval of a share as '82.8–87.2 %', and one of nothing as 'no pictures'."""
    return "no pictures" if math.isnan(low) else f"{100 * low:.1f}–{100 * high:.1f} %"


def counted(count: int, total: int) -> str:
    """Return a share with what it was counted on: '84.9 % (321 of 378)'."""
    return f"{percent(count / total if total else math.nan)} ({count:,} of {total:,})"


def points(difference: float) -> str:
    """Return a difference of two shares in percentage points: 0.0123 as '+1.2 points'."""
    return f"{100 * difference:+.1f} points"


def points_range(low: float, high: float) -> str:
    """Return an interval of a difference of two shares, in points, as '-1.3 to +4.0'."""
    return f"{100 * low:+.1f} to {100 * high:+.1f}"
