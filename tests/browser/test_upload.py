"""The Upload page as visitors use it: what they drop, what they see, and what nobody else sees."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, WebSocket, expect

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.network.engines import Engine
from openmax_core.prediction.choice import answers
from openmax_core.support.decimals import threshold_text
from openmax_core.workspace.workspace import Workspace
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard
from tests.browser.server import CHROMIUM_FLAGS, find_chromium
from tests.support.verdicts import PictureLogits, verdict_table

Files = list[tuple[str, bytes]]


@pytest.fixture(scope="module")
def workspace(server: str, server_folder: Path) -> Workspace:
    return extracted_demo(server_folder)


@pytest.fixture(scope="module")
def engine(workspace: Workspace) -> Iterator[Engine]:
    loaded = workspace.classifier.load_engine("cpu")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def evaluation(workspace: Workspace) -> Evaluation:
    return workspace.evaluate("bendale")


@pytest.fixture(scope="module")
def files(workspace: Workspace) -> Files:
    """Twelve known and twelve unknown digits, mixed."""
    found: Files = []
    for split, labels in (("test", "012345"), ("reject", "6789")):
        for label in labels:
            folder = workspace.pictures.folder(split) / label
            found += [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())[:4]]
    order = np.random.default_rng(4).permutation(len(found))[:24]
    return [found[index] for index in order]


@pytest.fixture
def decided(engine: Engine, evaluation: Evaluation) -> Callable[..., pd.DataFrame]:
    """What the library decides on files, without any browser."""

    def decide(
        files: Files, threshold: float, by_class: dict[str, float] | None = None
    ) -> pd.DataFrame:
        found = answers(engine, [content for _, content in files])
        logits = tuple(answer.logits for answer in found)
        pictures = PictureLogits(tuple(name for name, _ in files), logits)
        return verdict_table(evaluation.openmax, pictures, threshold, by_class)

    return decide


@dataclass
class Uploads:
    """The page in one tab, and its cards."""

    dashboard: Dashboard

    @property
    def page(self) -> Page:
        return self.dashboard.page

    @property
    def cards(self) -> Locator:
        return self.page.locator(".card")

    def open(self, address: str = "") -> Uploads:
        address = address or "?"
        method = "" if "method=" in address else "&method=bendale"  # whatever the default is
        self.dashboard.open(f"upload{address}{method}")
        expect(self.page.locator(".samples button").first).to_be_visible()
        return self

    def send(self, *files: tuple[str, bytes]) -> None:
        payloads: list[FilePayload] = [
            {"name": name, "mimeType": "", "buffer": content} for name, content in files
        ]
        self.page.locator('input[type="file"]').set_input_files(payloads)

    def card(self, name: str) -> Locator:
        button = self.page.get_by_role("button", name=name, exact=True)
        return self.cards.filter(has=button)

    def wait_for(self, n_cards: int) -> None:
        expect(self.cards).to_have_count(n_cards)
        self.dashboard.wait_until_idle()

    def expect_decisions(self, table: pd.DataFrame) -> None:
        """Every card and the counts are the table's."""
        accepted = int((table["verdict"] == "accepted").sum())
        counts = self.page.get_by_role("list", name="Decisions").locator("b")
        expect(counts).to_have_text([str(accepted), str(len(table) - accepted)])
        assert self.read() == {
            row["file"]: (
                f"Accepted as {row['decision']}" if row["verdict"] == "accepted" else "Rejected",
                f"{row['reason'][0].upper()}{row['reason'][1:]}.",
            )
            for row in table.to_dict(orient="records")
        }

    def read(self) -> dict[str, tuple[str, str]]:
        """Verdict and reason of every card, by its name."""
        shown = self.page.locator(".board").evaluate(
            """board => [...board.querySelectorAll('.card')].map(card => [
                 card.querySelector('.name').textContent,
                 card.querySelector('.verdict').textContent,
                 card.querySelector('.reason').textContent])"""
        )
        return {name: (verdict, reason) for name, verdict, reason in shown}

    def names(self) -> list[str]:
        return self.cards.locator(".name").all_text_contents()


