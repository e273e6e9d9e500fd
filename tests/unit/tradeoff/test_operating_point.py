"""The operating point on disk: exact, versioned, and plain about what is wrong with a file."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmax_core import OperatingPoint, TradeoffCurve
from openmax_core.errors import OpenMaxError
from openmax_core.methods.settings import PLAIN, PRESETS
from openmax_core.tradeoff.kinds import Kinds, Mix
from openmax_core.tradeoff.objectives import LeastCost, MostRejected
from openmax_core.tradeoff.operating_point import class_limits
from openmax_core.tradeoff.outcomes import Outcome
from openmax_core.tradeoff.promises import Promise
from tests.support.damaged import JSON

POINT = OperatingPoint(
    threshold=0.1 + 0.2,
    test_accuracy=2 / 3,
    reject_accuracy=1 / 7,
    n_test=3,
    n_reject=7,
    counts={
        "correct": 2,
        "wrong": 1,
        "rejected_known": 0,
        "rejected_unknown": 1,
        "accepted_unknown": 6,
    },
    objective={"kind": "max_reject_accuracy", "min_test_accuracy": 0.6},
    class_thresholds={"ash": 0.1 + 0.2, "bouleau à papier": 1 / 3},
    preset="notebook",
    settings=PRESETS["notebook"],
    data="c0ffee",
    promise=Promise("test_accuracy", 0.6, 0.95, 3, 0),
)
LEAST = OperatingPoint(threshold=0.5, test_accuracy=1.0, reject_accuracy=None, n_test=1, n_reject=0)

# A file as version 1 wrote it.
VERSION_1: dict[str, Any] = {
    "format": "openmax-operating-point",
    "version": 1,
    "threshold": 0.30000000000000004,
    "test_accuracy": 0.6666666666666666,
    "reject_accuracy": 0.14285714285714285,
    "n_test": 3,
    "n_reject": 7,
    "min_test_accuracy": 0.6,
    "preset": "notebook",
    "settings": {"distance": "squared_euclidean", "tail_size": 100, "alpha_rank": None},
    "data": "c0ffee",
}


@pytest.mark.parametrize("point", [POINT, LEAST], ids=["every entry", "fewest entries"])
def test_a_loaded_point_equals_the_saved(tmp_path, point):
    point.save(tmp_path / "point.json")
    assert OperatingPoint.load(tmp_path / "point.json") == point


@settings(max_examples=100)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1))
def test_floats_come_back_exactly(tmp_path_factory, threshold, share):
    path = tmp_path_factory.getbasetemp() / "exact.json"
    point = replace(POINT, threshold=threshold, test_accuracy=share, reject_accuracy=share)
    point = replace(point, counts={})  # with counts the shares are theirs
    point.save(path)
    back = OperatingPoint.load(path)
    assert (back.threshold, back.test_accuracy, back.reject_accuracy) == (threshold, share, share)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"test_accuracy": 0.5}, "test_accuracy is 0.5, and the counts give 1.0"),
        ({"reject_accuracy": 1.5}, "reject_accuracy must lie between 0 and 1, not 1.5"),
        ({"n_test": -1, "counts": {}}, "n_test must be 0 or more, not -1"),
        ({"n_test": 4}, "the counts are not those of 4 test and 2 reject pictures"),
    ],
)
def test_figures_that_do_not_fit_are_refused(tmp_path, changed, problem):
    point = small_curve().choose(MostRejected(0.6))
    (tmp_path / "point.json").write_text(json.dumps(point.to_dict() | changed))
    with pytest.raises(OpenMaxError, match=problem):
        OperatingPoint.load(tmp_path / "point.json")


def small_curve(n_reject: int = 2) -> TradeoffCurve:
    return TradeoffCurve(
        [0.9, 0.8, 0.3], [0, 1, 1], [0, 1, 1], [0.2, 0.85][:n_reject], [0, 1][:n_reject], 2
    )


@pytest.mark.parametrize("objective", [MostRejected(0.6), LeastCost(1, 2, 3, 0.1)])
def test_a_chosen_point_can_be_saved_and_loaded(tmp_path, objective):
    point = small_curve().choose(objective)
    assert (point.threshold, point.test_accuracy, point.reject_accuracy) == (0.3, 1.0, 0.5)
    point.save(tmp_path / "point.json")
    loaded = OperatingPoint.load(tmp_path / "point.json")
    assert loaded == point
    assert loaded.chosen_for == objective
    assert loaded.outcome == small_curve().outcome(0.3)


@pytest.mark.parametrize("n_reject", [2, 0], ids=["reject set", "no reject set"])
def test_a_point_of_an_outcome_has_its_threshold_figures_and_counts(n_reject):
    outcome = small_curve(n_reject).outcome(0.85)
    point = OperatingPoint.of(outcome, preset="bendale", data="c0ffee")
    assert (point.threshold, point.test_accuracy, point.n_test) == (0.85, 1 / 3, 3)
    assert (point.reject_accuracy, point.n_reject) == ((0.5, 2) if n_reject else (None, 0))
    assert (point.preset, point.data) == ("bendale", "c0ffee")
    assert point.counts == {
        "correct": 1,
        "wrong": 0,
        "rejected_known": 2,
        "rejected_unknown": 1 if n_reject else 0,
        "accepted_unknown": 1 if n_reject else 0,
    }
    assert point.outcome == outcome


def test_a_point_set_by_hand_was_chosen_for_nothing():
    assert OperatingPoint.of(Outcome(0.5, 1, 0, 0, 0, 0)).chosen_for is None


@settings(max_examples=50)
@given(st.dictionaries(st.text(min_size=1), st.floats(allow_nan=False, allow_infinity=False)))
def test_thresholds_per_class_come_back_exactly_under_their_names(thresholds):
    point = replace(POINT, class_thresholds=thresholds)
    assert OperatingPoint.from_dict(json.loads(point.to_json())) == point


# --- older versions ------------------------------------------------------------------------------


def test_a_file_of_version_1_loads_with_its_floor_as_objective(tmp_path):
    path = tmp_path / "point.json"
    path.write_text(json.dumps(VERSION_1), encoding="utf-8")
    point = OperatingPoint.load(path)
    assert point == replace(POINT, counts={}, class_thresholds=None, promise=None)
    assert point.chosen_for == MostRejected(0.6)


@pytest.mark.parametrize("entries", [{"min_test_accuracy": None}, {"min_test_accuracy": ...}])
def test_a_file_of_version_1_without_a_floor_was_set_by_hand(entries):
    values = {k: v for k, v in {**VERSION_1, **entries}.items() if v is not ...}
    point = OperatingPoint.from_dict(values)
    assert point.objective is None
    assert point.chosen_for is None


def test_a_file_of_version_2_decides_with_the_settings_of_its_time():
    known = {n: v for n, v in PRESETS["robust"].to_dict().items() if n not in PLAIN}
    values = {**POINT.to_dict(), "version": 2, "preset": "robust", "settings": known}
    # What every method had before there were settings for it, not what the preset has today.
    assert OperatingPoint.from_dict(values).settings == replace(PRESETS["robust"], **PLAIN)
    assert OperatingPoint.from_dict({**values, "settings": {}}).settings is None


def test_a_point_whose_method_was_not_said_is_written_as_before():
    assert LEAST.to_dict()["settings"] == {}
    assert OperatingPoint.from_dict(LEAST.to_dict()).settings is None


def test_settings_are_written_under_their_names():
    assert POINT.to_dict()["settings"] == {
        "centring": "none",
        "distance": "squared_euclidean",
        "tail_size": 100,
        "tail_share": None,
        "alpha_rank": None,
        "weighting": "all",
        "strength": 1.0,
        "unknown_from": "all",
        "weibull": "weibull_max",
        "translate": 1.0,
        "second_softmax": True,
        "fit_precision": "float32",
    }


def test_a_file_of_version_1_is_saved_in_the_new_version(tmp_path):
    point = OperatingPoint.from_dict(VERSION_1)
    point.save(tmp_path / "point.json")
    assert json.loads(point.to_json())["version"] == 4
    assert OperatingPoint.load(tmp_path / "point.json") == point


def test_a_point_without_counts_has_no_outcome():
    with pytest.raises(KeyError):
        OperatingPoint.from_dict(VERSION_1).outcome  # noqa: B018  (the property is what fails)


def test_reading_a_dictionary_does_not_change_it():
    values = dict(VERSION_1)
    OperatingPoint.from_dict(values)
    assert values == VERSION_1


@pytest.mark.parametrize("floor", ["0.6", 1.5, -0.1, True, [0.6]])
def test_a_floor_of_version_1_that_is_no_share_is_an_error(tmp_path, floor):
    path = tmp_path / "point.json"
    path.write_text(json.dumps({**VERSION_1, "min_test_accuracy": floor}), encoding="utf-8")
    with pytest.raises(OpenMaxError, match="min_test_accuracy must be a number from 0 to 1"):
        OperatingPoint.load(path)


# --- damaged files -------------------------------------------------------------------------------


def test_the_file_is_readable_and_says_what_it_is(tmp_path):
    POINT.save(tmp_path / "point.json")
    text = (tmp_path / "point.json").read_text(encoding="utf-8")
    assert text == POINT.to_json()
    assert text.endswith("}\n")
    values = json.loads(text)
    assert list(values)[:3] == ["format", "version", "threshold"]
    assert (values["format"], values["version"]) == ("openmax-operating-point", 4)
    assert values["threshold"] == 0.1 + 0.2


def test_an_accuracy_that_is_no_number_cannot_be_written():
    with pytest.raises(ValueError, match="JSON compliant"):
        replace(POINT, reject_accuracy=math.nan).to_json()


def changed(**values: Any) -> str:
    """JSON of the point with entries changed; ``...`` takes an entry out."""
    entries = {**json.loads(POINT.to_json()), **values}
    return json.dumps({name: value for name, value in entries.items() if value is not ...})


COUNTS = dict.fromkeys(POINT.counts, 1)
SETTINGS = PRESETS["notebook"].to_dict()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "Expecting value", id="empty"),
        pytest.param(POINT.to_json()[:60], "Expecting|Unterminated", id="cut off"),
        pytest.param("[1, 2]", r"\(.+\)", id="a list"),
        pytest.param("null", "not of the format", id="null"),
        pytest.param("{}", "not of the format", id="no entries"),
        pytest.param(
            changed(format="openmax-calibration"),
            "not of the format openmax-operating-point",
            id="a calibration",
        ),
        pytest.param(changed(format=...), "format", id="no format"),
        pytest.param(changed(version=5), "version 4 or older", id="newer"),
        pytest.param(changed(version=0), "version 4 or older", id="older than the first"),
        pytest.param(changed(version="4"), "version 4 or older", id="version as text"),
        pytest.param(changed(version=...), "version", id="no version"),
        pytest.param(changed(threshold=...), "threshold", id="no threshold"),
        pytest.param(changed(n_test=...), "n_test", id="no number of pictures"),
        pytest.param(changed(colour="red"), "colour is unknown", id="unknown entry"),
        pytest.param(
            changed(min_test_accuracy=0.6),
            "min_test_accuracy is unknown",
            id="entry of version 1 in version 4",
        ),
        pytest.param(
            changed(threshold="0.3"), "threshold must be a number", id="threshold as text"
        ),
        pytest.param(changed(threshold=None), "threshold must be a number", id="threshold null"),
        pytest.param(changed(threshold=math.nan), "threshold must be a number", id="threshold NaN"),
        pytest.param(changed(threshold=True), "threshold must be a number", id="threshold true"),
        pytest.param(changed(n_reject=None), "n_reject must be a whole number", id="n_reject null"),
        pytest.param(changed(counts=None), "counts must be an object", id="counts null"),
        pytest.param(changed(counts=[2, 1]), "counts must be an object", id="counts as a list"),
        pytest.param(changed(counts=[]), "counts must be an object", id="counts an empty list"),
        pytest.param(changed(counts={"correct": 2}), "the counts are unknown", id="some counts"),
        pytest.param(
            changed(counts={**COUNTS, "right": 1}), "the counts are unknown", id="unknown count"
        ),
        pytest.param(
            changed(counts={**COUNTS, "wrong": "1"}),
            "counts.wrong must be a whole number",
            id="count as text",
        ),
        pytest.param(
            changed(counts={**COUNTS, "wrong": None}),
            "counts.wrong must be a whole number",
            id="count null",
        ),
        pytest.param(
            changed(class_thresholds=[]),
            "class_thresholds must be an object",
            id="thresholds per class an empty list",
        ),
        pytest.param(
            changed(class_thresholds=[0.3, 0.4]),
            "class_thresholds must be an object",
            id="thresholds per class a list",
        ),
        pytest.param(
            changed(class_thresholds=0.3),
            "class_thresholds must be an object",
            id="thresholds per class a number",
        ),
        pytest.param(
            changed(class_thresholds={"ash": "0.3"}),
            "class_thresholds.ash must be a number",
            id="one as text",
        ),
        pytest.param(
            changed(class_thresholds={"ash": None}),
            "class_thresholds.ash must be a number",
            id="one null",
        ),
        pytest.param(
            changed(class_thresholds={"ash": math.inf}),
            "class_thresholds.ash must be a number",
            id="one infinite",
        ),
        pytest.param(changed(settings=None), "settings are unknown", id="no settings"),
        pytest.param(changed(settings={"tail": 3}), "settings are unknown", id="unknown setting"),
        *(
            pytest.param(changed(settings=SETTINGS | {name: value}), message, id=f"{name} {value}")
            for name, value, message in [
                ("alpha_rank", 0, "alpha_rank must be at least 1, not 0"),
                ("alpha_rank", [3], r"alpha_rank must be a whole number, not \[3\]"),
                ("tail_size", 10**30, "tail_size must be at most 1,000,000,000, not 1000"),
                ("tail_size", [[20]], r"tail_size must be a whole number, not \[\[20\]\]"),
                ("tail_share", True, "tail_share must be a number, not True"),
                ("strength", {}, "strength must be a number, not {}"),
                ("translate", "1", "translate must be a number, not '1'"),
                ("translate", math.inf, "translate must be a finite number, not inf"),
                ("translate", 10**400, "translate must be a finite number"),
                ("second_softmax", 1, "second_softmax must be true or false, not 1"),
                ("distance", ["eucos"], r"distance = \['eucos'\] does not exist; use one of"),
                ("fit_precision", 64, "fit_precision = 64 does not exist; use one of"),
            ]
        ),
        pytest.param(changed(settings=[["tail_size", 20]]), "settings are unknown", id="as list"),
        pytest.param(changed(preset=["robust"]), "no method .*; there are", id="preset a list"),
        pytest.param(changed(preset="robots"), "no method 'robots'; there", id="no such preset"),
        pytest.param(changed(n_test=10**30), "n_test must be a whole number", id="n_test huge"),
        pytest.param(changed(data=7), "data must be text, not 7", id="data a number"),
        pytest.param("[" * 100_000, "recursion", id="nested deeply"),
        pytest.param(changed(objective={}), "no objective 'None'", id="objective of no kind"),
        pytest.param(changed(objective={"kind": "best"}), "no objective 'best'", id="of another"),
        pytest.param(
            changed(objective={"kind": "balanced", "floor": 0.5}),
            "the objective 'balanced' has no number 'floor'",
            id="objective with another number",
        ),
        pytest.param(
            changed(objective={"kind": "max_test_accuracy", "min_reject_accuracy": 2}),
            "min_reject_accuracy must be a number from 0 to 1, not 2",
            id="objective out of range",
        ),
        pytest.param(changed(objective="balanced"), "objective must be an object", id="as text"),
        pytest.param(
            changed(objective=[["kind", "balanced"]]), "objective must be an object", id="as pairs"
        ),
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


@given(st.sampled_from([*POINT.to_dict(), "colour"]), JSON)
def test_no_value_of_an_entry_gives_another_error(name, value):
    try:
        found = OperatingPoint.from_dict(POINT.to_dict() | {name: value})
    except OpenMaxError:
        return
    assert OperatingPoint.from_dict(json.loads(found.to_json())) == found


# --- thresholds per class ------------------------------------------------------------------------


def test_limits_are_in_the_order_of_the_classes_the_single_threshold_for_the_others() -> None:
    limits = class_limits(("ash", "birch", "cedar"), 0.5, {"cedar": 0.9, "ash": 0.1})
    assert limits.tolist() == [0.1, 0.5, 0.9]
    assert class_limits(("ash", "birch"), 0.5).tolist() == [0.5, 0.5]
    point = replace(LEAST, class_thresholds={"cedar": 0.9})
    assert point.limits(("ash", "cedar")).tolist() == [0.5, 0.9]
    assert point.without_own(("ash", "cedar")) == ["ash"]
    assert LEAST.without_own(("ash", "cedar")) == []


def test_a_threshold_for_a_class_that_there_is_not_is_an_error_that_names_both_sides() -> None:
    own = {"ash": 0.999, "birch": 0.5}
    with pytest.raises(OpenMaxError) as caught:
        class_limits(("fraxinus", "birch"), 0.85, own)
    assert "a threshold for 'ash', but no class of this name" in str(caught.value)
    assert "without a threshold of its own: 'fraxinus'" in str(caught.value)
    with pytest.raises(OpenMaxError, match="'c5' and 2 more"):
        class_limits(("a",), 0.5, {f"c{number}": 0.5 for number in range(1, 8)})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_limit_that_is_no_number_is_an_error(bad: float) -> None:
    told = f"a threshold must be a finite number, not {bad}"
    for threshold, own in ((bad, None), (0.5, {"b": bad}), (bad, {"a": 0.5, "b": 0.5})):
        with pytest.raises(OpenMaxError, match=told):
            class_limits(("a", "b"), threshold, own)
        with pytest.raises(OpenMaxError, match=told):
            replace(LEAST, threshold=threshold, class_thresholds=own)


# --- kinds of unknowns ----------------------------------------------------------------------------


def point_with_kinds() -> OperatingPoint:
    kinds = Kinds(("lawn", "street"), np.array([0, 0, 0, 1, 1]))
    mix = Mix.of({"lawn": 1, "street": 3}, kinds.sizes)
    curve = TradeoffCurve(
        [0.9, 0.4], [0, 1], [0, 1], [0.1, 0.2, 0.8, 0.1, 0.9], [0] * 5, 2, kinds, mix
    )
    return OperatingPoint.of(curve.outcome(0.5))


def test_kinds_with_their_shares_are_saved_with_the_point(tmp_path):
    point = point_with_kinds()
    assert point.reject_accuracy == pytest.approx(0.25 * 2 / 3 + 0.75 / 2)
    assert point.mix_in_words == "street 75 %, lawn 25 %"
    point.save(tmp_path / "point.json")
    loaded = OperatingPoint.load(tmp_path / "point.json")
    assert loaded == point
    assert loaded.outcome == point.outcome
    assert loaded.reject_interval == point.outcome.reject_interval()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"share": 0.5}, "add up to"),
        ({"name": "street"}, "occurs twice"),
        ({"rejected": 3}, "the kinds have 4 of 5 unknowns rejected"),
        ({"rejected": 4}, "rejected of 'lawn'"),
        ({"pictures": 4}, "the kinds have 3 of 6"),
        ({"share": "much"}, "share"),
    ],
)
def test_kinds_that_do_not_fit_the_counts_are_refused(change, words):
    values = json.loads(point_with_kinds().to_json())
    values["kinds"][0] |= change
    with pytest.raises(OpenMaxError, match=words):
        OperatingPoint.from_dict(values)


def test_a_weighted_share_that_the_kinds_do_not_give_is_refused():
    values = json.loads(point_with_kinds().to_json()) | {"reject_accuracy": 0.6}
    with pytest.raises(OpenMaxError, match=r"reject_accuracy is 0\.6, and the counts give"):
        OperatingPoint.from_dict(values)
    values = json.loads(point_with_kinds().to_json()) | {"counts": {}}
    with pytest.raises(OpenMaxError, match="no counts of their pictures"):
        OperatingPoint.from_dict(values)


def test_points_of_the_version_before_have_no_kinds():
    values = json.loads(point_with_kinds().to_json()) | {"version": 3, "reject_accuracy": 0.6}
    for name in ("kinds", "expected_cost"):
        del values[name]
    point = OperatingPoint.from_dict(values)
    assert point.kinds is None
    assert point.reject_accuracy == 0.6
