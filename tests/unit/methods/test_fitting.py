"""Fitting: what is learned of which pictures, a shorter tail, and what cannot be fitted."""

import json
import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from openmax_core import OpenMax
from openmax_core.errors import FitError, OpenMaxError
from openmax_core.methods.distances import DISTANCES
from openmax_core.methods.reweighting import centred
from openmax_core.methods.settings import PRESETS
from openmax_core.support.chunks import Chunk
from openmax_core.weibull.fit import (
    exceedances,
    fit_exceedances,
    fit_tails,
    fit_weibull_max,
    select_tails,
)
from tests.support.methods import activations, fitted, queries


def test_fit_keeps_the_correctly_classified_alone():
    logits = np.array(
        [[3.0, 0.0], [5.0, 1.0], [5.0, 2.0], [0.0, 9.0], [1.0, 4.0], [1.0, 8.0], [7.0, 0.0]]
    )
    labels = [0, 0, 0, 0, 1, 1, 1]
    om = OpenMax("bendale", distance="euclidean").fit([*logits, [1.0, 4.5]], [*labels, 1])
    assert_allclose(om.means_, [[13 / 3, 1.0], [1.0, 5.5]], rtol=1e-15)
    assert om.n_correct_.tolist() == [3, 3]
    assert om.n_training_.tolist() == [4, 4]
    assert_allclose(om.tails_[1], [1.0, 1.5, 2.5], rtol=1e-15)
    assert om.weibull_.n_tail.tolist() == [3, 3]
    assert om.classes_.tolist() == [0, 1]
    assert om.class_names_ == ("0", "1")


# --- η as a share of the class -------------------------------------------------------------------


def test_the_tail_is_a_share_of_the_class_where_that_is_more_than_the_tail_size():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [400, 150, 30])
    logits = 9 * np.eye(3)[labels] + rng.normal(size=(len(labels), 3))
    om = OpenMax("robust", tail_size=10, tail_share=0.1).fit(logits, labels)
    assert om.n_correct_.tolist() == [400, 150, 30]
    assert [len(tail) for tail in om.tails_] == [40, 15, 10]
    assert om.weibull_.n_tail.tolist() == [40, 15, 10]
    one = OpenMax("robust", tail_size=40).fit(logits, labels)
    assert_array_equal(om.tails_[0], one.tails_[0])
    assert om.weibull_.shape[0] == pytest.approx(one.weibull_.shape[0], rel=1e-12)
    with pytest.raises(FitError, match="16 is more than the 15 fitted"):
        om.with_shorter_tail(16)


def test_factors_bring_the_median_distances_to_one():
    logits, labels = activations(4)
    om = OpenMax("robust", distance="scaled_eucos").fit(logits, labels)
    v = logits - logits.mean(axis=1, keepdims=True)
    own = om.means_[labels]
    right = logits.argmax(axis=1) == labels
    lengths = np.linalg.norm(v - own, axis=1)[right]
    angles = 1 - (v * own).sum(axis=1) / np.linalg.norm(v, axis=1) / np.linalg.norm(own, axis=1)
    assert_allclose(
        om.distance_factors_, [1 / np.median(lengths), 1 / np.median(angles[right])], rtol=1e-9
    )


def test_with_two_classes_the_angle_says_nothing_and_is_left_out():
    om = fitted(2, preset="robust", distance="scaled_eucos")
    assert om.distance_factors_[0] > 0
    assert om.distance_factors_[1] == 0.0
    assert np.isfinite(om.predict_proba(queries(2))).all()


# --- a shorter tail ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "tail_size", "alpha_rank"),
    [
        ("openmax", 7, 3),
        ("openmax", 20, 5),
        ("robust", 7, 3),
        ("bendale", 7, None),
        ("bendale", 20, 2),
        ("notebook", 15, None),
    ],
)
def test_a_shorter_tail_is_the_fit_with_that_tail_size(preset, tail_size, alpha_rank):
    longer = fitted(4, preset=preset, tail_size=30)
    before = json.dumps(longer.to_dict())
    shorter = longer.with_shorter_tail(tail_size, alpha_rank)
    again = fitted(4, preset=preset, tail_size=tail_size, alpha_rank=alpha_rank)
    assert shorter.to_dict() == again.to_dict()
    assert_array_equal(shorter.predict_proba(queries(4)), again.predict_proba(queries(4)))
    assert json.dumps(longer.to_dict()) == before


def test_a_shorter_tail_may_be_a_numpy_number():
    tail_size, alpha_rank = np.array([7, 2])
    shorter = fitted(4, tail_size=30).with_shorter_tail(tail_size, alpha_rank)
    assert shorter.to_dict() == fitted(4, tail_size=7, alpha_rank=2).to_dict()


