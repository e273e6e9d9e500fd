"""Timing, and one row of the table."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measurement beside the notebook's way."""

    what: str
    here: str
    notebook: str = ""
    ratio: float | None = None
    budget: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def met_in_words(self) -> str:
        """'yes', 'no', or nothing where there is no budget."""
        return {True: "yes", False: "NO", None: ""}[self.met]


def best_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Shortest of several runs: what the machine can do when nobody disturbs it."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
