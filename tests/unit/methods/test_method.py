"""What holds for every method of the registry."""

from __future__ import annotations

import json

import numpy as np
import pytest

from openmax_core import OpenMax, TradeoffCurve
from openmax_core.errors import ActivationsError, FitError, OpenMaxError
from openmax_core.methods.method import Decisions, Method
from openmax_core.methods.registry import (
    FEATURE_METHODS,
    METHODS,
    load_method,
    method_from_dict,
    new_method,
)
from openmax_core.support.arrays import Float, as_float16
from openmax_core.support.chunks import Chunk
from tests.support.methods import activations, features_of, queries

N_CLASSES = 4
PROBABILITIES = ("robust", "bendale", "notebook", "msp")


@pytest.fixture(scope="module", params=METHODS)
def method(request: pytest.FixtureRequest) -> Method:
    logits, labels = activations(N_CLASSES)
    return new_method(request.param).fit(logits, labels, ["a", "b", "c", "d"], features_of(logits))


@pytest.fixture(scope="module")
def rows() -> Float:
    return queries(N_CLASSES).astype(np.float32)


def decide(method: Method, rows: Float) -> Decisions:
    return method.decide(rows, features_of(rows))


def test_a_row_depends_on_its_own_activations_alone(method, rows, monkeypatch):
    features = features_of(rows)
    whole = method.decide(rows, features)
    order = np.random.default_rng(1).permutation(len(rows))
    permuted = method.decide(rows[order], features[order])
    alone = [method.decide(rows[i : i + 1], features[i : i + 1]) for i in range(20)]
    monkeypatch.setattr("openmax_core.methods.method.CHUNK_VALUES", 3 * N_CLASSES)
    monkeypatch.setattr("openmax_core.methods.features.SCORED_VALUES", 3 * features.shape[1])
    chunked = method.decide(np.asfortranarray(rows), np.asfortranarray(features))
    for name in ("scores", "predictions"):
        values = getattr(whole, name)
        assert np.array_equal(getattr(permuted, name), values[order])
        assert np.array_equal(getattr(chunked, name), values)
        assert np.array_equal(np.concatenate([getattr(one, name) for one in alone]), values[:20])


def test_scores_lie_in_the_range_and_predictions_are_classes_or_unknown(method, rows):
    low, high = method.score_range()
    assert low < high
    decided = decide(method, np.concatenate([rows, np.zeros((1, N_CLASSES)), 1e6 * rows]))
    assert np.isfinite(decided.scores).all()
    assert (decided.scores >= low - 1e-12).all()
    assert (decided.scores <= high).all()
    assert set(decided.predictions) <= set(range(N_CLASSES + 1))
    assert method.is_bounded == np.isfinite([low, high]).all()


def test_a_sure_answer_is_more_known_than_an_unsure_one(method):
    sure, unsure = decide(method, np.array([[6.0, 0, 0, 0], [1.0, 0.9, 0.8, 0.9]])).scores
    assert sure > unsure


