"""What the explorer is sent: exact counts, few enough for a browser, and nothing else."""

import base64
import json
import math
import struct
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from openmax_core import TradeoffCurve
from openmax_core.tradeoff.explorer import (
    confusions_at,
    explorer_data,
    is_threshold,
    outcome_data,
    slider_positions,
)
from openmax_core.tradeoff.intervals import INTERVALS, share_interval

UNIT = (0.0, 1.0)
SIZES = {"d": 8, "I": 4}
FLOATS = (
    "positions",
    "thresholds",
    "test_low",
    "test_high",
    "reject_low",
    "reject_high",
    "edges",
)
COUNTS = ("correct", "wrong", "accepted", "test_histogram", "reject_histogram")


def unpacked(text: str, kind: str) -> tuple[Any, ...]:
    """Little-endian numbers: 'd' 64-bit floats, 'I' 32-bit counts."""
    content = base64.b64decode(text, validate=True)
    return struct.unpack(f"<{len(content) // SIZES[kind]}{kind}", content)


@dataclass(frozen=True)
class Sent:
    """The data as the browser has them after decoding."""

    values: dict[str, Any]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return np.array(unpacked(self.values[name], "d" if name in FLOATS else "I"))

    @property
    def cell_counts(self) -> NDArray[np.int64]:
        """(cells, positions) counts."""
        flat = np.array(unpacked(self.values["cell_counts"], "I"), dtype=np.int64)
        return flat.reshape(len(self.values["cells"]), len(self["positions"]))


def names_of(n_classes: int) -> tuple[str, ...]:
    return tuple(f"class {index}" for index in range(n_classes))


def sent(
    curve: TradeoffCurve,
    score_range: tuple[float, float] = UNIT,
    interval: str = "Wilson",
    class_names: tuple[str, ...] | None = None,
) -> Sent:
    """Send a curve through JSON, as it travels."""
    names = class_names or names_of(curve.n_classes)
    data = explorer_data(curve, curve, names, score_range, interval)
    return Sent(json.loads(json.dumps(data, allow_nan=False)))