def test_a_longer_tail_than_the_fitted_one_is_an_error():
    with pytest.raises(FitError, match="31 is more than the 30 fitted"):
        fitted(4, tail_size=30).with_shorter_tail(31)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_training_logits_that_are_not_finite_name_the_row(preset, bad):
    logits, labels = activations(3)
    shuffled = np.random.default_rng(0).permutation(len(labels))
    logits, labels = logits[shuffled], labels[shuffled]
    logits[71, 2] = bad
    with pytest.raises(FitError, match="row 71 of the training logits is not finite"):
        OpenMax(preset=preset).fit(logits, labels)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros(6), np.zeros(6, int), r"logits must be \(N, C\) and labels \(N,\)"),
        (np.zeros((6, 3)), np.zeros(5, int), r"they are \(6, 3\) and \(5,\)"),
        (np.zeros((6, 3)), np.zeros((6, 3), int), r"they are \(6, 3\) and \(6, 3\)"),
        (np.zeros((6, 1)), np.zeros(6, int), "at least 2 known classes"),
        (np.zeros((6, 3)), np.full(6, 3), r"labels must lie in 0\.\.2"),
        (np.zeros((6, 3)), np.full(6, -1), r"labels must lie in 0\.\.2"),
        (np.zeros((0, 3)), np.zeros(0, int), "class '0' has 0 correctly classified pictures"),
    ],
    ids=["vector", "lengths", "one-hot", "one class", "label 3 of 3", "label -1", "empty"],
)
def test_training_data_that_do_not_fit_are_an_error(logits, labels, message):
    with pytest.raises(FitError, match=message):
        OpenMax().fit(logits, labels)


def test_labels_that_are_not_whole_numbers_are_an_error():
    logits, labels = activations(3)
    with pytest.raises(FitError, match="labels"):
        OpenMax().fit(logits, labels + 0.5 * (labels < 2))


def test_names_must_be_as_many_as_classes():
    with pytest.raises(FitError, match="2 class names for logits of 3 classes"):
        OpenMax().fit(*activations(3), class_names=["rose", "tulip"])


NAMES = ["rose", "orchid", "tulip"]


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_where_no_class_can_be_fitted_all_are_named(preset):
    logits, labels = activations(3)
    logits[labels == 0] = [7.3, 0.1, -0.2]
    logits[labels == 1] = [50.0, 0.0, 0.0]
    logits[np.flatnonzero(labels == 2)[1:]] = [50.0, 0.0, 0.0]
    with pytest.raises(FitError) as caught:
        OpenMax(preset=preset).fit(logits, labels, class_names=NAMES)
    told = str(caught.value)
    assert re.match(r"class 'rose': all .* distances of its tail are equal \(", told)
    assert "class 'orchid' has 0 correctly classified pictures" in told
    assert "class 'tulip' has 1 correctly classified pictures" in told


# --- classes that borrow -------------------------------------------------------------------------


def _assert_exceedances_are_borrowed(om: OpenMax, own: list[int], distances: list[Any]) -> None:
    """Own fits of exceedances are as they are alone; the borrowed one is made of them, by hand."""
    found = [exceedances(values, om.settings_.tail_size) for values in distances]
    alone = fit_exceedances([tail for _, tail in found], [start for start, _ in found])
    for name, values in alone.parameters().items():
        assert_array_equal(om.weibull_.parameters()[name][own], values)
    beyond = [tail - start for start, tail in found]
    pooled = np.sort(np.concatenate([values / values.mean() for values in beyond]))
    n = int(np.median([len(values) for values in beyond]))
    scale = np.median([values.mean() for values in beyond])
    expected = [np.quantile(pooled, (i + 0.5) / n) * scale for i in range(n)]
    threshold = np.median([start for start, _ in found])
    assert om.weibull_.parameters()["threshold"][1] == threshold
    assert_allclose(om.tails_[1], threshold + np.array(expected), rtol=1e-12)


