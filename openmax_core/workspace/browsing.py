"""Folders under the allowed roots, to choose from: what lies in one, and what a new one is called.

Nothing outside the roots is listed, links that lead out of them included. Hidden folders and those
that a system made are left out, as where pictures are looked for
(:mod:`openmax_core.pictures.folders`).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from openmax_core.errors import WorkspaceError
from openmax_core.pictures.folders import is_junk, is_system_file
from openmax_core.support.files import NOT_FOR_A_LINE
from openmax_core.workspace.access import AllowedRoots
from openmax_core.workspace.settings import FILE_NAME

MOST_ENTRIES = 20_000  # of a folder that are looked at; of one and all below it where it counts
MOST_SHOWN = 100  # folders, and files, of a place
# Of pictures, by the ends of their names alone: whether they are any, only decoding tells.
PICTURE_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "heic", "heif"),
        *("avif", "jp2", "j2k", "ppm", "pgm", "pnm", "tga"),
    )
)
# What people call the sets of a data set, the usual name first.
SET_NAMES = {
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "valid", "validation"),
    "reject": ("reject", "unknown", "unknowns", "ood"),
}


@dataclass(frozen=True)
class Place:
    """A folder under the roots, opened.

    Attributes
    ----------
    folder : Path
        Absolute, links resolved.
    above : Path or None
        The folder that it lies in; None where that is not allowed.
    folders, files : tuple of str
        Names in it, sorted, at most :data:`MOST_SHOWN` of each; files of the wanted kind alone.
    n_folders, n_files : int
        How many there are, of those that were looked at.
    sets : dict of str to str
        Names of the sub-folders that stand for train, test and reject.
    workspaces : frozenset of str
        Those of ``folders`` that are workspaces.
    is_workspace : bool
        It is one itself.
    n_unnamed : int
        Folders and files whose names are no text on one line: they are left out.
    is_whole : bool
        All entries were looked at, not the first :data:`MOST_ENTRIES` alone.
    """

    folder: Path
    above: Path | None
    folders: tuple[str, ...]
    files: tuple[str, ...]
    n_folders: int
    n_files: int
    sets: dict[str, str]
    workspaces: frozenset[str]
    is_workspace: bool
    n_unnamed: int
    is_whole: bool


@dataclass(frozen=True)
class Count:
    """How many pictures lie in a folder and below, by their names; at least, if not whole."""

    n_pictures: int
    is_whole: bool

    @property
    def in_words(self) -> str:
        """The number, for people."""
        if not self.n_pictures:
            return "no pictures" if self.is_whole else "no pictures among the first files"
        more = "" if self.is_whole else "more than "
        return f"{more}{self.n_pictures:,} picture{'' if self.n_pictures == 1 else 's'}"


def first_places(roots: AllowedRoots) -> list[Path]:
    """Folders that browsing begins with: the roots that exist and lie in no other one."""
    found = [root for root in dict.fromkeys((*roots.searched, *roots.roots)) if root.is_dir()]
    return [root for root in found if not any(other in root.parents for other in found)]


def open_place(
    roots: AllowedRoots, folder: str | Path, suffixes: Collection[str] = (), search: str = ""
) -> Place:
    """Look what lies in a folder.

    Parameters
    ----------
    suffixes : of the files to list, in lower case with their dots; no files without
    search : lists only names that hold this text, in upper or lower case

    Raises
    ------
    WorkspaceError
        It does not lie under the roots, is no folder, or may not be read.
    """
    path = roots.check(folder)
    folders: list[str] = []
    files: list[str] = []
    wanted, n_unnamed, is_whole = search.casefold(), 0, False
    try:
        with os.scandir(path) as entries:
            for _, entry in zip(range(MOST_ENTRIES), entries, strict=False):
                is_folder = _is_folder(roots, entry)
                if is_folder is None or (
                    not is_folder and not entry.name.lower().endswith(tuple(suffixes) or "\0")
                ):
                    continue
                if NOT_FOR_A_LINE.search(entry.name):
                    n_unnamed += 1
                else:
                    (folders if is_folder else files).append(entry.name)
            is_whole = next(entries, None) is None
    except OSError as error:
        raise _cannot_open(path, error) from error
    sets = named_sets(folders)
    folders, files = (
        sorted((name for name in names if wanted in name.casefold()), key=_in_order)
        for names in (folders, files)
    )
    shown = tuple(folders[:MOST_SHOWN])
    return Place(
        path,
        path.parent if path.parent != path and roots.has(path.parent) else None,
        shown,
        tuple(files[:MOST_SHOWN]),
        len(folders),
        len(files),
        sets,
        frozenset(name for name in shown if (path / name / FILE_NAME).is_file()),
        (path / FILE_NAME).is_file(),
        n_unnamed,
        is_whole,
    )


def named_sets(folders: Iterable[str]) -> dict[str, str]:
    """Those of the names of folders that stand for train, test and reject, by set."""
    by_name = {name.casefold(): name for name in folders}
    found = {
        split: next((by_name[name] for name in names if name in by_name), "")
        for split, names in SET_NAMES.items()
    }
    return {split: name for split, name in found.items() if name}


def count_pictures(roots: AllowedRoots, folder: Path) -> Count:
    """Count pictures in a folder and below, until :data:`MOST_ENTRIES` entries were looked at.

    What may not be read, or lies outside the roots, counts nothing.

    Raises
    ------
    WorkspaceError
        The folder does not lie under the roots.
    """
    waiting, seen = deque([roots.check(folder)]), set()
    left, n_pictures = MOST_ENTRIES, 0
    while waiting:
        here = waiting.popleft()
        if here in seen:
            continue
        seen.add(here)
        for entry in _entries(here):
            if not left:
                return Count(n_pictures, False)
            left -= 1
            is_folder = _is_folder(roots, entry)
            if is_folder:
                path = Path(entry.path)
                waiting.append(path.resolve() if entry.is_symlink() else path)
            elif is_folder is False:
                n_pictures += Path(entry.name).suffix.lower() in PICTURE_SUFFIXES
    return Count(n_pictures, True)


def propose_folder(roots: AllowedRoots, data: Path | None, folder: Path | None = None) -> Path:
    """Path of a new workspace that does not exist yet.

    Parameters
    ----------
    data : folder of training pictures, or a table, that it is called after
    folder : it will lie in; the first root that may be written without

    Raises
    ------
    WorkspaceError
        None of the roots exists.
    """
    if folder is None:
        places = first_places(roots)
        if not places:
            raise WorkspaceError(
                "none of the allowed folders exists: "
                + (", ".join(map(str, roots.roots)) or "there are none")
            )
        folder = next((place for place in places if os.access(place, os.W_OK)), places[0])
    name = "workspace" if data is None else _name_of(data)
    for proposed in (name, f"{name}-workspace"):
        if not (folder / proposed).exists():
            return folder / proposed
    number = 2
    while (folder / f"{name}-workspace-{number}").exists():
        number += 1
    return folder / f"{name}-workspace-{number}"


def _name_of(data: Path) -> str:
    """Name of a data set by its training pictures: 'flowers' of flowers/train or flowers.csv."""
    usual = {name for names in SET_NAMES.values() for name in names}
    named = data.with_suffix("") if data.is_file() else data
    name = named.parent.name if named.name.casefold() in usual else named.name
    return NOT_FOR_A_LINE.sub("", name).strip(" .") or "workspace"


def _is_folder(roots: AllowedRoots, entry: os.DirEntry[str]) -> bool | None:
    """Tell a folder from a file; None for what is hidden, neither, or leads out of the roots."""
    with suppress(OSError, RuntimeError):
        if entry.is_symlink() and not roots.has(Path(entry.path)):
            return None
        if entry.is_dir():
            return None if is_junk(entry.name) else True
        if entry.is_file():
            return None if is_system_file(entry.name) else False
    return None


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        yield from entries


def _in_order(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _cannot_open(path: Path, error: OSError) -> WorkspaceError:
    if isinstance(error, FileNotFoundError):
        return WorkspaceError(f"there is no folder {path}")
    if isinstance(error, NotADirectoryError):
        return WorkspaceError(f"{path} is a file, not a folder")
    is_refused = isinstance(error, PermissionError)
    way_out = f"allow it (chmod u+rx '{path}')" if is_refused else "check the disk"
    return WorkspaceError(f"cannot read the folder {path} ({error.strerror}): {way_out}")
