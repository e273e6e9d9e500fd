"""Objectives: the best of all thresholds in a plain loop with fractions, and their descriptions."""

import json
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from openmax_core import NoFeasibleThresholdError, OpenMaxError
from openmax_core.tradeoff.objectives import (
    OBJECTIVES,
    AtMostLost,
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
    objective_from_dict,
    per_picture,
)
from openmax_core.tradeoff.outcomes import Outcomes
from tests.support.choices import (
    EACH_IDS,
    ONE_OF_EACH,
    Wanted,
    balanced,
    fewest_known_rejected,
    least_cost,
    most_rejected,
    most_right,
    wanted,
    without_reject_set,
)
from tests.support.pictures import ALL_UNKNOWN, NO_REJECT, WORKED, Counts, Pictures, pictures

# --- choosing ------------------------------------------------------------------------------------


def check_choice(sets: Pictures, want: Wanted) -> None:
    """What is chosen is what trying every threshold finds, or what comes nearest to it."""
    states = [sets.counts(threshold) for threshold in sets.all_thresholds()]
    expected = states[want.best(states)]
    if not want.is_met(expected):
        with pytest.raises(NoFeasibleThresholdError) as caught:
            sets.curve().choose(want.objective)
        point = caught.value.nearest
        assert point is not None
    else:
        point = sets.curve().choose(want.objective)
    assert sets.counts(point.threshold) == expected
    assert tuple(point.counts.values()) == expected
    assert point.chosen_for == want.objective


@settings(max_examples=400)
@given(pictures(min_test=1, min_reject=1), wanted)
@example(WORKED, most_right(Fraction("0.9")))
@example(ALL_UNKNOWN, fewest_known_rejected(Fraction("0.05")))
@example(ALL_UNKNOWN, most_rejected(Fraction("0.05")))
@example(ALL_UNKNOWN, balanced())
def test_the_chosen_threshold_is_the_best_of_all(sets, want):
    check_choice(sets, want)


@settings(max_examples=100)
@given(pictures(min_test=1).map(lambda sets: replace(sets, reject=[])), without_reject_set)
@example(NO_REJECT, fewest_known_rejected(Fraction("0.5")))
def test_without_a_reject_set_the_most_knowns_are_rejected_that_may_be(sets, want):
    check_choice(sets, want)


@pytest.mark.parametrize(
    ("objective", "threshold"),
    [
        (MostRejected(0.4), 0.8),
        (MostRight(0.0), 0.5),  # as many right as without a threshold, and one unknown fewer
        (MostRight(0.5), 0.5),  # (0.2, 0.5]
        (MostRight(0.75), 0.8),  # (0.5, 0.8]
        (MostRight(1.0), 0.9),  # (0.8, 0.9]
        (FewestKnownRejected(0.2), 0.5),  # the one for which 'unknown' won
        (FewestKnownRejected(0.4), 0.8),
        (FewestKnownRejected(0.8), 0.9),
        (Balanced(), 0.9),  # 0.2 and 1; 0.4 and 0.75 are less
        (LeastCost(1, 1, 0, 0.5), 0.0),  # every threshold costs a known: none at all
        (LeastCost(1, 1, 100, 0.5), 0.9),
        (LeastCost(1, 1, 100, 0.0), 0.0),  # no unknowns in production
        (LeastCost(0, 0, 0, 0.5), 0.0),  # nothing costs: the most right, the smallest threshold
    ],
)
def test_choices_are_those_worked_by_hand(objective, threshold):
    assert WORKED.curve().choose(objective).threshold == threshold


@dataclass(frozen=True)
class States:
    """Right, wrong and accepted counts of (K,) made-up thresholds on N and M pictures."""

    n_test: int
    n_reject: int
    rows: list[tuple[int, int, int]]

    @property
    def counts(self) -> list[Counts]:
        return [
            Counts(right, wrong, self.n_test - right - wrong, self.n_reject - accepted, accepted)
            for right, wrong, accepted in self.rows
        ]

    @property
    def outcomes(self) -> Outcomes:
        right, wrong, accepted = np.array(self.rows).T
        thresholds = np.arange(len(self.rows)) / 10
        return Outcomes(thresholds, right, wrong, accepted, self.n_test, self.n_reject)


