"""The health of fits against plain loops and cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from openmax_core.analysis.class_facts import class_boundary, class_facts
from openmax_core.analysis.class_health import (
    ClassDistances,
    Health,
    class_distances,
    class_health,
    health_table,
    matching,
    mean_dominance,
    tail_members,
)
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.tradeoff.sweep import class_warnings
from tests.support.evaluations import activations_of, evaluation_of, made_up_evaluation
from tests.support.workspaces import made_up_logits


class Fact(NamedTuple):
    value: str
    meaning: str


def facts_of(
    evaluation: Evaluation, health: Health, index: int, limit: float | None
) -> dict[str, Fact]:
    boundary = class_boundary(evaluation, class_distances(evaluation), index, 0.5)
    facts = class_facts(evaluation, health, index, limit, boundary)
    return {str(figure): Fact(str(value), str(meaning)) for figure, value, meaning in facts.values}


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_distances_are_to_the_true_class_and_of_unknowns_to_the_likeliest(preset):
    evaluation = made_up_evaluation(preset=preset)
    openmax, reject = evaluation.openmax, evaluation.reject
    assert reject is not None
    distances = class_distances(evaluation)
    for row in (0, 31, 89):
        expected = openmax.distances(evaluation.test.logits)[row, evaluation.test.labels[row]]
        assert distances.test[row] == pytest.approx(expected, rel=1e-12)
    for row in (0, 59):
        likeliest = int(np.argmax(reject.logits[row]))
        expected = openmax.distances(reject.logits)[row, likeliest]
        assert distances.reject[row] == pytest.approx(expected, rel=1e-12)
        assert distances.reject_classes[row] == likeliest
    test, unknown = distances.of(1)
    assert len(test) == 30
    assert len(unknown) == int((reject.logits.argmax(axis=1) == 1).sum())
    assert (np.diff(test) >= 0).all()
    assert (np.diff(unknown) >= 0).all()


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_share_beyond_the_tail_counts_who_is_farther_than_every_training_picture(preset):
    evaluation = made_up_evaluation(n_train=12, n_test=50, preset=preset)
    health = class_health(evaluation, class_distances(evaluation))
    openmax, test = evaluation.openmax, evaluation.test
    all_distances = openmax.distances(test.logits)
    for index in range(3):
        largest = max(openmax.tails_[index])
        beyond = 0
        for row, label in enumerate(test.labels):
            beyond += label == index and all_distances[row, index] > largest
        assert health.n_beyond[index] == beyond
        assert health.n_test[index] == 50
    assert health.n_beyond.sum() > 0


def test_without_a_reject_set_its_distances_are_none():
    distances = class_distances(made_up_evaluation(n_reject=0))
    assert (len(distances.reject), len(distances.reject_classes)) == (0, 0)
    assert len(distances.of(0)[1]) == 0


# --- one picture that dominates the mean ---------------------------------------------------------


@pytest.mark.parametrize("preset", ["robust", "bendale"])
def test_dominance_is_the_shift_of_a_mean_that_is_taken_without_each_picture(preset):
    evaluation = made_up_evaluation(n_train=9, signal=2.0, preset=preset)
    dominance, n_examined = mean_dominance(evaluation)
    train = evaluation.train
    for index in range(3):
        rows = [
            train.logits[row].astype(float)
            for row in range(len(train))
            if train.labels[row] == index and np.argmax(train.logits[row]) == index
        ]
        if preset == "robust":
            rows = [row - np.mean(row) for row in rows]
        mean = np.mean(rows, axis=0)
        shifts = []
        for out in range(len(rows)):
            others = np.mean([row for i, row in enumerate(rows) if i != out], axis=0)
            shifts.append(np.linalg.norm(others - mean))
        middle = np.median([np.linalg.norm(row - mean) for row in rows])
        assert dominance[index] == pytest.approx(max(shifts) / middle, rel=1e-4)
        assert n_examined[index] == len(rows) == evaluation.openmax.n_correct_[index]


def test_one_far_picture_is_warned_of_and_equal_pictures_are_not():
    labels = np.repeat([0, 1], 30)
    logits = made_up_logits(labels, 2, seed=0)
    logits[0] = [200.0, -90.0]
    train = activations_of(logits, labels)
    evaluation = evaluation_of(train, train, None)
    health = class_health(evaluation, class_distances(evaluation))
    assert "one picture dominates the mean: without it the mean moves by" in health.warnings[0]
    assert "dominates" not in health.warnings[1]


def test_of_a_large_training_set_a_sample_of_every_class_is_examined():
    evaluation = made_up_evaluation(n_train=40)
    dominance, n_examined = mean_dominance(evaluation, most_values=9 * 10)
    assert n_examined.tolist() == [10, 10, 10]
    assert np.isfinite(dominance).all()
    again, _ = mean_dominance(evaluation, most_values=9 * 10)
    assert again.tolist() == dominance.tolist()
    health = class_health(evaluation, class_distances(evaluation))
    assert not health.is_sampled(evaluation.openmax.n_correct_)
    sampled = replace(health, n_examined=n_examined)
    assert sampled.is_sampled(evaluation.openmax.n_correct_)


# --- warnings and table --------------------------------------------------------------------------


def test_warnings_hold_those_of_the_shell_and_add_their_own():
    evaluation = made_up_evaluation(n_train=8)
    health = class_health(evaluation, class_distances(evaluation))
    for text, known in zip(health.warnings, class_warnings(evaluation.openmax), strict=True):
        assert text.startswith(known)
        assert "7 distances are too few to trust a fit" in text


def test_test_pictures_beyond_the_tail_are_warned_of_where_chance_does_not_explain_them():
    evaluation = made_up_evaluation(n_train=100, n_test=50)
    distances = class_distances(evaluation)
    far = replace(distances, test=np.where(distances.test_classes == 1, 1e6, 0.0))
    health = class_health(evaluation, far)
    assert "50 of 50 test pictures lie beyond the tail" in health.warnings[1]
    assert "beyond the tail" not in health.warnings[0]
    one = replace(distances, test=np.where(np.arange(len(distances.test)) == 0, 1e6, 0.0))
    assert "beyond the tail" not in class_health(evaluation, one).warnings[0]


def test_the_worst_fit_comes_first():
    evaluation = made_up_evaluation(n_classes=4)
    health = class_health(evaluation, class_distances(evaluation))
    goodness = replace(
        health.goodness,
        p_value=np.array([0.5, np.nan, 0.001, 0.5]),
        statistic=np.array([1.0, 0.1, 9.0, 2.0]),
    )
    assert replace(health, goodness=goodness).worst_first.tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_table_has_a_row_a_class_with_what_its_fit_rests_on(preset):
    evaluation = made_up_evaluation(n_train=60, preset=preset)
    openmax = evaluation.openmax
    health = class_health(evaluation, class_distances(evaluation))
    table = health_table(evaluation, health)
    assert table["index"].tolist() == health.worst_first.tolist()
    for _, row in table.iterrows():
        index = row["index"]
        assert row["class"] == openmax.class_names_[index]
        assert row["shape"] == openmax.weibull_.parameters()["shape"][index]
        assert row["scale"] == openmax.weibull_.parameters()["scale"][index]
        tail = openmax.tails_[index]
        assert row["tail_size"] == len(tail)
        assert (row["tail"][0], row["tail"][-1]) == (tail[0], tail[-1])
        assert len(row["tail"]) == len(row["fit"]) <= 24
        rows = np.zeros((len(row["tail"]), 3))
        rows[:, index] = row["tail"]
        np.testing.assert_allclose(row["fit"], openmax.cdf(rows)[:, index], atol=5.1e-5)
        assert row["beyond_tail"] == health.n_beyond[index] / 30
        assert row["warning"] == health.warnings[index]
        if preset == "bendale":
            smallest = openmax.weibull_.parameters()["smallest tail value"][index]
            assert row["location"] == pytest.approx(smallest - 1.0)
        else:
            assert row["location"] == openmax.weibull_.parameters()["location"][index]


def test_a_class_without_test_pictures_has_no_share():
    evaluation = made_up_evaluation()
    kept = evaluation.test.labels != 2
    test = activations_of(evaluation.test.logits[kept], evaluation.test.labels[kept])
    evaluation = evaluation_of(evaluation.train, test, None)
    health = class_health(evaluation, class_distances(evaluation))
    table = health_table(evaluation, health)
    assert table.loc[table["index"] == 2, "beyond_tail"].isna().tolist() == [True]
    facts = facts_of(evaluation, health, 2, 0.5)
    assert facts["Test pictures beyond the tail"].value == "not measured"


def test_two_classes_of_two_pictures_are_examined():
    train = activations_of([[5, 0], [7, 1], [0, 5], [1, 9]], [0, 0, 1, 1])
    # Two centred logits are one number: both pictures of a class lie equally far from their mean,
    # and 'robust' has nothing to fit.
    evaluation = evaluation_of(train, train, None, preset="bendale")
    health = class_health(evaluation, class_distances(evaluation))
    assert np.isnan(health.goodness.p_value).all()
    assert health.dominance.tolist() == pytest.approx([1.0, 1.0])
    assert all("dominates" in text for text in health.warnings)
    assert health.n_test.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("  , ", [0, 1, 2, 3]),
        ("ROSE", [0, 2]),
        ("rose red", [2]),
        ("tulip, rock", [1, 2, 3]),
        ("*", [3]),
        ("oak", []),
    ],
)
def test_a_search_finds_parts_of_names(text, expected):
    names = ("Roses", "tulip", "rose red rock", "tulip *")
    assert matching(names, text) == expected


# --- one class -----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_tail_s_pictures_come_farthest_first_with_their_distance(preset):
    evaluation = made_up_evaluation(preset=preset, tail_size=15)
    openmax, train = evaluation.openmax, evaluation.train
    members = tail_members(evaluation, 1)
    tail = openmax.tails_[1]
    np.testing.assert_allclose(members["distance"], tail[::-1], rtol=1e-5)
    for path, distance, cdf in members[["path", "distance", "cdf"]].to_numpy():
        row = int(path.removeprefix("train/").removesuffix(".png"))
        assert train.labels[row] == train.logits[row].argmax() == 1
        to_own = openmax.distances(train.logits[row : row + 1])
        assert distance == pytest.approx(to_own[0, 1], rel=1e-12)
        assert cdf == pytest.approx(openmax.cdf(to_own)[0, 1], rel=1e-9)


def test_facts_say_the_figures_in_words():
    evaluation = made_up_evaluation(n_train=60)
    distances = class_distances(evaluation)
    health = class_health(evaluation, distances)
    facts = facts_of(evaluation, health, 1, 0.25)
    n_correct = int(evaluation.openmax.n_correct_[1])
    assert facts["Tail size η"].value == "20"
    assert facts["Tail size η"].meaning == (
        f"the farthest of {n_correct} correctly classified of 60 train pictures"
    )
    assert "the threshold, which the tail exceeds" in facts["Location"].meaning
    p = health.goodness.p_value[1]
    assert facts["Goodness of fit"].value.endswith(f", p {p:.2g}")
    assert f"{health.n_beyond[1]} of 30" in facts["Test pictures beyond the tail"].meaning
    boundary = class_boundary(evaluation, class_distances(evaluation), 1, 0.5)
    assert facts["At the current threshold"].value == boundary.in_words
    assert facts["By distance alone"].value == "its mean logits are rejected from distance 0.25 on"
    for limit, words in (
        (None, "are rejected at no distance"),
        (0.0, "rejected at every distance"),
    ):
        facts = facts_of(evaluation, health, 1, limit)
        assert words in facts["By distance alone"].value


def test_facts_of_a_degenerate_fit_say_why_there_is_no_p_value():
    evaluation = made_up_evaluation(n_train=150, preset="notebook")
    assert (evaluation.openmax.weibull_.parameters()["shape"] < 1).all()
    empty = ClassDistances(np.empty(0), np.empty(0, int), np.empty(0), np.empty(0, int))
    facts = facts_of(evaluation, class_health(evaluation, empty), 0, None)
    assert "no maximum likelihood exists" in facts["Goodness of fit"].meaning
    assert facts["Location"].meaning == "the CDF is 1 from there on"
