"""What a visitor sees and does, in Chromium, from the very first start of a server."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.chunks import n_cores
from openmax_core.support.decimals import threshold_text
from openmax_core.workspace.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.browser.server import serve
from tests.support.onnx_graphs import AS_THEY_ARE, save_colour_model
from tests.support.shell import CLASSES

FEW = 40


@pytest.fixture(scope="module")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first")


@pytest.fixture(scope="module")
def large_pictures(server_folder: Path) -> Path:
    """A workspace whose pictures take long enough to watch; nothing extracted."""
    folder = server_folder / "large"
    stream = io.BytesIO()
    coarse = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((2400, 1800)).save(stream, "PNG")
    for split, count in (("train", 500 * n_cores()), ("test", 10)):
        for label in CLASSES:
            (folder / split / label).mkdir(parents=True)
            picture = folder / split / label / "0.png"
            picture.write_bytes(stream.getvalue())
            for number in range(1, count):
                picture.with_stem(str(number)).hardlink_to(picture)
    model = save_colour_model(folder / "net.onnx")
    made = Workspace.create(folder, model=model, transform=AS_THEY_ARE, name="Large pictures")
    return made.folder


@pytest.fixture(scope="module")
def server(server_folder: Path, large_pictures: Path) -> Iterator[str]:
    """A server that nobody has visited yet."""
    with serve(server_folder) as address:
        yield address
    log = (server_folder / "server.log").read_text(errors="replace")
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def demo_folder(server: str, server_folder: Path) -> Path:
    return server_folder / "cache" / "openmax" / "digits"


def demo(folder: Path) -> tuple[Workspace, Evaluation]:
    workspace = Workspace.open(folder)
    return workspace, workspace.evaluate()


def percent(share: float | None) -> str:
    assert share is not None
    return f"{100 * share:.1f} %"


# The first two tests of this module are the first visits of the server: keep them first.
def test_the_first_visit_shows_pictures_at_once_and_extracts_the_garages(dashboard, server_folder):
    page: Page = dashboard.page
    page.goto(dashboard.address)
    expect(page.get_by_role("heading", name="Car-sharing garages")).to_be_visible()
    # It takes a few seconds: what is shown meanwhile has a test of its own.
    expect(page.locator(".st-key-pictures img")).to_have_count(16)
    expect(page.get_by_text("Rendered pictures: path-traced, not photographs")).to_be_visible()
    expect(dashboard.metric("Test pictures")).to_have_text("200", timeout=60_000)
    expect(dashboard.metric("Reject pictures")).to_have_text("240")
    expect(page.locator(".st-key-pictures img")).to_have_count(16)
    # The other demo waits until somebody chooses it.
    assert not (server_folder / "cache" / "openmax" / "digits").exists()


def test_the_first_visit_of_the_digits_writes_and_extracts_them(dashboard, demo_folder):
    page: Page = dashboard.page
    page.goto(f"{dashboard.address}/threshold?method=notebook&workspace=Handwritten+digits")
    # It is done in a second or two: how far it is shows in a test of its own.
    expect(page.get_by_text("going through the network, once")).to_be_visible(timeout=180_000)
    expect(dashboard.accuracy("Reject accuracy")).to_be_visible(timeout=180_000)
    workspace, _ = demo(demo_folder)
    evaluation = workspace.evaluate("notebook")
    assert evaluation.curve.n_test == 325
    best = evaluation.curve.best(0.85)
    expect(dashboard.accuracy("Test accuracy")).to_have_text(percent(best.test_accuracy))
    expect(dashboard.accuracy("Reject accuracy")).to_have_text(percent(best.reject_accuracy))
    expect(page.get_by_role("heading", name="Threshold", exact=True)).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)


def test_a_second_visit_runs_no_extraction(dashboard, demo_folder):
    stored = {path: path.stat().st_mtime_ns for path in demo_folder.rglob("*") if path.is_file()}
    dashboard.open()
    expect(dashboard.metric("Test pictures")).to_have_text("325")
    expect(dashboard.metric("Reject pictures")).to_have_text("714")
    assert stored == {
        path: path.stat().st_mtime_ns for path in demo_folder.rglob("*") if path.is_file()
    }


def test_a_link_reproduces_the_view_in_another_browser(dashboard, demo_folder, browser):
    workspace, _ = demo(demo_folder)
    dashboard.open("threshold")
    evaluation = workspace.evaluate("notebook")
    recommended = evaluation.recommend(0.85).threshold
    dashboard.choose("Method", "notebook")
    dashboard.expect_address_value("threshold", threshold_text(recommended))
    dashboard.wait_for_explorer()
    dashboard.type_threshold(0.3005)
    expected = percent(evaluation.curve.outcome(0.3005).reject_accuracy)
    expect(dashboard.accuracy("Reject accuracy")).to_have_text(expected)
    dashboard.expect_address_value("threshold", "0.3005")
    other = browser.new_context()
    visitor = Dashboard(other.new_page(), dashboard.address, workspace=None)
    visitor.open(dashboard.page.url.removeprefix(f"{dashboard.address}/"))
    expect(visitor.accuracy("Reject accuracy")).to_have_text(expected)
    expect(visitor.page.get_by_label("Exact threshold")).to_have_value("0.3005")
    other.close()


def test_method_and_threshold_stay_when_one_goes_to_another_page(dashboard, demo_folder):
    dashboard.open("threshold?method=notebook&threshold=0.25")
    dashboard.page.get_by_test_id("stSidebarNavLink").filter(has_text="Weibull").click()
    expect(dashboard.page.get_by_role("heading", name="Weibull", exact=True)).to_be_visible()
    dashboard.expect_address_value("method", "notebook")
    dashboard.page.get_by_test_id("stSidebarNavLink").filter(has_text="Threshold").click()
    expect(dashboard.page.get_by_label("Exact threshold")).to_have_value("0.25")
    dashboard.expect_address_value("threshold", "0.25")
    dashboard.expect_address_value("method", "notebook")


def test_the_workspace_page_extracts_again_without_work(dashboard, demo_folder):
    dashboard.open("workspace")
    page = dashboard.page
    expect(page.get_by_text("Everything is stored")).to_be_visible()
    page.get_by_role("button", name="Run extraction").click()
    expect(page.get_by_text("Nothing to do: no picture is new or changed.")).to_be_visible()


def test_an_extraction_is_the_servers_and_can_be_stopped_and_resumed(
    context, server, demo_folder, large_pictures
):
    workspace = Workspace.open(large_pictures)
    address = f"{server}/workspace?workspace=Large+pictures"
    total = len(workspace.pictures.find("train"))
    rate = re.compile(rf"of {total:,} pictures · [\d,]+ pictures/s · \d+:\d\d left")
    visitor = Dashboard(context.new_page(), server)
    visitor.open("upload")
    first = context.new_page()
    first.goto(address)
    first.get_by_role("button", name="Run extraction").click()
    expect(first.get_by_text(rate)).to_be_visible()
    before = n_done(first.get_by_text(rate))
    first.close()
    # Another visitor's picture is not kept waiting for the end.
    known = next((demo_folder / "test" / "0").iterdir())
    visitor.page.locator('input[type="file"]').set_input_files(known)
    expect(visitor.page.locator(".card .verdict")).to_have_text(re.compile("Accepted|Rejected"))
    second = context.new_page()
    second.goto(address)
    progress = second.get_by_text(rate)
    expect(progress).to_be_visible()
    assert n_done(progress) > before
    second.get_by_role("button", name="Stop").click()
    expect(second.get_by_text("The extraction was stopped")).to_be_visible()
    n_kept = workspace.status("train").n_unfinished
    assert 0 < n_kept < total
    # What is left is made short: only that it goes on is to be seen.
    files = workspace.pictures.find("train")
    for path in files.paths[n_kept + FEW : -FEW]:
        (workspace.pictures.folder("train") / path).unlink()
    second.get_by_role("button", name="Run extraction").click()
    resumed = second.get_by_text(f"going on after {n_kept:,} of an interrupted run")
    expect(resumed).to_be_visible(timeout=120_000)
    assert workspace.status("train").n_stored == n_kept + 2 * FEW


@pytest.mark.parametrize("width", [1440, 800])
def test_no_page_is_wider_than_the_window(page, server, demo_folder, width):
    page.set_viewport_size({"width": width, "height": 900})
    # The first demo has all there is: a description, a notice, the tour, folders of unknowns.
    dashboard = Dashboard(page, server, workspace=None)
    for name in ("", "threshold", "weibull", "methods", "upload", "monitor", "workspace"):
        page.emulate_media(color_scheme="light")
        dashboard.open(name)
        dashboard.expect_no_overflow()
        dashboard.turn_dark()
        dashboard.expect_no_overflow()


def test_nothing_is_asked_of_other_hosts(dashboard, demo_folder):
    asked: list[str] = []
    dashboard.page.context.on("request", lambda request: asked.append(request.url))
    for name in ("", "threshold", "weibull", "methods", "upload", "monitor", "workspace"):
        dashboard.open(name)
    foreign = [url for url in asked if not url.startswith((dashboard.address, "data:", "blob:"))]
    assert foreign == []


def n_done(progress: Locator) -> int:
    """Pictures done, of 'train · 16 of 1,000 pictures · …'."""
    return int(progress.inner_text().split(" ")[2].replace(",", ""))
