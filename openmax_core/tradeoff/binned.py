"""The curve over the threshold from counts of scores in fine bins, for any number of pictures.

Counts of two sets of pictures, added, are those of both. The bins' edges are decimal numbers, so
that round numbers, which people type, are among them, and what is counted there is exact. So are
the positions of a slider: between two filled bins nothing changes. Between 0 and the largest score
that a method can give, ``high``, bins are as wide as a power of ten that makes 50,000 to 500,000 of
them; towards ``high``, where scores of a confident network pile up, they get narrower by 10 and by
10 again, down to the last digits of a float64, so that no bin is wider than a thousandth of its
distance to ``high``:

    width 10^−d up to high − 10^(3−d), then 10^−(d+1) up to high − 10^(2−d), …

Scores that are no probabilities have no such end. Their bins (:func:`spread_edges`) are as narrow
as a power of ten that makes 50,000 to 500,000 of them where nearly all scores lie, and get wider by
10 and by 10 again far outside: at a distance of 10^(k+4−d) they are 10^(k−d) wide.

Between two edges the accuracies are those of the upper one: the true value differs by at most the
pictures of that bin over all. The largest such share is the curve's error bound; it is counted, not
assumed. Pictures of one bin may be in any order, so AUROC lies between what it would be if there
all test pictures were above, or all below, the reject pictures; half-way is reported, with both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.tradeoff.curve import (
    ACCEPTED,
    CORRECT,
    DECIDED,
    KINDS,
    REJECT_WON,
    TEST_WON,
    WRONG,
    Curve,
)

FEWEST_BINS = 50_000
MOST_DIGITS = 15


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


def spread_edges(ends: tuple[float, float], middle: tuple[float, float]) -> Float:
    """(B + 1,) ascending float64 edges of bins for scores that are no probabilities.

    Each is the float64 nearest to a decimal number. The bins hold all scores from the smallest to
    the largest.

    Parameters
    ----------
    ends : the smallest and the largest score
    middle : between which nearly all scores lie
    """
    low, high = middle
    width = high - low if high > low else max(1.0, abs(low))
    digits = -math.floor(math.log10(width / FEWEST_BINS))
    # Whole numbers of bins must be exact.
    digits = min(digits, MOST_DIGITS - math.ceil(math.log10(max(1e-300, abs(low), abs(high)))))
    below = -_outward(-low, -ends[0], digits)[::-1]
    above = _outward(high, ends[1], digits)
    inside = np.arange(math.floor(_times(low, digits)), math.ceil(_times(high, digits)) + 1)
    return np.unique(np.concatenate([below, _times(inside, -digits), above]))


def _outward(first: float, last: float, digits: int) -> Float:
    """Edges from ``first`` up to one beyond ``last``, the wider the farther."""
    parts, begin = [], math.floor(_times(first, digits))
    for step in range(400):
        own = digits - step
        end = min(first + _times(10.0**5, step - digits), last)
        stop = math.floor(_times(end, own)) + 2
        stop += -stop % 10  # where the next, wider bins begin
        parts.append(_times(np.arange(begin, stop + 1, dtype=np.float64), -own))
        if end >= last:
            break
        begin = stop // 10
    return np.concatenate(parts)


def _times(value: Any, digits: int) -> Any:
    """Value times a power of ten, rounded once."""
    return value * 10.0**digits if digits >= 0 else value / 10.0**-digits


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
        return cls(edges, np.zeros((len(KINDS), len(edges) - 1), dtype=np.int64))

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

    def with_pictures(
        self, scores: ArrayLike, predictions: ArrayLike, labels: ArrayLike, n_classes: int
    ) -> ScoreCounts:
        """Counts with (N,) more pictures.

        Parameters
        ----------
        predictions : (N,) int; C: 'unknown' won
        labels : (N,) int; −1: a reject picture

        Raises
        ------
        ActivationsError
            A score is not finite or outside the bins.
        """
        predicted, known = np.asarray(predictions), np.asarray(labels)
        of_test = np.where(predicted == known, CORRECT, WRONG)
        of_test[predicted == n_classes] = TEST_WON
        of_reject = np.where(predicted == n_classes, REJECT_WON, ACCEPTED)
        kinds = np.where(known < 0, of_reject, of_test)
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


@dataclass(frozen=True)
class ErrorBound:
    """How far an accuracy between two edges may be from the true one, at most; 0 on the edges."""

    test: float
    reject: float

    @property
    def in_words(self) -> str:
        """'exact to ±0.03 points', rounded up, of the larger one."""
        most = 100 * max(self.test, self.reject)
        if not most:
            return "exact"
        digits = max(0, -math.floor(math.log10(most)))
        return f"exact to ±{math.ceil(most * 10**digits - 1e-9) / 10**digits:.{digits}f} points"


class CountedCurve(Curve):
    """Test and Reject accuracy over the threshold, from counts; exact at the bins' edges.

    Parameters
    ----------
    counts : ScoreCounts of all pictures
    n_classes : int
        C.
    halves : counts of two halves drawn at random, optional
        For choosing on one and reporting on the other.
    """

    def __init__(
        self,
        counts: ScoreCounts,
        n_classes: int,
        halves: tuple[ScoreCounts, ScoreCounts] | None = None,
    ) -> None:
        super().__init__(counts.counts.sum(axis=1).tolist(), n_classes)
        self.counts = counts
        self._halves = halves

    @cached_property
    def halves(self) -> tuple[CountedCurve, CountedCurve] | None:
        """Curves of two random halves of the pictures, where they were counted apart."""
        if self._halves is None:
            return None
        first, second = self._halves
        return CountedCurve(first, self.n_classes), CountedCurve(second, self.n_classes)

    @cached_property
    def error_bound(self) -> ErrorBound:
        """Largest share of the pictures that one bin decides on."""
        wide = self.counts.counts * self._has_inside
        known, unknown = int((wide[CORRECT] + wide[WRONG]).max()), int(wide[ACCEPTED].max())
        return ErrorBound(
            known / self.n_test if known else 0.0, unknown / self.n_reject if unknown else 0.0
        )

    def _at_or_above(self, kinds: Sequence[int], thresholds: ArrayLike) -> list[Int]:
        """For each kind the pictures at or above thresholds, or the edges above them."""
        at = np.searchsorted(self.counts.edges[:-1], thresholds)
        return [self._from[kind, at] for kind in kinds]

    @cached_property
    def _cells(self) -> tuple[Float, Float]:
        """Lower and upper edges of the bins in which pictures lie that a threshold decides on."""
        filled = self.counts.counts[list(DECIDED)].any(axis=0)
        return self.counts.edges[:-1][filled], self.counts.edges[1:][filled]

    @property
    def _ends(self) -> tuple[float, float] | None:
        """Edges around all pictures."""
        filled = np.flatnonzero(self.counts.counts.any(axis=0))
        edges = self.counts.edges
        return (float(edges[filled[0]]), float(edges[filled[-1] + 1])) if len(filled) else None

    def _wins(self, kinds: Sequence[int]) -> tuple[float, float]:
        known = self.counts.counts[list(kinds)].sum(axis=0)
        unknown = self.counts.counts[ACCEPTED].astype(np.float64)
        sure = known @ np.append(0.0, unknown.cumsum()[:-1])
        together = known * unknown
        open_, tied = together[self._has_inside].sum(), together[~self._has_inside].sum()
        return float(sure + tied / 2), float(sure + tied / 2 + open_)

    def histograms(self, edges: Float) -> tuple[Int, Int]:
        """Test and reject pictures per bin, each fine bin by its middle."""
        middles = (self.counts.edges[:-1] + self.counts.edges[1:]) / 2
        bins = np.clip(np.searchsorted(edges, middles, side="right") - 1, 0, len(edges) - 2)
        known, unknown = (
            np.bincount(bins, kinds.sum(axis=0), len(edges) - 1).astype(np.int64)
            for kinds in (self.counts.counts[:ACCEPTED], self.counts.counts[ACCEPTED:])
        )
        return known, unknown

    @cached_property
    def _has_inside(self) -> NDArray[np.bool_]:
        """(B,) bool: there are numbers between the bin's edges."""
        return np.asarray(np.nextafter(self.counts.edges[:-1], np.inf) < self.counts.edges[1:])

    @cached_property
    def _from(self) -> Int:
        """(5, B + 1) pictures at or above every edge; nothing is at the last one."""
        table = np.zeros((len(KINDS), len(self.counts.edges)), dtype=np.int64)
        table[:, :-1] = self.counts.counts[:, ::-1].cumsum(axis=1)[:, ::-1]
        return table
