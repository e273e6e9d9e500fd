"""The Upload page: decisions on pictures whose logits the session holds already."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from openmax_core.verdicts import PictureLogits, verdict_table
from tests.app.visitor import texts
from tests.helpers import CLASSES, made_up_logits


def picture(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 90, 120)).save(stream, "PNG")
    return stream.getvalue()


LOGITS = made_up_logits(np.array([0, 1, 2, 0, 1, 2, -1, -1]), 3, seed=5, signal=7.0)
FILES = [(f"leaf_{number}.png", picture(20 * number)) for number in range(len(LOGITS))]
PICTURES = PictureLogits(tuple(name for name, _ in FILES), tuple(LOGITS))


@pytest.fixture
def upload(open_app, trees):
    """Open the page and drop the pictures; nothing goes through a network again."""

    def uploaded(**address: str):
        app = open_app(trees.folder, "upload", **address)
        app.session_state["logits"] = {
            (trees.classifier_key, hashlib.sha256(content).hexdigest()): logits
            for (_, content), logits in zip(FILES, LOGITS, strict=True)
        }
        app.file_uploader[0].set_value([(name, content, "image/png") for name, content in FILES])
        app.run()
        assert not app.exception
        return app

    return uploaded


def shows(app, table) -> bool:
    """Every card has its picture's name and reason."""
    reasons = [item.value.replace("\\", "") for item in app.caption]
    for row in table.to_dict(orient="records"):
        assert f"**{row['file']}**" in texts(app.markdown)
        assert f"{row['reason'][:1].upper()}{row['reason'][1:]}." in reasons
    counts = table["verdict"].value_counts()
    for verdict in ("accepted", "rejected"):
        assert f"{counts.get(verdict, 0)} {verdict}" in texts(app.markdown)
    return True


def test_without_pictures_it_says_what_to_do(open_app, trees):
    app = open_app(trees.folder, "upload")
    assert "Drop pictures here" in texts(app.info)
    assert not app.metric
    assert not app.slider


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_pictures_are_decided_on_at_the_recommended_threshold(upload, trees, preset):
    app = upload(method=preset)
    evaluation = trees.evaluate(preset)
    threshold = evaluation.recommend(0.85).threshold
    assert app.number_input(key="threshold_number").value == threshold
    table = verdict_table(evaluation.openmax, PICTURES, threshold)
    assert set(table["verdict"]) == {"accepted", "rejected"}
    assert shows(app, table)
    assert not app.toggle


@pytest.mark.parametrize(
    ("preset", "ends"),
    [("bendale", (0.25, 1.0)), ("notebook", (0.25, 0.476))],  # 1/4 and e/(e + 3) for 3 classes
)
def test_the_slider_decides_over_all_that_the_method_can_score(upload, trees, preset, ends):
    app = upload(method=preset)
    openmax = trees.evaluate(preset).openmax
    low, high = openmax.score_range()
    slider = app.slider(key="threshold_slider")
    assert (slider.min, slider.max) == ends
    assert ends[0] <= low < high <= ends[1]
    for share in (0.0, 0.6, 1.0):
        threshold = round(ends[0] + share * (ends[1] - ends[0]), 3)
        app.slider(key="threshold_slider").set_value(threshold).run()
        assert app.number_input(key="threshold_number").value == threshold
        assert app.query_params["threshold"] == f"{threshold:g}"
        assert shows(app, verdict_table(openmax, PICTURES, threshold))


def test_the_exact_threshold_moves_the_slider(upload, trees):
    app = upload()
    app.number_input(key="threshold_number").set_value(0.612345).run()
    assert app.slider(key="threshold_slider").value == pytest.approx(0.612345)
    app.number_input(key="threshold_number").set_value(0.01).run()
    assert app.slider(key="threshold_slider").value == 0.25
    assert shows(app, verdict_table(trees.evaluate("bendale").openmax, PICTURES, 0.01))


def test_a_number_that_lags_behind_a_fast_slider_does_not_pull_it_back(upload):
    app = upload(threshold="0.5")
    # The browser sends the number that it still shows beside the slider's newest value.
    app.number_input(key="threshold_number").set_value(0.49)
    app.slider(key="threshold_slider").set_value(0.505).run()
    assert app.slider(key="threshold_slider").value == 0.505
    assert app.number_input(key="threshold_number").value == 0.505


# --- thresholds per class ------------------------------------------------------------------------


@pytest.fixture
def by_class(trees):
    """The workspace decides with thresholds per class; some pictures then fare otherwise."""
    evaluation = trees.evaluate("bendale")
    point = replace(evaluation.point_at(0.3), class_thresholds={"birch": 1.0, "ash": 0.26})
    trees.choose(point)
    single = verdict_table(evaluation.openmax, PICTURES, 0.3)
    table = verdict_table(evaluation.openmax, PICTURES, 0.3, point.class_thresholds)
    assert (single["verdict"] != table["verdict"]).any()
    return single, table


def test_thresholds_per_class_of_the_workspace_s_point_decide(upload, by_class):
    single, table = by_class
    app = upload()
    assert app.number_input(key="threshold_number").value == 0.3
    assert shows(app, table)
    app.toggle(key="use_class_thresholds").set_value(False).run()
    assert shows(app, single)


def test_the_line_in_a_picture_s_bars_is_the_threshold_of_its_class(upload, by_class):
    _, table = by_class
    app = upload()
    limits = {"ash": 0.26, "birch": 1.0, "cedar": 0.3}
    best = table[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)
    lines = [
        [shape["x0"] for shape in json.loads(chart.proto.spec)["layout"]["shapes"]]
        for chart in app.get("plotly_chart")
    ]
    assert lines == [[limits[CLASSES[index]]] for index in best]
    assert len({line[0] for line in lines}) == 3


def test_another_threshold_or_method_is_one_for_all_classes(upload, trees, by_class):
    app = upload()
    app.number_input(key="threshold_number").set_value(0.31).run()
    assert not app.toggle
    openmax = trees.evaluate("bendale").openmax
    assert shows(app, verdict_table(openmax, PICTURES, 0.31))
    app.number_input(key="threshold_number").set_value(0.3).run()
    assert shows(app, by_class[1])
    app.sidebar.number_input(key="tail_size").set_value(10).run()
    assert not app.toggle


def test_a_class_of_the_point_that_is_none_any_more_is_left_out(upload, trees):
    evaluation = trees.evaluate("bendale")
    thresholds = {"elm": 1.0, **dict.fromkeys(CLASSES, 0.3)}
    trees.choose(replace(evaluation.point_at(0.3), class_thresholds=thresholds))
    assert shows(upload(), verdict_table(evaluation.openmax, PICTURES, 0.3))
