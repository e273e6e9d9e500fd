"""Products of vectors that are the same to the last bit, whatever else is multiplied with them.

A sum of products depends on its order where it is rounded, and a matrix product chooses its order
by the shapes that it is given. So the score of a picture would depend, in its last bits, on how
many others are scored with it, and on the library that multiplies. Here nothing is rounded: each
vector is a direction of length 1 on a grid of 2⁻²⁶, times its length. Products of two directions
are multiples of 2⁻⁵², and no part of their sum is larger than 1, up to the grid; float64 holds
that. The grid changes a number by at most 7.5e-9 of the vector's length; float16, which features
are stored in, changes it by up to 4.9e-4 of the number itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from openmax_core.support.arrays import Float

GRID = 2.0**-26


@dataclass(frozen=True)
class Vectors:
    """Vectors as directions on a grid and lengths.

    Attributes
    ----------
    grid : (K, D) int32, the directions in units of :data:`GRID`
    lengths : (K,) float64
    """

    grid: NDArray[np.int32]
    lengths: Float

    @classmethod
    def of(cls, values: Float) -> Self:
        """Vectors of (K, D) finite float64 numbers; one of zeros has no direction."""
        directions, lengths = _directions(values)
        return cls(np.rint(directions / GRID).astype(np.int32), lengths)

    def __len__(self) -> int:
        return len(self.grid)

    @cached_property
    def directions(self) -> Float:
        """(K, D) float64"""
        return np.asarray(self.grid * GRID, dtype=np.float64)

    @cached_property
    def squares(self) -> Float:
        """(K,) float64 squared lengths of the directions: 1 but for the grid."""
        return squares(self.directions)

    @property
    def values(self) -> Float:
        """(K, D) float64 directions times lengths."""
        return self.directions * self.lengths[:, None]

    def applied(self, values: Float) -> Float:
        """(N, K) float64 products of (N, D) float64 numbers with the vectors."""
        own, lengths = on_grid(values)
        return np.asarray(own @ self.directions.T * self.lengths * lengths[:, None])


def on_grid(values: Float) -> tuple[Float, Float]:
    """(N, D) directions on the grid, and (N,) lengths, of (N, D) float64 numbers."""
    directions, lengths = _directions(values)
    return np.rint(directions / GRID) * GRID, lengths


def squares(values: Float) -> Float:
    """(N,) sums of the squares of each row of (N, D), in one order whatever N is."""
    return np.asarray((values * values).sum(axis=1))


def _directions(values: Float) -> tuple[Float, Float]:
    """Rows divided by their lengths, and the lengths."""
    values = np.ascontiguousarray(values)  # else sums of their squares run in another order
    lengths = np.sqrt(squares(values))
    return values / np.where(lengths > 0, lengths, 1.0)[:, None], lengths
