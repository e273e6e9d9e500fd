"""Progress of an extraction, polled while it runs."""

from __future__ import annotations

import streamlit as st

from pages._shared.state import ExtractionJob

POLL_SECONDS = 0.4


def show_extraction(job: ExtractionJob) -> None:
    """Draw a running extraction's progress until it ends, then run the page again."""

    def poll() -> None:
        if not job.is_running:
            st.rerun()
        if job.progress is None:
            st.progress(0.0, text="Looking at the folders")
            return
        split, progress = job.progress
        share = progress.done / progress.total if progress.total else 1.0
        st.progress(share, text=f"**{split}** · {progress.in_words}")

    st.fragment(poll, run_every=POLL_SECONDS)()
