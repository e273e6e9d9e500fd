"""A guide that makes a workspace, one step after the other, with the settings of ``openmax init``.

A step opens when the one before it is checked. A step that is done shrinks to a line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.workspace.browsing import propose_folder
from openmax_core.workspace.workspace import Workspace
from pages._shared import start
from pages._shared.format import plain
from pages._workspace import classes, classifier, data
from pages._workspace.browser import Wanted
from pages._workspace.fields import EMPTY, sentence_on
from pages._workspace.guide import Guide, place_fault

PARENT = Wanted("Make it in this folder")


@dataclass(frozen=True)
class Step:
    """A step of the guide.

    Parameters
    ----------
    title, changes : its name, and the label of the button that opens it again
    show : draws it
    check : takes the answers, or says what is wrong with them
    """

    title: str
    changes: str
    show: Callable[[Guide], None]
    check: Callable[[Guide], bool]


def show_guide(on_made: Callable[[Workspace], None]) -> None:
    """Draw the guide.

    Parameters
    ----------
    on_made : called with the new workspace
    """
    st.subheader("Make a workspace")
    st.fragment(_show)(on_made)


def _show(on_made: Callable[[Workspace], None]) -> None:
    guide = Guide.of_session()
    for number, step in enumerate(STEPS):
        title = f"{number + 1} · {step.title}"
        if number > guide.step:
            st.caption(title)
        elif number < guide.step:
            if number == CLASSIFIER and guide.are_tables:
                continue
            with st.container(horizontal=True, vertical_alignment="center", key=f"done_{number}"):
                st.markdown(
                    f":material/check: **{title}** · {plain(guide.done[number])}", width="stretch"
                )
                st.button(step.changes, key=f"change_{number}", on_click=guide.go, args=(number,))
        else:
            with st.container(border=True):
                st.markdown(f"##### {title}")
                step.show(guide)
                guide.fields.show_fault_of_all()
                _show_way_on(guide, step, on_made)


def _show_way_on(guide: Guide, step: Step, on_made: Callable[[Workspace], None]) -> None:
    if step is STEPS[-1]:
        if st.button("Create", icon=":material/create_new_folder:", type="primary"):
            _create(guide, on_made)
        return
    if st.button("Continue", icon=":material/arrow_forward:"):
        if step.check(guide):
            if guide.step == CLASSIFIER and guide.are_tables:
                guide.finish("")
            if guide.step == len(STEPS) - 1:
                _propose(guide)
        st.rerun()


def _propose(guide: Guide) -> None:
    """Name a folder for the workspace, unless the visitor has named another one."""
    fields = guide.fields
    try:
        proposed = str(propose_folder(start.roots(), _data(guide)))
    except OpenMaxError:  # no root exists: it is said when it is made
        return
    if fields.values.get("folder", "") in {"", guide.proposed}:
        fields.set("folder", proposed)
        guide.proposed = proposed


def _data(guide: Guide) -> Path | None:
    """Folder or table that the workspace is called after."""
    _, text = guide.sources[0]
    return None if "://" in text else Path(text)


def _show_place(guide: Guide) -> None:
    fields = guide.fields
    st.caption("The workspace is a new folder with a workspace.toml, and later the logits.")
    fields.path(
        "folder",
        "Folder of the new workspace",
        PARENT,
        chosen=partial(_take_parent, guide),
        help=sentence_on("folder"),
    )
    fields.text("name", "Name", placeholder="as the folder", help=sentence_on("name"))


def _take_parent(guide: Guide, folder: Path) -> None:
    guide.fields.set("folder", str(propose_folder(start.roots(), _data(guide), folder)))
    guide.fields.browse(None)


def _create(guide: Guide, on_made: Callable[[Workspace], None]) -> None:
    fields = guide.fields
    fields.begin_check()
    folder = fields.checked("folder", start.roots().check)
    if not fields.values["folder"]:
        fields.refuse("folder", EMPTY)
    if not fields.has_faults:
        try:
            with st.spinner("Making the workspace …"):
                made = guide.make(folder, fields.values["name"])
        except OpenMaxError as error:
            place_fault(fields, error, {"folder": folder})
        else:
            del st.session_state["guide"]
            on_made(made)
    st.rerun()


STEPS = (
    Step("Data", "Change the data", data.show, data.check),
    Step("What is in it", "Change the classes", classes.show, classes.check),
    Step("Classifier", "Change the classifier", classifier.show, classifier.check),
    Step("Name and folder", "", _show_place, lambda guide: True),
)
CLASSIFIER = 2
