"""What ranks pictures: the protocol of every method.

A method is fitted to the activations of training pictures. Of new activations it gives a score and
a class for each picture. A picture is rejected where its score is below a threshold. A larger score
means more known, for every method.

OpenMax is one method (:mod:`openmax_core.methods.openmax`); scores of the logits are others
(:mod:`openmax_core.methods.scores`). :mod:`openmax_core.methods.registry` names them all.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.errors import ActivationsError, FitError, OpenMaxError
from openmax_core.methods.reweighting import what_is_wrong
from openmax_core.methods.settings import MethodSettings
from openmax_core.support.arrays import Float, Int, require_whole
from openmax_core.support.chunks import ReadChunks
from openmax_core.support.decimals import require_finite
from openmax_core.support.files import write_text_atomically

CHUNK_VALUES = 1 << 17  # values of one scoring chunk: small enough for the processor's cache


@dataclass(frozen=True)
class Decisions:
    """What is compared with a threshold, and what is predicted if it passes.

    Attributes
    ----------
    scores : (N,) float64
        The value that is compared with the threshold; larger means more known.
    predictions : (N,) int64
        The class, 0..C − 1; C = 'unknown' won, rejected at every threshold.
    """

    scores: Float
    predictions: Int


@dataclass(frozen=True)
class MethodWords:
    """A method in words for people.

    Attributes
    ----------
    title : its name in the field
    sentence : what it does, in a sentence
    formula : of the score
    score : what the score is called, with its unit and range
    shift : what a constant that is added to all logits of a picture changes
    """

    title: str
    sentence: str
    formula: str
    score: str
    shift: str


@dataclass(frozen=True)
class NoSettings:
    """Settings of a method that has none; its name tells it from others."""

    method: str

    def to_dict(self) -> dict[str, Any]:
        """Values by the settings' names: none."""
        return {}

    def stored(self) -> dict[str, Any]:
        """Values by the settings' names, for files: none."""
        return {}


Settings = MethodSettings | NoSettings


