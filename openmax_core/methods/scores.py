"""Scores of the logits: a value for each picture, the larger the more known; nothing is learned.

With logits z of C classes, and p = softmax(z):

============  ===============================================  ===========================
``msp``       max p                                            Hendrycks & Gimpel, 2017
``max_logit`` max z                                            Hendrycks et al., 2022
``energy``    log Σ exp z, which is −E at temperature T = 1    Liu et al., NeurIPS 2020
``gen``       −Σ (p (1 − p))^γ over the M largest p            Liu et al., CVPR 2023
============  ===============================================  ===========================

Where the source's score is larger for unknowns (energy, generalised entropy), the sign is turned.
For ``gen``, γ = 0.1 and M = min(C, 100), as in the paper. The prediction is the class with the
largest logit, the first of equal ones. Nothing but the threshold rejects a picture.

Example
-------
>>> import numpy as np
>>> method = LogitScore("max_logit").fit(8 * np.eye(3), [0, 1, 2])
>>> method.predict([[8.0, 0.0, 0.0], [0.5, 0.4, 0.3]], threshold=2.0).tolist()
[0, 3]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.errors import ActivationsError, FitError, OpenMaxError
from openmax_core.methods.method import (
    Decisions,
    Method,
    MethodWords,
    NoSettings,
    checked_training,
)
from openmax_core.methods.reweighting import what_is_wrong
from openmax_core.support.arrays import Float, Int
from openmax_core.support.chunks import Chunk, ReadChunks, in_parallel
from openmax_core.support.codec import entry, plain, without_header

FORMAT = "openmax-score"
FORMAT_VERSION = 1
GEN_GAMMA, GEN_MOST = 0.1, 100


def msp(logits: Float) -> Float:
    """(N,) largest softmax probability of (N, C) float64 logits."""
    return np.asarray(1.0 / _relative(logits).sum(axis=1))


def max_logit(logits: Float) -> Float:
    """(N,) largest of (N, C) float64 logits."""
    return np.asarray(logits.max(axis=1))


def energy(logits: Float) -> Float:
    """(N,) log Σ exp of (N, C) float64 logits: the negative energy at temperature 1."""
    return np.asarray(logits.max(axis=1) + np.log(_relative(logits).sum(axis=1)))


def gen(logits: Float) -> Float:
    """(N,) negative generalised entropy of (N, C) float64 logits, γ = 0.1, M = min(C, 100).

    1 − p of the most probable class is the sum of the others, so that it keeps its digits.
    """
    others = _relative(logits)
    np.put_along_axis(others, logits.argmax(axis=1)[:, None], 0.0, axis=1)
    rest = others.sum(axis=1)
    total = 1.0 + rest
    n_others = min(logits.shape[1], GEN_MOST) - 1
    if n_others < logits.shape[1] - 1:
        others = np.sort(np.partition(others, -n_others, axis=1)[:, -n_others:], axis=1)
    p = others / total[:, None]
    first = (1.0 / total * (rest / total)) ** GEN_GAMMA
    return np.asarray(-(first + ((p * (1.0 - p)) ** GEN_GAMMA).sum(axis=1)))


def _relative(logits: Float) -> Float:
    """(N, C) exp of logits less each row's largest."""
    return np.asarray(np.exp(logits - logits.max(axis=1, keepdims=True)))


def _lowest_gen(n_classes: int) -> float:
    """Of M equal probabilities; (p (1 − p))^γ is concave, so nothing is lower."""
    n = min(n_classes, GEN_MOST)
    return -n * (1 / n * (1 - 1 / n)) ** GEN_GAMMA


@dataclass(frozen=True)
class Score:
    """One score: how it is computed, where it lies, and its words.

    Attributes
    ----------
    of : from (N, C) float64 logits to (N,) float64
    bounds : from C to the smallest and the largest score
    ignores_shift : a constant added to all logits of a picture changes nothing
    words : MethodWords
    """

    of: Callable[[Float], Float]
    bounds: Callable[[int], tuple[float, float]]
    ignores_shift: bool
    words: MethodWords


def _unbounded(n_classes: int) -> tuple[float, float]:
    return -math.inf, math.inf


NO_SHIFT = "A constant added to all logits of a picture changes nothing."
SHIFTS = "A constant added to all logits of a picture is added to the score too."
SCORES = {
    "msp": Score(
        msp,
        lambda n_classes: (1.0 / n_classes, 1.0),
        True,
        MethodWords(
            "Maximum softmax probability",
            "The largest softmax probability: how sure the network says it is. It does not see the "
            "size of the logits.",
            "max p, with p = softmax(z)",
            "probability, from 1/C to 1",
            NO_SHIFT,
        ),
    ),
    "max_logit": Score(
        max_logit,
        _unbounded,
        False,
        MethodWords(
            "Maximum logit",
            "The largest logit. It keeps the size of the logits, which is often small for "
            "unknowns, but it is misleading where a network shifts all logits of a picture.",
            "max z",
            "logit, without bounds",
            SHIFTS,
        ),
    ),
    "energy": Score(
        energy,
        _unbounded,
        False,
        MethodWords(
            "Energy",
            "The negative energy: the log of the sum of all exponentiated logits. It uses the size "
            "of all logits, and it is misleading where a network shifts them.",
            "log Σ exp z",
            "negative energy, in units of the logits, without bounds",
            SHIFTS,
        ),
    ),
    "gen": Score(
        gen,
        lambda n_classes: (_lowest_gen(n_classes), 0.0),
        True,
        MethodWords(
            "Generalised entropy (GEN)",
            "The negative generalised entropy of the softmax probabilities (Liu et al., CVPR "
            "2023). Unlike the largest probability it sees small differences between very sure "
            "answers.",
            f"−Σ (p (1 − p))^{GEN_GAMMA} over the min(C, {GEN_MOST}) largest p, with p = "
            "softmax(z)",
            "negative generalised entropy, from a lower bound that depends on C to 0",
            NO_SHIFT,
        ),
    ),
}