def test_what_is_accepted_shrinks_as_the_threshold_rises(method, rows):
    features = features_of(rows)
    decided = method.decide(rows, features)
    labels = np.argmax(rows, axis=1)
    both = decided.scores, decided.predictions
    curve = TradeoffCurve(*both, labels, *both, N_CLASSES)
    accepted = curve.outcomes(curve.thresholds).accepted_unknown
    assert (np.diff(accepted) <= 0).all()
    for threshold in curve.thresholds[[0, len(accepted) // 2, -1]].tolist():
        n = int((method.predict(rows, threshold, features) < N_CLASSES).sum())
        assert n == curve.outcome(threshold).accepted_unknown
    assert accepted[-1] == 0


def test_saved_and_loaded_it_decides_to_the_last_bit_as_before(method, rows, tmp_path):
    method.save(tmp_path / "method.json")
    for again in (
        load_method(tmp_path / "method.json"),
        method_from_dict(json.loads(json.dumps(method.to_dict()))),
    ):
        assert type(again) is type(method)
        assert (again.name, again.settings_) == (method.name, method.settings_)
        assert again.class_names_ == method.class_names_
        assert np.array_equal(again.n_correct_, method.n_correct_)
        assert np.array_equal(again.n_training_, method.n_training_)
        before, after = decide(method, rows), decide(again, rows)
        assert np.array_equal(after.scores, before.scores)
        assert np.array_equal(after.predictions, before.predictions)


@pytest.mark.parametrize("constant", [-64.0, 16.0])
def test_a_constant_added_to_all_logits_changes_what_the_method_says(method, rows, constant):
    """Exactly representable sums, so that nothing but the method can make a difference."""
    coarse = np.round(rows * 64) / 64
    features = features_of(rows)
    before, after = method.decide(coarse, features), method.decide(coarse + constant, features)
    if method.ignores_shift:
        assert np.array_equal(after.scores, before.scores)
    elif method.name in {"max_logit", "energy", "vim"}:
        np.testing.assert_allclose(after.scores, before.scores + constant, rtol=0, atol=1e-11)
    else:
        assert not np.allclose(after.scores, before.scores)
    if not isinstance(method, OpenMax) or method.ignores_shift:
        assert np.array_equal(after.predictions, before.predictions)
    assert ("changes nothing" in method.words.shift) == method.ignores_shift


def test_chunks_give_the_same_as_arrays(method, rows):
    made, labels = activations(N_CLASSES)
    logits = made.astype(np.float32)
    features = as_float16(features_of(made))

    def read():
        for first in range(0, len(logits), 37):
            part = slice(first, first + 37)
            own = logits[part], labels[part], logits[part].argmax(axis=1), features[part]
            yield Chunk(first, *own)

    whole = new_method(method.name).fit(logits, labels, features=features)
    chunked = new_method(method.name).fit_chunks(read, whole.class_names_)
    assert np.array_equal(chunked.n_correct_, whole.n_correct_)
    assert np.array_equal(chunked.n_training_, whole.n_training_)
    assert whole.n_training_.sum() == len(labels)
    if method.name == "notebook":  # the last digits of float32 sums show in its three parameters
        return
    np.testing.assert_allclose(
        decide(chunked, rows).scores, decide(whole, rows).scores, rtol=1e-5, atol=1e-9
    )
    if method.needs_features:
        assert chunked.to_dict() == whole.to_dict()


def test_words_say_what_it_is(method):
    words = method.words
    assert all(vars(words).values())
    assert method.is_probability == (method.name in PROBABILITIES and method.name != "notebook")
    assert method.needs_features == (method.name in FEATURE_METHODS)
    assert method.borrowed_names == []


def test_unknown_is_predicted_only_where_the_method_says_that_it_can_be(method):
    generator = np.random.default_rng(0)
    logits = np.concatenate(
        [generator.normal(0, size, (200, N_CLASSES)) for size in (0.1, 3, 100)]
        + [np.ones((3, N_CLASSES)), -np.eye(N_CLASSES)]
    )
    won = decide(method, logits).predictions == N_CLASSES
    assert method.has_unknown == (method.name in {"bendale", "notebook"})
    assert method.has_unknown or not won.any()


@pytest.mark.parametrize("name", METHODS)
def test_what_cannot_be_fitted_or_scored_is_named(name):
    method, (logits, labels) = new_method(name), activations(N_CLASSES)
    features = features_of(logits)
    with pytest.raises(OpenMaxError, match="not fitted; call fit"):
        method.decide(logits)
    with pytest.raises(FitError, match="at least 2 known classes"):
        method.fit(logits[:, :1], np.zeros(len(logits), dtype=int), None, features)
    with pytest.raises(FitError, match=r"labels must lie in 0\.\.3"):
        method.fit(logits, labels + 1, None, features)
    with pytest.raises(FitError, match="2 class names for logits of 4 classes"):
        method.fit(logits, labels, ["a", "b"], features)
    damaged = logits.copy()
    damaged[7, 1] = np.nan
    with pytest.raises(FitError, match=r"row 7 of the .*logits is not finite"):
        method.fit(damaged, labels, None, features)
    method.fit(logits, labels, None, features)
    with pytest.raises(ActivationsError, match="row 7 of the logits is not finite"):
        method.decide(damaged, features)
    with pytest.raises(ActivationsError, match=r"shape \(N, 4\)"):
        method.decide(logits[:, :3])
    with pytest.raises(OpenMaxError, match="finite number"):
        method.predict(logits, np.nan, features)
