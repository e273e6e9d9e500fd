"""What may be chosen: the best threshold here and the promised one; no useless ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from openmax_core import NoFeasibleThresholdError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.evaluation.offers import default_in_words, offered, plan_in_words
from openmax_core.tradeoff.objectives import (
    AtMostLost,
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
)
from tests.support.drawn import drawn_workspace


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return drawn_workspace(tmp_path_factory.mktemp("drawn"), 200, 150).evaluate()


@pytest.fixture(scope="module")
def without_unknowns(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return drawn_workspace(tmp_path_factory.mktemp("alone"), 200, 0).evaluate()


@pytest.fixture(scope="module")
def indistinct(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Knowns hardly differ from unknowns."""
    return drawn_workspace(tmp_path_factory.mktemp("indistinct"), 200, 150, 0.5).evaluate()


def test_both_points_are_those_of_the_curve_and_the_price_is_their_difference(
    evaluation: Evaluation,
) -> None:
    objective = MostRejected(0.75)
    offer = offered(evaluation, objective, 0.9)
    assert offer.best == evaluation.choose(objective)
    assert offer.promised == evaluation.choose(objective, 0.9)
    assert (offer.problem, offer.promise_problem) == ("", "")
    assert offer.best is not None
    assert offer.promised is not None
    assert offer.best.reject_accuracy is not None
    assert offer.promised.reject_accuracy is not None
    price = offer.best.reject_accuracy - offer.promised.reject_accuracy
    assert offer.price == price > 0
    assert offer.price_in_words == f"{100 * price:.1f} points of Reject accuracy less"
    assert offer.promised.promise is not None
    assert offer.promised.promise.in_words == (
        "Test accuracy ≥ 75.0 % with 90 % confidence, from 200 pictures"
    )


def test_out_of_reach_says_how_many_pictures_are_needed(evaluation: Evaluation) -> None:
    offer = offered(evaluation, MostRejected(0.82), 0.95)
    assert offer.problem == ""
    assert offer.promised is None
    assert offer.promise_problem.startswith("not with 200 pictures: at the observed rate (Test acc")
    assert "are needed for a chance of 80 %" in offer.promise_problem
    assert offer.price is None
    assert offer.price_in_words == ""


def test_a_point_that_rejects_nearly_everything_is_neither_recommended_nor_promised(
    indistinct: Evaluation,
) -> None:
    for objective in (MostRejected(0.0), LeastCost(accepted_unknown=1e6)):
        offer = offered(indistinct, objective)
        assert "of the 200 known pictures" in offer.problem
        assert offer.best is not None
        assert offer.best.useless in offer.problem
        assert offer.promised is None
        assert "can be promised, and it rejects" in offer.promise_problem


def test_a_figure_without_a_constraint_is_promised_a_bound(evaluation: Evaluation) -> None:
    offer = offered(evaluation, Balanced())
    assert offer.best is not None
    assert offer.promised is not None
    assert offer.promised.threshold == offer.best.threshold
    assert offer.price_in_words == "no Reject accuracy less"


def test_without_unknowns_nothing_is_said_about_them(without_unknowns: Evaluation) -> None:
    objective = without_unknowns.overall.default_objective(0.85)
    assert objective == FewestKnownRejected(0.05)
    offer = offered(without_unknowns, objective)
    assert offer.promised is not None
    assert offer.promised.promise is not None
    words = [
        objective.in_words_on(0),
        offer.promised.promise.in_words,
        *(text for row in plan_in_words(without_unknowns, objective) for text in row.values()),
    ]
    assert "Reject accuracy" not in "; ".join(words)
    assert "says nothing about unknowns" in default_in_words(objective, 0.85, 0)
    refused = offered(without_unknowns, MostRight(0.9))
    assert "no reject set" in refused.problem
    assert "no reject set" in refused.promise_problem
    assert plan_in_words(without_unknowns, MostRight(0.9)) == []


def test_the_default_is_relative_where_the_floor_is_out_of_reach(evaluation: Evaluation) -> None:
    point = evaluation.recommend_by_default(0.99)
    assert isinstance(point.chosen_for, AtMostLost)
    told = default_in_words(point.chosen_for, 0.99, 150)
    assert told.endswith("so it is relative: lose at most 5 points against 82.5 %")
    assert evaluation.recommend_by_default(0.7) == evaluation.recommend(0.7)
    assert default_in_words(MostRejected(0.7), 0.7, 150) == ""


def test_a_useless_point_is_not_the_default(indistinct: Evaluation) -> None:
    with pytest.raises(NoFeasibleThresholdError, match="of the 200 known pictures") as caught:
        indistinct.recommend_by_default(0.0)
    assert caught.value.nearest is not None


def test_the_plan_has_a_row_a_number_of_pictures(evaluation: Evaluation) -> None:
    rows = plan_in_words(evaluation, MostRejected(0.8), 0.95)
    assert [row["pictures"] for row in rows][:3] == ["50 known", "100 known", "200 known"]
    assert rows[0]["needed on them"] == "Test accuracy ≥ 90.0 %"
    assert rows[0]["leaves"] == "not reached by any threshold"
    assert rows[-1]["leaves"].startswith("Reject accuracy ")
    few = plan_in_words(evaluation, FewestKnownRejected(0.01), 0.95)
    assert few[0]["leaves"] == "nothing can be promised"
    unknown = plan_in_words(evaluation, MostRight(0.5), 0.95)
    assert unknown[-1]["pictures"] == "10,000 unknown"
    assert unknown[-1]["leaves"].startswith("Test accuracy ")
    assert plan_in_words(evaluation, Balanced()) == []


def test_a_promise_is_kept_while_method_and_data_are_the_same(evaluation: Evaluation) -> None:
    point = evaluation.choose(MostRejected(0.75), 0.9)
    assert evaluation.refreshed(point) == point
    assert evaluation.refreshed(replace(point, data="others")).promise is None


def test_a_promise_of_other_data_is_said_to_hold_no_longer(tmp_path: Path) -> None:
    from openmax_core.prediction.choice import choose_method

    workspace = drawn_workspace(tmp_path, 200, 150)
    point = workspace.evaluate().choose(MostRejected(0.75), 0.9)
    workspace.choose(point)
    assert choose_method(workspace).promise == point.promise
    workspace.choose(replace(point, data="others"))
    choice = choose_method(workspace)
    assert choice.promise is None
    assert choice.source.endswith("that have changed since: its promise no longer holds")
