"""The OpenMax estimator: against libMR, the notebook, a plain loop and values worked by hand."""

import doctest
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial import distance as scipy_distance

import openmax_core.methods.method
import openmax_core.methods.openmax
from openmax_core import OpenMax, TradeoffCurve
from openmax_core.errors import ActivationsError, FitError, OpenMaxError
from openmax_core.methods.distances import squared_euclidean
from openmax_core.methods.settings import PRESETS
from openmax_core.support.arrays import Float
from openmax_core.weibull.fit import TailFit, fit_weibull_max
from tests.support.methods import DISTANCES, METHOD_IDS, METHODS, activations, fitted, queries

DATA = Path(__file__).parents[1] / "data"
LIBMR = json.loads((DATA / "libmr_case.json").read_text(encoding="utf-8"))["openmax"]
NOTEBOOK = json.loads((DATA / "notebook_case.json").read_text(encoding="utf-8"))["results"]


def probabilities_by_loops(om: OpenMax, v: Float) -> list[float]:
    """The method's four steps for one activation vector, written without array operations."""
    revised = revised_by_loops(om, v)
    powers = [math.exp(value - max(revised)) for value in revised]
    return [power / sum(powers) for power in powers]


def revised_by_loops(om: OpenMax, v: Float) -> list[float]:
    """C + 1 revised logits, the unknown's last."""
    chosen = om.settings_
    n_classes: int = len(v)
    v = v - {"none": 0.0, "mean": sum(v) / n_classes, "minimum": min(v)}[chosen.centring]
    factors = om.distance_factors_
    metric: dict[str, Callable[[Float, Float], float]] = {
        "scaled_eucos": lambda a, b: (
            factors[0] * scipy_distance.euclidean(a, b) + factors[1] * scipy_distance.cosine(a, b)
        ),
        "euclidean": scipy_distance.euclidean,
        "squared_euclidean": scipy_distance.sqeuclidean,
        "cosine": scipy_distance.cosine,
        "eucos": lambda a, b: scipy_distance.euclidean(a, b) / 200 + scipy_distance.cosine(a, b),
        "euchord": lambda a, b: (
            scipy_distance.euclidean(a, b) / 200
            + scipy_distance.euclidean(a / np.linalg.norm(a), b / np.linalg.norm(b))
        ),
    }
    distances = np.array([metric[chosen.distance](v, mean) for mean in om.means_])
    cdf = om.weibull_.cdf(distances)
    alpha = min(chosen.alpha_rank or n_classes, n_classes)
    omega = [1.0] * n_classes
    by_logit = sorted(range(n_classes), key=lambda j: (-float(v[j]), j))
    for rank, index in enumerate(by_logit, start=1):
        if chosen.weighting == "all":
            weight = 1.0
        elif rank > alpha:
            weight = 0.0
        else:
            weight = (alpha + (chosen.weighting == "code") - rank) / alpha
        weight *= chosen.strength
        if chosen.unknown_from == "positive" and v[index] < 0:
            weight = 0.0
        omega[index] = 1 - weight * float(cdf[index])
    revised = [float(v[j]) * omega[j] for j in range(n_classes)]
    revised.append(sum(float(v[j]) * (1 - omega[j]) for j in range(n_classes)))
    return revised


# --- parity with libMR and OSDN ------------------------------------------------------------------


@pytest.mark.parametrize("alpha_rank", list(LIBMR["probabilities"]))
def test_probabilities_agree_with_osdn_on_libmr(alpha_rank):
    om = OpenMax(
        preset="bendale",
        distance=LIBMR["distance"],
        tail_size=LIBMR["tail_size"],
        alpha_rank=int(alpha_rank),
    ).fit(LIBMR["train"], LIBMR["labels"])
    expected = LIBMR["probabilities"][alpha_rank]
    assert_allclose(om.predict_proba(LIBMR["query"]), expected, rtol=0, atol=5e-6)


# --- parity with the notebook --------------------------------------------------------------------


@pytest.fixture(scope="module")
def notebook_arrays() -> dict[str, Any]:
    with np.load(DATA / "notebook_case.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module", params=["farthest", "literal"])
def notebook_case(request, notebook_arrays):
    """What the notebook gives, and ours: as its text says, and as its cell does."""
    logits, labels = notebook_arrays["train_logits"], notebook_arrays["train_labels"]
    om = OpenMax(preset="notebook").fit(logits, labels)
    if request.param == "literal":
        last_unsorted = []
        for index in range(4):
            vectors = logits[(labels == index) & (logits.argmax(axis=1) == index)]
            last_unsorted.append(squared_euclidean(vectors, vectors.mean(axis=0))[-100:])
        om.weibull_ = fit_weibull_max(last_unsorted)
    return NOTEBOOK[request.param], om


