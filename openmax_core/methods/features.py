"""What methods share that rank pictures by their stored features.

Features, also called penultimate activations, are what the last linear layer of a network takes. A
method reads them as they are stored, as float16: those of a new picture are rounded in the same
way first, so that a picture has one score wherever it comes from. Sums over training pictures are
taken in float64 over blocks of :data:`BLOCK_ROWS` pictures, so that they are the same bits whatever
chunks the pictures come in.

The prediction is the class with the largest logit, the first of equal ones. Nothing but the
threshold rejects a picture.
"""

from __future__ import annotations

import base64
import binascii
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.errors import ActivationsError, FitError, OpenMaxError
from openmax_core.methods.method import (
    Decisions,
    Method,
    MethodWords,
    NoSettings,
    checked_training,
)
from openmax_core.methods.reweighting import what_is_wrong
from openmax_core.support.arrays import Float, Int, as_float16
from openmax_core.support.chunks import Chunk, ReadChunks
from openmax_core.support.codec import entry, plain, without_header
from openmax_core.support.products import GRID, Vectors

FORMAT, FORMAT_VERSION = "openmax-features", 1
BLOCK_ROWS = 1024
SCORED_VALUES = 1 << 19  # features that are scored at once
LARGEST_WIDTH = 1 << 20
# Most variance that rounding to float16 gives a feature, as a share of its mean square.
ROUNDING = 2.0**-20 / 12
WAY_OUT = (
    "write features = true under [classifier] in workspace.toml, or tick Store features where the "
    "workspace is made, then run the extraction again"
)


@dataclass(frozen=True)
class Block:
    """Training pictures, :data:`BLOCK_ROWS` at a time; the last ones are fewer.

    Attributes
    ----------
    logits : (n, C) float64
    labels : (n,) int64
    features : (n, D) float64, as float16 holds them
    """

    logits: Float
    labels: Int
    features: Float


ReadBlocks = Callable[[], Iterator[Block]]


