"""Methods of features as ONNX: the same decisions as the library's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from openmax_core.export.feature_nodes import WRITERS
from openmax_core.export.graph import method_model
from openmax_core.methods.method import Method
from openmax_core.methods.registry import FEATURE_METHODS, new_method
from openmax_core.methods.reweighting import softmax
from openmax_core.support.arrays import Float
from tests.support.methods import activations, features_of, queries

N_CLASSES, WIDTH = 5, 14


def run(method: Method, limits: Float, logits: Any, features: Any) -> list[Any]:
    model = method_model(method, limits)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    given = {"network_logits": logits, "network_features": features}
    found: list[Any] = session.run(None, given)
    return found


@pytest.fixture(scope="module", params=FEATURE_METHODS)
def method(request: pytest.FixtureRequest) -> Method:
    logits, labels = activations(N_CLASSES)
    return new_method(request.param).fit(logits, labels, features=features_of(logits, WIDTH))


@pytest.fixture(scope="module")
def rows() -> tuple[Any, Any]:
    logits = np.concatenate([activations(N_CLASSES, 20, 7)[0], queries(N_CLASSES, 300)])
    features = features_of(logits, WIDTH)
    features[5] = 0.0
    features[6] = 1e9  # beyond float16
    features[7, 2] = np.inf
    return logits.astype(np.float32), features


def test_every_method_of_features_can_be_written(method):
    assert type(method) in WRITERS


def test_scores_and_decisions_are_the_library_s(method, rows):
    logits, features = rows
    decided = method.decide(logits, features)
    limits = np.quantile(decided.scores, np.linspace(0.3, 0.7, N_CLASSES))
    found_logits, probabilities, decision, score = run(method, limits, logits, features)
    accepted = decided.scores >= limits[decided.predictions]
    assert np.array_equal(decision, np.where(accepted, decided.predictions, -1))
    # A number that falls on the other side of a step of the grid changes the last digits.
    np.testing.assert_allclose(score, decided.scores, rtol=1e-6, atol=1e-7)
    differences = np.abs(score - decided.scores) / np.maximum(np.abs(decided.scores), 1e-3)
    assert np.median(differences) < 1e-14
    np.testing.assert_allclose(probabilities, softmax(logits.astype(np.float64)), atol=1e-14)
    assert np.array_equal(found_logits, logits)


def test_what_is_no_number_is_rejected_without_a_score(method, rows):
    logits, features = (part[:3].copy() for part in rows)
    features[1, 3] = np.nan
    logits[2, 0] = np.inf
    _, _, decision, score = run(method, np.full(N_CLASSES, -1e6), logits, features)
    assert decision[1:].tolist() == [-1, -1]
    assert np.isnan(score).tolist() == [False, True, True]


def test_no_pictures_are_no_error(method):
    nothing = np.empty((0, N_CLASSES), np.float32), np.empty((0, WIDTH), np.float32)
    _, probabilities, decision, score = run(method, np.zeros(N_CLASSES), *nothing)
    assert probabilities.shape == (0, N_CLASSES)
    assert decision.shape == score.shape == (0,)
