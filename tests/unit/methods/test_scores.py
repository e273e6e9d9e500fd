"""Scores of the logits against pytorch-ood, and at their ends."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
import torch
from pytorch_ood.detector import GEN, EnergyBased, MaxLogit, MaxSoftmax

import openmax_core.methods.scores
from openmax_core.errors import OpenMaxError
from openmax_core.methods.scores import GEN_GAMMA, GEN_MOST, SCORES, LogitScore
from openmax_core.support.arrays import Float
from tests.support.methods import activations, queries


def reference(name: str, logits: Float) -> Float:
    """Scores of pytorch-ood, with their sign turned: there a larger one is less known."""
    given = torch.from_numpy(logits)
    m = min(logits.shape[1], GEN_MOST)
    found = {
        "msp": lambda: MaxSoftmax.score(given),
        "max_logit": lambda: MaxLogit.score(given),
        "energy": lambda: EnergyBased.score(given),
        # It takes the mean of the M terms, and we their sum as the paper does.
        "gen": lambda: m * GEN.score(given, gamma=GEN_GAMMA, M=m),
    }[name]()
    return -found.numpy()


@pytest.mark.parametrize("n_classes", [2, 3, 10, 100, 101, 300])
@pytest.mark.parametrize("name", SCORES)
def test_scores_are_those_of_pytorch_ood(name, n_classes):
    """Of probabilities between 1e-7 and 1 − 1e-7, beyond which pytorch-ood cuts them for GEN."""
    logits = np.random.default_rng(n_classes).normal(0, 1.5, (300, n_classes))
    method = LogitScore(name).fit(np.eye(n_classes), np.arange(n_classes))
    np.testing.assert_allclose(
        method.decision_scores(logits), reference(name, logits), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", SCORES)
def test_the_prediction_is_the_largest_logit_the_first_of_equal_ones(name):
    method = LogitScore(name).fit(np.eye(3), [0, 1, 2])
    assert method.decide([[1, 3, 3], [2, 2, 2], [0, 0, 1]]).predictions.tolist() == [1, 0, 2]


def test_the_bounds_are_reached_and_not_passed():
    for n_classes in (2, 5, 100, 250):
        fitted = {
            name: LogitScore(name).fit(np.eye(n_classes), np.arange(n_classes)) for name in SCORES
        }
        flat = np.zeros((1, n_classes))
        assert fitted["msp"].decision_scores(flat) == fitted["msp"].score_range()[0]
        low, high = fitted["gen"].score_range()
        assert high == 0
        # M equal probabilities, and none else.
        flat[0, GEN_MOST:] = -1e4
        assert fitted["gen"].decision_scores(flat) == pytest.approx(low, rel=1e-12)
        sure = np.zeros((1, n_classes))
        sure[0, 1] = 1e5
        assert fitted["msp"].decision_scores(sure) == 1
        assert fitted["gen"].decision_scores(sure) == 0
        for name in ("max_logit", "energy"):
            assert fitted[name].score_range() == (-math.inf, math.inf)
            assert not fitted[name].is_bounded
            assert fitted[name].decision_scores(sure) == 1e5


def test_gen_tells_very_sure_answers_apart():
    """1 − p is the sum of the others: subtracted from 1, nothing of it would be left."""
    method = LogitScore("gen").fit(np.eye(3), [0, 1, 2])
    scores = method.decision_scores([[40.0, 0, 0], [50.0, 0, 0], [60.0, 0, 0]])
    assert (np.diff(scores) > 0).all()
    # Three terms of exp(−40) each, and the sum of two of them for the first class.
    expected = -(np.exp(-4.0) * (2 + 2**GEN_GAMMA))
    assert scores[0] == pytest.approx(expected, rel=1e-12)


def test_scores_know_no_size_of_logits_that_breaks_them():
    huge = np.array([[1e38, -1e38, 0], [-1e38, -1e38, -1e38]])
    for name in SCORES:
        found = LogitScore(name).fit(*activations(3)).decide(huge)
        assert np.isfinite(found.scores).all()
        assert found.predictions.tolist() == [0, 0]


def test_training_pictures_change_no_score():
    first, other = (
        LogitScore("energy").fit(*activations(4, seed=seed)).decision_scores(queries(4))
        for seed in (0, 1)
    )
    assert np.array_equal(first, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "entropy"}, "no score 'entropy'; there are msp, max_logit, energy, gen"),
        ({"version": 9}, "format version 9"),
        ({"n_correct": [1, 2]}, "the method's counts are not of its classes"),
        ({"n_training": None}, "n_training must be a list"),
        ({"class_names": ["a"]}, "the method's counts are not of its classes"),
    ],
)
def test_damaged_files_are_named(change, message):
    values = LogitScore("msp").fit(np.eye(3), [0, 1, 2]).to_dict()
    with pytest.raises(OpenMaxError, match=message):
        LogitScore.from_dict(values | change)


def test_the_example_is_true():
    assert doctest.testmod(openmax_core.methods.scores).failed == 0
