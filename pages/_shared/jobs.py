"""Background jobs of the server: every visitor sees the same one, and closing a tab ends none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from openmax_core.extraction.extraction import ExtractionReport
from openmax_core.network.inference import Progress as NetworkProgress
from openmax_core.support.jobs import Job
from openmax_core.workspace.workspace import Workspace
from pages._shared import start

Progress = TypeVar("Progress")
Result = TypeVar("Result")
ExtractionJob = Job[tuple[str, NetworkProgress], ExtractionReport]
_LOCK = threading.Lock()


def find(kind: str, item: Workspace) -> Job[Any, Any] | None:
    """Return the job of a kind that runs or ran last on a workspace, whoever began it."""
    return _jobs().get((kind, str(item.folder)))


def begin(
    kind: str, item: Workspace, work: Callable[[Callable[[Progress], None]], Result]
) -> Job[Progress, Result]:
    """Begin a job of a kind on a workspace, or return the one that runs."""
    jobs, key = _jobs(), (kind, str(item.folder))
    with _LOCK:
        if key not in jobs or not jobs[key].is_running:
            jobs[key] = run_network(work)
        return jobs[key]


def run_network(
    work: Callable[[Callable[[Progress], None]], Result],
) -> Job[Progress, Result]:
    """Start work that imports torch, and keep what it imported out of later collections."""

    def done(report: Callable[[Progress], None]) -> Result:
        result = work(report)
        start.freeze_imports()
        return result

    return Job(done).start()


def extraction(item: Workspace) -> ExtractionJob | None:
    """Return the extraction that runs or ran last on a workspace."""
    return find("extraction", item)


def start_extraction(item: Workspace) -> ExtractionJob:
    """Start an extraction, or return the one that runs."""

    def work(report: Callable[[tuple[str, NetworkProgress]], None]) -> ExtractionReport:
        return item.extract(progress=lambda *where: report(where))

    return begin("extraction", item, work)


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[tuple[str, str], Job[Any, Any]]:
    return {}
