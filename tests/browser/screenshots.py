"""``make screenshots``: the README's pictures, taken of the demo in a fresh server."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from openmax_core.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.browser.server import CHROMIUM_FLAGS, ROOT, find_chromium, serve

FOLDER = ROOT / "assets" / "screenshots"
WIDTH = 1360


def main() -> None:
    """Start a server on an empty cache folder and photograph it."""
    FOLDER.mkdir(exist_ok=True)
    expect.set_options(timeout=180_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        serve(Path(folder)) as address,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        for scheme in ("light", "dark"):
            context = browser.new_context(
                color_scheme="dark" if scheme == "dark" else "light",
                viewport={"width": WIDTH, "height": 900},
            )
            context.set_default_timeout(180_000)
            _photograph(context.new_page(), address, scheme, Path(folder) / "cache")
            context.close()
        browser.close()


def _photograph(page: Page, address: str, scheme: str, cache: Path) -> None:
    dashboard = Dashboard(page, address)
    dashboard.open("?method=notebook", timeout=180_000)
    expect(dashboard.metric("Test pictures")).to_be_visible()
    _save(page, f"overview-{scheme}", 880)
    dashboard.open("threshold?method=notebook")
    dashboard.wait_for_explorer()
    expect(page.locator(".gallery img")).to_have_count(12)
    _save(page, f"threshold-{scheme}", 1080)
    dashboard.open("weibull?method=robust")
    expect(page.locator(".multiples li button")).to_have_count(6)
    _save(page, f"weibull-{scheme}", 1400)
    dashboard.open("upload?method=robust")
    workspace = Workspace.open(cache / "openmax" / "digits")
    known, unknown = workspace.picture_folder("test"), workspace.picture_folder("reject")
    folders = [known / "3", unknown / "8", known / "0", unknown / "7"]
    page.locator('input[type="file"]').set_input_files(
        [sorted(folder.iterdir())[2] for folder in folders]
    )
    expect(page.locator(".card .verdict")).to_have_count(4)
    _save(page, f"upload-{scheme}", 1430)


def _save(page: Page, name: str, height: int) -> None:
    page.set_viewport_size({"width": WIDTH, "height": height})
    Dashboard(page, "").wait_until_idle()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.mouse.move(0, 0)
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
