"""What the cards in the browser are given: enough to decide, and the library's own numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from openmax_core import OpenMax, TradeoffCurve
from openmax_core.prediction.cards import MOST_BARS, N_NEAREST, cards_data, shown_outputs
from openmax_core.prediction.verdicts import (
    ScoredPictures,
    score_pictures,
)
from tests.support.verdicts import PictureLogits, verdict_table
from tests.support.workspaces import CLASSES, made_up_logits


def fitted(preset: str, n_classes: int = 3) -> OpenMax:
    labels = np.repeat(np.arange(n_classes), 30)
    names = CLASSES if n_classes == 3 else [f"class {index}" for index in range(n_classes)]
    return OpenMax(preset).fit(made_up_logits(labels, n_classes, seed=1), labels, names)


def scored_by(openmax: OpenMax, n: int = 24) -> ScoredPictures:
    labels = np.arange(n) % (openmax.n_classes + 1) - 1
    logits = made_up_logits(labels, openmax.n_classes, seed=3, signal=5.0)
    results = tuple("damaged" if row == 5 else logits[row] for row in range(n))
    return score_pictures(openmax, [f"{i}.png" for i in range(n)], results)


def keys_of(scored: ScoredPictures) -> list[str]:
    return [f"key {row}" for row in range(len(scored))]


def sent_of(openmax: OpenMax, scored: ScoredPictures) -> dict[str, Any]:
    """What the browser is sent; the slider's scale is that of other pictures."""
    labels = np.arange(60) % openmax.n_classes
    test = openmax.decide(made_up_logits(labels, openmax.n_classes, seed=7))
    curve = TradeoffCurve(test.scores, test.predictions, labels, [], [], openmax.n_classes)
    return cards_data(openmax, scored, keys_of(scored), curve, openmax.score_range())


def test_the_slider_has_the_scale_of_the_curve_and_tells_the_pictures_apart():
    openmax = fitted("bendale")
    scored = scored_by(openmax)
    data = sent_of(openmax, scored)
    positions, ways = np.array(data["positions"]), np.array(data["ways"])
    assert len(positions) == len(ways)
    assert (np.diff(positions) > 0).all()
    assert (np.diff(ways) >= 0).all()
    assert (ways[0], ways[-1]) == (0, 1)
    scores = np.unique([card["score"] for card in data["cards"] if not card["is_unknown"]])
    between = np.searchsorted(positions, scores, side="right")
    assert (np.diff(between) > 0).all()
    assert data["has_unknown"] is True


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_a_browser_can_decide_with_it_as_the_library_does(preset):
    openmax = fitted(preset)
    scored = scored_by(openmax)
    # As it arrives: JSON carries every float64 exactly.
    data = json.loads(json.dumps(sent_of(openmax, scored), allow_nan=False))
    low, high = openmax.score_range()
    for threshold in (low, 0.3, (low + high) / 2, scored.scores[0], high):
        given = PictureLogits(scored.files, scored.results)
        table = verdict_table(openmax, given, float(threshold))
        table = table[table["verdict"] != "unreadable"]
        assert len(data["cards"]) == len(table) == len(scored) - 1
        for card, row in zip(data["cards"], table.to_dict(orient="records"), strict=True):
            is_accepted = not card["is_unknown"] and card["score"] >= threshold
            assert is_accepted == (row["verdict"] == "accepted")
            if is_accepted:
                assert data["classes"][card["class"]] == row["decision"]
            before, after = card["accepted" if is_accepted else "rejected"]
            text = repr(float(threshold)).removesuffix(".0")
            assert (before if after is None else before + text + after) == row["reason"]
            assert card["name"] == row["file"]


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_bars_are_both_kinds_of_probabilities(preset):
    openmax = fitted(preset)
    scored = scored_by(openmax)
    data = sent_of(openmax, scored)
    assert data["is_probability"] == (preset == "bendale")
    for card in data["cards"]:
        row = int(card["key"].split()[1])
        outputs, before, after = zip(*card["bars"], strict=True)
        assert outputs == (0, 1, 2, 3)
        assert before[-1] is None
        np.testing.assert_allclose(before[:-1], scored.before[row], rtol=1e-5)
        np.testing.assert_allclose(after, scored.after[row], rtol=1e-5)
        assert card["others"]["count"] == 0
        assert card["class"] == scored.after[row, :3].argmax()
        assert card["margin"] == scored.after[row, 3] - scored.after[row, :3].max()


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_curves_are_the_cdf_of_the_classes_with_the_largest_logits(preset):
    openmax = fitted(preset)
    scored = scored_by(openmax)
    data = sent_of(openmax, scored)
    for card in data["cards"]:
        row = int(card["key"].split()[1])
        classes = [index for index, _, _ in card["nearest"]]
        assert classes == np.argsort(-scored.logits[row])[:N_NEAREST].tolist()
        assert [d for _, d, _ in card["nearest"]] == scored.distances[row, classes].tolist()
        assert [c for _, _, c in card["nearest"]] == scored.cdf[row, classes].tolist()
    for index, curve in data["curves"].items():
        x, y = np.array(curve["x"]), np.array(curve["y"])
        assert x[0] == 0
        assert (np.diff(x) >= 0).all()
        assert (np.diff(y) >= 0).all()
        assert y[-1] > 0.98
        assert len(x) < 100
        rounded = openmax.weibull_.cdf(x, np.full(len(x), int(index)))
        # The points are rounded, and a step is steep.
        assert np.median(np.abs(y - rounded)) < 1e-4
        assert set(curve["tail"]) <= {float(f"{d:.6g}") for d in openmax.tails_[int(index)]}


