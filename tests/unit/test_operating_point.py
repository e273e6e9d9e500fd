"""The operating point on disk: exact, versioned, and plain about what is wrong with a file."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmax_core import OperatingPoint, TradeoffCurve
from openmax_core.errors import OpenMaxError

POINT = OperatingPoint(
    threshold=0.1 + 0.2,
    test_accuracy=2 / 3,
    reject_accuracy=1 / 7,
    n_test=3,
    n_reject=7,
    min_test_accuracy=0.6,
    preset="notebook",
    settings={"distance": "squared_euclidean", "tail_size": 100, "alpha_rank": None},
    data="c0ffee",
)
LEAST = OperatingPoint(threshold=0.5, test_accuracy=1.0, reject_accuracy=None, n_test=1, n_reject=0)


@pytest.mark.parametrize("point", [POINT, LEAST], ids=["every entry", "fewest entries"])
def test_a_loaded_point_equals_the_saved(tmp_path, point):
    point.save(tmp_path / "point.json")
    assert OperatingPoint.load(tmp_path / "point.json") == point


@settings(max_examples=100, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1))
def test_floats_come_back_exactly(tmp_path_factory, threshold, share):
    path = tmp_path_factory.getbasetemp() / "exact.json"
    point = replace(POINT, threshold=threshold, test_accuracy=share, reject_accuracy=share)
    point.save(path)
    back = OperatingPoint.load(path)
    assert (back.threshold, back.test_accuracy, back.reject_accuracy) == (threshold, share, share)


def test_a_chosen_point_can_be_saved_and_loaded(tmp_path):
    curve = TradeoffCurve([0.9, 0.8, 0.3], [0, 1, 1], [0, 1, 1], [0.2, 0.85], [0, 1], 2)
    point = curve.best(0.6)
    assert (point.threshold, point.test_accuracy, point.reject_accuracy) == (0.3, 1.0, 0.5)
    point.save(tmp_path / "point.json")
    assert OperatingPoint.load(tmp_path / "point.json") == point


def test_the_file_is_readable_and_says_what_it_is(tmp_path):
    POINT.save(tmp_path / "point.json")
    text = (tmp_path / "point.json").read_text(encoding="utf-8")
    assert text == POINT.to_json()
    assert text.endswith("}\n")
    values = json.loads(text)
    assert list(values)[:3] == ["format", "version", "threshold"]
    assert (values["format"], values["version"]) == ("openmax-operating-point", 1)
    assert values["threshold"] == 0.1 + 0.2


def test_an_accuracy_that_is_no_number_cannot_be_written():
    with pytest.raises(ValueError, match="JSON compliant"):
        replace(POINT, reject_accuracy=math.nan).to_json()


def changed(**values: Any) -> str:
    """JSON of the point with entries changed; ``...`` takes an entry out."""
    entries = {**json.loads(POINT.to_json()), **values}
    return json.dumps({name: value for name, value in entries.items() if value is not ...})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        (POINT.to_json()[:60], "Expecting|Unterminated"),
        ("[1, 2]", r"\(.+\)"),
        ("null", "NoneType"),
        ("{}", "format"),
        (changed(format="openmax-calibration"), "not of the format openmax-operating-point"),
        (changed(version=2), "version 1"),
        (changed(version=...), "version"),
        (changed(threshold=...), "threshold"),
        (changed(n_test=...), "n_test"),
        (changed(colour="red"), "unknown entries"),
        (changed(threshold="0.3"), "a figure is no number"),
        (changed(threshold=None), "a figure is no number"),
        (changed(threshold=math.nan), "a figure is no number"),
    ],
    ids=[
        "empty",
        "cut off",
        "a list",
        "null",
        "no entries",
        "a calibration",
        "newer",
        "no version",
        "no threshold",
        "no number of pictures",
        "unknown entry",
        "threshold as text",
        "threshold null",
        "threshold NaN",
    ],
)
def test_a_damaged_file_is_an_error_that_says_what_is_wrong_and_what_to_do(tmp_path, text, reason):
    path = tmp_path / "point.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OpenMaxError, match=reason) as caught:
        OperatingPoint.load(path)
    assert str(caught.value).startswith(f"cannot read the operating point {path} (")
    assert str(caught.value).endswith("); choose the threshold again")


def test_a_missing_or_binary_file_is_the_same_error(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"\x80\xff\xfe")
    for name in ("nowhere.json", "weights.bin"):
        with pytest.raises(OpenMaxError, match=f"cannot read the operating point .*{name}"):
            OperatingPoint.load(tmp_path / name)