def test_means_are_the_notebooks(notebook_case):
    expected, om = notebook_case
    assert_allclose(om.means_, expected["class_means"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("parameter", ["shape", "loc", "scale"])
def test_weibull_parameters_are_the_notebooks(notebook_case, parameter):
    expected, om = notebook_case
    by_class = [expected["models"][str(index)][parameter] for index in range(4)]
    assert_allclose(getattr(om.weibull_, parameter), by_class, rtol=1e-6)


@pytest.mark.parametrize("part", ["test", "reject"])
def test_probabilities_are_the_notebooks(notebook_case, notebook_arrays, part):
    expected, om = notebook_case
    head = om.predict_proba(notebook_arrays[f"{part}_logits"])[:20]
    assert_allclose(head, expected[f"{part}_probs_head"], rtol=0, atol=1e-6)


def test_threshold_table_is_the_notebooks(notebook_case, notebook_arrays):
    expected, om = notebook_case
    test = om.decide(notebook_arrays["test_logits"])
    reject = om.decide(notebook_arrays["reject_logits"])
    curve = TradeoffCurve(
        test.scores,
        test.predictions,
        notebook_arrays["test_labels"],
        reject.scores,
        reject.predictions,
        n_classes=4,
    )
    thresholds = np.array([row["threshold"] for row in expected["table"]])
    assert_allclose(thresholds, np.arange(30, 41) / 100, rtol=1e-12)
    test_accuracy = [row["test_acc"] for row in expected["table"]]
    reject_accuracy = [row["reject_acc"] for row in expected["table"]]
    assert_allclose(curve.test_accuracy(thresholds), test_accuracy, rtol=0, atol=1e-9)
    assert_allclose(curve.reject_accuracy(thresholds), reject_accuracy, rtol=0, atol=1e-9)


# --- worked by hand ------------------------------------------------------------------------------


def with_cdfs_of_a_half_three_quarters_and_four_fifths(v: list[float], **settings: Any) -> OpenMax:
    """Three classes whose CDF at v is 1/2, 3/4, 4/5: CDF(d) = 1 − exp(−d), d = ln 2, ln 4, ln 5."""
    om = fitted(3, preset="bendale", distance="euclidean", **settings)
    om.weibull_ = TailFit(np.ones(3), np.ones(3), np.ones(3), np.full(3, 20))
    om.means_ = np.array(v) - np.array([[np.log(2), 0, 0], [0, np.log(4), 0], [0, 0, -np.log(5)]])
    assert_allclose(om.cdf(om.distances([v])), [[1 / 2, 3 / 4, 4 / 5]], rtol=1e-14)
    return om


@pytest.mark.parametrize(
    ("v", "weighting", "alpha_rank", "revised"),
    [
        # weights 1, 0, 0: half of 4 moves to 'unknown'
        ([4.0, 2.0, 1.0], "code", 1, [2.0, 2.0, 1.0, 2.0]),
        # weights 1, 1/2, 0: 4·1/2 and 2·3/8 move
        ([4.0, 2.0, 1.0], "code", 2, [2.0, 1.25, 1.0, 2.75]),
        # weights 1, 2/3, 1/3: 4·1/2, 2·1/2 and 1·4/15 move
        ([4.0, 2.0, 1.0], "code", 3, [2.0, 1.0, 11 / 15, 3 + 4 / 15]),
        # more ranks than classes: the same as three
        ([4.0, 2.0, 1.0], "code", 10, [2.0, 1.0, 11 / 15, 3 + 4 / 15]),
        # weight 0: the paper's form with one rank moves nothing
        ([4.0, 2.0, 1.0], "paper", 1, [4.0, 2.0, 1.0, 0.0]),
        # weights 1/2, 0, 0: 4·1/4 moves
        ([4.0, 2.0, 1.0], "paper", 2, [3.0, 2.0, 1.0, 1.0]),
        # weights 2/3, 1/3, 0: 4·1/3 and 2·1/4 move
        ([4.0, 2.0, 1.0], "paper", 3, [8 / 3, 1.5, 1.0, 11 / 6]),
        # weight 1 for every class: 4·1/2, 2·3/4 and 1·4/5 move; the rank has no say
        ([4.0, 2.0, 1.0], "all", 1, [2.0, 0.5, 0.2, 4.3]),
        # the ranks follow the logits, not the classes: weight 1 for class 2, 1/2 for class 1
        ([1.0, 2.0, 4.0], "code", 2, [1.0, 1.25, 0.8, 3.95]),
        # equal logits: the lower class ranks first
        ([4.0, 4.0, 1.0], "code", 1, [2.0, 4.0, 1.0, 2.0]),
        ([4.0, 4.0, 1.0], "code", 2, [2.0, 2.5, 1.0, 3.5]),
        ([2.0, 2.0, 2.0], "code", 2, [1.0, 1.25, 2.0, 1.75]),
        # a negative logit takes from 'unknown' what its class loses
        ([4.0, 2.0, -1.0], "all", 1, [2.0, 0.5, -0.2, 2.7]),
    ],
)
def test_probabilities_are_those_worked_by_hand(v, weighting, alpha_rank, revised):
    om = with_cdfs_of_a_half_three_quarters_and_four_fifths(
        v, weighting=weighting, alpha_rank=alpha_rank
    )
    expected = np.exp(revised) / np.exp(revised).sum()
    assert_allclose(om.predict_proba([v]), [expected], rtol=1e-13)


@pytest.mark.parametrize(
    ("v", "settings", "revised"),
    [
        # half of the weights 1 and 1/2: 4·1/4 and 2·3/16 move
        ([4.0, 2.0, 1.0], {"strength": 0.5}, [3.0, 1.625, 1.0, 1.375]),
        # the negative logit keeps what it has
        (
            [4.0, 2.0, -1.0],
            {"weighting": "all", "unknown_from": "positive"},
            [2.0, 0.5, -1.0, 3.5],
        ),
        (
            [4.0, 2.0, -1.0],
            {"weighting": "all", "unknown_from": "positive", "strength": 0.5},
            [3.0, 1.25, -1.0, 1.75],
        ),
    ],
)
def test_strength_and_source_of_the_unknown_are_those_worked_by_hand(v, settings, revised):
    om = with_cdfs_of_a_half_three_quarters_and_four_fifths(v, alpha_rank=2, **settings)
    expected = np.exp(revised) / np.exp(revised).sum()
    assert_allclose(om.predict_proba([v]), [expected], rtol=1e-13)


def test_score_is_the_largest_probability():
    om = with_cdfs_of_a_half_three_quarters_and_four_fifths([4.0, 2.0, 1.0], alpha_rank=2)
    expected = np.exp(2.75) / np.exp([2.0, 1.25, 1.0, 2.75]).sum()
    assert_allclose(om.decision_scores([[4.0, 2.0, 1.0]]), [expected], rtol=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_the_score_is_the_largest_revised_logit_and_a_share_of_the_mean(n_classes):
    logits, labels = activations(n_classes)
    om = OpenMax("openmax", kept_mean=0.25).fit(logits, labels)
    right = logits[logits.argmax(axis=1) == labels]
    assert om.mean_logit_ == pytest.approx(right.mean(), abs=1e-12)
    rows = queries(n_classes) + 1.5
    decided = om.decide(rows)
    expected = [
        max(revised_by_loops(om, row)[:-1]) + 0.25 * (row.mean() - right.mean()) for row in rows
    ]
    assert_allclose(decided.scores, expected, rtol=1e-9, atol=1e-11)
    assert_array_equal(decided.predictions, rows.argmax(axis=1))
    assert om.score_range() == (-np.inf, np.inf)


def test_second_softmax_score_is_the_largest_of_the_softmax_of_the_probabilities():
    om = with_cdfs_of_a_half_three_quarters_and_four_fifths(
        [4.0, 2.0, 1.0], alpha_rank=2, second_softmax=True
    )
    probabilities = np.exp([2.0, 1.25, 1.0, 2.75]) / np.exp([2.0, 1.25, 1.0, 2.75]).sum()
    expected = np.exp(probabilities.max()) / np.exp(probabilities).sum()
    assert_allclose(om.decision_scores([[4.0, 2.0, 1.0]]), [expected], rtol=1e-13)
    assert_allclose(om.predict_proba([[4.0, 2.0, 1.0]]), [probabilities], rtol=1e-13)


def test_example_in_the_module_holds():
    outcome = doctest.testmod(openmax_core.methods.openmax)
    assert (outcome.attempted, outcome.failed) == (6, 0)


# --- against a plain loop ------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", ["code", "paper", "all"])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(
    ("n_classes", "alpha_rank"), [(2, 1), (3, 10), (12, 3)], ids=["α=1", "α>C", "α<C"]
)
def test_probabilities_agree_with_a_plain_loop(n_classes, alpha_rank, distance, weighting):
    om = fitted(
        n_classes,
        preset="bendale",
        alpha_rank=alpha_rank,
        distance=distance,
        weighting=weighting,
    )
    logits = queries(n_classes, n=40)
    expected = [probabilities_by_loops(om, row) for row in logits]
    assert_allclose(om.predict_proba(logits), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3, 12])
@pytest.mark.parametrize(
    "method",
    [
        {},
        {"centring": "minimum"},
        {"strength": 1.0, "unknown_from": "all"},
        {"weighting": "all", "strength": 0.5},
        {"distance": "euclidean", "tail_share": 0.3},
        {"distance": "scaled_eucos"},
    ],
    ids=["robust", "minimum", "full strength", "all ranks", "30 % tails", "scaled"],
)
def test_robust_agrees_with_a_plain_loop(n_classes, method):
    om = fitted(n_classes, preset="robust", **method)
    logits = queries(n_classes, n=40)
    expected = [probabilities_by_loops(om, row) for row in logits]
    assert_allclose(om.predict_proba(logits), expected, rtol=1e-9, atol=1e-12)


small_integers = st.lists(
    st.lists(st.integers(-3, 3), min_size=5, max_size=5), min_size=1, max_size=6
)
FIVE_CLASSES = fitted(5, preset="bendale", alpha_rank=3)


@settings(max_examples=100)
@given(small_integers)
def test_ties_between_logits_are_settled_by_class_in_every_batch(rows):
    logits = np.array(rows, dtype=float) + 0.0
    expected = [probabilities_by_loops(FIVE_CLASSES, row) for row in logits if np.any(row)]
    nonzero = logits[np.any(logits, axis=1)]
    assert_allclose(
        FIVE_CLASSES.predict_proba(nonzero), np.reshape(expected, (-1, 6)), rtol=1e-9, atol=1e-12
    )


def test_an_activation_vector_of_zeros_is_scored_with_cosine_distance_1():
    om = fitted(4, distance="cosine")
    assert om.distances(np.zeros((1, 4))).tolist() == [[1.0, 1.0, 1.0, 1.0]]
    assert om.predict_proba(np.zeros((1, 4))).tolist() == [[0.2] * 5]


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_and_cdf_are_those_to_every_mean(distance):
    om = fitted(4, preset="bendale", distance=distance)
    logits = queries(4, n=30)
    metric = {"euclidean": "euclidean", "squared_euclidean": "sqeuclidean", "cosine": "cosine"}
    if distance == "eucos":
        expected = scipy_distance.cdist(logits, om.means_) / 200
        expected += scipy_distance.cdist(logits, om.means_, "cosine")
    elif distance == "euchord":
        units = [rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (logits, om.means_)]
        expected = scipy_distance.cdist(logits, om.means_) / 200 + scipy_distance.cdist(*units)
    else:
        expected = scipy_distance.cdist(logits, om.means_, metric[distance])
    distances = om.distances(logits)
    assert_allclose(distances, expected, rtol=1e-9, atol=1e-12)
    assert_array_equal(om.cdf(distances), om.weibull_.cdf(distances))
    assert om.cdf(distances).shape == (30, 4)


# --- rows and batches ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=METHOD_IDS)
@pytest.mark.parametrize("n_classes", [2, 7, 33])
def test_a_row_alone_has_the_bits_it_has_in_a_batch(n_classes, method):
    om = fitted(n_classes, **method)
    logits = queries(n_classes, n=60)
    logits[::7] = np.round(logits[::7])  # ties between logits in the batch, not in every row
    alone = np.concatenate([om.predict_proba(row[None]) for row in logits])
    assert_array_equal(om.predict_proba(logits), alone)
    assert_array_equal(om.decision_scores(logits), om.decision_scores(logits[::-1])[::-1])


@pytest.mark.parametrize("method", METHODS, ids=METHOD_IDS)
@pytest.mark.parametrize("n_classes", [4, 7, 33])
def test_the_layout_in_memory_changes_no_bit(n_classes, method):
    om = fitted(n_classes, **method)
    logits = queries(n_classes)
    assert_array_equal(om.predict_proba(np.asfortranarray(logits)), om.predict_proba(logits))


@pytest.mark.parametrize("chunk_values", [1, 7, 100])
@pytest.mark.parametrize("method", METHODS, ids=METHOD_IDS)
def test_chunks_change_no_bit(monkeypatch, method, chunk_values):
    om = fitted(5, **method)
    logits = queries(5, n=101)
    probabilities, decisions = om.predict_proba(logits), om.decide(logits)
    distances = om.distances(logits)
    monkeypatch.setattr(openmax_core.methods.method, "CHUNK_VALUES", chunk_values)
    assert_array_equal(om.predict_proba(logits), probabilities)
    assert_array_equal(om.decide(logits).scores, decisions.scores)
    assert_array_equal(om.decide(logits).predictions, decisions.predictions)
    assert_array_equal(om.distances(logits), distances)


@pytest.mark.parametrize(
    "method", [*METHODS, {"preset": "notebook"}], ids=[*METHOD_IDS, "notebook"]
)
def test_rows_are_probabilities(method):
    probabilities = fitted(6, **method).predict_proba(queries(6))
    assert probabilities.shape == (200, 7)
    assert probabilities.dtype == np.float64
    assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-14)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_no_rows_give_no_rows():
    om = fitted(4)
    empty = np.empty((0, 4), dtype=np.float32)
    assert om.predict_proba(empty).shape == (0, 5)
    assert om.distances(empty).shape == (0, 4)
    assert om.decision_scores(empty).shape == om.predict(empty, 0.5).shape == (0,)


