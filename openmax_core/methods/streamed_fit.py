"""The first half of fitting from chunks that are read twice, in memory that does not grow.

1. Sums of the correctly classified activation vectors per class, which make the MAVs.
2. Their distances to the own MAV, of which the η largest per class are kept, with their rows; and
   the largest Euclidean one, which is how far a single picture pulls the MAV at most.

What :func:`~openmax_core.methods.fitting.training_distances` gives, up to the order in which
float64 sums are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import FitError
from openmax_core.methods.distances import DistanceFunction, euclidean
from openmax_core.methods.reweighting import centred
from openmax_core.support.arrays import Float, Int
from openmax_core.support.chunks import Chunk, ReadChunks, in_parallel

BLOCK_VALUES = 1 << 17  # values whose distances are computed at once, in the processor's cache


@dataclass(frozen=True)
class Farthest:
    """The largest distances of every class, as far as they have been read.

    Attributes
    ----------
    classes, rows : (K,) int64, of the pictures
    distances : (K,) float
    """

    classes: Int
    distances: NDArray[Any]
    rows: Int

    def merged(self, other: Farthest, sizes: Int) -> Farthest:
        """Of both the largest (C,) ``sizes`` of each class, by class and distance."""
        classes = np.concatenate([self.classes, other.classes])
        distances = np.concatenate([self.distances, other.distances])
        rows = np.concatenate([self.rows, other.rows])
        order = np.lexsort((rows, -distances, classes))
        ordered = classes[order]
        rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        kept = order[rank < sizes[ordered]]
        return Farthest(classes[kept], distances[kept], rows[kept])


def streamed_means(
    read: ReadChunks, n_classes: int, precision: np.dtype[Any], centring: str
) -> tuple[Float, Int, Int]:
    """(C, C) MAVs of the correctly classified, (C,) how many are, (C,) how many there are.

    Raises
    ------
    FitError
        A label is none of the classes.
    """
    # Less its mean is linear, so that it can be taken off once, at the end.
    is_linear = centring in {"none", "mean"}

    def sums(chunk: Chunk) -> tuple[Int, Float, Int, Int]:
        places, own = _correct(chunk, n_classes)
        vectors = _in_order(chunk.logits, places)
        if not is_linear:
            vectors = centred(vectors.astype(precision), centring)
        present, starts = np.unique(own, return_index=True)
        added = np.zeros((0, n_classes))
        if len(present):
            added = np.add.reduceat(vectors, starts, axis=0, dtype=np.float64)
        correct, training = (np.bincount(i, minlength=n_classes) for i in (own, chunk.labels))
        return present, added, correct, training

    totals = np.zeros((n_classes, n_classes))
    n_correct, n_training = (np.zeros(n_classes, dtype=np.int64) for _ in range(2))
    for present, added, correct, training in in_parallel(sums, read()):
        totals[present] += added
        n_correct += correct
        n_training += training
    means = totals / np.maximum(n_correct, 1)[:, None]
    return centred(means, centring) if is_linear else means, n_correct, n_training


def streamed_tails(
    read: ReadChunks,
    means: Float,
    distance: DistanceFunction,
    precision: np.dtype[Any],
    centring: str,
    sizes: Int,
) -> tuple[Farthest, Float]:
    """The (C,) ``sizes`` largest distances of the correctly classified to the MAV of their class.

    And the (C,) largest Euclidean distance of these to it, whatever the distance is; 0 of none.

    Parameters
    ----------
    means : (C, C) float64
    """
    rounded = means.astype(precision)
    most_rows = max(1, BLOCK_VALUES // len(means))

    def farthest(chunk: Chunk) -> tuple[Farthest, Float]:
        places, own = _correct(chunk, len(means))
        vectors = _in_order(chunk.logits, places)
        distances, largest = np.empty(len(own), dtype=precision), np.zeros(len(means))
        present, starts = np.unique(own, return_index=True)
        for index, start, stop in zip(present, starts, [*starts[1:], len(own)], strict=True):
            for first in range(start, stop, most_rows):
                part = slice(first, min(first + most_rows, stop))
                block = centred(vectors[part].astype(precision), centring)
                distances[part] = distance(block, rounded[index])
                length = float(euclidean(block, rounded[index]).max())
                largest[index] = max(largest[index], length)
        none = Farthest(own[:0], distances[:0], places[:0])
        return none.merged(Farthest(own, distances, chunk.first + places), sizes), largest

    empty = np.empty(0, dtype=np.int64)
    kept, lengths = Farthest(empty, np.empty(0, dtype=precision), empty), np.zeros(len(means))
    for found, largest in in_parallel(farthest, read()):
        kept, lengths = kept.merged(found, sizes), np.maximum(lengths, largest)
    return kept, lengths


def _correct(chunk: Chunk, n_classes: int) -> tuple[Int, Int]:
    """Places and classes of a chunk's correctly classified, by class."""
    labels = chunk.labels
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_classes):
        raise FitError(f"labels must lie in 0..{n_classes - 1}")
    places = np.flatnonzero(chunk.logits.argmax(axis=1) == labels)
    places = places[np.argsort(labels[places], kind="stable")]
    return places, labels[places]


def _in_order(logits: NDArray[np.float32], places: Int) -> NDArray[Any]:
    """Rows at places; the logits themselves where these are all of them."""
    return logits if np.array_equal(places, np.arange(len(logits))) else logits[places]
