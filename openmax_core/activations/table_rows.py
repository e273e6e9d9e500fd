"""What the rows of a table of logits mean: logits by class, labels, splits, names of pictures.

Each error names the file, and the row and column where there is one. Rows are counted from 1; the
header is none of them. How the formats are read is in :mod:`openmax_core.activations.tables`.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from openmax_core.errors import ActivationsError, first_line
from openmax_core.pictures.folders import normal
from openmax_core.support.files import listed, printable, storable

SPLITS = ("train", "calibration", "test", "reject")
UNKNOWN = "unknown"
# What reading a damaged file may raise; pyarrow's own errors are ValueErrors, OSErrors and others.
DAMAGES = (
    *(pa.ArrowException, zipfile.BadZipFile, zlib.error, csv.Error, NotImplementedError),
    *(OSError, ValueError, LookupError, EOFError, RuntimeError, MemoryError, OverflowError),
)

Logits = NDArray[np.float32]
ASKED_FOR = "features = true under [classifier] in workspace.toml, or --features, asks for them"


@dataclass(frozen=True)
class Part:
    """N rows of a table, one after another.

    Attributes
    ----------
    first : int
        Rows before them.
    logits : (N, C) float32
        In the order of the classes that were asked for; (N, 0) where they were not.
    labels : (N,) int64 or None
        Class indices, −1 for unknowns and for labels in ``others``.
    others : dict of int to str
        By row, texts that are no class.
    splits : (N,) int64 or None
        Indices into :data:`SPLITS`.
    paths : list of N str or None
    features : (N, D) float32; (N, 0) where they were not asked for
    """

    first: int
    logits: Logits
    labels: NDArray[np.int64] | None
    others: dict[int, str]
    splits: NDArray[np.int64] | None
    paths: list[str | None] | None
    features: Logits

    def __len__(self) -> int:
        return len(self.logits)

    def name(self, row: int) -> str:
        """Path of a row's picture; without one 'row 17', for an unknown below its label."""
        path = None if self.paths is None else self.paths[row]
        if path:
            return storable(path)
        number = f"row {self.first + row + 1}"
        kind = self.others.get(row)
        return f"{storable(kind).replace('/', '_')}/{number}" if kind else number


