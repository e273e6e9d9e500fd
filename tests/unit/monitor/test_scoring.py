"""A batch against the test set: counted in plain loops, and how often nothing gives alarm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.method import Decisions
from openmax_core.methods.single_class import own_distances
from openmax_core.monitor.drift import Share
from openmax_core.monitor.report import Basis, MeasuredBatch, class_table
from openmax_core.monitor.scoring import Earlier, measure_batch
from openmax_core.monitor.shortlist import (
    picture_in_words,
    picture_lines,
    pictures_to_look_at,
    what_is_listed,
)
from openmax_core.network.inference import NOT_FINITE
from tests.support.batches import batch_of, choice_of, chosen_for_the_test_set, logits_of_classes
from tests.support.evaluations import activations_of, evaluation_of, made_up_evaluation
from tests.support.workspaces import made_up_logits

THRESHOLD = 0.7


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return made_up_evaluation(n_test=60, signal=9.0, preset="bendale")


def measure(
    evaluation: Evaluation, logits: np.ndarray, earlier: Earlier | None = None
) -> MeasuredBatch:
    return measure_batch(choice_of(evaluation, THRESHOLD), batch_of(logits), earlier)


@pytest.mark.parametrize("class_thresholds", [None, {"1": 0.2, "2": 0.99}])
def test_rejections_are_counted_as_a_loop_counts_them(evaluation, class_thresholds):
    logits = logits_of_classes(15, 3, seed=11, signal=3.0)
    choice = choice_of(evaluation, THRESHOLD, class_thresholds)
    found = measure_batch(choice, batch_of(logits))
    limits = {"0": THRESHOLD, "1": THRESHOLD, "2": THRESHOLD, **(class_thresholds or {})}

    def count(rows: np.ndarray) -> int:
        decided = evaluation.openmax.decide(rows)
        return sum(
            prediction == 3 or score < limits[str(prediction)]
            for score, prediction in zip(decided.scores, decided.predictions, strict=True)
        )

    assert found.report.reject == Share(count(logits), 45)
    assert found.report.expected == Share(count(evaluation.test.logits), 180)
    assert found.pictures["is_rejected"].sum() == found.report.reject.rejected


def test_classes_are_held_against_test_pictures_with_the_same_answer(evaluation):
    logits = logits_of_classes(30, 3, seed=12, signal=2.0)
    found = measure(evaluation, logits)
    own = logits.argmax(axis=1)
    assert found.report.drift.n_batch.tolist() == np.bincount(own, minlength=3).tolist()
    test_own = evaluation.test.logits.argmax(axis=1)
    assert found.report.drift.n_test.tolist() == np.bincount(test_own, minlength=3).tolist()
    distances = own_distances(evaluation.openmax, logits, own)
    test = own_distances(evaluation.openmax, evaluation.test.logits, test_own)
    for name, index in (("0", 0), ("1", 1), ("2", 2)):
        known = test[test_own == index]
        low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
        shift = (np.median(distances[own == index]) - middle) / (high - low)
        row = class_table(found.report).set_index("class").loc[name]
        assert row["shift"] == pytest.approx(shift)
        rows = found.pictures[found.pictures["nearest"] == index]
        assert rows["share"].tolist() == pytest.approx(
            [(known < d).mean() for d in distances[own == index]]
        )


def test_rejected_pictures_count_among_those_of_their_class(evaluation):
    """What drifts far enough to be rejected must not leave the test of the distances."""
    logits = logits_of_classes(30, 3, seed=13, signal=1.0)
    found = measure(evaluation, logits)
    assert found.report.drift.n_batch.sum() == len(logits)
    assert found.report.is_rate_off
    assert found.report.is_drifting
    assert "more pictures are rejected than chance explains" in found.report.verdict
    assert "The test set holds known pictures only" in found.report.caution


def test_pictures_like_the_test_set_seldom_give_alarm():
    level, n_batches, alarms = 0.1, 100, 0
    labels = np.repeat(np.arange(4), 25)
    train_labels = np.repeat(np.arange(4), 30)
    for seed in range(n_batches):
        train = activations_of(made_up_logits(train_labels, 4, 3 * seed, 4.0), train_labels)
        test = activations_of(made_up_logits(labels, 4, 3 * seed + 1, 4.0), labels, "test")
        own = evaluation_of(train, test, None, preset="robust")
        batch = batch_of(made_up_logits(labels, 4, 3 * seed + 2, 4.0))
        alarms += measure_batch(choice_of(own, 0.8), batch, level=level).report.is_drifting
    assert alarms / n_batches < level + 3 * np.sqrt(level / n_batches)


def test_a_clear_drift_gives_alarm_and_says_which_classes(evaluation):
    logits = logits_of_classes(40, 3, seed=14, signal=9.0)
    own = logits.argmax(axis=1)
    logits[own == 2] += np.random.default_rng(0).normal(0, 1.5, logits[own == 2].shape)
    report = measure(evaluation, logits).report
    assert report.is_drifting
    assert report.drifted.tolist() == [False, False, True]
    assert report.worst_first[0] == 2
    assert "the distances of 1 class have drifted (2)" in report.verdict
    assert report.caution == ""


def test_the_words_have_both_intervals(evaluation):
    report = replace(
        measure(evaluation, logits_of_classes(5, 3, 1)).report,
        reject=Share(100, 812),
        expected=Share(16, 325),
    )
    assert report.rate_in_words == (
        "rejects 12.3 % (10.2–14.8 %) of 812; expected 4.9 % (3.1–7.8 %), from the test set"
    )


@pytest.mark.parametrize("rows", [1, 2])
def test_a_picture_or_two_are_decided_on_and_no_class_is_tested(evaluation, rows):
    report = measure(evaluation, logits_of_classes(1, 3, 1)[:rows]).report
    assert report.reject.n == rows
    assert not report.drift.is_tested.any()
    assert report.drift_in_words == (
        "0 of 0 tested classes drifted; 3 not tested, with fewer than 10 pictures"
    )


def test_pictures_without_logits_are_counted_and_take_no_part(evaluation):
    logits = logits_of_classes(4, 3, 2)
    whole = measure(evaluation, logits[1:])
    batch = replace(
        batch_of(logits[1:]),
        paths=("lost.png", *(f"{row}.png" for row in range(11))),
        errors=(NOT_FINITE, *[""] * 11),
    )
    found = measure_batch(choice_of(evaluation, THRESHOLD), batch)
    assert found.report.n_unreadable == 1
    assert found.report.reject == whole.report.reject
    first = found.pictures.iloc[0]
    assert (first["error"], first["nearest"], first["prediction"]) == (NOT_FINITE, -1, -1)
    assert not first["is_rejected"]
    assert "lost.png" not in pictures_to_look_at(found.report, found.pictures)["path"].tolist()


# --- what changed --------------------------------------------------------------------------------


def earlier_of(evaluation: Evaluation, logits: np.ndarray, paths: list[str]) -> Earlier:
    decided = evaluation.openmax.decide(logits)
    table = {
        "path": paths,
        "prediction": decided.predictions,
        "score": decided.scores,
    }
    return Earlier("last week", pd.DataFrame(table))


def test_decisions_that_changed_come_first_then_the_largest_change_of_score(evaluation):
    before = logits_of_classes(10, 3, seed=3)
    now = before.copy()
    now[4], now[9] = before[14], before[4] * 0.5  # another class, and less sure
    now[0] += np.array([0.3, 0, 0], dtype=np.float32)
    paths = [f"{row}.png" for row in range(30)]
    found = measure(evaluation, now, earlier=earlier_of(evaluation, before[::-1], paths[::-1]))
    listed = pictures_to_look_at(found.report, found.pictures)
    old, new = evaluation.openmax.decide(before), evaluation.openmax.decide(now)
    change = new.scores - old.scores

    def decision(decided: Decisions, row: int) -> str:
        is_rejected = decided.predictions[row] == 3 or decided.scores[row] < THRESHOLD
        return "rejected" if is_rejected else str(decided.predictions[row])

    flipped = {row for row in range(30) if decision(old, row) != decision(new, row)}
    assert 4 in flipped
    assert found.report.n_shared == 30
    assert found.report.n_flipped == len(flipped)
    rows = [int(path.removesuffix(".png")) for path in listed["path"]]
    assert set(rows) == {row for row in range(30) if change[row] != 0 or row in flipped}
    order = sorted(rows, key=lambda row: (row not in flipped, -abs(change[row])))
    assert [abs(change[row]) for row in rows] == pytest.approx([abs(change[row]) for row in order])
    assert listed["is_flipped"].tolist() == [row in flipped for row in rows]
    first = listed.iloc[0]
    assert picture_in_words(first).startswith(f"{first['before']} → {first['now']}, score ")
    assert picture_lines(first)[0] == f"{first['before']} → {first['now']}"


def test_a_moved_threshold_changes_no_picture(evaluation):
    logits = logits_of_classes(10, 3, seed=3, signal=3.0)
    paths = [f"{row}.png" for row in range(30)]
    earlier = earlier_of(evaluation, logits, paths)
    found = measure_batch(choice_of(evaluation, 0.2), batch_of(logits), earlier)
    assert found.report.n_shared == 30
    assert found.report.n_flipped == 0
    assert not len(pictures_to_look_at(found.report, found.pictures))
    assert "none is decided otherwise now" in what_is_listed(found.report)


def test_the_batch_is_compared_by_path_with_what_it_is_told_to(evaluation):
    logits = logits_of_classes(10, 3, seed=3)
    paths = [f"{row}.png" for row in range(30)]
    some = earlier_of(evaluation, logits_of_classes(10, 3, seed=4)[:8], paths[:8])
    found = measure(evaluation, logits, earlier=some)
    assert (found.report.compared_with, found.report.n_shared) == ("last week", 8)
    none = measure(evaluation, logits, earlier=replace(some, table=some.table[:0]))
    assert (none.report.compared_with, none.report.n_shared) == ("", 0)


def test_a_name_that_occurs_twice_stands_for_its_first_picture(evaluation):
    earlier = earlier_of(evaluation, logits_of_classes(2, 3, seed=3), ["a", "b", "c"] * 2)
    assert earlier.rows_of(["c", "unknown", "a"]).tolist() == [2, -1, 0]


def test_why_nothing_is_compared_is_said_and_those_farthest_out_are_listed(evaluation):
    logits = logits_of_classes(10, 3, seed=3)
    earlier = earlier_of(evaluation, logits, [f"monday/{row}.png" for row in range(30)])
    found = measure(evaluation, logits, earlier=earlier)
    assert found.report.not_compared == "no picture has the same path as in last week"
    words = what_is_listed(found.report)
    assert words.startswith("those farthest out are listed: distance")
    assert len(pictures_to_look_at(found.report, found.pictures)) == 30
    assert found.report.compared_with == ""


def test_a_threshold_chosen_on_the_test_set_is_said_to_flatter_it(evaluation):
    logits = logits_of_classes(5, 3, 1)
    assert measure(evaluation, logits).report.expectation_in_words == ""
    choice = chosen_for_the_test_set(choice_of(evaluation, THRESHOLD))
    chosen = measure_batch(choice, batch_of(logits)).report
    assert "the expected share may be a little too low" in chosen.expectation_in_words


def test_without_earlier_pictures_those_farthest_out_are_listed(evaluation):
    logits = logits_of_classes(10, 3, seed=3, signal=4.0)
    found = measure(evaluation, logits)
    listed = pictures_to_look_at(found.report, found.pictures)
    assert (np.diff(listed["excess"]) <= 0).all()
    assert len(listed) == 30
    assert what_is_listed(found.report).startswith("those farthest out are listed")
    assert found.report.not_compared == ""
    first = listed.iloc[0]
    assert f"{first['excess']:+.1f} IQR" in picture_in_words(first)
    assert f"nearest: {first['nearest']}" in picture_lines(first)


# --- what it was decided with --------------------------------------------------------------------


def test_other_methods_thresholds_and_data_are_other_bases(evaluation):
    basis = Basis.of(choice_of(evaluation, 0.5))
    assert Basis.of(choice_of(evaluation, 0.5, None)).key == basis.key
    moved = Basis.of(choice_of(evaluation, 0.6))
    assert moved.key != basis.key
    assert moved.calibration == basis.calibration
    assert Basis.of(choice_of(evaluation, 0.5, {"1": 0.4})).key != basis.key
    method = made_up_evaluation(n_test=60, signal=9.0, preset="robust")
    for other in (method, replace(evaluation, data="other")):
        assert Basis.of(choice_of(other, 0.5)).calibration != basis.calibration