def test_lists_and_float32_score_as_their_float64_values():
    om = fitted(4)
    single = queries(4).astype(np.float32)
    assert_array_equal(om.predict_proba(single), om.predict_proba(single.astype(np.float64)))
    assert_array_equal(om.predict_proba(single.tolist()), om.predict_proba(single))


def test_naming_the_classes_in_another_order_reorders_the_probabilities():
    logits, labels = activations(5)
    order = np.array([3, 0, 4, 1, 2])
    om = OpenMax(alpha_rank=3).fit(logits, labels)
    reordered = OpenMax(alpha_rank=3).fit(logits[:, order], np.argsort(order)[labels])
    rows = queries(5)
    assert_allclose(
        reordered.predict_proba(rows[:, order]),
        om.predict_proba(rows)[:, [*order, 5]],
        rtol=1e-9,
        atol=1e-12,
    )


# --- decisions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_decide_says_what_the_probabilities_say(preset):
    om = fitted(4, preset=preset)
    rows = queries(4)
    probabilities = om.predict_proba(rows)
    scores = probabilities.max(axis=1)
    if preset == "notebook":
        scores = np.exp(scores) / np.exp(probabilities).sum(axis=1)
    decisions = om.decide(rows)
    assert_array_equal(decisions.predictions, probabilities.argmax(axis=1))
    assert_allclose(decisions.scores, scores, rtol=1e-14)
    assert_array_equal(om.decision_scores(rows), decisions.scores)


