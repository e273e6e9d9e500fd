"""A table of costs by truth and decision, and the threshold of the least expected cost."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from openmax_core import NoFeasibleThresholdError, OpenMaxError, OperatingPoint, TradeoffCurve
from openmax_core.tradeoff.binned import CountedCurve, ScoreCounts, score_edges
from openmax_core.tradeoff.class_thresholds import choose_class_thresholds, measure_gain
from openmax_core.tradeoff.cost_table import CostTable, parse_costs, read_costs
from openmax_core.tradeoff.kinds import Kinds, Mix
from openmax_core.tradeoff.objectives import LeastCost, LeastTableCost, objective_from_dict
from openmax_core.tradeoff.resampling import bootstrap_choices, choose_on_half

CLASSES = ("car", "truck")
TEXT = """truth,car,truck,rejected
car,0,1,2
truck,8,0,2.5
unknown,5,6,0
unknown: street,1,1,0.5
"""


def made_up(seed: int, n_test: int = 30, n_reject: int = 20) -> TradeoffCurve:
    """Scores with ties, some with 'unknown' as the winner, rejects of two kinds."""
    generator = np.random.default_rng(seed)
    return TradeoffCurve(
        generator.integers(2, 11, n_test) / 10,
        generator.integers(0, 3, n_test),
        generator.integers(0, 2, n_test),
        generator.integers(0, 9, n_reject) / 10,
        generator.integers(0, 3, n_reject),
        2,
        Kinds(("lawn", "street"), generator.integers(0, 2, n_reject)),
    )


def brute_force(curve: TradeoffCurve, table: CostTable, share: float, threshold: float) -> float:
    """Expected cost, picture by picture."""
    assert curve.kinds is not None
    known = unknown = 0.0
    for score, predicted, label in zip(
        curve.test_scores, curve.test_predictions, curve.test_labels, strict=True
    ):
        decided = 2 if predicted == 2 or score < threshold else predicted
        known += table.costs[label][decided] / curve.n_test
    kinds = [curve.kinds.names[index] for index in curve.kinds.of]
    for score, predicted, kind in zip(
        curve.reject_scores, curve.reject_predictions, kinds, strict=True
    ):
        decided = 2 if predicted == 2 or score < threshold else predicted
        row = 3 + table.kinds.index(kind) if kind in table.kinds else 2
        weight = 1 / curve.n_reject
        if curve.mix is not None:
            at = curve.mix.names.index(kind)
            weight = curve.mix.shares[at] / curve.mix.sizes[at]
        unknown += table.costs[row][decided] * weight
    return (1 - share) * known + share * unknown


@pytest.fixture(scope="module")
def table() -> CostTable:
    return parse_costs(TEXT, CLASSES)


# --- the choice -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.0, 0.1, 0.7, 1.0])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_the_threshold_has_the_least_cost_of_all(seed, share, is_mixed, table) -> None:
    curve = made_up(seed)
    if is_mixed:
        assert curve.kinds is not None
        curve = curve.with_kinds(curve.kinds, Mix.of({"lawn": 1, "street": 6}, curve.kinds.sizes))
    objective = LeastTableCost(table, share)
    tried = [brute_force(curve, table, share, t) for t in curve.thresholds.tolist()]
    assert curve.outcomes_for(objective).cost == pytest.approx(tried)
    point = curve.choose(objective)
    assert point.expected_cost == pytest.approx(min(tried))
    assert brute_force(curve, table, share, point.threshold) == pytest.approx(min(tried))
    # Of equal ones the one with the better Test accuracy, then the smallest.
    equal = [
        curve.outcome(t)
        for t, cost in zip(curve.thresholds.tolist(), tried, strict=True)
        if cost <= min(tried) + 1e-9
    ]
    assert point.test_accuracy == max(outcome.test_accuracy for outcome in equal)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("costs", [(1, 1, 5), (3, 0.5, 1), (0, 1, 0)])
def test_the_three_costs_are_a_special_case(seed, costs) -> None:
    curve = made_up(seed)
    table = CostTable.of_three(CLASSES, *costs)
    simple, by_table = LeastCost(costs[0], costs[1], costs[2], 0.3), LeastTableCost(table, 0.3)
    expected = simple.cost(curve.all_outcomes)
    assert curve.outcomes_for(by_table).cost == pytest.approx(expected)
    assert curve.choose(by_table).threshold == curve.choose(simple).threshold


def test_a_rare_class_with_a_dear_mistake_moves_the_threshold() -> None:
    curve = TradeoffCurve(
        [0.9] * 50 + [0.6], [0] * 51, [0] * 50 + [1], [0.1], [0], 2, Kinds(("a",), np.zeros(1, int))
    )
    cheap = parse_costs("t,car,truck,rejected\ncar,0,1,1\ntruck,1,0,1\nunknown,1,1,0", CLASSES)
    dear = parse_costs("t,car,truck,rejected\ncar,0,1,1\ntruck,999,0,1\nunknown,1,1,0", CLASSES)
    assert curve.choose(LeastTableCost(cheap)).threshold <= 0.6
    assert 0.6 < curve.choose(LeastTableCost(dear)).threshold <= 0.9


def test_without_pictures_nothing_is_chosen(table) -> None:
    empty = TradeoffCurve([], [], [], [0.5], [0], 2)
    with pytest.raises(NoFeasibleThresholdError, match="no test pictures"):
        empty.choose(LeastTableCost(table))
    alone = TradeoffCurve([0.5], [0], [0], [], [], 2)
    with pytest.raises(NoFeasibleThresholdError, match="no reject set"):
        alone.choose(LeastTableCost(table))


def test_halves_and_resamples_choose_by_the_table(table) -> None:
    curve = made_up(3, 200, 100)
    objective = LeastTableCost(table, 0.4)
    found = choose_on_half(curve, objective)
    assert found.chosen.expected_cost is not None
    assert found.reported.cost is not None
    spread = bootstrap_choices(curve, objective, 50)
    assert len(spread.thresholds) == 50
    assert set(spread.thresholds) <= set(curve.decimals(curve.thresholds))
    mixed = curve.with_kinds(curve.kinds, Mix.of({"street": 1}, curve.kinds.sizes))  # type: ignore[union-attr]
    assert len(bootstrap_choices(mixed, objective, 20).thresholds) == 20


def test_resamples_by_a_table_are_those_of_the_three_costs_in_distribution() -> None:
    curve = made_up(1, 300, 200)
    simple = bootstrap_choices(curve, LeastCost(1, 1, 5, 0.3), 200).quantiles(0.2, 0.5, 0.8)
    table = LeastTableCost(CostTable.of_three(CLASSES, 1, 1, 5), 0.3)
    np.testing.assert_allclose(
        bootstrap_choices(curve, table, 200).quantiles(0.2, 0.5, 0.8), simple, atol=0.1
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_mixed", [False, True])
def test_thresholds_per_class_are_the_best_of_all_pairs(seed, is_mixed, table) -> None:
    curve = made_up(seed, 15, 12)
    if is_mixed:
        assert curve.kinds is not None
        curve = curve.with_kinds(curve.kinds, Mix.of({"lawn": 3, "street": 1}, curve.kinds.sizes))
    objective = LeastTableCost(table, 0.3)
    tried = [
        curve.outcome_by_class(np.array(pair), 0.0, objective).cost or 0.0
        for pair in product(np.append(np.arange(11) / 10, 2.0), repeat=2)
    ]
    assert choose_class_thresholds(curve, objective).outcome.cost == pytest.approx(min(tried))
    one = curve.outcome_by_class(np.array([0.5, 0.5]), 0.5, objective).cost
    assert one == pytest.approx(brute_force(curve, table, 0.3, 0.5))


@pytest.mark.parametrize("costs", [(1, 1, 5), (3, 0.5, 1)])
def test_the_gain_by_the_three_costs_as_a_table_is_theirs(costs) -> None:
    curve = made_up(4, 200, 100)
    simple = LeastCost(costs[0], costs[1], costs[2], 0.3)
    by_table = LeastTableCost(CostTable.of_three(CLASSES, *costs), 0.3)
    one, other = measure_gain(curve, simple), measure_gain(curve, by_table)
    for name in ("value", "net", "test_accuracy", "reject_accuracy"):
        assert getattr(other, name).value == pytest.approx(getattr(one, name).value)
    assert other.value.interval.low == pytest.approx(one.value.interval.low, abs=0.02)


def test_what_cannot_be_done_by_a_table_says_so(table) -> None:
    counts = ScoreCounts.empty(score_edges((0.0, 1.0))).with_pictures(
        [0.5, 0.6], [0, 1], [0, -1], 2
    )
    with pytest.raises(OpenMaxError, match="cannot be used for 2 pictures"):
        CountedCurve(counts, 2).choose(LeastTableCost(table))
    three = TradeoffCurve([0.5], [0], [0], [0.5], [0], 3)
    with pytest.raises(OpenMaxError, match="must be of 3 classes"):
        three.choose(LeastTableCost(table))
    no_street = made_up(1).with_kinds(Kinds(("lawn",), np.zeros(20, dtype=np.int64)))
    with pytest.raises(OpenMaxError, match="row for the kind 'street'"):
        no_street.choose(LeastTableCost(table))


# --- the table ------------------------------------------------------------------------------------


def test_rows_and_columns_may_be_in_any_order(table) -> None:
    assert table.classes == CLASSES
    assert table.kinds == ("street",)
    assert table.costs == ((0, 1, 2), (8, 0, 2.5), (5, 6, 0), (1, 1, 0.5))
    other = """\ufefftruth;rejected;truck;car
