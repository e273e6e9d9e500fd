"""What a visitor waits for: the first page, and the numbers after a widget was touched."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect, sync_playwright

from tests.benchmarks.measure import Row
from tests.browser.pages import Dashboard
from tests.browser.server import CHROMIUM_FLAGS, find_chromium, serve

N_TOUCHES = 100


def rows() -> list[Row]:
    """First page of a second start, and a typed threshold to its numbers."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        try:
            first_start, _ = _visit(browser.new_page(), Path(folder), 0)
            second_start, touches = _visit(browser.new_page(), Path(folder), N_TOUCHES)
        finally:
            browser.close()
    p50, p95 = np.percentile(touches, [50, 95])
    return [
        Row("first start to the first page, extraction included", f"{first_start:.1f} s"),
        Row(
            "second start to the first page",
            f"{second_start:.1f} s",
            budget="≤ 4 s",
            met=second_start <= 4,
        ),
        Row(
            f"threshold typed to numbers, p50 / p95 of {N_TOUCHES}",
            f"{1e3 * p50:.0f} / {1e3 * p95:.0f} ms",
            budget="p95 ≤ 150 ms",
            met=bool(p95 <= 0.150),
        ),
    ]


def _visit(page: Page, folder: Path, n_touches: int) -> tuple[float, list[float]]:
    """Seconds from starting the server to the first figures, and of each touch of the threshold."""
    page.set_default_timeout(180_000)
    started = time.perf_counter()
    with serve(folder) as address:
        dashboard = Dashboard(page, address)
        page.goto(f"{address}/threshold")
        expect(dashboard.metric("Reject accuracy")).to_be_visible(timeout=180_000)
        first = time.perf_counter() - started
        return first, _touch(dashboard, n_touches)


def _touch(dashboard: Dashboard, count: int) -> list[float]:
    """Type thresholds; each changes the number of unknowns that are accepted."""
    seconds = []
    number = dashboard.metric("Unknown, accepted")
    for index in range(count):
        dashboard.wait_until_idle()
        before = number.inner_text()
        box = dashboard.page.get_by_label("Exact threshold")
        box.fill("0.3" if index % 2 else "0.9")
        started = time.perf_counter()
        box.press("Enter")
        expect(number).not_to_have_text(before)
        seconds.append(time.perf_counter() - started)
    return seconds
