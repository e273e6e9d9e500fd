"""The Upload page: decisions on pictures whose answers the session holds already."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFile, UploadedFileRec
from streamlit.testing.v1 import AppTest

from openmax_core.pictures.intake import MAX_FILES, Upload
from openmax_core.pictures.strangers import View
from openmax_core.prediction.choice import Answer
from pages._upload import basket
from tests.app.visitor import component, given, send_event, send_moved, texts
from tests.support.verdicts import PictureLogits, verdict_table
from tests.support.workspaces import CLASSES, made_up_logits, make_workspace


def picture(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 90, 120)).save(stream, "PNG")
    return stream.getvalue()


LOGITS = made_up_logits(np.array([0, 1, 2, 0, 1, 2, -1, -1]), 3, seed=5, signal=7.0)
FILES = [(f"leaf_{number}.png", picture(20 * number)) for number in range(len(LOGITS))]
PICTURES = PictureLogits(tuple(name for name, _ in FILES), tuple(LOGITS))
VIEW = View("data:image/jpeg;base64,AAAA", "data:image/jpeg;base64,BBBB", (8, 8), (4, 4))


def drop(app: AppTest, *files: tuple[str, bytes]) -> None:
    """Drop files onto the page."""
    app.file_uploader[0].set_value([(name, content, "") for name, content in files])
    app.run()
    assert not app.exception, app.exception


@pytest.fixture
def visit(open_app, trees):
    """Open the page in a session that knows the network's answers already."""

    def opened(*known: tuple[bytes, Any], **address: str) -> AppTest:
        app: AppTest = open_app(trees.folder, "upload", **address)
        answers = [
            *((content, Answer(logits, VIEW)) for (_, content), logits in zip(FILES, LOGITS)),  # noqa: B905
            *known,
        ]
        app.session_state["upload_answers"] = {
            (trees.classifier.key, Upload("", content).digest): answer
            for content, answer in answers
        }
        return app

    return opened


@pytest.fixture
def upload(visit):
    """Open the page and drop the pictures."""

    def uploaded(**address: str) -> AppTest:
        app = visit(**address)
        drop(app, *FILES)
        return app

    return uploaded


def cards(app: AppTest) -> dict[str, Any]:
    return given(app, "cards")


def board(app: AppTest) -> dict[str, Any]:
    """What the cards show; a browser that has it is not sent it again."""
    if cards(app)["board"] is None:
        send_event(app, "cards", "lacking", True)
    found = cards(app)["board"]
    assert isinstance(found, dict)
    return found


def names(app: AppTest) -> list[str]:
    return [card["name"] for card in board(app)["cards"]]


def move(app: AppTest, threshold: float, is_by_class: bool = True) -> None:
    """Move the threshold, as the browser tells it."""
    moved = {"value": threshold, "count": cards(app)["echo"] + 1, "is_by_class": is_by_class}
    send_moved(app, moved, "cards")


def shows(app: AppTest, table) -> bool:
    """Every card, decided as a browser does, has the table's verdict, class and reason."""
    sent, limits = board(app), cards(app)
    value = limits["value"]
    for card, row in zip(sent["cards"], table.to_dict(orient="records"), strict=True):
        limit = value
        if limits["class_limits"] and limits["is_by_class"] and limits["class_limits_at"] == value:
            limit = limits["class_limits"][card["class"]]
        is_accepted = not card["is_unknown"] and card["score"] >= limit
        before, after = card["accepted" if is_accepted else "rejected"]
        assert card["name"] == row["file"]
        assert ("accepted" if is_accepted else "rejected") == row["verdict"]
        assert (before if after is None else f"{before}{limit:.15g}{after}") == row["reason"]
        if is_accepted:
            assert CLASSES[card["class"]] == row["decision"]
    return True


def has_cards(app: AppTest) -> bool:
    return any(item.key == "cards" for item in app.get("bidi_component"))


# --- deciding ------------------------------------------------------------------------------------


