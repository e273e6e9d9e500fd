"""What a visitor has told the guide so far: it lasts as long as the session."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.pictures.locations import Location, RemotePath, is_address
from openmax_core.workspace.contents import Contents, look_at_folders, look_at_tables
from openmax_core.workspace.division import create_divided
from openmax_core.workspace.workspace import Workspace
from pages._shared import start
from pages._workspace.fields import Fields

Named = tuple[tuple[str, str], ...]


@dataclass
class Guide:
    """Answers to the steps.

    Attributes
    ----------
    step : int
        The step that is open.
    done : dict of int to str
        What came of the steps before it, each in a line.
    sources : tuple of pairs
        Sets, with their folders, addresses or tables.
    are_tables : bool
    is_divided : bool
        Train and test are one folder, whose pictures are divided.
    classes : tuple of str
        As they were named; empty where nobody did.
    classifier : dict
        Arguments of :meth:`Workspace.create`.
    proposed : str
        Folder of the workspace, as the guide proposed it.
    """

    fields: Fields = field(default_factory=lambda: Fields("guide"))
    step: int = 0
    done: dict[int, str] = field(default_factory=dict)
    sources: Named = ()
    are_tables: bool = False
    is_divided: bool = False
    classes: tuple[str, ...] = ()
    classifier: dict[str, Any] = field(default_factory=dict)
    proposed: str = ""

    @classmethod
    def of_session(cls) -> Guide:
        """The visitor's own."""
        found: Guide = st.session_state.setdefault("guide", cls())
        return found

    def go(self, step: int) -> None:
        """Open a step."""
        self.step = step
        self.fields.browsed = None

    def finish(self, words: str) -> None:
        """Go on to the next step."""
        self.done[self.step] = words
        self.go(self.step + 1)

    def contents(self, classes: tuple[str, ...] = (), anew: bool = False) -> Contents:
        """What the sources hold.

        Parameters
        ----------
        anew : look at them again, whatever is remembered

        Raises
        ------
        OpenMaxError
            They cannot be read.
        """
        if self.are_tables:
            if anew:
                tables_looked_at.clear(self.sources, classes)
            return tables_looked_at(self.sources, classes)
        if anew:
            folders_looked_at.clear(self.sources, classes, self.is_divided)
        return folders_looked_at(self.sources, classes, self.is_divided)

    def make(self, folder: Path, name: str = "", *, only_check: bool = False) -> Workspace:
        """Make the workspace, or only check what it needs.

        Raises
        ------
        OpenMaxError
            Something does not fit together.
        """
        if self.are_tables:
            return Workspace.create_from_tables(
                folder, _paths(self.sources), classes=self.classes, name=name or None
            )
        arguments: dict[str, Any] = {**_locations(self.sources), **self.classifier}
        if self.is_divided and not only_check:
            pictures = arguments.pop("train")
            del arguments["test"]
            return create_divided(
                folder, pictures, classes=self.classes, name=name or None, **arguments
            )
        return Workspace.create(
            folder, classes=self.classes, name=name or None, only_check=only_check, **arguments
        )


@st.cache_data(show_spinner="Counting pictures …", ttl=60, max_entries=50)
def folders_looked_at(sources: Named, classes: tuple[str, ...], is_divided: bool) -> Contents:
    """What folders hold, remembered for a minute: it takes long where they are large."""
    return look_at_folders(_locations(sources), classes, is_divided=is_divided)


@st.cache_data(show_spinner="Reading the tables …", ttl=60, max_entries=50)
def tables_looked_at(sources: Named, classes: tuple[str, ...]) -> Contents:
    """What tables hold, remembered for a minute."""
    return look_at_tables(_paths(sources), classes)


def _locations(sources: Named) -> dict[str, Location]:
    return {split: start.roots().check_pictures(text) for split, text in sources}


def _paths(sources: Named) -> dict[str, Path]:
    return {split: start.roots().check(text) for split, text in sources}


def location(text: str) -> Location:
    """Folder or address that a visitor named, if it is allowed.

    Raises
    ------
    WorkspaceError
        It is not.
    """
    return start.roots().check_pictures(RemotePath.parse(text) if is_address(text) else text)


def place_fault(fields: Fields, error: OpenMaxError, named: dict[str, Any]) -> None:
    """Say what is wrong below the field whose file or folder the message names, or at the end."""
    of = [name for name, value in named.items() if value is not None and str(value) in str(error)]
    if of:
        fields.refuse(max(of, key=lambda name: len(str(named[name]))), error)
    else:
        fields.refuse_all(error)
