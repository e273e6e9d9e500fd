"""What a threshold is chosen for: what is to be largest, and what must hold.

Every objective is linear in three shares, with N test and M reject pictures:

    Test accuracy = correct / N,   wrong / N,   accepted unknowns / M

so the same objective chooses one threshold (:meth:`Objective.choose`), is repeated over resamples,
and splits into one small problem a class for thresholds per class
(:mod:`openmax_core.tradeoff.class_thresholds`).
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.support.shares import counted, exact_percent, percent
from openmax_core.tradeoff.cost_table import CostTable
from openmax_core.tradeoff.outcomes import Outcome, Outcomes

# Relative. Figures that are sums of shares round differently where they are equal.
ROUNDING = 1e-14


@dataclass(frozen=True)
class Kept:
    """A constraint as a count: at least a share of the pictures of one set must be in a state.

    Attributes
    ----------
    figure : what it is of, a name in :data:`openmax_core.tradeoff.promises.FIGURES`
    least : share of the pictures that must be in the state
    count : (…, K) int, pictures in the state; it changes in one direction with the threshold
    n : pictures of the set
    """

    figure: str
    least: float
    count: Int
    n: int


class Objective(ABC):
    """Base of all objectives; each is a frozen dataclass of its numbers."""

    kind: ClassVar[str]
    needs_reject_set: ClassVar[bool] = True
    gain_name: ClassVar[str] = "Reject accuracy"
    gain_is_share: ClassVar[bool] = True
    costs: ClassVar[frozenset[str]] = frozenset()  # numbers of any size; all others are shares
    # Name of the figure in promises.FIGURES, where a valid bound of it holds at every threshold.
    bounded: ClassVar[str] = ""

    @property
    def in_words(self) -> str:
        """The objective as a sentence's end: 'the best Reject accuracy with …'."""
        return f"the best {self.gain_name} with {self.requirement}"

    def in_words_on(self, n_reject: int) -> str:
        """The same for a number of reject pictures: without any, no word about their share."""
        return self.in_words

    @property
    def requirement(self) -> str:
        """What must hold, in words; '' where nothing must."""
        return ""

    @abstractmethod
    def value(self, outcomes: Outcomes) -> Float:
        """(…, K) figure that is to be largest."""

    def slack(self, outcomes: Outcomes) -> Float:
        """(…, K) by how much the constraint holds; negative where it does not."""
        return np.zeros(np.shape(outcomes.correct))

    def kept(self, outcomes: Outcomes) -> Kept | None:
        """The constraint as a count; None without a constraint, or where it is no such count."""
        return None

    def relative_to(self, without_threshold: Outcome) -> Objective:
        """The same, with what it is relative to counted on the same pictures as its constraint."""
        return self

    def tie_break(self, outcomes: Outcomes) -> Float:
        """(…, K) figure that decides between equal values."""
        return outcomes.test_accuracy

    def reached(self, outcome: Outcome) -> str:
        """What a threshold has instead of what is required, in words."""
        return ""

    def problem(self, n_test: int, n_reject: int) -> str:
        """Say why nothing can be chosen on such counts; '' where it can."""
        if not n_test:
            return "there are no test pictures to choose on"
        if self.needs_reject_set and not n_reject:
            return "there is no reject set, which this objective is counted on"
        return ""

    def feasible(self, outcomes: Outcomes) -> NDArray[np.bool_]:
        """(…, K) whether the constraint holds."""
        return self.slack(outcomes) >= 0

    def is_met(self, outcome: Outcome) -> bool:
        """Whether the constraint holds at one outcome."""
        return bool(self.feasible(Outcomes.of(outcome))[0])

    def choose(self, outcomes: Outcomes) -> Int:
        """(…,) index of the best threshold, along the last axis.

        The largest value among those that meet the constraint; of equals the one that is better in
        :meth:`tie_break`, then the smallest threshold. Where none meets it, the one that comes
        nearest to it.
        """
        feasible = self.feasible(outcomes)
        reachable = feasible.any(axis=-1, keepdims=True)
        slack = self.slack(outcomes)
        nearest = slack == slack.max(axis=-1, keepdims=True)
        allowed = np.where(reachable, feasible, nearest)
        for figure in (self.value(outcomes), self.tie_break(outcomes)):
            best = np.where(allowed, figure, -np.inf).max(axis=-1, keepdims=True)
            allowed &= figure >= best - ROUNDING * np.abs(best)
        return np.asarray(allowed.argmax(axis=-1))

    def to_dict(self) -> dict[str, Any]:
        """Kind and numbers, for JSON."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


class _RejectAccuracy(Objective):
    """Reject accuracy; without a reject set the share of knowns rejected.

    The largest threshold that a constraint allows is one that no unknown could make worse.
    """

    needs_reject_set: ClassVar[bool] = False

    def in_words_on(self, n_reject: int) -> str:
        return self.in_words if n_reject else f"the highest threshold with {self.requirement}"

    def value(self, outcomes: Outcomes) -> Float:
        return outcomes.reject_accuracy if outcomes.n_reject else outcomes.rejected_known_share


@dataclass(frozen=True)
class MostRejected(_RejectAccuracy):
    """Largest Reject accuracy among thresholds that keep Test accuracy at a floor or above."""

    min_test_accuracy: float = 0.85

    kind: ClassVar[str] = "max_reject_accuracy"

    @property
    def requirement(self) -> str:
        return f"Test accuracy ≥ {exact_percent(self.min_test_accuracy)}"

    def slack(self, outcomes: Outcomes) -> Float:
        return outcomes.test_accuracy - self.min_test_accuracy

    def kept(self, outcomes: Outcomes) -> Kept:
        return Kept("test_accuracy", self.min_test_accuracy, outcomes.correct, outcomes.n_test)

    def reached(self, outcome: Outcome) -> str:
        return f"Test accuracy {counted(outcome.correct, outcome.n_test)}"


@dataclass(frozen=True)
class AtMostLost(_RejectAccuracy):
    """Largest Reject accuracy while Test accuracy loses little against that without a threshold.

    Parameters
    ----------
    max_lost : share of the test pictures that may be lost: given their right class without a
        threshold, and rejected with one
    against : Test accuracy without a threshold, on the same pictures
    """

    max_lost: float = 0.05
    against: float = 1.0

    kind: ClassVar[str] = "max_lost_test_accuracy"

    @property
    def requirement(self) -> str:
        lost = exact_percent(self.max_lost).removesuffix(" %").removesuffix(".0")
        return f"at most {lost} points lost against a Test accuracy of {percent(self.against)}"

    def relative_to(self, without_threshold: Outcome) -> AtMostLost:
        return AtMostLost(self.max_lost, without_threshold.test_accuracy)

    def slack(self, outcomes: Outcomes) -> Float:
        # Rounded: 0.844 − 0.05 is not quite 0.794.
        return np.round(outcomes.test_accuracy - self.against + self.max_lost, 12)

    def kept(self, outcomes: Outcomes) -> Kept:
        n = outcomes.n_test
        lost = round(self.against * n) - outcomes.correct
        return Kept("lost", 1 - self.max_lost, n - lost, n)

    def reached(self, outcome: Outcome) -> str:
        return f"Test accuracy {counted(outcome.correct, outcome.n_test)}"


@dataclass(frozen=True)
class FewestKnownRejected(_RejectAccuracy):
    """Largest Reject accuracy while at most a share of the known pictures is rejected."""

    max_rejected_known: float = 0.05

    kind: ClassVar[str] = "max_rejected_known"

    @property
    def requirement(self) -> str:
        return f"knowns rejected ≤ {exact_percent(self.max_rejected_known)}"

    def slack(self, outcomes: Outcomes) -> Float:
        return self.max_rejected_known - outcomes.rejected_known_share

    def kept(self, outcomes: Outcomes) -> Kept:
        accepted = outcomes.correct + outcomes.wrong
        return Kept("rejected_known", 1 - self.max_rejected_known, accepted, outcomes.n_test)

    def reached(self, outcome: Outcome) -> str:
        return f"knowns rejected {counted(outcome.rejected_known, outcome.n_test)}"


@dataclass(frozen=True)
class MostRight(Objective):
    """Largest Test accuracy among thresholds that keep Reject accuracy at a floor or above."""

    min_reject_accuracy: float = 0.9

    kind: ClassVar[str] = "max_test_accuracy"
    gain_name: ClassVar[str] = "Test accuracy"

    @property
    def requirement(self) -> str:
        return f"Reject accuracy ≥ {exact_percent(self.min_reject_accuracy)}"

    def value(self, outcomes: Outcomes) -> Float:
        return outcomes.test_accuracy

    def slack(self, outcomes: Outcomes) -> Float:
        return outcomes.reject_accuracy - self.min_reject_accuracy

    def kept(self, outcomes: Outcomes) -> Kept | None:
        if outcomes.mix is not None:
            return None  # a weighted share is no count
        rejected = outcomes.n_reject - outcomes.accepted_unknown
        return Kept("reject_accuracy", self.min_reject_accuracy, rejected, outcomes.n_reject)

    def reached(self, outcome: Outcome) -> str:
        return f"Reject accuracy {outcome.reject_in_words}"

    def tie_break(self, outcomes: Outcomes) -> Float:
        return outcomes.reject_accuracy


@dataclass(frozen=True)
class Balanced(Objective):
    """Largest mean of Test accuracy and Reject accuracy."""

    kind: ClassVar[str] = "balanced"
    bounded: ClassVar[str] = "mean_accuracy"
    gain_name: ClassVar[str] = "mean of both accuracies"

    @property
    def in_words(self) -> str:
        return "the best mean of Test accuracy and Reject accuracy"

    def value(self, outcomes: Outcomes) -> Float:
        return (outcomes.test_accuracy + outcomes.reject_accuracy) / 2


@dataclass(frozen=True)
class LeastCost(Objective):
    """Least expected cost of a picture in production.

    With π the share of unknowns expected there:
    cost = (1 − π) (c_wrong · wrong/N + c_rejected · rejected/N) + π · c_accepted · accepted/M.

    Parameters
    ----------
    wrong_known, rejected_known, accepted_unknown : costs of one such picture, ≥ 0
    unknown_share : π, 0 to 1
    """

    wrong_known: float = 1.0
    rejected_known: float = 1.0
    accepted_unknown: float = 5.0
    unknown_share: float = 0.1

    kind: ClassVar[str] = "least_cost"
    bounded: ClassVar[str] = "cost"
    gain_name: ClassVar[str] = "expected cost saved"
    gain_is_share: ClassVar[bool] = False
    costs: ClassVar[frozenset[str]] = frozenset(
        {"wrong_known", "rejected_known", "accepted_unknown"}
    )

    @property
    def in_words(self) -> str:
        return (
            f"the least expected cost (wrong known {self.wrong_known:g}, rejected known "
            f"{self.rejected_known:g}, accepted unknown {self.accepted_unknown:g}, "
            f"{exact_percent(self.unknown_share)} unknowns)"
        )

    def cost(self, outcomes: Outcomes) -> Float:
        """(…, K) expected cost of one picture."""
        known = self.wrong_known * outcomes.wrong_share
        known = known + self.rejected_known * outcomes.rejected_known_share
        unknown = self.accepted_unknown * outcomes.accepted_unknown_share
        return (1 - self.unknown_share) * known + self.unknown_share * unknown

    def cost_of(self, outcome: Outcome) -> float:
        """Expected cost of one picture at one outcome."""
        return float(self.cost(Outcomes.of(outcome))[0])

    def value(self, outcomes: Outcomes) -> Float:
        return -self.cost(outcomes)


@dataclass(frozen=True)
class LeastTableCost(Objective):
    """Least expected cost of a picture in production, by a table of costs.

    With c the cost of a picture by its truth and decision, the mean over the test pictures and that
    over the reject pictures (weighted by the mix of kinds, where there is one), and π the share of
    unknowns expected: cost = (1 − π) · mean of c, known + π · mean of c, unknown.

    Parameters
    ----------
    table : CostTable
    unknown_share : π, 0 to 1
    """

    table: CostTable
    unknown_share: float = 0.1

    kind: ClassVar[str] = "least_table_cost"
    gain_name: ClassVar[str] = "expected cost saved"
    gain_is_share: ClassVar[bool] = False

    @property
    def in_words(self) -> str:
        return (
            "the least expected cost by a table of costs "
            f"({exact_percent(self.unknown_share)} unknowns)"
        )

    def value(self, outcomes: Outcomes) -> Float:
        if outcomes.cost is None:
            raise OpenMaxError("the expected cost by a table is not known of these counts")
        # Sums of costs round differently where they are equal.
        scale = max(self.table.largest, sys.float_info.min)
        return -np.round(outcomes.cost / scale, 12) * scale

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "table": self.table.to_dict(),
            "unknown_share": self.unknown_share,
        }


def per_picture(figure: Callable[[Outcomes], Float], n_test: int, n_reject: int) -> Float:
    """(3,) what a right, a wrong and an accepted unknown picture each add to a linear figure.

    Parameters
    ----------
    figure : :meth:`Objective.value` or :meth:`Objective.slack`
    """
    sizes = np.array([n_test, n_test, n_reject])
    # No picture, then all pictures in one of the states.
    correct, wrong, accepted = np.vstack([np.zeros(3, dtype=np.int64), np.diag(sizes)]).T
    figures = figure(Outcomes(np.zeros(4), correct, wrong, accepted, n_test, n_reject))
    return (figures[1:] - figures[0]) / np.maximum(sizes, 1)


OBJECTIVES: dict[str, type[Objective]] = {
    item.kind: item
    for item in (
        MostRejected,
        AtMostLost,
        MostRight,
        FewestKnownRejected,
        Balanced,
        LeastCost,
        LeastTableCost,
    )
}


def objective_from_dict(values: dict[str, Any]) -> Objective:
    """Rebuild an objective from :meth:`Objective.to_dict`.

    Raises
    ------
    OpenMaxError
        The kind or a number is unknown, of the wrong kind or out of range; it is named.
    """
    given = dict(values)
    kind = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in OBJECTIVES:
        raise OpenMaxError(f"no objective '{kind}'; there are {', '.join(OBJECTIVES)}")
    names = {item.name for item in fields(OBJECTIVES[kind])}  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in names:
            raise OpenMaxError(f"the objective '{kind}' has no number '{name}'")
        if name == "table":
            given[name] = CostTable.from_dict(value)
            continue
        is_cost = name in OBJECTIVES[kind].costs
        most = sys.float_info.max if is_cost else 1
        if type(value) not in {int, float} or not 0 <= value <= most:
            bounds = "from 0" if is_cost else "from 0 to 1"
            raise OpenMaxError(f"the objective's {name} must be a number {bounds}, not {value!r}")
    if "table" in names and "table" not in given:
        raise OpenMaxError(f"the objective '{kind}' has no table")
    return OBJECTIVES[kind](**given)
