"""Tables of logits that another program wrote: NPZ, Parquet and CSV, read a part at a time.

Columns of Parquet and CSV:

    logit_<class>  one for every class
    label          class name or index; negative, or 'unknown', of a picture of no class
    path           optional: the picture, from the table's folder on
    split          optional: train, calibration, test or reject
    feature_<i>    optional; they are counted, and not read

An NPZ file has the arrays ``logits`` (N, C) and ``labels`` (N,), and may have ``classes`` (C,),
``paths`` (N,), ``split`` (N,) and ``features`` (N, F).

Each error names the file, and the row and column where there is one. Rows are counted from 1; the
header is none of them. Nothing is unpickled.
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
from itertools import chain
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from openmax_core.activations.activations import (
    LOGITS,
    OK,
    PICTURES,
    ROWS_PER_GROUP,
)
from openmax_core.errors import ActivationsError, first_line
from openmax_core.pictures.folders import normal
from openmax_core.support.files import listed, printable, storable

SUFFIXES = (".npz", ".parquet", ".csv")
SPLITS = ("train", "calibration", "test", "reject")
LOGIT, FEATURE = "logit_", "feature_"
UNKNOWN = "unknown"
FURTHER = ("label", "split", "path")
# The same in an NPZ file.
ARRAYS = {"label": "labels", "split": "split", "path": "paths"}
VALUES_AT_ONCE, MOST_ROWS_AT_ONCE = 1 << 21, 1 << 16
CSV_BLOCK_BYTES, BUFFER_BYTES = 1 << 22, 1 << 18
LARGEST = float(np.finfo(np.float32).max)
# What reading a damaged file may raise; pyarrow's own errors are ValueErrors, OSErrors and others.
DAMAGES = (
    *(pa.ArrowException, zipfile.BadZipFile, zlib.error, csv.Error, NotImplementedError),
    *(OSError, ValueError, LookupError, EOFError, RuntimeError, MemoryError, OverflowError),
)

Logits = NDArray[np.float32]


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
    """

    first: int
    logits: Logits
    labels: NDArray[np.int64] | None
    others: dict[int, str]
    splits: NDArray[np.int64] | None
    paths: list[str | None] | None

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
    n_rows : int or None
        None where that is not known before they are read.
    has : frozenset of str
        Which of 'label', 'split' and 'path' there are.
    """

    columns: list[str]
    columns_of_classes: tuple[str, ...] = ()
    n_classes = 0
    n_features = 0
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

    def parts(self, classes: Sequence[str], has_logits: bool = True) -> Iterator[Part]:
        """Read all rows.

        Parameters
        ----------
        classes : names of C classes, in the order in which their logits are wanted
        has_logits : False to leave them out

        Raises
        ------
        ActivationsError
            A row is not as it should be, the file is of other classes, or it is damaged.
        """
        order, first = self._order(classes), 0
        labels = _Labels(classes)
        with self._named_errors():
            for logits, columns in self._rows(order, has_logits):
                if has_logits:
                    self._require_finite(logits, first, order)
                yield self._part(first, logits, columns, labels)
                first += len(logits)
        if not first:
            self.fail("has no rows")

    def rows(self, classes: Sequence[str]) -> Iterator[tuple[list[str], Logits]]:
        """Read names and logits of all rows, whatever their labels are.

        Raises
        ------
        ActivationsError
            As for :meth:`parts`.
        """
        order, first = self._order(classes), 0
        with self._named_errors():
            for logits, columns in self._rows(order, True):
                self._require_finite(logits, first, order)
                paths = {"path": columns["path"]} if "path" in columns else {}
                part = self._part(first, logits, paths, _Labels(classes))
                yield [part.name(row) for row in range(len(part))], logits
                first += len(logits)
        if not first:
            self.fail("has no rows")

    @abstractmethod
    def _read_head(self) -> None:
        """Find classes and columns."""

    @property
    @abstractmethod
    def _place_of_logits(self) -> str: ...

    @abstractmethod
    def _rows(
        self, order: Sequence[int], has_logits: bool
    ) -> Iterator[tuple[Logits, dict[str, Any]]]:
        """Logits in an order of classes, and pyarrow arrays of the further columns by name."""

    @abstractmethod
    def _column(self, place: int) -> str:
        """Name of the column of the class at a place."""

    def _further_column(self, name: str) -> str:
        return name

    def _value(self, row: int, place: int) -> Any:
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

    def _require_finite(self, logits: Logits, first: int, order: Sequence[int]) -> None:
        if np.isfinite(logits).all():
            return
        row, place = np.argwhere(~np.isfinite(logits))[0].tolist()
        value = self._value(row, order[place])
        what = "is empty" if value is None else f"{value} is no finite number"
        if value is not None and math.isfinite(value):
            what = f"{value} is too large for float32"
        self.fail(what, first + row, self._column(order[place]))

    def _part(self, first: int, logits: Logits, columns: dict[str, Any], labels: _Labels) -> Part:
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
        return Part(first, logits, codes.get("label"), others, codes.get("split"), paths)


def open_table(path: Path, content: bytes | None = None) -> Table:
    """Open a table and read its head.

    Parameters
    ----------
    content : of an upload, whose name ``path`` is then

    Raises
    ------
    ActivationsError
        There is none, it is of another format, damaged, or has no logits.
    """
    kinds: dict[str, type[_Npz | _Parquet | _Csv]] = {
        ".npz": _Npz,
        ".parquet": _Parquet,
        ".csv": _Csv,
    }
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise ActivationsError(f"{path} is no table; write one as {', '.join(SUFFIXES)}")
    if content is None and not path.is_file():
        raise ActivationsError(f"the table {path} does not exist, or is no file")
    return kind(path, content)


def is_row(name: str) -> bool:
    """Tell whether :meth:`Part.name` called a row by its number, for it names no picture."""
    return re.fullmatch(r"(.*/)?row \d+", name) is not None


class _Labels:
    """What labels mean; of classes that are called by numbers, numbers are their names."""

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


class _Columns(Table):
    """A table with a column per class."""

    _batch: Any = None

    def _take_columns(self, columns: list[str]) -> None:
        self.columns = columns
        if len(columns) > len(set(columns)):
            twice = next(name for name in columns if columns.count(name) > 1)
            self.fail(f"has the column '{printable(twice)}' twice")
        found = [name.removeprefix(LOGIT) for name in columns if name.startswith(LOGIT)]
        if "" in found:
            self.fail(f"has a column '{LOGIT}' that names no class")
        self.columns_of_classes = tuple(found)
        self.n_classes = len(found)
        self.n_features = sum(name.startswith(FEATURE) for name in columns)
        self.has = frozenset(FURTHER).intersection(columns)

    @property
    def _place_of_logits(self) -> str:
        return f"columns {LOGIT}<class>"

    def _column(self, place: int) -> str:
        return LOGIT + self.columns_of_classes[place]

    @abstractmethod
    def _batches(self, columns: list[str], n_rows: int) -> Iterator[Any]:
        """Record batches of some columns."""

    def _rows(
        self, order: Sequence[int], has_logits: bool
    ) -> Iterator[tuple[Logits, dict[str, Any]]]:
        wanted = [self._column(place) for place in order] if has_logits else []
        further = sorted(self.has)
        n_rows = min(MOST_ROWS_AT_ONCE, max(1, VALUES_AT_ONCE // max(1, len(wanted))))
        for batch in self._batches([*wanted, *further] or self.columns[:1], n_rows):
            if not batch.num_rows:
                continue
            self._batch = batch
            logits = np.empty((batch.num_rows, len(wanted)), dtype=np.float32)
            with np.errstate(over="ignore"):
                for place, name in enumerate(wanted):
                    column = batch.column(name)
                    if pa.types.is_decimal(column.type):
                        column = column.cast(pa.float64())
                    logits[:, place] = column.to_numpy(zero_copy_only=False)
            yield logits, {name: batch.column(name) for name in further}

    def _value(self, row: int, place: int) -> Any:
        return self._batch.column(self._column(place))[row].as_py()


class _Parquet(_Columns):
    def _read_head(self) -> None:
        with self._opened() as stored:
            schema, self.n_rows = stored.schema_arrow, stored.metadata.num_rows
        self._take_columns(list(schema.names))
        for field in schema:
            kind = field.type
            is_number = (
                pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
            )
            if field.name.startswith(LOGIT) and not is_number:
                self.fail(f"holds {kind}, not numbers", column=field.name)
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            if field.name in FURTHER and not (is_text or (is_number and field.name == "label")):
                kinds = "class names or whole numbers" if field.name == "label" else "text"
                self.fail(f"holds {kind}, not {kinds}", column=field.name)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with (
            self._stream() as stream,
            # A row group is never held whole: it may have all rows.
            pq.ParquetFile(stream, buffer_size=BUFFER_BYTES, pre_buffer=False) as stored,
        ):
            yield stored

    def _batches(self, columns: list[str], n_rows: int) -> Iterator[Any]:
        with self._opened() as stored:
            yield from stored.iter_batches(n_rows, columns=columns, use_threads=False)


class _Csv(_Columns):
    _delimiter = ","

    @contextmanager
    def _lines(self) -> Iterator[Iterator[list[str]]]:
        """Rows of cells, the header first."""
        with self._stream() as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            head = text.readline(1 << 22)
            self._delimiter = max(",;\t", key=head.count)
            yield csv.reader(chain([head], text), delimiter=self._delimiter)

    def _read_head(self) -> None:
        with self._lines() as lines:
            header = [cell.strip() for cell in next(lines, [])]
        if not any(header):
            self.fail("has no header in its first line")
        self._take_columns(header)

    def _batches(self, columns: list[str], n_rows: int) -> Iterator[Any]:
        kinds = {name: pa.float32() if name.startswith(LOGIT) else pa.string() for name in columns}
        try:
            with (
                self._stream() as stream,
                pacsv.open_csv(
                    stream,
                    pacsv.ReadOptions(
                        block_size=CSV_BLOCK_BYTES, column_names=self.columns, skip_rows=1
                    ),
                    pacsv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                    pacsv.ConvertOptions(
                        column_types=kinds,
                        include_columns=columns,
                        null_values=[""],
                        strings_can_be_null=True,
                    ),
                ) as reader,
            ):
                yield from reader
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):  # nothing below the header
                return
            self._name_fault(columns)
            raise

    def _name_fault(self, columns: list[str]) -> None:
        """Look for the first row that is not as it should be, a cell at a time."""
        places = {self.columns.index(name): name for name in columns if name.startswith(LOGIT)}
        with self._lines() as lines:
            next(lines)
            for row, cells in enumerate(line for line in lines if line):
                if len(cells) != len(self.columns):
                    self.fail(f"has {len(cells)} cells, the header {len(self.columns)}", row)
                for place, name in places.items():
                    if (problem := _cell_problem(cells[place].strip())) is not None:
                        self.fail(problem, row, name)


def _cell_problem(cell: str) -> str | None:
    try:
        value = float(cell) if cell else 0.0
    except ValueError:
        value = math.nan
        is_comma = cell.count(",") == 1 and cell.replace(",", "").lstrip("-").isdecimal()
        hint = "; write a decimal point" if is_comma else ""
        return f"'{printable(cell[:40])}' is no number{hint}"
    if "_" in cell:
        return f"'{printable(cell[:40])}' is no number"
    return f"{cell} is too large for float32" if LARGEST < abs(value) < math.inf else None


class _Npz(Table):
    def _read_head(self) -> None:
        with self._archive() as archive:
            self.columns = [name.removesuffix(".npy") for name in archive.namelist()]
            self.has = frozenset(name for name, array in ARRAYS.items() if array in self.columns)
            if "logits" not in self.columns:
                if "label" in self.columns:
                    self.fail("has an array 'label'; it must be called 'labels'")
                return
            shape, _, dtype = self._head(archive, "logits")
            if dtype.kind not in "fiu":
                self.fail(f"holds {dtype}, not numbers", column="logits")
            if len(shape) != 2:
                self.fail(f"has the shape {shape}; it must be (N, C)", column="logits")
            self.n_rows, self.n_classes = shape
            self._further = {
                name: self._whole(archive, array)
                for name, array in ARRAYS.items()
                if name in self.has
            }
            for name, array in self._further.items():
                if array.shape != (self.n_rows,):
                    self.fail(
                        f"has the shape {array.shape}; logits have {self.n_rows:,} rows",
                        column=ARRAYS[name],
                    )
                if array.dtype.kind not in ("iufU" if name == "label" else "U"):
                    kinds = "class names or whole numbers" if name == "label" else "text"
                    self.fail(f"holds {array.dtype}, not {kinds}", column=ARRAYS[name])
            if "features" in self.columns:
                features = self._head(archive, "features")[0]
                if len(features) != 2 or features[0] != self.n_rows:
                    self.fail(
                        f"has the shape {features}; it must be ({self.n_rows}, F)",
                        column="features",
                    )
                self.n_features = features[1]
            if "classes" in self.columns:
                classes = self._whole(archive, "classes")
                if classes.dtype.kind not in "Uiu" or classes.shape != (self.n_classes,):
                    self.fail(
                        f"holds {classes.dtype} of the shape {classes.shape}; it must hold the "
                        f"names of {self.n_classes} classes",
                        column="classes",
                    )
                self.columns_of_classes = tuple(map(str, classes.tolist()))

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:
        with self._stream() as stream, zipfile.ZipFile(stream) as archive:
            yield archive

    def _head(self, archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], bool, Any]:
        with archive.open(f"{name}.npy") as member:
            return self._header(member, name)

    def _header(self, member: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, Any]:
        version = np.lib.format.read_magic(member)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            self.fail("is not an array of numbers or text", column=name)
        shape, is_fortran, dtype = readers[version](member)
        if dtype.hasobject:
            self.fail(
                "holds Python objects, which are never opened; save it as numbers or text, for "
                "example np.array(names, dtype=str)",
                column=name,
            )
        return shape, is_fortran, dtype

    def _whole(self, archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
        self._head(archive, name)
        with archive.open(f"{name}.npy") as member:
            values: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
        return values

    @property
    def _place_of_logits(self) -> str:
        return "array 'logits' (N, C)"

    def _column(self, place: int) -> str:
        return f"logits[:, {place}]"

    def _further_column(self, name: str) -> str:
        return ARRAYS[name]

    def _value(self, row: int, place: int) -> Any:
        return float(self._read[row, place])

    def _rows(
        self, order: Sequence[int], has_logits: bool
    ) -> Iterator[tuple[Logits, dict[str, Any]]]:
        n_rows = min(MOST_ROWS_AT_ONCE, max(1, VALUES_AT_ONCE // self.n_classes))
        with self._archive() as archive:
            parts = self._logits(archive, n_rows) if has_logits else None
            total = self.n_rows or 0
            for first in range(0, total, n_rows):
                rows = slice(first, min(first + n_rows, total))
                logits = np.empty((rows.stop - first, 0), dtype=np.float32)
                if parts is not None:
                    self._read = next(parts)
                    with np.errstate(over="ignore"):
                        logits = self._read[:, list(order)].astype(np.float32)
                yield logits, {name: pa.array(of[rows]) for name, of in self._further.items()}

    def _logits(self, archive: zipfile.ZipFile, n_rows: int) -> Iterator[NDArray[Any]]:
        with archive.open("logits.npy") as member:
            shape, is_fortran, dtype = self._header(member, "logits")
            if is_fortran:
                whole = self._whole(archive, "logits")
                yield from (whole[first : first + n_rows] for first in range(0, shape[0], n_rows))
                return
            for first in range(0, shape[0], n_rows):
                count = min(n_rows, shape[0] - first)
                data = member.read(count * shape[1] * dtype.itemsize)
                if len(data) < count * shape[1] * dtype.itemsize:
                    self.fail("ends before its last row", column="logits")
                yield np.frombuffer(data, dtype).reshape(count, shape[1])


class SetWriter:
    """Writes the rows of one set into a folder of stored activations, a part at a time.

    Parameters
    ----------
    folder : there, and empty
    n_classes : C
    """

    HEADER_BYTES = 128
    SCHEMA = pa.schema(
        [
            *(("path", pa.string()), ("size", pa.int64()), ("mtime", pa.int64())),
            *(("label", pa.int64()), ("prediction", pa.int64())),
            *(("status", pa.string()), ("error", pa.string())),
        ]
    )

    def __init__(self, folder: Path, n_classes: int) -> None:
        self._n_classes = n_classes
        self.n_rows = 0
        self._counts = np.zeros(n_classes, dtype=np.int64)
        self._logits = (folder / LOGITS).open("wb")
        self._logits.write(bytes(self.HEADER_BYTES))
        self._pictures = pq.ParquetWriter(folder / PICTURES, self.SCHEMA)
        self._waiting: list[Any] = []

    def add(self, logits: Logits, labels: NDArray[np.int64], names: list[str]) -> None:
        """Write N rows.

        Parameters
        ----------
        logits : (N, C)
        labels : (N,), −1 for unknowns
        names : N paths of pictures
        """
        n = len(names)
        none = np.zeros(n, dtype=np.int64)
        predictions = logits.argmax(axis=1)
        columns = [names, none, none, labels, predictions, [OK] * n, [""] * n]
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, self.SCHEMA, strict=True)
        ]
        self._waiting.append(pa.record_batch(arrays, schema=self.SCHEMA))
        self._logits.write(np.ascontiguousarray(logits, dtype=np.float32).data)
        self.n_rows += n
        self._counts += np.bincount(labels[labels >= 0], minlength=self._n_classes)
        if sum(map(len, self._waiting)) >= ROWS_PER_GROUP:
            self._flush()

    @property
    def n_labels(self) -> int:
        """How many of the classes have a row."""
        return int((self._counts > 0).sum())

    def close(self) -> None:
        """Finish both files; nothing where they are."""
        if self._logits.closed:
            return
        self._flush()
        self._pictures.close()
        head = {"descr": "<f4", "fortran_order": False, "shape": (self.n_rows, self._n_classes)}
        text = repr(head).encode("ascii")
        length = self.HEADER_BYTES - 10
        self._logits.seek(0)
        self._logits.write(b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little"))
        self._logits.write(text.ljust(length - 1) + b"\n")
        self._logits.close()

    def _flush(self) -> None:
        if self._waiting:
            self._pictures.write_table(pa.Table.from_batches(self._waiting, self.SCHEMA))
            self._waiting.clear()
