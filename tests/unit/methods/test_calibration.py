"""Calibrations on disk: exact, versioned, and plain about what is wrong with a file."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from openmax_core import OpenMax
from openmax_core.errors import OpenMaxError
from tests.support.methods import METHOD_IDS, METHODS, activations, fitted, queries


@pytest.mark.parametrize(
    "method", [*METHODS, {"preset": "notebook"}], ids=[*METHOD_IDS, "notebook"]
)
def test_a_loaded_calibration_has_every_bit_of_the_saved(tmp_path, method):
    om = OpenMax(**method).fit(*activations(3), class_names=["Rose", "Гвоздика", "百合"])
    om.save(tmp_path / "calibration.json")
    back = OpenMax.load(str(tmp_path / "calibration.json"))
    rows = queries(3)
    assert_array_equal(back.predict_proba(rows), om.predict_proba(rows))
    assert_array_equal(back.decision_scores(rows), om.decision_scores(rows))
    assert back.to_dict() == om.to_dict()
    assert back.class_names_ == ("Rose", "Гвоздика", "百合")
    assert back.preset == om.preset
    assert back.settings() == om.settings()
    assert back.score_range() == om.score_range()
    for name in ("means_", "classes_", "n_correct_", "n_training_"):
        assert_array_equal(getattr(back, name), getattr(om, name))
        assert getattr(back, name).dtype == getattr(om, name).dtype


def test_a_loaded_calibration_can_be_fitted_again(tmp_path):
    om = fitted(3, tail_size=15)
    om.save(tmp_path / "calibration.json")
    again = OpenMax.load(tmp_path / "calibration.json").fit(*activations(3))
    assert_array_equal(again.predict_proba(queries(3)), om.predict_proba(queries(3)))


def test_a_calibration_of_the_first_version_has_the_settings_of_its_time(tmp_path):
    om = fitted(3, preset="bendale")
    values = om.to_dict()
    values["version"] = 1
    del values["distance_factors"]
    for name in ("centring", "tail_share", "strength", "unknown_from"):
        del values["settings"][name]
    back = OpenMax.from_dict(values)
    assert back.settings_ == om.settings_
    assert_array_equal(back.predict_proba(queries(3)), om.predict_proba(queries(3)))


def test_settings_that_are_numpy_numbers_can_be_saved(tmp_path):
    om = fitted(3, tail_size=np.int64(15), alpha_rank=np.int32(2), translate=np.float32(0.5))
    om.save(tmp_path / "calibration.json")
    back = OpenMax.load(tmp_path / "calibration.json")
    assert back.settings().tail_size == 15
    assert_array_equal(back.predict_proba(queries(3)), om.predict_proba(queries(3)))


def damaged(change: Callable[[dict[str, Any]], Any]) -> Callable[[str], str]:
    """Return what makes a changed file of a sound one."""

    def apply(text: str) -> str:
        values = json.loads(text)
        change(values)
        return json.dumps(values)

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cannot read"),
        (lambda text: "", "cannot read"),
        (lambda text: "[1, 2]", "not of the format openmax-calibration"),
        (
            lambda text: '{"format": "openmax-operating-point"}',
            "not of the format openmax-calibration",
        ),
        (
            damaged(lambda values: values.update(version=3)),
            "version 3; this program reads version 2 or older, update it",
        ),
        (damaged(lambda values: values.update(version=[])), r"version \[\]"),
        (damaged(lambda values: values.pop("version")), "version None"),
        (damaged(lambda values: values.update(tails=[])), "damaged"),
        (damaged(lambda values: values["tails"][0].pop()), "damaged"),
        (damaged(lambda values: values.pop("means")), "damaged"),
        (damaged(lambda values: values.update(distance_factors=[1.0])), "damaged"),
        (damaged(lambda values: values.pop("weibull")), "damaged"),
        (damaged(lambda values: values["weibull"].pop("shape")), "damaged"),
        (damaged(lambda values: values["settings"].update(eta=3)), "damaged"),
        (damaged(lambda values: values["settings"].update(distance="far")), "distance = 'far'"),
        (damaged(lambda values: values.update(means="none")), "damaged"),
        (damaged(lambda values: values["means"].pop()), "damaged"),
        (damaged(lambda values: values["weibull"]["scale"].pop()), "damaged"),
        (damaged(lambda values: values["class_names"].pop()), "damaged"),
        (damaged(lambda values: values["means"][0].__setitem__(0, math.nan)), "damaged"),
        (damaged(lambda values: values["means"][0].__setitem__(0, "1.5")), r"means\[0\] must be a"),
        (damaged(lambda values: values["n_correct"].__setitem__(0, 10**30)), "n_correct must be"),
        (damaged(lambda values: values.update(class_names="abc")), "class_names must be a list"),
        (damaged(lambda values: values.update(settings=[])), "settings must be an object"),
        (damaged(lambda values: values["weibull"].update(form=[])), "form must be text"),
        (lambda text: "[" * 100_000, "cannot read"),
    ],
    ids=[
        "cut off",
        "empty",
        "a list",
        "an operating point",
        "newer",
        "a list of versions",
        "no version",
        "no tails",
        "a tail too short",
        "no means",
        "one factor",
        "no Weibull",
        "no shape",
        "unknown setting",
        "unknown distance",
        "means are a word",
        "a mean is missing",
        "a scale is missing",
        "a name is missing",
        "a mean is NaN",
        "a mean is text",
        "a huge count",
        "names are a word",
        "settings are a list",
        "a form that is no text",
        "nested deeply",
    ],
)
def test_a_damaged_calibration_is_an_error_that_names_the_file(tmp_path, damage, message):
    path = tmp_path / "calibration.json"
    fitted(3).save(path)
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(OpenMaxError, match=message) as caught:
        OpenMax.load(path)
    assert "calibration.json" in str(caught.value)


def test_a_missing_calibration_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(OpenMaxError, match=r"nowhere\.json"):
        OpenMax.load(tmp_path / "nowhere.json")


def test_a_binary_file_is_no_calibration(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"\x80\x04\x95\xff\xfe")
    with pytest.raises(OpenMaxError, match=r"cannot read the calibration .*weights\.bin"):
        OpenMax.load(tmp_path / "weights.bin")
