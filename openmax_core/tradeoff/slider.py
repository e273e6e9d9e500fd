"""The slider's scale: from a threshold to its rank, and back.

Scores of confident networks pile up in a small part of their range. A slider that moves by the
score would do nothing on most of its way, and everything in a few pixels. So it moves by rank:
equal steps change equal shares of the decisions. With K test pictures and M reject pictures that a
threshold decides on, of which k and m have a score below it, a threshold lies at the share

    (k / K + m / M) / 2

of the slider's way. Test and reject pictures have the same weight, however many there are of each;
of a set without pictures nothing is counted. Every state of the curve is one position, at the
number with the fewest digits that decides the same.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.support.arrays import Float
from openmax_core.support.decimals import shortest_decimal, shortest_decimals
from openmax_core.tradeoff.curve import Curve

MOST_POINTS = 4000
N_ROUND = 1000  # steps across a range that its round ends are whole numbers of
LARGEST_SHARE = math.nextafter(1.0, 2.0)  # rejects pictures with the score 1
ROW_SLACK = 0.01  # of the way, by which a row may lie elsewhere, for fewer digits


@dataclass(frozen=True)
class SliderScale:
    """Positions of a slider, each with its share of the slider's way.

    Attributes
    ----------
    positions : (P,) ascending float64, P ≥ 2
        The numbers that are shown: thresholds with few digits, from end to end of the range.
    thresholds : (P,) ascending float64
        The largest threshold that decides as the position does.
    ways : (P,) float64 from 0 to 1, ascending
    is_whole : bool
        Every state that a threshold can set is a position.
    """

    positions: Float
    thresholds: Float
    ways: Float
    is_whole: bool

    def way_of(self, thresholds: ArrayLike) -> Float:
        """Shares of the way, 0 to 1, of thresholds; between two positions on a straight line."""
        return np.interp(np.asarray(thresholds), self.positions, self.ways)

    def at(self, way: float) -> float:
        """Position that is nearest to a share of the way."""
        return float(self.positions[np.abs(self.ways - way).argmin()])

    def with_scores(self, scores: ArrayLike) -> SliderScale:
        """Scale with positions at which pictures with these scores are decided otherwise.

        Parameters
        ----------
        scores : (N,) float; those outside the positions need none of their own
        """
        inner = np.unique(np.asarray(scores, dtype=np.float64))
        inner = inner[(inner > self.positions[0]) & (inner < self.positions[-1])]
        before = self.positions[np.searchsorted(self.positions, inner) - 1]
        before = np.maximum(before, np.append(-np.inf, inner)[: len(inner)])
        positions = np.union1d(self.positions, shortest_decimals(before, inner))
        thresholds = np.union1d(self.thresholds, inner)
        thresholds = thresholds[np.searchsorted(thresholds[:-1], positions)]
        return replace(
            self, positions=positions, thresholds=thresholds, ways=self.way_of(positions)
        )

    def rows(self, count: int) -> list[float]:
        """At most ``count`` thresholds for a table, both ends among them, at even steps of the way.

        Each is the number with the fewest digits within a hundredth of the way.
        """
        last = float(self.positions[-1])
        rows = {float(self.positions[0]), 1.0 if last == LARGEST_SHARE else last}
        for way in np.linspace(0, 1, count)[1:-1].tolist():
            own = int(np.abs(self.ways[1:-1] - way).argmin()) + 1 if len(self.ways) > 2 else 0
            near = np.flatnonzero(np.abs(self.ways[1:-1] - self.ways[own]) <= ROW_SLACK)
            if len(near):
                above, to = self.thresholds[near[0]], self.positions[near[-1] + 1]
                rows.add(shortest_decimal(float(above), float(to)))
        return sorted(rows)


def slider_scale(
    curve: Curve, score_range: tuple[float, float], most: int = MOST_POINTS
) -> SliderScale:
    """Scale of a slider over the thresholds of a curve, see the module's docstring.

    Parameters
    ----------
    score_range : smallest and largest score, two numbers that differ; round numbers around them,
        and around the curve's thresholds, are the ends
    most : positions, at least 2; of a curve with more states those at even steps of the way
    """
    outcomes = curve.all_outcomes
    states = outcomes.thresholds
    known, unknown = outcomes.correct + outcomes.wrong, outcomes.accepted_unknown
    rejected = [1 - counts / counts[0] for counts in (known, unknown) if counts[0]]
    if not rejected:  # nothing that a threshold can change
        ends = np.array(round_ends(score_range))
        return SliderScale(ends, ends, np.array([0.0, 1.0]), is_whole=True)
    ways = np.mean(rejected, axis=0)
    chosen = np.arange(len(states))
    if len(states) > most:
        chosen = np.unique(np.searchsorted(ways, np.linspace(0, 1, most)))
    positions = np.array(curve.decimals(states[chosen]))
    low, high = min(score_range[0], float(states[0])), max(score_range[1], float(states[-1]))
    if is_share(score_range) and high > 1:
        # The next number above 1 rejects pictures with the score 1; no round one does.
        positions[0], positions[-1] = round_ends((low, 1.0))[0], high
    else:
        positions[0], positions[-1] = round_ends((low, high))
    return SliderScale(positions, states[chosen], ways[chosen], len(states) <= most)


def round_ends(score_range: tuple[float, float]) -> tuple[float, float]:
    """Round numbers around a range, no farther away than about a thousandth of its width."""
    low, high = score_range
    exponent = math.floor(math.log10((high - low) / N_ROUND))
    factor = next(m for m in (1, 2, 5, 10) if m * 10.0**exponent * N_ROUND >= high - low)
    digits = max(0, -exponent - (factor == 10))
    step = factor * 10.0**exponent
    # Compared after rounding: a score at the very end of the range must not fall outside.
    first, last = math.floor(low / step), math.ceil(high / step)
    below = [round(k * step, digits) for k in (first - 1, first, first + 1)]
    above = [round(k * step, digits) for k in (last + 1, last, last - 1)]
    return max(end for end in below if end <= low), min(end for end in above if end >= high)


def is_share(score_range: tuple[float, float]) -> bool:
    """Tell whether all scores, and so all thresholds, lie from 0 to 1."""
    low, high = score_range
    return 0 <= low <= high <= 1


def is_threshold(
    value: object, score_range: tuple[float, float] = (-math.inf, math.inf)
) -> TypeGuard[float]:
    """Tell whether something that came from a browser is a threshold.

    A finite number; from 0 to 1, or the next number above 1, where scores are probabilities.

    Parameters
    ----------
    score_range : smallest and largest score that the method can give
    """
    if type(value) not in {int, float} or not abs(value) <= sys.float_info.max:  # type: ignore[arg-type]
        return False
    return not is_share(score_range) or 0 <= value <= LARGEST_SHARE  # type: ignore[operator]
