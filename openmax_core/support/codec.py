"""What is read back from a file, checked where it is read: JSON by entry, tables by column.

What an annotation means in a file:

    bool, int, float, str, None      as they are; an int of 64 bits, a finite float
    MaybeNan                         a number, or null for NaN
    NDArray of float64, of int64     a list of numbers, null for NaN
    tuple[X, ...], tuple[X, Y]       a list
    dict[str, X]                     an object
    a dataclass                      an object of its fields, or what its ``from_dict`` takes
    X | Y                            the first of them that fits
    Any                              anything

Nothing is converted but whole numbers to floats. Each error names the entry, as in
``transform.crop[1] must be a whole number, not 'wide'``; who reads a file adds the file's name.

Columns of a table are called by what they hold: ``str``, ``int``, ``float``, ``bool``, a ``range``
of whole numbers, or the texts that there are.
"""

from __future__ import annotations

import json
import math
import reprlib
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import OpenMaxError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

T = TypeVar("T")
Column = type | range | tuple[str, ...]
MaybeNan = Annotated[float, "null for NaN"]
LARGEST_INT = (1 << 63) - 1
IN_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
MANY = {bool: "true and false", int: "whole numbers", float: "numbers", str: "texts"}


def parse_json(text: str | bytes) -> Any:
    """Values of a JSON text.

    Raises
    ------
    OpenMaxError
        It is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OpenMaxError(str(error)) from error


def read_json(path: Path) -> Any:
    """Values of a JSON file in UTF-8.

    Raises
    ------
    OpenMaxError
        It cannot be read, or is no JSON.
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OpenMaxError(str(error)) from error


def found_object(path: Path) -> dict[str, Any]:
    """Entries of the object in a JSON file; empty where there is none that can be read."""
    try:
        values = read_json(path)
    except OpenMaxError:
        return {}
    return values if isinstance(values, dict) else {}