def random_curve(
    n_classes: int,
    n_test: int,
    n_reject: int,
    *,
    right: float = 0.7,
    decimals: int | None = None,
    seed: int = 0,
) -> TradeoffCurve:
    """Curve of random pictures; 'unknown' won for some. With ``decimals`` many scores are tied."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, n_classes, n_test)
    other = generator.integers(0, n_classes + 1, n_test)
    test, reject = generator.beta(4, 1, n_test), generator.beta(1, 2, n_reject)
    return TradeoffCurve(
        test if decimals is None else test.round(decimals),
        np.where(generator.random(n_test) < right, labels, other),
        labels,
        reject if decimals is None else reject.round(decimals),
        generator.integers(0, n_classes + 1, n_reject),
        n_classes,
    )


CURVES = {
    "few pictures": random_curve(3, 40, 30),
    "tied scores": random_curve(3, 900, 700, decimals=2),
    "many pictures": random_curve(5, 9000, 4000),
    "no reject set": random_curve(3, 200, 0),
    "no test set": random_curve(3, 0, 200),
    "nothing at all": random_curve(3, 0, 0),
    "unknown won everywhere": TradeoffCurve([0.4, 0.5], [2, 2], [0, 1], [0.6], [2], 2),
    "all right": TradeoffCurve([0.4, 0.5], [0, 1], [0, 1], [0.6], [2], 2),
    "a class without pictures": TradeoffCurve([0.4, 0.5], [0, 2], [0, 0], [0.6], [2], 3),
    "scores beyond the range": TradeoffCurve([-0.5, 1.5], [0, 1], [0, 0], [2.0, 0.2], [0, 1], 2),
    "more classes than a matrix shows": random_curve(30, 900, 400, right=0.5),
}
LISTED = "more classes than a matrix shows"
DECODED = {name: sent(curve) for name, curve in CURVES.items()}
EXACT = sorted(name for name, data in DECODED.items() if data.values["is_exact"])
curves = pytest.mark.parametrize("curve", list(CURVES.values()), ids=list(CURVES))


# --- positions of the slider ---------------------------------------------------------------------


def check_cover(low: float, high: float) -> list[float]:
    """About 1,000 positions from one end to the other, no further than the range asks for."""
    positions = slider_positions((low, high)).tolist()
    assert 400 <= len(positions) <= 1002
    assert positions[0] <= low < positions[1]
    assert positions[-2] < high <= positions[-1]
    return positions


def check_positions(low: float, high: float) -> None:
    """Round, ascending and evenly spaced besides."""
    positions = check_cover(low, high)
    steps = {b - a for a, b in pairwise(Decimal(repr(position)) for position in positions)}
    assert len(steps) == 1
    assert steps.pop().normalize().as_tuple().digits in {(1,), (2,), (5,)}


@settings(max_examples=200)
@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@example(0.0, 1.0)
@example(0.0, math.nextafter(0.1, 1))  # a hair above a round number is not covered by it
@example(math.nextafter(0.3, 0), 0.9)
@example(0.25, 0.25 + 1e-6)
def test_positions_are_round_and_cover_the_range(one, other):
    low, high = min(one, other), max(one, other)
    assume(high - low >= 1e-6)
    check_positions(low, high)


@settings(max_examples=100)
@given(st.integers(0, 999), st.integers(1, 1000), st.sampled_from([1e-3, 1e-4, 1e-5]))
def test_positions_cover_ranges_between_round_numbers(start, width, unit):
    check_positions(round(start * unit, 5), round((start + width) * unit, 5))


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_positions_cover_what_a_preset_can_score(preset):
    for n_classes in range(2, 1001):
        high = 1.0 if preset == "bendale" else math.e / (math.e + n_classes)
        check = check_cover if n_classes % 20 else check_positions
        check(1 / (n_classes + 1), high)


@pytest.mark.parametrize(
    ("low", "high", "first", "second", "last", "count"),
    [
        (0.0, 1.0, 0.0, 0.001, 1.0, 1001),
        (1 / 11, 1.0, 0.09, 0.091, 1.0, 911),
        (1 / 3, 1.0, 0.333, 0.334, 1.0, 668),
        (0.1, math.e / (math.e + 9), 0.1, 0.1002, 0.232, 661),
        (1 / 1001, math.e / (math.e + 1000), 0.000998, 0.001, 0.002712, 858),
        (0.0, 2.0, 0.0, 0.002, 2.0, 1001),
        (-1.0, 1.0, -1.0, -0.998, 1.0, 1001),
        (0.0, 5000.0, 0.0, 5.0, 5000.0, 1001),
    ],
)
def test_positions_are_those_worked_by_hand(low, high, first, second, last, count):
    positions = slider_positions((low, high)).tolist()
    assert (positions[0], positions[1], positions[-1]) == (first, second, last)
    assert len(positions) == count


# --- counts --------------------------------------------------------------------------------------


WORKED = TradeoffCurve([0.9, 0.8, 0.8, 0.5], [0, 1, 0, 2], [0, 1, 1, 1], [0.5, 0.8], [0, 2], 2)


def test_what_is_sent_is_what_was_worked_by_hand():
    data = sent(WORKED, class_names=("ash", "birch"))
    at = {float(threshold): index for index, threshold in enumerate(data["thresholds"])}
    rows = list(zip(data["correct"], data["wrong"], data["accepted"], strict=True))
    assert [rows[at[threshold]] for threshold in (0.0, 0.5, 0.501, 0.8, 0.801, 0.9, 1.0)] == [
        (2, 1, 1),
        (2, 1, 1),
        (2, 1, 0),
        (2, 1, 0),
        (1, 0, 0),
        (1, 0, 0),
        (0, 0, 0),
    ]
    assert rows[at[math.nextafter(0.9, 1)]] == (0, 0, 0)
    assert len(rows) == 1001 + 1  # all scores but the next number above 0.9 are positions
    expected = {
        "classes": ["ash", "birch"],
        "n_test": 4,
        "n_reject": 2,
        "interval": "Wilson",
        "is_exact": True,
        "totals": [1, 3, 2],
        "is_matrix": True,
        "cells": [[0, 0], [1, 0], [1, 1], [2, 0], [0, 2], [1, 2], [2, 2]],
    }
    assert {name: data.values[name] for name in expected} == expected
    half = data["positions"].tolist().index(0.6)
    assert data.cell_counts[:, half].tolist() == [1, 1, 1, 0, 0, 1, 2]
    assert data["edges"].tolist() == np.linspace(0, 1, 61).tolist()
    bins = np.flatnonzero(data["test_histogram"])
    assert dict(zip(bins.tolist(), data["test_histogram"][bins], strict=True)) == {
        30: 1,
        48: 2,
        54: 1,
    }


def test_arrays_are_little_endian_and_as_long_as_they_say():
    data = explorer_data(WORKED, WORKED, ("ash", "birch"), UNIT)
    assert base64.b64decode(data["positions"])[:16] == struct.pack("<2d", 0.0, 0.001)
    assert base64.b64decode(data["correct"])[:8] == b"\x02\0\0\0\x02\0\0\0"
    assert len(base64.b64decode(data["positions"])) == 8 * 1001
    assert len(base64.b64decode(data["thresholds"])) == 8 * 1002
    assert len(base64.b64decode(data["cell_counts"])) == 4 * 7 * 1001


@curves
def test_every_count_is_the_curves_outcome_at_its_threshold(curve):
    data = sent(curve)
    rows = zip(data["thresholds"], data["correct"], data["wrong"], data["accepted"], strict=True)
    for threshold, correct, wrong, accepted in rows:
        outcome = curve.outcome(threshold)
        expected = (outcome.correct, outcome.wrong, outcome.accepted_unknown)
        assert (correct, wrong, accepted) == expected


@pytest.mark.parametrize("interval", list(INTERVALS))
@pytest.mark.parametrize("name", ["few pictures", "tied scores", "no reject set", "no test set"])
def test_every_interval_is_that_of_its_kind_and_share(name, interval):
    curve = CURVES[name]
    data = sent(curve, interval=interval)
    assert data.values["interval"] == interval
    test = [share_interval(n, curve.n_test, interval) for n in data["correct"].tolist()]
    rejected = curve.n_reject - data["accepted"].astype(int)
    reject = [share_interval(n, curve.n_reject, interval) for n in rejected.tolist()]
    for side, expected in (("test", test), ("reject", reject)):
        assert_array_equal(data[f"{side}_low"], [item.low for item in expected])
        assert_array_equal(data[f"{side}_high"], [item.high for item in expected])


def test_an_interval_that_does_not_exist_is_refused():
    with pytest.raises(KeyError, match="Wald"):
        explorer_data(WORKED, WORKED, ("ash", "birch"), UNIT, "Wald")


@curves
def test_thresholds_ascend_and_hold_every_position_to_the_last_bit(curve):
    data = sent(curve, (1 / 7, 1.0))
    assert (np.diff(data["thresholds"]) > 0).all()
    assert_array_equal(data["positions"], slider_positions((1 / 7, 1.0)))
    assert set(data["positions"].tolist()) <= set(data["thresholds"].tolist())


@curves
def test_is_exact_says_whether_every_step_of_the_curve_was_sent(curve):
    data = sent(curve)
    steps = set(curve.thresholds.tolist())
    assert data.values["is_exact"] is (steps <= set(data["thresholds"].tolist()))


@pytest.mark.parametrize(("n_scores", "is_exact"), [(2000, True), (2998, True), (2999, False)])
def test_steps_are_all_sent_as_long_as_there_is_room_beside_the_positions(n_scores, is_exact):
    scores = (np.arange(n_scores) + 0.5) / n_scores  # with the next number: one more step
    curve = TradeoffCurve(scores, np.zeros(n_scores), np.zeros(n_scores), [], [], 2)
    assert sent(curve).values["is_exact"] is is_exact


thresholds_ = st.one_of(st.floats(-0.5, 2.5), st.sampled_from([0.1, 0.3, 0.30000000000000004, 0.7]))


@settings(max_examples=150)
@given(st.sampled_from(EXACT), thresholds_)
@example("few pictures", -0.5)
@example("scores beyond the range", 1.7)
def test_between_the_steps_of_an_exact_curve_nothing_happens(name, threshold):
    curve, data = CURVES[name], DECODED[name]
    at = min(int(np.searchsorted(data["thresholds"], threshold)), len(data["thresholds"]) - 1)
    outcome = curve.outcome(threshold)
    found = (data["correct"][at], data["wrong"][at], data["accepted"][at])
    assert found == (outcome.correct, outcome.wrong, outcome.accepted_unknown)


def test_all_but_the_curve_of_many_pictures_are_exact():
    assert set(DECODED) - set(EXACT) == {"many pictures"}


def test_past_the_last_threshold_sent_everything_is_rejected_however_many_pictures():
    last = {
        name: (d["correct"][-1], d["wrong"][-1], d["accepted"][-1]) for name, d in DECODED.items()
    }
    assert last == dict.fromkeys(DECODED, (0, 0, 0))


@curves
def test_histograms_count_every_picture_once(curve):
    data = sent(curve, (0.2, 0.9))
    assert data["test_histogram"].sum() == curve.n_test
    assert data["reject_histogram"].sum() == curve.n_reject
    edges = data["edges"]
    assert (len(edges), edges[0], edges[-1]) == (61, 0.2, 0.9)
    inner = (curve.test_scores >= edges[20]) & (curve.test_scores < edges[21])
    assert data["test_histogram"][20] == inner.sum()
    below = curve.test_scores < edges[1]  # also those below the range
    assert data["test_histogram"][0] == below.sum()


@curves
def test_totals_are_the_pictures_of_every_class_and_the_unknowns(curve):
    labels = Counter(curve.test_labels.tolist())
    expected = [labels[index] for index in range(curve.n_classes)]
    assert sent(curve).values["totals"] == [*expected, curve.n_reject]


# --- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_classes", "most_bytes"),
    [(10, 1_000_000), (15, 1_650_000), (16, 1_000_000), (1000, 1_500_000)],
)
def test_what_is_sent_stays_small_however_many_pictures(n_classes, most_bytes):
    curve = random_curve(n_classes, 100_000, 100_000)
    data = explorer_data(curve, curve, names_of(n_classes), (1 / (n_classes + 1), 1.0))
    decoded = Sent(data)
    assert len(decoded["thresholds"]) <= 4000
    assert 500 <= len(decoded["positions"]) <= 1002
    assert len(json.dumps(data)) < most_bytes
    assert data["is_exact"] is False


# --- confusion -----------------------------------------------------------------------------------


def matrices(data: Sent) -> NDArray[np.int64]:
    """(positions, C + 1, C + 1) counts; cells that were not sent are 0."""
    n = len(data.values["classes"]) + 1
    counts = np.zeros((len(data["positions"]), n, n), dtype=np.int64)
    for (truth, decision), row in zip(data.values["cells"], data.cell_counts, strict=True):
        counts[:, truth, decision] = row
    return counts


SMALL = {name: curve for name, curve in CURVES.items() if curve.n_classes <= 15}
SMALL["most classes that a matrix shows"] = random_curve(15, 500, 300, right=0.3)


@pytest.mark.parametrize("curve", list(SMALL.values()), ids=list(SMALL))
def test_cells_are_the_confusion_at_every_position_and_absent_ones_are_empty(curve):
    data = sent(curve)
    assert data.values["is_matrix"] is True
    expected = [curve.confusion(position) for position in data["positions"].tolist()]
    assert_array_equal(matrices(data), expected)


tied = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.30000000000000004, 0.7, 1.0])


@settings(max_examples=100)
@given(
    st.lists(st.tuples(tied, st.integers(0, 3), st.integers(0, 2)), max_size=12),
    st.lists(st.tuples(tied, st.integers(0, 3)), max_size=12),
)
def test_counts_and_cells_are_what_counting_the_pictures_gives(test, reject):
    curve = TradeoffCurve(
        [score for score, _, _ in test],
        [prediction for _, prediction, _ in test],
        [label for _, _, label in test],
        [score for score, _ in reject],
        [prediction for _, prediction in reject],
        3,
    )
    data = sent(curve)
    found = matrices(data)
    index = {float(threshold): at for at, threshold in enumerate(data["thresholds"])}
    correct, wrong, accepted = data["correct"], data["wrong"], data["accepted"]
    for position in (0, 99, 100, 101, 250, 251, 300, 301, 700, 701, 1000):
        threshold = float(data["positions"][position])
        decided = [(label, 3 if score < threshold else p) for score, p, label in test]
        decided += [(3, 3 if score < threshold else p) for score, p in reject]
        cells = Counter(decided)
        for truth in range(4):
            for decision in range(4):
                assert found[position, truth, decision] == cells[truth, decision]
        at = index[threshold]
        assert correct[at] == sum(cells[k, k] for k in range(3))
        assert wrong[at] == sum(cells[a, b] for a in range(3) for b in range(3) if a != b)
        assert accepted[at] == sum(cells[3, k] for k in range(3))


def test_no_cell_is_sent_twice():
    for data in DECODED.values():
        cells = [tuple(cell) for cell in data.values["cells"]]
        assert len(set(cells)) == len(cells)


def test_without_a_reject_set_there_is_no_row_of_unknowns():
    data = DECODED["no reject set"]
    assert {truth for truth, _ in data.values["cells"]} == {0, 1, 2}


def mistakes_at(curve: TradeoffCurve, threshold: float) -> Counter[tuple[int, int]]:
    """Wrong (truth, decision) pairs by counting; a rejected unknown is no mistake."""
    last = curve.n_classes
    scores = [*curve.test_scores.tolist(), *curve.reject_scores.tolist()]
    predictions = [*curve.test_predictions.tolist(), *curve.reject_predictions.tolist()]
    truths = [*curve.test_labels.tolist(), *[last] * curve.n_reject]
    decisions = [last if s < threshold else p for s, p in zip(scores, predictions, strict=True)]
    pairs = zip(truths, decisions, strict=True)
    return Counter(pair for pair in pairs if pair[0] != pair[1])


@pytest.mark.parametrize(
    "curve",
    [
        random_curve(16, 600, 300, right=0.5),
        random_curve(30, 900, 400, right=0.5),
        random_curve(200, 500, 0, right=0.2),
        random_curve(200, 0, 500),
    ],
    ids=["just too many classes", "unlike frequencies", "mostly tied", "no test set"],
)
def test_with_many_classes_the_most_frequent_mistakes_are_listed(curve):
    data = sent(curve)
    assert data.values["is_matrix"] is False
    cells = [tuple(cell) for cell in data.values["cells"]]
    assert all(truth != decision for truth, decision in cells)
    positions = data["positions"].tolist()
    for sample in range(40):
        at = round(sample * (len(positions) - 1) / 39)
        mistakes = mistakes_at(curve, positions[at])
        found = data.cell_counts[:, at].tolist()
        assert found == [mistakes[cell] for cell in cells]
        most = sorted(mistakes.values(), reverse=True)[:12]
        assert sorted(found, reverse=True)[: len(most)] == most


@settings(max_examples=60)
@given(st.integers(0, 1000))
def test_listed_counts_are_exact_at_every_position_not_only_where_mistakes_were_looked_for(at):
    curve, data = CURVES[LISTED], DECODED[LISTED]
    mistakes = mistakes_at(curve, float(data["positions"][at]))
    expected = [mistakes[truth, decision] for truth, decision in data.values["cells"]]
    assert data.cell_counts[:, at].tolist() == expected


def test_fifteen_classes_are_a_matrix_and_sixteen_a_list():
    assert sent(random_curve(15, 50, 50)).values["is_matrix"] is True
    assert sent(random_curve(16, 50, 50)).values["is_matrix"] is False


def test_many_classes_without_a_mistake_give_an_empty_list():
    curve = TradeoffCurve([0.9, 0.8], [0, 19], [0, 19], [0.1], [20], 20)
    found = confusions_at(curve, np.array([0.0, 0.5]))
    assert (found.cells, found.counts.shape, found.is_whole) == ([], (0, 2), False)


@pytest.mark.parametrize("count", [1, 2, 39, 40, 41])
def test_few_thresholds_are_all_looked_at_for_mistakes(count):
    curve = random_curve(20, 80, 40, right=0.2)
    thresholds = np.linspace(0, 1, count)
    found = confusions_at(curve, thresholds)
    for index in {0, count // 2, count - 1} if count < 41 else {0, count - 1}:
        mistakes = mistakes_at(curve, thresholds[index])
        most = sorted(mistakes.values(), reverse=True)[:12]
        assert sorted(found.counts[:, index].tolist(), reverse=True)[: len(most)] == most


# --- one threshold, asked for --------------------------------------------------------------------


@settings(max_examples=200)
@given(st.sampled_from(list(CURVES)), thresholds_, st.sampled_from(list(INTERVALS)))
def test_the_outcome_at_any_threshold_is_exact(name, threshold, interval):
    curve, cells = CURVES[name], DECODED[name].values["cells"]
    data = json.loads(
        json.dumps(outcome_data(curve, curve, threshold, cells, interval), allow_nan=False)
    )
    outcome, confusion = curve.outcome(threshold), curve.confusion(threshold)
    shares = {
        "test": share_interval(outcome.correct, curve.n_test, interval),
        "reject": share_interval(outcome.rejected_unknown, curve.n_reject, interval),
    }
    assert data == {
        "threshold": threshold,
        "correct": outcome.correct,
        "wrong": outcome.wrong,
        "accepted": outcome.accepted_unknown,
        "test": [shares["test"].low, shares["test"].high] if curve.n_test else None,
        "reject": [shares["reject"].low, shares["reject"].high] if curve.n_reject else None,
        "cells": [confusion[truth, decision] for truth, decision in cells],
    }


@pytest.mark.parametrize("threshold", [0.5, np.float64(0.5), np.float32(0.5), 1])
def test_the_outcome_is_made_of_plain_numbers(threshold):
    data = outcome_data(WORKED, WORKED, threshold, [(0, 0), (2, 2)], "Wilson")
    assert type(data["threshold"]) is float
    assert {type(data[name]) for name in ("correct", "wrong", "accepted")} == {int}
    assert {type(count) for count in data["cells"]} == {int}
    assert {type(bound) for bound in [*data["test"], *data["reject"]]} == {float}


def test_the_outcome_agrees_with_what_was_sent_at_every_threshold_sent():
    curve, data = CURVES["few pictures"], DECODED["few pictures"]
    for at, threshold in enumerate(data["thresholds"].tolist()):
        outcome = outcome_data(curve, curve, threshold, [], "Wilson")
        assert outcome["correct"] == data["correct"][at]
        assert outcome["test"] == [data["test_low"][at], data["test_high"][at]]
        assert outcome["reject"] == [data["reject_low"][at], data["reject_high"][at]]


# --- what a browser may say ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.35, 5e-324, -0.1, 1.1, -31.25, 1e300])
def test_a_finite_number_is_a_threshold(value):
    assert is_threshold(value) is True


@pytest.mark.parametrize(
    "value",
    [10**400, math.nan, math.inf, -math.inf, True, None, "0.5", [0.5], {"value": 0.5}],
)
def test_nothing_else_is_a_threshold(value):
    assert is_threshold(value) is False


@pytest.mark.parametrize("value", [-0.1, 1.1, 7, -5e-324])
def test_a_threshold_of_probabilities_lies_from_0_to_1(value):
    assert is_threshold(value, (0.25, 1.0)) is False
    assert is_threshold(value, (-1.7, 0.0)) is True
    assert is_threshold(0.1, (0.25, 1.0)) is True


# --- the name of the data ------------------------------------------------------------------------

PICTURES: dict[str, Any] = {
    "test_scores": [0.9, 0.8, 0.8, 0.5],
    "test_predictions": [0, 1, 0, 2],
    "test_labels": [0, 1, 1, 1],
    "reject_scores": [0.5, 0.8],
    "reject_predictions": [0, 2],
}


def id_of(
    names: tuple[str, ...] = ("ash", "birch"),
    score_range: tuple[float, float] = UNIT,
    interval: str = "Wilson",
    **changed: Any,
) -> str:
    curve = TradeoffCurve(**{**PICTURES, **changed}, n_classes=len(names))
    name = explorer_data(curve, curve, names, score_range, interval)["id"]
    assert isinstance(name, str)
    return name


def test_the_id_is_the_same_for_the_same_data_whatever_the_order_of_the_pictures():
    turned = {name: values[::-1] for name, values in PICTURES.items()}
    assert id_of() == id_of() == id_of(**turned)
    assert id_of() == explorer_data(WORKED, WORKED, ("ash", "birch"), UNIT)["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"names": ("ash", "beech")},
        {"names": ("birch", "ash")},
        {"score_range": (0.0, math.nextafter(1.0, 2.0))},
        {"score_range": (1 / 3, 1.0)},
        {"interval": "Clopper–Pearson"},
        {"test_scores": [math.nextafter(0.9, 1), 0.8, 0.8, 0.5]},
        {"test_predictions": [1, 1, 0, 2]},
        {"test_labels": [0, 1, 1, 0]},
        {"reject_scores": [math.nextafter(0.5, 0), 0.8]},
        {"reject_scores": [0.5, 0.2]},  # 'unknown' won: only the histogram shows it
        {"reject_predictions": [1, 2]},
        {"reject_predictions": [2, 2]},
        {"reject_scores": [], "reject_predictions": []},
    ],
    ids=str,
)
def test_the_id_changes_with_anything_that_is_shown(change):
    assert id_of(**change) != id_of()


# --- JSON ----------------------------------------------------------------------------------------


@curves
@pytest.mark.parametrize("interval", list(INTERVALS))
def test_all_of_it_is_plain_json_without_numbers_that_are_none(curve, interval):
    data = explorer_data(curve, curve, names_of(curve.n_classes), UNIT, interval)
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_without_a_reject_set_its_bounds_are_no_numbers_and_its_counts_are_0():
    data = DECODED["no reject set"]
    assert data.values["n_reject"] == 0
    assert np.isnan(data["reject_low"]).all()
    assert np.isnan(data["reject_high"]).all()
    assert not data["accepted"].any()
    assert not data["reject_histogram"].any()
    assert np.isfinite(data["test_low"]).all()


def test_names_of_classes_travel_as_they_are():
    names = ("Гвоздика", '"quoted" <b>', "🌳\n")
    assert sent(CURVES["few pictures"], class_names=names).values["classes"] == list(names)


def test_every_array_is_as_long_as_its_axis():
    for data in DECODED.values():
        n = len(data["thresholds"])
        for name in (*FLOATS[2:6], *COUNTS[:3]):
            assert len(data[name]) == n
        for name in COUNTS[3:]:
            assert len(data[name]) == len(data["edges"]) - 1 == 60
