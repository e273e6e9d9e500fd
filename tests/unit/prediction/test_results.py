"""Decisions as JSON, and one picture's figures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.prediction.results import class_values, results_json
from openmax_core.prediction.verdicts import (
    ScoredPictures,
    score_pictures,
)
from tests.support.verdicts import PictureLogits, verdict_table
from tests.support.workspaces import CLASSES, made_up_logits, make_workspace

LOGITS = made_up_logits(np.array([0, 1, 2, -1, -1, 0]), 3, seed=5, signal=6.0)
PICTURES = PictureLogits(
    ("a.png", "ü \ud83d.png".encode("utf-8", "replace").decode(), "c", "d", "e", "broken.png"),
    (*LOGITS[:5], "the file is empty"),
)


@pytest.fixture(scope="module", params=["bendale", "notebook"])
def evaluation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp(request.param)
    return make_workspace(folder / "trees", preset=request.param).evaluate()


@pytest.fixture
def scored(evaluation: Evaluation) -> ScoredPictures:
    return score_pictures(evaluation.openmax, *PICTURES)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("by_class", [None, {"ash": 0.9, "cedar": 1.0}])
def test_json_is_the_table_with_everything_that_decided(evaluation, scored, by_class):
    text = results_json(evaluation, scored, 0.4, by_class)
    values = json.loads(text, parse_constant=refuse)
    assert values["method"] == evaluation.openmax.preset_
    assert values["settings"] == evaluation.openmax.settings_.to_dict()
    assert values["data"] == evaluation.data
    assert values["calibrated_on"] == "train"
    assert values["threshold"] == 0.4
    assert values["class_thresholds"] == by_class
    assert values["classes"] == list(CLASSES)
    table = verdict_table(evaluation.openmax, PICTURES, 0.4, by_class)
    for item, row in zip(values["pictures"], table.to_dict(orient="records"), strict=True):
        for name in ("file", "verdict", "decision", "nearest_class", "reason"):
            assert item[name] == row[name]
        if item["verdict"] == "unreadable":
            empty = ("score", "threshold", "logits", "before", "after", "distances", "cdf")
            assert {item[name] for name in empty} == {None}
            continue
        assert item["score"] == row["score"]
        assert item["after"] == [row[f"p_{name}"] for name in (*CLASSES, "unknown")]
        assert item["distances"] == [row[f"distance_{name}"] for name in CLASSES]
        assert item["cdf"] == [row[f"cdf_{name}"] for name in CLASSES]
        best = int(np.argmax(item["after"]))
        limit = None if best == 3 else (by_class or {}).get(CLASSES[best], 0.4)
        assert item["threshold"] == limit
        exponential = np.exp(np.array(item["logits"]) - max(item["logits"]))
        np.testing.assert_allclose(item["before"], exponential / exponential.sum(), rtol=1e-12)
    np.testing.assert_array_equal(
        [item["logits"] for item in values["pictures"][:5]], LOGITS[:5].astype(np.float64)
    )


def test_one_picture_s_figures_a_row_a_class_and_unknown(evaluation, scored):
    table = class_values(scored, 0)
    order = np.argsort(-LOGITS[0])
    assert table["class"].tolist() == [*(CLASSES[index] for index in order), "unknown"]
    assert table["logit"][:3].tolist() == LOGITS[0][order].astype(float).tolist()
    assert table["after"].sum() == pytest.approx(1)
    assert table["before"][:3].sum() == pytest.approx(1)
    assert table["after"].iloc[-1] == evaluation.openmax.predict_proba(LOGITS[:1])[0, 3]
    assert all(math.isnan(table[name].iloc[-1]) for name in ("logit", "before", "distance", "cdf"))
