"""Open-set decisions on pictures, each with its reason in words.

Everything that does not depend on a threshold is computed once (:func:`score_pictures`); deciding
at a threshold is then a comparison, which a browser can do as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.methods.method import Method
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.reweighting import softmax
from openmax_core.support.arrays import Float, Int
from openmax_core.support.decimals import score_text, threshold_text

# Shares of a tail below the one would be shown as 0.0 %, from the other on as 100.0 %.
SHOWN_AS_NONE, SHOWN_AS_ALL = 0.0005, 0.9995


@dataclass(frozen=True)
class Reason:
    """Why a picture is accepted or rejected, in words around the threshold.

    Attributes
    ----------
    accepted, rejected : what is said before the threshold
    after : what is said after it; None of a reason that no threshold changes
    """

    accepted: str
    rejected: str
    after: str | None = None

    def at(self, threshold: str, is_accepted: bool) -> str:
        """Return the sentence with a threshold in it."""
        before = self.accepted if is_accepted else self.rejected
        return before if self.after is None else f"{before}{threshold}{self.after}"


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
    is_other_tail = cdf < SHOWN_AS_NONE
    by = ", by the tails of other classes;" if is_other_tail else ":"
    statement = tail_statement(nearest, cdf, is_apart)
    text = f"'unknown' is the most probable ({probability:.3f}){by} {statement}"
    return Reason(text, text)


def score_reason(score: float, nearest: str, cdf: float, is_apart: bool) -> Reason:
    """Of a picture whose score is compared with a threshold."""
    return Reason(
        f"score {score_text(score)} reaches the threshold ",
        f"score {score_text(score)} is under the threshold ",
        f"; {tail_statement(nearest, cdf, is_apart)}",
    )


def plain_score_reason(score: float, answer: str) -> Reason:
    """Of a picture whose score is compared with a threshold, by a method without tails."""
    return Reason(
        f"score {score_text(score)} reaches the threshold ",
        f"score {score_text(score)} is under the threshold ",
        f"; the network's own answer is {answer}",
    )


ACCEPTED, REJECTED, UNREADABLE = "accepted", "rejected", "unreadable"


Logits = NDArray[np.float32] | str


@dataclass(frozen=True)
class ScoredPictures:
    """Everything about N pictures that decides, but the threshold.

    Rows of pictures that could not be read are NaN, and −1 among the integers.

    Attributes
    ----------
    files : N file names
    results : the (C,) float32 logits of each, or why there are none
    class_names : tuple of C str
    logits : (N, C) float64
    before : (N, C) float64, softmax of the logits
    after : (N, C + 1) float64, OpenMax's probabilities, 'unknown' last; (N, 0) of other methods
    distances, cdf : (N, C) float64, to every MAV and in every tail; (N, 0) of other methods
    scores : (N,) float64, what is compared with a threshold
    predictions : (N,) int64, the most probable of C + 1; C: 'unknown' won
    own : (N,) int64, the classifier's own answer, the largest logit
    """

    files: tuple[str, ...]
    results: tuple[Logits, ...]
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
    def has_tails(self) -> bool:
        """They were scored by OpenMax, which has means and tails."""
        return self.after.shape[1] > 0

    @property
    def probabilities(self) -> Float:
        """(N, C + 1) float64 after OpenMax, 'unknown' last; (N, C) softmax of other methods."""
        return self.after if self.has_tails else self.before

    @property
    def is_readable(self) -> NDArray[np.bool_]:
        """(N,) bool"""
        return self.own >= 0

    @property
    def is_unknown(self) -> NDArray[np.bool_]:
        """(N,) bool, 'unknown' won: rejected at every threshold."""
        return self.predictions == len(self.class_names)

    def ranked(self, row: int) -> list[int]:
        """Classes of a picture, the largest logit first."""
        return np.argsort(-self.logits[row], kind="stable").tolist()

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """N reasons, into which a threshold is still to be put."""
        return tuple(self._reason(row) for row in range(len(self)))

    def _reason(self, row: int) -> Reason:
        result = self.results[row]
        if isinstance(result, str):
            return Reason(result, result)
        names = self.class_names
        own = int(self.own[row])
        if not self.has_tails:
            return plain_score_reason(float(self.scores[row]), names[own])
        nearest = int(self.distances[row].argmin())
        cdf, is_apart = float(self.cdf[row, own]), own != nearest
        if self.is_unknown[row]:
            return unknown_reason(float(self.after[row, -1]), names[own], cdf, is_apart)
        return score_reason(float(self.scores[row]), names[own], cdf, is_apart)


def score_pictures(
    method: Method, files: Sequence[str], results: Sequence[Logits]
) -> ScoredPictures:
    """Score pictures, those that could not be read left out.

    Parameters
    ----------
    files : N file names
    results : what the network made of each: (C,) float32 logits, with features behind them
        (C + D,); or why there are none

    Raises
    ------
    ActivationsError
        The method needs features, and there are none, or of another number.
    """
    n, n_classes = len(results), method.n_classes
    readable = np.array([not isinstance(result, str) for result in results], dtype=bool)
    vectors = [result for result in results if not isinstance(result, str)]
    width = len(vectors[0]) if vectors else n_classes + method.n_features
    values = np.array(vectors, dtype=np.float64).reshape(-1, width)
    logits = values[:, :n_classes]
    features = values[:, n_classes:] if width > n_classes else None

    def spread(values: NDArray[np.float64]) -> Float:
        """Rows of the readable pictures among all."""
        out = np.full((n, *values.shape[1:]), np.nan)
        out[readable] = values
        return out

    if isinstance(method, OpenMax):
        distances = spread(method.distances(logits))
        cdf, after = method.cdf(distances), method.predict_proba(logits)
    else:
        distances, cdf, after = (np.empty((rows, 0)) for rows in (n, n, len(logits)))
    found = method.decide(logits, features)
    predictions, own = np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64)
    predictions[readable], own[readable] = found.predictions, logits.argmax(axis=1)
    return ScoredPictures(
        files=tuple(files),
        results=tuple(row if isinstance(row, str) else row[:n_classes] for row in results),
        class_names=method.class_names_,
        logits=spread(logits),
        before=spread(softmax(logits)),
        after=spread(after),
        distances=distances,
        cdf=cdf,
        scores=spread(found.scores),
        predictions=predictions,
        own=own,
    )


def own_limits(predictions: Int, limits: Float) -> Float:
    """(N,) of (C,) thresholds, by predicted class; above every score where 'unknown' won."""
    return np.append(limits, np.inf)[predictions]


def decide(scored: ScoredPictures, limits: Float) -> tuple[NDArray[np.bool_], Float]:
    """Whether each of N pictures is accepted, and the (N,) threshold it was held against.

    Where 'unknown' won, and for unreadable pictures, that threshold is NaN.
    """
    own = np.append(limits, np.nan)[scored.predictions]  # the last one at C, and at −1
    return scored.scores >= own, own


def decision_table(scored: ScoredPictures, limits: Float) -> pd.DataFrame:
    """Decide on every picture, at (C,) thresholds of the predicted class.

    Returns
    -------
    DataFrame with a row a picture: file, verdict ('accepted', 'rejected' or 'unreadable'),
    decision (class name, 'rejected' or ''), score, nearest_class (the classifier's own answer),
    reason, then ``p_<class>`` and ``p_unknown``, ``distance_<class>`` and ``cdf_<class>``; of other
    methods than OpenMax ``p_<class>`` alone, the softmax of the logits.
    """
    names = scored.class_names
    is_accepted, own_limits = decide(scored, limits)
    rows = []
    for row, name in enumerate(scored.files):
        reason = scored.reasons[row].at(threshold_text(own_limits[row]), bool(is_accepted[row]))
        if not scored.is_readable[row]:
            rows.append((name, UNREADABLE, "", np.nan, "", reason))
            continue
        verdict = decision = REJECTED
        if is_accepted[row]:
            verdict, decision = ACCEPTED, names[scored.predictions[row]]
        score, nearest = scored.scores[row], names[scored.own[row]]
        rows.append((name, verdict, decision, score, nearest, reason))
    columns = ["file", "verdict", "decision", "score", "nearest_class", "reason"]
    outputs = (*names, "unknown")
    numbers: dict[str, Float] = {}
    for kind, values in (
        ("p", scored.probabilities),
        ("distance", scored.distances),
        ("cdf", scored.cdf),
    ):
        numbers |= {f"{kind}_{outputs[j]}": values[:, j] for j in range(values.shape[1])}
    return pd.concat([pd.DataFrame(rows, columns=columns), pd.DataFrame(numbers)], axis=1)
