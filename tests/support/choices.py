"""What every objective wants, counted in fractions, and the best of some states in a plain loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

from openmax_core.tradeoff.objectives import (
    AtMostLost,
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
    Objective,
)
from tests.support.pictures import Counts


@dataclass(frozen=True)
class Wanted:
    """An objective and, beside it, what its documentation says."""

    objective: Objective
    value: Callable[[Counts], Fraction]
    slack: Callable[[Counts], Fraction] = lambda counts: Fraction(0)
    tie_break: Callable[[Counts], Fraction] = lambda counts: Fraction(counts.right)

    def is_met(self, counts: Counts) -> bool:
        return self.slack(counts) >= 0

    def rank(self, counts: Counts) -> tuple[Fraction, Fraction]:
        """Larger is better, among states that meet the constraint."""
        return self.value(counts), self.tie_break(counts)

    def best(self, states: Sequence[Counts]) -> int:
        """Position of the best state, the first of equals; of the nearest where none is met."""
        allowed = [index for index, counts in enumerate(states) if self.is_met(counts)]
        if not allowed:
            most = max(self.slack(counts) for counts in states)
            allowed = [i for i, counts in enumerate(states) if self.slack(counts) == most]
        best = allowed[0]
        for index in allowed:
            if self.rank(states[index]) > self.rank(states[best]):
                best = index
        return best


def right_share(counts: Counts) -> Fraction:
    return Fraction(counts.right, counts.right + counts.wrong + counts.rejected_known)


def rejected_share(counts: Counts) -> Fraction:
    return Fraction(counts.rejected, counts.rejected + counts.accepted)


def rejected_known_share(counts: Counts) -> Fraction:
    return Fraction(counts.rejected_known, counts.right + counts.wrong + counts.rejected_known)


def rejected_share_if_measured(counts: Counts) -> Fraction:
    """Without a reject set, the knowns that are rejected stand for it."""
    has_reject_set = counts.rejected + counts.accepted
    return rejected_share(counts) if has_reject_set else rejected_known_share(counts)


def most_rejected(floor: Fraction) -> Wanted:
    return Wanted(
        MostRejected(float(floor)),
        rejected_share_if_measured,
        lambda counts: right_share(counts) - floor,
    )


def at_most_lost(most: Fraction, against: Fraction) -> Wanted:
    return Wanted(
        AtMostLost(float(most), float(against)),
        rejected_share_if_measured,
        lambda counts: right_share(counts) - against + most,
    )


def most_right(floor: Fraction) -> Wanted:
    return Wanted(
        MostRight(float(floor)),
        right_share,
        lambda counts: rejected_share(counts) - floor,
        lambda counts: Fraction(counts.rejected),
    )


def fewest_known_rejected(most: Fraction) -> Wanted:
    return Wanted(
        FewestKnownRejected(float(most)),
        rejected_share_if_measured,
        lambda counts: most - rejected_known_share(counts),
    )


def balanced() -> Wanted:
    return Wanted(Balanced(), lambda counts: (right_share(counts) + rejected_share(counts)) / 2)


def least_cost(
    wrong: Fraction, rejected: Fraction, accepted: Fraction, unknown_share: Fraction
) -> Wanted:
    def value(counts: Counts) -> Fraction:
        n_test = counts.right + counts.wrong + counts.rejected_known
        n_reject = counts.rejected + counts.accepted
        known = (wrong * counts.wrong + rejected * counts.rejected_known) / n_test
        unknown = accepted * counts.accepted / n_reject
        return -((1 - unknown_share) * known + unknown_share * unknown)

    numbers = (float(number) for number in (wrong, rejected, accepted, unknown_share))
    return Wanted(LeastCost(*numbers), value)


shares = st.sampled_from(
    [Fraction(text) for text in ("0", "0.05", "0.1", "1/3", "0.5", "0.6", "0.85", "0.9", "1")]
)
costs = st.sampled_from([Fraction(text) for text in ("0", "0.5", "1", "3", "5", "20")])
without_reject_set = st.one_of(
    st.builds(most_rejected, shares),
    st.builds(at_most_lost, shares, shares),
    st.builds(fewest_known_rejected, shares),
)
constrained = st.one_of(without_reject_set, st.builds(most_right, shares))
unconstrained = st.one_of(st.builds(balanced), st.builds(least_cost, costs, costs, costs, shares))
wanted = st.one_of(constrained, unconstrained)

ONE_OF_EACH = [
    most_rejected(Fraction("0.85")),
    at_most_lost(Fraction("0.05"), Fraction("0.844")),
    most_right(Fraction("0.9")),
    fewest_known_rejected(Fraction("0.05")),
    balanced(),
    least_cost(Fraction(2), Fraction("0.5"), Fraction(5), Fraction("0.1")),
]
EACH_IDS = [item.objective.kind for item in ONE_OF_EACH]
