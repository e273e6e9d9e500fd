"""More pictures than memory holds: curve from counts, a workspace opened from them, streamed fit.

``scale`` runs with all others; ``huge`` (the full 1e8 + 1e8 scores, 5,000,000 × 100 and
1,280,000 × 1,000 stored activations: minutes, and 6 GB of disk) only when it is named:
``python -m tests.benchmarks huge``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from openmax_core.activations.shards import Result
from openmax_core.pictures.folders import PictureFiles
from openmax_core.tradeoff.binned import CountedCurve, ScoreCounts, score_edges
from openmax_core.tradeoff.curve import TradeoffCurve
from tests.benchmarks.measure import Row, best_seconds
from tests.support.workspaces import make_workspace

N_CLASSES = 100
AT_ONCE = 2_000_000
BLOCK_VALUES = 1 << 23
N_EXACT = 1_000_000
# Processes of their own, so that nothing else counts.
MEMORY = """
(line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(time.perf_counter() - started, 1024 * int(line.split()[1]))
"""
# What is evaluated first is counted.
OPEN = """
import sys, time
from pathlib import Path
from openmax_core.evaluation import counting
from openmax_core.workspace.workspace import Workspace
counting.MOST_PICTURES = 0
started = time.perf_counter()
evaluation = Workspace.open(sys.argv[1]).evaluate("robust")
evaluation.recommend(0.85)
assert evaluation.counted is not None
"""
READ = """
import sys, time
from pathlib import Path
from openmax_core.workspace.workspace import Workspace
started, folder = time.perf_counter(), Path(sys.argv[1])
tables = {split: folder / f"{split}.parquet" for split in ("train", "test", "reject")}
Workspace.create_from_tables(folder / "workspace", tables)
"""
FIT = """
import sys, time
from pathlib import Path
from openmax_core.methods.openmax import OpenMax
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.workspace.workspace import Workspace
workspace = Workspace.open(sys.argv[1])
split = StoredSplit(workspace.stored.store.newest("train"))
started = time.perf_counter()
OpenMax(sys.argv[2]).fit_chunks(split.chunks, workspace.classes)
"""


def rows() -> list[Row]:
    """Curve from 1e7 + 1e7 scores; a workspace of 500,000 pictures; a fit to 100,000 × 1,000."""
    return [*_curve(10_000_000), *_workspace(100_000, 200_000), *_fit(100_000)]


def huge_rows() -> list[Row]:
    """Curve from 1e8 + 1e8 scores; 5,000,000 pictures; tables; a fit to ImageNet's size."""
    pictures = _workspace(1_000_000, 2_000_000)
    return [*_curve(100_000_000), *pictures, *_tables(1_000_000), *_fit(1_280_000, 20.0)]


def _curve(n: int) -> list[Row]:
    generator = np.random.default_rng(0)
    counts = ScoreCounts.empty(score_edges((1 / (N_CLASSES + 1), 1.0)))
    seconds = 0.0
    for _ in range(n // AT_ONCE):
        known, unknown = 1 - generator.beta(0.4, 2, AT_ONCE), 1 - generator.beta(4, 2, AT_ONCE)
        predictions = (generator.random(AT_ONCE) < 0.05).astype(np.int64)
        started = time.perf_counter()
        counts = counts.with_pictures(known, predictions, np.zeros(AT_ONCE), N_CLASSES)
        counts = counts.with_pictures(unknown, predictions, np.full(AT_ONCE, -1), N_CLASSES)
        seconds += time.perf_counter() - started
    opening = best_seconds(lambda: CountedCurve(counts, N_CLASSES).best(0.85), 3)
    part = slice(0, min(N_EXACT, AT_ONCE))
    labels = np.zeros(N_EXACT, dtype=np.int64)

    def sort() -> None:
        TradeoffCurve(
            known[part], predictions[part], labels, unknown[part], predictions[part], N_CLASSES
        ).best(0.85)

    exact = best_seconds(sort, 1) * n / N_EXACT
    curve = CountedCurve(counts, N_CLASSES)
    return [
        Row(
            f"counting {n:.0e} + {n:.0e} scores",
            f"{seconds:.1f} s",
            note=f"{counts.counts.nbytes / 1e6:.0f} MB of counts, "
            f"{curve.error_bound.in_words} between edges",
        ),
        Row(
            "curve and recommended threshold from these counts",
            f"{1e3 * opening:.0f} ms",
            f"{exact:.1f} s",
            exact / opening,
            "≤ 5 s",
            opening <= 5,
            f"beside it the exact curve, timed on {N_EXACT:,} + {N_EXACT:,} and multiplied",
        ),
    ]


class _Rows(Mapping[int, Result]):
    """A mixture of easy and hard pictures and of unknowns, made a block at a time."""

    def __init__(self, labels: np.ndarray, n_classes: int, seed: int) -> None:
        self.labels, self.n_classes, self.seed, self.number = labels, n_classes, seed, -1
        self.size = BLOCK_VALUES // n_classes

    def __getitem__(self, index: int) -> Result:
        number, place = divmod(index, self.size)
        if number != self.number:
            labels = self.labels[number * self.size : (number + 1) * self.size]
            generator = np.random.default_rng([self.seed, number])
            n = len(labels)
            block = 1.3 * generator.standard_normal((n, self.n_classes), dtype=np.float32)
            near = np.where(labels >= 0, labels, generator.integers(0, self.n_classes, n))
            hard, easy = generator.gamma(2.2, 1.6, n), generator.gamma(9, 1.1, n)
            block[np.arange(n), near] += np.where(labels >= 0, easy, hard).astype(np.float32)
            self.block, self.number = block, number
        row: Result = self.block[place]
        return row

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return len(self.labels)


def _workspace(n_train: int, n_test: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "many"
        _write(folder, N_CLASSES, {"train": n_train, "test": n_test, "reject": n_test})
        measured = [_measured(OPEN, folder) for _ in range(2)]
    what = f"{n_train + 2 * n_test:,} × {N_CLASSES} activations"
    (first, most), (again, memory) = measured
    return [
        Row(
            f"fitting, counting and storing {what}, once",
            f"{first:.1f} s",
            note=f"{most / 1e6:.0f} MB resident at most",
        ),
        Row(
            f"opening {what} again",
            f"{again:.2f} s",
            f"{first:.1f} s",
            first / again,
            "≤ 5 s, ≤ 2 GB",
            again <= 5 and memory <= 2e9,
            f"{memory / 1e6:.0f} MB resident at most; beside it the first time",
        ),
    ]


def _tables(n_test: int) -> list[Row]:
    """Reading Parquet tables, of which the large one has one row group, as pandas writes it."""
    with tempfile.TemporaryDirectory() as name:
        counts = {"train": n_test // 10, "test": n_test, "reject": n_test // 10}
        for seed, (split, count) in enumerate(counts.items()):
            labels = np.arange(count, dtype=np.int64) % N_CLASSES
            labels = labels if split != "reject" else np.full(count, -1)
            made = _Rows(labels, N_CLASSES, seed)
            logits = np.array([made[row] for row in range(count)])
            columns = {f"logit_{number}": logits[:, number] for number in range(N_CLASSES)}
            table = pd.DataFrame({"label": labels, **columns})
            table.to_parquet(Path(name) / f"{split}.parquet", index=False)
            del logits, columns, table
        seconds, memory = _measured(READ, Path(name))
    return [
        Row(
            f"reading Parquet tables of {sum(counts.values()):,} × {N_CLASSES} logits",
            f"{seconds:.1f} s",
            budget="≤ 30 s, ≤ 1 GB",
            met=seconds <= 30 and memory <= 1e9,
            note=f"{memory / 1e6:.0f} MB resident at most",
        )
    ]


def _fit(n_train: int, budget: float | None = None) -> list[Row]:
    """Rows of a fit from stored activations of 1,000 classes, by preset."""
    n_classes, rows = 1_000, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "many"
        _write(folder, n_classes, {"train": n_train})
        for preset in ("robust", "bendale"):
            measured = [_measured(FIT, folder, preset) for _ in range(2)]
            seconds, memory = min(measured)[0], max(most for _, most in measured)
            rows.append(
                Row(
                    f"fit from {n_train:,} × {n_classes:,} stored activations, {preset}",
                    f"{seconds:.1f} s",
                    budget=f"≤ {budget:g} s, ≤ 300 MB" if budget else "≤ 300 MB",
                    met=seconds <= (budget or seconds) and memory <= 300e6,
                    note=f"{memory / 1e6:.0f} MB resident at most; best of 2",
                )
            )
    return rows


def _measured(code: str, folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds, and bytes resident at most."""
    done = subprocess.run(
        [sys.executable, "-c", code + MEMORY, str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def _write(folder: Path, n_classes: int, counts: Mapping[str, int]) -> None:
    """Activations through the store's own writer; the pictures are none."""
    classes = tuple(f"class {number:03d}" for number in range(n_classes))
    workspace = make_workspace(
        folder, classes=classes, n_train=1, n_test=1, n_reject=2, stored=False
    )
    for seed, (split, count) in enumerate(counts.items()):
        known = np.sort(np.arange(count, dtype=np.int64) % n_classes)
        labels = known if split != "reject" else np.full(count, -1)
        paths = tuple(f"{classes[k]}/{row:08d}.jpg" for row, k in enumerate(known.tolist()))
        ones = np.ones(count, dtype=np.int64)
        files = PictureFiles(folder / split, paths, labels, ones, ones)
        workspace.stored.store.save(split, files, _Rows(labels, n_classes, seed), n_classes)
