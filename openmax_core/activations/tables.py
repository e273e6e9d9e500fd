"""Tables of logits that another program wrote: NPZ, Parquet and CSV, read a part at a time.

Columns of Parquet and CSV:

    logit_<class>  one for every class
    label          class name or index; negative, or 'unknown', of a picture of no class
    path           optional: the picture, from the table's folder on
    split          optional: train, calibration, test or reject
    feature_<i>    optional: what the last linear layer took; read where they are asked for

An NPZ file has the arrays ``logits`` (N, C) and ``labels`` (N,), and may have ``classes`` (C,),
``paths`` (N,), ``split`` (N,) and ``features`` (N, F).

What the rows mean is in :mod:`openmax_core.activations.table_rows`. Nothing is unpickled.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from openmax_core.activations.table_rows import ASKED_FOR, Logits, Table
from openmax_core.errors import ActivationsError
from openmax_core.support.files import printable

SUFFIXES = (".npz", ".parquet", ".csv")
LOGIT, FEATURE = NUMBERS = "logit_", "feature_"
FURTHER = ("label", "split", "path")
# The same in an NPZ file.
ARRAYS = {"label": "labels", "split": "split", "path": "paths"}
VALUES_AT_ONCE, MOST_ROWS_AT_ONCE = 1 << 21, 1 << 16
CSV_BLOCK_BYTES, BUFFER_BYTES = 1 << 22, 1 << 18
LARGEST = float(np.finfo(np.float32).max)


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
        features = sorted((name for name in columns if name.startswith(FEATURE)), key=_by_number)
        self.columns_of_features, self.n_features = tuple(features), len(features)
        self.has = frozenset(FURTHER).intersection(columns)

    @property
    def _place_of_logits(self) -> str:
        return f"columns {LOGIT}<class>"

    def _column(self, place: int) -> str:
        return LOGIT + self.columns_of_classes[place]

    @property
    def _place_of_features(self) -> str:
        return f"columns {FEATURE}<i>"

    @property
    def _feature_columns(self) -> list[str]:
        return [*self.columns_of_features]

    @abstractmethod
    def _batches(self, columns: list[str], n_rows: int) -> Iterator[Any]:
        """Record batches of some columns."""

    def _rows(
        self, order: Sequence[int], has_logits: bool, has_features: bool
    ) -> Iterator[tuple[Logits, Logits, dict[str, Any]]]:
        wanted = [self._column(place) for place in order] if has_logits else []
        features = self._feature_columns if has_features else []
        further = sorted(self.has)
        columns = [*wanted, *features, *further] or self.columns[:1]
        n_numbers = max(1, len(wanted) + len(features))
        n_rows = min(MOST_ROWS_AT_ONCE, max(1, VALUES_AT_ONCE // n_numbers))
        for batch in self._batches(columns, n_rows):
            if not batch.num_rows:
                continue
            self._batch = batch
            rest = {name: batch.column(name) for name in further}
            yield _numbers(batch, wanted), _numbers(batch, features), rest

    def _value(self, row: int, column: str) -> Any:
        return self._batch.column(column)[row].as_py()


def _numbers(batch: Any, names: Sequence[str]) -> Logits:
    """(n, K) float32 of some columns."""
    values = np.empty((batch.num_rows, len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for place, name in enumerate(names):
            column = batch.column(name)
            if pa.types.is_decimal(column.type):
                column = column.cast(pa.float64())
            values[:, place] = column.to_numpy(zero_copy_only=False)
    return values


def _by_number(name: str) -> tuple[bool, int, str]:
    text = name.removeprefix(FEATURE)
    return (False, int(text), text) if text.isdecimal() else (True, 0, text)


class _Parquet(_Columns):
    def _read_head(self) -> None:
        with self._opened() as stored:
            schema, self.n_rows = stored.schema_arrow, stored.metadata.num_rows
        self._take_columns(list(schema.names))
        self._strange_features: dict[str, Any] = {}
        for field in schema:
            kind = field.type
            is_number = (
                pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
            )
            if field.name.startswith(FEATURE) and not is_number:
                self._strange_features[field.name] = kind
            if field.name.startswith(LOGIT) and not is_number:
                self.fail(f"holds {kind}, not numbers", column=field.name)
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            if field.name in FURTHER and not (is_text or (is_number and field.name == "label")):
                kinds = "class names or whole numbers" if field.name == "label" else "text"
                self.fail(f"holds {kind}, not {kinds}", column=field.name)

    def require_features(self, why: str = ASKED_FOR) -> None:
        super().require_features(why)
        for name, kind in self._strange_features.items():
            self.fail(f"holds {kind}, not numbers", column=name)

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
        kinds = {
            name: pa.float32() if name.startswith(NUMBERS) else pa.string() for name in columns
        }
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
        places = {self.columns.index(name): name for name in columns if name.startswith(NUMBERS)}
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

    @property
    def _place_of_features(self) -> str:
        return "array 'features' (N, F)"

    @property
    def _feature_columns(self) -> list[str]:
        return [f"features[:, {place}]" for place in range(self.n_features)]

    def require_features(self, why: str = ASKED_FOR) -> None:
        super().require_features(why)
        with self._named_errors(), self._archive() as archive:
            dtype = self._head(archive, "features")[2]
        if dtype.kind not in "fiu":
            self.fail(f"holds {dtype}, not numbers", column="features")

    def _column(self, place: int) -> str:
        return f"logits[:, {place}]"

    def _further_column(self, name: str) -> str:
        return ARRAYS[name]

    def _value(self, row: int, column: str) -> Any:
        array, _, place = column.removesuffix("]").partition("[:, ")
        return float(self._read[array][row, int(place)])

    def _rows(
        self, order: Sequence[int], has_logits: bool, has_features: bool
    ) -> Iterator[tuple[Logits, Logits, dict[str, Any]]]:
        n_numbers = self.n_classes + (self.n_features if has_features else 0)
        n_rows = min(MOST_ROWS_AT_ONCE, max(1, VALUES_AT_ONCE // n_numbers))
        names = ["logits"] * has_logits + ["features"] * has_features
        with self._archive() as archive:
            parts = {name: self._numbers(archive, name, n_rows) for name in names}
            total = self.n_rows or 0
            for first in range(0, total, n_rows):
                rows = slice(first, min(first + n_rows, total))
                self._read = {name: next(part) for name, part in parts.items()}
                empty = np.empty((rows.stop - first, 0), dtype=np.float32)
                logits = features = empty
                with np.errstate(over="ignore"):
                    if has_logits:
                        logits = self._read["logits"][:, list(order)].astype(np.float32)
                    if has_features:
                        features = self._read["features"].astype(np.float32)
                further = {name: pa.array(of[rows]) for name, of in self._further.items()}
                yield logits, features, further

    def _numbers(self, archive: zipfile.ZipFile, name: str, n_rows: int) -> Iterator[NDArray[Any]]:
        with archive.open(f"{name}.npy") as member:
            shape, is_fortran, dtype = self._header(member, name)
            if is_fortran:
                whole = self._whole(archive, name)
                yield from (whole[first : first + n_rows] for first in range(0, shape[0], n_rows))
                return
            for first in range(0, shape[0], n_rows):
                count = min(n_rows, shape[0] - first)
                data = member.read(count * shape[1] * dtype.itemsize)
                if len(data) < count * shape[1] * dtype.itemsize:
                    self.fail("ends before its last row", column=name)
                yield np.frombuffer(data, dtype).reshape(count, shape[1])
