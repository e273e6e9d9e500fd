"""What is promised holds: against scipy's exact test, MAPIE and zugzwang, and on new pictures."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mapie.risk_control.fwer_control import control_fwer
from scipy.stats import binom, binomtest, ksone
from zugzwang.core.guarantees.crc import crc_rcps

from openmax_core import NoFeasibleThresholdError, OperatingPoint, TradeoffCurve
from openmax_core.errors import OpenMaxError
from openmax_core.tradeoff.binned import CountedCurve, ScoreCounts, score_edges
from openmax_core.tradeoff.class_thresholds import promise_class_thresholds
from openmax_core.tradeoff.kinds import Kinds, Mix
from openmax_core.tradeoff.objectives import (
    AtMostLost,
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
    Objective,
)
from openmax_core.tradeoff.outcomes import Outcome
from openmax_core.tradeoff.promises import (
    LEVELS,
    NoPromiseError,
    Promise,
    chance_of,
    fewest,
    needed_in_words,
    pictures_needed,
    plans,
)

N_CLASSES = 3


def drawn(n: int, m: int, seed: int, decimals: int = 3, right: float = 0.92) -> TradeoffCurve:
    """Pictures of one population: knowns score higher; scores are rounded, so that many tie."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, N_CLASSES, n)
    is_right = generator.random(n) < right
    predictions = np.where(is_right, labels, (labels + 1) % N_CLASSES)
    predictions[generator.random(n) < 0.02] = N_CLASSES  # 'unknown' won
    return TradeoffCurve(
        generator.beta(5, 2, n).round(decimals),
        predictions,
        labels,
        generator.beta(2, 3, m).round(decimals),
        generator.integers(0, N_CLASSES + 1, m),
        N_CLASSES,
    )


@pytest.fixture(scope="module")
def curve() -> TradeoffCurve:
    return drawn(200, 150, seed=1)


# --- the smallest count --------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("least", [0.0, 0.5, 0.85, 0.95, 1.0])
@pytest.mark.parametrize("n", [0, 1, 28, 29, 58, 59, 200])
def test_the_smallest_count_is_the_first_whose_exact_bound_reaches_the_share(n, least, level):
    bounds = [
        binomtest(k, n, alternative="greater").proportion_ci(level, method="exact").low
        for k in range(n + 1)
        if n
    ]
    expected = next((k for k, low in enumerate(bounds) if low >= least), n + 1)
    if least == 0:  # every share is at least that
        expected = 0
    assert fewest(n, least, level) == expected


@given(st.integers(1, 60), st.integers(1, 19), st.sampled_from(["0.9", "0.95", "0.99"]))
def test_one_picture_fewer_would_break_the_promise_too_often(n, twentieths, level):
    least, allowed = Fraction(twentieths, 20), 1 - Fraction(level)

    def chance(count: int) -> Fraction:
        return sum(
            (comb(n, k) * least**k * (1 - least) ** (n - k) for k in range(count, n + 1)),
            Fraction(0),
        )

    k = int(fewest(n, float(least), float(level)))
    assert chance(k) <= allowed < chance(k - 1)


def test_many_numbers_of_pictures_are_looked_up_at_once():
    sizes = np.array([[5, 50], [500, 5_000_000]])
    together = fewest(sizes, 0.85, 0.95)
    assert together.shape == (2, 2)
    assert together.tolist() == [[int(fewest(n, 0.85, 0.95)) for n in row] for row in sizes]


# --- a floor or a ceiling ------------------------------------------------------------------------


def kept_counts(curve: TradeoffCurve, objective: Objective) -> tuple[list[int], int, float]:
    """Pictures in the state that must be kept, at every threshold; of how many; the share."""
    states = [curve.outcome(float(t)) for t in curve.thresholds]
    match objective:
        case MostRejected(min_test_accuracy=share):
            return [state.correct for state in states], curve.n_test, share
        case AtMostLost(max_lost=share):
            lost = [states[0].correct - state.correct for state in states]
            return [curve.n_test - count for count in lost], curve.n_test, 1 - share
        case FewestKnownRejected(max_rejected_known=share):
            kept = [state.correct + state.wrong for state in states]
            return kept, curve.n_test, 1 - share
        case MostRight(min_reject_accuracy=share):
            return [state.rejected_unknown for state in states], curve.n_reject, share
    raise AssertionError(objective)


CONSTRAINED = [
    MostRejected(0.8),
    MostRejected(0.85),
    AtMostLost(0.05, 0.5),  # against is counted on the curve's own pictures
    FewestKnownRejected(0.1),
    MostRight(0.5),
    MostRight(0.75),
]


