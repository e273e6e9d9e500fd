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
from sklearn.base import clone

import openmax_core.methods.openmax
from openmax_core import OpenMax, TradeoffCurve
from openmax_core.errors import ActivationsError, FitError, OpenMaxError
from openmax_core.methods.distances import squared_euclidean
from openmax_core.support.arrays import Float, Int
from openmax_core.weibull.fit import TailFit, fit_weibull_max

DATA = Path(__file__).parents[1] / "data"
LIBMR = json.loads((DATA / "libmr_case.json").read_text(encoding="utf-8"))["openmax"]
NOTEBOOK = json.loads((DATA / "notebook_case.json").read_text(encoding="utf-8"))["results"]
DISTANCES = ["euclidean", "squared_euclidean", "cosine", "eucos"]


def activations(
    n_classes: int, n_each: int = 60, seed: int = 0, size: float = 6.0
) -> tuple[Float, Int]:
    """Logits and labels of a classifier that is nearly always right."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_classes), n_each)
    return size * np.eye(n_classes)[labels] + rng.normal(size=(len(labels), n_classes)), labels


def fitted(n_classes: int = 4, **settings: Any) -> OpenMax:
    return OpenMax(**settings).fit(*activations(n_classes))


def queries(n_classes: int, n: int = 200, seed: int = 9) -> Float:
    """Logits near a class, between classes and far from all of them, of both signs."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_classes)) * rng.choice([0.1, 2.0, 8.0, 50.0], size=(n, 1))


def probabilities_by_loops(om: OpenMax, v: Float) -> list[float]:
    """The method's four steps for one activation vector, written without array operations."""
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
    powers = [math.exp(value - max(revised)) for value in revised]
    return [power / sum(powers) for power in powers]


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


def test_second_softmax_score_is_the_largest_of_the_softmax_of_the_probabilities():
    om = with_cdfs_of_a_half_three_quarters_and_four_fifths(
        [4.0, 2.0, 1.0], alpha_rank=2, second_softmax=True
    )
    probabilities = np.exp([2.0, 1.25, 1.0, 2.75]) / np.exp([2.0, 1.25, 1.0, 2.75]).sum()
    expected = np.exp(probabilities.max()) / np.exp(probabilities).sum()
    assert_allclose(om.decision_scores([[4.0, 2.0, 1.0]]), [expected], rtol=1e-13)
    assert_allclose(om.predict_proba([[4.0, 2.0, 1.0]]), [probabilities], rtol=1e-13)


def test_fit_keeps_the_correctly_classified_alone():
    logits = np.array(
        [[3.0, 0.0], [5.0, 1.0], [5.0, 2.0], [0.0, 9.0], [1.0, 4.0], [1.0, 8.0], [7.0, 0.0]]
    )
    labels = [0, 0, 0, 0, 1, 1, 1]
    om = OpenMax("bendale", distance="euclidean").fit([*logits, [1.0, 4.5]], [*labels, 1])
    assert_allclose(om.means_, [[13 / 3, 1.0], [1.0, 5.5]], rtol=1e-15)
    assert om.n_correct_.tolist() == [3, 3]
    assert om.n_training_.tolist() == [4, 4]
    assert_allclose(om.tails_[1], [1.0, 1.5, 2.5], rtol=1e-15)
    assert om.weibull_.n_tail.tolist() == [3, 3]
    assert om.classes_.tolist() == [0, 1]
    assert om.class_names_ == ("0", "1")


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


@settings(max_examples=100, deadline=None)
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
    else:
        expected = scipy_distance.cdist(logits, om.means_, metric[distance])
    distances = om.distances(logits)
    assert_allclose(distances, expected, rtol=1e-9, atol=1e-12)
    assert_array_equal(om.cdf(distances), om.weibull_.cdf(distances))
    assert om.cdf(distances).shape == (30, 4)


# --- rows and batches ----------------------------------------------------------------------------

