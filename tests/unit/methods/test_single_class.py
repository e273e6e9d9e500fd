"""One class at a time, against the estimator that does all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from openmax_core import OpenMax
from openmax_core.methods.single_class import (
    is_accepted,
    own_distances,
    rejection_cdf,
    rejection_distance,
)

METHODS = [
    {"preset": "openmax"},
    {"preset": "robust"},
    {"preset": "robust", "centring": "minimum", "strength": 1.0},
    {"preset": "bendale"},
    {"preset": "bendale", "alpha_rank": 2},
    {"preset": "bendale", "weighting": "paper", "distance": "euclidean"},
    {"preset": "bendale", "weighting": "all"},
    {"preset": "notebook", "weibull": "libmr"},
    {"preset": "notebook"},
]


def fitted(
    n_classes: int = 4, shift: float = 0.0, seed: int = 0, signal: float = 8.0, **settings: Any
) -> OpenMax:
    labels = np.repeat(np.arange(n_classes), 40)
    logits = np.random.default_rng(seed).normal(size=(len(labels), n_classes)) + shift
    logits[np.arange(len(labels)), labels] += signal
    return OpenMax(**({"tail_size": 20} | settings)).fit(logits, labels)


def some_logits(n_classes: int = 4, n: int = 300) -> np.ndarray:
    return np.random.default_rng(9).normal(0, 5, (n, n_classes))


@pytest.mark.parametrize("settings", METHODS, ids=str)
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.36, 0.5, 0.9, 1.0])
def test_a_picture_is_accepted_where_the_estimator_predicts_a_class(settings, threshold):
    openmax, logits = fitted(**settings), some_logits()
    accepted = is_accepted(openmax, openmax.decide(logits), threshold)
    assert accepted.tolist() == (openmax.predict(logits, threshold) != 4).tolist()


@pytest.mark.parametrize(
    "distance", ["euclidean", "squared_euclidean", "cosine", "eucos", "scaled_eucos"]
)
def test_own_distances_are_one_column_a_row_of_all_distances(distance):
    openmax, logits = fitted(distance=distance), some_logits()
    classes = np.random.default_rng(1).integers(4, size=len(logits))
    expected = openmax.distances(logits)[np.arange(len(logits)), classes]
    np.testing.assert_allclose(own_distances(openmax, logits, classes), expected, rtol=1e-14)


def test_own_distances_do_not_depend_on_how_the_rows_are_chunked(monkeypatch):
    openmax, logits = fitted(), some_logits().astype(np.float32)
    classes = np.zeros(len(logits), dtype=np.int64)
    whole = own_distances(openmax, logits, classes)
    monkeypatch.setattr("openmax_core.methods.method.CHUNK_VALUES", 28)
    np.testing.assert_array_equal(own_distances(openmax, logits, classes), whole)
    assert len(own_distances(openmax, logits[:0], classes[:0])) == 0


# --- from where on a picture with the mean's logits is rejected ----------------------------------


def decider(openmax: OpenMax, index: int) -> Callable[[float, float], bool]:
    """Whether mean logits are accepted, by CDF and threshold: the paper in a plain loop."""
    settings, n = openmax.settings_, openmax.n_classes
    row = openmax.centred(openmax.means_[index][None])
    v = row[0].tolist()
    own = openmax.cdf(openmax.distances(row))[0].tolist()
    alpha = min(settings.alpha_rank or n, n)
    weights = [0.0] * n
    for rank, j in enumerate(sorted(range(n), key=lambda j: -v[j]), start=1):
        if settings.weighting == "all":
            weights[j] = 1.0
        elif rank <= alpha:
            weights[j] = (alpha + (settings.weighting == "code") - rank) / alpha
        weights[j] *= settings.strength
        if settings.unknown_from == "positive" and v[j] < 0:
            weights[j] = 0.0

    def is_accepted(cdf: float, threshold: float) -> bool:
        own[index] = cdf
        revised = [v[j] * (1 - weights[j] * own[j]) for j in range(n)]
        if settings.score == "revised_logit":  # the picture's mean logit is that of training
            return max(revised) >= threshold
        unknown = 0.0
        for j in range(n):
            unknown += v[j] * weights[j] * own[j]
        probabilities = softmax([*revised, unknown])
        score = max(softmax(probabilities) if settings.second_softmax else probabilities)
        return probabilities.index(max(probabilities)) != n and score >= threshold

    return is_accepted


def softmax(values: list[float]) -> list[float]:
    largest = max(values)
    parts = [math.exp(value - largest) for value in values]
    total = sum(parts)
    return [part / total for part in parts]


@pytest.mark.parametrize("settings", METHODS, ids=str)
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.36, 0.6, 0.95, 3.2])
@pytest.mark.parametrize("shift", [0.0, -3.0, 2.0])
def test_the_rejection_cdf_is_where_a_fine_grid_stops_accepting(settings, threshold, shift):
    openmax = fitted(shift=shift, signal=5.0, **settings)
    decided = decider(openmax, 1)
    grid = np.linspace(0, 1, 1501).tolist()
    accepted = [decided(cdf, threshold) for cdf in grid]
    found = rejection_cdf(openmax, 1, threshold)
    if not any(accepted):
        assert found == 0.0
    elif accepted[-1]:
        assert found is None
    else:
        last = int(np.flatnonzero(accepted)[-1])
        assert found is not None
        assert grid[last] <= found <= grid[last + 1] + 1e-12
        assert not decided(found + 1e-9, threshold)
        assert decided(found - 1e-9, threshold)


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_rejection_distance_has_the_rejection_cdf(preset):
    openmax = fitted(preset=preset, weibull="libmr")
    threshold = 0.36 if preset == "notebook" else 0.6
    distance, cdf = rejection_distance(openmax, 2, threshold), rejection_cdf(openmax, 2, threshold)
    assert distance is not None
    assert cdf is not None
    assert 0 < cdf < 1
    rows = np.full((1, 4), distance)
    assert openmax.cdf(rows)[0, 2] == pytest.approx(cdf, rel=1e-9)


def test_always_and_never_rejected_have_no_distance():
    assert rejection_distance(fitted(preset="robust"), 0, 1.1) == 0.0
    own = fitted(preset="openmax")
    assert rejection_distance(own, 0, 1.1 * own.means_[0].max()) == 0.0
    assert rejection_distance(own, 0, 0.5 * own.means_[0].max()) is None
    # Logits that are all negative: the farther out, the larger the class's logit becomes.
    negative = fitted(preset="bendale", shift=-30.0)
    assert rejection_distance(negative, 0, 0.0) is None


def test_a_higher_threshold_rejects_from_nearer_on():
    openmax = fitted(preset="bendale")
    distances = [rejection_distance(openmax, 0, threshold) for threshold in (0.5, 0.7, 0.9, 0.99)]
    assert all(isinstance(distance, float) for distance in distances)
    assert distances == sorted(distances, reverse=True)  # type: ignore[type-var]
