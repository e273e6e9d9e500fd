"""How Test accuracy and Reject accuracy depend on the threshold: exact, at every threshold.

With s the value compared with the threshold t, a picture is rejected if 'unknown' won or s < t:

    Test accuracy(t)   = #{test pictures given their right class and s ≥ t} / N
    Reject accuracy(t) = #{reject pictures where 'unknown' won or s < t} / M

Both change only at observed scores: sort once, count by binary search. Between two neighbouring
scores nothing changes, so the values of ``TradeoffCurve.thresholds`` stand for all thresholds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from openmax_core.errors import ActivationsError, NoFeasibleThresholdError
from openmax_core.operating_point import OperatingPoint
from openmax_core.weibull import Float, Int


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a share; both NaN where nothing was counted."""

    low: float
    high: float


@dataclass(frozen=True)
class Outcome:
    """What happens to every picture at one threshold, as counts.

    Attributes
    ----------
    n_test, n_reject : int
        Pictures of the two sets. ``correct + wrong + rejected_known`` is ``n_test``.
    correct, wrong, rejected_known : int
        Known pictures given their right class, another class, or rejected.
    rejected_unknown, accepted_unknown : int
        Unknown pictures rejected, or taken for a known class.
    """

    threshold: float
    correct: int
    wrong: int
    rejected_known: int
    rejected_unknown: int
    accepted_unknown: int

    @property
    def n_test(self) -> int:
        """N."""
        return self.correct + self.wrong + self.rejected_known

    @property
    def n_reject(self) -> int:
        """M."""
        return self.rejected_unknown + self.accepted_unknown

    @property
    def test_accuracy(self) -> float:
        """Share of the test set given its right class; NaN for an empty set."""
        return _share(self.correct, self.n_test)

    @property
    def reject_accuracy(self) -> float:
        """Share of the reject set that is rejected; NaN for an empty set."""
        return _share(self.rejected_unknown, self.n_reject)

    @property
    def test_interval(self) -> Interval:
        """95 % Wilson interval of the Test accuracy."""
        return wilson_interval(self.correct, self.n_test)

    @property
    def reject_interval(self) -> Interval:
        """95 % Wilson interval of the Reject accuracy."""
        return wilson_interval(self.rejected_unknown, self.n_reject)


class TradeoffCurve:
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

    def outcome(self, threshold: float) -> Outcome:
        """Counts of everything that happens at a threshold."""
        correct = len(self._correct) - int(np.searchsorted(self._correct, threshold))
        wrong = len(self._wrong) - int(np.searchsorted(self._wrong, threshold))
        accepted = len(self._unknown) - int(np.searchsorted(self._unknown, threshold))
        return Outcome(
            threshold=float(threshold),
            correct=correct,
            wrong=wrong,
            rejected_known=self.n_test - correct - wrong,
            rejected_unknown=self.n_reject - accepted,
            accepted_unknown=accepted,
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

    def best(self, min_test_accuracy: float = 0.85) -> OperatingPoint:
        """Largest Reject accuracy among thresholds that keep Test accuracy at the floor or above.

        Of thresholds that are equal in this, the one with the largest Test accuracy; of those that
        change nothing at all, the decimal number with the fewest digits. Without a reject set it
        is the largest threshold that keeps the floor, which no unknown could make worse.

        Raises
        ------
        NoFeasibleThresholdError
            No threshold keeps the floor, or there is no test set.
        """
        if not self.n_test:
            raise NoFeasibleThresholdError("there are no test pictures to choose on", math.nan)
        reachable = _share(len(self._correct), self.n_test)
        if not reachable >= min_test_accuracy:
            raise NoFeasibleThresholdError(
                f"no threshold reaches Test accuracy ≥ {min_test_accuracy:.4g}: without any "
                f"threshold it is {reachable:.4f} ({len(self._correct)} of {self.n_test})",
                reachable,
            )
        thresholds = self.thresholds
        feasible = np.asarray(self.test_accuracy(thresholds)) >= min_test_accuracy
        last = int(np.flatnonzero(feasible)[-1])
        if self.n_reject:
            reject = np.asarray(self.reject_accuracy(thresholds[: last + 1]))
            last = int(np.searchsorted(reject, reject[-1], side="left"))
        below = thresholds[last - 1] if last else -math.inf
        outcome = self.outcome(shortest_decimal(float(below), float(thresholds[last])))
        return OperatingPoint(
            threshold=outcome.threshold,
            test_accuracy=outcome.test_accuracy,
            reject_accuracy=outcome.reject_accuracy if self.n_reject else None,
            n_test=self.n_test,
            n_reject=self.n_reject,
            min_test_accuracy=min_test_accuracy,
        )

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

    def drawn_thresholds(self, most: int = 2000) -> Float:
        """At most about ``most`` of the thresholds, ends kept, evenly by rank: for drawing only."""
        thresholds = self.thresholds
        if len(thresholds) <= most:
            return thresholds
        by_rank = np.linspace(0, len(thresholds) - 1, most // 2).round().astype(int)
        by_value = np.searchsorted(
            thresholds, np.linspace(thresholds[0], thresholds[-1], most // 2), side="left"
        )
        return thresholds[np.union1d(by_rank, by_value)]


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a share (Wilson, 1927); NaN for no trials."""
    if not trials:
        return Interval(math.nan, math.nan)
    z = float(ndtri(0.5 + confidence / 2))
    share, spread = successes / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(low, high)


def shortest_decimal(above: float, to: float) -> float:
    """Return the number with the fewest decimals in (above, to], the largest of those.

    ``to`` itself if no number of up to 15 decimals lies in between.
    """
    for digits in range(16):
        whole = math.floor(Fraction(to) * 10**digits)
        # The float nearest to a decimal may lie below it: 0.3 is 0.29999…, and still 0.3.
        for candidate in (float(f"{whole + 1}e-{digits}"), float(f"{whole}e-{digits}")):
            if above < candidate <= to:
                return candidate
    return to


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


def _share(count: int, total: int) -> float:
    return count / total if total else math.nan


def _shares(count: Int | np.intp, total: int) -> float | Float:
    shares = count / total if total else np.full(np.shape(count), np.nan)
    return float(shares) if np.ndim(shares) == 0 else np.asarray(shares)
