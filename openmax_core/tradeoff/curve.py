"""How Test accuracy and Reject accuracy depend on the threshold: exact, at every threshold.

With s the value compared with the threshold t, a picture is rejected if 'unknown' won or s < t:

    Test accuracy(t)   = #{test pictures given their right class and s ≥ t} / N
    Reject accuracy(t) = #{reject pictures where 'unknown' won or s < t} / M

The field calls the first the correct classification rate (CCR), with rejections counted as wrong,
and the second 1 − FPR on unknowns.

Both change only at observed scores, so a curve is a table: how many pictures of each kind lie at or
above a score. There are two ways to fill it. :class:`TradeoffCurve` sorts the scores and is exact
at every threshold; :class:`~openmax_core.tradeoff.binned.CountedCurve` counts them in fine bins,
for more pictures than memory holds. Everything in :class:`Curve` holds for both.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.support.decimals import require_finite, shortest_decimals, threshold_text
from openmax_core.tradeoff.kinds import Kinds, Mix
from openmax_core.tradeoff.objectives import (
    AtMostLost,
    FewestKnownRejected,
    LeastTableCost,
    MostRejected,
    Objective,
)
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.outcomes import Outcome, Outcomes, shares
from openmax_core.tradeoff.promises import Promised, needed_in_words

# Kinds of pictures: test pictures given their right class, a wrong class, or for which 'unknown'
# won; reject pictures taken for a class, or for which 'unknown' won.
CORRECT, WRONG, TEST_WON, ACCEPTED, REJECT_WON = range(5)
KINDS = (CORRECT, WRONG, TEST_WON, ACCEPTED, REJECT_WON)
# Those that a threshold decides on.
DECIDED = (CORRECT, WRONG, ACCEPTED)


class Curve(ABC):
    """Test and Reject accuracy over the threshold, and the choice of one.

    Parameters
    ----------
    counts : how many pictures there are of each of :data:`KINDS`
    n_classes : int
        C.
    """

    mix: Mix | None = None
    """Shares of the kinds of unknowns in production; None where pictures count alike."""

    def __init__(self, counts: Sequence[int], n_classes: int) -> None:
        self.n_classes = n_classes
        self._n_by_kind = counts
        self.n_test = sum(counts[:ACCEPTED])
        """N, pictures of the test set."""
        self.n_reject = sum(counts[ACCEPTED:])
        """M, pictures of the reject set."""
        self.n_test_unknown_won = counts[TEST_WON]
        """Test pictures that are rejected at every threshold, because 'unknown' won."""
        self.n_reject_unknown_won = counts[REJECT_WON]
        """Reject pictures that are rejected at every threshold, because 'unknown' won."""

    @abstractmethod
    def _at_or_above(self, kinds: Sequence[int], thresholds: ArrayLike) -> list[Int]:
        """For each kind the pictures whose score is at or above thresholds, of their shape."""

    def _accepted_by_kind(self, thresholds: ArrayLike) -> Int | None:
        """(F, …) reject pictures of each kind that are accepted; None without a mix."""
        return None

    def expected_costs(self, objective: LeastTableCost, thresholds: Float) -> Float:
        """(K,) expected cost of a picture at (K,) thresholds, by the objective's table of costs.

        Raises
        ------
        OpenMaxError
            Pictures were counted for all classes together, or the table is of other classes or
            kinds.
        """
        raise OpenMaxError(
            f"a table of costs cannot be used for {self.n_test + self.n_reject:,} pictures: scores "
            "are counted for all classes together. Give the three costs instead"
        )

    def outcomes_for(self, objective: Objective, thresholds: ArrayLike | None = None) -> Outcomes:
        """Counts at (K,) thresholds, or at all, with what the objective needs besides.

        Raises
        ------
        OpenMaxError
            As for :meth:`outcomes` and :meth:`expected_costs`.
        """
        outcomes = self.all_outcomes if thresholds is None else self.outcomes(thresholds)
        if isinstance(objective, LeastTableCost):
            return replace(outcomes, cost=self.expected_costs(objective, outcomes.thresholds))
        return outcomes

    @property
    @abstractmethod
    def _cells(self) -> tuple[Float, Float]:
        """(S,) ascending scores at which counts change, and where each cell ends (exclusive)."""

    @abstractmethod
    def _wins(self, kinds: Sequence[int]) -> tuple[float, float]:
        """Pairs in which a picture of the kinds outscores an ACCEPTED one, at least and at most.

        Ties count half.
        """

    @property
    @abstractmethod
    def _ends(self) -> tuple[float, float] | None:
        """Smallest and largest score of all pictures; None without any."""

    @cached_property
    def score_span(self) -> tuple[float, float]:
        """Smallest and largest score of all pictures, as two numbers that differ.

        (0, 1) without pictures; half of 1 (or of the score, where that is larger) to both sides
        where all have the same score.
        """
        if (ends := self._ends) is None:
            return 0.0, 1.0
        low, high = ends
        if low < high:
            return low, high
        half = max(1.0, abs(low)) / 2
        return low - half, high + half

    @abstractmethod
    def histograms(self, edges: Float) -> tuple[Int, Int]:
        """Scores of test and of reject pictures per bin; those beyond count to the outermost."""

    def test_accuracy(self, threshold: float | Float) -> float | Float:
        """Test accuracy at a threshold or an array of them, of its shape; NaN if N is 0.

        Raises
        ------
        OpenMaxError
            A threshold is no finite number.
        """
        require_finite(threshold)
        (correct,) = self._at_or_above((CORRECT,), threshold)
        return _as_given(shares(correct, self.n_test))

    def reject_accuracy(self, threshold: float | Float) -> float | Float:
        """Reject accuracy at a threshold or an array of them, of its shape; NaN if M is 0.

        Raises
        ------
        OpenMaxError
            A threshold is no finite number.
        """
        require_finite(threshold)
        if self.mix is not None:
            at = np.asarray(threshold, dtype=np.float64)
            return _as_given(self.outcomes(at.reshape(-1)).reject_accuracy.reshape(at.shape))
        (accepted,) = self._at_or_above((ACCEPTED,), threshold)
        return _as_given(shares(self.n_reject - accepted, self.n_reject))

    def outcomes(self, thresholds: ArrayLike) -> Outcomes:
        """Counts of everything that happens at (K,) thresholds.

        Raises
        ------
        OpenMaxError
            A threshold is no finite number.
        """
        at = np.asarray(thresholds, dtype=np.float64)
        require_finite(at)
        correct, wrong, accepted = self._at_or_above(DECIDED, at)
        return Outcomes(
            at,
            correct,
            wrong,
            accepted,
            self.n_test,
            self.n_reject,
            self.mix,
            self._accepted_by_kind(at),
        )

    def outcome(self, threshold: float) -> Outcome:
        """Counts of everything that happens at a threshold."""
        return self.outcomes([threshold]).at(0)

    @cached_property
    def all_outcomes(self) -> Outcomes:
        """Counts at every one of :attr:`thresholds`: all that any threshold can do."""
        return self.outcomes(self.thresholds)

    def best(
        self, min_test_accuracy: float = 0.85, confidence: float | None = None
    ) -> OperatingPoint:
        """Largest Reject accuracy among thresholds that keep Test accuracy at the floor or above.

        See :meth:`choose`; the objective is
        :class:`~openmax_core.tradeoff.objectives.MostRejected`.

        Raises
        ------
        NoFeasibleThresholdError
            No threshold keeps the floor, or there is no test set.
        """
        return self.choose(MostRejected(min_test_accuracy), confidence)

    def choose(self, objective: Objective, confidence: float | None = None) -> OperatingPoint:
        """Best threshold of all for an objective.

        Of thresholds that are equal in it, the one that is better in the objective's second
        figure; of those that change nothing at all, the decimal number with the fewest digits.

        Parameters
        ----------
        confidence : that the constraint holds on new pictures, as 0.95; None: it holds on these.
            The point's ``promise`` then says what it keeps, see
            :mod:`openmax_core.tradeoff.promises`. Without a constraint the threshold is the same,
            and the promise is a bound of the objective's figure.

        Raises
        ------
        NoFeasibleThresholdError
            No threshold meets the objective's constraint (``nearest`` is the point that comes
            closest), or a set that it is counted on is empty (``nearest`` is None).
        NoPromiseError
            No valid promise exists for the objective.
        OpenMaxError
            The confidence does not lie between 50 % and 100 %.
        """
        if problem := objective.problem(self.n_test, self.n_reject):
            raise NoFeasibleThresholdError(problem)
        outcomes = self.outcomes_for(objective)
        promised = None
        if confidence is not None:
            objective = objective.relative_to(outcomes.at(0))
            promised = Promised(objective, confidence)
        used = promised or objective
        if promised:
            promised.require_valid(outcomes)
        index = int(used.choose(outcomes))
        (threshold,) = self.decimals(outcomes.thresholds[[index]])
        outcome = self.outcomes_for(objective, [threshold]).at(0)
        is_met = bool(used.feasible(outcomes)[index])
        promise = promised.promise(outcome) if promised and is_met else None
        point = OperatingPoint.of(outcome, objective=objective.to_dict(), promise=promise)
        if is_met:
            return point
        if promised:
            needed = needed_in_words(objective, outcomes, promised.confidence)
            problem = f"{promised.requirement} cannot be promised, {needed}"
        else:
            problem = (
                f"no threshold reaches {objective.requirement}; the nearest, threshold "
                f"{threshold_text(point.threshold)}, has {objective.reached(outcome)}"
            )
        raise NoFeasibleThresholdError(problem, point)

    def default_objective(self, floor: float) -> Objective:
        """What a threshold is chosen for where nobody said it.

        The best Reject accuracy with Test accuracy at the floor or above. Where only a threshold
        that rejects nothing keeps the floor, or none: at most 5 points of Test accuracy lost
        against no threshold. Without a reject set: at most 5 % of the knowns rejected; where the
        method itself rejects more, at most 5 points lost.

        Parameters
        ----------
        floor : 0 to 1
        """
        absolute = MostRejected(floor)
        if not self.n_test:
            return absolute
        outcomes = self.all_outcomes
        if not self.n_reject:
            few = FewestKnownRejected()
            if few.is_met(outcomes.at(0)):
                return few
            # 'Unknown' wins for more of them.
            return AtMostLost(against=outcomes.at(0).test_accuracy)
        index = int(absolute.choose(outcomes))
        best = outcomes.at(index)
        if absolute.is_met(best) and (best.rejected_known or not best.useless):
            return absolute
        return AtMostLost(against=outcomes.at(0).test_accuracy)

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

    @cached_property
    def thresholds(self) -> Float:
        """Ascending thresholds at which anything changes; one for every state of the curve.

        The scores that pictures have which are not rejected anyway, and the next above the largest,
        where all pictures are rejected. ``[0.0]`` if there are none.
        """
        lower, upper = self._cells
        return np.append(lower, upper[-1]) if len(lower) else np.zeros(1)

    def decimals(self, thresholds: ArrayLike) -> list[float]:
        """Number with the fewest digits that changes nothing, for some of :attr:`thresholds`."""
        to = np.asarray(thresholds, dtype=np.float64)
        # From where the cell before ends, nothing changes.
        first = np.append(-np.inf, self._cells[1])[np.searchsorted(self.thresholds, to)]
        below = np.nextafter(np.minimum(first, to), -np.inf)
        return shortest_decimals(below, to).tolist()

    @property
    def auroc(self) -> float:
        """Probability that a test picture outscores a reject picture, ties counted half.

        Every test picture counts, also one in a wrong class; one for which 'unknown' won has the
        lowest rank. NaN if a set is empty. Half-way between :attr:`auroc_bounds`.
        """
        return float(np.mean(self.auroc_bounds))

    @cached_property
    def auroc_bounds(self) -> tuple[float, float]:
        """Smallest and largest AUROC that scores in the table can have; equal if it is exact."""
        # Where 'unknown' won on both sides it is a tie.
        return self._shares_of_wins(
            (CORRECT, WRONG), self.n_test_unknown_won * self.n_reject_unknown_won / 2
        )

    @property
    def oscr(self) -> float:
        """Area under the open-set classification rate (Dhamija et al., 2018).

        The curve of the share of test pictures that are given their right class over the share of
        reject pictures that are accepted, as the threshold falls. It is the probability that a test
        picture is given its right class and outscores a reject picture, ties counted half: AUROC
        times accuracy where both are independent. NaN if a set is empty. Half-way between
        :attr:`oscr_bounds`.
        """
        return float(np.mean(self.oscr_bounds))

    @cached_property
    def oscr_bounds(self) -> tuple[float, float]:
        """Smallest and largest OSCR that scores in the table can have; equal if it is exact."""
        return self._shares_of_wins((CORRECT,))

    def _shares_of_wins(self, kinds: Sequence[int], ties: float = 0.0) -> tuple[float, float]:
        """Share of all pairs in which a test picture of the kinds outscores a reject picture."""
        n_pairs = self.n_test * self.n_reject
        if not n_pairs:
            return math.nan, math.nan
        low, high = self._wins(kinds)
        sure = sum(self._n_by_kind[kind] for kind in kinds) * self.n_reject_unknown_won + ties
        return (low + sure) / n_pairs, (high + sure) / n_pairs


class TradeoffCurve(Curve):
    """Exact Test and Reject accuracy over the threshold.

    Parameters
    ----------
    test_scores : (N,) float
        Value compared with the threshold, per test picture.
    test_predictions : (N,) int in 0..C
        Most probable of C + 1; C = 'unknown' won.
    test_labels : (N,) int in 0..C − 1
    reject_scores, reject_predictions : (M,) float and int
        The same for the reject set; M may be 0, then Reject accuracy is NaN.
    n_classes : int
        C.
    kinds : Kinds, optional
        Which kind of unknowns each reject picture is of.
    mix : Mix, optional
        Shares of these kinds in production; without, pictures count alike.

    Raises
    ------
    ActivationsError
        Lengths differ, a score is not finite, or a prediction or label is out of range.
    """

    def __init__(
        self,
        test_scores: ArrayLike,
        test_predictions: ArrayLike,
        test_labels: ArrayLike,
        reject_scores: ArrayLike,
        reject_predictions: ArrayLike,
        n_classes: int,
        kinds: Kinds | None = None,
        mix: Mix | None = None,
    ) -> None:
        self.test_scores = _scores(test_scores, "test_scores")
        self.reject_scores = _scores(reject_scores, "reject_scores")
        n, m = len(self.test_scores), len(self.reject_scores)
        self.test_predictions = _indices(test_predictions, n, n_classes, "test_predictions")
        self.test_labels = _indices(test_labels, n, n_classes - 1, "test_labels")
        self.reject_predictions = _indices(reject_predictions, m, n_classes, "reject_predictions")
        correct = self.test_predictions == self.test_labels
        accepted = self.test_predictions != n_classes
        # Ascending, of the kinds that a threshold decides on.
        self._sorted = {
            CORRECT: np.sort(self.test_scores[correct]),
            WRONG: np.sort(self.test_scores[accepted & ~correct]),
            ACCEPTED: np.sort(self.reject_scores[self.reject_predictions != n_classes]),
        }
        n_correct, n_wrong, n_accepted = map(len, self._sorted.values())
        counts = n_correct, n_wrong, n - n_correct - n_wrong, n_accepted, m - n_accepted
        super().__init__(counts, n_classes)
        self.kinds, self.mix = kinds, mix
        if kinds is not None and kinds.of.shape != (m,):
            raise ActivationsError(f"kinds must be of {m} reject pictures, not {kinds.of.shape}")

    def _accepted_by_kind(self, thresholds: ArrayLike) -> Int | None:
        if self.mix is None:
            return None
        parts = [len(scores) - scores.searchsorted(thresholds) for scores in self._sorted_by_kind]
        return np.array(parts, dtype=np.int64)

    @cached_property
    def _sorted_by_kind(self) -> list[Float]:
        """Ascending scores of the reject pictures of each kind that a threshold decides on."""
        if self.kinds is None:
            return []
        accepted = self.reject_predictions != self.n_classes
        scores, of = self.reject_scores[accepted], self.kinds.of[accepted]
        return [np.sort(scores[of == index]) for index in range(len(self.kinds.names))]

    def with_kinds(self, kinds: Kinds | None, mix: Mix | None = None) -> TradeoffCurve:
        """Return the same curve with kinds of unknowns, and their shares in production.

        Raises
        ------
        ActivationsError
            The kinds are of another number of reject pictures.
        """
        return TradeoffCurve(
            self.test_scores,
            self.test_predictions,
            self.test_labels,
            self.reject_scores,
            self.reject_predictions,
            self.n_classes,
            kinds,
            mix,
        )

    @property
    def reject_weights(self) -> Float:
        """(M,) how many pictures each reject picture counts for; 1 without a mix."""
        if self.mix is None or self.kinds is None:
            return np.ones(self.n_reject)
        return np.asarray(self.mix.units[self.kinds.of])

    def picture_costs(self, objective: LeastTableCost) -> tuple[Float, Float]:
        """What each picture adds to the expected cost by the objective's table of costs.

        Returns
        -------
        (N + M, 2) float64, of test and then of reject pictures: where it is accepted as its
        predicted class, and where it is rejected; and their (N + M,) scores, −∞ where 'unknown'
        won.

        Raises
        ------
        OpenMaxError
            The table has another number of classes, or a row for a kind that there is not.
        """
        table, share = objective.table, objective.unknown_share
        if len(table.classes) != self.n_classes:
            raise OpenMaxError(
                f"the table of costs must be of {self.n_classes} classes; make it again"
            )
        kinds = (
            Kinds(("",), np.zeros(self.n_reject, np.int64)) if self.kinds is None else self.kinds
        )
        known = table.known()[self.test_labels] if self.n_test else np.zeros((0, 1))
        unknown = table.unknown(kinds.names)[kinds.of] if self.n_reject else np.zeros((0, 1))
        costs = [
            np.column_stack([np.take_along_axis(of, at[:, None], 1)[:, 0], of[:, -1]])
            for of, at in ((known, self.test_predictions), (unknown, self.reject_predictions))
        ]
        costs[0] *= (1 - share) / max(1, self.n_test)
        costs[1] *= share * self.reject_weights[:, None] / max(1, self.n_reject)
        scores = np.concatenate([self.test_scores, self.reject_scores])
        predictions = np.concatenate([self.test_predictions, self.reject_predictions])
        return np.concatenate(costs), np.where(predictions == self.n_classes, -np.inf, scores)

    def expected_costs(self, objective: LeastTableCost, thresholds: Float) -> Float:
        """(K,) expected cost of a picture at (K,) thresholds, by the objective's table of costs.

        Raises
        ------
        OpenMaxError
            As for :meth:`picture_costs`.
        """
        costs, scores = self.picture_costs(objective)
        order = np.argsort(scores, kind="stable")
        return costs_at(costs[order], scores[order], thresholds)

    def _at_or_above(self, kinds: Sequence[int], thresholds: ArrayLike) -> list[Int]:
        of = [self._sorted[kind] for kind in kinds]
        return [len(scores) - scores.searchsorted(thresholds) for scores in of]

    @cached_property
    def _cells(self) -> tuple[Float, Float]:
        """(S,) different scores that a threshold decides on, and the next number above each."""
        scores = np.unique(np.concatenate(list(self._sorted.values())))
        return scores, np.nextafter(scores, np.inf)

    @property
    def _ends(self) -> tuple[float, float] | None:
        scores = np.concatenate([self.test_scores, self.reject_scores])
        return (float(scores.min()), float(scores.max())) if len(scores) else None

    def _wins(self, kinds: Sequence[int]) -> tuple[float, float]:
        """Exact, so both equal."""
        unknown, twice = self._sorted[ACCEPTED], 0
        for kind in kinds:
            known = self._sorted[kind]
            twice += int(np.searchsorted(unknown, known, "left").sum())
            twice += int(np.searchsorted(unknown, known, "right").sum())
        return twice / 2, twice / 2

    def histograms(self, edges: Float) -> tuple[Int, Int]:
        """Scores of test and of reject pictures per bin; those beyond count to the outermost."""
        known, unknown = (
            np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0]
            for scores in (self.test_scores, self.reject_scores)
        )
        return known, unknown

    def is_accepted(self, thresholds: Float, scores: Float) -> NDArray[np.bool_]:
        """(N + M,) whether each picture passes its predicted class's of (C,) thresholds.

        Parameters
        ----------
        scores : (N + M,) as of :meth:`picture_costs`
        """
        predictions = np.concatenate([self.test_predictions, self.reject_predictions])
        return np.asarray(scores >= np.append(thresholds, np.inf)[predictions])

    def outcome_by_class(
        self, thresholds: Float, threshold: float, objective: Objective | None = None
    ) -> Outcome:
        """Counts with (C,) thresholds by predicted class; ``threshold`` is what they stand for.

        Parameters
        ----------
        objective : with a table of costs, the outcome has the expected cost

        Raises
        ------
        OpenMaxError
            A threshold is no finite number.
        """
        require_finite(thresholds)
        require_finite(threshold)
        limits = np.append(thresholds, np.inf)
        passed = self.test_scores >= limits[self.test_predictions]
        right = self.test_predictions == self.test_labels
        accepted = self.reject_scores >= limits[self.reject_predictions]
        cost = None
        if isinstance(objective, LeastTableCost):
            costs, scores = self.picture_costs(objective)
            passes = self.is_accepted(thresholds, scores)
            cost = np.where(passes, costs[:, 0], costs[:, 1]).sum(keepdims=True)
        return Outcomes(
            np.array([threshold]),
            (passed & right).sum(keepdims=True),
            (passed & ~right).sum(keepdims=True),
            accepted.sum(keepdims=True),
            self.n_test,
            self.n_reject,
            self.mix,
            None
            if self.mix is None or self.kinds is None
            else np.bincount(self.kinds.of[accepted], minlength=len(self.kinds.names))[:, None],
            cost,
        ).at(0)

    def subset(self, test: NDArray[np.bool_], reject: NDArray[np.bool_]) -> TradeoffCurve:
        """Curve of some of the pictures, by (N,) and (M,) masks."""
        kinds = mix = None
        if self.kinds is not None:
            kinds = Kinds(self.kinds.names, self.kinds.of[reject])
            mix = self.mix and self.mix.resized(list(kinds.sizes.values()))
        return TradeoffCurve(
            self.test_scores[test],
            self.test_predictions[test],
            self.test_labels[test],
            self.reject_scores[reject],
            self.reject_predictions[reject],
            self.n_classes,
            kinds,
            mix,
        )

    def decided(self, threshold: float) -> Int:
        """(N + M,) truth · (C + 1) + decision of every picture, for unknown and rejected C.

        Raises
        ------
        OpenMaxError
            The threshold is no finite number.
        """
        require_finite(threshold)
        n = self.n_classes + 1
        test = np.where(self.test_scores < threshold, self.n_classes, self.test_predictions)
        reject = np.where(self.reject_scores < threshold, self.n_classes, self.reject_predictions)
        return np.concatenate([self.test_labels * n + test, self.n_classes * n + reject])

    def confusion(self, threshold: float) -> Int:
        """(C + 1, C + 1) counts: rows the true class, then unknown; columns decided, then rejected.

        The last row is the reject set, the last column the rejected.
        """
        n = self.n_classes + 1
        return np.bincount(self.decided(threshold), minlength=n * n).reshape(n, n)


def costs_at(costs: Float, scores: Float, thresholds: Float) -> Float:
    """(K,) sum of what pictures cost at (K,) thresholds.

    Parameters
    ----------
    costs : (N, 2) of each picture where it is accepted, and where it is rejected
    scores : (N,) ascending; −∞: rejected at every threshold
    """
    changed = np.append((costs[:, 0] - costs[:, 1])[::-1].cumsum()[::-1], 0.0)
    return np.asarray(costs[:, 1].sum() + changed[np.searchsorted(scores, thresholds)])


def _scores(values: ArrayLike, name: str) -> Float:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise ActivationsError(f"{name} must be one-dimensional, not {scores.shape}")
    finite = np.isfinite(scores)
    if not finite.all():
        raise ActivationsError(f"{name}[{int(np.argmin(finite))}] is not finite")
    return scores


def _indices(values: ArrayLike, length: int, largest: int, name: str) -> Int:
    given = np.asarray(values)
    indices: NDArray[np.int64] = given.astype(np.int64)
    if not np.array_equal(indices, given):
        raise ActivationsError(f"{name} must be whole numbers")
    if indices.shape != (length,):
        raise ActivationsError(f"{name} must have the shape ({length},), not {indices.shape}")
    if length and not (indices.min() >= 0 and indices.max() <= largest):
        raise ActivationsError(f"{name} must lie in 0..{largest}")
    return indices


def _as_given(shares_of: Float) -> float | Float:
    """Return one share as a number, and many as they are."""
    return float(shares_of) if np.ndim(shares_of) == 0 else shares_of
