"""Pictures as plain lists, and what happens to them counted in plain loops: the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from hypothesis import strategies as st

from openmax_core import TradeoffCurve

N_CLASSES = 3


class Counts(NamedTuple):
    """Right, wrong and rejected test pictures; rejected and accepted reject pictures."""

    right: int
    wrong: int
    rejected_known: int
    rejected: int
    accepted: int


@dataclass(frozen=True)
class Pictures:
    """Test and reject pictures as plain lists; the counts over them are plain loops."""

    test: list[tuple[float, int, int]]  # score, prediction, label
    reject: list[tuple[float, int]]  # score, prediction

    def curve(self) -> TradeoffCurve:
        return TradeoffCurve(
            [score for score, _, _ in self.test],
            [prediction for _, prediction, _ in self.test],
            [label for _, _, label in self.test],
            [score for score, _ in self.reject],
            [prediction for _, prediction in self.reject],
            N_CLASSES,
        )

    def decided(self, threshold: float) -> tuple[list[int], list[int]]:
        """Class per picture of both sets, ``N_CLASSES`` where rejected."""
        return self.decided_by_class([threshold] * N_CLASSES)

    def decided_by_class(self, thresholds: Sequence[float]) -> tuple[list[int], list[int]]:
        """The same with a threshold for every predicted class."""
        limits = [*thresholds, float("-inf")]  # 'unknown' won: rejected whatever the score
        test = [N_CLASSES if s < limits[p] else p for s, p, _ in self.test]
        reject = [N_CLASSES if s < limits[p] else p for s, p in self.reject]
        return test, reject

    def counts(self, threshold: float) -> Counts:
        """What happens at a threshold."""
        return self.counts_by_class([threshold] * N_CLASSES)

    def counts_by_class(self, thresholds: Sequence[float]) -> Counts:
        """What happens with a threshold for every predicted class."""
        test, reject = self.decided_by_class(thresholds)
        labels = [label for _, _, label in self.test]
        right = sum(a == b for a, b in zip(test, labels, strict=True))
        rejected_known = test.count(N_CLASSES)
        rejected = reject.count(N_CLASSES)
        return Counts(
            right,
            len(test) - right - rejected_known,
            rejected_known,
            rejected,
            len(reject) - rejected,
        )

    def all_thresholds(self) -> list[float]:
        """Thresholds below, at, between and above all scores: every state that there can be."""
        scores = sorted({row[0] for row in [*self.test, *self.reject]})
        between = [(a + b) / 2 for a, b in pairwise(scores)]
        ends = [scores[0] - 1, scores[-1] + 1] if scores else [0.0]
        return sorted([*scores, *between, *ends])


# Few different scores, so that ties within and between the sets are the rule.
tied_scores = st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.30000000000000004, 0.6, 0.7, 1.0])
scores_ = st.one_of(tied_scores, st.floats(0.0, 1.0))
predictions_ = st.integers(0, N_CLASSES)
labels_ = st.integers(0, N_CLASSES - 1)


def pictures(min_test: int = 0, min_reject: int = 0, most: int = 20) -> st.SearchStrategy[Pictures]:
    return st.builds(
        Pictures,
        st.lists(st.tuples(scores_, predictions_, labels_), min_size=min_test, max_size=most),
        st.lists(st.tuples(scores_, predictions_), min_size=min_reject, max_size=most),
    )


WORKED = Pictures(
    test=[(0.9, 0, 0), (0.8, 1, 1), (0.8, 2, 1), (0.5, 2, 2), (0.95, 3, 2)],
    reject=[(0.5, 0), (0.8, 1), (0.99, 3), (0.2, 2)],
)
ALL_UNKNOWN = Pictures(test=[(0.4, 3, 0), (0.5, 3, 1)], reject=[(0.6, 3), (0.1, 3)])
NO_REJECT = Pictures(test=WORKED.test, reject=[])
NO_TEST = Pictures(test=[], reject=WORKED.reject)
NOTHING = Pictures(test=[], reject=[])
SPECIAL = [WORKED, ALL_UNKNOWN, NO_REJECT, NO_TEST, NOTHING]
SPECIAL_IDS = ["worked", "all unknown", "no reject set", "no test set", "nothing"]