@pytest.fixture
def uploads(dashboard: Dashboard, workspace: Workspace) -> Uploads:
    return Uploads(dashboard)


def zipped(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


# --- deciding ------------------------------------------------------------------------------------


def test_pictures_and_an_archive_get_the_library_s_verdicts(uploads, files, evaluation, decided):
    uploads.open()
    packed = [(f"deep/{name}", content) for name, content in files[3:8]]
    evil = [("../out.png", files[8][1]), ("notes.txt", b"notes"), ("__MACOSX/._a.png", b"x")]
    uploads.send(*files[:3], ("more.zip", zipped([*packed, *evil])), ("text.png", b"text"))
    uploads.wait_for(8)
    expected = [*files[:3], *((f"more.zip/{name}", content) for name, content in packed)]
    threshold = evaluation.recommend(0.85).threshold
    assert uploads.dashboard.shown_threshold() == threshold
    uploads.expect_decisions(decided(expected, threshold))
    warning = uploads.page.get_by_test_id("stAlert")
    expect(warning).to_contain_text("3 files were not accepted")
    expect(warning).to_contain_text("more.zip/../out.png: its path leads out of the archive")
    expect(warning).to_contain_text("more.zip/notes.txt: the content is not a picture")
    expect(warning).to_contain_text("text.png: the content is not a picture of a known format")


def test_files_can_really_be_dropped(uploads, files, evaluation, decided):
    uploads.open()
    transfer = uploads.page.evaluate_handle(
        """files => {
             const transfer = new DataTransfer();
             for (const [name, bytes] of files) {
               transfer.items.add(new File([new Uint8Array(bytes)], name));
             }
             return transfer;
           }""",
        [[name, list(content)] for name, content in files[:2]],
    )
    uploads.page.get_by_test_id("stFileUploaderDropzone").dispatch_event(
        "drop", {"dataTransfer": transfer}
    )
    uploads.wait_for(2)
    uploads.expect_decisions(decided(files[:2], evaluation.recommend(0.85).threshold))


@pytest.mark.parametrize("name", ["bendale", "notebook", "energy"])
def test_all_cards_follow_the_finger_without_the_server(
    page, server, workspace, files, name, engine
):
    sent: list[object] = []

    def note_down(frame: object) -> None:
        sent.append(frame)

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", note_down)

    page.on("websocket", listen)
    dashboard = Dashboard(page, server)
    uploads = Uploads(dashboard).open(f"?method={name}")
    uploads.send(*files)
    uploads.wait_for(len(files))
    method = workspace.evaluate(name).method
    # Only OpenMax has probabilities of its own, and tails.
    expect(uploads.cards.first.locator(".head em")).to_have_count(1 if name == "energy" else 2)
    expect(uploads.cards.first.locator(".curve")).to_have_count(0 if name == "energy" else 2)
    logits = tuple(item.logits for item in answers(engine, [content for _, content in files]))
    pictures = PictureLogits(tuple(name for name, _ in files), logits)
    dashboard.slider.scroll_into_view_if_needed()
    sent.clear()
    page.mouse.move(*dashboard.point_on_slider(0.5))
    page.mouse.down()
    shown: set[float] = set()
    for share in np.linspace(0, 1, 15):
        before = dashboard.shown_threshold()
        page.mouse.move(*dashboard.point_on_slider(float(share)))
        if shown:
            expect(page.get_by_label("Exact threshold")).not_to_have_value(str(before))
        threshold = dashboard.shown_threshold()
        uploads.expect_decisions(verdict_table(method, pictures, threshold))
        shown.add(threshold)
    assert len(shown) == 15
    assert sent == []
    page.mouse.up()
    dashboard.expect_address_value("threshold", threshold_text(dashboard.shown_threshold()))
    dashboard.wait_until_idle()
    assert len(sent) == 1
    uploads.expect_decisions(verdict_table(method, pictures, dashboard.shown_threshold()))


def test_keys_and_typing_move_the_threshold_too(uploads, files, decided):
    uploads.open("?threshold=0.5")
    uploads.send(*files[:6])
    uploads.wait_for(6)
    for keys in (["ArrowRight"], ["PageUp", "ArrowLeft"], ["End"]):
        uploads.dashboard.press(*keys)
        uploads.expect_decisions(decided(files[:6], uploads.dashboard.shown_threshold()))
    uploads.dashboard.type_threshold(0.612345)
    uploads.dashboard.expect_address_value("threshold", "0.612345")
    uploads.expect_decisions(decided(files[:6], 0.612345))
    box = uploads.page.get_by_label("Exact threshold")
    box.fill("2")
    box.press("Enter")
    expect(box).to_have_attribute("aria-invalid", "true")
    uploads.expect_decisions(decided(files[:6], 0.612345))


def test_a_slow_answer_does_not_pull_the_threshold_back(uploads, files, decided):
    uploads.open()
    uploads.send(*files[:4])
    uploads.wait_for(4)
    uploads.dashboard.slider.scroll_into_view_if_needed()
    for share in (0.2, 0.4, 0.6, 0.8):
        uploads.page.mouse.move(*uploads.dashboard.point_on_slider(share))
        uploads.page.mouse.down()
        uploads.page.mouse.up()
    last = uploads.dashboard.shown_threshold()
    uploads.dashboard.expect_address_value("threshold", threshold_text(last))
    uploads.dashboard.wait_until_idle()
    assert uploads.dashboard.shown_threshold() == last
    uploads.expect_decisions(decided(files[:4], last))


def test_thresholds_per_class_hold_at_the_point_s_threshold(
    uploads, workspace, evaluation, files, decided
):
    by_class = {"0": 1.0, "1": 1.0, "2": 1.0, "4": 0.9999, "5": 0.2}
    workspace.choose(replace(evaluation.point_at(0.5), class_thresholds=by_class))
    try:
        uploads.open()
        uploads.send(*files)
        uploads.wait_for(len(files))
        single, table = decided(files, 0.5), decided(files, 0.5, by_class)
        assert (single["verdict"] != table["verdict"]).any()
        uploads.expect_decisions(table)
        box = uploads.page.get_by_role("checkbox", name="Thresholds per class")
        box.uncheck()
        uploads.expect_decisions(single)
        uploads.dashboard.wait_until_idle()
        assert downloaded(uploads.page, "Results as JSON")["class_thresholds"] is None
        box.check()
        uploads.expect_decisions(table)
        uploads.dashboard.wait_until_idle()
        assert downloaded(uploads.page, "Results as JSON")["class_thresholds"] == by_class
        uploads.dashboard.type_threshold(0.51)
        uploads.expect_decisions(decided(files, 0.51))
        expect(box).to_be_disabled()
        uploads.dashboard.type_threshold(0.5)
        uploads.expect_decisions(table)
    finally:
        workspace.operating_point_path.unlink()


# --- the order -----------------------------------------------------------------------------------


def test_cards_are_in_the_order_that_is_asked_for(uploads, files, evaluation, decided):
    threshold = 0.7
    uploads.open(f"?threshold={threshold}")
    uploads.send(*files)
    uploads.wait_for(len(files))
    table = decided(files, threshold)
    columns = [*(f"p_{name}" for name in evaluation.openmax.class_names_), "p_unknown"]
    after = table[columns].to_numpy()
    table["won"] = after.argmax(axis=1) == len(columns) - 1
    margin = after[:, -1] - after[:, :-1].max(axis=1)
    table["gap"] = np.where(table["won"], margin, (table["score"] - threshold).abs())
    assert 0 < table["won"].sum() < len(table)
    by_closeness = table.sort_values(["won", "gap"])
    assert uploads.names() == by_closeness["file"].tolist()
    order = uploads.page.get_by_label("Sort by")
    order.select_option("name")
    assert uploads.names() == sorted(table["file"])
    order.select_option("verdict")
    rank = table["decision"].replace("rejected", "")
    expected = table.assign(rank=rank).sort_values(["rank", "won", "gap"])
    assert uploads.names() == expected["file"].tolist()
    uploads.expect_decisions(table)
    # While the slider moves no card runs away; they are put in order when it is let go.
    order.select_option("close")
    uploads.dashboard.slider.scroll_into_view_if_needed()
    uploads.page.mouse.move(*uploads.dashboard.point_on_slider(0.6))
    uploads.page.mouse.down()
    uploads.page.mouse.move(*uploads.dashboard.point_on_slider(0.2))
    expect(uploads.page.get_by_label("Exact threshold")).not_to_have_value(str(threshold))
    held = uploads.names()
    uploads.page.mouse.move(*uploads.dashboard.point_on_slider(0.3))
    assert uploads.names() == held
    uploads.page.mouse.up()
    now = uploads.dashboard.shown_threshold()
    gap = np.where(table["won"], margin, (table["score"] - now).abs())
    assert uploads.names() == table.assign(gap=gap).sort_values(["won", "gap"])["file"].tolist()


def test_many_cards_are_shown_a_page_at_a_time(uploads, files, decided):
    uploads.open("?threshold=0.5")
    more = [(f"again {name}", content) for name, content in files[:6]]
    uploads.send(*files, *more)
    uploads.wait_for(24)
    # By key: the page above may still move, from under a finger too.
    uploads.page.get_by_role("button", name="Show 6 more of 6").press("Enter")
    uploads.wait_for(30)
    uploads.expect_decisions(decided([*files, *more], 0.5))
    expect(uploads.page.get_by_role("button", name=re.compile("^Show"))).to_have_count(0)


# --- the ways in ---------------------------------------------------------------------------------


def test_samples_need_no_picture_of_one_s_own(uploads, workspace, evaluation, decided):
    uploads.open()
    samples = uploads.page.locator(".samples button")
    expect(samples).to_have_count(12)
    threshold = uploads.dashboard.address_value("threshold")
    assert threshold is None  # nothing to decide on yet
    known = samples.first
    expect(known).to_have_attribute("aria-label", re.compile("known, 0$"))
    known.click()
    uploads.wait_for(1)
    expect(known).to_have_attribute("aria-pressed", "true")
    name = uploads.names()[0]
    assert name.startswith("test/0/")
    content = (workspace.pictures.folder("test") / name.removeprefix("test/")).read_bytes()
    uploads.expect_decisions(decided([(name, content)], evaluation.recommend(0.85).threshold))
    unknown = samples.last
    expect(unknown).to_have_attribute("aria-label", re.compile("unknown, 9$"))
    unknown.press("Enter")
    uploads.wait_for(2)
    known.click()
    uploads.wait_for(1)
    expect(known).to_have_attribute("aria-pressed", "false")
    assert uploads.names()[0].startswith("reject/9/")


def test_a_photo_of_the_camera_is_a_picture_like_others(browser, server, workspace):
    """A camera that Chromium makes up, and leave to use it; neither is asked for before."""
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    other = browser.browser_type.launch(
        executable_path=find_chromium(), args=[*CHROMIUM_FLAGS, *flags]
    )
    page = other.new_page(viewport={"width": 1440, "height": 1000})
    page.add_init_script(
        """const devices = navigator.mediaDevices;
           const ask = devices.getUserMedia.bind(devices);
           devices.getUserMedia = what => { window.isAsked = true; return ask(what); };"""
    )
    uploads = Uploads(Dashboard(page, server)).open()
    assert page.evaluate("window.isAsked") is None
    page.get_by_text("Use the camera").click()
    # A photo of a camera that shows nothing yet is none.
    page.wait_for_function("document.querySelector('video')?.videoWidth > 0")
    page.wait_for_function("document.querySelector('video').readyState === 4")
    page.get_by_role("button", name="Take Photo").click()
    uploads.wait_for(1)
    assert page.evaluate("window.isAsked")
    assert uploads.names() == ["photo 1.jpg"]
    other.close()


# --- taking away ---------------------------------------------------------------------------------


def downloaded(page: Page, label: str) -> Any:
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    if label.endswith("JSON"):
        return json.loads(text)
    return pd.read_csv(io.StringIO(text), dtype={"decision": str, "nearest_class": str})


def test_csv_and_json_hold_what_the_cards_show(uploads, files, evaluation, decided):
    uploads.open("?threshold=0.5")
    uploads.send(*files)
    uploads.wait_for(len(files))
    uploads.dashboard.press("PageUp")
    threshold = uploads.dashboard.shown_threshold()
    uploads.dashboard.expect_address_value("threshold", threshold_text(threshold))
    uploads.dashboard.wait_until_idle()
    expected = decided(files, threshold)
    table = downloaded(uploads.page, "Results as CSV")
    pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=1e-12)
    values = downloaded(uploads.page, "Results as JSON")
    assert values["threshold"] == threshold
    assert values["method"] == evaluation.openmax.preset_
    assert values["settings"] == evaluation.openmax.settings_.to_dict()
    assert values["data"] == evaluation.data
    found = pd.DataFrame(values["pictures"])
    for name in ("file", "verdict", "decision", "reason", "score"):
        assert found[name].tolist() == expected[name].tolist()
    logits = np.array(found["logits"].tolist())
    after = evaluation.openmax.predict_proba(logits)
    np.testing.assert_array_equal(np.array(found["after"].tolist()), after)


