"""A method fitted and scored on more activations than memory holds, once, in chunks.

Above ``MOST_PICTURES`` pictures or ``MOST_LOGITS`` logits in the sets that are used, MAVs and tails
are streamed (:mod:`openmax_core.methods.fitting`), scores are counted
(:mod:`openmax_core.tradeoff.binned`), and of each set a seeded sample of pictures stands for
the rest wherever single pictures are shown. Below, everything is exact and in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from openmax_core.activations.activations import Activations
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.methods.openmax import Decisions, OpenMax
from openmax_core.support.arrays import Float, Int
from openmax_core.support.chunks import Chunk, in_parallel
from openmax_core.tradeoff.binned import ScoreCounts, score_edges

MOST_PICTURES = 3_000_000
MOST_LOGITS = 500_000_000
N_SAMPLED = 10_000  # pictures of a set
MOST_SAMPLED_VALUES = 20_000_000  # logits of a set's sample
CALIBRATION, TAILS, TEST, REJECT = "calibration", "tails", "test", "reject"

Report = Callable[[tuple[int, int]], None]


@dataclass(frozen=True)
class Counted:
    """A fitted method, counts of all scores, and pictures to look at.

    Attributes
    ----------
    openmax : OpenMax, fitted
    halves : counts of two halves of the pictures, drawn at random; added, of all
    samples : Activations by name: 'calibration', 'tails' (the pictures that the tails are made
        of), 'test', and 'reject' where there is a reject set
    n_right : int, test pictures that the classifier alone gets right
    farthest : (C,) float64, largest Euclidean distance of a correctly classified training picture
        to its MAV
    """

    openmax: OpenMax
    halves: tuple[ScoreCounts, ScoreCounts]
    samples: Mapping[str, Activations]
    n_right: int
    farthest: Float


def is_large(splits: Iterable[StoredSplit]) -> bool:
    """Tell whether sets are counted in chunks; reads no rows."""
    sizes = [(split.n_readable, split.n_readable * split.n_classes) for split in splits]
    n_pictures, n_logits = (sum(part) for part in zip(*sizes, strict=True))
    return n_pictures > MOST_PICTURES or n_logits > MOST_LOGITS


def count(
    openmax: OpenMax,
    class_names: Sequence[str],
    splits: Mapping[str, StoredSplit],
    report: Report = lambda progress: None,
    seed: int = 0,
) -> Counted:
    """Fit, count and sample: three passes over the training set, two over the others.

    Parameters
    ----------
    openmax : not fitted yet
    splits : 'calibration', 'test', and 'reject' where there is one
    report : called with the pictures done and to do

    Raises
    ------
    FitError, ActivationsError
        A class gives no Weibull, or stored logits are damaged; the class or file is named.
    """
    training, test, reject = splits[CALIBRATION], splits[TEST], splits.get(REJECT)
    total = 2 * training.n_readable + sum(s.n_readable for s in (test, reject) if s is not None)
    progress = _Progress(report, total)
    openmax.fit_chunks(lambda: progress.over(training.chunks()), class_names)
    empty = ScoreCounts.empty(score_edges(openmax.score_range()))
    halves, n_right = (empty, empty), 0
    generator = np.random.default_rng(seed)
    n_classes = openmax.n_classes

    def decided(split: StoredSplit) -> Iterable[tuple[Chunk, Decisions]]:
        chunks = progress.over(split.chunks())
        return in_parallel(lambda chunk: (chunk, openmax.decide(chunk.logits)), chunks)

    for chunk, found in decided(test):
        n_right += int((chunk.predictions == chunk.labels).sum())
        first = generator.random(len(chunk)) < 0.5
        one, other = (
            counts.with_test(
                found.scores[part], found.predictions[part], chunk.labels[part], n_classes
            )
            for counts, part in zip(halves, (first, ~first), strict=True)
        )
        halves = (one, other)
    for chunk, found in decided(reject) if reject is not None else ():
        first = generator.random(len(chunk)) < 0.5
        one, other = (
            counts.with_reject(found.scores[part], found.predictions[part], n_classes)
            for counts, part in zip(halves, (first, ~first), strict=True)
        )
        halves = (one, other)
    samples = {name: split.at(_sampled(split, generator)) for name, split in splits.items()}
    samples[TAILS] = training.at(np.sort(np.concatenate(openmax.tail_rows_)))
    return Counted(openmax, halves, samples, n_right, openmax.farthest_)


class _Progress:
    """Pictures that have been read, of all that will be."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._done, self._total = report, 0, total

    def over(self, chunks: Iterable[Chunk]) -> Iterable[Chunk]:
        for chunk in chunks:
            yield chunk
            self._done += len(chunk)
            self._report((self._done, self._total))


def _sampled(split: StoredSplit, generator: np.random.Generator) -> Int:
    """Ascending rows of a split's sample."""
    most = min(split.n_readable, N_SAMPLED, max(100, MOST_SAMPLED_VALUES // split.n_classes))
    return np.sort(generator.choice(split.n_readable, most, replace=False, shuffle=False))
