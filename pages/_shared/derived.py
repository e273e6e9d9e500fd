"""What is computed from an evaluation once a state for everybody, and pictures of the workspace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from openmax_core.analysis.class_health import (
    ClassDistances,
    Health,
    class_distances,
    class_health,
)
from openmax_core.analysis.reject_folders import RejectFolders
from openmax_core.analysis.reject_folders import reject_folders as divide
from openmax_core.analysis.sensitivity import Sensitivity, measure_sensitivity
from openmax_core.errors import WorkspaceError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.pictures.locations import RemotePath
from openmax_core.support.files import modified
from openmax_core.support.jobs import Job
from openmax_core.tradeoff import explorer
from openmax_core.tradeoff.class_thresholds import (
    ClassThresholds,
    Gain,
    choose_class_thresholds,
    measure_gain,
)
from openmax_core.tradeoff.objectives import Objective, objective_from_dict
from openmax_core.tradeoff.resampling import HalfChoice, Spread, bootstrap_choices, choose_on_half
from openmax_core.weibull.goodness import Goodness, simulate_goodness
from openmax_core.workspace.samples import picture_bytes, thumbnail_url
from openmax_core.workspace.workspace import Workspace

FitJob = Job[tuple[int, int], Goodness]
SensitivityJob = Job[tuple[int, int], Sensitivity]


def explorer_data(item: Workspace, evaluation: Evaluation, interval: str) -> dict[str, Any]:
    """What the explorer shows of an evaluation."""
    return _explorer_data(_key(item, evaluation), interval, evaluation)


def half_choice(item: Workspace, evaluation: Evaluation, objective: Objective) -> HalfChoice:
    """Choice on one half, counted on the other.

    Raises
    ------
    NoFeasibleThresholdError
        Nothing meets the constraint on the half that is chosen on.
    """
    return _half_choice(_key(item, evaluation), objective.to_dict(), evaluation)


def spread(item: Workspace, evaluation: Evaluation, objective: Objective) -> Spread:
    """Thresholds chosen on resamples of the pictures."""
    return _spread(_key(item, evaluation), objective.to_dict(), evaluation)


def class_choice(
    item: Workspace, evaluation: Evaluation, objective: Objective
) -> tuple[ClassThresholds, Gain]:
    """Thresholds per class and their gain.

    Raises
    ------
    NoFeasibleThresholdError
        Nothing meets the constraint, on all pictures or on one half.
    """
    return _class_choice(_key(item, evaluation), objective.to_dict(), evaluation)


def reject_folders(item: Workspace, evaluation: Evaluation) -> RejectFolders:
    """Return the reject set, divided by folder."""
    return _reject_folders(_key(item, evaluation), evaluation)


def thumbnail(item: Workspace, split: str, path: str) -> str | None:
    """Data URL of a picture's thumbnail; None if it is no longer there."""
    folder = item.picture_location(split)
    if isinstance(folder, RemotePath):
        return _remote_thumbnail(folder / path)
    file = folder / path
    return _thumbnail(str(file), modified(file))


def thumbnail_of(file: Path) -> str | None:
    """Data URL of any picture's thumbnail; whether it may be shown is the caller's to check."""
    return _thumbnail(str(file), modified(file))


def picture(item: Workspace, split: str, path: str) -> bytes | None:
    """A picture as a JPEG that fits a screen; None if it is no longer there.

    Raises
    ------
    WorkspaceError
        Its address does not answer.
    """
    return picture_bytes(item.picture_location(split) / path)


def _key(item: Workspace, evaluation: Evaluation) -> str:
    """Name of what is computed: of the evaluation at hand, which may be older than the disk.

    A fragment goes on with what its page was drawn with.
    """
    settings = sorted(evaluation.openmax.settings_.items())
    return f"{item.folder}|{evaluation.data}|{evaluation.openmax.preset_}|{settings}"


@st.cache_resource(show_spinner=False, max_entries=20)
def _explorer_data(key: str, interval: str, _evaluation: Evaluation) -> dict[str, Any]:
    openmax = _evaluation.openmax
    return explorer.explorer_data(
        _evaluation.overall,
        openmax.class_names_,
        openmax.score_range(),
        interval,
        _evaluation.curve,
    )


@st.cache_resource(show_spinner="Choosing on one half …", max_entries=100)
def _half_choice(key: str, objective: dict[str, Any], _evaluation: Evaluation) -> HalfChoice:
    return choose_on_half(_evaluation.overall, objective_from_dict(objective))