@st.composite
def states_(draw: st.DrawFn, min_reject: int = 1, length: int | None = None) -> States:
    n_test, n_reject = draw(st.integers(1, 30)), draw(st.integers(min_reject, 30))
    rows = []
    for _ in range(draw(st.integers(1, 8)) if length is None else length):
        right = draw(st.integers(0, n_test))
        wrong = draw(st.integers(0, n_test - right))
        rows.append((right, wrong, draw(st.integers(0, n_reject))))
    return States(n_test, n_reject, rows)


@settings(max_examples=300)
@given(states_(), wanted)
def test_the_chosen_index_is_the_first_of_the_best(states, want):
    assert int(want.objective.choose(states.outcomes)) == want.best(states.counts)


@pytest.mark.parametrize(
    ("states", "want"),
    [
        # 8/12 + 1/2 and 2/12 + 2/2: the same mean, but not in floats.
        (States(12, 2, [(8, 0, 1), (2, 0, 0)]), balanced()),
        # 0.9 · 1/3 + 0.1 · 5 · 3/5 and 0.9 · 2/3 + 0: the same cost, but not in floats.
        (
            States(3, 5, [(2, 0, 3), (1, 0, 0)]),
            least_cost(Fraction(1), Fraction(1), Fraction(5), Fraction("0.1")),
        ),
    ],
    ids=["balanced", "least cost"],
)
def test_equals_that_are_rounded_differently_are_equal(states, want):
    """Of equals the one with more right is chosen, in whichever order they come."""
    assert want.value(states.counts[0]) == want.value(states.counts[1])
    assert int(want.objective.choose(states.outcomes)) == 0
    turned = replace(states, rows=states.rows[::-1])
    assert int(want.objective.choose(turned.outcomes)) == 1


@pytest.mark.parametrize("want", [balanced(), least_cost(*map(Fraction, ("1", "1", "5", "0.1")))])
def test_one_picture_in_a_million_decides(want):
    million = 10**6
    states = States(million, million, [(900_000, 0, 99_999), (900_001, 0, 100_000), (0, 0, 0)])
    assert int(want.objective.choose(states.outcomes)) == want.best(states.counts)


@settings(max_examples=100)
@given(st.data(), wanted, st.integers(1, 6))
def test_resamples_are_chosen_on_as_one_by_one(data, want, length):
    first = data.draw(states_(length=length))
    rows = [first.rows]
    for _ in range(3):
        right = [min(a + data.draw(st.integers(0, 3)), first.n_test) for a, _, _ in first.rows]
        accepted = [max(a - data.draw(st.integers(0, 3)), 0) for _, _, a in first.rows]
        rows.append([(r, 0, a) for r, a in zip(right, accepted, strict=True)])
    each = [replace(first, rows=item) for item in rows]
    stacked = Outcomes(
        each[0].outcomes.thresholds,
        np.stack([item.outcomes.correct for item in each]),
        np.stack([item.outcomes.wrong for item in each]),
        np.stack([item.outcomes.accepted_unknown for item in each]),
        first.n_test,
        first.n_reject,
    )
    chosen = want.objective.choose(stacked)
    assert chosen.shape == (4,)
    assert chosen.tolist() == [int(want.objective.choose(item.outcomes)) for item in each]
    assert chosen.tolist() == [want.best(item.counts) for item in each]
    met = want.objective.feasible(stacked)
    assert met.tolist() == [[want.is_met(counts) for counts in item.counts] for item in each]


# --- linear figures ------------------------------------------------------------------------------


def check_weights(want: Wanted, states: States) -> None:
    """Value and slack are weighted counts, and a constant; both as fractions say."""
    outcomes, objective = states.outcomes, want.objective
    for figure, reference in ((objective.value, want.value), (objective.slack, want.slack)):
        exact = [float(reference(counts)) for counts in states.counts]
        assert_allclose(figure(outcomes), exact, rtol=1e-12, atol=1e-12)
        correct, wrong, accepted = per_picture(figure, states.n_test, states.n_reject)
        weighted = (
            correct * outcomes.correct
            + wrong * outcomes.wrong
            + accepted * outcomes.accepted_unknown
        )
        assert_allclose(np.ptp(figure(outcomes) - weighted), 0, atol=1e-12)


@settings(max_examples=200)
@given(states_(), wanted)
def test_value_and_slack_are_weighted_counts(states, want):
    check_weights(want, states)


