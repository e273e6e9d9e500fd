"""Known classes left out in turn, as stand-ins for unknowns."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from openmax_core import OpenMax, OpenMaxError
from openmax_core.analysis import stand_ins
from openmax_core.analysis.stand_ins import measure_stand_ins
from openmax_core.errors import FitError
from openmax_core.methods.registry import new_method
from openmax_core.tradeoff.cost_table import CostTable, parse_costs
from openmax_core.tradeoff.objectives import (
    AtMostLost,
    FewestKnownRejected,
    LeastCost,
    LeastTableCost,
    MostRejected,
    MostRight,
)
from tests.support.evaluations import activations_of, evaluation_of, made_up_evaluation


@pytest.fixture(scope="module")
def evaluation():
    return made_up_evaluation(n_classes=4, n_train=30, n_test=20, signal=4.0, tail_size=10)


@pytest.fixture(scope="module")
def measured(evaluation):
    return measure_stand_ins(evaluation)


def test_each_class_is_fitted_without_its_pictures_and_its_logit(evaluation, measured):
    """Worked out class by class, with nothing of the module."""
    assert [item.name for item in measured.classes] == ["0", "1", "2", "3"]
    train, test = evaluation.train, evaluation.test
    for left, item in enumerate(measured.classes):
        others = [index for index in range(4) if index != left]
        method = OpenMax(tail_size=10).fit(
            train.logits[train.labels != left][:, others],
            [others.index(label) for label in train.labels if label != left],
        )
        known = method.decide(test.logits[test.labels != left][:, others])
        unknown = method.decide(test.logits[test.labels == left][:, others])
        np.testing.assert_array_equal(item.curve.test_scores, known.scores)
        np.testing.assert_array_equal(item.curve.reject_scores, unknown.scores)
        np.testing.assert_array_equal(item.curve.test_predictions, known.predictions)
        labels = [others.index(label) for label in test.labels if label != left]
        np.testing.assert_array_equal(item.curve.test_labels, labels)
        assert item.n_training == 30


@pytest.mark.parametrize("name", ["max_logit", "msp", "energy"])
def test_scores_of_the_logits_have_stand_ins_too(evaluation, name):
    train, test, reject = evaluation.train, evaluation.test, evaluation.reject
    method = new_method(name).fit(train.logits, train.labels)
    other = evaluation.of(method, train, test, reject, "train", "made up")
    table = measure_stand_ins(other).choose(MostRejected(0.5)).table
    for left in range(4):
        fresh = new_method(name).fit(
            np.delete(train.logits[train.labels != left], left, axis=1),
            (train.labels - (train.labels > left))[train.labels != left],
        )
        scores = fresh.decide(np.delete(test.logits, left, axis=1)).scores
        expected = roc_auc_score(test.labels != left, scores)
        row = table[table["class"] == str(left)].iloc[0]
        assert row["auroc"] == pytest.approx(expected)


@pytest.mark.parametrize("objective", [MostRejected(0.6), FewestKnownRejected(0.1)])
def test_the_threshold_is_the_best_of_all_for_each_class(measured, objective):
    """Tried one by one."""
    table = measured.choose(objective).table.set_index("class")
    for item in measured.classes:
        found, best = table.loc[item.name], -1.0
        for threshold in item.curve.thresholds:
            known = item.curve.test_scores >= threshold
            known &= item.curve.test_predictions < 3
            right = (known & (item.curve.test_predictions == item.curve.test_labels)).mean()
            is_met = right >= 0.6 if isinstance(objective, MostRejected) else (~known).mean() <= 0.1
            accepted = item.curve.reject_scores >= threshold
            accepted &= item.curve.reject_predictions < 3
            if is_met:
                best = max(best, 1 - accepted.mean())
        assert found["reject_accuracy"] == pytest.approx(best)
        assert found["low"] <= best <= found["high"]


def test_a_table_of_costs_is_used_without_the_class(evaluation, measured):
    names = evaluation.method.class_names_
    three = LeastCost(1, 1, 5, 0.3)
    table = CostTable.of_three(names, 1, 1, 5)
    text = table.to_csv() + "unknown: elsewhere,9,9,9,9,9\n"
    by_table = measured.choose(LeastTableCost(parse_costs(text, names), 0.3))
    assert by_table.table.equals(measured.choose(three).table)


def test_what_may_be_lost_is_counted_against_the_other_classes_alone(measured):
    points = measured.choose(AtMostLost(0.1, against=0.2)).points
    for item, point in zip(measured.classes, points, strict=True):
        without = item.curve.all_outcomes.at(0).test_accuracy
        assert point.test_accuracy >= without - 0.1 - 1e-9
        assert point == item.curve.choose(AtMostLost(0.1, without))


def test_with_kinds_in_production_the_reject_set_is_weighted(evaluation, measured):
    (name,) = evaluation.kinds.names
    text = measured.choose(MostRejected(0.6)).beside(evaluation.in_production({name: 1})).sentences
    assert ", weighted by kind. The reject set itself" in text[1]


def test_the_spread_is_of_the_classes(measured):
    choices = measured.choose(MostRejected(0.6))
    low, middle, high = choices.spread("auroc")
    values = sorted(item.curve.auroc for item in measured.classes)
    assert (low, middle, high) == (values[0], values[1], values[3])
    assert choices.threshold == sorted(point.threshold for point in choices.points)[1]
    assert list(choices.table["auroc"]) == values
    assert f"AUROC lies between {100 * low:.1f} and {100 * high:.1f} %" in choices.sentences[0]
    assert any("choose threshold" in text for text in choices.sentences)


def test_a_constraint_that_nothing_meets_is_said(measured):
    choices = measured.choose(MostRejected(1.0))
    n_open = sum(point is None for point in choices.points)
    assert n_open
    assert f"For {n_open} of 4 classes no threshold reaches Test accuracy" in " ".join(
        choices.sentences
    )
    assert choices.table["threshold"].isna().sum() == n_open


def test_the_reject_set_is_compared_at_the_median_threshold(evaluation, measured):
    choices = measured.choose(MostRejected(0.6))
    real = choices.beside(evaluation)
    assert real.auroc == evaluation.curve.auroc
    assert real.at_stand_ins == evaluation.curve.outcome(choices.threshold)
    assert real.chosen == evaluation.choose(MostRejected(0.6)).outcome
    assert f"{100 * real.auroc:.1f} %" in real.sentences[0]
    assert f"{100 * real.chosen.reject_accuracy:.1f} %" in real.sentences[1]


def test_without_a_reject_set_there_is_nothing_to_compare(evaluation):
    alone = made_up_evaluation(n_classes=3, n_reject=0)
    choices = measure_stand_ins(alone).choose(FewestKnownRejected(0.05))
    assert choices.beside(alone) is None
    assert choices.spread("reject_accuracy") is not None


def test_where_the_stand_ins_threshold_misses_the_constraint_it_is_said(evaluation, measured):
    lowest = min(point.reject_accuracy for point in measured.choose(MostRejected(0.6)).points)
    choices = measured.choose(MostRight(lowest))
    real = choices.beside(evaluation)
    is_missed = not choices.objective.is_met(real.at_stand_ins)
    assert ("which misses Reject accuracy" in real.sentences[1]) == is_missed


def test_without_a_threshold_only_auroc_is_compared(evaluation, measured):
    choices = measured.choose(MostRejected(1.0))
    assert choices.threshold is None
    assert len(choices.beside(evaluation).sentences) == 1


def test_of_many_classes_a_random_sample_is_left_out(evaluation):
    found = measure_stand_ins(evaluation, most_classes=2, seed=1)
    assert len(found.classes) == 2
    assert found.extent_in_words.startswith(
        "2 of 4 classes left out, one at a time (a random sample of the classes)"
    )
    again = measure_stand_ins(evaluation, most_classes=2, seed=1)
    assert [item.name for item in found.classes] == [item.name for item in again.classes]


def test_many_pictures_are_sampled_and_it_is_said(evaluation, monkeypatch):
    monkeypatch.setattr(stand_ins, "MOST_PICTURES", 15)
    found = measure_stand_ins(evaluation)
    assert found.n_known == 15
    assert all(item.curve.n_reject == 15 for item in found.classes)
    assert "15 of 80 test pictures, drawn at random" in found.extent_in_words


def test_a_large_training_set_is_read_in_chunks_with_the_same_result(
    evaluation, measured, monkeypatch
):
    monkeypatch.setattr(stand_ins, "MOST_VALUES", 100)
    monkeypatch.setattr(stand_ins, "CHUNK_VALUES", 64)
    for one, other in zip(measured.classes, measure_stand_ins(evaluation).classes, strict=True):
        np.testing.assert_allclose(one.curve.test_scores, other.curve.test_scores, rtol=1e-6)


def test_progress_is_told_class_by_class(evaluation):
    told: list[tuple[int, int]] = []
    measure_stand_ins(evaluation, told.append)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_who_has_gone_stops_the_work(evaluation):
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_stand_ins(evaluation, stop)


def test_a_class_without_test_pictures_cannot_stand_in():
    whole = made_up_evaluation(n_classes=3)
    kept = whole.test.labels != 1
    test = activations_of(whole.test.logits[kept], whole.test.labels[kept], "test")
    found = measure_stand_ins(evaluation_of(whole.train, test, whole.reject))
    assert [item.name for item in found.classes] == ["0", "2"]


def test_two_classes_are_too_few():
    with pytest.raises(FitError, match="at least 3 known classes"):
        measure_stand_ins(made_up_evaluation(n_classes=2))


def test_test_pictures_of_one_class_are_too_few():
    whole = made_up_evaluation(n_classes=3)
    kept = whole.test.labels == 1
    test = activations_of(whole.test.logits[kept], whole.test.labels[kept], "test")
    with pytest.raises(FitError, match="at least 2 classes"):
        measure_stand_ins(evaluation_of(whole.train, test, whole.reject))


def test_no_class_at_all_is_refused(evaluation):
    with pytest.raises(OpenMaxError, match="at least 1 class"):
        measure_stand_ins(evaluation, most_classes=0)


def test_a_class_without_which_nothing_can_be_fitted_is_named(evaluation, monkeypatch):
    original = stand_ins._fitted_without

    def failing(evaluation, index):
        if index == 2:
            raise FitError("no class gives a Weibull")
        return original(evaluation, index)

    monkeypatch.setattr(stand_ins, "_fitted_without", failing)
    found = measure_stand_ins(evaluation)
    assert found.left_out == {"2": "no class gives a Weibull"}
    assert len(found.classes) == 3
