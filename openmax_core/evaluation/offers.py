"""What may be chosen for an objective: the threshold that is best here, and the promised one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation, no_advice
from openmax_core.support.decimals import threshold_text
from openmax_core.support.shares import exact_percent, percent
from openmax_core.tradeoff.objectives import AtMostLost, Objective
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.promises import (
    DEFAULT_CONFIDENCE,
    needed_in_words,
    plans,
    shown_share,
)


@dataclass(frozen=True)
class Offer:
    """Two points for one objective.

    Attributes
    ----------
    objective : Objective
    confidence : float
        Of the promise.
    best : OperatingPoint or None
        The best on these pictures; where ``problem`` says that it is no advice, the nearest to what
        was asked for; None without one.
    problem : str
        Why nothing is recommended; '' where ``best`` is.
    promised : OperatingPoint or None
        The best that keeps the objective's constraint on new pictures, see ``promise``; None where
        there is none.
    promise_problem : str
        Why nothing is promised; '' where something is.
    """

    objective: Objective
    confidence: float
    best: OperatingPoint | None
    problem: str
    promised: OperatingPoint | None
    promise_problem: str

    @property
    def price(self) -> float | None:
        """Reject accuracy that the promise costs; None where it is not measured."""
        best, promised = self.best, self.promised
        if best is None or promised is None or self.problem:
            return None
        if best.reject_accuracy is None or promised.reject_accuracy is None:
            return None
        return best.reject_accuracy - promised.reject_accuracy

    @property
    def price_in_words(self) -> str:
        """'8.0 points of Reject accuracy less'; '' where it is not measured."""
        if (price := self.price) is None:
            return ""
        if not price:
            return "no Reject accuracy less"
        return f"{100 * abs(price):.1f} points of Reject accuracy {'less' if price > 0 else 'more'}"


def offered(
    evaluation: Evaluation, objective: Objective, confidence: float = DEFAULT_CONFIDENCE
) -> Offer:
    """Best and promised point for an objective; neither rejects nothing, or nearly everything.

    Raises
    ------
    OpenMaxError
        The objective does not fit the evaluation, or the confidence is none.
    """
    best, problem = None, ""
    try:
        best = evaluation.choose(objective)
        if best.useless:
            problem = no_advice(best, objective)
    except NoFeasibleThresholdError as error:
        best, problem = error.nearest, str(error)
    promised, promise_problem = _promised(evaluation, objective, confidence)
    return Offer(objective, confidence, best, problem, promised, promise_problem)


def _promised(
    evaluation: Evaluation, objective: Objective, confidence: float
) -> tuple[OperatingPoint | None, str]:
    curve = evaluation.overall
    if problem := objective.problem(curve.n_test, curve.n_reject):
        return None, problem
    try:
        promised = evaluation.choose(objective, confidence)
    except NoFeasibleThresholdError:
        return None, needed_in_words(objective, curve.all_outcomes, confidence)
    except OpenMaxError as error:
        return None, str(error)
    if promised.useless:
        needed = needed_in_words(objective, curve.all_outcomes, confidence)
        only = (
            f"only threshold {threshold_text(promised.threshold)} can be promised, and it "
            f"{promised.useless}"
        )
        return None, f"{needed} ({only})" if needed else only
    return promised, ""


def default_in_words(objective: Objective, floor: float, n_reject: int) -> str:
    """Why an objective is the default, where it is not the floor; '' where it is.

    Parameters
    ----------
    floor : of Test accuracy, the default where it can be kept
    n_reject : reject pictures
    """
    if isinstance(objective, AtMostLost) and n_reject:
        lost = exact_percent(objective.max_lost).removesuffix(" %").removesuffix(".0")
        return (
            f"the default floor, Test accuracy ≥ {exact_percent(floor)}, cannot be kept by a "
            f"threshold that rejects anything, so it is relative: lose at most {lost} points "
            f"against {percent(objective.against)}"
        )
    if not n_reject:
        return (
            "there is no reject set, so the threshold is from known pictures alone, and says "
            "nothing about unknowns"
        )
    return ""


def plan_in_words(
    evaluation: Evaluation, objective: Objective, confidence: float = DEFAULT_CONFIDENCE
) -> list[dict[str, str]]:
    """What numbers of pictures allow to promise, a row a number; empty without a constraint.

    Entries: 'pictures', 'needed on them', and 'leaves', the Reject accuracy (or Test accuracy, or
    knowns rejected) at the best of the present thresholds that has that share.
    """
    curve = evaluation.overall
    if objective.problem(curve.n_test, curve.n_reject):
        return []
    outcomes = curve.all_outcomes
    objective = objective.relative_to(outcomes.at(0))
    kept = objective.kept(outcomes)
    if kept is None:
        return []
    rows = []
    what = {"test_accuracy": "Test accuracy", "reject_accuracy": "Reject accuracy"}.get(
        kept.figure, "knowns rejected" if kept.figure == "rejected_known" else "Test accuracy lost"
    )
    sign = "≤" if kept.figure in {"rejected_known", "lost"} else "≥"
    kind = "unknown" if kept.figure == "reject_accuracy" else "known"
    for plan in plans(objective, outcomes, confidence):
        needed, leaves = "no number of right ones is enough", "nothing can be promised"
        if not math.isnan(plan.least):
            needed = f"{what} {sign} {percent(shown_share(kept, plan.least))}"
            leaves = "not reached by any threshold"
        if (outcome := plan.outcome) is not None:
            if kept.figure == "reject_accuracy" or not outcome.n_reject:
                leaves = f"Test accuracy {percent(outcome.test_accuracy)}"
            else:
                leaves = f"Reject accuracy {percent(outcome.reject_accuracy)}"
            if outcome.useless:
                leaves = f"nothing: it {outcome.useless}"
        rows.append({"pictures": f"{plan.n:,} {kind}", "needed on them": needed, "leaves": leaves})
    return rows
