"""What the explorer is sent: exact counts, few enough for a browser, and nothing else."""

import base64
import json
import math
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from openmax_core import TradeoffCurve
from openmax_core.methods.registry import new_method
from openmax_core.tradeoff.explorer import (
    confusions_at,
    explorer_data,
    first_axis,
    outcome_data,
    share_histograms,
)
from openmax_core.tradeoff.intervals import INTERVALS, share_interval
from openmax_core.tradeoff.slider import slider_scale
from tests.support.workspaces import made_up_logits

UNIT = (0.0, 1.0)
SIZES = {"d": 8, "I": 4, "H": 2}
FLOATS = (
    "positions",
    "ways",
    "thresholds",
    "test_low",
    "test_high",
    "reject_low",
    "reject_high",
    "edges",
)
COUNTS = ("correct", "wrong", "accepted")
HISTOGRAMS = ("test_histogram", "reject_histogram", "test_shares", "reject_shares")


def unpacked(text: str, kind: str) -> tuple[Any, ...]:
    """Little-endian numbers: 'd' 64-bit floats, 'I' 32-bit counts, 'H' 16-bit indices."""
    content = base64.b64decode(text, validate=True)
    return struct.unpack(f"<{len(content) // SIZES[kind]}{kind}", content)


@dataclass(frozen=True)
class Sent:
    """The data as the browser has them after decoding."""

    values: dict[str, Any]

    def __getitem__(self, name: str) -> NDArray[Any]:
        kind = "H" if name == "cell_starts" else "d" if name in FLOATS else "I"
        return np.array(unpacked(self.values[name], kind))

    @property
    def cell_counts(self) -> NDArray[np.int64]:
        """(cells, positions) counts: each holds from its start up to the next one."""
        counts = np.zeros((len(self.values["cells"]), len(self["positions"])), dtype=np.int64)
        entries = iter(zip(self["cell_starts"], self["cell_counts"], strict=True))
        for row, size in zip(counts, self["cell_sizes"], strict=True):
            for number in range(int(size)):
                start, count = next(entries)
                assert number or start == 0
                row[int(start) :] = int(count)
        assert next(entries, None) is None
        return counts


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


# --- counts --------------------------------------------------------------------------------------


WORKED = TradeoffCurve([0.9, 0.8, 0.8, 0.5], [0, 1, 0, 2], [0, 1, 1, 1], [0.5, 0.8], [0, 2], 2)


def test_what_is_sent_is_what_was_worked_by_hand():
    data = sent(WORKED, class_names=("ash", "birch"))
    # 0.5 is of an unknown; at 0.8 both pictures with that score are accepted.
    assert data["positions"].tolist() == [0.0, 0.8, 0.9, 1.0]
    assert data["thresholds"].tolist() == [0.5, 0.8, 0.9, math.nextafter(0.9, 1)]
    # 3 known pictures and 1 unknown are decided on.
    assert data["ways"].tolist() == pytest.approx([0, 1 / 2, 1 / 2 + 1 / 3, 1])
    rows = list(zip(data["correct"], data["wrong"], data["accepted"], strict=True))
    assert rows == [(2, 1, 1), (2, 1, 0), (1, 0, 0), (0, 0, 0)]
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
    assert data.cell_counts[:, 1].tolist() == [1, 1, 1, 0, 0, 1, 2]
    assert data["edges"].tolist() == np.linspace(0, 1, 61).tolist()
    bins = np.flatnonzero(data["test_histogram"])
    assert dict(zip(bins.tolist(), data["test_histogram"][bins], strict=True)) == {
        30: 1,
        48: 2,
        54: 1,
    }
    # Of 4 known pictures 'unknown' won for one; two are rejected with it before the last.
    assert np.flatnonzero(data["test_shares"]).tolist() == [0, 15, 45]
    assert data["test_shares"][[0, 15, 45]].tolist() == [1, 2, 1]
    assert np.flatnonzero(data["reject_shares"]).tolist() == [0, 15]
    assert data["reject_shares"][[0, 15]].tolist() == [1, 1]


def test_arrays_are_little_endian_and_as_long_as_they_say():
    data = explorer_data(WORKED, WORKED, ("ash", "birch"), UNIT)
    assert base64.b64decode(data["positions"])[:16] == struct.pack("<2d", 0.0, 0.8)
    assert base64.b64decode(data["correct"])[:8] == b"\x02\0\0\0\x02\0\0\0"
    for name in ("positions", "thresholds", "ways"):
        assert len(base64.b64decode(data[name])) == 8 * 4
    assert len(base64.b64decode(data["cell_sizes"])) == 4 * 7
    assert len(base64.b64decode(data["cell_starts"])) * 2 == len(
        base64.b64decode(data["cell_counts"])
    )


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
def test_positions_and_ways_are_those_of_the_scale(curve):
    data = sent(curve, (1 / 7, 1.0))
    scale = slider_scale(curve, (1 / 7, 1.0))
    for name in ("positions", "thresholds", "ways"):
        assert_array_equal(data[name], getattr(scale, name))


