"""The embedded demos, in the order in which they are offered: a visitor lands on the first."""

from __future__ import annotations

from openmax_core.demos.digits import DIGITS
from openmax_core.demos.garages import GARAGES

DEMOS = (GARAGES, DIGITS)