def with_few_right(n_right: int, n_classes: int = 5) -> tuple[Any, Any]:
    """Activations of which class 1 has so many right pictures."""
    logits, labels = activations(n_classes)
    logits[np.flatnonzero(labels == 1)[n_right:], 2] = 50.0
    return logits, labels


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("n_right", [0, 1])
def test_a_class_with_too_few_right_pictures_borrows_and_the_others_stay_as_they_are(
    preset, n_right
):
    logits, labels = with_few_right(n_right)
    om = OpenMax(preset).fit(logits, labels)
    assert om.borrowed_.tolist() == [False, True, False, False, False]
    assert om.n_correct_[1] == n_right
    own = [0, 2, 3, 4]
    settings = om.settings_
    right = logits.argmax(axis=1) == labels
    distances = []
    for index in own:
        vectors = logits[right & (labels == index)].astype(settings.fit_precision)
        vectors = centred(vectors, settings.centring)
        mean = vectors.mean(axis=0)
        assert_array_equal(om.means_[index], mean.astype(np.float64))
        distances.append(DISTANCES[settings.distance](vectors, mean))
    if settings.weibull == "exceedances":
        _assert_exceedances_are_borrowed(om, own, distances)
        return
    tails = select_tails(distances, settings.tail_size)
    alone = (
        fit_tails(tails, settings.tail_size, settings.translate)
        if settings.weibull == "libmr"
        else fit_weibull_max(tails)
    )
    for name, values in alone.parameters().items():
        assert_array_equal(om.weibull_.parameters()[name][own], values)
    for index, tail in zip(own, tails, strict=True):
        assert_array_equal(om.tails_[index], tail)
    # The borrowed tail, by hand.
    pooled = np.sort(np.concatenate([tail / tail.mean() for tail in tails]))
    n = int(np.median([len(tail) for tail in tails]))
    expected = [np.quantile(pooled, (i + 0.5) / n) for i in range(n)]
    scale = np.median([tail.mean() for tail in tails])
    assert_allclose(om.tails_[1], np.array(expected) * scale, rtol=1e-12)
    if n_right:
        one = logits[np.flatnonzero(labels == 1)[:1]].astype(settings.fit_precision)
        assert_allclose(om.means_[1], centred(one, settings.centring)[0], rtol=1e-6)
    else:
        others = []
        for index in own:
            mean = om.means_[index].copy()
            mean[[1, index]] = mean[[index, 1]]
            others.append(mean)
        assert_allclose(om.means_[1], np.mean(others, axis=0), rtol=1e-12)
        assert om.means_[1].argmax() == 1
    assert np.isfinite(om.predict_proba(logits)).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_classes_without_pictures_recognise_their_own_nearly_as_well_as_with_them(preset):
    logits, labels = activations(8)
    of_few = labels < 3
    whole = OpenMax(preset).fit(logits, labels)
    om = OpenMax(preset).fit(logits[of_few], labels[of_few])
    assert om.borrowed_.tolist() == [False] * 3 + [True] * 5
    rest = ~of_few
    mine, theirs = (
        (item.decide(logits[rest]).predictions == labels[rest]).mean() for item in (om, whole)
    )
    assert mine >= theirs - 0.3


def test_in_chunks_the_same_classes_borrow_the_same():
    logits, labels = with_few_right(0)
    logits = logits.astype(np.float32)

    def read():
        for first in range(0, len(labels), 37):
            part = slice(first, first + 37)
            yield Chunk(first, logits[part], labels[part], logits[part].argmax(axis=1))

    streamed = OpenMax("bendale").fit_chunks(read, list("abcde"))
    om = OpenMax("bendale").fit(logits, labels)
    assert_array_equal(streamed.borrowed_, om.borrowed_)
    assert_allclose(streamed.means_, om.means_, rtol=1e-6, atol=1e-9)
    assert_allclose(streamed.weibull_.shape, om.weibull_.shape, rtol=1e-4)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_shorter_tail_borrows_as_a_fit_with_it(preset):
    logits, labels = with_few_right(0)
    longer = OpenMax(preset, tail_size=30).fit(logits, labels)
    again = OpenMax(preset, tail_size=12).fit(logits, labels)
    assert longer.with_shorter_tail(12).to_dict() == again.to_dict()


def test_what_is_borrowed_comes_back_from_a_file_and_nothing_is_in_an_older_one(tmp_path):
    om = OpenMax().fit(*with_few_right(1))
    om.save(tmp_path / "calibration.json")
    assert_array_equal(OpenMax.load(tmp_path / "calibration.json").borrowed_, om.borrowed_)
    values = om.to_dict()
    del values["borrowed"]
    assert OpenMax.from_dict(values).borrowed_.tolist() == [False] * 5


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_a_class_of_copies_of_one_picture_borrows(preset):
    logits, labels = activations(3)
    logits[labels == 1] = [0.1, 7.3, -0.2]
    om = OpenMax(preset=preset).fit(logits, labels, class_names=NAMES)
    assert om.borrowed_.tolist() == [False, True, False]


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_a_failed_fit_leaves_the_fitted_estimator_as_it_was(preset):
    om = fitted(3, preset=preset)
    before = json.dumps(om.to_dict())
    logits, labels = activations(3, seed=5)
    with pytest.raises(FitError, match="different distances"):
        om.fit(np.zeros_like(logits), labels)
    assert json.dumps(om.to_dict()) == before
    om.set_params(translate=-1.0, weibull="libmr")
    with pytest.raises(OpenMaxError, match="translate must be larger than 0"):
        om.fit(logits, labels)
    om.set_params(translate=None, weibull=None)
    assert json.dumps(om.to_dict()) == before


def test_a_class_whose_exceedances_are_equal_up_to_rounding_borrows():
    logits, labels = activations(3)
    own = np.flatnonzero(labels == 1)
    logits[own] = [0.0, 9.0, 0.0]
    logits[own[:2]] = [[1.0, 9.0, 0.0], [0.0, 9.0, 1.0]]
    om = OpenMax("openmax").fit(logits, labels)
    assert om.borrowed_.tolist() == [False, True, False]
    with pytest.raises(FitError, match=r"too few of its .* differ .* at least 3 correctly"):
        OpenMax("openmax").fit(np.tile([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0]], (5, 1)), [0, 1] * 5)
