"""How Test accuracy and Reject accuracy depend on the threshold: exact, at every threshold.

With s the value compared with the threshold t, a picture is rejected if 'unknown' won or s < t:

    Test accuracy(t)   = #{test pictures given their right class and s ≥ t} / N
    Reject accuracy(t) = #{reject pictures where 'unknown' won or s < t} / M

Both change only at observed scores: sort once, count by binary search. Between two neighbouring
scores nothing changes, so the values of ``TradeoffCurve.thresholds`` stand for all thresholds.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.errors import ActivationsError
from openmax_core.support.arrays import Float, Int
from openmax_core.support.decimals import shortest_decimal
from openmax_core.tradeoff.base import Curve
from openmax_core.tradeoff.outcomes import Outcome, Outcomes


class TradeoffCurve(Curve):
    """Exact Test and Reject accuracy over the threshold.

    Parameters
    ----------
    test_scores : (N,) float
        Value compared with the threshold, per test picture.
    test_predictions : (N,) int in 0..C
        Most probable of C + 1; C = 'unknown' won.
    test_labels : (N,) int in 0..C − 1
    reject_scores, reject_predictions : (M,) float and int
        The same for the reject set; M may be 0, then Reject accuracy is NaN.
    n_classes : int
        C.

    Raises
    ------
    ActivationsError
        Lengths differ, a score is not finite, or a prediction or label is out of range.
    """

    def __init__(
        self,
        test_scores: ArrayLike,
        test_predictions: ArrayLike,
        test_labels: ArrayLike,
        reject_scores: ArrayLike,
        reject_predictions: ArrayLike,
        n_classes: int,
    ) -> None:
        self.n_classes = n_classes
        self.test_scores = _scores(test_scores, "test_scores")
        self.reject_scores = _scores(reject_scores, "reject_scores")
        n, m = len(self.test_scores), len(self.reject_scores)
        self.test_predictions = _indices(test_predictions, n, n_classes, "test_predictions")
        self.test_labels = _indices(test_labels, n, n_classes - 1, "test_labels")
        self.reject_predictions = _indices(reject_predictions, m, n_classes, "reject_predictions")
        correct = self.test_predictions == self.test_labels
        accepted = self.test_predictions != n_classes
        self._correct = np.sort(self.test_scores[correct])
        self._wrong = np.sort(self.test_scores[accepted & ~correct])
        self._unknown = np.sort(self.reject_scores[self.reject_predictions != n_classes])

    @property
    def n_test(self) -> int:
        """N, pictures of the test set."""
        return len(self.test_scores)

    @property
    def n_reject(self) -> int:
        """M, pictures of the reject set."""
        return len(self.reject_scores)

    @property
    def n_test_unknown_won(self) -> int:
        """Test pictures that are rejected at every threshold, because 'unknown' won."""
        return int((self.test_predictions == self.n_classes).sum())

    @property
    def n_reject_unknown_won(self) -> int:
        """Reject pictures that are rejected at every threshold, because 'unknown' won."""
        return self.n_reject - len(self._unknown)

    def test_accuracy(self, threshold: float | Float) -> float | Float:
        """Test accuracy at a threshold or an array of them, of its shape; NaN if N is 0."""
        count = len(self._correct) - np.searchsorted(self._correct, threshold, side="left")
        return _shares(count, self.n_test)

    def reject_accuracy(self, threshold: float | Float) -> float | Float:
        """Reject accuracy at a threshold or an array of them, of its shape; NaN if M is 0."""
        accepted = len(self._unknown) - np.searchsorted(self._unknown, threshold, side="left")
        return _shares(self.n_reject - accepted, self.n_reject)

    def outcomes(self, thresholds: ArrayLike) -> Outcomes:
        """Counts of everything that happens at (K,) thresholds."""
        at = np.asarray(thresholds, dtype=np.float64)
        return Outcomes(
            at,
            len(self._correct) - np.searchsorted(self._correct, at),
            len(self._wrong) - np.searchsorted(self._wrong, at),
            len(self._unknown) - np.searchsorted(self._unknown, at),
            self.n_test,
            self.n_reject,
        )

    def outcome_by_class(self, thresholds: Float, threshold: float) -> Outcome:
        """Counts with (C,) thresholds by predicted class; ``threshold`` is what they stand for."""
        limits = np.append(thresholds, np.inf)
        passed = self.test_scores >= limits[self.test_predictions]
        right = self.test_predictions == self.test_labels
        correct, wrong = int((passed & right).sum()), int((passed & ~right).sum())
        accepted = int((self.reject_scores >= limits[self.reject_predictions]).sum())
        return Outcome(
            threshold=threshold,
            correct=correct,
            wrong=wrong,
            rejected_known=self.n_test - correct - wrong,
            rejected_unknown=self.n_reject - accepted,
            accepted_unknown=accepted,
        )

    def subset(self, test: NDArray[np.bool_], reject: NDArray[np.bool_]) -> TradeoffCurve:
        """Curve of some of the pictures, by (N,) and (M,) masks."""
        return TradeoffCurve(
            self.test_scores[test],
            self.test_predictions[test],
            self.test_labels[test],
            self.reject_scores[reject],
            self.reject_predictions[reject],
            self.n_classes,
        )

    @cached_property
    def thresholds(self) -> Float:
        """Ascending thresholds at which anything changes; one for every state of the curve.

        The observed scores of pictures that are not rejected anyway, and the next number above the
        largest, where all pictures are rejected. ``[0.0]`` if there are none.
        """
        scores = np.unique(np.concatenate([self._correct, self._wrong, self._unknown]))
        if not len(scores):
            return np.zeros(1)
        return np.append(scores, np.nextafter(scores[-1], np.inf))

    def decimals(self, thresholds: ArrayLike) -> list[float]:
        """Number with the fewest digits that changes nothing, for some of :attr:`thresholds`."""
        to = np.asarray(thresholds, dtype=np.float64)
        at = np.searchsorted(self.thresholds, to)
        below = np.where(at > 0, self.thresholds[at - 1], -np.inf)
        return list(map(shortest_decimal, below.tolist(), to.tolist()))

    def histograms(self, edges: Float) -> tuple[Int, Int]:
        """Scores of test and of reject pictures per bin; those beyond count to the outermost."""
        known, unknown = (
            np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0]
            for scores in (self.test_scores, self.reject_scores)
        )
        return known, unknown

    def confusion(self, threshold: float) -> Int:
        """(C + 1, C + 1) counts: rows the true class, then unknown; columns decided, then rejected.

        The last row is the reject set, the last column the rejected.
        """
        n = self.n_classes + 1
        test = np.where(self.test_scores < threshold, self.n_classes, self.test_predictions)
        reject = np.where(self.reject_scores < threshold, self.n_classes, self.reject_predictions)
        cells = np.concatenate([self.test_labels * n + test, self.n_classes * n + reject])
        return np.bincount(cells, minlength=n * n).reshape(n, n)

    @cached_property
    def auroc(self) -> float:
        """Probability that a test picture outscores a reject picture, ties counted half.

        Every test picture counts, also one in a wrong class; one for which 'unknown' won has the
        lowest rank. NaN if a set is empty.
        """
        if not self.n_test or not self.n_reject:
            return math.nan
        accepted = self.test_predictions != self.n_classes
        known, unknown = self.test_scores[accepted], self._unknown
        below = np.searchsorted(unknown, known, "left") + np.searchsorted(unknown, known, "right")
        n_unknown_won = self.n_reject - len(unknown)
        wins = below.sum() / 2 + len(known) * n_unknown_won
        wins += (self.n_test - len(known)) * n_unknown_won / 2
        return float(wins / (self.n_test * self.n_reject))

    @cached_property
    def oscr(self) -> float:
        """Area under the open-set classification rate (Dhamija et al., 2018).

        The curve of the share of test pictures that are given their right class over the share of
        reject pictures that are accepted, as the threshold falls. It is the probability that a test
        picture is given its right class and outscores a reject picture, ties counted half: AUROC
        times accuracy where both are independent. NaN if a set is empty.
        """
        if not self.n_test or not self.n_reject:
            return math.nan
        below = np.searchsorted(self._unknown, self._correct, "left")
        below += np.searchsorted(self._unknown, self._correct, "right")
        wins = below.sum() / 2 + len(self._correct) * self.n_reject_unknown_won
        return float(wins / (self.n_test * self.n_reject))


def _scores(values: ArrayLike, name: str) -> Float:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise ActivationsError(f"{name} must be one-dimensional, not {scores.shape}")
    finite = np.isfinite(scores)
    if not finite.all():
        raise ActivationsError(f"{name}[{int(np.argmin(finite))}] is not finite")
    return scores


def _indices(values: ArrayLike, length: int, largest: int, name: str) -> Int:
    given = np.asarray(values)
    indices: NDArray[np.int64] = given.astype(np.int64)
    if not np.array_equal(indices, given):
        raise ActivationsError(f"{name} must be whole numbers")
    if indices.shape != (length,):
        raise ActivationsError(f"{name} must have the shape ({length},), not {indices.shape}")
    if length and not (indices.min() >= 0 and indices.max() <= largest):
        raise ActivationsError(f"{name} must lie in 0..{largest}")
    return indices


def _shares(count: Int | np.intp, total: int) -> float | Float:
    shares = count / total if total else np.full(np.shape(count), np.nan)
    return float(shares) if np.ndim(shares) == 0 else np.asarray(shares)
