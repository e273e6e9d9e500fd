"""A browser of the folders under the allowed roots: a click opens a folder or chooses a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from openmax_core.errors import OpenMaxError
from openmax_core.support.files import fingerprint
from openmax_core.workspace.browsing import (
    MOST_ENTRIES,
    Count,
    Place,
    count_pictures,
    first_places,
    open_place,
)
from pages._shared import start
from pages._shared.format import plain
from pages._shared.widgets import show_error


@dataclass(frozen=True)
class Wanted:
    """What is looked for.

    Parameters
    ----------
    button : label of the button that takes the open folder; '' where a file is wanted
    suffixes : of the files that may be chosen
    has_pictures : it is a folder of pictures, whose number is told
    needs_workspace : only a folder that is a workspace can be taken
    """

    button: str = ""
    suffixes: tuple[str, ...] = ()
    has_pictures: bool = False
    needs_workspace: bool = False


@dataclass
class Browsing:
    """Where a visitor is: a folder, or None for the list of the allowed ones."""

    place: Path | None = None
    searched: dict[Path, str] = field(default_factory=dict)

    def begin(self, value: str) -> None:
        """Go to where a value lies; else stay; at first, into the first allowed folder."""
        roots = start.roots()
        try:
            path = roots.check(value) if value and "://" not in value else None
        except OpenMaxError:
            path = None
        if path is not None and path.is_dir():
            self.place = path
        elif path is not None and path.parent.is_dir() and roots.has(path.parent):
            self.place = path.parent
        elif self.place is None:
            self.place = next(iter(first_places(roots)), None)

    def go(self, place: Path | None) -> None:
        """Open a folder, or the list of the allowed ones."""
        self.place = place


def show_browser(
    at: Browsing,
    wanted: Wanted,
    choose: Callable[[Path], None],
    choose_sets: Callable[[dict[str, Path]], None] | None = None,
) -> None:
    """Draw the browser.

    Parameters
    ----------
    choose : called with the folder or file that is taken
    choose_sets : called with the folders of train, test and reject where one folder has them all
    """
    with st.container(border=True, key="browser"):
        if at.place is None:
            _show_roots(at)
            return
        search = _search(at)
        try:
            place = _opened(str(at.place), wanted.suffixes, search)
        except OpenMaxError as error:
            show_error(error)
            st.button("Allowed folders", icon=":material/home:", on_click=at.go, args=(None,))
            return
        st.markdown(f":material/folder_open: **{plain(_shown(place.folder))}**")
        st.caption(_in_words(place, wanted))
        _show_ways(at, place, wanted, choose, choose_sets)
        if place.n_folders > len(place.folders) or place.n_files > len(place.files) or search:
            key = _search_key(place.folder)
            st.session_state.setdefault(key, search)
            st.text_input(
                "Find by name",
                key=key,
                icon=":material/search:",
                placeholder="a part of the name",
                width=320,
            )
        _show_entries(at, place, wanted, choose)


def _show_roots(at: Browsing) -> None:
    places = first_places(start.roots())
    st.markdown("**Allowed folders**")
    if not places:
        allowed = ", ".join(map(str, start.roots().roots))
        show_error(f"None of the allowed folders exists: {allowed}. OPENMAX_ROOTS names others.")
    with st.container(key="places"):
        for place in places:
            _entry(str(place), ":material/folder:", at.go, place)
    st.caption("The variable OPENMAX\\_ROOTS allows others.")


def _show_ways(
    at: Browsing,
    place: Place,
    wanted: Wanted,
    choose: Callable[[Path], None],
    choose_sets: Callable[[dict[str, Path]], None] | None,
) -> None:
    """Draw the way up, and what can be taken."""
    with st.container(horizontal=True, gap="small"):
        if place.above is not None:
            st.button("Up", icon=":material/arrow_upward:", on_click=at.go, args=(place.above,))
        elif len(first_places(start.roots())) > 1:
            st.button("Allowed folders", icon=":material/home:", on_click=at.go, args=(None,))
        has_sets = place.sets.keys() >= {"train", "test"}
        if choose_sets is not None and has_sets:
            sets = {split: place.folder / name for split, name in place.sets.items()}
            names = [plain(name) for name in place.sets.values()]
            st.button(
                f"Take {', '.join(names[:-1])} and {names[-1]}",
                icon=":material/done_all:",
                on_click=choose_sets,
                args=(sets,),
            )
        if wanted.button and (place.is_workspace or not wanted.needs_workspace):
            st.button(
                wanted.button,
                icon=":material/check:",
                on_click=choose,
                args=(place.folder,),
            )


def _show_entries(
    at: Browsing, place: Place, wanted: Wanted, choose: Callable[[Path], None]
) -> None:
    with st.container(key="places"):
        for name in place.folders:
            icon = "deployed_code" if name in place.workspaces else "folder"
            _entry(name, f":material/{icon}:", at.go, place.folder / name)
        for name in place.files:
            _entry(name, ":material/draft:", choose, place.folder / name)
    hidden = [
        (place.n_folders - len(place.folders), "folders"),
        (place.n_files - len(place.files), "files"),
    ]
    for n, what in hidden:
        if n:
            st.caption(f"{n:,} more {what} are not shown. Find them by name, or type the path.")
    if not place.is_whole:
        st.caption(
            f"This folder has more than {MOST_ENTRIES:,} entries; only so many are looked at. You "
            "can type the path of others."
        )
    if place.n_unnamed:
        st.caption(
            f"{place.n_unnamed:,} are left out: their names have line breaks, or are no valid text."
        )
    if wanted.needs_workspace and place.workspaces:
        st.caption(":material/deployed_code: A workspace")


def _entry(name: str, icon: str, act: Callable[[Path], None], path: Path) -> None:
    """Draw a folder or a file."""
    key = f"place_{fingerprint(str(path))}"
    st.button(
        plain(name),
        key=key,
        icon=icon,
        type="tertiary",
        on_click=act,
        args=(path,),
        width="stretch",
    )


def _in_words(place: Place, wanted: Wanted) -> str:
    """What lies in a folder."""
    n = place.n_folders
    words = [f"{n:,} folder{'' if n == 1 else 's'}" if n else "no folders"]
    if wanted.has_pictures:
        words.append(f"{_counted(str(place.folder)).in_words} in it and below")
    if wanted.suffixes:
        count = place.n_files
        kinds = ", ".join(wanted.suffixes)
        words.append(f"{count:,} file{'' if count == 1 else 's'} of the kind {kinds}")
    if wanted.needs_workspace and not place.is_workspace:
        words.append("no workspace itself")
    return plain(" · ".join(words))


def _shown(folder: Path) -> str:
    """Path from its root on, which goes by its name."""
    for root in first_places(start.roots()):
        if folder.is_relative_to(root):
            return " / ".join((root.name or str(root), *folder.relative_to(root).parts))
    return str(folder)


def _search_key(folder: Path) -> str:
    return f"search_{fingerprint(str(folder))}"


def _search(at: Browsing) -> str:
    return str(st.session_state.get(_search_key(at.place), "")) if at.place else ""


@st.cache_data(show_spinner="Reading the folder …", ttl=5, max_entries=200)
def _opened(folder: str, suffixes: tuple[str, ...], search: str) -> Place:
    return open_place(start.roots(), folder, suffixes, search)


@st.cache_data(show_spinner="Counting pictures …", ttl=60, max_entries=500)
def _counted(folder: str) -> Count:
    return count_pictures(start.roots(), Path(folder))
