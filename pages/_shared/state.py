"""The session's state: workspace, method and threshold, and the evaluation that they name."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from openmax_core.demos.catalogue import GARAGES
from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.method import Method, Settings
from openmax_core.methods.registry import has_settings, new_method
from openmax_core.methods.settings import DEFAULT_PRESET, PRESETS
from openmax_core.support.decimals import threshold_text
from openmax_core.support.jobs import Job
from openmax_core.tradeoff import resampling
from openmax_core.tradeoff.explorer import AXES, first_axis
from openmax_core.tradeoff.objectives import Objective
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.slider import is_threshold, slider_scale
from openmax_core.workspace.sets import SplitStatus
from openmax_core.workspace.workspace import Workspace
from pages._shared import start
from pages._shared.kept import KEYS, kept

OVERRIDABLE = ("tail_size", "alpha_rank")
CountingJob = Job[tuple[int, int], Evaluation]


def set_workspace(found: Workspace | str) -> None:
    """Make a workspace the session's, or say why there is none."""
    st.session_state["open_workspace"] = found


def workspace() -> Workspace | None:
    """Return the session's workspace; None if it cannot be opened."""
    found: Workspace | str = st.session_state.get("open_workspace", "")
    return None if isinstance(found, str) else found


def workspace_problem() -> str:
    """Say why there is no workspace."""
    return str(st.session_state.get("open_workspace", ""))


def is_demo(item: Workspace) -> bool:
    """Tell whether a workspace is one of the embedded demos."""
    return item.folder in start.demos()


def has_tour(item: Workspace) -> bool:
    """Tell whether the guided tour speaks of a workspace: of the demo that a visitor lands on."""
    return item.folder == GARAGES.folder and is_demo(item)


def method() -> tuple[str, dict[str, Any]]:
    """Return the method's name and the settings that differ from its own."""
    first = st.session_state.get("first_method", {}).get("method", DEFAULT_PRESET)
    preset = st.session_state.get("method", first)  # a page may be drawn before the sidebar
    values = {name: st.session_state.get(name) for name in overridable(preset)}
    return preset, {name: value for name, value in values.items() if value is not None}


def overridable(name: str) -> tuple[str, ...]:
    """Settings of a method that the sidebar can change."""
    if not has_settings(name):
        return ()
    return ("tail_size",) if PRESETS[name].weighting == "all" else OVERRIDABLE


def first_method(item: Workspace) -> dict[str, Any]:
    """Method that a visit begins with: the operating point's, else the workspace's default."""
    try:
        point = item.operating_point()
    except OpenMaxError:
        point = None
    if point is not None and (found := method_of(point)) is not None:
        return found
    return {"method": item.settings.defaults.preset, "tail_size": None, "alpha_rank": None}


def method_of(point: OperatingPoint) -> dict[str, Any] | None:
    """Method of a point and the settings that differ from its own; None if it has none."""
    if point.preset is None:
        return None
    if not has_settings(point.preset):
        return {"method": point.preset, **dict.fromkeys(OVERRIDABLE)}
    standard = PRESETS[point.preset]
    own = {name: getattr(point.settings or standard, name) for name in OVERRIDABLE}
    differing = {n: None if value == getattr(standard, n) else value for n, value in own.items()}
    return {"method": point.preset, **differing}


def evaluation(item: Workspace) -> Evaluation:
    """Return the session's method, calibrated and scored.

    Raises
    ------
    OpenMaxError
        There are no activations yet, or the method cannot be fitted to them.
    """
    return _evaluation(item, *method())


@kept("Calibrating …")
def _evaluation(item: Workspace, preset: str, overrides: dict[str, Any]) -> Evaluation:
    return Workspace.open(item.folder).evaluate(preset, **overrides)


def counting(item: Workspace, preset: str, overrides: dict[str, Any]) -> CountingJob | None:
    """Counting of a method, where it is still to be done; once for everybody.

    None where the pictures are few, or counted. Where counts could not be kept, its result has
    them.

    Parameters
    ----------
    overrides : settings, of which some may differ from the preset

    Raises
    ------
    OpenMaxError
        There are no activations yet, they are damaged, or a setting does not exist.
    """
    if not is_large(item) or item.is_counted(preset, **overrides):
        return None
    # However a method is named, it is counted once.
    settings = new_method(preset, **overrides).settings()
    job = _counting(item, preset, settings)
    if job.problem:  # the next visit tries again: there may be room on the disk by then
        _counting.clear(item, preset, settings)
    return job


@kept()
def _counting(item: Workspace, preset: str, settings: Settings) -> CountingJob:
    opened, values = Workspace.open(item.folder), settings.to_dict()
    return Job(lambda report: opened.evaluate(preset, report=report, **values))


