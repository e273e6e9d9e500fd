"""What a visitor waits for on the Upload page: the first answer after a drop, frames of a drag."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from pathlib import Path

from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright

from openmax_core.pictures.intake import MAX_FILES
from tests.benchmarks.browser import drag_frames, timing_row
from tests.benchmarks.measure import Row
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard
from tests.browser.server import CHROMIUM_FLAGS, find_chromium, serve

N_DROPS = 10
FIRST_ANSWER_SECONDS = 1.0
FRAME_SECONDS = 0.016

# From the moment in which the browser has the files to the frame that shows a verdict.
WATCH = """() => {
  const input = document.querySelector('input[type=file]');
  input.addEventListener('change', () => { window.dropped = performance.now(); }, true);
  const look = () => {
    const shown = [...document.querySelectorAll('*')].some(
      (node) => node.shadowRoot?.querySelector('.card .verdict'));
    if (shown) window.answered = performance.now();
    else requestAnimationFrame(look);
  };
  look();
}"""


def rows() -> list[Row]:
    """Drops of one, three and thirty pictures and of an archive; a drag over 200 cards."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        workspace = extracted_demo(folder)
        paths = sorted(workspace.pictures.folder("test").rglob("*.png"))
        files: list[FilePayload] = [
            {"name": path.name, "mimeType": "", "buffer": path.read_bytes()} for path in paths
        ]
        archive: FilePayload = {"name": "all.zip", "mimeType": "", "buffer": _packed(files)}
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        with serve(folder) as address:
            drops = {"1 picture": files[:1], "3 pictures": files[:3], "30 pictures": files[:30]}
            drops[f"a ZIP of {MAX_FILES} pictures"] = [archive]
            _drop(browser, address, files[:1])  # the network is loaded once a server
            measured = [
                timing_row(
                    f"drop of {what} to the first verdict",
                    [_drop(browser, address, sent) for _ in range(N_DROPS)],
                    FIRST_ANSWER_SECONDS,
                )
                for what, sent in drops.items()
            ]
            page = _open(browser, address)
            page.locator('input[type="file"]').set_input_files([archive])
            expect(page.locator(".card").first).to_be_visible()
            dashboard = Dashboard(page, address)
            dashboard.slider.scroll_into_view_if_needed()
            first = drag_frames(dashboard)
            more = page.get_by_role("button", name=re.compile("^Show"))
            while more.count():
                more.click()
            expect(page.locator(".card")).to_have_count(MAX_FILES)
            dashboard.slider.scroll_into_view_if_needed()
            every = drag_frames(dashboard)
        browser.close()
    return [
        *measured,
        timing_row(f"a frame while dragging, {MAX_FILES} pictures", first, FRAME_SECONDS),
        timing_row(f"a frame while dragging, all {MAX_FILES} cards shown", every, None),
    ]


def _open(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(60_000)
    Dashboard(page, address).open("upload")
    expect(page.locator(".samples button").first).to_be_visible()
    page.locator('input[type="file"]').wait_for(state="attached")  # its script comes on demand
    return page


def _drop(browser: Browser, address: str, files: list[FilePayload]) -> float:
    page = _open(browser, address)
    page.evaluate(WATCH)
    page.locator('input[type="file"]').set_input_files(files)
    page.wait_for_function("window.answered !== undefined")
    seconds: float = page.evaluate("(window.answered - window.dropped) / 1000")
    page.close()
    return seconds


def _packed(files: list[FilePayload]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for file in files[:MAX_FILES]:
            archive.writestr(file["name"], file["buffer"])
    return stream.getvalue()