@pytest.mark.parametrize("objective", CONSTRAINED, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_the_promised_threshold_is_that_of_mapies_fixed_sequence_of_exact_tests(objective, seed):
    curve = drawn(150, 120, seed)
    counts, n, share = kept_counts(curve, objective)
    p_values = [binomtest(k, n, share, alternative="greater").pvalue for k in counts]
    # From the threshold that keeps all to the one that keeps none.
    order = range(len(counts))
    if isinstance(objective, MostRight):
        order = order[::-1]
    accepted = control_fwer(np.array([p_values[i] for i in order]), 0.05, "fixed_sequence")
    if not len(accepted):
        with pytest.raises(NoFeasibleThresholdError):
            curve.choose(objective, confidence=0.95)
        return
    promised = [curve.outcome(float(curve.thresholds[order[i]])) for i in accepted]
    point = curve.choose(objective, confidence=0.95)
    if isinstance(objective, MostRight):
        best = max(promised, key=lambda state: (state.correct, state.rejected_unknown))
    else:
        best = max(promised, key=lambda state: (state.rejected_unknown, state.correct))
    assert replace(point.outcome, threshold=0) == replace(best, threshold=0)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(3))
def test_a_promised_reject_accuracy_is_zugzwangs_certified_rate_of_bad_decisions(seed, level):
    curve = drawn(60, 120, seed, decimals=12)
    # Nobody may accept these; zugzwang spends half of its delta.
    accepted = curve.reject_predictions < N_CLASSES
    certificate = crc_rcps(curve.reject_scores, accepted, 0.4, delta=2 * (1 - level))
    assert certificate.n_errors == 120 - fewest(120, 0.6, level)
    point = curve.choose(MostRight(0.6), level)
    assert point.counts["accepted_unknown"] <= certificate.n_errors
    assert point.test_accuracy >= curve.test_accuracy(certificate.threshold)


def test_the_promise_says_what_from_how_many_pictures_and_how_surely(curve):
    promises = [
        curve.choose(objective, 0.95).promise
        for objective in (
            MostRejected(0.8),
            AtMostLost(0.05),
            FewestKnownRejected(0.1),
            MostRight(0.5),
        )
    ]
    assert [promise.in_words for promise in promises if promise] == [
        "Test accuracy ≥ 80.0 % with 95 % confidence, from 200 pictures",
        "Test accuracy lost ≤ 5.0 points with 95 % confidence, from 200 pictures",
        "knowns rejected ≤ 10.0 % with 95 % confidence, from 200 pictures",
        "Reject accuracy ≥ 50.0 % with 95 % confidence, from 150 pictures",
    ]


def test_best_takes_a_confidence_too(curve):
    point = curve.best(min_test_accuracy=0.8, confidence=0.95)
    assert point == curve.choose(MostRejected(0.8), 0.95)
    assert point.promise == Promise("test_accuracy", 0.8, 0.95, 200, 0)
    assert curve.best(0.8).promise is None


def test_a_higher_confidence_never_rejects_more(curve):
    rejected = [curve.best(0.8, level).reject_accuracy for level in LEVELS]
    assert rejected == sorted(rejected, reverse=True)
    best = curve.best(0.8).reject_accuracy
    assert best is not None
    assert rejected[0] is not None
    assert rejected[0] < best


def test_a_promise_from_counts_is_that_of_the_pictures_at_the_edges_of_the_bins():
    exact = drawn(200, 150, seed=3, decimals=2)
    counts = ScoreCounts.empty(score_edges((0.0, 1.0)))
    counts = counts.with_pictures(
        exact.test_scores, exact.test_predictions, exact.test_labels, N_CLASSES
    ).with_pictures(
        exact.reject_scores, exact.reject_predictions, np.full(exact.n_reject, -1), N_CLASSES
    )
    binned = CountedCurve(counts, N_CLASSES)
    for objective in (*CONSTRAINED, Balanced(), LeastCost()):
        point, other = exact.choose(objective, 0.95), binned.choose(objective, 0.95)
        assert (point.counts, point.promise) == (other.counts, other.promise)


@pytest.mark.parametrize("confidence", [0.0, 0.5, 1.0, 95.0, math.nan])
def test_what_is_no_confidence_is_refused(curve, confidence):
    with pytest.raises(OpenMaxError, match="between 50 % and 100 %"):
        curve.best(0.8, confidence)


# --- a figure without a constraint ---------------------------------------------------------------


def smirnov(n: int, share: float) -> float:
    """Distance that an empirical distribution has in one direction with this probability."""
    return float(ksone.isf(share, n))