def read_columns(path: Path, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Columns of a Parquet file, in their order; what else it holds is left out.

    Raises
    ------
    OpenMaxError
        It cannot be read, or a column is missing or holds something else; it is named.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as stored:
            table = stored.read(columns=list(columns))
    # pyarrow has error classes of its own for damaged files, some of them OSError.
    except (OSError, ValueError, LookupError, EOFError, pa.ArrowException) as error:
        raise OpenMaxError(str(error)) from error
    return typed_columns(table, columns).to_pandas()


def typed_columns(table: pa.Table, columns: Mapping[str, Column]) -> pa.Table:
    """Columns of a table as what they are to hold, see :func:`read_columns`.

    Raises
    ------
    OpenMaxError
        One is missing or holds something else; it is named.
    """
    import pyarrow as pa

    found = {}
    for name, kind in columns.items():
        places = table.schema.get_all_field_indices(name)
        if len(places) != 1:
            raise OpenMaxError(f"there are {len(places)} columns {name}, not one")
        try:
            found[name] = _typed_column(name, table.column(places[0]), kind)
        except pa.ArrowException as error:
            raise OpenMaxError(f"the column {name} is damaged ({error})") from error
    return pa.table(found)


def _typed_column(name: str, column: pa.ChunkedArray, kind: Column) -> pa.ChunkedArray:
    import pyarrow as pa
    from pyarrow import compute, types

    wanted = str if isinstance(kind, tuple) else int if isinstance(kind, range) else kind
    fits: dict[Any, tuple[Any, Any]] = {
        str: (lambda t: types.is_string(t) or types.is_large_string(t), pa.large_string()),
        int: (types.is_integer, pa.int64()),
        float: (types.is_floating, pa.float64()),
        bool: (types.is_boolean, pa.bool_()),
    }
    is_fit, arrow_type = fits[wanted]
    if not is_fit(column.type):
        raise OpenMaxError(f"the column {name} must hold {MANY[wanted]}, not {column.type}")
    column.validate(full=True)  # a text that is no text
    column = column.cast(arrow_type)
    if wanted is float:
        return column
    missing = column.is_null()
    if isinstance(kind, range) and len(kind):
        inside = compute.and_(
            compute.greater_equal(column, kind.start), compute.less(column, kind.stop)
        )
    elif isinstance(kind, tuple):
        inside = compute.is_in(column, value_set=pa.array(kind, type=arrow_type))
    else:
        inside = compute.invert(missing)
    wrong = compute.invert(compute.and_not(compute.fill_null(inside, False), missing))
    if (row := compute.index(wrong, True).as_py()) >= 0:
        what = IN_WORDS[wanted]
        if isinstance(kind, tuple):
            what = f"one of {', '.join(kind)}"
        elif isinstance(kind, range):
            what = f"a whole number from {kind.start} to {kind.stop - 1}"
        raise _unfit(f"{name} in row {row + 1:,}", what, column[row].as_py())
    return column


def plain(value: Any) -> Any:
    """Values for JSON: null for NaN, lists for tuples and arrays, objects for dataclasses."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        has_nan = value.dtype.kind == "f" and bool(np.isnan(value).any())
        return plain(value.tolist()) if has_nan else value.tolist()
    return None if isinstance(value, float) and math.isnan(value) else value


def without_header(values: Any, name: str, newest: int) -> tuple[dict[str, Any], int]:
    """Entries of a file beside its 'format' and 'version', and the version.

    Raises
    ------
    OpenMaxError
        It is of another format, or of a version that this program does not know.
    """
    if not isinstance(values, dict) or values.get("format") != name:
        raise OpenMaxError(f"not of the format {name}")
    version = values.get("version")
    if type(version) is not int or not 1 <= version <= newest:
        older = " or older" if newest > 1 else ""
        raise OpenMaxError(
            f"format version {reprlib.repr(version)}; this program reads version {newest}{older}, "
            "update it"
        )
    rest = {key: value for key, value in values.items() if key not in {"format", "version"}}
    return rest, version


def rebuilt(kind: type[T], values: Any, place: str = "") -> T:
    """Make a dataclass of an object that has its fields; fields with a default may be missing.

    Raises
    ------
    OpenMaxError
        An entry is missing, unknown, or of another type.
    """
    if not isinstance(values, dict):
        raise _unfit(place or "the content", "an object", values)
    dot = f"{place}." if place else ""
    hints = _hints(kind)  # type: ignore[arg-type]
    own = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    if unknown := [name for name in values if name not in own]:
        raise OpenMaxError(f"{dot}{unknown[0]} is unknown; there are {', '.join(own)}")
    for name, item in own.items():
        if name not in values and item.default is item.default_factory is MISSING:
            raise OpenMaxError(f"{dot}{name} is missing")
    return kind(**{name: _read(hints[name], value, dot + name) for name, value in values.items()})


def entry(kind: Any, values: dict[str, Any], place: str) -> Any:
    """One entry as what an annotation says: at 'mix.distance', or of every item at 'classes[].p'.

    Raises
    ------
    OpenMaxError
        It is missing, or of another type.
    """
    head, _, column = place.partition("[].")
    found: Any = values
    for name in head.split("."):
        found = _item(found, name, place)
    if column:
        if not isinstance(found, list):
            raise _unfit(head, "a list", found)
        found = [_item(row, column, place) for row in found]
    return _read(kind, found, place)


def _item(values: Any, name: str, place: str) -> Any:
    if not isinstance(values, dict) or name not in values:
        raise OpenMaxError(f"{place} is missing")
    return values[name]


@lru_cache(maxsize=100)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _read(kind: Any, value: Any, place: str) -> Any:
    if kind is Any or (kind is str and type(value) is str and _is_text(value)):
        return value
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:  # MaybeNan; its bare kind is args[0]
        return math.nan if value is None else _read(args[0], value, place)
    if origin in (Union, UnionType):
        return _read_union(args, value, place)
    if origin is tuple:
        return tuple(_read_items(args, value, place))
    if origin is dict:
        if not isinstance(value, dict):
            raise _unfit(place, "an object", value)
        return {name: _read(args[1], item, f"{place}.{name}") for name, item in value.items()}
    if origin is np.ndarray:
        return _read_array(get_args(args[1])[0], value, place)
    if is_dataclass(kind):
        return _read_dataclass(kind, value, place)
    return _read_one(kind, value, place)


def _is_text(value: str) -> bool:
    """Tell whether it can be written: half of a pair of surrogates is no text."""
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _read_union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    *others, last = [kind for kind in kinds if kind is not NoneType]
    for kind in others:
        with suppress(OpenMaxError):
            return _read(kind, value, place)
    return _read(last, value, place)


def _read_items(kinds: tuple[Any, ...], value: Any, place: str) -> list[Any]:
    """Items of a list: of one kind, or as many as there are kinds."""
    if not isinstance(value, list):
        raise _unfit(place, "a list", value)
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise _unfit(place, f"a list of {len(kinds)}", value)
    pairs = zip(kinds, value, strict=True)
    return [_read(kind, item, f"{place}[{index}]") for index, (kind, item) in enumerate(pairs)]


def _read_array(dtype: type, value: Any, place: str) -> NDArray[Any]:
    kinds = {int} if dtype is np.int64 else {int, float, NoneType}
    with suppress(OverflowError):
        if isinstance(value, list) and set(map(type, value)) <= kinds:
            array: NDArray[Any] = np.array(value, dtype=dtype)
            if not np.isinf(array).any():
                return array
    raise _unfit(place, f"a list of {dtype.__name__} numbers", value)


def _read_dataclass(kind: Any, value: Any, place: str) -> Any:
    if isinstance(value, kind):  # who reads an old version may have made it already
        return value
    if not hasattr(kind, "from_dict"):
        return rebuilt(kind, value, place)
    try:
        return kind.from_dict(value)
    except OpenMaxError as error:
        raise OpenMaxError(f"in {place}, {error}") from error


def _read_one(kind: type, value: Any, place: str) -> Any:
    numbers = (int, float) if kind is float else (kind,)
    largest = LARGEST_INT if kind is int else sys.float_info.max
    is_number = kind in (int, float)
    if type(value) not in numbers or kind is str or (is_number and not abs(value) <= largest):
        raise _unfit(place, IN_WORDS[kind], value)
    return float(value) if kind is float else value


def _unfit(place: str, what: str, value: Any) -> OpenMaxError:
    return OpenMaxError(f"{place} must be {what}, not {reprlib.repr(value)}")
