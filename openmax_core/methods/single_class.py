"""What OpenMax does with one class at a time.

The estimator works on all classes of a picture; pages that explain a class need one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.methods.method import Decisions
from openmax_core.methods.openmax import OpenMax
from openmax_core.support.arrays import Float, Int

N_STEPS = 256
N_FINER, N_REFINEMENTS = 16, 11


def own_distances(openmax: OpenMax, logits: ArrayLike, classes: Int) -> Float:
    """(N,) float64 distances of (N, C) logits, each to the MAV of one class.

    Parameters
    ----------
    logits : (N, C) float, read in chunks
    classes : (N,) int, the class of each row
    """
    rows = np.asarray(logits)
    out = np.empty(len(rows))
    for part, chunk in openmax.chunks(rows):
        out[part] = openmax.distance_between(openmax.centred(chunk), openmax.means_[classes[part]])
    return out


def is_accepted(openmax: OpenMax, decisions: Decisions, threshold: float) -> NDArray[np.bool_]:
    """(N,) whether pictures pass: a class is predicted, and the score reaches the threshold."""
    is_known = decisions.predictions != openmax.n_classes
    return np.asarray(is_known & (decisions.scores >= threshold))


def rejection_cdf(openmax: OpenMax, index: int, threshold: float) -> float | None:
    """CDF of a class from which on a picture with the class's mean logits is rejected.

    The picture's logits are the MAV (and their mean that of the training pictures), and so are its
    CDFs in the other classes; the class's own is varied from 0 to 1. It is rejected where 'unknown'
    is the most probable or its score is below ``threshold``. That is tried at 256 steps; where
    acceptance ends is then looked for between two of them, finer and finer.

    Returns
    -------
    0 if it is always rejected, None if it is accepted at a CDF of 1.
    """
    mean = openmax.means_[index]
    everywhere = np.tile(mean, (openmax.n_classes, 1))
    at_mean = openmax.cdf(openmax.distance_between(everywhere, openmax.means_))

    def last_accepted(own: Float) -> int:
        cdf = np.repeat(at_mean[None], len(own), axis=0)
        cdf[:, index] = own
        logits = np.repeat(mean[None] + openmax.mean_logit_, len(own), axis=0)
        passes = is_accepted(openmax, openmax.decide_at(logits, cdf), threshold)
        return int(np.flatnonzero(passes)[-1]) if passes.any() else -1

    steps = np.linspace(0.0, 1.0, N_STEPS + 1)
    last = last_accepted(steps)
    if last < 0:
        return 0.0
    if last == N_STEPS:
        return None
    for _ in range(N_REFINEMENTS):
        steps = np.linspace(steps[last], steps[last + 1], N_FINER + 1)
        # Its first step was accepted and its last was not, whatever rounding says.
        last = min(max(last_accepted(steps), 0), N_FINER - 1)
    return float(steps[last + 1])


def rejection_distance(openmax: OpenMax, index: int, threshold: float) -> float | None:
    """Distance to the MAV from which on :func:`rejection_cdf` is reached.

    Returns
    -------
    0 if it is rejected at every distance, None if it is rejected at none.
    """
    cdf = rejection_cdf(openmax, index, threshold)
    if cdf is None or cdf >= 1.0:
        return None
    if cdf <= 0.0:
        return 0.0
    return max(0.0, float(openmax.weibull_.quantile(cdf)[index]))


def limit_in_words(limit: float | None) -> str:
    """Say from which distance on the class's mean logits are rejected."""
    if limit is None:
        return "its mean logits are rejected at no distance"
    if limit <= 0:
        return "its mean logits are rejected at every distance"
    return f"its mean logits are rejected from distance {limit:.4g} on"
