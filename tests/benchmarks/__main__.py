"""``make bench``: the budgets, each beside the notebook's way on the same data in the same run.

Prints a table and writes ``bench-results.json``. Nothing here fails on a slow machine: a budget in
absolute time is shown as met or not, and the ratio says what the machine cannot blur.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

# One core a measurement: set before NumPy starts its threads.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from tests.benchmarks import browser, extraction, memory, numbers, promises, scale, uploads
from tests.benchmarks.measure import Row

GROUPS: dict[str, Callable[[], list[Row]]] = {
    "numbers": numbers.rows,
    "extraction": extraction.rows,
    "memory": memory.rows,
    "browser": browser.rows,
    "uploads": uploads.rows,
    "scale": scale.rows,
}
# Minutes each: only when they are named.
LONG_GROUPS: dict[str, Callable[[], list[Row]]] = {
    "huge": scale.huge_rows,
    "promises": promises.rows,
}


def main(names: list[str]) -> None:
    """Measure the named groups, or all."""
    rows: list[Row] = []
    path = Path("bench-results.json")
    for name in names or GROUPS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        found = (GROUPS | LONG_GROUPS)[name]()
        _print(found)
        rows += found
        path.write_text(json.dumps([asdict(row) for row in rows], indent=2), encoding="utf-8")
    print(f"\nwrote {path}")


def _print(rows: list[Row]) -> None:
    width = max(len(row.what) for row in rows)
    print(f"{'what':{width}}  {'here':>16}  {'notebook':>16}  {'ratio':>8}  {'budget':>16}  met")
    for row in rows:
        ratio = f"{row.ratio:.1f}×" if row.ratio is not None else "–"
        print(
            f"{row.what:{width}}  {row.here:>16}  {row.notebook or '–':>16}  {ratio:>8}  "
            f"{row.budget or '–':>16}  {row.met_in_words}"
        )
        if row.note:
            print(f"{'':{width}}  {row.note}")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