METHODS: list[dict[str, Any]] = [
    {"preset": "robust"},
    {"preset": "robust", "centring": "minimum", "distance": "scaled_eucos", "tail_share": 0.5},
    {"preset": "bendale"},
    {"preset": "bendale", "alpha_rank": 2},
    {"preset": "bendale", "distance": "euclidean"},
    {"preset": "bendale", "distance": "cosine", "weighting": "paper"},
    {"preset": "bendale", "weighting": "all", "second_softmax": True},
]
METHOD_IDS = ["robust", "minimum", "eucos", "eucos α=2", "euclidean", "cosine paper", "all twice"]


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
    monkeypatch.setattr(openmax_core.methods.openmax, "CHUNK_VALUES", chunk_values)
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
    assert om.predict(row, np.nextafter(score, 1)).tolist() == [4]


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
    assert fitted(4).score_range() == (0.2, 1.0)


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
@settings(max_examples=100, deadline=None)
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


# --- η as a share of the class -------------------------------------------------------------------


def test_the_tail_is_a_share_of_the_class_where_that_is_more_than_the_tail_size():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [400, 150, 30])
    logits = 9 * np.eye(3)[labels] + rng.normal(size=(len(labels), 3))
    om = OpenMax("robust", tail_size=10, tail_share=0.1).fit(logits, labels)
    assert om.n_correct_.tolist() == [400, 150, 30]
    assert [len(tail) for tail in om.tails_] == [40, 15, 10]
    assert om.weibull_.n_tail.tolist() == [40, 15, 10]
    one = OpenMax("robust", tail_size=40).fit(logits, labels)
    assert_array_equal(om.tails_[0], one.tails_[0])
    assert om.weibull_.shape[0] == pytest.approx(one.weibull_.shape[0], rel=1e-12)
    with pytest.raises(FitError, match="16 is more than the 15 fitted"):
        om.with_shorter_tail(16)


def test_factors_bring_the_median_distances_to_one():
    logits, labels = activations(4)
    om = OpenMax("robust", distance="scaled_eucos").fit(logits, labels)
    v = logits - logits.mean(axis=1, keepdims=True)
    own = om.means_[labels]
    right = logits.argmax(axis=1) == labels
    lengths = np.linalg.norm(v - own, axis=1)[right]
    angles = 1 - (v * own).sum(axis=1) / np.linalg.norm(v, axis=1) / np.linalg.norm(own, axis=1)
    assert_allclose(
        om.distance_factors_, [1 / np.median(lengths), 1 / np.median(angles[right])], rtol=1e-9
    )


def test_with_two_classes_the_angle_says_nothing_and_is_left_out():
    om = fitted(2, preset="robust", distance="scaled_eucos")
    assert om.distance_factors_[0] > 0
    assert om.distance_factors_[1] == 0.0
    assert np.isfinite(om.predict_proba(queries(2))).all()


# --- what a CDF would make of a picture ----------------------------------------------------------


@pytest.mark.parametrize(
    "method", [*METHODS, {"preset": "notebook"}], ids=[*METHOD_IDS, "notebook"]
)
def test_probabilities_at_a_picture_s_own_cdf_are_its_probabilities(method):
    om = fitted(5, **method)
    rows = queries(5, n=50)
    at_own = om.probabilities_at(rows, om.cdf(om.distances(rows)))
    assert_allclose(at_own, om.predict_proba(rows), rtol=1e-12)
    assert_allclose(om.scores_of(at_own), om.decision_scores(rows), rtol=1e-12)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_training_logits_that_are_not_finite_name_the_row(preset, bad):
    logits, labels = activations(3)
    shuffled = np.random.default_rng(0).permutation(len(labels))
    logits, labels = logits[shuffled], labels[shuffled]
    logits[71, 2] = bad
    with pytest.raises(FitError, match="row 71 of the training logits is not finite"):
        OpenMax(preset=preset).fit(logits, labels)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["predict_proba", "decision_scores", "decide", "distances"])
