"""Ranking classes, weighting ranks, softmax: the parts of OpenMax's re-weighting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.support.arrays import Float, Int

LARGEST_LOGIT = 1e38  # a float32, and fourth powers have a float64


def what_is_wrong(logits: NDArray[Any], rows: Sequence[int] | Int, what: str = "the logits") -> str:
    """Name a row of (N, C) logits that cannot be computed with; '' where there is none.

    Parameters
    ----------
    rows : (N,) their numbers, for the message
    what : the logits are called
    """
    largest = np.abs(logits).max(axis=1, initial=0.0)
    fine = largest <= LARGEST_LOGIT
    if fine.all():
        return ""
    row = int(np.argmin(fine))
    if np.isfinite(largest[row]):
        return (
            f"row {rows[row]} of {what} reaches {largest[row]:.3g}; larger ones than "
            f"{LARGEST_LOGIT:g} cannot be computed with, look at the weights"
        )
    return (
        f"row {rows[row]} of {what} is not finite (NaN or Inf); the picture or the weights are "
        "damaged"
    )


def rank_weights(weighting: str, alpha_rank: int, n_classes: int) -> Float:
    """(min(α, C),) float64 weights of the ranks 1, 2, …"""
    alpha = min(alpha_rank, n_classes)
    rank = np.arange(1, alpha + 1)
    if weighting == "all":
        return np.ones(alpha)
    return ((alpha + 1 - rank) if weighting == "code" else (alpha - rank)) / alpha


def centred(logits: NDArray[Any], centring: str) -> NDArray[Any]:
    """Take each row's mean or minimum off (N, C) logits; 'none' leaves them as they are.

    The largest is taken off first: differences of float32 logits are exact in float64, and so a
    constant that was added to all of them, exactly, changes no bit.
    """
    if centring == "none":
        return logits
    relative = logits - logits.max(axis=1, keepdims=True)
    if relative.dtype.kind != "f":
        relative = relative.astype(np.float64)
    relative -= (relative.mean if centring == "mean" else relative.min)(axis=1, keepdims=True)
    return relative


def row_means(logits: NDArray[Any]) -> Float:
    """(N,) float64 means of the rows of (N, C) logits.

    By way of the largest, as :func:`centred`: both together are the logits again.
    """
    largest = logits.max(axis=1, keepdims=True)
    relative = np.subtract(logits, largest, dtype=np.float64)
    return np.asarray(largest[:, 0] + relative.mean(axis=1))


def softmax(logits: Float) -> Float:
    """Softmax of each row of (N, K) float64, the largest subtracted first."""
    exponential = np.exp(logits - logits.max(axis=1, keepdims=True))
    exponential /= exponential.sum(axis=1, keepdims=True)
    return exponential


def revised(v: Float, weighted_cdf: Float, unknown_from: str) -> Float:
    """(N, C + 1) logits after re-weighting: what the classes lose is the unknown's, the last.

    Parameters
    ----------
    v : (N, C) float64 activation vectors
    weighted_cdf : (N, C) float64 values a_j · CDF_j(d_j) = 1 − ω_j
    unknown_from : 'all', or 'positive': negative logits lose nothing
    """
    moved = (v if unknown_from == "all" else np.maximum(v, 0.0)) * weighted_cdf
    out = np.empty((len(v), v.shape[1] + 1))
    np.subtract(v, moved, out=out[:, :-1])
    moved.sum(axis=1, out=out[:, -1])
    return out


def top_ranked(v: Float, n_top: int) -> NDArray[np.intp]:
    """(N, n_top) classes by falling logit; of equal logits the lower class comes first."""
    if n_top < v.shape[1]:
        # Of values equal to the n-th largest, argpartition picks any: settle ties by class.
        bound = np.partition(v, v.shape[1] - n_top, axis=1)[:, -n_top, None]
        if ((v >= bound).sum(axis=1) == n_top).all():
            chosen = np.nonzero(v >= bound)[1].reshape(len(v), n_top)
            order = np.argsort(-np.take_along_axis(v, chosen, axis=1), axis=1, kind="stable")
            return np.take_along_axis(chosen, order, axis=1)
    return np.argsort(-v, axis=1, kind="stable")[:, :n_top]