def test_predict_gives_the_last_number_exactly_where_a_picture_is_rejected():
    om = fitted(4, preset="bendale")
    rows = queries(4)
    decisions = om.decide(rows)
    threshold = float(np.median(decisions.scores))
    predictions = om.predict(rows, threshold)
    rejected = (decisions.scores < threshold) | (decisions.predictions == 4)
    assert set(decisions.predictions[decisions.scores >= threshold]) == {0, 1, 2, 3, 4}
    assert_array_equal(predictions == 4, rejected)
    assert_array_equal(predictions[~rejected], decisions.predictions[~rejected])


def test_a_score_equal_to_the_threshold_is_kept():
    om = fitted(4)
    row = np.array([[6.0, 0.0, 0.0, 0.0]])
    score = float(om.decision_scores(row)[0])
    assert om.predict(row, score).tolist() == [0]
    assert om.predict(row, np.nextafter(score, np.inf)).tolist() == [4]


@pytest.mark.parametrize(
    ("n_classes", "cap"), [(4, 0.405), (6, 0.312), (10, 0.214)], ids=["C=4", "C=6", "C=10"]
)
def test_second_softmax_caps_the_score(n_classes, cap):
    om = fitted(n_classes, preset="notebook")
    low, high = om.score_range()
    assert (low, high) == (1 / (n_classes + 1), math.e / (math.e + n_classes))
    assert round(high, 3) == cap
    scores = om.decision_scores(100 * np.eye(n_classes))
    assert_allclose(scores, high, rtol=1e-9)