def test_a_picture_can_be_taken_away_and_all_of_them(uploads, files, decided):
    uploads.open("?threshold=0.5")
    uploads.send(*files[:5])
    uploads.wait_for(5)
    uploads.page.get_by_role("button", name=f"Remove {files[2][0]}").click()
    uploads.wait_for(4)
    uploads.expect_decisions(decided([*files[:2], *files[3:5]], 0.5))
    uploads.page.get_by_role("button", name="Remove all").click()
    uploads.wait_for(0)
    expect(uploads.page.get_by_label("Exact threshold")).to_have_count(0)


def test_pictures_stay_while_one_looks_at_another_page(uploads, files, decided):
    uploads.open("?threshold=0.5")
    uploads.send(*files[:3])
    uploads.wait_for(3)
    links = uploads.page.get_by_test_id("stSidebarNavLink")
    links.filter(has_text="Weibull").click()
    expect(uploads.page.get_by_role("heading", name="Weibull", exact=True)).to_be_visible()
    links.filter(has_text="Upload").click()
    uploads.wait_for(3)
    uploads.expect_decisions(decided(files[:3], 0.5))


# --- a card --------------------------------------------------------------------------------------


def test_a_card_shows_both_pictures_and_what_decided(uploads, workspace):
    picture = Image.new("RGB", (300, 150), (240, 240, 240))
    picture.paste((20, 20, 20), (130, 20, 170, 130))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    uploads.open()
    uploads.send(("one.png", stream.getvalue()))
    uploads.wait_for(1)
    card = uploads.card("one.png")
    expect(card.get_by_text("original, 300 × 150")).to_be_visible()
    expect(card.get_by_text("the network sees 64 × 64")).to_be_visible()
    images = card.locator("img")
    expect(images).to_have_count(2)
    for number, alt in enumerate(("one.png, original", "one.png, as the network sees it")):
        expect(images.nth(number)).to_have_attribute("alt", alt)
        expect(images.nth(number)).to_have_attribute("src", re.compile("^data:image/jpeg;base64,"))
        assert images.nth(number).evaluate("image => image.naturalWidth") in {200, 64}
    bars = card.get_by_role("img", name=re.compile("^Probabilities before and after OpenMax"))
    expect(bars.locator(".label")).to_have_text([*workspace.classes, "unknown"])
    expect(card.get_by_role("img", name=re.compile("^Weibull CDF of"))).to_have_count(2)
    card.get_by_role("button", name="one.png", exact=True).click()
    dialog = uploads.page.get_by_role("dialog")
    expect(dialog.get_by_text("What the network sees, 64 × 64 pixels")).to_be_visible()
    expect(dialog.locator(".scatterlayer .trace")).to_have_count(6)
    for image in dialog.locator("img").all():
        expect(image).to_have_attribute("src", re.compile("^data:image/jpeg;base64,"))


