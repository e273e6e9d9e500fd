"""Progress of an extraction, polled while it runs.

It is a job of the server: every tab shows the same one, and closing a tab does not end it.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from openmax_core.support.jobs import Job
from pages._shared import state
from pages._shared.jobs import ExtractionJob

POLL_SECONDS = 0.4


def show_extraction(job: ExtractionJob, can_stop: bool = False) -> None:
    """Draw a running extraction's progress until it ends, then run the page again."""
    st.info(
        "The pictures are going through the network, once. It goes on when you leave this page or "
        "close it, and what is done is kept when it is stopped.",
        icon=":material/memory:",
    )
    _show_progress(job, can_stop)


def show_extraction_beside(job: ExtractionJob) -> None:
    """Draw a running extraction's progress on a page that shows figures of an earlier one."""
    st.info(
        "Pictures that are new or changed are going through the network; the figures are those "
        "from before until it ends.",
        icon=":material/memory:",
    )
    _show_progress(job, can_stop=False)


def _show_progress(job: ExtractionJob, can_stop: bool) -> None:
    def poll() -> None:
        if not job.is_running:
            state.status.clear()
            st.rerun()
        if job.progress is None:
            st.progress(0.0, text="Looking at the folders")
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
