"""How much η and α matter: figures over a grid of both, with what chance makes of them.

Every cell is a method of its own, fitted and scored on the same pictures: AUROC, OSCR, and Reject
accuracy where the cell's own threshold keeps Test accuracy at a floor. Whether it differs from the
current setting is judged in :mod:`openmax_core.analysis.paired_bootstrap`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from openmax_core.analysis.paired_bootstrap import (
    MetricGrid,
    Resamples,
    compare,
    figures_of,
    resampled_figures,
    sample_rows,
)
from openmax_core.errors import FitError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.openmax import OpenMax
from openmax_core.support.shares import points
from openmax_core.tradeoff.curve import TradeoffCurve

AUROC, OSCR, REJECT_AT_FLOOR = "AUROC", "OSCR", "Reject accuracy at the floor"
METRICS = (AUROC, REJECT_AT_FLOOR, OSCR)
TAIL_SIZES = (5, 10, 15, 20, 30, 50, 75, 100, 150, 200)
ALPHA_RANKS = (1, 2, 3, 5, 10, 20)  # a rank costs a distance a picture
MOST_PICTURES = 10_000  # of a set
MOST_SCORED_VALUES = 2_000_000  # logits of a set that are scored for one cell
MOST_SLOW_FITS = 600
N_RESAMPLES = 200


@dataclass(frozen=True)
class Sensitivity:
    """Figures over a grid of η and α.

    Attributes
    ----------
    tail_sizes : E values of η
    alpha_ranks : A values of α; (None,) where every class has the same weight
    current : (row, column) of the current setting
    grids : MetricGrid of each of ``METRICS``
    floor : of Test accuracy
    n_test, n_reject : pictures that were scored
    n_test_all, n_reject_all : pictures that there are
    n_resamples : int
    left_out : values of η that give no Weibull
    """

    tail_sizes: tuple[int, ...]
    alpha_ranks: tuple[int | None, ...]
    current: tuple[int, int]
    grids: dict[str, MetricGrid]
    floor: float
    n_test: int
    n_reject: int
    n_test_all: int
    n_reject_all: int
    n_resamples: int
    left_out: tuple[int, ...]

    @property
    def is_sampled(self) -> bool:
        """Not all pictures were scored."""
        return self.n_test < self.n_test_all or self.n_reject < self.n_reject_all

    def settings_at(self, row: int, column: int) -> str:
        """A cell's setting in words."""
        alpha = self.alpha_ranks[row]
        return f"η {self.tail_sizes[column]}" + ("" if alpha is None else f", α {alpha}")

    def verdict(self, metric: str) -> str:
        """Which settings are better than the current one beyond noise, in a sentence."""
        grid = self.grids[metric]
        if np.isnan(grid.value[self.current]):
            return f"{metric} cannot be computed at the current setting, so nothing is compared."
        better = np.argwhere(grid.is_beyond_noise & (grid.difference > 0))
        n_open = int((~grid.is_judged).sum())
        left = f" {n_open} could not be judged." if n_open else ""
        if not len(better):
            return f"No setting is better than the current one in {metric} beyond noise.{left}"
        gains = grid.difference[better[:, 0], better[:, 1]]
        best = better[np.argmax(gains)].tolist()
        names = f"{len(better)} settings are" if len(better) > 1 else "One setting is"
        return (
            f"{names} better than the current one in {metric} beyond noise; the largest gain, "
            f"{points(gains.max())}, is at {self.settings_at(*best)}.{left}"
        )


def sensitivity_grid(
    evaluation: Evaluation,
) -> tuple[tuple[int, ...], tuple[int | None, ...], tuple[int, int]]:
    """Return η values, α values and the current setting's (row, column) among them.

    η goes up to what the class in the middle has; a class with fewer pictures uses all it has.

    Raises
    ------
    FitError
        η is a share of the class, and so none of the grid.
    """
    openmax = evaluation.openmax
    settings, n_classes = openmax.settings_, openmax.n_classes
    if settings.tail_share is not None:
        raise FitError("η is a share of the class here; compare settings with a fixed tail_size")
    current = settings.tail_size
    most = int(np.median(openmax.n_correct_))
    sizes = sorted({size for size in TAIL_SIZES if size <= most} | {current})
    if settings.weibull == "weibull_max":
        n_most = max(3, MOST_SLOW_FITS // n_classes)
        sizes = sorted(sorted(sizes, key=lambda size: abs(np.log(size / current)))[:n_most])
    if settings.weighting == "all":
        return tuple(sizes), (None,), (0, sizes.index(current))
    rank = min(settings.alpha_rank or n_classes, n_classes)
    small = range(1, n_classes + 1) if n_classes <= 8 else ALPHA_RANKS
    ranks = sorted({item for item in small if item <= n_classes} | {rank})
    return tuple(sizes), tuple(ranks), (ranks.index(rank), sizes.index(current))


def measure_sensitivity(
    evaluation: Evaluation,
    floor: float,
    report: Callable[[tuple[int, int]], None] = lambda progress: None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Sensitivity:
    """Fit, score and resample every cell.

    Parameters
    ----------
    floor : of Test accuracy, for the Reject accuracy
    report : called with the cells done and the cells to do

    Raises
    ------
    FitError
        There is no reject set, so that none of the figures exists.
    """
    if evaluation.reject is None or not len(evaluation.reject) or not len(evaluation.test):
        raise FitError("without test and reject pictures there is nothing to compare")
    sizes, ranks, (row, column) = sensitivity_grid(evaluation)
    generator = np.random.default_rng(seed)
    n_classes = evaluation.openmax.n_classes
    most = min(MOST_PICTURES, max(500, MOST_SCORED_VALUES // n_classes))
    test_rows = sample_rows(len(evaluation.test), most, generator)
    reject_rows = sample_rows(len(evaluation.reject), most, generator)
    test, labels = evaluation.test.logits[test_rows], evaluation.test.labels[test_rows]
    reject = evaluation.reject.logits[reject_rows]
    draws = Resamples.draw(len(test), len(reject), n_resamples, generator)
    values = np.full((len(METRICS), len(ranks), len(sizes)), np.nan)
    resampled = np.full((n_resamples, *values.shape), np.nan)
    left_out = []
    widest = _fitted(evaluation, max(sizes))
    for j, size in enumerate(sizes):
        for i, rank in enumerate(ranks):
            try:
                cell = widest.with_shorter_tail(size, rank)
            except FitError:
                left_out.append(size)
                break
            known, unknown = cell.decide(test), cell.decide(reject)
            curve = TradeoffCurve(
                known.scores,
                known.predictions,
                labels,
                unknown.scores,
                unknown.predictions,
                n_classes,
            )
            values[:, i, j] = figures_of(curve, floor)
            resampled[:, :, i, j] = resampled_figures(curve, floor, draws)
            report((j * len(ranks) + i + 1, len(sizes) * len(ranks)))
    grids = {
        metric: compare(values[place], resampled[:, place], (row, column))
        for place, metric in enumerate(METRICS)
    }
    return Sensitivity(
        sizes,
        ranks,
        (row, column),
        grids,
        floor,
        len(test),
        len(reject),
        len(evaluation.test),
        len(evaluation.reject),
        n_resamples,
        tuple(left_out),
    )


def _fitted(evaluation: Evaluation, tail_size: int) -> OpenMax:
    openmax, train = evaluation.openmax, evaluation.train
    if tail_size <= openmax.settings_.tail_size:
        return openmax
    wider = OpenMax(openmax.preset_, **(openmax.settings_.to_dict() | {"tail_size": tail_size}))
    return wider.fit(train.logits, train.labels, openmax.class_names_)
