"""How well methods tell known from unknown, and whether one does better than another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openmax_core.evaluation import TradeoffCurve

FIGURES = ("auroc", "oscr", "reject_at_floor")
FLOOR = 0.85
N_RESAMPLES = 1000
Array = NDArray[np.float64]


def figures(curve: TradeoffCurve) -> Array:
    """(3,) AUROC, OSCR and the best Reject accuracy with Test accuracy ≥ 0.85.

    The last is 0 where no threshold keeps that.
    """
    outcomes = curve.all_outcomes
    kept = outcomes.test_accuracy >= FLOOR
    return np.array([curve.auroc, curve.oscr, outcomes.reject_accuracy[kept].max(initial=0.0)])


@dataclass(frozen=True)
class Resamples:
    """How often each test and reject picture is drawn, (R, N) and (R, M); for all methods alike."""

    test: Array
    reject: Array

    @classmethod
    def of(cls, n_test: int, n_reject: int, seed: int = 0) -> Resamples:
        """Draw with replacement."""
        generator = np.random.default_rng(seed)
        return cls(
            *(
                generator.multinomial(n, np.full(n, 1 / n), N_RESAMPLES).astype(np.float64)
                for n in (n_test, n_reject)
            )
        )

    def figures(self, curve: TradeoffCurve) -> Array:
        """(R, 3) figures of a curve on every resample."""
        n_test, n_reject = curve.n_test, curve.n_reject
        known = np.where(curve.test_predictions == curve.n_classes, -np.inf, curve.test_scores)
        unknown = np.where(
            curve.reject_predictions == curve.n_classes, -np.inf, curve.reject_scores
        )
        right = curve.test_predictions == curve.test_labels
        wins = (known[:, None] > unknown) + 0.5 * (known[:, None] == unknown)
        weighted = self.test @ wins
        auroc = (weighted * self.reject).sum(axis=1) / (n_test * n_reject)
        weighted = self.test[:, right] @ wins[right]
        oscr = (weighted * self.reject).sum(axis=1) / (n_test * n_reject)
        return np.stack([auroc, oscr, self._reject_at_floor(known, unknown, right)], axis=1)

    def _reject_at_floor(self, known: Array, unknown: Array, right: NDArray[np.bool_]) -> Array:
        """The largest threshold that keeps the floor is the score of a right known picture."""
        falling = np.argsort(-known[right], kind="stable")
        scores = known[right][falling]
        kept = self.test[:, right][:, falling].cumsum(axis=1)
        reached = kept >= FLOOR * self.test.sum(axis=1, keepdims=True) - 1e-9
        threshold = scores[reached.argmax(axis=1)]
        rising = np.argsort(unknown, kind="stable")
        below = np.searchsorted(unknown[rising], threshold, side="left")
        drawn = np.pad(self.reject[:, rising].cumsum(axis=1), ((0, 0), (1, 0)))
        rejected = np.take_along_axis(drawn, below[:, None], axis=1)[:, 0]
        return np.where(reached.any(axis=1), rejected / len(unknown), 0.0)


def interval(values: Array) -> tuple[Array, Array]:
    """Ends of the 95 % percentile interval of (R, …) resampled values."""
    low, high = np.quantile(values, [0.025, 0.975], axis=0)
    return low, high