@pytest.mark.parametrize(
    "method", [*METHODS, {"preset": "notebook"}], ids=[*METHOD_IDS, "notebook"]
)
def test_scores_stay_in_their_range(method):
    om = fitted(3, **method)
    low, high = om.score_range()
    rows = np.concatenate([queries(3, n=2000), np.zeros((1, 3)), 1e4 * np.eye(3), -1e4 * np.eye(3)])
    scores = om.decision_scores(rows)
    assert scores.min() >= low - 1e-15
    assert scores.max() <= high + 1e-15


def test_score_range_without_second_softmax_ends_at_1():
    assert fitted(4, preset="robust").score_range() == (0.2, 1.0)


# --- what a CDF would make of a picture ----------------------------------------------------------


@pytest.mark.parametrize(
    "method", [*METHODS, {"preset": "notebook"}], ids=[*METHOD_IDS, "notebook"]
)
def test_probabilities_at_a_picture_s_own_cdf_are_its_probabilities(method):
    om = fitted(5, **method)
    rows = queries(5, n=50)
    at_own = om.probabilities_at(rows, om.cdf(om.distances(rows)))
    assert_allclose(at_own, om.predict_proba(rows), rtol=1e-12)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["predict_proba", "decision_scores", "decide", "distances"])
def test_scored_logits_that_are_not_finite_name_the_row(monkeypatch, method, bad):
    om = fitted(3)
    rows = queries(3)
    rows[137, 1] = bad
    for chunk_values in (openmax_core.methods.method.CHUNK_VALUES, 10):
        monkeypatch.setattr(openmax_core.methods.method, "CHUNK_VALUES", chunk_values)
        with pytest.raises(ActivationsError, match="row 137 of the logits is not finite"):
            getattr(om, method)(rows)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_threshold_that_is_no_finite_number_accepts_nothing_but_is_an_error(bad):
    with pytest.raises(OpenMaxError, match="a threshold must be a finite number, not"):
        fitted(3).predict(queries(3), bad)


