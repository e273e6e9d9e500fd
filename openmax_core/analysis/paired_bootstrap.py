"""Methods or settings compared on the same pictures, with what chance makes of the differences.

Figures are counted again on resamples of the pictures, the same for all (a paired bootstrap; Efron,
1979). All are judged together: a difference is beyond noise where it is larger than the 95 %
quantile, over the resamples, of the largest standardised deviation of any of them (max-T, Westfall
& Young, 1993). So of grids in which all are alike, 1 in 20 shows a difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openmax_core.support.arrays import Float, Int
from openmax_core.tradeoff.curve import TradeoffCurve

ENOUGH = 0.95  # share of the resamples that must reach the floor for a difference to be judged


@dataclass(frozen=True)
class MetricGrid:
    """Figures over a grid; every array (A, E), NaN where one cannot be computed.

    Attributes
    ----------
    value : float64
    low, high : float64, 95 % bootstrap interval of the value
    difference : float64, to the reference
    difference_low, difference_high : float64, 95 % bootstrap interval of the difference
    is_beyond_noise : bool, the difference is, all cells judged together
    reached : float64, share of the resamples in which both have the figure; below ``ENOUGH`` the
        difference is not judged
    """

    value: Float
    low: Float
    high: Float
    difference: Float
    difference_low: Float
    difference_high: Float
    is_beyond_noise: NDArray[np.bool_]
    reached: Float

    @property
    def is_judged(self) -> NDArray[np.bool_]:
        """(A, E) whether the difference could be told from noise."""
        return np.isfinite(self.difference) & (self.reached >= ENOUGH)


@dataclass(frozen=True)
class Resamples:
    """How often each picture is drawn, (R, N) and (R, M) float64."""

    test: Float
    reject: Float

    @classmethod
    def draw(
        cls, n_test: int, n_reject: int, n_resamples: int, generator: np.random.Generator
    ) -> Resamples:
        """Draw both sets with replacement, each to its own size."""

        def counts(n: int) -> Float:
            drawn = (generator.integers(n, size=n) for _ in range(n_resamples))
            return np.array([np.bincount(rows, minlength=n) for rows in drawn], dtype=np.float64)

        return cls(counts(n_test), counts(n_reject))


def sample_rows(n: int, most: int, generator: np.random.Generator) -> Int:
    """Ascending rows of n pictures: all, or ``most`` of them at random where there are more."""
    if n <= most:
        return np.arange(n)
    return np.sort(generator.choice(n, most, replace=False))


def figures_of(curve: TradeoffCurve, floor: float) -> Float:
    """AUROC, Reject accuracy at the floor and OSCR on the pictures as they are."""
    once = Resamples(np.ones((1, curve.n_test)), np.ones((1, curve.n_reject)))
    return resampled_figures(curve, floor, once)[0]


def resampled_figures(curve: TradeoffCurve, floor: float, draws: Resamples) -> Float:
    """(R, 3) figures, each picture counted as often as it was drawn.

    Reject accuracy is at the largest threshold that keeps the floor; NaN where none does.
    """
    # Where 'unknown' won, a picture ranks below all others.
    test = np.where(curve.test_predictions == curve.n_classes, -np.inf, curve.test_scores)
    reject = np.where(curve.reject_predictions == curve.n_classes, -np.inf, curve.reject_scores)
    order = np.argsort(reject, kind="stable")
    ascending = reject[order]
    below = np.zeros((len(draws.reject), curve.n_reject + 1))
    np.cumsum(draws.reject[:, order], axis=1, out=below[:, 1:])
    left, right = np.searchsorted(ascending, test), np.searchsorted(ascending, test, side="right")
    wins = draws.test * (below[:, left] + below[:, right]) / 2
    is_correct = curve.test_predictions == curve.test_labels
    pairs = curve.n_test * curve.n_reject
    auroc, oscr = wins.sum(axis=1) / pairs, wins[:, is_correct].sum(axis=1) / pairs
    # From the highest score down, until enough are right.
    falling = np.flatnonzero(is_correct)[np.argsort(-test[is_correct], kind="stable")]
    share = draws.test[:, falling].cumsum(axis=1) / curve.n_test
    keeps = share - floor >= 0
    first = keeps.argmax(axis=1) if len(falling) else np.zeros(len(keeps), dtype=np.int64)
    is_reached = keeps.any(axis=1)
    rejected = np.full(len(keeps), np.nan)
    at = np.searchsorted(ascending, test[falling[first[is_reached]]])
    rejected[is_reached] = below[is_reached, at] / curve.n_reject
    if floor <= 0:
        rejected[:] = 1.0
    return np.stack([auroc, rejected, oscr], axis=1)


def compare(value: Float, resampled: Float, current: tuple[int, int | None]) -> MetricGrid:
    """Intervals of (A, E) values and of their differences to a reference, of (R, A, E).

    Parameters
    ----------
    current : row and column of the reference; without a column, each column's own cell of the row
    """
    row, column = current
    at = slice(row, row + 1), slice(None) if column is None else slice(column, column + 1)
    difference = value - value[at]
    differences = resampled - resampled[:, *at]
    low, high = _bounds(resampled)
    difference_low, difference_high = _bounds(differences)
    reached = np.isfinite(differences).mean(axis=0)
    is_judged = np.isfinite(difference) & (reached >= ENOUGH)
    spread, beyond = np.zeros(value.shape), np.zeros(value.shape, dtype=bool)
    centred = differences - difference
    spread[is_judged] = np.sqrt(np.nanmean(centred[:, is_judged] ** 2, axis=0))
    moves = spread > 0
    if moves.any():
        deviations = np.abs(centred[:, moves]) / spread[moves]
        some = np.isfinite(deviations).any(axis=1)
        limit = np.quantile(np.nanmax(deviations[some], axis=1), 0.95)
        beyond[moves] = np.abs(difference[moves]) > limit * spread[moves]
    return MetricGrid(
        value, low, high, difference, difference_low, difference_high, beyond, reached
    )


def _bounds(resampled: Float) -> tuple[Float, Float]:
    """2.5 % and 97.5 % quantiles over the first axis; NaN where nothing is finite."""
    flat = resampled.reshape(len(resampled), -1)
    bounds = np.full((2, flat.shape[1]), np.nan)
    some = np.isfinite(flat).any(axis=0)
    bounds[:, some] = np.nanquantile(flat[:, some], [0.025, 0.975], axis=0)
    low, high = bounds.reshape(2, *resampled.shape[1:])
    return low, high