def test_a_name_is_text_whatever_it_holds(uploads, files):
    name = "<img src=x onerror=alert(1)>.png"
    uploads.open()
    uploads.page.on("dialog", lambda dialog: pytest.fail(f"it ran: {dialog.message}"))
    uploads.send((name, files[0][1]), ("<b>*b*</b>.txt", b"text"))
    uploads.wait_for(1)
    assert uploads.names() == [name]
    expect(uploads.page.get_by_test_id("stAlert")).to_contain_text("<b>*b*</b>.txt")
    expect(uploads.page.locator("img[src=x]")).to_have_count(0)


@pytest.mark.parametrize("width", [1440, 800, 420])
def test_cards_are_no_wider_than_the_window(page, server, workspace, files, width):
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": width, "height": 900})
    uploads = Uploads(Dashboard(page, server)).open("?threshold=0.5")
    long = "a name that does not end " * 8
    uploads.send(*files[:3], (f"{long}.png", files[3][1]), (f"{long}.txt", b"text"))
    uploads.wait_for(4)
    expect_cards_inside(uploads)
    uploads.dashboard.turn_dark()
    expect_cards_inside(uploads)


def expect_cards_inside(uploads: Uploads) -> None:
    uploads.dashboard.expect_no_overflow()
    inside = uploads.page.locator(".board").evaluate(
        """board => [...board.querySelectorAll('.card')].every(card => {
             const edge = card.getBoundingClientRect().right + 1;
             return [...card.querySelectorAll('*')].every(
               part => part.closest('svg') || part.getBoundingClientRect().right <= edge);
           })"""
    )
    assert inside


