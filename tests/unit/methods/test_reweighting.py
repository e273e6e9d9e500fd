"""Logits of any size, and a constant added to all of them: what re-weighting makes of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from openmax_core import OpenMax
from tests.support.methods import (
    DISTANCES,
    METHOD_IDS,
    METHODS,
    activations,
    fitted,
    queries,
)

# --- hard numbers --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_large_logits_stay_finite(preset, distance):
    om = fitted(4, preset=preset, distance=distance)
    rows = np.concatenate([queries(4) * 1e4, 1e4 * np.eye(4), -1e4 * np.eye(4)])
    probabilities = om.predict_proba(rows)
    assert np.isfinite(probabilities).all()
    assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-14)


@pytest.mark.filterwarnings("error")
def test_activations_of_size_ten_thousand_can_be_fitted():
    logits, labels = activations(3)
    om = OpenMax(distance="euclidean").fit(logits * 1e4, labels)
    small = OpenMax(distance="euclidean", translate=1e-4).fit(logits, labels)
    assert_allclose(om.weibull_.cdf(om.distances(logits * 1e4)), small.cdf(small.distances(logits)))


def test_a_constant_added_to_all_logits_changes_bendale_though_softmax_ignores_it():
    logits, labels = activations(10)
    new, _ = activations(10, seed=1, size=5.0)
    shares = []
    for constant in (-3.0, 0.0, 3.0):
        om = OpenMax(preset="bendale", distance="euclidean").fit(logits + constant, labels)
        predictions = om.decide(new + constant).predictions
        shares.append(float((predictions == 10).mean()))
    # Distances stay as they are; what a class gives away grows with its logit, and so 'unknown'.
    assert shares[0] == 0.0
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.9


# --- a constant added to all logits --------------------------------------------------------------

# Multiples of 1/64 below 2**12: their sums are exact, so what changes is the method's doing.
exact_logits = st.lists(
    st.lists(st.integers(-(1 << 12), 1 << 12), min_size=4, max_size=4), min_size=1, max_size=8
)
FOUR_CLASSES = activations(4)


@pytest.mark.parametrize("centring", ["mean", "minimum"])
@settings(max_examples=100)
@given(rows=exact_logits, shift=st.integers(-(1 << 18), 1 << 18), threshold=st.floats(0.2, 1.0))
def test_a_constant_added_to_all_logits_changes_no_bit_of_robust(centring, rows, shift, threshold):
    om = OpenMax("robust", centring=centring).fit(*FOUR_CLASSES)
    logits = np.array(rows) / 64
    shifted = logits + shift / 64
    assert_array_equal(om.predict_proba(shifted), om.predict_proba(logits))
    assert_array_equal(om.predict(shifted, threshold), om.predict(logits, threshold))
    # A constant of each picture's own makes no difference either.
    own = logits + np.arange(len(logits))[:, None]
    assert_array_equal(om.predict(own, threshold), om.predict(logits, threshold))


@pytest.mark.parametrize("constant", [-1000.0, -3.0, 3.0, 1e5])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_robust_fitted_to_shifted_logits_is_the_same_method(n_classes, constant):
    logits, labels = activations(n_classes)
    plain = OpenMax("robust").fit(logits, labels)
    shifted = OpenMax("robust").fit(logits + constant, labels)
    rows = queries(n_classes)
    assert_allclose(
        shifted.predict_proba(rows + constant), plain.predict_proba(rows), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("n_classes", [2, 3, 6, 40])
def test_robust_s_unknown_is_never_the_most_probable_even_beyond_every_tail(n_classes):
    om = fitted(n_classes, preset="robust")
    rows = queries(n_classes, n=500)
    everywhere_beyond = om.probabilities_at(rows, np.ones_like(rows))
    assert (everywhere_beyond.argmax(axis=1) < n_classes).all()
    assert (om.decide(rows).predictions < n_classes).all()


def test_robust_s_threshold_rejects_what_is_far_out():
    om = fitted(4, preset="robust")
    near, far = om.decide([[6.0, 0, 0, 0]]), om.decide([[2.0, 1.5, 1.0, 0.5]])
    assert near.predictions.tolist() == far.predictions.tolist() == [0]
    assert far.scores[0] < 0.5 < near.scores[0]


# --- the score is the largest revised logit -------------------------------------------------------


@pytest.mark.parametrize("constant", [-7.0, 0.3, 1000.0])
def test_a_constant_of_the_network_changes_no_score_of_openmax(constant):
    logits, labels = activations(5)
    rows = queries(5)
    plain = OpenMax("openmax").fit(logits, labels).decide(rows)
    shifted = OpenMax("openmax").fit(logits + constant, labels).decide(rows + constant)
    assert_allclose(shifted.scores, plain.scores, rtol=1e-6, atol=1e-8)
    assert_array_equal(shifted.predictions, plain.predictions)


def test_a_constant_of_one_picture_is_added_by_the_kept_share():
    om = fitted(5, preset="openmax")
    rows = queries(5)
    before, after = om.decide(rows), om.decide(rows + 2.0)
    assert_allclose(after.scores, before.scores + 0.75 * 2.0, atol=1e-9)
    assert_array_equal(after.predictions, before.predictions)
    assert_allclose(om.predict_proba(rows + 2.0), om.predict_proba(rows), atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_openmax_shows_unknown_as_the_most_probable_never_even_beyond_every_tail(n_classes):
    om = fitted(n_classes, preset="openmax")
    rows = queries(n_classes)
    beyond = om.probabilities_at(rows, np.ones_like(rows))
    has_largest = rows.max(axis=1) > np.sort(rows, axis=1)[:, -2]
    assert (beyond[has_largest].argmax(axis=1) != n_classes).all()


def test_multiplying_all_logits_multiplies_the_scores_of_directions():
    """Nothing depends on the unit of the logits but the part Euclidean/200 of the distance."""
    logits, labels = activations(4)
    rows = queries(4)
    small = OpenMax("openmax", distance="cosine").fit(logits, labels)
    large = OpenMax("openmax", distance="cosine").fit(logits * 1024, labels)
    assert_allclose(large.decide(rows * 1024).scores, small.decide(rows).scores * 1024, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS, ids=METHOD_IDS)
def test_decisions_at_a_picture_s_own_cdf_are_its_decisions(method):
    om = fitted(5, **method)
    rows = queries(5)
    at_own, decided = om.decide_at(rows, om.cdf(om.distances(rows))), om.decide(rows)
    assert_allclose(at_own.scores, decided.scores, rtol=1e-12)
    assert_array_equal(at_own.predictions, decided.predictions)