class FeatureMethod(Method):
    """A method that needs features."""

    needs_features: ClassVar[bool] = True
    own_name: str
    own_words: MethodWords
    bounds: tuple[float, float] = (-math.inf, math.inf)
    sees_logits: ClassVar[bool] = False
    n_features_: int

    def __init__(self) -> None:
        self.settings_ = NoSettings(self.own_name)

    @property
    def name(self) -> str:
        """Name in the registry."""
        return self.own_name

    @property
    def words(self) -> MethodWords:
        """The method in words."""
        return self.own_words

    def settings(self) -> NoSettings:
        """It has none."""
        return NoSettings(self.own_name)

    @property
    def n_features(self) -> int:
        """D, the number of features of a picture."""
        self._require_fit()
        return self.n_features_

    @property
    def ignores_shift(self) -> bool:
        """Logits do not count, where the method reads features alone."""
        return not self.sees_logits

    def score_range(self) -> tuple[float, float]:
        """Smallest and largest score that there can be; ±inf without one."""
        return self.bounds

    @property
    def n_fit_passes(self) -> int:
        """Once, unless a method says otherwise."""
        return 1

    def fit(
        self,
        logits: ArrayLike,
        labels: ArrayLike,
        class_names: Sequence[str] | None = None,
        features: ArrayLike | None = None,
    ) -> Self:
        """Learn from training activations, see :meth:`Method.fit`."""
        checked, whole, names = checked_training(logits, labels, class_names)
        if features is None:
            raise FitError(self._without_features())
        given = np.asarray(features)
        if given.ndim != 2 or len(given) != len(checked) or not given.shape[1]:
            raise FitError(
                f"features must be (N, D) beside {len(checked)} rows of logits; they are "
                f"{given.shape}"
            )

        def read() -> Iterator[Chunk]:
            for first in range(0, len(checked), BLOCK_ROWS):
                part = slice(first, first + BLOCK_ROWS)
                rows = checked[part]
                yield Chunk(first, rows, whole[part], rows.argmax(axis=1), as_float16(given[part]))

        return self.fit_chunks(read, names)

    def fit_chunks(self, read: ReadChunks, class_names: Sequence[str]) -> Self:
        """As :meth:`fit`, from chunks of activations."""
        names = tuple(map(str, class_names))
        n_correct, n_training = (np.zeros(len(names), dtype=np.int64) for _ in range(2))
        widths: set[int] = set()

        def checked() -> Iterator[Block]:
            first = 0
            for block in _blocks(self._with_features(read())):
                if (problem := _problem(block, first, len(names))) is not None:
                    raise FitError(problem)
                widths.add(block.features.shape[1])
                yield block
                first += len(block.labels)
            if not first:
                raise FitError("there are no training pictures; nothing can be learned")

        def counted() -> Iterator[Block]:
            for block in checked():
                right = block.labels[block.logits.argmax(axis=1) == block.labels]
                n_correct[:] += np.bincount(right, minlength=len(names))
                n_training[:] += np.bincount(block.labels, minlength=len(names))
                yield block

        passes = [counted]

        def read_again() -> Iterator[Block]:
            return (passes.pop() if passes else checked)()

        self._learn(read_again, len(names))
        self.n_features_ = widths.pop()
        self.class_names_, self.n_correct_, self.n_training_ = names, n_correct, n_training
        return self

    def decide(self, logits: ArrayLike, features: ArrayLike | None = None) -> Decisions:
        """Scores and predictions of (N, C) logits and (N, D) features, see :meth:`Method.decide`.

        Raises
        ------
        ActivationsError
            As there; or there are no features, they are others than those of the fit, or one is no
            number; the row is named.
        """
        checked = self._check_logits(logits)
        if features is None:
            raise ActivationsError(self._without_features())
        given = np.asarray(features)
        if given.shape != (len(checked), self.n_features_):
            raise ActivationsError(
                f"features must have the shape ({len(checked)}, {self.n_features_}), not "
                f"{given.shape}"
            )
        scores = np.empty(len(checked))
        predictions = np.empty(len(checked), dtype=np.int64)
        rows = max(1, SCORED_VALUES // max(self.n_classes, self.n_features_))
        for part, chunk in self.chunks(checked, rows):
            own = as_float16(given[part]).astype(np.float64, order="C")
            if (row := _first_nan(own)) is not None:
                raise ActivationsError(
                    f"row {part.start + row} of the features is no number (NaN); the picture or "
                    "the weights are damaged"
                )
            predictions[part] = chunk.argmax(axis=1)
            scores[part] = self._score(chunk, own)
        return Decisions(scores, predictions)

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, for JSON; arrays as base64."""
        self._require_fit()
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "method": self.own_name,
            "class_names": list(self.class_names_),
            "n_correct": plain(self.n_correct_),
            "n_training": plain(self.n_training_),
            "n_features": self.n_features_,
            "arrays": {name: _packed(array) for name, array in self._arrays().items()},
        }

    def restore(self, given: Any) -> Self:
        """Take everything learned from :meth:`to_dict`.

        Raises
        ------
        OpenMaxError
            It is something else, or of a newer version; the entry is named.
        """
        values, _ = without_header(given, FORMAT, FORMAT_VERSION)
        names = entry(tuple[str, ...], values, "class_names")
        counts = [entry(Int, values, name) for name in ("n_correct", "n_training")]
        if len(names) < 2 or any(len(count) != len(names) for count in counts):
            raise OpenMaxError("the method's counts are not of its classes; fit again")
        n_features = entry(int, values, "n_features")
        if not 1 <= n_features <= LARGEST_WIDTH:
            raise OpenMaxError(f"n_features must lie between 1 and {LARGEST_WIDTH:,}")
        packed = entry(dict[str, Any], values, "arrays")
        self._restore(Arrays(packed, n_features, len(names)))
        self.class_names_, (self.n_correct_, self.n_training_) = names, counts
        self.n_features_ = n_features
        return self

    @abstractmethod
    def _learn(self, read: ReadBlocks, n_classes: int) -> None:
        """Learn from blocks, which are read as often as :attr:`n_fit_passes` says."""

    @abstractmethod
    def _score(self, logits: Float, features: Float) -> Float:
        """(n,) scores of (n, C) logits and (n, D) features that are finite."""

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, by name: float64, int32 or int64."""

    @abstractmethod
    def _restore(self, arrays: Arrays) -> None:
        """Take what was learned from a file."""

    def _with_features(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            if chunk.features is None:
                raise FitError(self._without_features())
            yield chunk

    def _without_features(self) -> str:
        return f"the method '{self.own_name}' needs features, and there are none; {WAY_OUT}"


def _blocks(chunks: Iterable[Chunk]) -> Iterator[Block]:
    """Blocks of the same pictures, whatever chunks they come in."""
    held: list[Chunk] = []
    n = 0
    for chunk in chunks:
        held.append(chunk)
        n += len(chunk)
        if n >= BLOCK_ROWS:
            whole = _joined(held)
            last = n - n % BLOCK_ROWS
            for first in range(0, last, BLOCK_ROWS):
                yield _block(whole, first, first + BLOCK_ROWS)
            held, n = [_part(whole, last, n)], n - last
    if n:
        yield _block(_joined(held), 0, n)


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    parts = [
        np.concatenate([getattr(chunk, name) for chunk in chunks])
        for name in ("logits", "labels", "predictions", "features")
    ]
    return Chunk(0, *parts)


def _part(chunk: Chunk, first: int, last: int) -> Chunk:
    part = slice(first, last)
    assert chunk.features is not None  # noqa: S101 - looked at before
    return Chunk(
        0, chunk.logits[part], chunk.labels[part], chunk.predictions[part], chunk.features[part]
    )


def _block(chunk: Chunk, first: int, last: int) -> Block:
    own = _part(chunk, first, last)
    assert own.features is not None  # noqa: S101 - looked at before
    return Block(
        np.ascontiguousarray(own.logits, dtype=np.float64),
        own.labels,
        np.ascontiguousarray(own.features, dtype=np.float64),
    )


def _problem(block: Block, first: int, n_classes: int) -> str | None:
    """What is wrong with training pictures, from row ``first`` on; None where nothing is."""
    labels, rows = block.labels, range(first, first + len(block.labels))
    if not (labels.min() >= 0 and labels.max() < n_classes):
        return f"labels must lie in 0..{n_classes - 1}"
    if problem := what_is_wrong(block.logits, rows, "the training logits"):
        return problem
    if (row := _first_nan(block.features)) is not None:
        return (
            f"row {first + row} of the training features is no number (NaN); the picture or the "
            "weights are damaged"
        )
    return None


def _first_nan(features: Float) -> int | None:
    """First row with a feature that is NaN; None without one."""
    if math.isfinite(features.sum()):
        return None
    is_nan = np.isnan(features).any(axis=1)
    return int(is_nan.argmax()) if is_nan.any() else None


def _packed(array: NDArray[Any]) -> dict[str, Any]:
    """An array as JSON holds it, to the last bit."""
    kind = np.dtype(array.dtype).newbyteorder("<")
    content = np.ascontiguousarray(array, dtype=kind).tobytes()
    return {
        "dtype": kind.str,
        "shape": list(array.shape),
        "base64": base64.b64encode(content).decode("ascii"),
    }


@dataclass(frozen=True)
class Arrays:
    """Arrays of a file, checked where they are taken.

    Attributes
    ----------
    packed : by name
    n_features, n_classes : D and C
    """

    packed: dict[str, Any]
    n_features: int
    n_classes: int

    def take(self, name: str, kind: type, *shape: int | None) -> NDArray[Any]:
        """An array of a file.

        Parameters
        ----------
        kind : of its numbers
        shape : None for any length but none

        Raises
        ------
        OpenMaxError
            It is missing, damaged, or of another kind or shape; it is named.
        """
        place = f"arrays.{name}"
        if not isinstance(self.packed.get(name), dict):
            raise OpenMaxError(f"{place} is missing")
        values: dict[str, Any] = {"arrays": self.packed}
        found = entry(tuple[int, ...], values, f"{place}.shape")
        dtype = np.dtype(kind).newbyteorder("<")
        told = entry(str, values, f"{place}.dtype")
        text = entry(str, values, f"{place}.base64")
        is_fit = len(found) == len(shape) and all(
            n >= 1 and (wanted is None or n == wanted)
            for n, wanted in zip(found, shape, strict=False)
        )
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise OpenMaxError(f"{place} is damaged ({error})") from error
        if told != dtype.str or not is_fit or len(content) != dtype.itemsize * math.prod(found):
            raise OpenMaxError(f"{place} is not what the method learns; fit again")
        array = np.frombuffer(content, dtype=dtype).astype(kind).reshape(found)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise OpenMaxError(f"{place} holds numbers that are not finite; fit again")
        return array

    def vectors(self, name: str, n: int | None = None, width: int | None = None) -> Vectors:
        """Vectors of a file, see :func:`vectors_as_arrays`; D wide without ``width``."""
        grid = self.take(f"{name}_grid", np.int32, n, width or self.n_features)
        if np.abs(grid).max() * GRID > 1.0:
            raise OpenMaxError(f"arrays.{name}_grid holds no directions; fit again")
        return Vectors(grid, self.take(f"{name}_lengths", np.float64, len(grid)))


def vectors_as_arrays(name: str, vectors: Vectors) -> dict[str, NDArray[Any]]:
    """Vectors as the two arrays that a file holds."""
    return {f"{name}_grid": vectors.grid, f"{name}_lengths": vectors.lengths}
