"""Scores as counts in fine bins: counts of two sets of pictures, added, are those of both.

The bins' edges are decimal numbers, so that every threshold that a slider or a table has is one of
them, and what is counted there is exact. Between 0 and the largest score that a method can give,
``high``, bins are as wide as a power of ten that makes 50,000 to 500,000 of them; towards ``high``,
where scores of a confident network pile up, they get narrower by 10 and by 10 again, down to the
last digits of a float64, so that no bin is wider than a thousandth of its distance to ``high``:

    width 10^−d up to high − 10^(3−d), then 10^−(d+1) up to high − 10^(2−d), …
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.support.arrays import Float, Int

FEWEST_BINS = 50_000
MOST_DIGITS = 15
CORRECT, WRONG, TEST_WON, ACCEPTED, REJECT_WON = range(5)
N_KINDS = 5


def score_edges(score_range: tuple[float, float]) -> Float:
    """(B + 1,) ascending float64 edges of the bins for a method's range of scores.

    Each is the float64 nearest to a decimal number, but the last where the range ends at 1: the
    next number above it.
    """
    low, high = score_range
    digits = -math.floor(math.log10((high - low) / FEWEST_BINS))
    parts, first = [], 0.0
    for d in range(digits, MOST_DIGITS + 1):
        is_last = d == MOST_DIGITS
        end = high if is_last else high - 10.0 ** (3 - d)
        begin, stop = round(first * 10**d), math.ceil(end * 10**d)
        # Whole numbers by a power of ten: rounded once, so nearest to the decimal number.
        parts.append(np.arange(begin, stop + (3 if is_last else 0)) / 10.0**d)
        first = stop / 10**d
    edges = np.concatenate(parts)
    return np.append(edges[edges <= 1.0], np.nextafter(1.0, 2.0)) if high == 1.0 else edges


@dataclass(frozen=True)
class ScoreCounts:
    """How many pictures of each kind have a score in each bin.

    Attributes
    ----------
    edges : (B + 1,) float64, ascending; bin i holds the scores from edge i up to below edge i + 1
    counts : (5, B) int64
        Test pictures given their right class, a wrong class, or for which 'unknown' won; reject
        pictures taken for a class, or for which 'unknown' won.
    """

    edges: Float
    counts: Int

    @classmethod
    def empty(cls, edges: Float) -> ScoreCounts:
        """Counts of no picture."""
        return cls(edges, np.zeros((N_KINDS, len(edges) - 1), dtype=np.int64))

    def __add__(self, other: ScoreCounts) -> ScoreCounts:
        """Counts of both sets of pictures.

        Raises
        ------
        OpenMaxError
            The bins are others, as those of another method or number of classes.
        """
        if not np.array_equal(self.edges, other.edges):
            raise OpenMaxError("counts in other bins cannot be added; count both in the same")
        return ScoreCounts(self.edges, self.counts + other.counts)

    def with_test(
        self, scores: ArrayLike, predictions: ArrayLike, labels: ArrayLike, n_classes: int
    ) -> ScoreCounts:
        """Counts with (N,) more test pictures; C as a prediction: 'unknown' won.

        Raises
        ------
        ActivationsError
            A score is not finite or outside the bins.
        """
        predicted = np.asarray(predictions)
        kinds = np.where(predicted == np.asarray(labels), CORRECT, WRONG)
        kinds[predicted == n_classes] = TEST_WON
        return self._with(scores, kinds)

    def with_reject(self, scores: ArrayLike, predictions: ArrayLike, n_classes: int) -> ScoreCounts:
        """Counts with (M,) more reject pictures; as :meth:`with_test`."""
        kinds = np.where(np.asarray(predictions) == n_classes, REJECT_WON, ACCEPTED)
        return self._with(scores, kinds)

    def _with(self, scores: ArrayLike, kinds: Int) -> ScoreCounts:
        values = np.asarray(scores, dtype=np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            raise ActivationsError(f"score {int(np.argmin(finite))} is not finite")
        if len(values) and not self.edges[0] <= values.min() <= values.max() < self.edges[-1]:
            raise ActivationsError(
                f"scores must lie from {self.edges[0]:g} to below {self.edges[-1]:g}, not at "
                f"{values.min():g} or {values.max():g}"
            )
        n_bins = len(self.edges) - 1
        bins = np.searchsorted(self.edges, values, side="right") - 1
        counts = self.counts.copy()
        np.add.at(counts.reshape(-1), kinds * n_bins + bins, 1)
        return ScoreCounts(self.edges, counts)
