"""Distances between activation vectors and mean activation vectors.

Every function takes ``a`` of shape (N, C) and ``b`` of shape (C,) or (N, C), of one floating
dtype, and returns the N row-wise distances in that dtype. They are used alike when fitting and
when scoring, so a distance always has one scale.

Differences are taken before they are squared: the expanded form |a|² − 2ab + |b|² loses digits
near the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SCALED_EUCOS = "scaled_eucos"
# Below this a median distance is rounding alone: with two classes, centred vectors of one class
# all point the same way.
LEAST_SCALE = 1e-6
# OSDN divides the Euclidean part of 'eucos' by 200 so that it does not drown the cosine part.
EUCOS_SCALE = 200.0


def squared_euclidean(a: Array, b: Array) -> Array:
    """Sum of squared differences, as the notebook has it."""
    difference = a - b
    return np.asarray((difference * difference).sum(axis=1))


def euclidean(a: Array, b: Array) -> Array:
    """Square root of the sum of squared differences."""
    difference = a - b
    return np.sqrt(np.vecdot(difference, difference))


def cosine(a: Array, b: Array) -> Array:
    """1 − cosine of the angle, in [0, 2]; 1 where a vector is all zeros."""
    dot = np.vecdot(a, b)
    length = np.sqrt(np.vecdot(a, a) * np.vecdot(b, b))
    return 1.0 - np.divide(dot, length, out=np.zeros_like(dot), where=length > 0)


def eucos(a: Array, b: Array) -> Array:
    """Euclidean/200 + cosine, as in OSDN (Bendale & Boult, 2016)."""
    return euclidean(a, b) / EUCOS_SCALE + cosine(a, b)


def chord(a: Array, b: Array) -> Array:
    """Distance between the ends of both vectors at length 1, √(2 · cosine distance), in [0, 2].

    Of two nearly equal directions it keeps the digits that 1 − cosine loses.
    """
    lengths = [np.sqrt(np.vecdot(x, x)) for x in (a, b)]
    units = [
        np.divide(x, length[..., None], out=np.zeros_like(x), where=length[..., None] > 0)
        for x, length in zip((a, b), lengths, strict=True)
    ]
    return euclidean(units[0], units[1])


def euchord(a: Array, b: Array) -> Array:
    """Euclidean/200 + chord: as :func:`eucos`, with a tail that a Weibull follows more closely."""
    return euclidean(a, b) / EUCOS_SCALE + chord(a, b)


DISTANCES: dict[str, Callable[[Array, Array], Array]] = {
    "euclidean": euclidean,
    "squared_euclidean": squared_euclidean,
    "cosine": cosine,
    "eucos": eucos,
    "euchord": euchord,
}


def euclidean_and_cosine(a: Array, b: Array) -> Array:
    """Both distances, (N, 2): the parts of :func:`scaled_eucos`."""
    return np.stack([euclidean(a, b), cosine(a, b)], axis=1)


def learn_factors(parts: Array) -> Array:
    """(2,) factors that bring the medians of (N, 2) Euclidean and cosine distances to 1.

    0 for a part that hardly differs from 0, which then says nothing.
    """
    medians = np.median(parts, axis=0) if len(parts) else np.zeros(2)
    return np.divide(1.0, medians, out=np.zeros(2), where=medians > LEAST_SCALE)


def scaled_eucos(a: Array, b: Array, factors: Array) -> Array:
    """Euclidean and cosine distance, each times its factor, added: neither drowns the other."""
    return euclidean(a, b) * factors[0] + cosine(a, b) * factors[1]