def test_is_exact_says_whether_every_state_of_the_curve_was_sent():
    for name, curve in CURVES.items():
        states = {
            (o.correct, o.wrong, o.accepted_unknown)
            for o in map(curve.outcome, curve.thresholds.tolist())
        }
        data = DECODED[name]
        found = set(zip(*(data[name].tolist() for name in COUNTS), strict=True))
        assert data.values["is_exact"] is (states <= found), name


@pytest.mark.parametrize(("n_scores", "is_exact"), [(2000, True), (3999, True), (4000, False)])
def test_all_states_are_sent_as_long_as_there_is_room(n_scores, is_exact):
    scores = (np.arange(n_scores) + 0.5) / n_scores  # with the next number: one more state
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


def test_the_axis_at_first_tells_scores_apart():
    labels = np.arange(60) % 3
    logits = made_up_logits(labels, 3, seed=1)
    names = ("msp", "gen", "bendale", "notebook", "openmax", "max_logit", "energy")
    found = {name: first_axis(new_method(name).fit(logits, labels)) for name in names}
    assert [name for name in names if found[name] == "share"] == ["msp", "gen", "bendale"]
    assert found["notebook"] == "score"


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
def test_histograms_over_the_share_count_every_picture_where_it_is_rejected(curve):
    test, reject = share_histograms(curve)
    last = curve.n_classes
    accepted = curve.test_predictions != last
    expected = np.zeros((2, 60), dtype=int)
    for row, scores, won in (
        (expected[0], curve.test_scores, ~accepted),
        (expected[1], curve.reject_scores, curve.reject_predictions == last),
    ):
        for score, is_won in zip(scores, won, strict=True) if curve.n_test else ():
            below = (accepted & (curve.test_scores < score)).sum() + (~accepted).sum()
            share = 0 if is_won else below / curve.n_test
            row[min(int(share * 60), 59)] += 1
    assert test.tolist() == expected[0].tolist()
    assert reject.tolist() == expected[1].tolist()


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
    assert len(decoded["thresholds"]) == len(decoded["positions"])
    assert 900 <= len(decoded["positions"]) <= 4000
    # Where they are thinned, one step changes few decisions.
    assert np.diff(decoded["ways"]).max() < 0.002
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
    correct, wrong, accepted = data["correct"], data["wrong"], data["accepted"]
    for at, threshold in enumerate(data["positions"].tolist()):
        decided = [(label, 3 if score < threshold else p) for score, p, label in test]
        decided += [(3, 3 if score < threshold else p) for score, p in reject]
        cells = Counter(decided)
        for truth in range(4):
            for decision in range(4):
                assert found[at, truth, decision] == cells[truth, decision]
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


def test_listed_counts_are_exact_at_every_position_not_only_where_mistakes_were_looked_for():
    curve, data = CURVES[LISTED], DECODED[LISTED]
    found = data.cell_counts
    for at in range(0, len(data["positions"]), 23):
        mistakes = mistakes_at(curve, float(data["positions"][at]))
        expected = [mistakes[truth, decision] for truth, decision in data.values["cells"]]
        assert found[:, at].tolist() == expected


def test_fifteen_classes_are_a_matrix_and_sixteen_a_list():
    assert sent(random_curve(15, 50, 50)).values["is_matrix"] is True
    assert sent(random_curve(16, 50, 50)).values["is_matrix"] is False


def test_many_classes_without_a_mistake_give_an_empty_list():
    curve = TradeoffCurve([0.9, 0.8], [0, 19], [0, 19], [0.1], [20], 20)
    found = confusions_at(curve, np.array([0.0, 0.5]))
    assert (found.cells, len(found.sizes), len(found.counts), found.is_whole) == ([], 0, 0, False)


@pytest.mark.parametrize("count", [1, 2, 39, 40, 41])
def test_few_thresholds_are_all_looked_at_for_mistakes(count):
    curve = random_curve(20, 80, 40, right=0.2)
    thresholds = np.linspace(0, 1, count)
    found = confusions_at(curve, thresholds)
    for index in {0, count // 2, count - 1} if count < 41 else {0, count - 1}:
        mistakes = mistakes_at(curve, thresholds[index])
        most = sorted(mistakes.values(), reverse=True)[:12]
        parts = np.split(np.arange(len(found.counts)), found.sizes.cumsum()[:-1])
        counts = [
            int(found.counts[part[found.starts[part] <= index][-1]]) for part in parts if len(part)
        ]
        assert sorted(counts, reverse=True)[: len(most)] == most


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
        for name in (*FLOATS[:-1], *COUNTS):
            assert len(data[name]) == n
        for name in HISTOGRAMS:
            assert len(data[name]) == len(data["edges"]) - 1 == 60
