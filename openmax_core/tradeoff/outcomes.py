"""What happens to test and reject pictures at thresholds, as counts and as shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openmax_core.support.arrays import Float, Int
from openmax_core.support.shares import counted, percent
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, INTERVALS, Interval, share_interval
from openmax_core.tradeoff.kinds import KindCount, Mix

# A threshold that rejects fewer unknowns than this share, or more knowns than that one, is no
# advice.
LEAST_REJECTED, MOST_REJECTED = 0.01, 0.9


@dataclass(frozen=True)
class Outcome:
    """What happens to every picture at one threshold, as counts.

    Attributes
    ----------
    n_test, n_reject : int
        Pictures of the two sets. ``correct + wrong + rejected_known`` is ``n_test``.
    correct, wrong, rejected_known : int
        Known pictures given their right class, another class, or rejected.
    rejected_unknown, accepted_unknown : int
        Unknown pictures rejected, or taken for a known class.
    mix : Mix or None
        Shares of the kinds of unknowns in production; None where pictures count alike.
    rejected_by_kind : F int
        Unknown pictures of each kind that are rejected; () without a mix.
    cost : float or None
        Expected cost of a picture by a table of costs; None without one.
    """

    threshold: float
    correct: int
    wrong: int
    rejected_known: int
    rejected_unknown: int
    accepted_unknown: int
    mix: Mix | None = None
    rejected_by_kind: tuple[int, ...] = ()
    cost: float | None = None

    @property
    def n_test(self) -> int:
        """N."""
        return self.correct + self.wrong + self.rejected_known

    @property
    def n_reject(self) -> int:
        """M."""
        return self.rejected_unknown + self.accepted_unknown

    @property
    def test_accuracy(self) -> float:
        """Share of the test set given its right class; NaN for an empty set."""
        return self.correct / self.n_test if self.n_test else math.nan

    @property
    def reject_accuracy(self) -> float:
        """Share of the reject set that is rejected, weighted by the mix; NaN for an empty set."""
        if self.mix is not None:
            return float(self.mix.share(self.rejected_by_kind))
        return self.rejected_unknown / self.n_reject if self.n_reject else math.nan

    @property
    def reject_in_words(self) -> str:
        """Reject accuracy with what it was counted on: '84.9 % (321 of 378)'."""
        pictures = counted(self.rejected_unknown, self.n_reject)
        if self.mix is None:
            return pictures
        return f"{percent(self.reject_accuracy)} weighted by kind (unweighted {pictures})"

    def reject_interval(self, kind: str = DEFAULT_INTERVAL) -> Interval:
        """95 % interval of :attr:`reject_accuracy`, of a kind named in ``INTERVALS``."""
        if self.mix is None:
            return share_interval(self.rejected_unknown, self.n_reject, kind)
        low, high = self.mix.bounds(self.rejected_by_kind, kind)
        return Interval(float(low), float(high))

    @property
    def kinds(self) -> tuple[KindCount, ...] | None:
        """What happens to each kind of unknowns; None without a mix."""
        if self.mix is None:
            return None
        parts = zip(
            self.mix.names, self.mix.shares, self.rejected_by_kind, self.mix.sizes, strict=True
        )
        return tuple(KindCount(*part) for part in parts)

    @property
    def useless(self) -> str:
        """Why nobody should use it: 'rejects none of …' or 'rejects 199 of …'; '' if one may."""
        if not Outcomes.of(self).is_useless[0]:
            return ""
        knowns = f"of the {self.n_test:,} known pictures"
        if self.n_test and self.rejected_known >= MOST_REJECTED * self.n_test:
            return f"rejects {self.rejected_known:,} {knowns}"
        if not self.n_reject:
            return f"rejects none {knowns}"
        few = f"only {self.rejected_unknown:,}" if self.rejected_unknown else "none"
        return f"rejects {few} of the {self.n_reject:,} pictures of unknowns"


@dataclass(frozen=True)
class Outcomes:
    """Counts at many thresholds.

    Attributes
    ----------
    thresholds : (K,) float64, ascending
    correct, wrong, accepted_unknown : (…, K) int
        Test pictures given their right and a wrong class, reject pictures taken for a known class.
        Leading axes, if any, are resamples.
    n_test, n_reject : int
        N and M.
    mix : Mix or None
        Shares of the kinds of unknowns in production; None where pictures count alike.
    accepted_by_kind : (F, …, K) int or None
        Of the accepted unknowns, those of each kind; None without a mix.
    cost : (…, K) float64 or None
        Expected cost of a picture by a table of costs; None where there is none.
    """

    thresholds: Float
    correct: Int
    wrong: Int
    accepted_unknown: Int
    n_test: int
    n_reject: int
    mix: Mix | None = None
    accepted_by_kind: Int | None = None
    cost: Float | None = None

    @property
    def test_accuracy(self) -> Float:
        """(…, K) shares of the test set given their right class; NaN if N is 0."""
        return shares(self.correct, self.n_test)

    @property
    def reject_accuracy(self) -> Float:
        """(…, K) shares of the reject set that are rejected, weighted by the mix; NaN if M is 0."""
        if self.mix is not None:
            return self.mix.share(self.rejected_by_kind)
        return shares(self.n_reject - self.accepted_unknown, self.n_reject)

    @property
    def rejected_by_kind(self) -> Int:
        """(F, …, K) rejected unknowns of each kind; (0, …, K) without a mix."""
        if self.mix is None or self.accepted_by_kind is None:
            return np.zeros((0, *np.shape(self.accepted_unknown)), dtype=np.int64)
        sizes = np.array(self.mix.sizes).reshape(-1, *[1] * np.ndim(self.accepted_unknown))
        return np.asarray(sizes - self.accepted_by_kind)

    def reject_bounds(self, kind: str = DEFAULT_INTERVAL) -> tuple[Float, Float]:
        """(…, K) ends of the 95 % intervals of :attr:`reject_accuracy`, see ``INTERVALS``."""
        if self.mix is not None:
            return self.mix.bounds(self.rejected_by_kind, kind)
        return INTERVALS[kind](self.n_reject - self.accepted_unknown, self.n_reject)

    @property
    def wrong_share(self) -> Float:
        """(…, K) shares of the test set given a wrong class."""
        return shares(self.wrong, self.n_test)

    @property
    def rejected_known_share(self) -> Float:
        """(…, K) shares of the test set that are rejected."""
        return shares(self.n_test - self.correct - self.wrong, self.n_test)

    @property
    def accepted_unknown_share(self) -> Float:
        """(…, K) shares of the reject set taken for a known class, weighted by the mix."""
        if self.mix is not None and self.accepted_by_kind is not None:
            return self.mix.share(self.accepted_by_kind)
        return shares(self.accepted_unknown, self.n_reject)

    @property
    def is_useless(self) -> NDArray[np.bool_]:
        """(…, K) whether nothing, or nearly everything, is rejected.

        Nothing: fewer than 1 % of the unknowns; without a reject set, no known picture. Nearly
        everything: 90 % of the knowns or more.
        """
        rejected = self.n_test - self.correct - self.wrong
        nothing = (
            self.n_reject - self.accepted_unknown < LEAST_REJECTED * self.n_reject
            if self.n_reject
            else rejected == 0
        )
        everything = (rejected >= MOST_REJECTED * self.n_test) & (self.n_test > 0)
        return np.asarray(nothing | everything)

    @classmethod
    def of(cls, *outcomes: Outcome) -> Outcomes:
        """Counts of (K,) outcomes on the same pictures."""
        return cls(
            np.array([item.threshold for item in outcomes]),
            np.array([item.correct for item in outcomes]),
            np.array([item.wrong for item in outcomes]),
            np.array([item.accepted_unknown for item in outcomes]),
            outcomes[0].n_test,
            outcomes[0].n_reject,
            mix := outcomes[0].mix,
            None
            if mix is None
            else np.array(mix.sizes)[:, None]
            - np.array([item.rejected_by_kind for item in outcomes]).T,
            None
            if outcomes[0].cost is None
            else np.array([item.cost for item in outcomes], dtype=np.float64),
        )

    def at(self, index: int) -> Outcome:
        """Outcome at one of the thresholds, where there are no resamples."""
        correct, wrong = int(self.correct[index]), int(self.wrong[index])
        accepted = int(self.accepted_unknown[index])
        return Outcome(
            threshold=float(self.thresholds[index]),
            correct=correct,
            wrong=wrong,
            rejected_known=self.n_test - correct - wrong,
            rejected_unknown=self.n_reject - accepted,
            accepted_unknown=accepted,
            mix=self.mix,
            rejected_by_kind=tuple(self.rejected_by_kind[:, index].tolist()),
            cost=None if self.cost is None else float(self.cost[index]),
        )


def shares(counts: Int, total: int) -> Float:
    """Shares of a total, of the counts' shape; NaN if it is 0."""
    return counts / total if total else np.full(np.shape(counts), np.nan)
