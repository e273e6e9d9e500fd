"""What every curve over the threshold can do, whether it holds all scores or counts of them.

Two there are: :class:`~openmax_core.tradeoff.curve.TradeoffCurve`, exact at every threshold, and
:class:`~openmax_core.tradeoff.binned.CountedCurve`, for more pictures than memory holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.support.arrays import Float, Int
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.objectives import MostRejected, Objective
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.outcomes import Outcome, Outcomes


class Curve(ABC):
    """Test and Reject accuracy over the threshold, and the choice of one.

    Attributes
    ----------
    n_classes : int
        C.
    """

    n_classes: int

    @property
    @abstractmethod
    def n_test(self) -> int:
        """N, pictures of the test set."""

    @property
    @abstractmethod
    def n_reject(self) -> int:
        """M, pictures of the reject set."""

    @property
    @abstractmethod
    def n_test_unknown_won(self) -> int:
        """Test pictures that are rejected at every threshold, because 'unknown' won."""

    @property
    @abstractmethod
    def n_reject_unknown_won(self) -> int:
        """Reject pictures that are rejected at every threshold, because 'unknown' won."""

    @property
    @abstractmethod
    def auroc(self) -> float:
        """Probability that a test picture outscores a reject picture, ties counted half."""

    @property
    @abstractmethod
    def oscr(self) -> float:
        """Probability that a test picture is right and outscores a reject picture."""

    @property
    @abstractmethod
    def thresholds(self) -> Float:
        """Ascending thresholds, one for every state of the curve."""

    @abstractmethod
    def test_accuracy(self, threshold: float | Float) -> float | Float:
        """Test accuracy at a threshold or an array of them, of its shape; NaN if N is 0."""

    @abstractmethod
    def reject_accuracy(self, threshold: float | Float) -> float | Float:
        """Reject accuracy at a threshold or an array of them, of its shape; NaN if M is 0."""

    @abstractmethod
    def outcomes(self, thresholds: ArrayLike) -> Outcomes:
        """Counts of everything that happens at (K,) thresholds."""

    @abstractmethod
    def decimals(self, thresholds: ArrayLike) -> list[float]:
        """Numbers with the fewest digits that stand for some of :attr:`thresholds`."""

    @abstractmethod
    def histograms(self, edges: Float) -> tuple[Int, Int]:
        """Scores of test and of reject pictures per bin, for drawing."""

    def outcome(self, threshold: float) -> Outcome:
        """Counts of everything that happens at a threshold."""
        return self.outcomes([threshold]).at(0)

    @cached_property
    def all_outcomes(self) -> Outcomes:
        """Counts at every one of :attr:`thresholds`: all that any threshold can do."""
        return self.outcomes(self.thresholds)

    def best(self, min_test_accuracy: float = 0.85) -> OperatingPoint:
        """Largest Reject accuracy among thresholds that keep Test accuracy at the floor or above.

        See :meth:`choose`; the objective is
        :class:`~openmax_core.tradeoff.objectives.MostRejected`.

        Raises
        ------
        NoFeasibleThresholdError
            No threshold keeps the floor, or there is no test set.
        """
        return self.choose(MostRejected(min_test_accuracy))

    def choose(self, objective: Objective) -> OperatingPoint:
        """Best threshold of all for an objective.

        Of thresholds that are equal in it, the one that is better in the objective's second
        figure; of those that change nothing at all, the decimal number with the fewest digits.

        Raises
        ------
        NoFeasibleThresholdError
            No threshold meets the objective's constraint (``nearest`` is the point that comes
            closest), or a set that it is counted on is empty (``nearest`` is None).
        """
        if problem := objective.problem(self.n_test, self.n_reject):
            raise NoFeasibleThresholdError(problem)
        outcomes = self.all_outcomes
        index = int(objective.choose(outcomes))
        (threshold,) = self.decimals(outcomes.thresholds[[index]])
        outcome = self.outcome(threshold)
        point = OperatingPoint.of(outcome, objective=objective.to_dict())
        if not objective.feasible(outcomes)[index]:
            raise NoFeasibleThresholdError(
                f"no threshold reaches {objective.requirement}; the nearest, threshold "
                f"{threshold_text(point.threshold)}, has {objective.reached(outcome)}",
                point,
            )
        return point

    def drawn_thresholds(self, most: int = 2000) -> Float:
        """At most about ``most`` of the thresholds, ends kept, evenly by rank: for drawing only."""
        thresholds = self.thresholds
        if len(thresholds) <= most:
            return thresholds
        by_rank = np.linspace(0, len(thresholds) - 1, most // 2).round().astype(int)
        by_value = np.searchsorted(
            thresholds, np.linspace(thresholds[0], thresholds[-1], most // 2), side="left"
        )
        return thresholds[np.union1d(by_rank, by_value)]
