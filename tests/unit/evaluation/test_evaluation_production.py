"""An evaluation whose kinds of unknowns have shares in production; a table of costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openmax_core import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.tradeoff.cost_table import CostTable, parse_costs
from openmax_core.tradeoff.objectives import LeastTableCost, MostRejected
from openmax_core.tradeoff.resampling import choose_on_half
from tests.support.evaluations import made_up_evaluation

KINDS = ("lawn", "street", "yard")


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    found = made_up_evaluation(signal=2.0, preset="bendale")
    assert found.reject is not None
    pictures = found.reject.pictures.copy()
    pictures["path"] = [f"{KINDS[row % 3]}/{row}.png" for row in range(len(pictures))]
    return replace(found, reject=replace(found.reject, pictures=pictures))


def test_shares_weight_the_reject_accuracy_everywhere(evaluation: Evaluation) -> None:
    found = evaluation.in_production({"lawn": 3, "street": 1})
    point = found.recommend(0.4)
    assert point.kinds is not None
    expected = sum(item.share * item.rejected / item.pictures for item in point.kinds)
    assert point.reject_accuracy == pytest.approx(expected)
    assert found.overall.reject_accuracy(point.threshold) == point.reject_accuracy
    assert found.point_at(point.threshold).reject_accuracy == point.reject_accuracy
    assert [(item.name, item.share) for item in point.kinds] == [
        ("lawn", 0.75),
        ("street", 0.25),
        ("yard", 0.0),
    ]


def test_without_shares_it_is_the_same_evaluation(evaluation: Evaluation) -> None:
    assert evaluation.in_production({}) is evaluation
    assert evaluation.in_production(None) is evaluation
    back = evaluation.in_production({"lawn": 1}).in_production(None)
    assert back.mix is None
    assert back.recommend(0.4) == evaluation.recommend(0.4)


def test_a_point_is_counted_again_with_its_own_shares(evaluation: Evaluation) -> None:
    point = evaluation.in_production({"yard": 1, "street": 4}).recommend(0.4)
    assert evaluation.refreshed(point) == point
    assert evaluation.like(point).mix is not None
    plain = evaluation.recommend(0.4)
    assert evaluation.in_production({"lawn": 1}).refreshed(plain) == plain


def test_kinds_that_are_gone_are_named(evaluation: Evaluation) -> None:
    point = evaluation.in_production({"yard": 1}).recommend(0.4)
    assert evaluation.reject is not None
    pictures = evaluation.reject.pictures.copy()
    pictures["path"] = [path.replace("yard/", "garden/") for path in pictures["path"]]
    other = replace(evaluation, reject=replace(evaluation.reject, pictures=pictures))
    with pytest.raises(
        OpenMaxError, match=r"no reject pictures of the kind 'yard'.*choose the threshold again"
    ):
        other.refreshed(point)


def test_without_a_reject_set_shares_are_refused() -> None:
    alone = made_up_evaluation(n_reject=0)
    with pytest.raises(OpenMaxError, match="there is no reject set"):
        alone.in_production({"lawn": 1})


def test_a_table_of_costs_chooses_and_is_counted_again(evaluation: Evaluation) -> None:
    names = evaluation.method.class_names_
    text = CostTable.of_three(names, 1, 1, 5).to_csv() + "unknown: lawn,1,1,1,0\n"
    objective = LeastTableCost(parse_costs(text, names), 0.3)
    point = evaluation.choose(objective)
    assert point.expected_cost is not None
    assert evaluation.refreshed(point) == point
    weighted = evaluation.in_production({"lawn": 1})
    assert weighted.choose(objective).expected_cost != point.expected_cost
    assert weighted.refreshed(weighted.choose(objective)) == weighted.choose(objective)


def test_a_table_of_other_classes_is_refused(evaluation: Evaluation) -> None:
    table = CostTable.of_three(("x", "y", "z"), 1, 1, 5)
    with pytest.raises(OpenMaxError, match="make the table again"):
        evaluation.choose(LeastTableCost(table))


def test_an_older_point_stays_as_it_was(evaluation: Evaluation) -> None:
    point = evaluation.choose(MostRejected(0.4))
    assert point.kinds is None
    assert point.expected_cost is None


def test_with_kinds_halves_and_resamples_use_costs_by_kind(evaluation: Evaluation) -> None:
    names = evaluation.method.class_names_
    text = CostTable.of_three(names, 1, 1, 5).to_csv() + "unknown: lawn,1,1,1,0\n"
    objective = LeastTableCost(parse_costs(text, names), 0.3)
    found = evaluation.with_kinds()
    assert found.choose(objective) == evaluation.choose(objective)
    assert choose_on_half(found.overall, objective).reported.cost is not None
    assert found.with_kinds() is found