def test_of_many_classes_the_most_probable_are_shown_and_the_others_summed_up():
    openmax = fitted("bendale", 40)
    scored = scored_by(openmax)
    data = sent_of(openmax, scored)
    for card in data["cards"]:
        row = int(card["key"].split()[1])
        assert len(card["bars"]) == MOST_BARS
        *known, unknown = [index for index, _, _ in card["bars"]]
        assert unknown == 40
        assert scored.before[row].argmax() == known[0]
        assert scored.after[row, :-1].argmax() in known
        assert card["others"]["count"] == 40 - len(known)
        before = sum(share for _, share, _ in card["bars"][:-1]) + card["others"]["before"]
        after = sum(share for _, _, share in card["bars"]) + card["others"]["after"]
        assert before == pytest.approx(1, abs=1e-4)
        assert after == pytest.approx(1, abs=1e-4)


def test_the_shown_classes_are_those_with_a_large_probability_before_or_after():
    before = np.zeros(20)
    before[[3, 7]] = 0.6, 0.4
    after = np.zeros(21)
    after[[7, 11, 20]] = 0.1, 0.5, 0.4
    shown = shown_outputs(before, after, most=4)
    assert shown == [3, 7, 11, 20]
    assert shown_outputs(before[:4], after[:5], most=4) == [0, 1, 2, 3, 4]


def test_a_thousand_classes_and_two_hundred_pictures_stay_small():
    openmax = fitted("bendale", 1000)
    scored = scored_by(openmax, 200)
    size = len(json.dumps(sent_of(openmax, scored)))
    assert size < 1_200_000


def test_the_id_tells_pictures_and_methods_apart():
    one, other = fitted("bendale"), fitted("notebook")
    scored = scored_by(one)
    first = sent_of(one, scored)
    assert first["id"] == sent_of(one, scored_by(one))["id"]
    fewer = scored_by(one, 23)
    ids = {first["id"], sent_of(one, fewer)["id"]}
    ids.add(sent_of(other, scored_by(other))["id"])
    assert len(ids) == 3


def test_no_pictures_are_no_cards():
    openmax = fitted("bendale")
    scored = score_pictures(openmax, [], [])
    data = sent_of(openmax, scored)
    assert (data["cards"], data["curves"]) == ([], {})
