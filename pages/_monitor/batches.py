"""What the Monitor page knows of a workspace: what decides, recorded batches, the one under way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from openmax_core.errors import WorkspaceError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.monitor.monitor import monitor
from openmax_core.monitor.records import BatchRecords, RecordedBatch
from openmax_core.monitor.shortlist import picture_file
from openmax_core.network.inference import Progress
from openmax_core.prediction.choice import Choice, choose_method, chosen_settings
from openmax_core.support.files import modified
from openmax_core.support.jobs import Job
from openmax_core.workspace.workspace import Workspace
from pages._shared import start, state

NOT_ALLOWED = "Its folder is not under an allowed one"
MonitorJob = Job[tuple[int, int], RecordedBatch]
_LOCK = threading.Lock()


def counting(item: Workspace) -> state.CountingJob | None:
    """Counting of the method that decides in production, where it is still to be done.

    Raises
    ------
    OpenMaxError
        The operating point is damaged, or there are no activations.
    """
    return state.counting_of(item, *chosen_settings(item))


def choice(item: Workspace) -> Choice:
    """Return what decides in production: the workspace's operating point, or the recommended one.

    Raises
    ------
    OpenMaxError
        No threshold keeps the workspace's floor, or the operating point is damaged.
    """
    job = counting(item)
    # Where its counts could not be kept they are still here.
    counted = job.result() if job is not None and job.has_result else None
    return _choice(str(item.folder), item.state(), modified(item.operating_point_path), counted)


def records(item: Workspace) -> tuple[list[RecordedBatch], list[str]]:
    """Recorded batches, the oldest first, and what is wrong with files that cannot be read."""
    return BatchRecords.of(item).load()


def job(item: Workspace) -> MonitorJob | None:
    """Return the batch that is under way or was the last, whoever started it."""
    return _jobs().get(str(item.folder))


def begin(item: Workspace, chosen: Choice, folder: Path, name: str) -> MonitorJob:
    """Begin to monitor and record a batch, or return the one that is under way.

    Parameters
    ----------
    chosen : what decides, see :func:`choice`
    """
    jobs, key = _jobs(), str(item.folder)
    with _LOCK:
        if key not in jobs or not jobs[key].is_running:

            def work(report: Callable[[tuple[int, int]], None]) -> RecordedBatch:
                def tell(progress: Progress) -> None:
                    report((progress.done, progress.total))

                measured = monitor(item, folder, chosen, progress=tell)
                start.freeze_imports()
                return BatchRecords.of(item).add(measured, name)

            jobs[key] = Job(work).start()
        return jobs[key]


def file_of(record: RecordedBatch, picture: Any) -> Path | str:
    """Find the file of a row of the record's pictures, or say why none can be shown."""
    file = picture_file(
        record.report.folder, str(picture["path"]), int(picture["size"]), int(picture["mtime"])
    )
    if isinstance(file, str):
        return file
    try:
        return start.roots().check(file)
    except WorkspaceError:
        return NOT_ALLOWED


@st.cache_resource(show_spinner="Calibrating …", max_entries=10)
def _choice(folder: str, state: str, moment: int | None, _counted: Evaluation | None) -> Choice:
    return choose_method(Workspace.open(folder), evaluation=_counted)


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, MonitorJob]:
    return {}
