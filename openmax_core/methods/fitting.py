"""The first half of fitting: means of the correctly classified, and the distances to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.errors import FitError
from openmax_core.methods.reweighting import centred
from openmax_core.support.arrays import Float, Int


def check_fit_input(logits: ArrayLike, labels: ArrayLike) -> tuple[NDArray[Any], Int]:
    """Return (N, C) logits and (N,) labels as arrays, or say what does not fit."""
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != (len(logits),):
        raise FitError(
            f"logits must be (N, C) and labels (N,); they are {logits.shape} and {labels.shape}"
        )
    if logits.shape[1] < 2:
        raise FitError("OpenMax needs at least 2 known classes")
    if len(labels) and not (labels.min() >= 0 and labels.max() < logits.shape[1]):
        raise FitError(f"labels must lie in 0..{logits.shape[1] - 1}")
    whole = labels.astype(np.int64)
    if not np.array_equal(whole, labels):
        raise FitError("labels must be whole numbers")
    return logits, whole


def tail_sizes(n_correct: Int, tail_size: int, tail_share: float | None) -> list[int]:
    """η of each class: ``tail_size``, or a share of its correctly classified if that is more."""
    if tail_share is None:
        return [tail_size] * len(n_correct)
    return [max(tail_size, round(tail_share * count)) for count in n_correct.tolist()]


def training_distances(
    logits: NDArray[Any], labels: Int, distance: Any, precision: np.dtype[Any], centring: str
) -> tuple[Float, list[NDArray[Any]], Int, Int]:
    """MAVs, distances of correct AVs to their own, counts; one class in memory at a time."""
    n_classes = logits.shape[1]
    means = np.empty((n_classes, n_classes))
    distances = []
    n_correct = np.empty(n_classes, dtype=np.int64)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(n_classes + 1))
    for index in range(n_classes):
        rows = order[bounds[index] : bounds[index + 1]]
        vectors = np.asarray(logits[rows], dtype=precision)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise FitError(
                f"row {rows[np.argmin(finite)]} of the training logits is not finite (NaN or "
                "Inf); the picture or the weights are damaged"
            )
        vectors = centred(vectors[vectors.argmax(axis=1) == index], centring)
        n_correct[index] = len(vectors)
        mean = vectors.mean(axis=0) if len(vectors) else np.zeros(n_classes, dtype=precision)
        means[index] = mean
        distances.append(distance(vectors, mean))
    return means, distances, n_correct, np.diff(bounds).astype(np.int64)
