"""Settings and presets: checked, resolved, and given and taken as scikit-learn does."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from openmax_core import OpenMax
from openmax_core.errors import OpenMaxError
from openmax_core.methods.distances import DISTANCES, SCALED_EUCOS
from openmax_core.methods.settings import (
    CHOICES,
    PLAIN,
    PRESETS,
    SETTINGS,
    parse_setting,
    read_settings,
)
from tests.support.methods import METHODS, activations, fitted, queries


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"preset": "magic"}, "no preset 'magic'; there are openmax, robust, bendale, notebook"),
        ({"centring": "median"}, "centring = 'median' does not exist; use one of none, mean, min"),
        ({"unknown_from": "none"}, "unknown_from = 'none' does not exist; use one of all, positiv"),
        ({"tail_share": 0.0}, r"tail_share must lie in \(0, 1\], not 0.0"),
        ({"strength": 1.5}, r"strength must lie in \(0, 1\], not 1.5"),
        ({"distance": "manhattan"}, "distance = 'manhattan' does not exist; use one of euclidean"),
        ({"weighting": "none"}, "weighting = 'none' does not exist; use one of code, paper, all"),
        ({"weibull": "gumbel"}, "weibull = 'gumbel' does not exist; use one of libmr, weibull_max"),
        ({"fit_precision": "float16"}, "fit_precision = 'float16' does not exist"),
        ({"tail_size": 1}, "tail_size must be at least 2, not 1"),
        ({"alpha_rank": 0}, "alpha_rank must be at least 1, not 0"),
        ({"alpha_rank": 2.5}, "alpha_rank must be a whole number, not 2.5"),
        ({"tail_size": 2.5}, "tail_size must be a whole number, not 2.5"),
        ({"tail_size": True}, "tail_size must be a whole number, not True"),
        ({"strength": "x"}, "strength must be a number, not 'x'"),
        ({"tail_share": "a"}, "tail_share must be a number, not 'a'"),
        ({"translate": 0.0}, "translate must be larger than 0, not 0.0"),
        ({"translate": math.nan}, "translate must be .*, not nan"),
    ],
)
def test_a_setting_that_does_not_exist_is_an_error_that_lists_what_does(parameters, message):
    with pytest.raises(OpenMaxError, match=message):
        OpenMax(**parameters).fit(*activations(3))


def test_every_distance_is_a_choice_with_words():
    assert set(CHOICES["distance"]) == {*DISTANCES, SCALED_EUCOS}
    words = {OpenMax(distance=name).settings().distance_in_words for name in CHOICES["distance"]}
    assert len(words) == len(CHOICES["distance"])


def test_settings_of_a_file_come_back_and_what_is_missing_is_as_before_or_the_preset_s():
    for preset, settings in PRESETS.items():
        assert read_settings(settings.to_dict(), preset) == settings
        assert read_settings({}, preset) == replace(settings, **PLAIN)
    assert read_settings({"tail_size": 7}, "bendale") == replace(PRESETS["bendale"], tail_size=7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"score": "probability"}, "kept_mean does nothing to a probability; set score"),
        ({"second_softmax": True}, "second_softmax is for probabilities; set score"),
        ({"kept_mean": 1.5}, r"kept_mean must lie in \[0, 1\], not 1.5"),
        ({"kept_mean": "half"}, "kept_mean must be a number"),
        ({"score": "logit"}, "score = 'logit' does not exist; use one of probability, revised"),
    ],
)
def test_settings_of_the_score_that_do_not_fit_together_are_refused(settings, message):
    with pytest.raises(OpenMaxError, match=message):
        OpenMax("openmax", **settings).settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kept_mean=0.25", 0.25),
        ("score=probability", "probability"),
        ("score=revised_logit", "revised_logit"),
        ("second_softmax=true", True),
        ("weibull=exceedances", "exceedances"),
    ],
)
def test_a_setting_can_be_written_whatever_preset_it_is_for(text, expected):
    assert parse_setting(text) == (text.partition("=")[0], expected)


def test_robust_is_bendale_but_for_four_settings():
    robust, bendale = (OpenMax(name).settings().to_dict() for name in ("robust", "bendale"))
    differing = {name: robust[name] for name in robust if robust[name] != bendale[name]}
    assert differing == {
        "centring": "mean",
        "alpha_rank": 5,
        "strength": 0.25,
        "unknown_from": "positive",
    }


def test_presets_hold_the_documented_settings():
    bendale, notebook = OpenMax("bendale").settings(), OpenMax("notebook").settings()
    assert (bendale.distance, bendale.tail_size, bendale.weibull) == ("eucos", 20, "libmr")
    assert (bendale.alpha_rank, bendale.weighting) == (10, "code")
    assert bendale.second_softmax is False
    assert (notebook.distance, notebook.tail_size) == ("squared_euclidean", 100)
    assert (notebook.weibull, notebook.weighting) == ("weibull_max", "all")
    assert notebook.second_softmax is True


def test_settings_given_back_to_the_constructor_are_the_same_settings():
    for method in (*METHODS, {"preset": "notebook"}):
        chosen = OpenMax(**method).settings()
        assert OpenMax(str(method["preset"]), **chosen.to_dict()).settings() == chosen


def test_a_given_setting_overrides_the_preset_and_false_is_given():
    settings = OpenMax("notebook", second_softmax=False, tail_size=7).settings()
    assert settings.second_softmax is False
    assert settings.tail_size == 7
    assert settings.distance == "squared_euclidean"


def test_get_params_gives_what_the_constructor_got():
    given_: dict[str, Any] = {"preset": "notebook", "tail_size": 7, "second_softmax": False}
    parameters = OpenMax(**given_).get_params()
    assert {name: value for name, value in parameters.items() if value is not None} == given_
    assert OpenMax(**parameters).get_params() == parameters


def test_set_params_changes_by_name_and_gives_the_estimator_back():
    om = OpenMax()
    assert om.set_params(distance="cosine", tail_size=9) is om
    assert (om.settings().distance, om.settings().tail_size) == ("cosine", 9)


def test_set_params_of_an_unknown_name_lists_the_known():
    with pytest.raises(
        OpenMaxError, match="no setting 'eta'; there are preset, centring, distance, tail_size"
    ):
        OpenMax().set_params(eta=20)


def test_set_params_changes_nothing_fitted_before_the_next_fit():
    om = fitted(3)
    before, rows = json.dumps(om.to_dict()), queries(3)
    probabilities = om.predict_proba(rows)
    om.set_params(preset="notebook", distance="cosine")
    assert_array_equal(om.predict_proba(rows), probabilities)
    assert json.dumps(om.to_dict()) == before


def test_scikit_learn_clones_settings_and_leaves_the_fit_behind():
    om = fitted(3, preset="notebook", tail_size=30)
    copy = clone(om)
    assert type(copy) is OpenMax
    assert copy.get_params() == om.get_params()
    with pytest.raises(OpenMaxError, match="not fitted"):
        copy.predict_proba(queries(3))
    refitted = copy.fit(*activations(3))
    assert_array_equal(refitted.predict_proba(queries(3)), om.predict_proba(queries(3)))


# --- settings as text ----------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_every_setting_of_a_preset_is_read_from_text(preset):
    values = PRESETS[preset].to_dict()
    assert tuple(values) == SETTINGS
    for name, value in values.items():
        if value is not None:
            found = parse_setting(f" {name} = {value} ")
            assert found == (name, value)
            assert type(found[1]) is type(value)


def test_a_share_of_the_tail_is_read_from_text():
    assert parse_setting("tail_share=0.1") == ("tail_share", 0.1)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_value_of_another_type_is_an_error_for_every_setting(name):
    values: list[Any] = ["no", [1], math.nan]
    for value in values:
        with pytest.raises(OpenMaxError, match=f"^{name} "):
            OpenMax(**{name: value}).settings()