def test_the_bound_of_the_mean_is_that_of_both_shares_at_all_thresholds(curve):
    point = curve.choose(Balanced(), 0.95)
    assert point.outcome == curve.choose(Balanced()).outcome  # the same threshold
    assert point.reject_accuracy is not None
    far = (smirnov(200, 0.025) + smirnov(150, 0.025)) / 2
    mean = (point.test_accuracy + point.reject_accuracy) / 2
    assert point.promise is not None
    assert point.promise.bound == pytest.approx(mean - far, abs=1e-12)
    assert point.promise.in_words == (
        f"mean of both accuracies ≥ {math.floor(1000 * (mean - far)) / 10} % with 95 % "
        "confidence, from 200 known and 150 unknown pictures"
    )


@pytest.mark.parametrize(
    ("objective", "far"),
    [
        # Wrong and rejected cost the same: one share of the knowns.
        (LeastCost(1, 1, 5, 0.1), 0.9 * smirnov(200, 0.025) + 0.5 * smirnov(150, 0.025)),
        # Three shares: not right, wrong, accepted unknown; and rejected, not right, …
        (
            LeastCost(3, 1, 5, 0.1),
            0.9 * 3 * smirnov(200, 0.05 / 3) + 0.5 * smirnov(150, 0.05 / 3),
        ),
        (
            LeastCost(1, 3, 5, 0.1),
            0.9 * 3 * smirnov(200, 0.05 / 3) + 0.5 * smirnov(150, 0.05 / 3),
        ),
        (LeastCost(0, 1, 5, 0.5), 0.5 * smirnov(200, 0.025) + 2.5 * smirnov(150, 0.025)),
        # Nobody unknown: nothing depends on the reject set.
        (LeastCost(1, 1, 5, 0.0), smirnov(200, 0.05)),
    ],
    ids=str,
)
def test_the_bound_of_the_cost_takes_the_fewest_and_smallest_shares(curve, objective, far):
    point = curve.choose(objective, 0.95)
    assert point.promise is not None
    cost = objective.cost_of(point.outcome)
    # A share is never below 0 or above 1, so that the bound may be nearer.
    assert cost <= point.promise.bound <= cost + far + 1e-12
    assert point.promise.n_reject == (150 if objective.unknown_share else 0)


def test_no_share_of_a_bound_is_beyond_0_and_1():
    curve = TradeoffCurve([0.9], [0], [0], [0.1], [0], 1)
    point = curve.choose(Balanced(), 0.95)
    assert point.promise is not None
    assert 0 <= point.promise.bound <= 0.5


# --- thresholds per class ------------------------------------------------------------------------


@pytest.mark.parametrize("objective", CONSTRAINED, ids=str)
def test_promised_thresholds_per_class_are_tested_on_the_half_that_did_not_choose_them(objective):
    curve = drawn(400, 300, seed=5)
    chosen = promise_class_thresholds(curve, objective, 0.9)
    assert chosen.promise is not None
    n = 150 if isinstance(objective, MostRight) else 200
    assert n in {chosen.promise.n_test, chosen.promise.n_reject}
    assert chosen.outcome == curve.outcome_by_class(chosen.thresholds, chosen.outcome.threshold)


@pytest.mark.parametrize("objective", [Balanced(), LeastCost()], ids=str)
def test_where_no_valid_promise_exists_it_says_so(curve, objective):
    with pytest.raises(NoPromiseError, match="no valid promise exists for thresholds"):
        promise_class_thresholds(curve, objective, 0.95)


class Curious(MostRejected):
    """An objective whose constraint is no count."""

    def kept(self, outcomes):
        return None


def test_an_objective_without_a_valid_bound_is_never_promised(curve):
    with pytest.raises(NoPromiseError, match="no valid promise exists for the best"):
        curve.choose(Curious(0.5), 0.95)


def test_weighted_kinds_of_unknowns_have_no_promise_of_reject_accuracy(curve):
    kinds = Kinds(("a", "b"), np.arange(150) % 2)
    weighted = curve.with_kinds(kinds, Mix(("a", "b"), (0.75, 0.25), (75, 75)))
    for objective in (MostRight(0.5), Balanced(), LeastCost()):
        with pytest.raises(NoPromiseError, match="where kinds of unknowns are weighted"):
            weighted.choose(objective, 0.95)
    promised = weighted.best(0.8, 0.95)
    assert promised.promise == curve.best(0.8, 0.95).promise


