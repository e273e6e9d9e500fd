"""The steps from a new workspace to a threshold: which comes next."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from openmax_core.workspace.sets import SplitStatus
from openmax_core.workspace.workspace import Workspace
from pages._shared import state
from pages._shared.jobs import ExtractionJob

TRAIN, EXTRACT, CHECK, CHOOSE = "Train", "Run extraction", "Check", "Choose a threshold"
READ = "Read the tables"  # in place of an extraction


def next_step(
    workspace: Workspace,
    statuses: Mapping[str, SplitStatus],
    extraction: ExtractionJob | None,
    is_new: bool,
) -> str | None:
    """Return what to do next; None for a workspace that is complete.

    Parameters
    ----------
    extraction : the last one of this server
    is_new : the workspace was made in this session
    """
    settings = workspace.settings
    if settings.classifier.file is None and not settings.tables:
        return TRAIN
    if any(status.n_stored is None for status in statuses.values()):
        return EXTRACT
    is_current = all(status.is_current for status in statuses.values())
    has_ended = is_new or (extraction is not None and extraction.has_result)
    is_chosen = state.is_demo(workspace) or workspace.operating_point_path.exists()
    return CHECK if has_ended and is_current and not is_chosen else None


def show_steps(present: str, is_trained_here: bool, is_of_tables: bool) -> None:
    """Draw the steps, with the present one in bold.

    Parameters
    ----------
    present : one of the names above
    is_trained_here : training is one of them
    is_of_tables : logits are read from tables
    """
    steps = [TRAIN] if is_trained_here else []
    if not is_of_tables or present == EXTRACT:  # tables are read while a workspace is made
        steps.append(EXTRACT)
    steps += [CHECK, CHOOSE]
    place = steps.index(present)
    shown = []
    for number, step in enumerate(steps):
        name = READ if is_of_tables and step == EXTRACT else step
        if number < place:
            shown.append(f":green[:material/check_circle:] {name}")
        elif number == place:
            shown.append(f":primary[:material/radio_button_checked:] **{name}**")
        else:
            shown.append(f":gray[:material/radio_button_unchecked: {name}]")
    st.markdown(" :gray[:material/chevron_right:] ".join(shown))
