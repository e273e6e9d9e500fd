"""Distance to the k-th nearest training picture: ``knn`` (Sun et al., ICML 2022).

Each feature vector u = x/‖x‖ has length 1. The score is −‖u − v‖, where v is the k-th nearest of
the training pictures' vectors, the *bank*. k is 50, as in the paper for CIFAR-10, or half of the
bank's pictures of a class, on average, where that is less. The bank holds all training pictures,
up to 5,000 and 5 million features; of more, pictures drawn at random, the same ones at each fit.
(The paper keeps 1 % of ImageNet.)

Example
-------
>>> import numpy as np
>>> features = np.array([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]])
>>> method = Neighbours().fit(features, [0, 0, 1, 1], features=features)
>>> found = method.decide(features[:2], features=[[2.0, 0.1], [-1, 0.2]])
>>> found.scores.round(3).tolist()
[-0.05, -1.268]
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import FitError, OpenMaxError
from openmax_core.methods.features import (
    Arrays,
    FeatureMethod,
    ReadBlocks,
    vectors_as_arrays,
)
from openmax_core.methods.method import MethodWords
from openmax_core.support.arrays import Float
from openmax_core.support.products import Vectors, on_grid, squares

MOST_ROWS, MOST_VALUES = 5_000, 5_000_000  # of the bank
MOST_NEIGHBOURS = 50


class Neighbours(FeatureMethod):
    """Distance to the k-th nearest training picture.

    Attributes
    ----------
    bank_ : Vectors (K, D) of length 1, of training pictures
    k_ : which neighbour counts
    """

    own_name = "knn"
    bounds = (-2.0, 0.0)
    own_words = MethodWords(
        "Nearest neighbours (KNN)",
        "The distance to the k-th nearest training picture, between features of length 1 (Sun et "
        f"al., ICML 2022); k is {MOST_NEIGHBOURS}, or half of a class's training pictures where "
        "these are fewer than 100. It needs stored features.",
        "−‖u − v‖, with u = x/‖x‖ of the features x, and v of the k-th nearest training picture",
        "negative distance, from −2 to 0",
        "Only features count: a constant added to all logits of a picture changes nothing.",
    )
    bank_: Vectors
    k_: int

    @property
    def learned_in_words(self) -> str:
        """Size of the bank, and k."""
        n = int(self.n_training_.sum())
        bank = f"all {n:,}" if len(self.bank_) == n else f"{len(self.bank_):,} of {n:,}"
        return (
            f"The bank holds {bank} training pictures, with {self.n_features:,} features each; k "
            f"is {self.k_}."
        )

    def _learn(self, read: ReadBlocks, n_classes: int) -> None:
        keys: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        kept: NDArray[np.float32] | None = None
        n, most = 0, MOST_ROWS
        for block in read():
            most = min(MOST_ROWS, max(2, MOST_VALUES // block.features.shape[1]))
            own = _keys(n, len(block.features))
            n += len(own)
            rows = block.features.astype(np.float32)  # exact: they were float16
            if len(keys) == most:  # few have a key small enough
                is_in = own < keys.max()
                own, rows = own[is_in], rows[is_in]
            kept = rows if kept is None else np.concatenate([kept, rows])
            keys = np.concatenate([keys, own])
            if len(keys) > most:  # the smallest keys, in the pictures' order
                first = np.sort(np.argpartition(keys, most)[:most])
                keys, kept = keys[first], kept[first]
        if kept is None or len(kept) < 2:
            raise FitError("nearest neighbours need at least 2 training pictures")
        bank = Vectors.of(kept.astype(np.float64))
        self.bank_ = Vectors(bank.grid, np.ones(len(bank)))
        self.k_ = max(1, min(MOST_NEIGHBOURS, len(bank) // (2 * n_classes)))

    def _score(self, logits: Float, features: Float) -> Float:
        own, _ = on_grid(features)
        # The own part is added last: it changes no order.
        apart = own @ self.bank_.directions.T
        apart *= -2.0
        apart += self.bank_.squares
        apart.partition(self.k_ - 1, axis=1)
        nearest = apart[:, self.k_ - 1] + squares(own)
        return np.asarray(-np.sqrt(np.maximum(nearest, 0.0)))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"k": np.array([self.k_]), **vectors_as_arrays("bank", self.bank_)}

    def _restore(self, arrays: Arrays) -> None:
        bank = arrays.vectors("bank")
        if not 2 <= len(bank) <= MOST_ROWS:
            raise OpenMaxError(f"the bank must have 2 to {MOST_ROWS:,} pictures; fit again")
        self.bank_, self.k_ = bank, int(arrays.take("k", np.int64, 1)[0])
        if not 1 <= self.k_ <= len(bank):
            raise OpenMaxError(f"k must lie between 1 and {len(bank):,}; fit again")


def _keys(first: int, n: int) -> NDArray[np.uint64]:
    """Numbers of pictures, mixed so that the smallest ones are a random sample (splitmix64)."""
    x = (np.arange(first, first + n, dtype=np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
