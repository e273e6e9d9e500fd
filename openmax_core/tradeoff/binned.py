"""The curve over the threshold from counts of scores in fine bins, for any number of pictures.

At every edge of the bins both accuracies are exact. Between two edges they are those of the upper
one: the true value differs by at most the pictures of that bin over all. The largest such share is
the curve's error bound; it is counted, not assumed.

Pictures of one bin may be in any order, so AUROC lies between what it would be if there all test
pictures were above, or all below, the reject pictures; half-way is reported, with both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.support.arrays import Float, Int
from openmax_core.support.decimals import shortest_decimal
from openmax_core.tradeoff.base import Curve
from openmax_core.tradeoff.outcomes import Outcomes
from openmax_core.tradeoff.score_counts import (
    ACCEPTED,
    CORRECT,
    REJECT_WON,
    TEST_WON,
    WRONG,
    ScoreCounts,
)


@dataclass(frozen=True)
class ErrorBound:
    """How far an accuracy between two edges may be from the true one, at most; 0 on the edges."""

    test: float
    reject: float

    @property
    def in_words(self) -> str:
        """'exact to ±0.0003', rounded up, of the larger one."""
        most = max(self.test, self.reject)
        if not most:
            return "exact"
        digits = max(0, -math.floor(math.log10(most)))
        return f"exact to ±{math.ceil(most * 10**digits) / 10**digits:.{digits}f}"


class CountedCurve(Curve):
    """Test and Reject accuracy over the threshold, from counts.

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
        self.counts = counts
        self.n_classes = n_classes
        self._halves = halves
        # At or above every edge; nothing is at the last one.
        self._from = np.zeros((len(counts.counts), len(counts.edges)), dtype=np.int64)
        self._from[:, :-1] = counts.counts[:, ::-1].cumsum(axis=1)[:, ::-1]

    @property
    def n_test(self) -> int:
        """N, pictures of the test set."""
        return int(self._from[[CORRECT, WRONG, TEST_WON], 0].sum())

    @property
    def n_reject(self) -> int:
        """M, pictures of the reject set."""
        return int(self._from[[ACCEPTED, REJECT_WON], 0].sum())

    @property
    def n_test_unknown_won(self) -> int:
        """Test pictures that are rejected at every threshold, because 'unknown' won."""
        return int(self._from[TEST_WON, 0])

    @property
    def n_reject_unknown_won(self) -> int:
        """Reject pictures that are rejected at every threshold, because 'unknown' won."""
        return int(self._from[REJECT_WON, 0])

    @property
    def halves(self) -> tuple[CountedCurve, CountedCurve] | None:
        """Curves of two random halves of the pictures, where they were counted apart."""
        if self._halves is None:
            return None
        first, second = self._halves
        return CountedCurve(first, self.n_classes), CountedCurve(second, self.n_classes)

    def outcomes(self, thresholds: ArrayLike) -> Outcomes:
        """Counts of everything that happens at (K,) thresholds, or at the edges above them."""
        at = np.asarray(thresholds, dtype=np.float64)
        edges = np.minimum(np.searchsorted(self.counts.edges, at), len(self.counts.edges) - 1)
        return Outcomes(
            at,
            self._from[CORRECT, edges],
            self._from[WRONG, edges],
            self._from[ACCEPTED, edges],
            self.n_test,
            self.n_reject,
        )

    def test_accuracy(self, threshold: float | Float) -> float | Float:
        """Test accuracy at a threshold or an array of them, of its shape; NaN if N is 0."""
        return _as_given(self.outcomes(threshold).test_accuracy)

    def reject_accuracy(self, threshold: float | Float) -> float | Float:
        """Reject accuracy at a threshold or an array of them, of its shape; NaN if M is 0."""
        return _as_given(self.outcomes(threshold).reject_accuracy)

    @cached_property
    def thresholds(self) -> Float:
        """Ascending edges, of those between which nothing lies the last; all exact.

        ``[0.0]`` if there are no pictures that a threshold decides on.
        """
        kept = self._is_filled
        if not kept.any():
            return np.zeros(1)
        # What lies in a bin is still accepted at its lower edge, and no longer at its upper one.
        lower = np.flatnonzero(kept)
        return self.counts.edges[np.append(lower, lower[-1] + 1)]

    def decimals(self, thresholds: ArrayLike) -> list[float]:
        """Number with the fewest digits that is as exact, for some of :attr:`thresholds`."""
        to = np.asarray(thresholds, dtype=np.float64)
        at = np.searchsorted(self.thresholds, to)
        before = np.searchsorted(self.counts.edges, np.where(at > 0, self.thresholds[at - 1], -1.0))
        # Up to the edge above the bin before all is the same; in that bin it is not known.
        first = np.where(at > 0, self.counts.edges[np.minimum(before + 1, self._last)], -np.inf)
        below = np.nextafter(np.minimum(first, to), -np.inf)
        return list(map(shortest_decimal, below.tolist(), to.tolist()))

    @cached_property
    def error_bound(self) -> ErrorBound:
        """Largest share of the pictures that one bin decides on."""
        wide = self.counts.counts * self._has_inside
        known, unknown = int((wide[CORRECT] + wide[WRONG]).max()), int(wide[ACCEPTED].max())
        return ErrorBound(
            known / self.n_test if known else 0.0, unknown / self.n_reject if unknown else 0.0
        )

    @property
    def auroc(self) -> float:
        """Probability that a test picture outscores a reject picture, ties counted half.

        As in :class:`~openmax_core.tradeoff.curve.TradeoffCurve`; half-way between its bounds.
        """
        return float(np.mean(self.auroc_bounds))

    @cached_property
    def auroc_bounds(self) -> tuple[float, float]:
        """Smallest and largest AUROC that scores with these counts can have."""
        known = self.counts.counts[CORRECT] + self.counts.counts[WRONG]
        low, high = self._wins(known)
        # Where 'unknown' won on both sides it is a tie.
        tie = self.n_test_unknown_won * self.n_reject_unknown_won / 2
        return self._share(low + tie), self._share(high + tie)

    @property
    def oscr(self) -> float:
        """Area under the open-set classification rate; half-way between its bounds."""
        return float(np.mean(self.oscr_bounds))

    @cached_property
    def oscr_bounds(self) -> tuple[float, float]:
        """Smallest and largest OSCR that scores with these counts can have."""
        low, high = self._wins(self.counts.counts[CORRECT])
        return self._share(low), self._share(high)

    def histograms(self, edges: Float) -> tuple[Int, Int]:
        """Scores of test and of reject pictures per bin, each fine bin by its middle."""
        middles = (self.counts.edges[:-1] + self.counts.edges[1:]) / 2
        bins = np.clip(np.searchsorted(edges, middles, side="right") - 1, 0, len(edges) - 2)
        known, unknown = (
            np.bincount(bins, self.counts.counts[kinds].sum(axis=0), len(edges) - 1)
            for kinds in ([CORRECT, WRONG, TEST_WON], [ACCEPTED, REJECT_WON])
        )
        return known.astype(np.int64), unknown.astype(np.int64)

    @property
    def _last(self) -> int:
        return len(self.counts.edges) - 1

    @property
    def _is_filled(self) -> NDArray[np.bool_]:
        """(B,) bool: a threshold above the bin and one below it differ."""
        return np.asarray(self.counts.counts[[CORRECT, WRONG, ACCEPTED]].any(axis=0))

    @property
    def _has_inside(self) -> NDArray[np.bool_]:
        """(B,) bool: there are numbers between the bin's edges."""
        edges = self.counts.edges
        return np.asarray(np.nextafter(edges[:-1], np.inf) < edges[1:])

    def _wins(self, known: Int) -> tuple[float, float]:
        """Pairs in which a known picture is above an unknown one, at least and at most."""
        unknown = self.counts.counts[ACCEPTED].astype(np.float64)
        below = np.append(0.0, unknown.cumsum()[:-1]) + self.n_reject_unknown_won
        sure, together = known @ below, known * unknown
        open_, tied = together[self._has_inside].sum(), together[~self._has_inside].sum()
        return float(sure + tied / 2), float(sure + tied / 2 + open_)

    def _share(self, pairs: float) -> float:
        n_pairs = self.n_test * self.n_reject
        return pairs / n_pairs if n_pairs else math.nan


def _as_given(shares: Float) -> float | Float:
    return float(shares) if np.ndim(shares) == 0 else shares
