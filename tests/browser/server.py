"""A server of the real app on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 90
CHROMIUM_FLAGS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Chromium refuses its sandbox to root, which is what containers run as.
    *(["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []),
]


def find_chromium() -> str | None:
    """Path of an installed Chromium; None leaves it to Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def serve(folder: Path, preloaded: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a server with its cache, its allowed root and ``server.log`` in a folder.

    Modules in ``preloaded`` are imported before it starts. Yields its address as soon as it
    answers.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OPENMAX_ROOTS": str(folder),
    }
    environment.pop("OPENMAX_WORKSPACE", None)
    imports = "".join(f"import {name}; " for name in preloaded)
    start = f"{imports}from streamlit.web.cli import main; main()"
    command = [sys.executable, "-c", start, "run", str(ROOT / "app.py")]
    options = ["--server.port", str(port), "--server.headless", "true"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *options],
            # From elsewhere: nothing may depend on the folder a server is started in.
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_healthy(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers; an error if it ends or never does."""
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        assert process.poll() is None, "the server ended at its start"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            continue
    raise AssertionError(f"the server did not answer within {START_SECONDS} s")
