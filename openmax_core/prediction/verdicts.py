"""Open-set decisions on pictures, each with its reason in words.

Everything that does not depend on a threshold is computed once (:func:`score_pictures`); deciding
at a threshold is then a comparison, which a browser can do as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.reweighting import softmax
from openmax_core.support.arrays import Float, Int
from openmax_core.support.decimals import threshold_text

# Shares of a tail below the one would be shown as 0.0 %, from the other on as 100.0 %.
SHOWN_AS_NONE, SHOWN_AS_ALL = 0.0005, 0.9995


@dataclass(frozen=True)
class Wording:
    """A sentence around a threshold; one without a threshold has all of it before."""

    before: str
    after: str | None = None

    def at(self, threshold: str) -> str:
        """Return the sentence with a threshold in it."""
        return self.before if self.after is None else f"{self.before}{threshold}{self.after}"


@dataclass(frozen=True)
class Reason:
    """What is said of a picture where it is accepted, and where it is rejected."""

    accepted: Wording
    rejected: Wording

    @classmethod
    def whatever(cls, text: str) -> Reason:
        """Return a reason that no threshold changes."""
        return cls(Wording(text), Wording(text))


def tail_statement(nearest: str, cdf: float, is_apart: bool) -> str:
    """Where a picture lies in the tail of the network's own answer.

    Parameters
    ----------
    nearest : name of the class with the largest logit
    cdf : of the distance to its MAV
    is_apart : the nearest MAV is another class's
    """
    which = (
        f"{nearest}, the network's own answer," if is_apart else f"the nearest class, {nearest},"
    )
    distance = f"its distance to {which} lies"
    if cdf < SHOWN_AS_NONE:
        return f"{distance} below that class's tail"
    if cdf == 1:
        return f"{distance} beyond all of that class's tail"
    share = "more than 99.9 %" if cdf >= SHOWN_AS_ALL else f"{100 * cdf:.1f} %"
    return f"{distance} beyond {share} of that class's tail"


def unknown_reason(probability: float, nearest: str, cdf: float, is_apart: bool) -> Reason:
    """Of a picture for which 'unknown' is the most probable."""
    statement = tail_statement(nearest, cdf, is_apart)
    won = f"'unknown' is the most probable ({probability:.3f})"
    if cdf < SHOWN_AS_NONE:  # then it was not this tail
        return Reason.whatever(f"{won}, by the tails of other classes; {statement}")
    return Reason.whatever(f"{won}: {statement}")


def score_reason(score: float, nearest: str, cdf: float, is_apart: bool) -> Reason:
    """Of a picture whose score is compared with a threshold."""
    statement = f"; {tail_statement(nearest, cdf, is_apart)}"
    return Reason(
        Wording(f"score {score:.4f} reaches the threshold ", statement),
        Wording(f"score {score:.4f} is under the threshold ", statement),
    )


ACCEPTED, REJECTED, UNREADABLE = "accepted", "rejected", "unreadable"


Logits = NDArray[np.float32] | str


@dataclass(frozen=True)
class PictureLogits:
    """What the network made of some pictures.

    Attributes
    ----------
    names : N file names
    results : N results: (C,) float32 logits, or the reason why there are none
    """

    names: tuple[str, ...]
    results: tuple[Logits, ...]


@dataclass(frozen=True)
class ScoredPictures:
    """Everything about N pictures that decides, but the threshold.

    Rows of pictures that could not be read are NaN, and −1 among the integers.

    Attributes
    ----------
    pictures : what was scored
    class_names : tuple of C str
    logits : (N, C) float64
    before : (N, C) float64, softmax of the logits
    after : (N, C + 1) float64, OpenMax's probabilities, 'unknown' last
    distances, cdf : (N, C) float64, to every MAV and in every tail
    scores : (N,) float64, what is compared with a threshold
    predictions : (N,) int64, the most probable of C + 1; C: 'unknown' won
    own : (N,) int64, the classifier's own answer, the largest logit
    """

    pictures: PictureLogits
    class_names: tuple[str, ...]
    logits: Float
    before: Float
    after: Float
    distances: Float
    cdf: Float
    scores: Float
    predictions: Int
    own: Int

    def __len__(self) -> int:
        return len(self.own)

    @property
    def is_readable(self) -> NDArray[np.bool_]:
        """(N,) bool"""
        return self.own >= 0

    @property
    def is_unknown(self) -> NDArray[np.bool_]:
        """(N,) bool, 'unknown' won: rejected at every threshold."""
        return self.predictions == len(self.class_names)

    @property
    def best(self) -> Int:
        """(N,) the most probable of the C classes, whether 'unknown' is more probable or not."""
        return np.where(self.is_readable, _largest(self.after[:, :-1]), -1)

    @property
    def margins(self) -> Float:
        """(N,) probability of 'unknown' less the largest of the classes."""
        return self.after[:, -1] - self.after[:, :-1].max(axis=1)

    def ranked(self, row: int) -> list[int]:
        """Classes of a picture, the largest logit first."""
        return np.argsort(-self.logits[row], kind="stable").tolist()

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """N reasons, into which a threshold is still to be put."""
        return tuple(self._reason(row) for row in range(len(self)))

    def _reason(self, row: int) -> Reason:
        result = self.pictures.results[row]
        if isinstance(result, str):
            return Reason.whatever(result)
        names = self.class_names
        own = int(self.own[row])
        nearest = int(self.distances[row].argmin())
        cdf, is_apart = float(self.cdf[row, own]), own != nearest
        if self.is_unknown[row]:
            return unknown_reason(float(self.after[row, -1]), names[own], cdf, is_apart)
        return score_reason(float(self.scores[row]), names[own], cdf, is_apart)


def score_pictures(openmax: OpenMax, pictures: PictureLogits) -> ScoredPictures:
    """Score pictures, those that could not be read left out."""
    names = openmax.class_names_
    n, n_classes = len(pictures.names), len(names)
    readable = np.array([not isinstance(result, str) for result in pictures.results], dtype=bool)
    vectors = [result for result in pictures.results if not isinstance(result, str)]
    logits = np.array(vectors, dtype=np.float64).reshape(-1, n_classes)

    def spread(values: NDArray[np.float64]) -> Float:
        """Rows of the readable pictures among all."""
        out = np.full((n, *values.shape[1:]), np.nan)
        out[readable] = values
        return out

    distances = spread(openmax.distances(logits))
    after = openmax.predict_proba(logits)
    predictions, own = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    predictions[readable], own[readable] = after.argmax(axis=1), logits.argmax(axis=1)
    return ScoredPictures(
        pictures=pictures,
        class_names=names,
        logits=spread(logits),
        before=spread(softmax(logits)),
        after=spread(after),
        distances=distances,
        cdf=openmax.cdf(distances),
        scores=spread(openmax.scores_of(after)),
        predictions=predictions,
        own=own,
    )


def class_limits(
    class_names: tuple[str, ...],
    threshold: float,
    class_thresholds: Mapping[str, float] | None = None,
) -> Float:
    """(C,) thresholds of pictures predicted as a class; the single one where none is its own."""
    own = class_thresholds or {}
    return np.array([own.get(name, threshold) for name in class_names], dtype=np.float64)


def own_limits(predictions: Int, limits: Float) -> Float:
    """(N,) of (C,) thresholds, by predicted class; above every score where 'unknown' won."""
    return np.append(limits, np.inf)[predictions]


def decide(scored: ScoredPictures, limits: Float) -> tuple[NDArray[np.bool_], Float]:
    """Whether each of N pictures is accepted, and the (N,) threshold it was held against.

    Where 'unknown' won, and for unreadable pictures, that threshold is NaN.
    """
    held = scored.is_readable & ~scored.is_unknown
    own = np.full(len(scored), np.nan)
    own[held] = limits[scored.predictions[held]]
    return held & (scored.scores >= own), own


def verdict_table(
    openmax: OpenMax,
    pictures: PictureLogits,
    threshold: float,
    class_thresholds: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Decide on every picture, see :func:`decision_table`."""
    limits = class_limits(openmax.class_names_, threshold, class_thresholds)
    return decision_table(score_pictures(openmax, pictures), limits)