def test_scored_logits_that_are_not_finite_name_the_row(monkeypatch, method, bad):
    om = fitted(3)
    rows = queries(3)
    rows[137, 1] = bad
    for chunk_values in (openmax_core.methods.openmax.CHUNK_VALUES, 10):
        monkeypatch.setattr(openmax_core.methods.openmax, "CHUNK_VALUES", chunk_values)
        with pytest.raises(ActivationsError, match="row 137 of the logits is not finite"):
            getattr(om, method)(rows)


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
    ("logits", "labels", "message"),
    [
        (np.zeros(6), np.zeros(6, int), r"logits must be \(N, C\) and labels \(N,\)"),
        (np.zeros((6, 3)), np.zeros(5, int), r"they are \(6, 3\) and \(5,\)"),
        (np.zeros((6, 3)), np.zeros((6, 3), int), r"they are \(6, 3\) and \(6, 3\)"),
        (np.zeros((6, 1)), np.zeros(6, int), "at least 2 known classes"),
        (np.zeros((6, 3)), np.full(6, 3), r"labels must lie in 0\.\.2"),
        (np.zeros((6, 3)), np.full(6, -1), r"labels must lie in 0\.\.2"),
        (np.zeros((0, 3)), np.zeros(0, int), "class '0' has 0 correctly classified pictures"),
    ],
    ids=["vector", "lengths", "one-hot", "one class", "label 3 of 3", "label -1", "empty"],
)
def test_training_data_that_do_not_fit_are_an_error(logits, labels, message):
    with pytest.raises(FitError, match=message):
        OpenMax().fit(logits, labels)


def test_labels_that_are_not_whole_numbers_are_an_error():
    logits, labels = activations(3)
    with pytest.raises(FitError, match="labels"):
        OpenMax().fit(logits, labels + 0.5 * (labels < 2))


def test_names_must_be_as_many_as_classes():
    with pytest.raises(FitError, match="2 class names for logits of 3 classes"):
        OpenMax().fit(*activations(3), class_names=["rose", "tulip"])


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
@pytest.mark.parametrize("n_right", [0, 1])
def test_a_class_with_hardly_a_correct_picture_is_named(preset, n_right):
    logits, labels = activations(3)
    of_class = np.flatnonzero(labels == 1)[n_right:]
    logits[of_class, 2] = 50.0
    message = f"class 'orchid' has {n_right} correctly classified pictures"
    with pytest.raises(FitError, match=message):
        OpenMax(preset=preset).fit(logits, labels, class_names=["rose", "orchid", "tulip"])


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_a_class_of_copies_of_one_picture_is_named(preset):
    logits, labels = activations(3)
    logits[labels == 1] = [0.1, 7.3, -0.2]
    with pytest.raises(FitError, match=r"class 'orchid': all .* distances of its tail are equal"):
        OpenMax(preset=preset).fit(logits, labels, class_names=["rose", "orchid", "tulip"])


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_a_failed_fit_leaves_the_fitted_estimator_as_it_was(preset):
    om = fitted(3, preset=preset)
    before = json.dumps(om.to_dict())
    logits, labels = activations(3, seed=5)
    om.set_params(translate=-1.0, weibull="libmr")
    with pytest.raises(FitError, match="translate"):
        om.fit(logits, labels)
    om.set_params(translate=None, weibull=None)
    assert json.dumps(om.to_dict()) == before


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


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"preset": "magic"}, "no preset 'magic'; there are robust, bendale, notebook"),
        ({"centring": "median"}, "centring = 'median' does not exist; use one of none, mean, min"),
        ({"unknown_from": "none"}, "unknown_from = 'none' does not exist; use one of all, positiv"),
        ({"tail_share": 0.0}, r"tail_share must lie in \(0, 1\], not 0.0"),
        ({"strength": 1.5}, r"strength must lie in \(0, 1\], not 1.5"),
        ({"distance": "manhattan"}, "distance = 'manhattan' does not exist; use one of euclidean"),
        ({"weighting": "none"}, "weighting = 'none' does not exist; use one of code, paper, all"),
        ({"weibull": "gumbel"}, "weibull = 'gumbel' does not exist; use one of libmr, weibull_max"),
        ({"fit_precision": "float16"}, "fit_precision = 'float16' does not exist"),
        ({"tail_size": 1}, "tail_size must be at least 2, not 1"),
        ({"alpha_rank": 0}, "alpha_rank must be at least 1, not 0"),
        ({"alpha_rank": 2.5}, "alpha_rank must be a whole number, not 2.5"),
        ({"tail_size": 2.5}, "tail_size must be a whole number, not 2.5"),
        ({"tail_size": True}, "tail_size must be a whole number, not True"),
        ({"strength": "x"}, "strength must be a number, not 'x'"),
        ({"tail_share": "a"}, "tail_share must be a number, not 'a'"),
        ({"translate": 0.0}, "translate must be larger than 0, not 0.0"),
        ({"translate": math.nan}, "translate must be .*, not nan"),
    ],
)
def test_a_setting_that_does_not_exist_is_an_error_that_lists_what_does(parameters, message):
    with pytest.raises(OpenMaxError, match=message):
        OpenMax(**parameters).fit(*activations(3))


