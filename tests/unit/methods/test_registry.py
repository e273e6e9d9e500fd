"""Methods by name, with their settings, and as files have them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from openmax_core import OpenMax
from openmax_core.errors import OpenMaxError
from openmax_core.methods.features import FeatureMethod
from openmax_core.methods.method import NoSettings
from openmax_core.methods.registry import (
    METHODS,
    has_settings,
    load_method,
    needs_features,
    new_method,
    require_method,
    standard_settings,
    stored_settings,
    words_of,
)
from openmax_core.methods.scores import SCORES, LogitScore
from openmax_core.methods.settings import PRESET_SENTENCES, PRESETS

ALL = (
    "openmax, robust, bendale, notebook, msp, max_logit, energy, gen, "
    "knn, mahalanobis, rmds, vim, nci"
)


def test_every_name_makes_its_method():
    assert ", ".join(METHODS) == ALL
    for name in METHODS:
        method = new_method(name)
        assert method.name == name
        kind = FeatureMethod if needs_features(name) else LogitScore
        assert isinstance(method, OpenMax if name in PRESETS else kind)
        assert method.settings() == standard_settings(name)
        assert has_settings(name) == (name in PRESETS)
        assert words_of(name) == method.words
    assert list(PRESET_SENTENCES) == list(PRESETS)


@pytest.mark.parametrize("name", ["softmax", "", None, ["msp"], {"a": 1}])
def test_a_name_that_there_is_not_lists_those_that_there_are(name):
    for ask in (require_method, new_method, standard_settings, lambda n: stored_settings({}, n)):
        with pytest.raises(OpenMaxError, match=f"no method .*; there are {re.escape(ALL)}"):
            ask(name)


@pytest.mark.parametrize("name", SCORES)
def test_settings_of_openmax_are_refused_for_other_methods(name):
    assert new_method(name, tail_size=None).name == name
    with pytest.raises(OpenMaxError, match=rf"'{name}' has no setting tail_size: .*\(openmax"):
        new_method(name, tail_size=20)


def test_stored_settings_come_back():
    for name in METHODS:
        settings = standard_settings(name)
        assert stored_settings(settings.to_dict(), name) == settings
    assert stored_settings({"method": "msp"}, "msp") == NoSettings("msp")
    damaged: list[Any] = [{"gamma": 1}, {"method": "gen"}, None, []]
    for wrong in damaged:
        with pytest.raises(OpenMaxError, match="'msp' has none"):
            stored_settings(wrong, "msp")


def test_a_file_that_holds_no_method_is_named(tmp_path):
    path = tmp_path / "method.json"
    for content in ("{}", "[]", '{"format": "openmax-score", "version": 1}', "nothing"):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(OpenMaxError, match=r"method\.json"):
            load_method(path)
