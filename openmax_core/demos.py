"""The embedded demos, in the order in which they are offered: a visitor lands on the first."""

from __future__ import annotations

from openmax_core.demo_digits import DIGITS
from openmax_core.demo_garages import GARAGES

DEMOS = (GARAGES, DIGITS)
