"""A server of the real app and a Chromium, for tests of what a visitor sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from openmax_core.demos.catalogue import DIGITS
from openmax_core.demos.demo import Demo, open_demo
from openmax_core.workspace.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.browser.server import CHROMIUM_FLAGS, find_chromium, serve
from tests.support.workspaces import make_large_workspace


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=60_000)  # two browsers at once may keep a machine busy
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    started = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
    yield started
    started.close()


@pytest.fixture(scope="session")
def profile(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """One profile for most tests: it keeps the compiled JavaScript, a third of a page's time."""
    started = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("profile"),
        executable_path=find_chromium(),
        args=CHROMIUM_FLAGS,
        viewport={"width": 1440, "height": 1000},
    )
    started.set_default_timeout(60_000)
    yield started
    started.close()


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def many_scores(server_folder: Path) -> Workspace:
    """A workspace with more scores than the browser is sent."""
    return make_large_workspace(server_folder / "many", 6_000, name="Many scores")


@pytest.fixture(scope="session")
def server(server_folder: Path, many_scores: Workspace) -> Iterator[str]:
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
def context(profile: BrowserContext) -> Iterator[BrowserContext]:
    """A visitor who has never been here: what the browser keeps of a visit is removed after it."""
    first = profile.pages[0]  # Chromium ends with its last page.
    yield profile
    visited = {urlparse(page.url) for page in profile.pages[1:]}
    for page in profile.pages[1:]:
        page.close()
    session = profile.new_cdp_session(first)
    for address in visited:
        what = {"origin": f"{address.scheme}://{address.netloc}", "storageTypes": "local_storage"}
        session.send("Storage.clearDataForOrigin", what)
    session.detach()
    profile.clear_cookies()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def dashboard(page: Page, server: str) -> Dashboard:
    return Dashboard(page, server)
