"""Where, going out from a class's mean, the current threshold begins to reject pictures.

A threshold cuts scores, not distances, so no distance divides the rejected from the accepted
exactly. The boundary is the one that comes nearest: with the fewest pictures rejected before it and
accepted beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openmax_core.analysis.class_health import ClassDistances
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.arrays import Float


@dataclass(frozen=True)
class Boundary:
    """The distance that tells rejected from accepted pictures of a class best.

    Attributes
    ----------
    distance : float or None
        None where no distance tells them apart better than to say the same of all.
    n_nearer, n_beyond : int
        Pictures on both sides; all are 'nearer' where there is no boundary.
    n_nearer_rejected, n_beyond_rejected : int
    """

    distance: float | None
    n_nearer: int
    n_nearer_rejected: int
    n_beyond: int = 0
    n_beyond_rejected: int = 0

    @property
    def in_words(self) -> str:
        """One line: how many pictures are rejected beyond the boundary and nearer."""
        if not self.n_nearer + self.n_beyond:
            return "no pictures"
        nearer = f"{self.n_nearer_rejected} of {self.n_nearer}"
        if self.distance is None:
            return f"rejected: {nearer}, at any distance"
        beyond = f"{self.n_beyond_rejected} of {self.n_beyond}"
        return f"rejected: {beyond} beyond {self.distance:.3g}, {nearer} nearer"


def class_boundary(
    evaluation: Evaluation, distances: ClassDistances, index: int, threshold: float
) -> Boundary:
    """Boundary of a class's test pictures and of reject pictures whose largest logit is its."""
    curve = evaluation.curve
    test, reject = distances.rows_of(index)
    rejected = [
        (scores < threshold) | (predictions == curve.n_classes)
        for scores, predictions in (
            (curve.test_scores[test], curve.test_predictions[test]),
            (curve.reject_scores[reject], curve.reject_predictions[reject]),
        )
    ]
    both = np.concatenate([distances.test[test], distances.reject[reject]])
    return best_boundary(both, np.concatenate(rejected))


def best_boundary(distances: Float, rejected: NDArray[np.bool_]) -> Boundary:
    """Boundary with the fewest rejected before it and accepted beyond it, the nearest of equals.

    Parameters
    ----------
    distances : (N,) float
    rejected : (N,) bool
    """
    order = np.argsort(distances, kind="stable")
    ascending, is_rejected = distances[order], rejected[order]
    n, n_rejected = len(order), int(is_rejected.sum())
    if not n:
        return Boundary(None, 0, 0)
    # After the first k pictures: the rejected among them, and the accepted among the others.
    before = np.concatenate([[0], is_rejected.cumsum()])
    k = np.arange(n + 1)
    mistakes = before + (n - k) - (n_rejected - before)
    # Between pictures at one distance there is no boundary.
    apart = np.flatnonzero(ascending[1:] > ascending[:-1]) + 1
    if not len(apart):
        return Boundary(None, n, n_rejected)
    best = int(apart[mistakes[apart].argmin()])
    if mistakes[best] >= min(mistakes[0], mistakes[n]):
        return Boundary(None, n, n_rejected)
    distance = float(ascending[best - 1] + ascending[best]) / 2
    nearer = int(before[best])
    return Boundary(distance, best, nearer, n - best, n_rejected - nearer)