class Table(ABC):
    """An opened table, of which nothing but the head was read.

    Attributes
    ----------
    path : Path
        Of the file; of an upload, its name.
    columns_of_classes : tuple of str
        Classes that it names, in its order; empty where it names none.
    n_classes, n_features : int
    columns_of_features : tuple of str
        Where they have names, in the order in which they are read: by number, or by name.
    n_rows : int or None
        None where that is not known before they are read.
    has : frozenset of str
        Which of 'label', 'split' and 'path' there are.
    """

    columns: list[str]
    columns_of_classes: tuple[str, ...] = ()
    n_classes = 0
    n_features = 0
    columns_of_features: tuple[str, ...] = ()
    n_rows: int | None = None
    has: frozenset[str] = frozenset()

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self.path, self._content = path, content
        with self._named_errors():
            self._read_head()
        if not self.n_classes:
            there = listed(self.columns) or "nothing"
            self.fail(f"has no {self._place_of_logits}; it has {there}")
        if self.n_classes < 2:
            self.fail("has logits of 1 class; OpenMax needs at least 2")
        names = list(map(normal, self.columns_of_classes))
        if twice := [name for name in names if names.count(name) > 1]:
            self.fail(f"has the class '{printable(twice[0])}' twice")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, by index where they are numbers; empty where there are none."""
        if self.is_numbered:
            return tuple(map(str, range(self.n_classes)))
        return self.columns_of_classes

    @property
    def is_numbered(self) -> bool:
        """The names of its classes are 0 to C − 1, which are indices at the same time."""
        return set(self.columns_of_classes) == set(map(str, range(self.n_classes)))

    def fail(self, problem: str, row: int | None = None, column: str | None = None) -> NoReturn:
        """Raise an error that names the place.

        Parameters
        ----------
        row : counted from 0

        Raises
        ------
        ActivationsError
            Always.
        """
        place = "" if row is None else f", row {row + 1:,}"
        place += "" if column is None else f", column {printable(column)}"
        raise ActivationsError(f"{self.path}{place}{':' if place else ''} {problem}")

    @property
    def label_column(self) -> str:
        """What the column of the labels is called."""
        return self._further_column("label")

    def require_labels(self) -> None:
        """Raise an error where there are no labels.

        Raises
        ------
        ActivationsError
            There are none.
        """
        if "label" not in self.has:
            name = self.label_column
            close = difflib.get_close_matches(name, self.columns, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"it has {listed(self.columns)}"
            self.fail(f"has no {name}, which tells each row's class; {hint}")

    def require_features(self, why: str = ASKED_FOR) -> None:
        """Raise an error where there are no features.

        Parameters
        ----------
        why : they are needed, for the message

        Raises
        ------
        ActivationsError
            There are none, or they are no numbers.
        """
        if not self.n_features:
            self.fail(f"has no {self._place_of_features}, and {why}")

    def parts(
        self, classes: Sequence[str], has_logits: bool = True, *, has_features: bool = False
    ) -> Iterator[Part]:
        """Read all rows.

        Parameters
        ----------
        classes : names of C classes, in the order in which their logits are wanted
        has_logits : False to leave them out
        has_features : read the features too

        Raises
        ------
        ActivationsError
            A row is not as it should be, the file is of other classes, or it is damaged.
        """
        order, first = self._order(classes), 0
        labels = LabelReader(classes)
        wanted = [self._column(place) for place in order] if has_logits else []
        if has_features:
            self.require_features()
        with self._named_errors():
            for logits, features, columns in self._rows(order, has_logits, has_features):
                self._require_finite(logits, first, wanted)
                self._require_finite(features, first, self._feature_columns)
                yield self._part(first, logits, features, columns, labels)
                first += len(logits)
        if not first:
            self.fail("has no rows")

    def rows(
        self, classes: Sequence[str], *, has_features: bool = False
    ) -> Iterator[tuple[list[str], Logits]]:
        """Read names and logits of all rows, whatever their labels are.

        Parameters
        ----------
        has_features : with the features behind the logits, (N, C + D)

        Raises
        ------
        ActivationsError
            As for :meth:`parts`.
        """
        for names, values, _ in self.rows_with_labels(classes, has_features=has_features):
            yield names, values

    def rows_with_labels(
        self, classes: Sequence[str], *, has_features: bool = False
    ) -> Iterator[tuple[list[str], Logits, list[Any]]]:
        """Read names, logits and labels of all rows; arguments as of :meth:`rows`.

        Labels are as they stand in the file, see :class:`LabelReader`; None where there are none.

        Raises
        ------
        ActivationsError
            As for :meth:`parts`.
        """
        order, first = self._order(classes), 0
        if has_features:
            self.require_features("the method needs them")
        with self._named_errors():
            for logits, features, columns in self._rows(order, True, has_features):
                self._require_finite(logits, first, [self._column(place) for place in order])
                self._require_finite(features, first, self._feature_columns)
                paths = {"path": columns["path"]} if "path" in columns else {}
                part = self._part(first, logits, features, paths, LabelReader(classes))
                values = np.concatenate([logits, features], axis=1) if has_features else logits
                given = columns["label"].to_pylist() if "label" in columns else [None] * len(part)
                yield [part.name(row) for row in range(len(part))], values, given
                first += len(logits)
        if not first:
            self.fail("has no rows")

    @abstractmethod
    def _read_head(self) -> None:
        """Find classes and columns."""

    @property
    @abstractmethod
    def _place_of_logits(self) -> str: ...

    @property
    @abstractmethod
    def _place_of_features(self) -> str: ...

    @property
    @abstractmethod
    def _feature_columns(self) -> list[str]:
        """What the columns of the features are called."""

    @abstractmethod
    def _rows(
        self, order: Sequence[int], has_logits: bool, has_features: bool
    ) -> Iterator[tuple[Logits, Logits, dict[str, Any]]]:
        """Logits in an order of classes, features, and the further columns by name, of pyarrow."""

    @abstractmethod
    def _column(self, place: int) -> str:
        """Name of the column of the class at a place."""

    def _further_column(self, name: str) -> str:
        return name

    def _value(self, row: int, column: str) -> Any:
        """What stands in the last part that was read, for a message."""
        return None

    @contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        stream = self.path.open("rb") if self._content is None else io.BytesIO(self._content)
        with stream:
            yield stream

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except DAMAGES as error:
            reason = getattr(error, "strerror", None) or first_line(error)
            self.fail(f"cannot be read as {self.path.suffix.lower()[1:].upper()} ({reason})")

    def _order(self, classes: Sequence[str]) -> list[int]:
        """Places in the file of the classes that are asked for."""
        places = {normal(name): place for place, name in enumerate(self.columns_of_classes)}
        if set(map(normal, classes)) == set(places):
            return [places[normal(name)] for name in classes]
        if len(classes) == self.n_classes and (self.is_numbered or not places):
            return [places.get(str(index), index) for index in range(self.n_classes)]
        if self.is_numbered or not places:
            self.fail(f"has logits of {self.n_classes} classes; there are {len(classes)}")
        known = set(map(normal, classes))
        parts = []
        if absent := [name for name in classes if normal(name) not in places]:
            parts.append(f"lacks {listed(absent, 3)}")
        if surplus := [name for name in self.columns_of_classes if normal(name) not in known]:
            parts.append(f"has {listed(surplus, 3)}, which is none of the classes")
        self.fail(f"is of other classes: it {' and '.join(parts)}")

    def _require_finite(self, values: Logits, first: int, columns: Sequence[str]) -> None:
        if np.isfinite(values).all():
            return
        row, place = np.argwhere(~np.isfinite(values))[0].tolist()
        value = self._value(row, columns[place])
        what = "is empty" if value is None else f"{value} is no finite number"
        if value is not None and math.isfinite(value):
            what = f"{value} is too large for float32"
        self.fail(what, first + row, columns[place])

    def _part(
        self,
        first: int,
        logits: Logits,
        features: Logits,
        columns: dict[str, Any],
        labels: LabelReader,
    ) -> Part:
        codes: dict[str, NDArray[np.int64]] = {}
        others: dict[int, str] = {}
        for name, read in (("label", labels.read), ("split", _split)):
            if name not in columns:
                continue
            values, places = _encoded(columns[name])
            found, problems = [], {}
            for place, value in enumerate(values):
                try:
                    found.append(read(value))
                except ValueError as error:
                    found.append(-1)
                    problems[int(np.argmax(places == place))] = str(error)
            if problems:
                row = min(problems)
                self.fail(problems[row], first + row, self._further_column(name))
            texts = {place for place, value in enumerate(found) if isinstance(value, str)}
            if texts:
                rows = np.flatnonzero(np.isin(places, list(texts))).tolist()
                others |= {row: str(found[places[row]]) for row in rows}
            numbers = [-1 if isinstance(value, str) else value for value in found]
            codes[name] = np.array(numbers, dtype=np.int64)[places]
        paths = columns["path"].cast(pa.string()).to_pylist() if "path" in columns else None
        label, split = codes.get("label"), codes.get("split")
        return Part(first, logits, label, others, split, paths, features)


def is_row(name: str) -> bool:
    """Tell whether :meth:`Part.name` called a row by its number, for it names no picture."""
    return re.fullmatch(r"(.*/)?row \d+", name) is not None


class LabelReader:
    """What labels mean; of classes that are called by numbers, numbers are their names.

    Parameters
    ----------
    classes : names of C classes
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._indices = {normal(name): index for index, name in enumerate(classes)}
        self._are_numbers = all(name.isdecimal() for name in classes)

    def read(self, value: Any) -> int | str:
        """Index of a class, −1 for unknown, or a text that is no class.

        Raises
        ------
        ValueError
            It is no label; with the reason in words.
        """
        if value in {None, ""} or (isinstance(value, float) and math.isnan(value)):
            raise ValueError("is empty")
        if isinstance(value, str):
            text = normal(value.strip())
            if text in self._indices:
                return self._indices[text]
            if text.lower() == UNKNOWN:
                return -1
            try:
                value = float(text)
            except ValueError:
                return text
        if isinstance(value, bool) or not float(value).is_integer():
            raise ValueError(f"{value} is neither a class name nor a whole number")
        number = int(value)
        if number < 0:
            return -1
        if self._are_numbers:
            if str(number) not in self._indices:
                raise ValueError(
                    f"{number} is none of the classes {listed(self._classes)}; where classes are "
                    "called by numbers, labels are their names"
                )
            return self._indices[str(number)]
        if number >= len(self._classes):
            raise ValueError(
                f"{number} is out of range: {len(self._classes)} classes have the indices 0 to "
                f"{len(self._classes) - 1}, and unknowns a negative label"
            )
        return number


def _split(value: Any) -> int:
    name = str(value if value is not None else "").strip().lower()
    if name not in SPLITS:
        raise ValueError(
            f"'{printable(name)}' is none of {', '.join(SPLITS)}" if name else "is empty"
        )
    return SPLITS.index(name)


def _encoded(column: Any) -> tuple[list[Any], NDArray[np.int64]]:
    """Different values of a column, and the place of each row's among them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    encoded = column.dictionary_encode("encode")
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