def test_thresholds_per_class_out_of_reach_say_how_many_pictures_are_needed(curve):
    with pytest.raises(NoFeasibleThresholdError, match="not with 100 pictures"):
        promise_class_thresholds(curve, MostRejected(0.85), 0.99)


# --- it holds on new pictures --------------------------------------------------------------------

MANY = drawn(20_000, 20_000, seed=11, decimals=2)


def true_figure(objective: Objective, promise: Promise, state: Outcome) -> float:
    """What is promised, of all the pictures that there are."""
    match promise.figure:
        case "test_accuracy":
            return state.test_accuracy
        case "reject_accuracy":
            return state.reject_accuracy
        case "rejected_known":
            return state.rejected_known / state.n_test
        case "lost":
            without = MANY.outcome(0.0).test_accuracy
            return without - state.test_accuracy
        case "mean_accuracy":
            return (state.test_accuracy + state.reject_accuracy) / 2
    assert isinstance(objective, LeastCost)
    return objective.cost_of(state)


@pytest.mark.parametrize(
    "objective",
    [*CONSTRAINED[1:5], Balanced(), LeastCost(2, 1, 5, 0.3)],
    ids=str,
)
def test_at_most_as_many_promises_as_stated_are_broken(objective):
    """Of 150 at 90 %, 27 or more would be broken once in a thousand times, were it exactly 10 %."""
    generator, broken, n_made = np.random.default_rng(0), 0, 0
    for _ in range(150):
        test = np.bincount(generator.integers(0, 20_000, 60), minlength=20_000).astype(bool)
        reject = np.bincount(generator.integers(0, 20_000, 40), minlength=20_000).astype(bool)
        try:
            point = MANY.subset(test, reject).choose(objective, 0.9)
        except NoFeasibleThresholdError:
            continue
        n_made += 1
        assert point.promise is not None
        figure = true_figure(objective, point.promise, MANY.outcome(point.threshold))
        is_held = (
            figure <= point.promise.bound
            if point.promise.is_ceiling
            else (figure >= point.promise.bound)
        )
        broken += not is_held
    assert n_made > 20
    assert binom.isf(0.001, 150, 0.1) >= broken


# --- how many pictures ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "rate", "level"), [(0.85, 0.88, 0.95), (0.95, 1.0, 0.95), (0.5, 0.9, 0.99)]
)
def test_as_many_pictures_as_are_said_are_enough_with_a_chance_of_80_percent(least, rate, level):
    n = pictures_needed(least, rate, level)
    assert n is not None
    k = next(k for k in range(n + 1) if binom.sf(k - 1, n, least) <= 1 - level)
    assert binom.sf(k - 1, n, rate) >= 0.8
    assert chance_of(n, least, rate, level) == pytest.approx(binom.sf(k - 1, n, rate))
    # And with some fewer it is less probable.
    assert chance_of(int(0.8 * n), least, rate, level) < 0.8


def test_the_smallest_number_without_any_miss_is_59():
    assert pictures_needed(0.95, 1.0, 0.95) == 59  # 0.95^59 ≤ 0.05


@pytest.mark.parametrize("rate", [0.85, 0.8])
def test_no_number_is_enough_where_the_share_itself_is_missed(rate):
    assert pictures_needed(0.85, rate, 0.95) is None


def test_hopeless_numbers_are_not_said():
    assert pictures_needed(0.85, 0.85001, 0.95) is None


def test_out_of_reach_says_how_many_pictures_are_needed(curve):
    without = curve.all_outcomes.at(0).test_accuracy
    with pytest.raises(NoFeasibleThresholdError) as caught:
        curve.best(without - 0.02, 0.95)
    told = str(caught.value)
    assert "with 95 % confidence cannot be promised, not with 200 pictures: " in told
    assert "at the observed rate (Test accuracy " in told
    assert "are needed for a chance of 80 %" in told


def test_out_of_reach_for_any_number_says_so(curve):
    words = needed_in_words(MostRejected(0.99), curve.all_outcomes, 0.95)
    assert words.startswith("not with 200 pictures, and at the observed rate (Test accuracy ")
    assert words.endswith(") not with more; ask for less")


def test_a_plan_says_what_is_needed_on_how_many_pictures_and_what_that_leaves(curve):
    objective = MostRejected(0.8)
    found = {plan.n: plan for plan in plans(objective, curve.all_outcomes, 0.95)}
    assert list(found) == [50, 100, 200, 500, 1000, 2000, 5000, 10_000]
    assert found[50].least == 45 / 50
    own = curve.choose(objective, 0.95)
    outcome = found[200].outcome
    assert outcome is not None
    assert (outcome.correct, outcome.rejected_unknown) == (
        own.counts["correct"],
        own.counts["rejected_unknown"],
    )
    rejected = [plan.outcome.rejected_unknown for plan in found.values() if plan.outcome]
    assert rejected == sorted(rejected)


