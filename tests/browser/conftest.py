"""A server of the real app and a Chromium, for tests of what a visitor sees."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from openmax_core.demos.catalogue import DIGITS
from openmax_core.demos.demo import Demo, open_demo
from openmax_core.network.classifier import build_network
from openmax_core.pictures.images import Transform
from openmax_core.support.chunks import n_cores
from openmax_core.workspace.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.browser.server import CHROMIUM_FLAGS, find_chromium, serve
from tests.support.workspaces import make_large_workspace


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def large_pictures(server_folder: Path) -> Path:
    """A workspace whose pictures take long enough to watch; nothing extracted."""
    folder = server_folder / "large"
    stream = io.BytesIO()
    coarse = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((2400, 1800)).save(stream, "PNG")
    for split, count in (("train", 500 * n_cores()), ("test", 10)):
        for label in ("a", "b"):
            (folder / split / label).mkdir(parents=True)
            picture = folder / split / label / "0.png"
            picture.write_bytes(stream.getvalue())
            for number in range(1, count):
                picture.with_stem(str(number)).hardlink_to(picture)
    torch.manual_seed(0)
    weights = folder / "net.pth"
    torch.save(build_network("shufflenet_v2_x0_5", 2).state_dict(), weights)
    transform = Transform((32, 32), (32, 32))
    workspace = Workspace.create(
        folder, "shufflenet_v2_x0_5", weights=weights, transform=transform, name="Large pictures"
    )
    workspace.classifier.load_engine("cpu")
    return folder


@pytest.fixture(scope="session")
def many_scores(server_folder: Path) -> Workspace:
    """A workspace with more scores than the browser is sent."""
    return make_large_workspace(server_folder / "many", 6_000, name="Many scores")


@pytest.fixture(scope="session")
def server(server_folder: Path, large_pictures: Path, many_scores: Workspace) -> Iterator[str]:
    """Address of a server that has never run: an empty cache folder, a free port."""
    with serve(server_folder) as address:
        yield address
    log = (server_folder / "server.log").read_text(errors="replace")
    assert "Traceback" not in log, log


def extracted_demo(server_folder: Path, demo: Demo = DIGITS) -> Workspace:
    """One of the server's demos, extracted here where the server has not done it yet."""
    workspace = open_demo(demo, folder=server_folder / "cache" / "openmax" / demo.key)
    if not all(workspace.stored.has(split) for split in workspace.pictures.splits):
        workspace.extract(device="cpu")
    return workspace


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    fresh = browser.new_context(viewport={"width": 1440, "height": 1000})
    fresh.set_default_timeout(60_000)
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def dashboard(page: Page, server: str) -> Dashboard:
    return Dashboard(page, server)
