"""Methods other than OpenMax as ONNX: the same decisions as the library's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from openmax_core.export.graph import SCORES, method_model
from openmax_core.methods import scores
from openmax_core.methods.method import Method
from openmax_core.methods.reweighting import softmax
from openmax_core.methods.scores import LogitScore
from openmax_core.support.arrays import Float
from tests.support.workspaces import made_up_logits


def run(method: Method, limits: Float, logits: Any) -> list[Any]:
    model = method_model(method, limits)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found: list[Any] = session.run(None, {"network_logits": logits})
    return found


def test_every_score_can_be_written():
    assert set(SCORES) == set(scores.SCORES)


@pytest.mark.parametrize("n_classes", [2, 5, 100, 103])
@pytest.mark.parametrize("name", SCORES)
def test_scores_and_decisions_are_the_library_s(name, n_classes):
    labels = np.append(np.arange(400) % n_classes, np.full(200, -1))
    logits = made_up_logits(labels, n_classes, 3, 5.0)
    logits[7] = 0.0  # all equal: the first class
    logits[8] *= 40.0
    method = LogitScore(name).fit(logits[:400], labels[:400])
    decided = method.decide(logits)
    limits = np.quantile(decided.scores, np.linspace(0.3, 0.7, n_classes))
    found_logits, probabilities, decision, score = run(method, limits, logits)
    accepted = decided.scores >= limits[decided.predictions]
    assert np.array_equal(decision, np.where(accepted, decided.predictions, -1))
    np.testing.assert_allclose(score, decided.scores, rtol=1e-13, atol=1e-14)
    assert probabilities.shape == (len(logits), n_classes)
    np.testing.assert_allclose(probabilities, softmax(logits.astype(np.float64)), atol=1e-14)
    assert np.array_equal(found_logits, logits)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_rejected_without_a_score(name, bad):
    method = LogitScore(name).fit(np.eye(5), np.arange(5))
    logits = np.eye(5, dtype=np.float32)[[2, 2, 2]] * 9
    logits[1, 3] = bad
    _, _, decision, score = run(method, np.full(5, -1e6), logits)
    assert decision.tolist() == [2, -1, 2]
    assert np.isnan(score).tolist() == [False, True, False]


@pytest.mark.parametrize("name", SCORES)
def test_no_pictures_are_no_error(name):
    method = LogitScore(name).fit(np.eye(5), np.arange(5))
    _, probabilities, decision, score = run(method, np.zeros(5), np.empty((0, 5), np.float32))
    assert probabilities.shape == (0, 5)
    assert decision.shape == score.shape == (0,)
