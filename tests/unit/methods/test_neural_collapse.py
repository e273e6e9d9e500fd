"""The neural-collapse inspired score against pytorch-ood, which is given the last layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_ood.detector import NCI

from openmax_core.methods.neural_collapse import NeuralCollapse
from openmax_core.support.arrays import as_float16

N_CLASSES, WIDTH = 5, 24
RNG = np.random.default_rng(0)
HEAD = torch.nn.Linear(WIDTH, N_CLASSES, dtype=torch.float64)


def made(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a linear layer, and features that float16 holds; every ninth is the same."""
    rng = np.random.default_rng(seed)
    features = as_float16(np.maximum(rng.normal(size=(n, WIDTH)) + 0.5, 0)).astype(np.float64)
    features[n // 2 :: 9] = features[0]
    with torch.no_grad():
        return HEAD(torch.from_numpy(features)).numpy(), features


def fitted(logits: np.ndarray, features: np.ndarray) -> NeuralCollapse:
    return NeuralCollapse().fit(logits, np.arange(len(logits)) % N_CLASSES, features=features)


def test_scores_are_those_of_pytorch_ood():
    (logits, features), (new_logits, new) = made(600, 1), made(200, 2)
    reference = NCI(None, HEAD.float())
    reference.fit_features(torch.from_numpy(features))
    expected = -reference.predict_features(torch.from_numpy(new)).numpy()
    HEAD.double()
    scores = fitted(logits, features).decision_scores(new_logits, new)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_a_constant_of_the_network_changes_nothing():
    (logits, features), (new_logits, new) = made(600, 1), made(200, 2)
    method, shifted = fitted(logits, features), fitted(logits + 50, features)
    assert method.ignores_common_shift
    before, after = method.decide(new_logits, new), shifted.decide(new_logits + 50, new)
    np.testing.assert_allclose(after.scores, before.scores, rtol=0, atol=1e-12)
    assert np.array_equal(after.predictions, before.predictions)


def test_features_at_the_mean_point_nowhere():
    features = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    logits = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0], [0.0, 1.0]])
    method = NeuralCollapse().fit(logits, [0, 1, 0, 1], features=features)
    scores = method.decision_scores([[3.0, 0.0], [3.0, 0.0]], [[0.5, 0.5], [1.5, 0.5]])
    assert scores.tolist() == pytest.approx([0.0, 3.0 - 0.75])
