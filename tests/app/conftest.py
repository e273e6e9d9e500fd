"""The app in one process, with an empty cache folder and one made-up workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import make_workspace

APP = Path(__file__).parents[2] / "app.py"
SECONDS = 60
ORIGINAL_START = PagesManager.__init__
# Which installed packages bring components: every AppTest asks again, for half of its time.
INSTALLED = manifest_scanner.scan_component_manifests()


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def fresh_server(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is cached for a server belongs to one test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    monkeypatch.setenv("OPENMAX_ROOTS", str(cache_home / "nothing"))
    monkeypatch.setattr(PagesManager, "__init__", _as_after_the_first_visit)
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", lambda: INSTALLED)
    st.cache_resource.clear()
    st.cache_data.clear()
    yield
    st.cache_resource.clear()
    st.cache_data.clear()


def _as_after_the_first_visit(manager: PagesManager, *arguments: Any, **named: Any) -> None:
    """Be a server that has seen st.navigation: AppTest forgets it before every run.

    What a server does at its first visit is tested in the browser.
    """
    PagesManager.uses_pages_directory = False
    ORIGINAL_START(manager, *arguments, **named)


@pytest.fixture
def trees(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "trees")


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Open a page of the app as started with a workspace; further arguments are the address's."""

    def opened(folder: Path, page: str = "overview", **address: str) -> AppTest:
        monkeypatch.setenv("OPENMAX_WORKSPACE", str(folder))
        app = AppTest.from_file(str(APP), default_timeout=SECONDS)
        for name, value in address.items():
            app.query_params[name] = value
        if page != "overview":
            app.switch_page(f"pages/{page}.py")
        app.run()
        assert not app.exception, app.exception
        return app

    return opened