@settings(max_examples=100)
@given(states_(), without_reject_set)
def test_value_and_slack_are_weighted_counts_without_a_reject_set(states, want):
    rows = [(right, wrong, 0) for right, wrong, _ in states.rows]
    check_weights(want, replace(states, n_reject=0, rows=rows))


# --- empty sets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("want", ONE_OF_EACH, ids=EACH_IDS)
def test_nothing_can_be_chosen_without_test_pictures(want):
    problem = "there are no test pictures to choose on"
    assert want.objective.problem(0, 5) == problem
    assert want.objective.problem(0, 0) == problem
    sets = Pictures(test=[], reject=[(0.3, 0)])
    with pytest.raises(NoFeasibleThresholdError) as caught:
        sets.curve().choose(want.objective)
    assert str(caught.value) == problem
    assert caught.value.nearest is None


@pytest.mark.parametrize("objective", [MostRejected(0.5), FewestKnownRejected(0.5)])
def test_some_objectives_need_no_reject_set(objective):
    assert objective.problem(3, 0) == ""
    assert objective.problem(3, 2) == ""
    assert NO_REJECT.curve().choose(objective).reject_accuracy is None


@pytest.mark.parametrize("objective", [MostRight(0.0), Balanced(), LeastCost()])
def test_others_say_that_there_is_no_reject_set(objective):
    problem = "there is no reject set, which this objective is counted on"
    assert objective.problem(3, 0) == problem
    assert objective.problem(3, 1) == ""
    with pytest.raises(NoFeasibleThresholdError) as caught:
        NO_REJECT.curve().choose(objective)
    assert str(caught.value) == problem
    assert caught.value.nearest is None


# --- in words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objective", "in_words", "requirement"),
    [
        (
            MostRejected(0.85),
            "the best Reject accuracy with Test accuracy ≥ 85.0 %",
            "Test accuracy ≥ 85.0 %",
        ),
        (
            AtMostLost(0.05, 0.844),
            "the best Reject accuracy with at most 5 points lost against a Test accuracy of 84.4 %",
            "at most 5 points lost against a Test accuracy of 84.4 %",
        ),
        (
            MostRight(0.9),
            "the best Test accuracy with Reject accuracy ≥ 90.0 %",
            "Reject accuracy ≥ 90.0 %",
        ),
        (
            FewestKnownRejected(0.07),
            "the best Reject accuracy with knowns rejected ≤ 7.0 %",
            "knowns rejected ≤ 7.0 %",
        ),
        (Balanced(), "the best mean of Test accuracy and Reject accuracy", ""),
        (
            LeastCost(1, 0.5, 20, 0.07),
            "the least expected cost (wrong known 1, rejected known 0.5, accepted unknown 20, "
            "7.0 % unknowns)",
            "",
        ),
    ],
    ids=EACH_IDS,
)
def test_an_objective_says_what_it_wants(objective, in_words, requirement):
    assert (objective.in_words, objective.requirement) == (in_words, requirement)


@pytest.mark.parametrize(
    ("objective", "what_it_has"),
    [
        (MostRejected(0.85), "Test accuracy 60.0 % (3 of 5)"),
        (AtMostLost(0.1, 0.9), "Test accuracy 60.0 % (3 of 5)"),
        (FewestKnownRejected(0.1), "knowns rejected 20.0 % (1 of 5)"),
    ],
)
def test_an_objective_out_of_reach_says_what_the_nearest_has(objective, what_it_has):
    with pytest.raises(NoFeasibleThresholdError) as caught:
        WORKED.curve().choose(objective)
    assert str(caught.value).endswith(f"; the nearest, threshold 0.5, has {what_it_has}")
    assert objective.requirement in str(caught.value)


def test_the_most_unknowns_are_always_rejected_above_all_scores():
    outcome = WORKED.curve().outcome(1.0)
    assert MostRight(1.0).reached(outcome) == "Reject accuracy 100.0 % (4 of 4)"
    assert WORKED.curve().choose(MostRight(1.0)).reject_accuracy == 1.0


def test_without_reject_pictures_no_word_is_said_about_their_share():
    assert MostRejected(0.85).in_words_on(0) == "the highest threshold with Test accuracy ≥ 85.0 %"
    assert "Reject accuracy" not in FewestKnownRejected(0.05).in_words_on(0)
    assert MostRejected(0.85).in_words_on(1) == MostRejected(0.85).in_words