def test_robust_is_bendale_but_for_four_settings():
    robust, bendale = (OpenMax(name).settings().to_dict() for name in ("robust", "bendale"))
    differing = {name: robust[name] for name in robust if robust[name] != bendale[name]}
    assert differing == {
        "centring": "mean",
        "alpha_rank": 5,
        "strength": 0.25,
        "unknown_from": "positive",
    }


def test_presets_hold_the_documented_settings():
    bendale, notebook = OpenMax("bendale").settings(), OpenMax("notebook").settings()
    assert (bendale.distance, bendale.tail_size, bendale.weibull) == ("eucos", 20, "libmr")
    assert (bendale.alpha_rank, bendale.weighting) == (10, "code")
    assert bendale.second_softmax is False
    assert (notebook.distance, notebook.tail_size) == ("squared_euclidean", 100)
    assert (notebook.weibull, notebook.weighting) == ("weibull_max", "all")
    assert notebook.second_softmax is True


def test_settings_given_back_to_the_constructor_are_the_same_settings():
    for method in (*METHODS, {"preset": "notebook"}):
        chosen = OpenMax(**method).settings()
        assert OpenMax(str(method["preset"]), **chosen.to_dict()).settings() == chosen


def test_a_given_setting_overrides_the_preset_and_false_is_given():
    settings = OpenMax("notebook", second_softmax=False, tail_size=7).settings()
    assert settings.second_softmax is False
    assert settings.tail_size == 7
    assert settings.distance == "squared_euclidean"


def test_get_params_gives_what_the_constructor_got():
    given_: dict[str, Any] = {"preset": "notebook", "tail_size": 7, "second_softmax": False}
    parameters = OpenMax(**given_).get_params()
    assert {name: value for name, value in parameters.items() if value is not None} == given_
    assert OpenMax(**parameters).get_params() == parameters


def test_set_params_changes_by_name_and_gives_the_estimator_back():
    om = OpenMax()
    assert om.set_params(distance="cosine", tail_size=9) is om
    assert (om.settings().distance, om.settings().tail_size) == ("cosine", 9)


def test_set_params_of_an_unknown_name_lists_the_known():
    with pytest.raises(
        OpenMaxError, match="no setting 'eta'; there are preset, centring, distance, tail_size"
    ):
        OpenMax().set_params(eta=20)


