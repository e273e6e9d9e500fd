"""Background jobs of the server, and their progress.

Every visitor sees the same job, and it goes on when a visitor closes the page.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from openmax_core.extraction.extraction import ExtractionReport
from openmax_core.network.inference import Progress as NetworkProgress
from openmax_core.support.jobs import Job
from openmax_core.workspace.workspace import Workspace
from pages._shared import start, state

Progress = TypeVar("Progress")
Result = TypeVar("Result")
ExtractionJob = Job[tuple[str, NetworkProgress], ExtractionReport]
POLL_SECONDS = 0.4
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

    return Job(done)


def start_extraction(item: Workspace) -> None:
    """Start an extraction, unless one runs."""

    def work(report: Callable[[tuple[str, NetworkProgress]], None]) -> ExtractionReport:
        return item.extract(progress=lambda *where: report(where))

    begin("extraction", item, work)


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[tuple[str, str], Job[Any, Any]]:
    return {}


def show_extraction(job: ExtractionJob, can_stop: bool = False, has_figures: bool = False) -> None:
    """Draw a running extraction's progress until it ends, then run the page again.

    Parameters
    ----------
    has_figures : the page shows figures of an earlier extraction
    """
    st.info(
        "New or changed pictures are going through the network. Until it ends, "
        "the figures are those from before."
        if has_figures
        else "The pictures are going through the network, once. This goes on when you leave or "
        "close this page. If you stop it, the finished part is kept.",
        icon=":material/memory:",
    )

    def poll() -> None:
        if not job.is_running:
            state.status.clear()
            st.rerun()
        if job.progress is None:
            st.progress(0.0, text="Reading the folders")
            return
        split, progress = job.progress
        share = progress.done / progress.total if progress.total else 1.0
        st.progress(share, text=f"**{split}** · {progress.in_words}")
        if job.is_cancelled:
            st.caption("Stopping …")
        elif can_stop and st.button("Stop", icon=":material/stop:", key="stop_extraction"):
            job.cancel()

    st.fragment(poll, run_every=POLL_SECONDS)()


def show_job(job: Job[tuple[int, int], Any], doing: str, things: str) -> None:
    """Draw how many things are done of how many until the job ends, then run the page again."""

    def poll() -> None:
        if not job.is_running:
            st.rerun()
        done, total = job.progress or (0, 1)
        text = f"{doing} · {done:,} of {total:,} {things}" if job.progress else doing
        st.progress(done / max(total, 1), text=text)

    st.fragment(poll, run_every=POLL_SECONDS)()
