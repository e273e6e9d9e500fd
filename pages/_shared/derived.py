"""What is computed from an evaluation once a state for everybody, and pictures of the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from openmax_core import explorer
from openmax_core.assessment import Evaluation
from openmax_core.class_thresholds import (
    ClassThresholds,
    Gain,
    choose_class_thresholds,
    measure_gain,
)
from openmax_core.files import modified
from openmax_core.objectives import Objective, objective_from_dict
from openmax_core.resampling import HalfChoice, Spread, bootstrap_choices, choose_on_half
from openmax_core.samples import picture_bytes, thumbnail_url
from openmax_core.workspace import Workspace
from pages._shared import state


def explorer_data(item: Workspace, evaluation: Evaluation, interval: str) -> dict[str, Any]:
    """What the explorer shows of an evaluation."""
    return _explorer_data(_key(item), interval, evaluation)


def half_choice(item: Workspace, evaluation: Evaluation, objective: Objective) -> HalfChoice:
    """Choice on one half, counted on the other.

    Raises
    ------
    NoFeasibleThresholdError
        Nothing meets the constraint on the half that is chosen on.
    """
    return _half_choice(_key(item), objective.to_dict(), evaluation)


def spread(item: Workspace, evaluation: Evaluation, objective: Objective) -> Spread:
    """Thresholds chosen on resamples of the pictures."""
    return _spread(_key(item), objective.to_dict(), evaluation)


def class_choice(
    item: Workspace, evaluation: Evaluation, objective: Objective
) -> tuple[ClassThresholds, Gain]:
    """Thresholds per class and their gain.

    Raises
    ------
    NoFeasibleThresholdError
        Nothing meets the constraint, on all pictures or on one half.
    """
    return _class_choice(_key(item), objective.to_dict(), evaluation)


def thumbnail(item: Workspace, split: str, path: str) -> str | None:
    """Data URL of a picture's thumbnail; None if it is no longer there."""
    file = item.picture_folder(split) / path
    return _thumbnail(str(file), modified(file))


def picture(item: Workspace, split: str, path: str) -> bytes | None:
    """A picture as a JPEG that fits a screen; None if it is no longer there."""
    return picture_bytes(item.picture_folder(split) / path)


def _key(item: Workspace) -> str:
    """Name of everything that an evaluation depends on."""
    return f"{state.method_key(item)}|{item.state()}"


@st.cache_resource(show_spinner=False, max_entries=20)
def _explorer_data(key: str, interval: str, _evaluation: Evaluation) -> dict[str, Any]:
    openmax = _evaluation.openmax
    return explorer.explorer_data(
        _evaluation.curve, openmax.class_names_, openmax.score_range(), interval
    )


@st.cache_resource(show_spinner="Choosing on one half …", max_entries=100)
def _half_choice(key: str, objective: dict[str, Any], _evaluation: Evaluation) -> HalfChoice:
    return choose_on_half(_evaluation.curve, objective_from_dict(objective))


@st.cache_resource(show_spinner="Choosing on resamples …", max_entries=100)
def _spread(key: str, objective: dict[str, Any], _evaluation: Evaluation) -> Spread:
    return bootstrap_choices(_evaluation.curve, objective_from_dict(objective))


@st.cache_resource(show_spinner="Choosing a threshold per class …", max_entries=100)
def _class_choice(
    key: str, objective: dict[str, Any], _evaluation: Evaluation
) -> tuple[ClassThresholds, Gain]:
    wanted = objective_from_dict(objective)
    curve = _evaluation.curve
    return choose_class_thresholds(curve, wanted), measure_gain(curve, wanted)


@st.cache_data(show_spinner=False, max_entries=2000)
def _thumbnail(file: str, moment: int | None) -> str | None:
    return thumbnail_url(Path(file))