class Method(ABC):
    """A method that ranks pictures, following scikit-learn's conventions.

    Attributes
    ----------
    needs_features : bool
        :meth:`fit` and :meth:`decide` need the penultimate activations too.
    settings_ : Settings, of the method as it was fitted
    class_names_ : C names
    n_correct_, n_training_ : (C,) int64
        Training pictures of the class that the largest logit gets right, and all.
    """

    needs_features: ClassVar[bool] = False
    settings_: Settings
    class_names_: tuple[str, ...]
    n_correct_: Int
    n_training_: Int

    @property
    @abstractmethod
    def name(self) -> str:
        """Name in the registry; of OpenMax the preset's."""

    @property
    @abstractmethod
    def words(self) -> MethodWords:
        """The method in words."""

    @abstractmethod
    def settings(self) -> Settings:
        """Every setting with its value; may be asked before :meth:`fit`.

        Raises
        ------
        OpenMaxError
            A setting has a value that does not exist.
        """

    @abstractmethod
    def fit(
        self,
        logits: ArrayLike,
        labels: ArrayLike,
        class_names: Sequence[str] | None = None,
        features: ArrayLike | None = None,
    ) -> Self:
        """Learn from training activations.

        Parameters
        ----------
        logits : (N, C) float
        labels : (N,) int in 0..C − 1
        class_names : C names, optional
            Used in messages; '0', '1', … without.
        features : (N, D) float, optional
            Penultimate activations; only methods with ``needs_features`` read them.

        Raises
        ------
        FitError
            Shapes do not fit, logits are not finite, or nothing can be learned from them; named.
        """

    @abstractmethod
    def fit_chunks(self, read: ReadChunks, class_names: Sequence[str]) -> Self:
        """As :meth:`fit`, from chunks of activations; memory does not grow with the pictures.

        Parameters
        ----------
        read : begins anew at each call
        class_names : C names

        Raises
        ------
        FitError
            As for :meth:`fit`.
        """

    @property
    @abstractmethod
    def n_fit_passes(self) -> int:
        """How often :meth:`fit_chunks` reads all training pictures."""

    @abstractmethod
    def decide(self, logits: ArrayLike, features: ArrayLike | None = None) -> Decisions:
        """Scores and predictions of (N, C) logits. A row depends on its own activations alone.

        Parameters
        ----------
        features : (N, D) float, optional
            Penultimate activations; only methods with ``needs_features`` read them.

        Raises
        ------
        ActivationsError
            Wrong number of classes, or a logit that is not finite or beyond 1e38; the row is
            named.
        """

    @abstractmethod
    def score_range(self) -> tuple[float, float]:
        """Smallest and largest score that there can be, given method and C; ±inf without one."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as plain numbers and lists; floats survive JSON exactly.

        :func:`openmax_core.methods.registry.method_from_dict` reads it back.
        """

    @property
    def n_classes(self) -> int:
        """C, the number of known classes."""
        self._require_fit()
        return len(self.class_names_)

    @property
    def n_features(self) -> int:
        """D, the number of features that it needs of a picture; 0 where it needs none."""
        return 0

    @property
    def is_bounded(self) -> bool:
        """The score has a smallest and a largest value."""
        return all(map(math.isfinite, self.score_range()))

    @property
    @abstractmethod
    def ignores_shift(self) -> bool:
        """A constant added to all logits of a picture changes nothing; may be asked before fit."""

    @property
    def ignores_common_shift(self) -> bool:
        """A constant added to the logits of all pictures, of training too, changes no decision."""
        return self.ignores_shift

    @property
    def is_probability(self) -> bool:
        """The score is the largest of the probabilities that are shown of a picture."""
        return False

    @property
    def learned_in_words(self) -> str:
        """What the fit learned, in a sentence; '' where that is said elsewhere, or is nothing."""
        return ""

    @property
    def has_unknown(self) -> bool:
        """'Unknown' is a class of its own, which may be the most probable."""
        return False

    @property
    def borrowed_names(self) -> list[str]:
        """Names of the classes of which nothing could be learned, so that others stand in."""
        return []

    def decision_scores(self, logits: ArrayLike, features: ArrayLike | None = None) -> Float:
        """(N,) float64 values that are compared with the threshold, see :meth:`decide`."""
        return self.decide(logits, features).scores

    def predict(
        self, logits: ArrayLike, threshold: float, features: ArrayLike | None = None
    ) -> Int:
        """(N,) int64 classes of (N, C) logits; C = rejected: 'unknown' won or score < threshold.

        Raises
        ------
        OpenMaxError
            The threshold is no finite number, or as for :meth:`decide`.
        """
        require_finite(threshold)
        decisions = self.decide(logits, features)
        return np.where(decisions.scores < threshold, self.n_classes, decisions.predictions)

    def save(self, path: str | Path) -> None:
        """Write what was learned as JSON, in one step: never a half-written file."""
        write_text_atomically(Path(path), json.dumps(self.to_dict(), allow_nan=False))

    def chunks(
        self, logits: NDArray[Any], rows: int | None = None
    ) -> Iterator[tuple[slice, Float]]:
        """Rows of (N, C) logits, a few at a time: where they are, and the float64 logits.

        Parameters
        ----------
        rows : at once; as many as fit the processor's cache without

        Raises
        ------
        ActivationsError
            A logit is not finite, or beyond 1e38; the row is named.
        """
        rows = rows or max(1, CHUNK_VALUES // max(1, self.n_classes))
        for first in range(0, len(logits), rows):
            # In rows, so that sums run in one order whatever the caller's layout.
            require_whole(logits)
            part = slice(first, first + rows)
            chunk = np.ascontiguousarray(logits[part], dtype=np.float64)
            if problem := what_is_wrong(chunk, range(first, first + len(chunk))):
                raise ActivationsError(problem)
            yield part, chunk

    def _check_logits(self, logits: ArrayLike) -> NDArray[Any]:
        self._require_fit()
        array = np.asarray(logits)
        if array.ndim != 2 or array.shape[1] != self.n_classes:
            raise ActivationsError(
                f"logits must have the shape (N, {self.n_classes}), not {array.shape}"
            )
        return array

    def _require_fit(self) -> None:
        if not hasattr(self, "class_names_"):
            raise OpenMaxError(
                f"this {type(self).__name__} is not fitted; call fit(logits, labels) first"
            )


def checked_training(
    logits: ArrayLike, labels: ArrayLike, class_names: Sequence[str] | None = None
) -> tuple[NDArray[Any], Int, tuple[str, ...]]:
    """(N, C) logits, (N,) labels and C names of training pictures.

    Raises
    ------
    FitError
        They do not fit together, or there are fewer than two classes.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != (len(logits),):
        raise FitError(
            f"logits must be (N, C) and labels (N,); they are {logits.shape} and {labels.shape}"
        )
    n_classes = logits.shape[1]
    if n_classes < 2:
        raise FitError("OpenMax needs at least 2 known classes")
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_classes):
        raise FitError(f"labels must lie in 0..{n_classes - 1}")
    whole = labels.astype(np.int64)
    if not np.array_equal(whole, labels):
        raise FitError("labels must be whole numbers")
    names = tuple(map(str, range(n_classes) if class_names is None else class_names))
    if len(names) != n_classes:
        raise FitError(f"{len(names)} class names for logits of {n_classes} classes")
    return logits, whole, names
