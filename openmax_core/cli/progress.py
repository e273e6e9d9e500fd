"""What the shell shows while the method of a large workspace is counted, and what decides there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openmax_core.evaluation.counting import Report
    from openmax_core.prediction.choice import Choice
    from openmax_core.workspace.workspace import Workspace


@contextmanager
def counting_bar() -> Iterator[Report]:
    """Give what draws a progress bar on standard error, as soon as something is counted.

    Where standard error is no terminal nothing is drawn.
    """
    from tqdm import tqdm

    bars: list[Any] = []

    def report(progress: tuple[int, int]) -> None:
        done, total = progress
        if not bars:
            bars.append(
                tqdm(
                    total=total,
                    unit=" pictures",
                    desc="counting",
                    leave=False,
                    disable=None,
                    file=sys.stderr,
                )
            )
        bars[0].update(done - bars[0].n)

    try:
        yield report
    finally:
        for bar in bars:
            bar.close()


def choose(workspace: Workspace, options: argparse.Namespace) -> Choice:
    """Return the method and threshold that the options ask for, with a bar while it is counted."""
    from openmax_core.prediction.choice import choose_method

    with counting_bar() as report:
        return choose_method(workspace, options.preset, options.threshold, report)