@st.cache_resource(show_spinner="Choosing on resamples …", max_entries=100)
def _spread(key: str, objective: dict[str, Any], _evaluation: Evaluation) -> Spread:
    return bootstrap_choices(_evaluation.overall, objective_from_dict(objective))


@st.cache_resource(show_spinner="Choosing a threshold per class …", max_entries=100)
def _class_choice(
    key: str, objective: dict[str, Any], _evaluation: Evaluation
) -> tuple[ClassThresholds, Gain]:
    wanted = objective_from_dict(objective)
    curve = _evaluation.curve
    return choose_class_thresholds(curve, wanted), measure_gain(curve, wanted)


@st.cache_resource(show_spinner=False, max_entries=20)
def _reject_folders(key: str, _evaluation: Evaluation) -> RejectFolders:
    return divide(_evaluation)


@st.cache_data(show_spinner=False, max_entries=2000)
def _thumbnail(file: str, moment: int | None) -> str | None:
    return thumbnail_url(Path(file))


def _remote_thumbnail(file: RemotePath) -> str | None:
    """The same of an address: looked at anew every ten minutes, not at all while it is silent."""
    if not _answers(file.root):
        return None
    try:
        return _thumbnail_at(file.root, file.relative)
    except WorkspaceError:
        return None


@st.cache_data(show_spinner=False, ttl=30, max_entries=100)
def _answers(root: str) -> bool:
    try:
        return RemotePath(root).exists()
    except WorkspaceError:
        return False


@st.cache_data(show_spinner=False, ttl=600, max_entries=2000)
def _thumbnail_at(root: str, relative: str) -> str | None:
    return thumbnail_url(RemotePath(root, relative))


def distances(item: Workspace, evaluation: Evaluation) -> ClassDistances:
    """Distance of every picture to the MAV of one class."""
    return _distances(_key(item, evaluation), evaluation)


def health(item: Workspace, evaluation: Evaluation) -> Health:
    """State of every class's fit; with the simulated p-values of :func:`fit_job` once it ended."""
    found = _found_health(item, evaluation)
    job = fit_job(item, evaluation)
    if job is None or not job.has_result:
        return found
    return replace(found, goodness=job.result())


def fit_job(item: Workspace, evaluation: Evaluation) -> FitJob | None:
    """Simulation of p-values in the background; None where they are not simulated there."""
    if not _found_health(item, evaluation).goodness.is_open:
        return None
    return _fit_job(_key(item, evaluation), evaluation)


def sensitivity_job(item: Workspace, evaluation: Evaluation, floor: float) -> SensitivityJob | None:
    """Figures over η and α, computed in the background; None until the visitor asks for them."""
    key = _key(item, evaluation)
    if st.session_state.get("sensitivity_of") != (key, floor):
        return None
    return _sensitivity_job(key, floor, evaluation)


def ask_for_sensitivity(item: Workspace, evaluation: Evaluation, floor: float) -> None:
    """Begin what :func:`sensitivity_job` gives, unless somebody has; once more where it failed."""
    key = _key(item, evaluation)
    if _sensitivity_job(key, floor, evaluation).problem:
        _sensitivity_job.clear(key, floor, evaluation)
    st.session_state["sensitivity_of"] = (key, floor)


def _found_health(item: Workspace, evaluation: Evaluation) -> Health:
    key = _key(item, evaluation)
    return _health(key, evaluation, _distances(key, evaluation))


@st.cache_resource(show_spinner="Measuring distances …", max_entries=10)
def _distances(key: str, _evaluation: Evaluation) -> ClassDistances:
    return class_distances(_evaluation)


@st.cache_resource(show_spinner="Testing the fits …", max_entries=20)
def _health(key: str, _evaluation: Evaluation, _measured: ClassDistances) -> Health:
    return class_health(_evaluation, _measured)


@st.cache_resource(show_spinner=False, max_entries=20)
def _fit_job(key: str, _evaluation: Evaluation) -> FitJob:
    openmax = _evaluation.openmax
    job: FitJob = Job(lambda report: simulate_goodness(openmax.weibull_, openmax.tails_, report))
    return job.start()


@st.cache_resource(show_spinner=False, max_entries=20)
def _sensitivity_job(key: str, floor: float, _evaluation: Evaluation) -> SensitivityJob:
    job: SensitivityJob = Job(lambda report: measure_sensitivity(_evaluation, floor, report=report))
    return job.start()
