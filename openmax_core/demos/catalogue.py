"""The embedded demos, in the order in which they are offered: a visitor lands on the first."""

from __future__ import annotations

DEMOS = (GARAGES, DIGITS)