# --- as JSON -------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    st.one_of(
        st.builds(MostRejected, st.floats(0, 1)),
        st.builds(AtMostLost, st.floats(0, 1), st.floats(0, 1)),
        st.builds(MostRight, st.floats(0, 1)),
        st.builds(FewestKnownRejected, st.floats(0, 1)),
        st.builds(Balanced),
        st.builds(LeastCost, *[st.floats(0, 1e9)] * 3, st.floats(0, 1)),
    )
)
def test_an_objective_comes_back_exactly(objective):
    assert objective_from_dict(json.loads(json.dumps(objective.to_dict()))) == objective


@pytest.mark.parametrize("want", ONE_OF_EACH, ids=EACH_IDS)
def test_every_kind_is_listed_under_its_name(want):
    objective = want.objective
    assert OBJECTIVES[objective.kind] is type(objective)
    assert objective.to_dict()["kind"] == objective.kind
    # One more has a table of costs.
    assert len(OBJECTIVES) == len(ONE_OF_EACH) + 1


def test_numbers_that_are_not_given_are_the_usual_ones():
    assert objective_from_dict({"kind": "max_reject_accuracy"}) == MostRejected(0.85)
    assert objective_from_dict({"kind": "max_test_accuracy"}) == MostRight(0.9)
    assert objective_from_dict({"kind": "max_rejected_known"}) == FewestKnownRejected(0.05)
    assert objective_from_dict({"kind": "balanced"}) == Balanced()
    assert objective_from_dict({"kind": "least_cost"}) == LeastCost(1.0, 1.0, 5.0, 0.1)


def test_a_dictionary_is_not_changed_by_reading_it():
    values = {"kind": "max_reject_accuracy", "min_test_accuracy": 0.5}
    objective_from_dict(values)
    assert values == {"kind": "max_reject_accuracy", "min_test_accuracy": 0.5}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "no objective 'None'; there are max_reject_accuracy, max_lost_test_accuracy, "),
        ({"kind": "best"}, "no objective 'best'; there are max_reject_accuracy, "),
        ({"kind": ["balanced"]}, r"no objective '\['balanced'\]'; there are "),
        ({"kind": "balanced", "floor": 0.5}, "the objective 'balanced' has no number 'floor'"),
        (
            {"kind": "max_test_accuracy", "min_test_accuracy": 0.5},
            "the objective 'max_test_accuracy' has no number 'min_test_accuracy'",
        ),
        ({"kind": "max_reject_accuracy", "min_test_accuracy": "0.5"}, "from 0 to 1, not '0.5'"),
        ({"kind": "max_reject_accuracy", "min_test_accuracy": None}, "from 0 to 1, not None"),
        ({"kind": "max_reject_accuracy", "min_test_accuracy": True}, "from 0 to 1, not True"),
        ({"kind": "max_reject_accuracy", "min_test_accuracy": math.nan}, "from 0 to 1, not nan"),
        ({"kind": "max_reject_accuracy", "min_test_accuracy": -0.1}, "from 0 to 1, not -0.1"),
        ({"kind": "max_reject_accuracy", "min_test_accuracy": 85}, "from 0 to 1, not 85"),
        ({"kind": "max_test_accuracy", "min_reject_accuracy": 1.1}, "from 0 to 1, not 1.1"),
        ({"kind": "max_rejected_known", "max_rejected_known": 5}, "from 0 to 1, not 5"),
        ({"kind": "least_cost", "unknown_share": 2}, "unknown_share must be a number from 0 to 1"),
        ({"kind": "least_cost", "wrong_known": -1}, "wrong_known must be a number from 0, not -1"),
        ({"kind": "least_cost", "rejected_known": math.inf}, "rejected_known .* from 0, not inf"),
        ({"kind": "least_cost", "accepted_unknown": [5]}, r"accepted_unknown .*, not \[5\]"),
    ],
)
def test_what_is_no_objective_is_an_error_that_names_it(values: dict[str, Any], message: str):
    with pytest.raises(OpenMaxError, match=message):
        objective_from_dict(values)


def test_whole_numbers_are_numbers():
    values = {"kind": "least_cost", "wrong_known": 2, "unknown_share": 1}
    assert objective_from_dict(values) == LeastCost(2.0, 1.0, 5.0, 1.0)
