"""The Monitor page in Chromium: batches over time, a folder scored from the page, its pictures."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from openmax_core.monitor.monitor import monitor
from openmax_core.monitor.records import BatchRecords
from openmax_core.prediction.choice import choose_method
from openmax_core.workspace.workspace import Workspace
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard


@pytest.fixture
def digits(server, server_folder):
    """The demo with one batch recorded: its own test pictures."""
    workspace = extracted_demo(server_folder)
    choice = choose_method(workspace)
    measured = monitor(workspace, workspace.pictures.folder("test"), choice, compare="none")
    BatchRecords.of(workspace).add(measured, "as before", datetime(2026, 3, 31, tzinfo=UTC))
    yield workspace
    shutil.rmtree(BatchRecords.of(workspace).folder)


@pytest.fixture
def noisy(digits: Workspace, server_folder: Path) -> Path:
    """Test pictures with noise under a folder that the server may open."""
    generator = np.random.default_rng(0)
    source, folder = digits.pictures.folder("test"), server_folder / "noisy"
    for path in sorted(source.rglob("*.png"))[::3]:
        copy = folder / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.asarray(Image.open(path)).astype(float)
        noise = generator.normal(0, 40, pixels.shape)
        Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(copy)
    return folder


def test_a_folder_is_scored_and_its_changed_pictures_open(dashboard: Dashboard, digits, noisy):
    page = dashboard.page
    dashboard.open("monitor")
    expect(page.get_by_text("The newest batch, as before")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    page.get_by_label("Folder of pictures, on this server").fill(str(noisy))
    dashboard.choose("Compare with", "as before")
    page.get_by_role("button", name="Score and record").click()
    expect(page.get_by_text("The batch is recorded as noisy")).to_be_visible()
    dashboard.wait_until_idle()
    (_, recorded), _ = BatchRecords.of(digits).load()
    report = recorded.report
    assert report.is_drifting
    expect(page.get_by_text(f"The newest batch, noisy, {report.rate_in_words}")).to_be_visible()
    expect(dashboard.metric("Rejected")).to_have_text(f"{100 * report.reject.value:.1f} %")
    # The copies lie in folders that are called like classes.
    assert report.labelled is not None
    shown = f"{100 * report.labelled.test.value:.1f} %"
    expect(dashboard.metric("Test accuracy")).to_have_text(shown)
    expect(page.get_by_text("This presupposes that the labels are right")).to_be_visible()
    assert report.is_promise_broken
    expect(page.get_by_text("is broken on the labelled pictures")).to_be_visible()
    expect(page.get_by_text("with the same path as in the batch 'as before'")).to_be_visible()
    pictures = page.locator(".gallery img")
    expect(pictures).to_have_count(12)
    page.locator(".gallery button").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile(r"→ .*, score -?\d[\d.]* → -?\d[\d.]*"))).to_be_visible()
    expect(dialog.locator("img")).to_be_visible()
    page.keyboard.press("Escape")
    for width in (1440, 800):
        page.set_viewport_size({"width": width, "height": 900})
        dashboard.wait_until_idle()
        # Charts follow the window a moment later.
        page.wait_for_function(
            "() => { const main = document.querySelector('[data-testid=\"stMain\"]');"
            " return main.scrollWidth <= main.clientWidth; }"
        )