def test_without_pictures_there_are_ways_to_bring_some(open_app, trees):
    app = open_app(trees.folder, "upload")
    assert "Drop pictures of the known classes (ash, birch, cedar)" in app.file_uploader[0].label
    assert "no other visitor sees them" in texts(app.caption)
    assert "calibrated on" in texts(app.caption)
    assert not app.get("camera_input")
    assert not has_cards(app)


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_pictures_are_decided_on_at_the_recommended_threshold(upload, trees, preset):
    app = upload(method=preset)
    evaluation = trees.evaluate(preset)
    threshold = evaluation.recommend(0.85).threshold
    assert cards(app)["value"] == threshold
    table = verdict_table(evaluation.openmax, PICTURES, threshold)
    assert set(table["verdict"]) == {"accepted", "rejected"}
    assert shows(app, table)
    assert cards(app)["class_limits"] is None


@pytest.mark.parametrize(
    ("preset", "ends"),
    [("bendale", (0.25, 1.0)), ("notebook", (0.25, 0.476))],  # 1/4 and e/(e + 3) for 3 classes
)
def test_the_threshold_decides_over_all_that_the_method_can_score(upload, trees, preset, ends):
    app = upload(method=preset)
    openmax = trees.evaluate(preset).openmax
    low, high = openmax.score_range()
    positions = board(app)["positions"]
    assert positions[0] <= low < high <= positions[-1]
    assert (positions[0], positions[-1]) == pytest.approx(ends, abs=0.001)
    for threshold in (positions[0], positions[len(positions) // 2], 0.612345, positions[-1]):
        move(app, threshold)
        assert cards(app)["value"] == threshold
        assert app.query_params["threshold"] == f"{threshold:.15g}"
        assert shows(app, verdict_table(openmax, PICTURES, threshold))


def test_the_threshold_of_a_link_decides(upload, trees):
    assert shows(
        upload(threshold="0.7"), verdict_table(trees.evaluate("bendale").openmax, PICTURES, 0.7)
    )


def test_another_method_decides_anew_without_another_run_of_the_network(upload, trees):
    app = upload()
    app.sidebar.selectbox(key="method").set_value("notebook").run()
    evaluation = trees.evaluate("notebook")
    threshold = evaluation.recommend(0.85).threshold
    assert shows(app, verdict_table(evaluation.openmax, PICTURES, threshold))


@pytest.mark.parametrize(
    "moved", [None, 5, {}, {"value": "0.5"}, {"value": True}, {"value": 7, "count": []}]
)
def test_nonsense_from_a_browser_moves_nothing(upload, moved):
    app = upload(threshold="0.5")
    send_moved(app, moved, "cards")
    assert not app.exception
    assert cards(app)["value"] == 0.5


# --- what travels --------------------------------------------------------------------------------


def test_what_the_browser_has_is_not_sent_again(visit):
    app = visit()
    drop(app, *FILES[:2])
    first = cards(app)
    assert first["board"]["id"] == first["board_id"]
    assert {item["original"] for item in first["pictures"].values()} == {VIEW.original}
    assert len(first["pictures"]) == 2
    move(app, 0.6)
    assert cards(app)["board"] is None
    assert cards(app)["pictures"] == {}
    drop(app, FILES[2])
    assert len(cards(app)["pictures"]) == 1
    assert len(cards(app)["board"]["cards"]) == 3


def test_a_browser_that_has_lost_it_gets_it_again(upload):
    app = upload()
    move(app, 0.6)
    send_event(app, "cards", "lacking", True)
    assert len(cards(app)["board"]["cards"]) == len(cards(app)["pictures"]) == len(FILES)
    assert cards(app)["value"] == 0.6


def test_another_workspace_s_network_decides_and_shows_what_it_sees(
    visit, trees, tmp_path, monkeypatch
):
    monkeypatch.setenv("OPENMAX_ROOTS", str(tmp_path))
    other = make_workspace(tmp_path / "other", classes=("elm", "fir"), name="Other")
    app = visit()
    drop(app, FILES[0])
    view = replace(VIEW, seen="data:image/jpeg;base64,CCCC")
    key = (other.classifier.key, Upload("", FILES[0][1]).digest)
    app.session_state["upload_answers"][key] = Answer(np.array([5, 1], dtype=np.float32), view)
    app.sidebar.selectbox(key="workspace").set_value("Other").run()
    assert cards(app)["board"]["classes"] == ["elm", "fir"]
    assert [item["seen"] for item in cards(app)["pictures"].values()] == [view.seen]


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
    assert cards(app)["class_limits"] == [0.26, 1.0, 0.3]
    assert cards(app)["class_limits_at"] == cards(app)["value"] == 0.3
    assert shows(app, table)
    move(app, 0.3, is_by_class=False)
    assert shows(app, single)
    move(app, 0.3)
    assert shows(app, table)


def test_another_threshold_or_method_is_one_for_all_classes(upload, trees, by_class):
    app = upload()
    move(app, 0.31)
    assert shows(app, verdict_table(trees.evaluate("bendale").openmax, PICTURES, 0.31))
    move(app, 0.3)
    assert shows(app, by_class[1])
    app.sidebar.number_input(key="tail_size").set_value(10).run()
    assert cards(app)["class_limits"] is None


@pytest.mark.parametrize("page", ["overview", "threshold", "upload", "monitor"])
def test_a_point_with_a_threshold_for_a_class_that_is_none_any_more_is_named(open_app, trees, page):
    evaluation = trees.evaluate("bendale")
    thresholds = {"elm": 1.0, **dict.fromkeys(CLASSES, 0.3)}
    replace(evaluation.point_at(0.3), class_thresholds=thresholds).save(trees.operating_point_path)
    app = open_app(trees.folder, page)
    (error,) = app.error
    assert "there is a threshold for 'elm', but no class of this name; choose" in error.value


def test_without_a_point_that_fits_the_recommended_threshold_decides(upload, trees):
    evaluation = trees.evaluate("bendale")
    replace(evaluation.point_at(0.3), class_thresholds={"elm": 1.0}).save(
        trees.operating_point_path
    )
    recommended = evaluation.recommend(0.85).threshold
    assert shows(upload(), verdict_table(evaluation.openmax, PICTURES, recommended))


# --- the ways in ---------------------------------------------------------------------------------


def zipped(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


def test_what_is_dropped_later_comes_to_what_is_there(visit):
    app = visit()
    drop(app, *FILES[:2])
    drop(app, ("walk.zip", zipped(FILES[2], ("x/notes.txt", b"notes"))), FILES[3])
    assert names(app) == ["leaf_0.png", "leaf_1.png", "walk.zip/leaf_2.png", "leaf_3.png"]
    drop(app, FILES[3])
    assert len(names(app)) == 4


def test_every_file_that_is_not_taken_is_named_with_the_reason(visit):
    app = visit()
    drop(app, FILES[0], ("a.png", b"text"), ("walk.zip", zipped(("../b.png", FILES[1][1]))))
    warning = texts(app.warning)
    assert "2 files were not accepted" in warning
    assert "a.png: the content is not a picture of a known format" in warning
    assert "walk.zip/../b.png: its path leads out of the archive" in warning
    assert names(app) == ["leaf_0.png"]
    drop(app, FILES[1])
    assert not app.warning


def test_many_that_are_not_taken_are_listed_in_a_table(visit):
    app = visit()
    drop(app, FILES[0], *((f"{number}.txt", b"text") for number in range(9)))
    assert "and 4 more" in texts(app.warning)
    assert app.dataframe[0].value["file"].tolist() == [f"{number}.txt" for number in range(9)]


def test_names_are_shown_as_they_are_and_not_as_markdown(visit):
    app = visit()
    drop(app, ("![x](http://example.org/x.png) **b**.png", b"text"))
    assert "\\!\\[x\\](http\\:\u2060//example.org/x.png) \\*\\*b\\*\\*.png" in app.warning[0].value


def test_a_picture_that_turns_out_to_be_damaged_is_named_and_forgotten(visit):
    damaged = picture(255)
    app = visit((damaged, Answer("damaged picture (made up)", None)))
    drop(app, FILES[0], ("cut.png", damaged))
    assert "cut.png: damaged picture (made up)" in texts(app.warning)
    assert names(app) == ["leaf_0.png"]
    assert [file.name for file in app.session_state["upload_files"]] == ["leaf_0.png"]
    assert len(app.session_state["upload_answers"]) == 1


def test_pictures_beyond_the_count_are_named(visit):
    app = visit()
    app.session_state["upload_files"] = [
        Upload(f"{number}.png", FILES[0][1]) for number in range(MAX_FILES)
    ]
    drop(app, FILES[1])
    assert "leaf_1.png: at most 200 pictures" in texts(app.warning)
    assert len(names(app)) == MAX_FILES


def test_the_camera_is_opened_on_request_only(visit):
    app = visit()
    assert not app.get("camera_input")
    app.toggle(key="camera_open").set_value(True).run()
    for number in (1, 2):
        _, content = FILES[number]
        app.camera_input[0].set_value(("camera.jpg", content, "image/jpeg")).run()
        assert names(app)[-1] == f"photo {number}.jpg"
        assert len(names(app)) == number
    app.toggle(key="camera_open").set_value(False).run()
    assert not app.get("camera_input")
    assert len(names(app)) == 2


def test_a_sample_of_another_workspace_with_the_same_name_is_another(visit, trees):
    app = visit()
    wanted = given(app, "samples")["items"][3]
    file = trees.pictures.folder("test") / wanted["path"]
    answers = app.session_state["upload_answers"]
    answers[trees.classifier.key, Upload("", file.read_bytes()).digest] = Answer(LOGITS[1], VIEW)
    send_event(app, "samples", "clicked", wanted["key"])
    # As after a visit to a workspace in which the sample was added.
    added = app.session_state["upload_samples"]
    app.session_state["upload_samples"] = {"elsewhere": added[str(trees.folder)]}
    app.run()
    assert names(app) == [f"test/{wanted['path']}"]
    assert not any(item["pressed"] for item in given(app, "samples")["items"])


def test_samples_are_of_both_kinds_and_a_click_adds_and_takes_away(visit, trees):
    app = visit()
    items = given(app, "samples")["items"]
    assert [item["kind"] for item in items] == ["known"] * 6 + ["unknown"] * 6
    assert [item["caption"] for item in items[:6]] == [
        *("ash", "ash", "birch", "birch", "cedar", "cedar")
    ]
    assert {item["caption"] for item in items[6:]} == {"oak"}
    assert not any(item["pressed"] for item in items)
    wanted = items[3]
    file = trees.pictures.folder("test") / wanted["path"]
    answers = app.session_state["upload_answers"]
    answers[trees.classifier.key, Upload("", file.read_bytes()).digest] = Answer(LOGITS[1], VIEW)
    send_event(app, "samples", "clicked", wanted["key"])
    assert names(app) == [f"test/{wanted['path']}"]
    assert [item["pressed"] for item in given(app, "samples")["items"]].index(True) == 3
    send_event(app, "samples", "clicked", wanted["key"])
    assert not has_cards(app)
    assert not any(item["pressed"] for item in given(app, "samples")["items"])


@pytest.mark.parametrize("key", ["test/../../weights.safetensors", "train/ash/000.png", "", None])
def test_only_samples_that_are_offered_can_be_asked_for(visit, key):
    app = visit()
    send_event(app, "samples", "clicked", key)
    assert not app.exception
    assert app.session_state["upload_files"] == []


# --- forgetting ----------------------------------------------------------------------------------


@pytest.fixture
def managers(monkeypatch) -> Iterator[list[MemoryUploadedFileManager]]:
    """Where Streamlit keeps what was sent."""
    found: list[MemoryUploadedFileManager] = []
    add = MemoryUploadedFileManager.add_file

    def noted(manager: MemoryUploadedFileManager, *arguments: Any, **named: Any) -> None:
        found.append(manager)
        add(manager, *arguments, **named)

    monkeypatch.setattr(MemoryUploadedFileManager, "add_file", noted)
    return found  # type: ignore[return-value]


def test_streamlit_keeps_nothing_of_what_was_sent(managers, upload):
    upload()
    assert managers
    assert [files for manager in managers for files in manager.file_storage.values() if files] == []


def test_a_picture_that_is_taken_away_is_forgotten(upload):
    app = upload()
    key = board(app)["cards"][3]["key"]
    send_event(app, "cards", "removed", key)
    assert names(app) == [name for name, _ in FILES if name != "leaf_3.png"]
    assert len(app.session_state["upload_answers"]) == len(FILES) - 1
    assert FILES[3][1] not in [file.content for file in app.session_state["upload_files"]]


def test_a_picture_that_was_sent_under_two_names_is_kept_for_the_other(visit):
    app = visit()
    drop(app, FILES[0], ("copy.png", FILES[0][1]))
    send_event(app, "cards", "removed", board(app)["cards"][0]["key"])
    assert names(app) == ["copy.png"]


def test_all_can_be_taken_away(upload):
    app = upload()
    send_event(app, "cards", "removed", "all")
    assert not has_cards(app)
    assert app.session_state["upload_files"] == []
    assert app.session_state["upload_answers"] == {}
    assert "upload_scored" not in app.session_state


@pytest.mark.parametrize("event", ["removed", "opened"])
@pytest.mark.parametrize("key", ["", "nothing", None, 3, ["x"], {"a": 1}])
def test_only_pictures_of_the_session_can_be_named(upload, event, key):
    app = upload()
    send_event(app, "cards", event, key)
    assert not app.exception
    assert len(names(app)) == len(FILES)


def test_another_session_has_nothing_of_it(upload, open_app, trees):
    upload()
    other = open_app(trees.folder, "upload")
    assert not has_cards(other)
    assert "upload_answers" not in other.session_state or not other.session_state["upload_answers"]


# --- in large ------------------------------------------------------------------------------------


def test_a_click_opens_a_picture_with_all_that_decided(upload, trees):
    app = upload()
    evaluation = trees.evaluate("bendale")
    threshold = cards(app)["value"]
    table = verdict_table(evaluation.openmax, PICTURES, threshold)
    for number in (0, 7):
        send_event(app, "cards", "opened", board(app)["cards"][number]["key"])
        row = table.iloc[number]
        assert f"{row['reason'][:1].upper()}{row['reason'][1:]}." in texts(app.caption)
        assert row["file"] in texts(app.markdown)
        shown = app.dataframe[0].value
        expected = evaluation.openmax.predict_proba(LOGITS[[number]])[0]
        order = [*np.argsort(-LOGITS[number]).tolist(), 3]
        assert shown["after"].tolist() == expected[order].tolist()
        assert len(app.get("plotly_chart")) == 2
        # Its pictures have no address at which another could ask for them.
        urls = [image.proto.imgs[0].url for image in app.get("image")]
        assert len(urls) == 2
        assert all(url.startswith("data:image/jpeg;base64,") for url in urls)


def test_the_component_is_given_text_and_never_markup(upload):
    app = upload()
    assert "<" not in component(app, "cards").proto.json


def test_files_of_a_drop_that_was_taken_already_are_passed_over():
    new = UploadedFile(UploadedFileRec("2", "b.png", "image/png", b"two"), FileURLs())
    assert basket.received([DeletedFile("1"), new]) == [Upload("b.png", b"two")]
    assert basket.received([DeletedFile("1")]) == []
