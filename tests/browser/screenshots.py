"""``make screenshots``: the README's pictures, every page on the first demo, in a fresh server."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance
from playwright.sync_api import Page, expect, sync_playwright

from openmax_core.analysis.mistakes import find_mistakes
from openmax_core.demos.catalogue import GARAGES
from openmax_core.monitor.monitor import monitor
from openmax_core.monitor.records import BatchRecords
from openmax_core.prediction.choice import choose_method
from openmax_core.workspace.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.browser.server import CHROMIUM_FLAGS, ROOT, find_chromium, serve

FOLDER = ROOT / "assets" / "screenshots"
WIDTH = 1360
N_UPLOADS = 4


def main() -> None:
    """Start a server on an empty cache folder and photograph it."""
    FOLDER.mkdir(exist_ok=True)
    expect.set_options(timeout=180_000)
    with (
        tempfile.TemporaryDirectory(prefix="openmax-") as folder,
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
    dashboard = Dashboard(page, address, workspace=None)
    # Whoever takes pictures has seen the tour.
    page.add_init_script("localStorage.setItem('openmax-tour-left', 'first')")
    dashboard.open(timeout=180_000)
    expect(dashboard.metric("Test pictures")).to_be_visible()
    expect(page.locator(".st-key-pictures img")).to_have_count(16)
    _save(page, f"overview-{scheme}", 1120)
    dashboard.open("threshold")
    dashboard.wait_for_explorer()
    expect(page.locator(".gallery img").first).to_be_visible()
    _save(page, f"threshold-{scheme}", 1080)
    dashboard.open("weibull")
    n_classes = len(GARAGES.settings.classifier.classes)
    expect(page.locator(".multiples li button")).to_have_count(n_classes)
    _save(page, f"weibull-{scheme}", 1300)
    dashboard.open("upload")
    page.locator('input[type="file"]').set_input_files(_uploads(cache / "openmax" / GARAGES.key))
    expect(page.locator(".card .verdict")).to_have_count(N_UPLOADS)
    _save(page, f"upload-{scheme}", 1430)
    _record_batches(cache / "openmax" / GARAGES.key)
    dashboard.open("monitor")
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    expect(page.locator(".gallery img")).to_have_count(12)
    _save(page, f"monitor-{scheme}", 1300)
    dashboard.open("workspace")
    expect(page.get_by_text("Everything is stored")).to_be_visible()
    _save(page, f"workspace-{scheme}", 900)
    dashboard.open("method")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    _save(page, f"method-{scheme}", 1200)


def _record_batches(folder: Path) -> None:
    """Record batches of test pictures: two as they are, one in dim light, one with unknowns."""
    workspace = Workspace.open(folder)
    if BatchRecords.of(workspace).load()[0]:
        return
    choice = choose_method(workspace)
    generator = np.random.default_rng(0)
    test = workspace.pictures.folder("test")
    names = [path.relative_to(test) for path in sorted(test.rglob("*.*"))]
    unknown = sorted(workspace.pictures.folder("reject").rglob("*.*"))
    for day, name in enumerate(("monday", "tuesday", "dim light", "more unknowns"), 9):
        batch = folder.parent / "batches" / name
        for index in generator.permutation(len(names))[: len(names) * 3 // 4].tolist():
            copy = batch / names[index]
            copy.parent.mkdir(parents=True, exist_ok=True)
            brightness = 0.45 if name == "dim light" else generator.uniform(0.95, 1.05)
            picture = ImageEnhance.Brightness(Image.open(test / names[index])).enhance(brightness)
            picture.save(copy)
        if name == "more unknowns":
            for index in generator.permutation(len(unknown))[:80].tolist():
                shutil.copy(unknown[index], batch / f"{index}{unknown[index].suffix}")
        measured = monitor(workspace, batch, choice, device="cpu")
        BatchRecords.of(workspace).add(measured, name, datetime(2026, 3, day, 6, tzinfo=UTC))


def _uploads(folder: Path) -> list[Path]:
    """Pictures of two garages and one unknown that are decided rightly, and an unknown that is not.

    Without a look at them: the first of each folder.
    """
    workspace = Workspace.open(folder)
    evaluation = workspace.evaluate()
    threshold = evaluation.recommend(workspace.settings.defaults.min_test_accuracy).threshold
    mistakes = find_mistakes(evaluation, threshold)
    lists = {"test": mistakes.rejected_knowns, "reject": mistakes.accepted_unknowns}
    wrong = {
        workspace.pictures.folder(split) / path
        for split, item in lists.items()
        for path in item.table()["path"]
    }

    def first(name: str, is_right: bool = True) -> Path:
        return next(
            path for path in sorted((folder / name).iterdir()) if (path not in wrong) == is_right
        )

    return [
        first("test/Harbour"),
        first("reject/outdoor lot"),
        first("test/Museum"),
        first("reject/across the line", is_right=False),
    ]


def _save(page: Page, name: str, height: int) -> None:
    page.set_viewport_size({"width": WIDTH, "height": height})
    Dashboard(page, "").wait_until_idle()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.mouse.move(0, 0)
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