def test_a_plan_names_the_numbers_that_can_never_be_enough(curve):
    first = plans(FewestKnownRejected(0.05), curve.all_outcomes, 0.95)[0]
    assert (first.n, first.outcome) == (50, None)
    assert math.isnan(first.least)
    assert plans(Balanced(), curve.all_outcomes) == []


# --- in a file -----------------------------------------------------------------------------------


def test_a_promise_comes_back_with_its_point(curve, tmp_path):
    point = curve.best(0.8, 0.95)
    point.save(tmp_path / "point.json")
    assert OperatingPoint.load(tmp_path / "point.json") == point


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"figure": "luck"}, "figure must be one of test_accuracy, "),
        ({"bound": 1.5}, "bound must be a share"),
        ({"bound": "0.8"}, "promise.bound must be a number"),
        ({"confidence": 1}, "between 50 % and 100 %"),
        ({"n_test": -1}, "from one picture or more"),
        ({"n_test": 0}, "from one picture or more"),
        ({"sure": True}, "promise.sure is unknown"),
    ],
)
def test_a_promise_that_is_none_is_refused(curve, entry, told):
    values = json.loads(curve.best(0.8, 0.95).to_json())
    values["promise"] |= entry
    with pytest.raises(OpenMaxError) as caught:
        OperatingPoint.from_dict(values)
    assert told in str(caught.value)


@settings(max_examples=50)
@given(st.floats(0, 1), st.sampled_from(["mean_accuracy", "cost"]))
@example(0.0, "cost")
@example(1e-7, "cost")
def test_a_bound_is_rounded_to_the_safe_side(bound, figure):
    words = Promise(figure, bound, 0.95, 9, 9).requirement
    shown = float(words.split()[-1 if figure == "cost" else -2])
    if figure == "cost":
        assert shown >= bound * (1 - 1e-9)
    else:
        assert shown / 100 <= bound + 1e-12


# --- no degenerate advice ------------------------------------------------------------------------


def outcome(correct=90, wrong=5, rejected=5, unknown_rejected=50, unknown_accepted=50) -> Outcome:
    return Outcome(0.5, correct, wrong, rejected, unknown_rejected, unknown_accepted)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (outcome(), ""),
        (outcome(unknown_rejected=1, unknown_accepted=99), ""),
        (
            outcome(unknown_rejected=0, unknown_accepted=100),
            "rejects none of the 100 pictures of unknowns",
        ),
        (
            outcome(unknown_rejected=3, unknown_accepted=997),
            "rejects only 3 of the 1,000 pictures of unknowns",
        ),
        (outcome(8, 2, 90), "rejects 90 of the 100 known pictures"),
        (outcome(9, 2, 89), ""),
        (outcome(95, 5, 0, 0, 0), "rejects none of the 100 known pictures"),
        (outcome(94, 5, 1, 0, 0), ""),
    ],
)
def test_a_threshold_that_rejects_nothing_or_nearly_everything_is_useless(state, why):
    assert state.useless == why
    assert OperatingPoint.of(state).useless == why


def test_a_point_without_counts_is_judged_by_its_shares():
    assert "rejects almost none" in OperatingPoint(0.0, 0.8, 0.0, 5, 5).useless
    assert OperatingPoint(0.0, 0.8, 0.5, 5, 5).useless == ""
    assert OperatingPoint(0.0, 0.8, None, 5, 0).useless == ""


def test_the_floor_is_relative_where_the_absolute_one_is_out_of_reach(curve):
    without = curve.all_outcomes.at(0).test_accuracy
    assert curve.default_objective(0.8) == MostRejected(0.8)
    assert curve.default_objective(0.95) == AtMostLost(0.05, without)
    # It is kept, but by thresholds alone that reject nothing.
    alike = TradeoffCurve([0.5, 0.6], [0, 0], [0, 0], [0.9, 0.9], [0, 0], 1)
    assert alike.default_objective(1.0) == AtMostLost(0.05, 1.0)


def test_without_a_reject_set_few_knowns_may_be_rejected(curve):
    alone = curve.subset(np.ones(200, dtype=bool), np.zeros(150, dtype=bool))
    assert alone.default_objective(0.85) == FewestKnownRejected(0.05)
    point = alone.choose(FewestKnownRejected(0.1), 0.95)
    assert point.reject_accuracy is None
    assert point.promise is not None
    assert "Reject accuracy" not in point.promise.in_words