def test_set_params_changes_nothing_fitted_before_the_next_fit():
    om = fitted(3)
    before, rows = json.dumps(om.to_dict()), queries(3)
    probabilities = om.predict_proba(rows)
    om.set_params(preset="notebook", distance="cosine")
    assert_array_equal(om.predict_proba(rows), probabilities)
    assert json.dumps(om.to_dict()) == before


@pytest.mark.parametrize(
    ("preset", "tail_size", "alpha_rank"),
    [("robust", 7, 3), ("bendale", 7, None), ("bendale", 20, 2), ("notebook", 15, None)],
)
def test_a_shorter_tail_is_the_fit_with_that_tail_size(preset, tail_size, alpha_rank):
    longer = fitted(4, preset=preset, tail_size=30)
    before = json.dumps(longer.to_dict())
    shorter = longer.with_shorter_tail(tail_size, alpha_rank)
    again = fitted(4, preset=preset, tail_size=tail_size, alpha_rank=alpha_rank)
    assert shorter.to_dict() == again.to_dict()
    assert_array_equal(shorter.predict_proba(queries(4)), again.predict_proba(queries(4)))
    assert json.dumps(longer.to_dict()) == before


def test_a_longer_tail_than_the_fitted_one_is_an_error():
    with pytest.raises(FitError, match="31 is more than the 30 fitted"):
        fitted(4, tail_size=30).with_shorter_tail(31)


def test_scikit_learn_clones_settings_and_leaves_the_fit_behind():
    om = fitted(3, preset="notebook", tail_size=30)
    copy = clone(om)
    assert type(copy) is OpenMax
    assert copy.get_params() == om.get_params()
    with pytest.raises(OpenMaxError, match="not fitted"):
        copy.predict_proba(queries(3))
    refitted = copy.fit(*activations(3))
    assert_array_equal(refitted.predict_proba(queries(3)), om.predict_proba(queries(3)))


# --- storing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", [*METHODS, {"preset": "notebook"}], ids=[*METHOD_IDS, "notebook"]
)
def test_a_loaded_calibration_has_every_bit_of_the_saved(tmp_path, method):
    om = OpenMax(**method).fit(*activations(3), class_names=["Rose", "Гвоздика", "百合"])
    om.save(tmp_path / "calibration.json")
    back = OpenMax.load(str(tmp_path / "calibration.json"))
    rows = queries(3)
    assert_array_equal(back.predict_proba(rows), om.predict_proba(rows))
    assert_array_equal(back.decision_scores(rows), om.decision_scores(rows))
    assert back.to_dict() == om.to_dict()
    assert back.class_names_ == ("Rose", "Гвоздика", "百合")
    assert back.preset == om.preset
    assert back.settings() == om.settings()
    assert back.score_range() == om.score_range()
    for name in ("means_", "classes_", "n_correct_", "n_training_"):
        assert_array_equal(getattr(back, name), getattr(om, name))
        assert getattr(back, name).dtype == getattr(om, name).dtype


def test_a_loaded_calibration_can_be_fitted_again(tmp_path):
    om = fitted(3, tail_size=15)
    om.save(tmp_path / "calibration.json")
    again = OpenMax.load(tmp_path / "calibration.json").fit(*activations(3))
    assert_array_equal(again.predict_proba(queries(3)), om.predict_proba(queries(3)))


def test_a_calibration_of_the_first_version_has_the_settings_of_its_time(tmp_path):
    om = fitted(3, preset="bendale")
    values = om.to_dict()
    values["version"] = 1
    del values["distance_factors"]
    for name in ("centring", "tail_share", "strength", "unknown_from"):
        del values["settings"][name]
    back = OpenMax.from_dict(values)
    assert back.settings_ == om.settings_
    assert_array_equal(back.predict_proba(queries(3)), om.predict_proba(queries(3)))


