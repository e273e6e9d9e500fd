"""Kinds of unknowns with a share in production each, and what is weighted by them."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from openmax_core import NoFeasibleThresholdError, OpenMaxError, TradeoffCurve
from openmax_core.tradeoff.class_thresholds import choose_class_thresholds, measure_gain
from openmax_core.tradeoff.intervals import INTERVALS, weighted_bounds
from openmax_core.tradeoff.kinds import (
    NO_FOLDER,
    KindCount,
    Kinds,
    Mix,
    kind_of,
    mix_of,
    parse_kinds,
)
from openmax_core.tradeoff.objectives import (
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
    Objective,
)
from openmax_core.tradeoff.outcomes import Outcomes
from openmax_core.tradeoff.resampling import (
    bootstrap_choices,
    choose_on_half,
    split_in_halves,
)
from openmax_core.tradeoff.sweep import sweep_table

OBJECTIVES = (
    MostRejected(0.4),
    MostRight(0.6),
    FewestKnownRejected(0.2),
    Balanced(),
    LeastCost(1, 2, 5, 0.3),
)


def made_up(seed: int, n_test: int = 40, n_reject: int = 30, n_kinds: int = 3) -> TradeoffCurve:
    """A curve with ties, and kinds of very different difficulty."""
    generator = np.random.default_rng(seed)
    of = np.concatenate([np.arange(n_kinds), generator.integers(0, n_kinds, n_reject - n_kinds)])
    return TradeoffCurve(
        generator.integers(3, 14, n_test) / 10,
        generator.integers(0, 4, n_test),
        generator.integers(0, 3, n_test),
        generator.integers(0, 10, n_reject) / 10 + 0.3 * of,
        generator.integers(0, 4, n_reject),
        3,
        Kinds(tuple("abc"[:n_kinds]), of),
    )


def mixed(curve: TradeoffCurve, **shares: float) -> TradeoffCurve:
    assert curve.kinds is not None
    return curve.with_kinds(curve.kinds, Mix.of(shares, curve.kinds.sizes))


def weighted(curve: TradeoffCurve, threshold: float, shares: dict[str, float]) -> float:
    """Weighted Reject accuracy, kind by kind."""
    assert curve.kinds is not None
    total = 0.0
    for index, name in enumerate(curve.kinds.names):
        own = curve.kinds.of == index
        rejected = (curve.reject_predictions[own] == 3) | (curve.reject_scores[own] < threshold)
        total += shares.get(name, 0.0) / sum(shares.values()) * rejected.mean()
    return total


# --- what is counted ------------------------------------------------------------------------------


@given(st.integers(0, 50), st.floats(0.1, 9), st.floats(0, 9))
@settings(max_examples=30)
def test_the_weighted_reject_accuracy_is_that_of_a_loop(seed: int, a: float, b: float) -> None:
    curve = made_up(seed)
    found = mixed(curve, a=a, b=b)
    shares = {"a": a, "b": b}
    for threshold in (-1.0, 0.3, 0.55, 0.9, 3.0):
        expected = weighted(curve, threshold, shares)
        assert found.reject_accuracy(threshold) == pytest.approx(expected)
        outcome = found.outcome(threshold)
        assert outcome.reject_accuracy == pytest.approx(expected)
        # Counts stay counts.
        assert outcome.rejected_unknown == curve.outcome(threshold).rejected_unknown
        assert sum(outcome.rejected_by_kind) == outcome.rejected_unknown
    assert np.shape(found.reject_accuracy(np.array([0.3, 0.5]))) == (2,)
    assert found.reject_accuracy(3.0) == 1.0


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda item: item.kind)
@pytest.mark.parametrize("seed", range(4))
def test_the_best_threshold_is_the_best_of_all(objective: Objective, seed: int) -> None:
    """Every threshold tried, one by one, by the weighted figures."""
    curve, shares = made_up(seed), {"a": 1.0, "c": 4.0}
    found = mixed(curve, **shares)

    def figures(threshold: float) -> tuple[float, float]:
        known = curve.outcome(threshold)
        test = known.correct / known.n_test
        wrong, rejected = known.wrong / known.n_test, known.rejected_known / known.n_test
        reject = weighted(curve, threshold, shares)
        if isinstance(objective, MostRejected):
            return reject, test - 0.4
        if isinstance(objective, FewestKnownRejected):
            return reject, 0.2 - rejected
        if isinstance(objective, MostRight):
            return test, reject - 0.6
        if isinstance(objective, Balanced):
            return (test + reject) / 2, 0.0
        return -(0.7 * (wrong + 2 * rejected) + 0.3 * 5 * (1 - reject)), 0.0

    tried = [figures(threshold) for threshold in curve.thresholds.tolist()]
    allowed = [value for value, slack in tried if slack >= -1e-12]
    try:
        point = found.choose(objective)
    except NoFeasibleThresholdError:
        assert not allowed
        return
    value, slack = figures(point.threshold)
    assert value == pytest.approx(max(allowed))
    assert slack >= -1e-12
    assert point.reject_accuracy == pytest.approx(weighted(curve, point.threshold, shares))
    assert point.kinds is not None
    assert [item.share for item in point.kinds] == [0.2, 0.0, 0.8]


def test_without_shares_nothing_changes_to_the_last_bit() -> None:
    curve = made_up(1)
    plain = TradeoffCurve(
        curve.test_scores,
        curve.test_predictions,
        curve.test_labels,
        curve.reject_scores,
        curve.reject_predictions,
        3,
    )
    for objective in OBJECTIVES:
        try:
            expected = plain.choose(objective)
        except NoFeasibleThresholdError:
            continue
        assert curve.choose(objective) == expected
        assert expected.kinds is None
        np.testing.assert_array_equal(
            bootstrap_choices(curve, objective, 20).thresholds,
            bootstrap_choices(plain, objective, 20).thresholds,
        )
    assert sweep_table(curve, [0.3, 0.7]).equals(sweep_table(plain, [0.3, 0.7]))


def test_shares_as_in_the_reject_set_weight_nothing() -> None:
    curve = made_up(2)
    assert curve.kinds is not None
    same = mixed(curve, **{name: float(size) for name, size in curve.kinds.sizes.items()})
    np.testing.assert_allclose(
        same.all_outcomes.reject_accuracy, curve.all_outcomes.reject_accuracy
    )
    np.testing.assert_allclose(same.reject_weights, 1)


def test_one_kind_alone_is_counted_as_if_there_were_no_other() -> None:
    curve = made_up(3)
    assert curve.kinds is not None
    alone = mixed(curve, b=7)
    only = curve.subset(np.ones(40, dtype=bool), curve.kinds.of == 1)
    for threshold in (0.3, 0.6, 0.9):
        assert alone.reject_accuracy(threshold) == only.reject_accuracy(threshold)
        for kind in INTERVALS:
            found = alone.outcome(threshold).reject_interval(kind)
            assert found == only.outcome(threshold).reject_interval(kind)


def test_the_table_has_the_weighted_figures_and_their_intervals() -> None:
    curve = mixed(made_up(4), a=1, b=1)
    table = sweep_table(curve, [0.4, 0.8], "Clopper–Pearson")
    for row in table.to_dict(orient="records"):
        outcome = curve.outcome(row["threshold"])
        assert row["reject_accuracy"] == outcome.reject_accuracy
        bounds = outcome.reject_interval("Clopper–Pearson")
        assert (row["reject_low"], row["reject_high"]) == (bounds.low, bounds.high)
        assert row["rejected_unknown"] == outcome.rejected_unknown


# --- further choices ------------------------------------------------------------------------------


def test_halves_have_every_kind_and_one_picture_cannot_be_halved() -> None:
    curve = mixed(made_up(5), a=1, c=1)
    for half in split_in_halves(curve):
        assert half.mix is not None
        assert half.mix.shares == curve.mix.shares  # type: ignore[union-attr]
        assert all(half.mix.sizes)
    chosen = choose_on_half(curve, Balanced())
    assert 0 <= chosen.reported.reject_accuracy <= 1
    kinds = Kinds(("few", "many"), np.array([0, *[1] * 29]))
    few = made_up(5).with_kinds(kinds, Mix.of({"few": 1, "many": 1}, kinds.sizes))
    with pytest.raises(NoFeasibleThresholdError, match="only one picture of the kind 'few'"):
        choose_on_half(few, Balanced())
    unexpected = few.with_kinds(kinds, Mix.of({"many": 1}, kinds.sizes))
    assert choose_on_half(unexpected, Balanced())


def test_resamples_draw_each_kind_by_itself() -> None:
    """With one kind alone they choose as with its pictures alone, in distribution."""
    curve = made_up(6, n_reject=200)
    assert curve.kinds is not None
    only = curve.subset(np.ones(40, dtype=bool), curve.kinds.of == 2)
    one = bootstrap_choices(mixed(curve, c=1), Balanced(), 200).quantiles(0.25, 0.5, 0.75)
    other = bootstrap_choices(only, Balanced(), 200).quantiles(0.25, 0.5, 0.75)
    np.testing.assert_allclose(one, other, atol=0.1)


@pytest.mark.parametrize("objective", [MostRejected(0.2), Balanced(), LeastCost(1, 1, 5, 0.4)])
def test_thresholds_per_class_are_never_worse_by_the_weighted_figure(objective: Objective) -> None:
    curve = mixed(made_up(7, 120, 90), a=1, b=5)
    single = curve.choose(objective)
    chosen = choose_class_thresholds(curve, objective)
    both = objective.value(Outcomes.of(chosen.outcome, single.outcome))
    assert both[0] >= both[1]
    assert objective.is_met(chosen.outcome)
    gain = measure_gain(curve, objective)
    assert math.isfinite(gain.value.value)
    assert gain.value.interval.low <= gain.value.value <= gain.value.interval.high


def test_thresholds_per_class_are_found_by_trying_all() -> None:
    """Two classes, few pictures: every pair of thresholds."""
    generator = np.random.default_rng(8)
    of = generator.integers(0, 2, 14)
    curve = TradeoffCurve(
        generator.integers(0, 6, 12) / 5,
        generator.integers(0, 2, 12),
        generator.integers(0, 2, 12),
        generator.integers(0, 6, 14) / 5,
        generator.integers(0, 2, 14),
        2,
        Kinds(("a", "b"), of),
    )
    found = mixed(curve, a=9, b=1)
    best = -np.inf
    for pair in product(np.append(np.arange(6) / 5, 2.0), repeat=2):
        outcome = found.outcome_by_class(np.array(pair), 0.0)
        best = max(best, (outcome.test_accuracy + outcome.reject_accuracy) / 2)
    chosen = choose_class_thresholds(found, Balanced()).outcome
    assert (chosen.test_accuracy + chosen.reject_accuracy) / 2 == pytest.approx(best)


# --- intervals ------------------------------------------------------------------------------------


def coverage(
    rates: tuple[float, ...], sizes: tuple[int, ...], weights: tuple[float, ...], kind: str
) -> float:
    """Exact share of all outcomes in which the interval holds the weighted rate."""
    truth = float(np.dot(rates, weights))
    counts = np.array(list(product(*(range(size + 1) for size in sizes)))).T
    low, high = weighted_bounds(counts, sizes, weights, kind)
    chances = np.prod(
        [binom.pmf(own, size, rate) for own, size, rate in zip(counts, sizes, rates, strict=True)],
        axis=0,
    )
    return float(chances[(low <= truth + 1e-12) & (truth <= high + 1e-12)].sum())


CASES = [((12, 9), (0.7, 0.3)), ((25, 4), (0.2, 0.8)), ((6, 6, 6), (0.5, 0.3, 0.2))]
RATES = (0.02, 0.1, 0.35, 0.6, 0.85, 0.97)


@pytest.mark.parametrize(("sizes", "weights"), CASES)
def test_the_exact_interval_never_covers_less_than_it_says(sizes, weights) -> None:
    """All outcomes with their probabilities: no simulation error."""
    for rates in product(RATES[:: len(sizes) - 1], repeat=len(sizes)):
        assert coverage(rates, sizes, weights, "Clopper–Pearson") >= 0.95


@pytest.mark.parametrize(("sizes", "weights"), CASES)
def test_the_wilson_interval_covers_right_on_average(sizes, weights) -> None:
    found = [
        coverage(rates, sizes, weights, "Wilson")
        for rates in product(RATES[:: len(sizes) - 1], repeat=len(sizes))
    ]
    assert 0.945 <= np.mean(found) <= 0.975
    assert min(found) >= 0.85


@pytest.mark.parametrize("kind", list(INTERVALS))
def test_bounds_lie_around_the_share_and_within_all_shares(kind: str) -> None:
    counts = np.array(list(product(range(5), range(8)))).T
    low, high = weighted_bounds(counts, (4, 7), (0.4, 0.6), kind)
    share = 0.4 * counts[0] / 4 + 0.6 * counts[1] / 7
    assert ((low <= share + 1e-12) & (share <= high + 1e-12) & (low >= 0) & (high <= 1)).all()


@pytest.mark.parametrize("kind", list(INTERVALS))
def test_a_kind_with_a_share_and_no_pictures_has_no_interval(kind: str) -> None:
    low, high = weighted_bounds(np.array([3, 0]), (4, 0), (0.5, 0.5), kind)
    assert math.isnan(low)
    assert math.isnan(high)
    assert math.isnan(Mix(("a", "b"), (0.5, 0.5), (4, 0)).share([3, 0]))
    assert Mix(("a", "b"), (1.0, 0.0), (4, 0)).share([3, 0]) == 0.75


# --- shares ---------------------------------------------------------------------------------------


def test_only_ratios_count() -> None:
    one = Mix.of({"a": 3, "b": 1}, {"a": 5, "b": 6, "c": 7})
    assert one.shares == (0.75, 0.25, 0.0)
    assert one.in_words == "a 75 %, b 25 %"
    assert Mix.of({"a": 75, "b": 25}, {"a": 5, "b": 6, "c": 7}) == one


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"a": -1}, "the share of the kind 'a' must be a number from 0"),
        ({"a": math.nan}, "the share of the kind 'a'"),
        ({"a": math.inf}, "the share of the kind 'a'"),
        ({"a": 0.0}, "are all 0"),
        ({"d": 1}, "no reject pictures of the kind 'd'"),
        ({"c": 1}, "no reject pictures of the kind 'c'"),
        ({"a": 1e308, "b": 1e308}, "from 0 to 1e"),
        ({}, "are all 0"),
    ],
)
def test_shares_that_make_no_mix_are_refused(shares: dict[str, float], words: str) -> None:
    with pytest.raises(OpenMaxError, match=words):
        Mix.of(shares, {"a": 2, "b": 3, "c": 0})


def test_a_kind_without_pictures_may_have_the_share_0() -> None:
    assert Mix.of({"a": 1, "elsewhere": 0}, {"a": 2}).shares == (1.0,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("indoor=3,street=1", {"indoor": 3.0, "street": 1.0}),
        (" in door = 75 % , a=b=25%", {"in door": 75.0, "a=b": 25.0}),
    ],
)
def test_shares_are_read_from_a_text(text: str, expected: dict[str, float]) -> None:
    assert parse_kinds(text) == expected


@pytest.mark.parametrize("text", ["", "indoor", "=3", "a=x", "a=1,", "a=-1", "a=nan", "a=1,a=2"])
def test_a_text_that_is_no_list_of_shares_is_refused(text: str) -> None:
    with pytest.raises(OpenMaxError, match="kinds '"):
        parse_kinds(text)


@pytest.mark.parametrize(
    ("path", "folder"),
    [("no car/1.jpg", "no car"), ("a/b/c.jpg", "a"), ("picture.jpg", NO_FOLDER)],
)
def test_a_kind_is_the_first_folder_below_the_reject_folder(path: str, folder: str) -> None:
    assert kind_of(path) == folder


def test_kinds_are_in_the_order_of_their_names() -> None:
    found = Kinds.from_paths(["b/1.png", "a/2.png", "3.png", "b/4.png"])
    assert found.sizes == {NO_FOLDER: 1, "a": 1, "b": 2}
    assert found.of.tolist() == [2, 1, 0, 2]
    assert Kinds.from_paths([]).sizes == {}


def test_stored_kinds_that_fit_nothing_are_refused() -> None:
    with pytest.raises(OpenMaxError, match="occurs twice"):
        mix_of([KindCount("a", 0.5, 1, 2), KindCount("a", 0.5, 1, 2)])
    with pytest.raises(OpenMaxError, match=r"add up to 0\.9"):
        mix_of([KindCount("a", 0.9, 1, 2)])
    with pytest.raises(OpenMaxError, match="has no pictures"):
        mix_of([KindCount("a", 1.0, 0, 0)])
    with pytest.raises(OpenMaxError, match="rejected of 'a'"):
        KindCount("a", 1.0, 3, 2)
    with pytest.raises(OpenMaxError, match="the share of 'a'"):
        KindCount("a", math.nan, 1, 2)
