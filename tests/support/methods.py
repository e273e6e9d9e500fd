"""Made-up training activations, pictures to score, and the methods that tests go through."""

from __future__ import annotations

from typing import Any

import numpy as np

from openmax_core import OpenMax
from openmax_core.support.arrays import Float, Int

DISTANCES = ["euclidean", "squared_euclidean", "cosine", "eucos", "euchord"]
METHODS: list[dict[str, Any]] = [
    {"preset": "openmax"},
    {"preset": "robust"},
    {"preset": "robust", "centring": "minimum", "distance": "scaled_eucos", "tail_share": 0.5},
    {"preset": "bendale"},
    {"preset": "bendale", "alpha_rank": 2},
    {"preset": "bendale", "distance": "euclidean"},
    {"preset": "bendale", "distance": "cosine", "weighting": "paper"},
    {"preset": "bendale", "weighting": "all", "second_softmax": True},
]
METHOD_IDS = [
    *("openmax", "robust", "minimum", "eucos", "eucos α=2", "euclidean", "cosine paper"),
    "all twice",
]


def activations(
    n_classes: int, n_each: int = 60, seed: int = 0, size: float = 6.0
) -> tuple[Float, Int]:
    """Logits and labels of a classifier that is nearly always right."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), n_each)
    return size * np.eye(n_classes)[labels] + rng.normal(size=(len(labels), n_classes)), labels


def fitted(n_classes: int = 4, **settings: Any) -> OpenMax:
    return OpenMax(**settings).fit(*activations(n_classes))


def queries(n_classes: int, n: int = 200, seed: int = 9) -> Float:
    """Logits near a class, between classes and far from all of them, of both signs."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_classes)) * rng.choice([0.1, 2.0, 8.0, 50.0], size=(n, 1))


def features_of(logits: Float, n_features: int = 8, seed: int = 4) -> Float:
    """(N, D) float32 features of which a linear layer makes (N, C) logits, and a rest.

    The rest of a row depends on the row alone.
    """
    n_classes = logits.shape[1]
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0].T
    weights, others = axes[:n_classes], axes[n_classes:]
    rest = np.sin(logits @ rng.normal(size=(n_classes, len(others))) * 5.0)
    return ((logits - 1.0) @ weights + rest @ others).astype(np.float32)