def test_settings_that_are_numpy_numbers_can_be_saved(tmp_path):
    om = fitted(3, tail_size=np.int64(15), alpha_rank=np.int32(2), translate=np.float32(0.5))
    om.save(tmp_path / "calibration.json")
    back = OpenMax.load(tmp_path / "calibration.json")
    assert back.settings().tail_size == 15
    assert_array_equal(back.predict_proba(queries(3)), om.predict_proba(queries(3)))


def damaged(change: Callable[[dict[str, Any]], Any]) -> Callable[[str], str]:
    """Return what makes a changed file of a sound one."""

    def apply(text: str) -> str:
        values = json.loads(text)
        change(values)
        return json.dumps(values)

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cannot read"),
        (lambda text: "", "cannot read"),
        (lambda text: "[1, 2]", "not of the format openmax-calibration"),
        (
            lambda text: '{"format": "openmax-operating-point"}',
            "not of the format openmax-calibration",
        ),
        (
            damaged(lambda values: values.update(version=3)),
            "version 3; this program reads version 2 or older, update it",
        ),
        (damaged(lambda values: values.update(version=[])), r"version \[\]"),
        (damaged(lambda values: values.pop("version")), "version None"),
        (damaged(lambda values: values.update(tails=[])), "damaged"),
        (damaged(lambda values: values["tails"][0].pop()), "damaged"),
        (damaged(lambda values: values.pop("means")), "damaged"),
        (damaged(lambda values: values.update(distance_factors=[1.0])), "damaged"),
        (damaged(lambda values: values.pop("weibull")), "damaged"),
        (damaged(lambda values: values["weibull"].pop("shape")), "damaged"),
        (damaged(lambda values: values["settings"].update(eta=3)), "damaged"),
        (damaged(lambda values: values["settings"].update(distance="far")), "distance = 'far'"),
        (damaged(lambda values: values.update(means="none")), "damaged"),
        (damaged(lambda values: values["means"].pop()), "damaged"),
        (damaged(lambda values: values["weibull"]["scale"].pop()), "damaged"),
        (damaged(lambda values: values["class_names"].pop()), "damaged"),
        (damaged(lambda values: values["means"][0].__setitem__(0, math.nan)), "damaged"),
        (damaged(lambda values: values["means"][0].__setitem__(0, "1.5")), r"means\[0\] must be a"),
        (damaged(lambda values: values["n_correct"].__setitem__(0, 10**30)), "n_correct must be"),
        (damaged(lambda values: values.update(class_names="abc")), "class_names must be a list"),
        (damaged(lambda values: values.update(settings=[])), "settings must be an object"),
        (damaged(lambda values: values["weibull"].update(form=[])), "form must be text"),
        (lambda text: "[" * 100_000, "cannot read"),
    ],
    ids=[
        "cut off",
        "empty",
        "a list",
        "an operating point",
        "newer",
        "a list of versions",
        "no version",
        "no tails",
        "a tail too short",
        "no means",
        "one factor",
        "no Weibull",
        "no shape",
        "unknown setting",
        "unknown distance",
        "means are a word",
        "a mean is missing",
        "a scale is missing",
        "a name is missing",
        "a mean is NaN",
        "a mean is text",
        "a huge count",
        "names are a word",
        "settings are a list",
        "a form that is no text",
        "nested deeply",
    ],
)
def test_a_damaged_calibration_is_an_error_that_names_the_file(tmp_path, damage, message):
    path = tmp_path / "calibration.json"
    fitted(3).save(path)
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(OpenMaxError, match=message) as caught:
        OpenMax.load(path)
    assert "calibration.json" in str(caught.value)


def test_a_missing_calibration_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(OpenMaxError, match=r"nowhere\.json"):
        OpenMax.load(tmp_path / "nowhere.json")


def test_a_binary_file_is_no_calibration(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"\x80\x04\x95\xff\xfe")
    with pytest.raises(OpenMaxError, match=r"cannot read the calibration .*weights\.bin"):
        OpenMax.load(tmp_path / "weights.bin")
