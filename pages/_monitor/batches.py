"""What the Monitor page knows of a workspace: what decides, recorded batches, the one under way."""

from __future__ import annotations

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
from pages._shared import jobs, start, state

MonitorJob = Job[tuple[int, int], RecordedBatch]


def counting(item: Workspace) -> state.CountingJob | None:
    """Counting of the method that decides in production, where it is still to be done.

    Raises
    ------
    OpenMaxError
        The operating point is damaged, or there are no activations.
    """
    preset, settings = chosen_settings(item)
    return state.counting_of(item, preset, settings.to_dict())


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
    return _choice(item, modified(item.operating_point_path), counted)


@st.cache_resource(show_spinner="Calibrating …", max_entries=10, hash_funcs=state.KEYS)
def _choice(item: Workspace, moment: int | None, _counted: Evaluation | None) -> Choice:
    return choose_method(Workspace.open(item.folder), evaluation=_counted)


def records(item: Workspace) -> tuple[list[RecordedBatch], list[str]]:
    """Recorded batches, the oldest first, and what is wrong with files that cannot be read."""
    return BatchRecords.of(item).load()


def job(item: Workspace) -> MonitorJob | None:
    """Return the batch that is under way or was the last, whoever started it."""
    return jobs.find("monitor", item)


def begin(item: Workspace, chosen: Choice, folder: Path, name: str, compare: str) -> MonitorJob:
    """Begin to monitor and record a batch, or return the one that is under way.

    Parameters
    ----------
    chosen : what decides, see :func:`choice`
    compare : what pictures of the same path are compared with, see :func:`monitor`
    """

    def work(report: Callable[[tuple[int, int]], None]) -> RecordedBatch:
        def tell(progress: Progress) -> None:
            report((progress.done, progress.total))

        return BatchRecords.of(item).add(
            monitor(item, folder, chosen, compare=compare, progress=tell), name
        )

    return jobs.begin("monitor", item, work)


def file_of(record: RecordedBatch, picture: Any) -> Path:
    """Find the file of a row of the record's pictures.

    Raises
    ------
    WorkspaceError
        None can be shown: it is gone, or another than then, or not under an allowed folder.
    """
    file = picture_file(
        record.report.folder, str(picture["path"]), int(picture["size"]), int(picture["mtime"])
    )
    if isinstance(file, str):
        raise WorkspaceError(file)
    try:
        return start.roots().check(file)
    except WorkspaceError as error:
        raise WorkspaceError("Its folder is not under an allowed one") from error