def decision_table(scored: ScoredPictures, limits: Float) -> pd.DataFrame:
    """Decide on every picture, at (C,) thresholds of the predicted class.

    Returns
    -------
    DataFrame with a row a picture: file, verdict ('accepted', 'rejected' or 'unreadable'),
    decision (class name, 'rejected' or ''), score, nearest_class (the classifier's own answer),
    reason, then ``p_<class>`` and ``p_unknown``, ``distance_<class>`` and ``cdf_<class>``.
    """
    names = scored.class_names
    is_accepted, own_limits = decide(scored, limits)
    rows = []
    for row, name in enumerate(scored.pictures.names):
        reason, limit = scored.reasons[row], threshold_text(own_limits[row])
        if not scored.is_readable[row]:
            rows.append((name, UNREADABLE, "", np.nan, "", reason.rejected.at(limit)))
            continue
        score, nearest = scored.scores[row], names[scored.own[row]]
        if is_accepted[row]:
            decision = names[scored.predictions[row]]
            rows.append((name, ACCEPTED, decision, score, nearest, reason.accepted.at(limit)))
        else:
            rows.append((name, REJECTED, REJECTED, score, nearest, reason.rejected.at(limit)))
    columns = ["file", "verdict", "decision", "score", "nearest_class", "reason"]
    numbers = {f"p_{name}": scored.after[:, j] for j, name in enumerate((*names, "unknown"))}
    numbers |= {f"distance_{name}": scored.distances[:, j] for j, name in enumerate(names)}
    numbers |= {f"cdf_{name}": scored.cdf[:, j] for j, name in enumerate(names)}
    return pd.concat([pd.DataFrame(rows, columns=columns), pd.DataFrame(numbers)], axis=1)


def _largest(values: Float) -> Int:
    return np.where(np.isnan(values), -np.inf, values).argmax(axis=1)
