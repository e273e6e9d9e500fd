"""What a file holds is read as the annotations say, or the entry that is wrong is named."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.support.codec import (
    MaybeNan,
    entry,
    parse_json,
    plain,
    read_json,
    rebuilt,
    without_header,
)
from tests.support.damaged import JSON


@dataclass(frozen=True)
class Inner:
    share: MaybeNan
    size: int | tuple[int, int] = 1


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    mean: tuple[float, float]
    is_on: bool = False
    limits: dict[str, float] | None = None
    rows: tuple[Inner, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


WHOLE: dict[str, Any] = {
    "name": "a",
    "inner": {"share": None, "size": [2, 3]},
    "mean": [0.5, 1],
    "is_on": True,
    "limits": {"ash": 0.1 + 0.2},
    "rows": [{"share": 0.5}, {"share": 1, "size": 7}],
    "options": {"anything": [1, "b", None]},
}


def test_values_become_what_the_annotations_say_and_are_written_as_they_were():
    found = rebuilt(Outer, WHOLE)
    assert math.isnan(found.inner.share)
    assert found.inner.size == (2, 3)
    assert found.mean == (0.5, 1.0)
    assert found.limits == {"ash": 0.1 + 0.2}
    assert found.rows == (Inner(0.5), Inner(1.0, 7))
    assert found.options == {"anything": [1, "b", None]}
    written = json.loads(json.dumps(plain(found), allow_nan=False))
    assert written == {**WHOLE, "rows": [{"share": 0.5, "size": 1}, {"share": 1.0, "size": 7}]}


def test_what_has_a_default_may_be_missing():
    found = rebuilt(Outer, {"name": "a", "inner": {"share": 1.0}, "mean": [0, 0]})
    assert found == Outer("a", Inner(1.0), (0.0, 0.0))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": 3}, "name must be text, not 3"),
        ({"name": ["a"]}, r"name must be text, not \['a'\]"),
        ({"name": None}, "name must be text, not None"),
        ({"is_on": 1}, "is_on must be true or false, not 1"),
        ({"colour": "red"}, "colour is unknown; there are name, inner, mean"),
        ({"inner": []}, r"inner must be an object, not \[\]"),
        ({"inner": {}}, "inner.share is missing"),
        ({"inner": {"share": "0.5"}}, "inner.share must be a number, not '0.5'"),
        ({"inner": {"share": True}}, "inner.share must be a number, not True"),
        ({"inner": {"share": math.inf}}, "inner.share must be a number, not inf"),
        ({"inner": {"share": 10**400}}, "inner.share must be a number, not 1000"),
        ({"inner": {"share": 0.5, "size": 1.5}}, "inner.size must be a list, not 1.5"),
        ({"inner": {"share": 0.5, "size": [1]}}, r"inner.size must be a list of 2, not \[1\]"),
        ({"inner": {"share": 0.5, "size": [1, "b"]}}, r"inner.size\[1\] must be a whole number"),
        ({"inner": {"share": 0.5, "size": 1 << 64}}, "inner.size must be a list"),
        ({"mean": "ab"}, "mean must be a list, not 'ab'"),
        ({"mean": [0.5, None]}, r"mean\[1\] must be a number, not None"),
        ({"limits": [0.5]}, r"limits must be an object, not \[0.5\]"),
        ({"limits": {"ash": math.nan}}, "limits.ash must be a number, not nan"),
        ({"rows": [{"share": 0.5}, 3]}, r"rows\[1\] must be an object, not 3"),
        ({"name": "x" * 5000 + "y", "mean": "x" * 5000}, r"mean must be a list, not 'xxxx.*\.\.\."),
    ],
)
def test_the_entry_that_is_wrong_is_named(changed, told):
    with pytest.raises(OpenMaxError, match=f"^{told}") as caught:
        rebuilt(Outer, {**WHOLE, **changed})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("values", [None, 3, "name", [1, 2]])
def test_what_is_no_object_is_told(values):
    with pytest.raises(OpenMaxError, match=r"^the content must be an object, not"):
        rebuilt(Outer, values)


@given(JSON, st.sampled_from([*WHOLE, ""]))
def test_no_value_anywhere_gives_another_error(value, name):
    try:
        found = rebuilt(Outer, {**WHOLE, name: value} if name else value)
    except OpenMaxError:
        return
    assert json.loads(json.dumps(plain(found.name))) == found.name


def test_arrays_are_lists_with_null_for_nan():
    values = {"rows": [{"p": 1, "n": 2}, {"p": None, "n": 3}]}
    p, n = entry(Float, values, "rows[].p"), entry(Int, values, "rows[].n")
    assert (p.dtype, n.dtype) == (np.float64, np.int64)
    np.testing.assert_array_equal(p, [1.0, np.nan])
    assert n.tolist() == [2, 3]
    assert plain({"p": p, "n": n, "one": p[0]}) == {"p": [1.0, None], "n": [2, 3], "one": 1.0}


@pytest.mark.parametrize("bad", ["1", True, [1.0], math.inf, 10**400])
def test_an_array_holds_numbers_alone(bad):
    with pytest.raises(OpenMaxError, match=r"^p must be a list of float64 numbers, not \[1.0, "):
        entry(Float, {"p": [1.0, bad]}, "p")
    with pytest.raises(OpenMaxError, match=r"^p must be a list of int64 numbers"):
        entry(Int, {"p": [1, bad]}, "p")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, r"^rows\[\]\.p is missing"),
        ({"rows": 3}, "^rows must be a list, not 3"),
        ({"rows": [{"p": 1}, {}]}, r"^rows\[\]\.p is missing"),
        ({"rows": [{"p": 1}, "p"]}, r"^rows\[\]\.p is missing"),
        ({"rows": [{"p": 1}, {"p": "1"}]}, r"^rows\[\]\.p must be a list of float64 numbers"),
    ],
)
def test_a_column_that_is_not_there_is_named(values, told):
    with pytest.raises(OpenMaxError, match=told):
        entry(Float, values, "rows[].p")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "1" * 5_000, b"\x80\xff"])
def test_what_is_no_json_is_told(tmp_path, text):
    with pytest.raises(OpenMaxError):
        parse_json(text)
    path = tmp_path / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(OpenMaxError):
        read_json(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OpenMaxError, match="No such file"):
        read_json(tmp_path / "gone.json")


@pytest.mark.parametrize("values", [None, [], "format", {}, {"format": "b", "version": 1}])
def test_a_file_of_another_format_is_refused(values):
    with pytest.raises(OpenMaxError, match=r"^not of the format a$"):
        without_header(values, "a", 2)


@pytest.mark.parametrize("version", [3, 0, -1, True, 1.0, "1", None, [1]])
def test_a_version_that_is_not_known_is_refused(version):
    told = r"^format version .+; this program reads version 2 or older, update it$"
    with pytest.raises(OpenMaxError, match=told):
        without_header({"format": "a", "version": version}, "a", 2)


def test_a_known_version_is_told_beside_the_other_entries():
    assert without_header({"format": "a", "version": 1, "b": 2}, "a", 2) == ({"b": 2}, 1)
