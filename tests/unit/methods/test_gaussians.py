"""Mahalanobis distances against pytorch-ood and scikit-learn."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from pytorch_ood.detector import RMD, Mahalanobis
from sklearn.covariance import EmpiricalCovariance

import openmax_core.methods.gaussians
from openmax_core.errors import FitError, OpenMaxError
from openmax_core.methods.gaussians import Gaussians
from openmax_core.support.arrays import as_float16

WIDTH, N_CLASSES = 9, 4


def made(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features as they are stored, of correlated numbers and other sizes, with ties."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(5).normal(size=(WIDTH, WIDTH)))[0]
    mix = axes * np.linspace(1, 5, WIDTH)
    labels = np.arange(n) % N_CLASSES
    features = (rng.normal(size=(n, WIDTH)) + 2 * np.eye(WIDTH)[labels]) @ mix + 10
    features[n // 2 :: 9] = features[0]
    return as_float16(features), labels


def fitted(name: str, features: np.ndarray, labels: np.ndarray, n_classes: int = 4) -> Gaussians:
    return Gaussians(name).fit(np.eye(n_classes)[labels], labels, features=features)


@pytest.mark.parametrize("name", ["mahalanobis", "rmds"])
def test_scores_are_those_of_pytorch_ood(name):
    """It adds 1e-6 to the sums of squares, divides by nothing, and halves one of the two."""
    (train, labels), (new, _) = made(400, 0), made(200, 1)
    reference = {"mahalanobis": Mahalanobis, "rmds": RMD}[name](None)
    x, y = (torch.from_numpy(part.astype(np.float32)) for part in (train, new))
    reference.fit_features(x, torch.from_numpy(labels))
    found = -reference.predict_features(y).numpy()
    expected = found * len(train) * (2 if name == "mahalanobis" else 1)
    scores = fitted(name, train, labels).decision_scores(np.zeros((200, 4)), new)
    np.testing.assert_allclose(scores, expected, rtol=2e-3, atol=2e-2)


def test_scores_are_those_of_scikit_learn():
    (train, labels), (new, _) = made(400, 0), made(200, 1)
    x, y = train.astype(np.float64), new.astype(np.float64)
    means = np.stack([x[labels == k].mean(axis=0) for k in range(N_CLASSES)])
    within = EmpiricalCovariance(assume_centered=True).fit(x - means[labels])
    whole = EmpiricalCovariance().fit(x)
    nearest = np.min([within.mahalanobis(y - mean) for mean in means], axis=0)
    for name, expected in (("mahalanobis", -nearest), ("rmds", whole.mahalanobis(y) - nearest)):
        scores = fitted(name, train, labels).decision_scores(np.zeros((200, 4)), new)
        np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6)


def test_features_that_never_vary_and_sums_of_others_count_for_nothing():
    """The inverse of a covariance without full rank is one in the directions that vary."""
    (train, labels), (new, _) = made(400, 0), made(50, 1)
    plain = fitted("rmds", train, labels).decision_scores(np.zeros((50, 4)), new)

    def wider(features: np.ndarray) -> np.ndarray:
        exact = features.astype(np.float64)
        return np.concatenate([exact, exact[:, :1], np.full((len(exact), 1), 3.0)], axis=1)

    method = fitted("rmds", as_float16(wider(train)), labels)
    assert len(method.within_.axes) == WIDTH
    scores = method.decision_scores(np.zeros((50, 4)), as_float16(wider(new)))
    np.testing.assert_allclose(scores, plain, rtol=1e-5, atol=1e-5)


def test_a_class_without_training_pictures_is_left_out():
    train, labels = made(400, 0)
    kept = labels != 2
    without = fitted("mahalanobis", train[kept], labels[kept])
    three = fitted("mahalanobis", train[kept], np.array([0, 1, 9, 2])[labels[kept]], 3)
    assert len(without.means_) == 3
    assert np.array_equal(
        without.decision_scores(np.zeros((400, 4)), train),
        three.decision_scores(np.zeros((400, 3)), train),
    )
    assert without.decision_scores(np.zeros((400, 4)), train)[labels == 2].max() < -1


def test_pictures_of_a_class_that_are_all_alike_give_no_spread():
    features = np.repeat(made(4, 0)[0], 3, axis=0)
    with pytest.raises(FitError, match="takes more training pictures of each class"):
        fitted("mahalanobis", features, np.repeat(np.arange(4), 3))


def test_there_are_two_of_them():
    with pytest.raises(OpenMaxError, match="no Mahalanobis distance 'euclid'"):
        Gaussians("euclid")
    assert Gaussians("mahalanobis").score_range()[1] == 0
    assert Gaussians("rmds").score_range() == (-np.inf, np.inf)


def test_the_example_is_true():
    assert doctest.testmod(openmax_core.methods.gaussians).failed == 0