@st.cache_data(show_spinner=False, max_entries=100, hash_funcs=KEYS)
def is_large(item: Workspace) -> bool:
    """Tell whether a workspace has so many pictures that they are counted in chunks."""
    return Workspace.open(item.folder).stored.is_large()


@st.cache_data(show_spinner=False, ttl=20, max_entries=100, hash_funcs=KEYS)
def status(item: Workspace) -> dict[str, SplitStatus]:
    """Status of every split, looked up at most every 20 seconds."""
    opened = Workspace.open(item.folder)
    return {split: opened.status(split) for split in opened.pictures.splits}


@kept()
def rest_in_words(evaluated: Evaluation, objective: Objective) -> str:
    """Say what choosing a threshold and counting on the same pictures does to an objective."""
    return resampling.rest_in_words(evaluated.overall, objective)


def method_key(item: Workspace) -> str:
    """Name of workspace and method together, for what is remembered for them."""
    preset, overrides = method()
    return f"{item.folder}|{preset}|{sorted(overrides.items())}"


def threshold(item: Workspace, evaluated: Evaluation) -> float:
    """Return the session's threshold for workspace and method, and put it into the address.

    The address's at the start of a session; then what was set; without either the workspace's
    operating point, else the recommended one.
    """
    thresholds = st.session_state.setdefault("thresholds", {})
    key = method_key(item)
    if key not in thresholds:
        is_link = not thresholds and st.session_state.get("linked") is None
        text = st.query_params.get("threshold") if is_link else None
        given = _number(text, evaluated.method)
        thresholds[key] = _first_threshold(item, evaluated) if given is None else given
    value = float(thresholds[key])
    text = threshold_text(value)
    if st.query_params.get("threshold") != text:
        st.query_params["threshold"] = text  # a link then reproduces the view
    return value


def set_threshold(item: Workspace, value: float) -> None:
    """Remember a threshold for the present workspace and method."""
    st.session_state.setdefault("thresholds", {})[method_key(item)] = float(value)


def chart_axis(evaluated: Evaluation) -> str:
    """What charts over the threshold are drawn over: as chosen in this session, else as fits."""
    return str(st.session_state.get("chart_axis", first_axis(evaluated.method)))


def set_chart_axis(axis: object) -> None:
    """Remember what charts are drawn over, if a component told one of the axes."""
    if axis in AXES:
        st.session_state["chart_axis"] = axis


def show_point(item: Workspace, point: OperatingPoint) -> None:
    """Make a point's method and threshold the session's."""
    for name, value in (method_of(point) or {}).items():
        st.session_state[name] = value
    set_threshold(item, point.threshold)
    set_kind_shares(item, {kind.name: kind.share for kind in point.kinds or ()})


def kind_shares(item: Workspace) -> dict[str, float]:
    """Return the session's shares of the kinds of unknowns, those above 0; {} without any.

    Before any was set, those of the workspace's operating point.
    """
    shares: dict[str, dict[str, float]] = st.session_state.setdefault("kind_shares", {})
    if str(item.folder) not in shares:
        try:
            point = item.operating_point()
        except OpenMaxError:
            point = None
        found = () if point is None else point.kinds or ()
        shares[str(item.folder)] = {kind.name: kind.share for kind in found if kind.share}
    return shares[str(item.folder)]


def keep_kind_shares(item: Workspace, shares: dict[str, float]) -> None:
    """Remember what the editor of the shares holds."""
    st.session_state.setdefault("kind_shares", {})[str(item.folder)] = shares


def set_kind_shares(item: Workspace, shares: dict[str, float]) -> None:
    """Set the shares of the kinds of unknowns; an editor of them begins anew."""
    keep_kind_shares(item, {name: share for name, share in shares.items() if share})
    version = st.session_state.get("kind_shares_version", 0)
    st.session_state["kind_shares_version"] = version + 1


def chosen_point(item: Workspace, evaluated: Evaluation) -> OperatingPoint | None:
    """Return the workspace's operating point if it is of the present method."""
    try:
        point = item.operating_point()
    except OpenMaxError:
        return None
    return point if point is not None and point.settings == evaluated.method.settings_ else None


def _first_threshold(item: Workspace, evaluated: Evaluation) -> float:
    point = chosen_point(item, evaluated)
    if point is not None:
        return point.threshold
    try:
        return evaluated.recommend_by_default(item.settings.defaults.min_test_accuracy).threshold
    except NoFeasibleThresholdError:
        return slider_scale(evaluated.overall, evaluated.score_range).at(0.5)


def _number(text: str | None, method: Method) -> float | None:
    """Threshold of a text; None where it is none, or no probability where scores are some."""
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if is_threshold(value, method.score_range()) else None
