"""What happens to test and reject pictures at thresholds, as counts and as shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from openmax_core.support.arrays import Float, Int


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
        return self.correct / self.n_test if self.n_test else math.nan

    @property
    def reject_accuracy(self) -> float:
        """Share of the reject set that is rejected; NaN for an empty set."""
        return self.rejected_unknown / self.n_reject if self.n_reject else math.nan


@dataclass(frozen=True)
class Outcomes:
    """Counts at many thresholds.

    Attributes
    ----------
    thresholds : (K,) float64, ascending
    correct, wrong, accepted_unknown : (…, K) int
        Test pictures given their right and a wrong class, reject pictures taken for a known class.
        Leading axes, if any, are resamples.
    n_test, n_reject : int
        N and M.
    """

    thresholds: Float
    correct: Int
    wrong: Int
    accepted_unknown: Int
    n_test: int
    n_reject: int

    @property
    def test_accuracy(self) -> Float:
        """(…, K) shares of the test set given their right class; NaN if N is 0."""
        return shares(self.correct, self.n_test)

    @property
    def reject_accuracy(self) -> Float:
        """(…, K) shares of the reject set that are rejected; NaN if M is 0."""
        return shares(self.n_reject - self.accepted_unknown, self.n_reject)

    @property
    def wrong_share(self) -> Float:
        """(…, K) shares of the test set given a wrong class."""
        return shares(self.wrong, self.n_test)

    @property
    def rejected_known_share(self) -> Float:
        """(…, K) shares of the test set that are rejected."""
        return shares(self.n_test - self.correct - self.wrong, self.n_test)

    @property
    def accepted_unknown_share(self) -> Float:
        """(…, K) shares of the reject set taken for a known class."""
        return shares(self.accepted_unknown, self.n_reject)

    @classmethod
    def of(cls, *outcomes: Outcome) -> Outcomes:
        """Counts of (K,) outcomes on the same pictures."""
        return cls(
            np.array([item.threshold for item in outcomes]),
            np.array([item.correct for item in outcomes]),
            np.array([item.wrong for item in outcomes]),
            np.array([item.accepted_unknown for item in outcomes]),
            outcomes[0].n_test,
            outcomes[0].n_reject,
        )

    def at(self, index: int) -> Outcome:
        """Outcome at one of the thresholds, where there are no resamples."""
        correct, wrong = int(self.correct[index]), int(self.wrong[index])
        accepted = int(self.accepted_unknown[index])
        return Outcome(
            threshold=float(self.thresholds[index]),
            correct=correct,
            wrong=wrong,
            rejected_known=self.n_test - correct - wrong,
            rejected_unknown=self.n_reject - accepted,
            accepted_unknown=accepted,
        )


def shares(counts: Int, total: int) -> Float:
    """Shares of a total, of the counts' shape; NaN if it is 0."""
    return counts / total if total else np.full(np.shape(counts), np.nan)