# --- nobody else ---------------------------------------------------------------------------------


class Gate:
    """Holds a tab's uploads back until it is opened."""

    def __init__(self, page: Page) -> None:
        self.waiting: list[Route] = []
        self.is_open = False
        page.route("**/_stcore/upload_file/**", self.take)

    def take(self, route: Route) -> None:
        if self.is_open:
            route.continue_()
        else:
            self.waiting.append(route)

    def open(self) -> None:
        self.is_open = True
        for route in self.waiting:
            route.continue_()


def test_two_visitors_at_once_both_get_their_own_answers(
    browser: Browser, server, workspace, files, decided
):
    """Both uploads are held back until both are under way, and then let go together."""
    halves = [files[:12], files[12:]]
    visitors, gates = [], []
    for _ in halves:
        context = browser.new_context()
        context.set_default_timeout(60_000)
        uploads = Uploads(Dashboard(context.new_page(), server)).open("?threshold=0.5")
        visitors.append(uploads)
        gates.append(Gate(uploads.page))
    for uploads, half in zip(visitors, halves, strict=True):
        with uploads.page.expect_request("**/_stcore/upload_file/**"):
            uploads.send(*half)
    for uploads in visitors:
        expect(uploads.cards).to_have_count(0)
    for gate in gates:
        gate.open()
    for uploads, half in zip(visitors, halves, strict=True):
        uploads.wait_for(12)
        uploads.expect_decisions(decided(half, 0.5))
        uploads.page.context.close()


def test_pictures_have_no_address_and_end_with_the_visit(browser: Browser, server, files):
    context = browser.new_context()
    page = context.new_page()
    asked: list[tuple[str, str]] = []
    page.on("request", lambda request: asked.append((request.method, request.url)))
    uploads = Uploads(Dashboard(page, server)).open("?threshold=0.5")
    asked.clear()
    uploads.send(*files[:3])
    uploads.wait_for(3)
    foreign = [url for _, url in asked if not url.startswith((server, "data:", "blob:"))]
    assert foreign == []
    assert not [url for _, url in asked if "/media/" in url]
    assert {method for method, url in asked if "upload_file" in url} == {"PUT"}
    # A new visit, even of the same browser, begins with nothing.
    again = Uploads(Dashboard(context.new_page(), server)).open("?threshold=0.5")
    expect(again.cards).to_have_count(0)
    uploads.page.reload()
    expect(uploads.page.locator(".samples button").first).to_be_visible()
    expect(uploads.cards).to_have_count(0)
    context.close()