@pytest.mark.parametrize("preset", PRESETS)
def test_logits_of_any_size_are_fitted_and_scored_rightly_or_refused_in_words(preset):
    logits, labels = activations(4)
    for scale in (1e3, 1e9, 1e14):
        om = OpenMax(preset).fit(logits * scale, labels)
        assert np.isfinite(om.weibull_.shape).all()
        assert np.isfinite(om.predict_proba(logits * scale)).all()
    if preset == "openmax":  # nothing is lost: no offset, and no square in float32
        assert np.isfinite(OpenMax(preset).fit(logits * 1e25, labels).weibull_.shape).all()
    else:
        told = "offset 1 .translate. is lost in rounding; divide|a distance that is not finite"
        with pytest.raises(FitError, match=rf"^class '0' has .*({told})"):
            OpenMax(preset).fit(logits * 1e25, labels)
    with pytest.raises(FitError, match=r"of the training logits reaches .*; larger ones than 1e"):
        OpenMax(preset, fit_precision="float64").fit(logits * 1e70, labels)
    om = OpenMax(preset).fit(logits, labels)
    assert np.isfinite(om.predict_proba(logits * 1e36)).all()
    rows = logits.astype(np.float64)
    rows[7] *= 1e70
    with pytest.raises(ActivationsError, match=r"^row 7 of the logits reaches .*; larger ones"):
        om.predict_proba(rows)


@pytest.mark.parametrize(
    "logits",
    [np.zeros((5, 3)), np.zeros((5, 5)), np.zeros(4), np.zeros((2, 2, 4)), 3.0],
    ids=["too few", "too many", "one vector", "three axes", "a number"],
)
@pytest.mark.parametrize("method", ["predict_proba", "decide", "distances"])
def test_logits_of_another_shape_are_an_error_that_says_which(method, logits):
    with pytest.raises(ActivationsError, match=r"shape \(N, 4\), not \("):
        getattr(fitted(4), method)(logits)


@pytest.mark.parametrize(
    "call",
    [
        lambda om: om.predict_proba([[1.0, 2.0]]),
        lambda om: om.predict([[1.0, 2.0]], 0.5),
        lambda om: om.distances([[1.0, 2.0]]),
        lambda om: om.cdf([[1.0, 2.0]]),
        lambda om: om.score_range(),
        lambda om: om.to_dict(),
        lambda om: om.n_classes,
    ],
    ids=["predict_proba", "predict", "distances", "cdf", "score_range", "to_dict", "n_classes"],
)
def test_what_needs_a_fit_says_so(call):
    with pytest.raises(OpenMaxError, match="not fitted; call fit"):
        call(OpenMax())
