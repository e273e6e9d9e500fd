"""Finding the pictures of folders and addresses: of classes, each in its own, and of unknowns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import WorkspaceError
from openmax_core.pictures.locations import FoundFile, Location, RemotePath
from openmax_core.support.files import printable

SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini"})
UNKNOWN = -1


@dataclass(frozen=True)
class PictureFiles:
    """Picture files of one split, in a stable order.

    Attributes
    ----------
    folder : Path or RemotePath
    paths : tuple of N str
        Relative to ``folder``, with forward slashes.
    labels : (N,) int64
        Class index, −1 for unknowns.
    sizes, mtimes : (N,) int64
        Bytes and nanoseconds, as the file system gives them.
    """

    folder: Location
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)


def find_class_folders(folder: Location) -> list[str]:
    """Names of the class folders below ``folder``, sorted.

    Raises
    ------
    WorkspaceError
        The folder does not exist, or its file system does not list it.
    """
    if isinstance(folder, RemotePath):
        try:
            return [name for name in folder.folders() if name[0] != "."]
        except FileNotFoundError:
            raise _missing(folder) from None
    if not folder.is_dir():
        raise _missing(folder)
    return sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != "."
    )


def find_known_pictures(folder: Location, classes: tuple[str, ...]) -> PictureFiles:
    """Pictures of the known classes: ``folder/<class>/…``, searched to any depth.

    Raises
    ------
    WorkspaceError
        The folder is missing or holds no picture, or a class folder is none of the classes.
    """
    present = find_class_folders(folder)
    surplus = [name for name in present if name not in classes]
    if surplus:
        raise WorkspaceError(
            f"{folder} has the folder{'s' * (len(surplus) > 1)} {quoted(surplus)} that the "
            f"classifier does not know; its classes are {quoted(classes)}. Rename the folder, add "
            "the class under [classifier] in workspace.toml, or move its pictures to the reject set"
        )
    labels = {name: label for label, name in enumerate(classes)}
    if isinstance(folder, RemotePath):  # in one listing, not one a class
        found = (file for file in _listed(folder) if "/" in file[0])
    else:
        found = (
            (f"{name}/{path}", size, mtime)
            for name in present
            for path, size, mtime in _walk(folder / name)
        )
    files = [(file, labels[file[0].partition("/")[0]]) for file in found]
    return _picture_files(folder, sorted(files, key=lambda item: item[1]))


def find_unknown_pictures(folder: Location) -> PictureFiles:
    """Pictures of the reject set: every picture below ``folder``, in sub-folders or not.

    Raises
    ------
    WorkspaceError
        The folder is missing or holds no picture.
    """
    find_class_folders(folder)
    found = _listed(folder) if isinstance(folder, RemotePath) else _walk(folder)
    return _picture_files(folder, [(file, UNKNOWN) for file in found])


def _missing(folder: Location) -> WorkspaceError:
    return WorkspaceError(
        f"the folder {folder} does not exist; correct it under [folders] in workspace.toml"
    )


def _picture_files(folder: Location, found: list[tuple[FoundFile, int]]) -> PictureFiles:
    if not found:
        raise WorkspaceError(
            f"{folder} holds no pictures; put them there, or correct the folder under [folders] in "
            "workspace.toml"
        )
    files, labels = zip(*found, strict=True)
    paths, sizes, mtimes = zip(*files, strict=True)
    return PictureFiles(
        folder, paths, *(np.array(values, dtype=np.int64) for values in (labels, sizes, mtimes))
    )


def _listed(folder: RemotePath) -> Iterator[FoundFile]:
    """As :func:`_walk`, of an address."""
    for file in folder.files():
        parts = file[0].split("/")
        if not any(part[:1] == "." for part in parts) and parts[-1].lower() not in SYSTEM_FILES:
            yield file


def _walk(folder: Path) -> Iterator[FoundFile]:
    """Every visible file, sorted; links are followed."""
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        folders[:] = sorted(name for name in folders if name[0] != ".") if real not in seen else []
        if real in seen:
            continue
        seen.add(real)
        for name in sorted(files):
            if name[0] == "." or name.lower() in SYSTEM_FILES:
                continue
            path = os.path.join(parent, name)
            try:
                path.encode("utf-8")
            except UnicodeEncodeError:
                raise WorkspaceError(
                    f"the name of the file {printable(path)} is no valid text; rename it"
                ) from None
            try:
                stat = os.stat(path)
            except OSError:
                stat = os.lstat(path)  # a dangling link: listed, and reported when it is opened
            yield Path(path).relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns


def quoted(names: Sequence[str], most: int = 8) -> str:
    """Names in quotes, the first of many and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
