"""What all methods of features share: what they read, refuse and keep."""

from __future__ import annotations

import json

import numpy as np
import pytest

from openmax_core.errors import ActivationsError, FitError, OpenMaxError
from openmax_core.methods.registry import (
    FEATURE_METHODS,
    method_from_dict,
    needs_features,
    new_method,
)
from openmax_core.support.arrays import as_float16
from openmax_core.support.chunks import Chunk
from tests.support.methods import activations, features_of, queries

LOGITS, LABELS = activations(4)
FEATURES = features_of(LOGITS)
ROWS = queries(4, 50)


@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_features_count_as_they_are_stored(name):
    """Of a new picture they are float32, of a stored one float16: it has one score."""
    method = new_method(name).fit(LOGITS, LABELS, features=FEATURES)
    features = features_of(ROWS)
    fresh, stored = (method.decide(ROWS, part).scores for part in (features, as_float16(features)))
    assert np.array_equal(fresh, stored)
    again = new_method(name).fit(LOGITS, LABELS, features=as_float16(FEATURES))
    assert again.to_dict() == method.to_dict()
    assert needs_features(name)


@pytest.mark.parametrize("name", FEATURE_METHODS)
@pytest.mark.parametrize("sizes", [(1, 1, 238), (37,) * 7, (240,), (100, 140)])
def test_it_learns_the_same_bits_whatever_chunks_the_pictures_come_in(name, sizes, monkeypatch):
    monkeypatch.setattr("openmax_core.methods.features.BLOCK_ROWS", 64)
    features, logits = as_float16(FEATURES), LOGITS.astype(np.float32)

    def read():
        first = 0
        for size in sizes:
            part = slice(first, first + size)
            yield Chunk(first, logits[part], LABELS[part], LABELS[part], features[part])
            first += size

    chunked = new_method(name).fit_chunks(read, list("abcd"))
    whole = new_method(name).fit(logits, LABELS, list("abcd"), features)
    assert chunked.to_dict() == whole.to_dict()
    assert chunked.n_training_.tolist() == [60] * 4


@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_without_features_it_says_how_to_have_them(name):
    method = new_method(name)
    way_out = f"the method '{name}' needs features, and there are none; write features = true"
    with pytest.raises(FitError, match=way_out):
        method.fit(LOGITS, LABELS)
    chunk = Chunk(0, LOGITS.astype(np.float32), LABELS, LABELS)
    with pytest.raises(FitError, match=way_out):
        method.fit_chunks(lambda: [chunk], list("abcd"))
    method.fit(LOGITS, LABELS, features=FEATURES)
    with pytest.raises(ActivationsError, match=way_out):
        method.decide(ROWS)


@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_features_that_cannot_be_used_are_named(name):
    method = new_method(name)
    with pytest.raises(FitError, match=r"\(N, D\) beside 240 rows of logits; they are \(239, 8\)"):
        method.fit(LOGITS, LABELS, features=FEATURES[1:])
    damaged = FEATURES.copy()
    damaged[7, 3] = np.nan
    with pytest.raises(FitError, match="row 7 of the training features is no number"):
        method.fit(LOGITS, LABELS, features=damaged)
    with pytest.raises(FitError, match=r"."):
        method.fit(LOGITS[:0], LABELS[:0], features=FEATURES[:0])
    method.fit(LOGITS, LABELS, features=FEATURES)
    with pytest.raises(ActivationsError, match="row 7 of the features is no number"):
        method.decide(LOGITS, damaged)
    with pytest.raises(ActivationsError, match=r"shape \(240, 8\), not \(240, 7\)"):
        method.decide(LOGITS, FEATURES[:, 1:])


@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_no_pictures_have_no_scores(name):
    method = new_method(name).fit(LOGITS, LABELS, features=FEATURES)
    assert method.decide(LOGITS[:0], FEATURES[:0]).scores.shape == (0,)


@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_features_beyond_float16_are_the_most_that_it_holds(name):
    method = new_method(name).fit(LOGITS, LABELS, features=FEATURES)
    huge = np.full((2, 8), 1e30)
    huge[1] = np.inf
    scores = method.decide(LOGITS[[0, 0]], huge).scores
    assert np.isfinite(scores).all()
    assert scores[0] == scores[1]


@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_damaged_files_are_named(name):
    values = new_method(name).fit(LOGITS, LABELS, features=FEATURES).to_dict()
    array = next(iter(values["arrays"]))
    for change, message in (
        ({"method": "nearest"}, "no method 'nearest' of features; there are knn"),
        ({"version": 9}, "format version 9"),
        ({"n_correct": [1, 2]}, "the method's counts are not of its classes"),
        ({"n_features": 0}, "n_features must lie between"),
        ({"n_features": 9}, "fit again"),
        ({"arrays": {}}, "is missing"),
        ({array: {"dtype": "<i2"}}, "is not what the method learns"),
        ({array: {"base64": "AAAA"}}, "is not what the method learns"),
        ({array: {"base64": "*"}}, "is damaged"),
        ({array: {"shape": [-1, 8]}}, "is not what the method learns"),
        ({array: {"shape": "wide"}}, "must be a list"),
        ({array: "none"}, "is missing"),
    ):
        damaged = json.loads(json.dumps(values))
        key, value = next(iter(change.items()))
        if key == array and isinstance(value, dict):
            damaged["arrays"][array] |= value
        elif key == array:
            damaged["arrays"][array] = value
        else:
            damaged[key] = value
        with pytest.raises(OpenMaxError, match=message):
            method_from_dict(damaged)


def test_a_file_holds_numbers_and_directions_that_are_some():
    values = new_method("mahalanobis").fit(LOGITS, LABELS, features=FEATURES).to_dict()
    centre = dict(values["arrays"]["centre"])
    values["arrays"]["centre"]["base64"] = "////////////" * 7 + "//8="
    centre["base64"] = values["arrays"]["centre"]["base64"]
    with pytest.raises(OpenMaxError, match=r"arrays\.centre"):
        method_from_dict(values)
    values = new_method("knn").fit(LOGITS[:2], LABELS[:2], features=FEATURES[:2]).to_dict()
    values["arrays"]["bank_grid"]["base64"] = "////" * 21 + "/w=="
    assert method_from_dict(values)  # −1 each: a short direction
    values["arrays"]["bank_grid"]["base64"] = "f///" * 21 + "fw=="
    with pytest.raises(OpenMaxError, match="holds no directions"):
        method_from_dict(values)
