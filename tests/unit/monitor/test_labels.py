"""Labels of a batch: where they come from, what is counted, and the exact test of a promise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from openmax_core.errors import OpenMaxError
from openmax_core.monitor.labels import (
    OF_NO_CLASS,
    UNLABELLED,
    Labelled,
    Requirement,
    check_labels,
    labels_of_folders,
    labels_of_values,
)
from openmax_core.monitor.scoring import measure_batch
from openmax_core.prediction.choice import Choice
from openmax_core.tradeoff.objectives import (
    Balanced,
    FewestKnownRejected,
    MostRejected,
    MostRight,
    Objective,
)
from openmax_core.tradeoff.operating_point import OperatingPoint
from openmax_core.tradeoff.promises import Promise
from tests.support.batches import batch_of, logits_of_classes
from tests.support.evaluations import made_up_evaluation

CLASSES = ("roses", "tulips")


def point_for(objective: Objective | None) -> OperatingPoint:
    values = None if objective is None else objective.to_dict()
    return OperatingPoint(0.5, 0.9, 0.8, 10, 10, objective=values)


# --- where labels come from ----------------------------------------------------------------------


def test_the_first_folder_names_the_class_where_one_is_called_like_a_class():
    paths = ["roses/a.png", "tulips/deep/b.png", "cars/c.png", "d.png"]
    labels, notes = labels_of_folders(paths, CLASSES)
    assert labels is not None
    assert labels.tolist() == [0, 1, OF_NO_CLASS, UNLABELLED]
    assert notes[1] == "pictures in 'cars' count as unknowns: no class is called so"


def test_folders_of_other_names_are_no_labels():
    assert labels_of_folders(["2026-03-01/a.png", "b.png"], CLASSES) == (None, ())


def test_composed_and_decomposed_accents_are_the_same_class():
    labels, _ = labels_of_folders(["Ta\u0308nzer/a.png"], ["T\u00e4nzer", "b"])
    assert labels is not None
    assert labels.tolist() == [0]


def test_a_column_names_classes_by_name_or_index_and_may_have_gaps():
    values = ["roses", "1", 1, "", None, math.nan, -1, "unknown", "cars", np.int64(0), " tulips "]
    labels = labels_of_values(values, CLASSES, "t.csv")
    assert labels is not None
    no, none = OF_NO_CLASS, UNLABELLED
    assert labels.tolist() == [0, 1, 1, none, none, none, no, no, no, 0, 1]


def test_a_column_without_an_entry_gives_no_labels():
    assert labels_of_values(["", None, math.nan], CLASSES, "t.csv") is None


@pytest.mark.parametrize("value", [7, 0.5, "2"])
def test_a_number_that_is_no_index_is_refused_with_its_row(value):
    with pytest.raises(OpenMaxError, match=r"t\.csv, row 2, column label: "):
        labels_of_values(["roses", value], CLASSES, "t.csv")


# --- what is counted and tested ------------------------------------------------------------------

LABELS = np.array([0, 0, 0, 1, 1, -1, -1, -2])
PREDICTIONS = np.array([0, 0, 1, 1, 1, 0, 2, 0])
REJECTED = np.array([False, True, False, False, True, False, True, False])


def test_every_labelled_picture_is_counted_once():
    found = check_labels(LABELS, PREDICTIONS, REJECTED, None)
    assert found is not None
    assert (found.correct, found.wrong, found.rejected_known, found.lost) == (2, 1, 2, 2)
    assert (found.rejected_unknown, found.accepted_unknown, found.unlabelled) == (1, 1, 1)
    assert (found.test.value, found.reject.value) == (2 / 5, 1 / 2)
    assert (found.requirement, found.is_tested) == (None, False)


def test_without_labels_nothing_is_counted():
    assert check_labels(np.full(3, UNLABELLED), np.zeros(3, int), np.zeros(3, bool), None) is None


@pytest.mark.parametrize(
    ("objective", "kept", "n", "least", "words"),
    [
        (MostRejected(0.85), 2, 5, 0.85, "Test accuracy ≥ 85.0 %"),
        (MostRight(0.9), 1, 2, 0.9, "Reject accuracy ≥ 90.0 %"),
        (FewestKnownRejected(0.05), 3, 5, 0.95, "knowns rejected ≤ 5.0 %"),
    ],
)
def test_what_a_point_was_chosen_under_is_tested_exactly(objective, kept, n, least, words):
    found = check_labels(LABELS, PREDICTIONS, REJECTED, point_for(objective))
    assert found is not None
    assert found.p_value == pytest.approx(binomtest(kept, n, least, "less").pvalue)
    assert found.requirement is not None
    assert found.requirement.name == f"the constraint {words}"


@pytest.mark.parametrize(
    ("figure", "bound", "words"),
    [
        ("test_accuracy", 0.85, "the promise Test accuracy ≥ 85.0 % (95 % confidence)"),
        ("rejected_known", 0.05, "the promise knowns rejected ≤ 5.0 % (95 % confidence)"),
        ("lost", 0.05, "the promise Test accuracy lost ≤ 5.0 points (95 % confidence)"),
    ],
)
def test_a_promise_is_tested_rather_than_the_constraint_behind_it(figure, bound, words):
    promise = Promise(figure, bound, 0.95, 200, 0)
    found = Requirement.of(replace(point_for(MostRight(0.9)), promise=promise))
    assert found is not None
    assert (found.figure, found.bound, found.kind) == (figure, bound, "promise")
    assert found.name == words
    assert found.in_words == promise.requirement


def test_a_promise_that_is_no_count_is_not_tested():
    promise = Promise("mean_accuracy", 0.8, 0.95, 200, 100)
    assert Requirement.of(replace(point_for(Balanced()), promise=promise)) is None


@pytest.mark.parametrize("point", [None, point_for(None), point_for(Balanced())])
def test_what_has_no_floor_is_not_tested(point):
    assert Requirement.of(point) is None


def test_a_floor_without_a_picture_of_its_kind_is_not_tested():
    found = check_labels(np.array([-1]), np.array([0]), np.array([True]), point_for(MostRejected()))
    assert found is not None
    assert not found.is_tested


def test_points_lost_are_the_rejected_ones_that_would_have_been_right():
    found = check_labels(LABELS, PREDICTIONS, REJECTED, None)
    assert found is not None
    share = found.kept("lost")
    assert (share.rejected, share.n) == (3, 5)
    promised = Requirement("lost", 0.05, 0.95)
    assert promised.least == 0.95
    assert promised.name == "the promise Test accuracy lost ≤ 5.0 points (95 % confidence)"


@pytest.mark.parametrize(
    "given", [("colour", 0.5, None), ("lost", 1.5, None), ("lost", 0.5, math.inf)]
)
def test_what_is_no_requirement_is_refused(given):
    with pytest.raises(OpenMaxError):
        Requirement(*given)


def test_a_floor_that_is_kept_gives_alarm_at_most_as_often_as_said():
    """With a Test accuracy of exactly the floor, and labels drawn anew 2,000 times."""
    generator = np.random.default_rng(3)
    labels, level = np.zeros(60, dtype=np.int64), 0.05
    alarms = 0
    for _ in range(2000):
        predictions = (generator.random(60) > 0.8).astype(np.int64)
        found = check_labels(labels, predictions, np.zeros(60, bool), point_for(MostRejected(0.8)))
        assert found is not None
        alarms += found.p_value < level
    assert alarms / 2000 <= level + 0.01


# --- in a report ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def choice() -> Choice:
    evaluation = made_up_evaluation(preset="bendale", n_train=40, signal=6.0)
    point = evaluation.recommend(0.7)
    return Choice(evaluation, point.threshold, "recommended", point)


def labelled_batch(signal: float):
    logits = logits_of_classes(60, 3, seed=4, signal=signal)
    return replace(batch_of(logits), labels=np.repeat(np.arange(3), 60))


def test_a_broken_floor_is_an_alarm_of_its_own(choice):
    report = measure_batch(choice, labelled_batch(0.7)).report
    assert report.is_promise_broken
    assert report.is_alarm
    assert report.level_of_each == pytest.approx(0.01 / 3)
    assert report.alarm_in_words.endswith("broken constraint")
    assert "the constraint Test accuracy ≥ 70.0 % is broken on the labelled" in report.verdict
    assert report.promise_in_words.startswith("the constraint Test accuracy ≥ 70.0 % is broken: p ")
    labelled = report.labelled
    assert isinstance(labelled, Labelled)
    share = f"{100 * labelled.test.value:.1f} %"
    assert report.labels_in_words.startswith(f"Test accuracy {share} (")
    assert report.labels_in_words.endswith("of 180 labelled knowns")


def test_a_floor_that_holds_is_no_alarm(choice):
    report = measure_batch(choice, labelled_batch(6.0)).report
    assert not report.is_promise_broken
    assert "is not broken beyond chance: p " in report.promise_in_words


def test_the_same_pictures_with_labels_are_another_batch(choice):
    batch = labelled_batch(6.0)
    with_labels = measure_batch(choice, batch).report
    without = measure_batch(choice, replace(batch, labels=None)).report
    assert with_labels.content != without.content
    assert (without.labelled, without.labels_in_words, without.promise_in_words) == (None, "", "")
    assert without.level_of_each == 0.01 / 2


def test_how_much_the_expected_share_flatters_is_said_in_numbers(choice):
    report = measure_batch(choice, labelled_batch(6.0)).report
    assert report.expected_rise is not None
    assert report.expected_rise.n_splits == 300
    assert "chosen on a random half of the test set (300 times)" in report.expectation_in_words
