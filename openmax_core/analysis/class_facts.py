"""One class's fit in words: each figure with what it rests on and what it means."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.analysis.class_health import ClassDistances, Health
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.single_class import limit_in_words
from openmax_core.support.arrays import Float
from openmax_core.support.shares import percent, percent_range
from openmax_core.tradeoff.intervals import share_interval
from openmax_core.weibull.fit import ExceedanceFit, TailFit, WeibullMaxFit
from openmax_core.weibull.tails import location


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


def class_facts(
    evaluation: Evaluation,
    health: Health,
    index: int,
    limit: float | None,
    boundary: Boundary,
) -> pd.DataFrame:
    """Rows of figure, value, meaning.

    Parameters
    ----------
    limit : distance from which on the class's mean logits are rejected, see
        :func:`openmax_core.methods.single_class.rejection_distance`
    boundary : the distance that tells rejected from accepted pictures of the class best
    """
    openmax = evaluation.openmax
    model, n_tail = openmax.weibull_, len(openmax.tails_[index])
    parameters = model.parameters()
    n_correct, n_training = int(openmax.n_correct_[index]), int(openmax.n_training_[index])
    begins = "the CDF is 1 from there on"
    if isinstance(model, TailFit):
        begins = f"smallest tail value − {model.translate:g}; the CDF is 0 up to there"
    elif isinstance(model, ExceedanceFit):
        begins = "the threshold, which the tail exceeds; the CDF is 0 up to there"
    dominance, n_examined = float(health.dominance[index]), int(health.n_examined[index])
    rows = [
        (
            "Tail size η",
            f"{n_tail}",
            "borrowed from the other classes: too few of this class are right"
            if openmax.borrowed_[index]
            else f"the farthest of {n_correct:,} correctly classified of {n_training:,} "
            f"{evaluation.calibrated_on} pictures",
        ),
        ("Shape", f"{parameters['shape'][index]:.4g}", "how steep the CDF is"),
        ("Location", f"{location(model)[index]:.4g}", begins),
        (
            "Scale",
            f"{parameters['scale'][index]:.4g}",
            "37 % of distances lie more than this below the location"
            if isinstance(model, WeibullMaxFit)
            else "63 % of distances lie less than this above the location",
        ),
        ("Goodness of fit", *_goodness(health, index)),
        ("Test pictures beyond the tail", *_beyond(evaluation, health, index)),
        (
            "Pull of one picture on the mean",
            percent(dominance),
            "of the median distance: so far the mean moves when the most influential of "
            f"{n_examined:,} examined pictures is left out",
        ),
        (
            "At the current threshold",
            boundary.in_words,
            "test pictures of the class, and reject pictures whose largest logit is its",
        ),
        (
            "By distance alone",
            limit_in_words(limit),
            "if only the distance to this class were larger and all else stayed as it is",
        ),
    ]
    return pd.DataFrame(rows, columns=["figure", "value", "meaning"])


def _goodness(health: Health, index: int) -> tuple[str, str]:
    goodness = health.goodness
    statistic, p_value = float(goodness.statistic[index]), float(goodness.p_value[index])
    shown = f"A² {statistic:.3g}" if math.isfinite(statistic) else "A² infinite"
    if math.isnan(p_value):
        return shown, f"no p-value: {goodness.reasons[index] or 'it is being simulated'}"
    return (
        f"{shown}, p {p_value:.2g}",
        f"about {100 * p_value:.2g} % of tails drawn from this Weibull fit no better "
        f"(Anderson–Darling, up to {goodness.n_replicates} drawn)",
    )


def _beyond(evaluation: Evaluation, health: Health, index: int) -> tuple[str, str]:
    n_test, n_beyond = int(health.n_test[index]), int(health.n_beyond[index])
    if not n_test:
        return "not measured", "there are no test pictures of this class"
    bounds = share_interval(n_beyond, n_test)
    n_correct = int(evaluation.openmax.n_correct_[index])
    return (
        percent(n_beyond / n_test),
        f"{n_beyond} of {n_test}, 95 % interval {percent_range(bounds.low, bounds.high)}; "
        f"about {100 / (n_correct + 1):.2g} % if they were like the training pictures",
    )