unknown: street;0.5;1;1
unknown;0;6;5
truck;2.5;0;8
car;2;1;0
"""
    assert parse_costs(other, CLASSES) == table
    assert parse_costs(TEXT.replace(",", "\t"), CLASSES) == table


def test_text_and_json_come_back(table, tmp_path: Path) -> None:
    assert parse_costs(table.to_csv(), CLASSES) == table
    (tmp_path / "costs.csv").write_text(table.to_csv(), encoding="utf-8")
    assert read_costs(tmp_path / "costs.csv", CLASSES) == table
    objective = LeastTableCost(table, 0.25)
    assert objective_from_dict(json.loads(json.dumps(objective.to_dict()))) == objective
    assert hash(objective) == hash(LeastTableCost(table, 0.25))
    assert CostTable.from_dict(json.loads(json.dumps(table.to_dict()))) == table


def test_classes_called_unknown_and_rejected_are_classes() -> None:
    names = ("unknown", "rejected", "unknown: x")
    table = CostTable.of_three(names, 1, 2, 3)
    assert parse_costs(table.to_csv(), names) == table


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (TEXT, "", "is empty"),
        ("truck,8,0,2.5\n", "", "no row 'truck'"),
        ("unknown,5,6,0\n", "", "no row 'unknown'"),
        (",rejected", ",refused", "no column 'rejected'"),
        ("truth,car,", "truth,bus,", "no column 'car'"),
        ("unknown: street", "street", "the row 'street' is no class"),
        ("unknown: street,1,1,0.5\n", "car,0,0,0\n", "the row 'car' is there twice"),
        (",rejected", ",rejected,car", "the column 'car' is there twice"),
        (",rejected", ",rejected,bus", "the column 'bus' is no class"),
        ("8,0,2.5", "8,0", "'truck' decided as 'rejected' is missing"),
        ("8,0,2.5", "8,zero,2.5", "'truck' decided as 'truck' is 'zero', no number"),
        ("8,0,2.5", "-8,0,2.5", "'truck' decided as 'car' must be a number from 0"),
        ("8,0,2.5", "inf,0,2.5", "'truck' decided as 'car' must be a number"),
        ("8,0,2.5", "nan,0,2.5", "'truck' decided as 'car' is missing"),
        ("8,0,2.5", '"8,0,2.5', "no CSV|is missing"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(old: str, new: str, words: str) -> None:
    with pytest.raises(OpenMaxError, match=words):
        parse_costs(TEXT.replace(old, new), CLASSES)


def test_a_table_is_bounded() -> None:
    with pytest.raises(OpenMaxError, match="at most 200 classes"):
        CostTable.of_three([str(index) for index in range(201)], 1, 1, 1)
    with pytest.raises(OpenMaxError, match="each kind of unknowns once"):
        CostTable(CLASSES, ("a", "a"), ((0.0,) * 3,) * 5)
    with pytest.raises(OpenMaxError, match="4 rows and 3 columns"):
        CostTable(CLASSES, ("a",), ((0.0,) * 3,) * 3)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OpenMaxError, match=r"cannot read the costs .*gone\.csv"):
        read_costs(tmp_path / "gone.csv", CLASSES)
    (tmp_path / "bytes.csv").write_bytes(b"truth,car\xff")
    with pytest.raises(OpenMaxError, match=r"bytes\.csv: the table of costs is no text in UTF-8"):
        read_costs(tmp_path / "bytes.csv", CLASSES)
    (tmp_path / "large.csv").write_bytes(b"a" * ((4 << 20) + 1))
    with pytest.raises(OpenMaxError, match="at most 4 MB"):
        read_costs(tmp_path / "large.csv", CLASSES)


def test_a_table_of_other_classes_is_refused(table) -> None:
    with pytest.raises(OpenMaxError, match="make the table again"):
        table.for_classes(("truck", "car"))
    assert table.for_classes(CLASSES) is table


@pytest.mark.parametrize(
    "change",
    [{"table": None}, {"table": {}}, {"unknown_share": 2}, {"other": 1}],
)
def test_a_stored_objective_that_is_none_is_refused(table, change) -> None:
    with pytest.raises(OpenMaxError):
        objective_from_dict(LeastTableCost(table).to_dict() | change)
    given = LeastTableCost(table).to_dict()
    del given["table"]
    with pytest.raises(OpenMaxError, match="has no table"):
        objective_from_dict(given)


def test_a_point_keeps_the_table_and_its_cost(table, tmp_path: Path) -> None:
    point = made_up(2).choose(LeastTableCost(table, 0.2))
    point.save(tmp_path / "point.json")
    assert OperatingPoint.load(tmp_path / "point.json") == point
    assert point.chosen_for == LeastTableCost(table, 0.2)
