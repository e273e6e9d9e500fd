"""Activations a chunk at a time, worked on by a few cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from openmax_core.support.arrays import Int

MOST_CORES = 32
MOST_WORKERS = 4  # each holds some chunks' worth of intermediate results

Result = TypeVar("Result")


def n_cores() -> int:
    """Count the cores to work on: those that this process may use, 32 at most."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(usable or 1, MOST_CORES)


@dataclass(frozen=True)
class Chunk:
    """Some readable pictures of a split.

    Attributes
    ----------
    first : row of the first, among the readable
    logits : (n, C) float32
    labels, predictions : (n,) int64
    features : (n, D) float16; None where they were not asked for, or are not stored
    """

    first: int
    logits: NDArray[np.float32]
    labels: Int
    predictions: Int
    features: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.logits)


ReadChunks = Callable[[], Iterable[Chunk]]


def in_parallel(work: Callable[[Chunk], Result], chunks: Iterable[Chunk]) -> Iterator[Result]:
    """Results of chunks in their order, on a few cores; a chunk more than these in memory."""
    waiting: deque[Future[Result]] = deque()
    n_workers = min(n_cores(), MOST_WORKERS)
    with ThreadPoolExecutor(n_workers) as pool:
        for chunk in chunks:
            waiting.append(pool.submit(work, chunk))
            if len(waiting) > n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
