"""Nearest neighbours against pytorch-ood and brute force."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from pytorch_ood.detector import KNN

import openmax_core.methods.neighbours
from openmax_core.errors import FitError
from openmax_core.methods.neighbours import Neighbours
from openmax_core.support.arrays import as_float16


def made(n: int, width: int = 12, seed: int = 0) -> np.ndarray:
    """Features as they are stored, as large as those of networks, with ties."""
    rng = np.random.default_rng(seed)
    features = np.abs(rng.normal(size=(n, width)))
    features[:, 0] += rng.integers(0, 3, size=n)
    features[1::7] = features[0]
    return as_float16(features)


def fitted(features: np.ndarray) -> Neighbours:
    labels = np.arange(len(features)) % 3
    return Neighbours().fit(np.eye(3)[labels], labels, features=features)


@pytest.mark.parametrize("n", [2, 31, 330])
def test_scores_are_those_of_pytorch_ood(n):
    train, new = made(n), made(200, seed=1)
    method = fitted(train)
    assert method.k_ == max(1, min(50, n // 6))
    reference = KNN(None, k=method.k_)
    reference.fit_features(torch.from_numpy(train.astype(np.float64)), torch.zeros(n))
    expected = -reference.predict_features(torch.from_numpy(new.astype(np.float64))).numpy()
    scores = method.decision_scores(np.eye(3)[np.arange(200) % 3], new)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-7)


def test_the_length_of_features_does_not_count():
    method, new = fitted(made(100)), made(20, seed=2)
    logits = np.zeros((20, 3))
    assert np.array_equal(
        method.decision_scores(logits, new), method.decision_scores(logits, 4 * new)
    )


def test_a_picture_of_the_bank_that_it_holds_often_enough_is_at_distance_0():
    train = np.repeat(made(2), 60, axis=0)
    scores = fitted(train).decision_scores(np.zeros((2, 3)), made(2))
    assert scores.tolist() == [0.0, 0.0]
    assert not np.signbit(fitted(train).score_range()[1])


def test_the_bank_is_bounded_and_a_sample_of_all(monkeypatch):
    monkeypatch.setattr("openmax_core.methods.neighbours.MOST_ROWS", 100)
    monkeypatch.setattr("openmax_core.methods.features.BLOCK_ROWS", 64)
    n = 2000
    angles = np.linspace(0, np.pi / 2, n)
    features = as_float16(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    bank = fitted(features).bank_
    assert len(bank) == 100
    places = np.sort(np.arctan2(bank.directions[:, 1], bank.directions[:, 0]) / (np.pi / 2))
    # A uniform sample: Kolmogorov–Smirnov at 1 %.
    assert np.abs(places - (np.arange(100) + 0.5) / 100).max() < 0.163
    assert np.array_equal(fitted(features).bank_.grid, bank.grid)
    monkeypatch.setattr("openmax_core.methods.neighbours.MOST_VALUES", 60)
    assert len(fitted(features).bank_) == 30


def test_one_picture_is_too_few():
    with pytest.raises(FitError, match="at least 2 training pictures"):
        fitted(made(1))


def test_the_example_is_true():
    assert doctest.testmod(openmax_core.methods.neighbours).failed == 0
