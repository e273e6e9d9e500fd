"""Stored files as somebody might leave them: edited by hand, damaged, or of another program."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

MISSING = "an entry that is not there"


def _deep() -> Any:
    inner: Any = 0
    for _ in range(50):
        inner = [inner]
    return inner


# What an entry may be instead of what it should be.
ODD: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -3,
    "huge": 10**30,
    "enormous": 10**400,
    "large": 2**62,
    "fraction": 0.37,
    "infinite": float("inf"),
    "not a number": float("nan"),
    "text": "odd",
    "empty text": "",
    "surrogate": "\ud800",
    "nul": "a\0b",
    "outside": "../../outside",
    "absolute": "/etc/passwd",
    "list": [1, "two", None],
    "empty list": [],
    "deep list": _deep(),
    "object": {"a": 1},
    "empty object": {},
    "missing": MISSING,
}

Place = tuple[str | int, ...]


def places(values: Any, most_deep: int = 5) -> Iterator[Place]:
    """Every entry of a JSON value by the keys that lead to it; of a list the first item alone."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(values, dict):
        items = list(values.items())
    elif isinstance(values, list) and values:
        items = [(0, values[0])]
    for key, value in items:
        yield (key,)
        if most_deep > 1:
            for rest in places(value, most_deep - 1):
                yield (key, *rest)


def with_odd(values: Any, place: Place, odd: Any) -> Any:
    """A copy with something else at a place."""
    changed = copy.deepcopy(values)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    if odd is MISSING:
        del inner[place[-1]]
    else:
        inner[place[-1]] = odd
    return changed


def odd_texts(values: Any, most_deep: int = 5) -> Iterator[tuple[str, str]]:
    """JSON texts with one odd entry each, and what is odd."""
    for place in places(values, most_deep):
        for name, odd in ODD.items():
            what = f"{'.'.join(map(str, place))}: {name}"
            yield what, json.dumps(with_odd(values, place, odd))
    for name, odd in ODD.items():
        if odd is not MISSING:
            yield f"all: {name}", json.dumps(odd)
    if isinstance(values, dict):
        yield "one entry more", json.dumps(values | {"surplus": 1})


def damaged_bytes(content: bytes) -> dict[str, bytes]:
    """A file that is empty, cut short, something else, or has other bytes in its middle."""
    half = len(content) // 2
    return {
        "empty": b"",
        "cut short": content[:half],
        "one byte short": content[:-1],
        "binary": bytes(range(256)) * 8,
        "other bytes": content[:half] + b"\xff\x00\xfe\x81" * 4 + content[half + 16 :],
        "text": b"nothing of the kind\n",
        "a page of the web": b"<!doctype html><p>moved</p>",
    }


# What a column of a table may hold instead, made of how many rows there are and of what is there.
COLUMNS: dict[str, Callable[[int, pa.Array], pa.Array]] = {
    "null": lambda n, old: pa.array([None] * n, type=old.type),
    "one null": lambda n, old: pa.array([None, *old.to_pylist()[1:]], type=old.type),
    "no type": lambda n, old: pa.nulls(n),
    "text": lambda n, old: pa.array(["odd"] * n),
    "numbers as text": lambda n, old: pa.array(["1"] * n),
    "bytes": lambda n, old: pa.array([b"\xff\xfe"] * n),
    "not UTF-8": lambda n, old: pa.array([b"\xff\xfe"] * n).view(pa.string()),
    "lists": lambda n, old: pa.array([[1, 2]] * n),
    "objects": lambda n, old: pa.array([{"a": 1}] * n),
    "true": lambda n, old: pa.array([True] * n),
    "fractions": lambda n, old: pa.array([0.5] * n),
    "not numbers": lambda n, old: pa.array([float("nan")] * n),
    "infinite": lambda n, old: pa.array([float("inf")] * n),
    "large": lambda n, old: pa.array([2**62] * n),
    "larger": lambda n, old: pa.array([2**64 - 1] * n, type=pa.uint64()),
    "negative": lambda n, old: pa.array([-7] * n),
    "one too many": lambda n, old: pa.array([3] * n),
    "dates": lambda n, old: pa.array([0] * n, type=pa.timestamp("ns")),
    "outside": lambda n, old: pa.array(["../../outside.png"] * n),
    "absolute": lambda n, old: pa.array(["/etc/passwd"] * n),
    "nul": lambda n, old: pa.array(["a\0b"] * n),
    "empty text": lambda n, old: pa.array([""] * n),
    "categories": lambda n, old: pa.array(["a"] * n).dictionary_encode(),
}


def odd_tables(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Tables with one odd column each, and what is odd; names and metadata stay."""
    for number, name in enumerate(table.column_names):
        old = table.column(number).combine_chunks()
        for kind, make in COLUMNS.items():
            column = make(len(table), old)
            yield f"{name}: {kind}", table.set_column(number, name, column)
        yield f"{name}: missing", table.drop_columns([name])
        yield f"{name}: twice", table.append_column(name, old)
    yield "no rows", table.slice(0, 0)
    yield "one row less", table.slice(1)
    yield "rows twice", pa.concat_tables([table, table])
    yield "one column more", table.append_column("surplus", pa.array([1] * len(table)))
