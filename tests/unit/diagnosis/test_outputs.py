"""Orders of classes, and what is odd about logits, on logits whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from openmax_core.diagnosis.outputs import (
    Known,
    accuracy_findings,
    class_findings,
    confusion,
    find_order,
    output_findings,
    predicted,
)
from tests.support.workspaces import made_up_logits

NUMBERS = tuple(sorted(map(str, range(12))))  # 0, 1, 10, 11, 2, …


def labels_of(n_classes: int, n_each: int) -> np.ndarray:
    return np.repeat(np.arange(n_classes), n_each)


def answers(labels: np.ndarray, outputs: list[int], seed: int, mistakes: float = 0.0) -> np.ndarray:
    """Output of every picture where class ``i`` has output ``outputs[i]``."""
    rng = np.random.default_rng(seed)
    found = np.array(outputs)[labels]
    wrong = rng.random(len(labels)) < mistakes
    found[wrong] = rng.integers(0, len(outputs), wrong.sum())
    return found


def kinds(logits: np.ndarray, labels: np.ndarray | None = None, centred: bool = False) -> list[str]:
    labels = (
        labels_of(logits.shape[1], len(logits) // logits.shape[1]) if labels is None else labels
    )
    return [item.kind for item in output_findings(logits, labels, centred)]


def known(labels: np.ndarray, predictions: np.ndarray, n_files=None, is_whole=True) -> Known:
    rows = np.arange(0)
    return Known(labels, predictions, np.empty((0, 3), np.float32), rows, n_files, is_whole)


def test_a_random_order_of_the_outputs_is_found_and_counted_on_other_pictures():
    classes = ("ash", "birch", "cedar", "date", "elm")
    outputs = [3, 0, 4, 1, 2]
    train, test = labels_of(5, 12), labels_of(5, 8)
    order = find_order(
        classes, (train, answers(train, outputs, 0, 0.1)), (test, answers(test, outputs, 1))
    )
    assert order is not None
    assert order.names == ("birch", "date", "elm", "ash", "cedar")
    assert (order.n, order.n_right, order.n_right_now, order.in_words) == (40, 40, 0, "")


def test_the_order_of_the_numbers_is_named_even_with_one_picture_of_each_class():
    natural = sorted(NUMBERS, key=int)
    outputs = [natural.index(name) for name in NUMBERS]
    one = labels_of(12, 1)
    few = (one, answers(one, outputs, 0))
    order = find_order(NUMBERS, few, few)
    assert order is not None
    assert order.names == tuple(natural)
    assert "(1, 2, 10)" in order.in_words


def test_names_with_accents_may_stand_as_a_mac_sorts_them():
    classes = ("eau", "zèbre", "étoile")
    labels = labels_of(3, 20)
    pair = (labels, answers(labels, [0, 2, 1], 0))
    order = find_order(classes, pair, pair)
    assert order is not None
    assert order.names == ("eau", "étoile", "zèbre")
    assert "Mac" in order.in_words


def test_two_classes_of_ten_that_are_exchanged_are_found():
    outputs = [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]
    classes = tuple("abcdefghij")
    labels = labels_of(10, 20)
    order = find_order(
        classes, (labels, answers(labels, outputs, 0)), (labels, answers(labels, outputs, 1))
    )
    assert order is not None
    assert order.names == tuple("abcdefghji")
    assert (order.n_right_now, order.n_right) == (160, 200)


@pytest.mark.parametrize("mistakes", [0.0, 0.3, 1.0])
def test_no_order_is_found_where_the_present_one_is_as_good(mistakes):
    labels = labels_of(10, 12)
    here, there = (
        answers(labels, list(range(10)), 0, mistakes),
        answers(labels, list(range(10)), 1, mistakes),
    )
    assert find_order(NUMBERS[:10], (labels, here), (labels, there)) is None


def test_no_order_is_concluded_from_a_handful_of_pictures():
    labels = labels_of(2, 1)
    pair = (labels, np.array([1, 0]))
    assert find_order(("a", "b"), pair, pair) is None
    none = np.empty(0, dtype=np.int64)
    assert find_order(("a", "b"), pair, (none, none)) is None


def test_the_confusion_has_classes_in_rows_and_outputs_in_columns():
    table = confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 2, 2]), 3)
    assert table.tolist() == [[1, 0, 1], [0, 0, 1], [0, 0, 1]]


def test_sound_logits_have_nothing_odd():
    assert kinds(made_up_logits(labels_of(4, 30), 4, 0)) == []


def test_probabilities_and_their_logarithms_are_no_logits():
    logits = made_up_logits(labels_of(4, 30), 4, 0, signal=3.0).astype(np.float64)
    assert kinds(softmax(logits, axis=1).astype(np.float32)) == ["probabilities"]
    assert kinds(log_softmax(logits, axis=1).astype(np.float32)) == ["probabilities"]


def test_logits_that_do_not_depend_on_the_picture_are_constant():
    noise = np.random.default_rng(0).normal(0, 1e-5, (60, 3))
    assert kinds((np.array([1.0, 0.2, -0.7]) + noise).astype(np.float32)) == ["constant"]
    assert kinds(np.zeros((60, 3), np.float32)) == ["constant"]
    # What differs within a constant that is added to all of them does count.
    assert kinds(made_up_logits(labels_of(3, 20), 3, 0) + np.float32(500), None, True) == []


def test_one_class_for_nearly_all_pictures_is_said_unless_they_are_of_it():
    labels = labels_of(3, 20)
    logits = made_up_logits(np.zeros(60, dtype=np.int64), 3, 0)
    assert kinds(logits, labels) == ["one class"]
    assert kinds(logits, np.zeros(60, dtype=np.int64)) == []


def test_logits_beyond_what_softmax_can_tell_apart_are_saturated():
    assert kinds(made_up_logits(labels_of(4, 30), 4, 0, signal=60.0)) == ["saturated"]


def test_a_number_added_to_all_logits_is_said_where_the_method_depends_on_it():
    logits = made_up_logits(labels_of(4, 30), 4, 0) + np.float32(40)
    assert kinds(logits) == ["shifted"]
    assert kinds(logits, centred=True) == []


def test_outputs_that_are_not_finite_are_counted():
    logits = made_up_logits(labels_of(4, 30), 4, 0)
    logits[3] = np.nan
    logits[7, 1] = np.inf
    (finding,) = output_findings(logits, labels_of(4, 30), False)
    assert "2 of 120 pictures" in finding.sentence
    assert predicted(np.array([[np.nan, 1.0], [2.0, 1.0]], np.float32)).tolist() == [1, 0]


def test_low_accuracy_is_an_error_where_it_is_no_better_than_one_class_for_all():
    labels = labels_of(3, 20)
    guessed = known(labels, np.zeros(60, dtype=np.int64))
    (finding,) = accuracy_findings("test", guessed, 0.85, "openmax train trees", True)
    assert (finding.severity, finding.run) == ("error", "openmax train trees")
    assert "20 of 60 test pictures" in finding.sentence
    fair = np.where(np.arange(60) % 3 == 0, (labels + 1) % 3, labels)  # two of three are right
    (finding,) = accuracy_findings("test", known(labels, fair), 0.85, "", True)
    assert (finding.severity, finding.figures["right"]) == ("warning", 40)
    assert "85.0 %" in finding.sentence
    assert accuracy_findings("test", known(labels, fair), 0.6, "", True) == []


def test_classes_with_too_few_right_pictures_are_all_listed():
    labels = np.repeat(np.arange(4), [30, 30, 30, 10])
    given = labels.copy()
    given[labels == 1] = 0
    given[np.flatnonzero(labels == 2)[1:]] = 0
    none, few = class_findings("train", known(labels, given), ("a", "b", "c", "d"), 20)
    assert (none.kind, none.figures["classes"]) == ("none right", {"b": 0, "c": 1})
    assert none.severity == "warning"
    assert "so they borrow their tails from the other classes: 'b (0 of 30)'" in none.sentence
    assert (few.kind, few.figures["classes"]) == ("few right", {"d": 10})


def test_where_no_class_has_a_tail_none_can_be_borrowed():
    labels = np.repeat(np.arange(2), 30)
    (none,) = class_findings("train", known(labels, 1 - labels), ("a", "b"), 20)
    assert none.severity == "error"
    assert "so no tail can be fitted" in none.sentence


def test_a_sample_says_of_a_class_only_what_it_can_know():
    labels, files = np.repeat(np.arange(4), 5), np.array([100, 100, 12, 100])
    given = labels.copy()
    given[labels == 1] = 0
    sample = known(labels, given, files, is_whole=False)
    none, few = class_findings("train", sample, ("a", "b", "c", "d"), 20)
    assert none.figures["classes"] == {"b": 0}
    assert few.figures["classes"] == {"c": 12}