class LogitScore(Method):
    """A score of the logits as a method.

    Parameters
    ----------
    name : 'msp', 'max_logit', 'energy' or 'gen'

    Raises
    ------
    OpenMaxError
        There is no score of this name.
    """

    def __init__(self, name: str) -> None:
        if name not in SCORES:
            raise OpenMaxError(f"no score {name!r}; there are {', '.join(SCORES)}")
        self._name = name
        self._score = SCORES[name]
        self.settings_ = NoSettings(name)

    @property
    def name(self) -> str:
        """Name in the registry."""
        return self._name

    @property
    def words(self) -> MethodWords:
        """The method in words."""
        return self._score.words

    def settings(self) -> NoSettings:
        """It has none."""
        return NoSettings(self._name)

    def fit(
        self,
        logits: ArrayLike,
        labels: ArrayLike,
        class_names: Sequence[str] | None = None,
        features: ArrayLike | None = None,
    ) -> Self:
        """Take the names of the classes, and count the training pictures; nothing is learned."""
        checked, whole, names = checked_training(logits, labels, class_names)
        self.class_names_ = names
        n_correct = np.zeros(len(names), dtype=np.int64)
        try:
            for part, chunk in self.chunks(checked):
                own = whole[part]
                n_correct += np.bincount(own[chunk.argmax(axis=1) == own], minlength=len(names))
        except ActivationsError as error:
            del self.class_names_
            raise FitError(str(error)) from error
        self.n_correct_ = n_correct
        self.n_training_ = np.bincount(whole, minlength=len(names)).astype(np.int64)
        return self

    def fit_chunks(self, read: ReadChunks, class_names: Sequence[str]) -> Self:
        """As :meth:`fit`, from chunks of activations."""
        names = tuple(map(str, class_names))

        def counts(chunk: Chunk) -> tuple[Int, Int]:
            labels = chunk.labels
            if len(labels) and not (labels.min() >= 0 and labels.max() < len(names)):
                raise FitError(f"labels must lie in 0..{len(names) - 1}")
            rows = range(chunk.first, chunk.first + len(chunk))
            if problem := what_is_wrong(chunk.logits, rows, "the training logits"):
                raise FitError(problem)
            right = labels[chunk.logits.argmax(axis=1) == labels]
            n_right, n = (np.bincount(own, minlength=len(names)) for own in (right, labels))
            return n_right, n

        n_correct, n_training = (np.zeros(len(names), dtype=np.int64) for _ in range(2))
        for right, training in in_parallel(counts, read()):
            n_correct += right
            n_training += training
        self.class_names_, self.n_correct_, self.n_training_ = names, n_correct, n_training
        return self

    @property
    def n_fit_passes(self) -> int:
        """Once: pictures are counted."""
        return 1

    def decide(self, logits: ArrayLike, features: ArrayLike | None = None) -> Decisions:
        """Scores and predictions of (N, C) logits; the prediction is the largest logit."""
        checked = self._check_logits(logits)
        scores = np.empty(len(checked))
        predictions = np.empty(len(checked), dtype=np.int64)
        for part, chunk in self.chunks(checked):
            predictions[part] = chunk.argmax(axis=1)
            scores[part] = self._score.of(chunk)
        return Decisions(scores, predictions)

    @property
    def ignores_shift(self) -> bool:
        """A constant added to all logits of a picture changes nothing."""
        return self._score.ignores_shift

    @property
    def is_probability(self) -> bool:
        """Of the maximum softmax probability alone."""
        return self._name == "msp"

    def score_range(self) -> tuple[float, float]:
        """Smallest and largest score that there can be; ±inf without one."""
        return self._score.bounds(self.n_classes)

    def to_dict(self) -> dict[str, Any]:
        """Name, classes and counts, for JSON."""
        self._require_fit()
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "method": self._name,
            "class_names": list(self.class_names_),
            "n_correct": plain(self.n_correct_),
            "n_training": plain(self.n_training_),
        }

    @classmethod
    def from_dict(cls, given: Any) -> Self:
        """Rebuild from :meth:`to_dict`.

        Raises
        ------
        OpenMaxError
            It is something else, or of a newer version; the entry is named.
        """
        values, _ = without_header(given, FORMAT, FORMAT_VERSION)
        method = cls(entry(str, values, "method"))
        names = entry(tuple[str, ...], values, "class_names")
        counts = [entry(Int, values, name) for name in ("n_correct", "n_training")]
        if len(names) < 2 or any(len(count) != len(names) for count in counts):
            raise OpenMaxError("the method's counts are not of its classes; fit again")
        method.class_names_, (method.n_correct_, method.n_training_) = names, counts
        return method
