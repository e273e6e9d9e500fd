"""Finding the pictures of folders and addresses: of classes, each in its own, and of unknowns.

One function, :func:`find_files`, looks for every command, so that all go by the same rules:

* hidden files and folders, system files (``Thumbs.db``) and junk folders (``__MACOSX``) are passed
  over, but for folders right below that are named as classes;
* links are followed, and no folder is searched twice;
* a folder that may not be read is an error: its pictures would be missing without a word;
* what is no regular file, a named pipe say, is listed, and refused by name when it is read.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import FolderError, WorkspaceError
from openmax_core.pictures.locations import FoundFile, Location, RemotePath
from openmax_core.support.files import listed, printable

# What systems and network drives leave in folders, in lower case.
SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
JUNK_FOLDERS = frozenset(
    {"__macosx", "@eadir", "lost+found", "#recycle", "#snapshot", "@recycle", "$recycle.bin"}
    | {"system volume information"}
)
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


def normal(name: str) -> str:
    """Name of a class or folder as it is compared: Unicode writes an accent in two ways."""
    return unicodedata.normalize("NFC", name)


def find_class_folders(folder: Location, named: Collection[str] = ()) -> list[str]:
    """Names of the class folders below ``folder``, as they are written there, sorted.

    Parameters
    ----------
    named : classes; folders of these names count even where they are hidden or called like junk

    Raises
    ------
    WorkspaceError
        The folder does not exist, or may not be read.
    """
    known = set(map(normal, named))
    return [name for name in _folders(folder) if normal(name) in known or not is_junk(name)]


def passed_over_folders(folder: Location, named: Collection[str] = ()) -> list[str]:
    """Names of the folders below ``folder`` that :func:`find_class_folders` leaves out.

    Raises
    ------
    WorkspaceError
        The folder does not exist, or may not be read.
    """
    known = set(map(normal, named))
    return [name for name in _folders(folder) if is_junk(name) and normal(name) not in known]


def find_known_pictures(folder: Location, classes: tuple[str, ...]) -> PictureFiles:
    """Pictures of the known classes: ``folder/<class>/…``, searched to any depth.

    Raises
    ------
    WorkspaceError
        The folder is missing or holds no picture, a class folder is none of the classes, or a
        folder may not be read.
    """
    labels = {normal(name): label for label, name in enumerate(classes)}
    labels |= {name: label for label, name in enumerate(classes)}
    present = find_class_folders(folder, classes)
    surplus = [name for name in present if normal(name) not in labels and name not in labels]
    if surplus:
        raise FolderError(
            f"{folder} has the folder{'s' * (len(surplus) > 1)} {listed(surplus)} that the "
            f"classifier does not know, whose classes are {listed(classes)}",
            "rename the folder, or move its pictures to the reject set",
            "add the class under [classifier]",
        )
    if isinstance(folder, RemotePath):  # in one listing, not one a class
        found = (file for file in find_files(folder, classes) if "/" in file[0])
    else:
        found = (
            (f"{name}/{path}", size, mtime)
            for name in present
            for path, size, mtime in find_files(folder / name)
        )
    files = []
    for file in found:
        name = file[0].partition("/")[0]
        files.append((file, labels[name] if name in labels else labels[normal(name)]))
    return _picture_files(folder, sorted(files, key=lambda item: item[1]))


def empty_class_folders(files: PictureFiles, classes: tuple[str, ...]) -> list[str]:
    """Names of the class folders in which no picture was found.

    Raises
    ------
    WorkspaceError
        The folder is gone, or may not be read.
    """
    filled = {path.partition("/")[0] for path in files.paths}
    return [name for name in find_class_folders(files.folder, classes) if name not in filled]


def find_unknown_pictures(folder: Location) -> PictureFiles:
    """Pictures of the reject set: every picture below ``folder``, in sub-folders or not.

    Raises
    ------
    WorkspaceError
        The folder is missing or holds no picture, or a folder may not be read.
    """
    _folders(folder)
    return _picture_files(folder, [(file, UNKNOWN) for file in find_files(folder)])


def find_files(folder: Location, named: Collection[str] = ()) -> Iterator[FoundFile]:
    """Every file below a folder that may be a picture, a folder's files before its folders.

    Parameters
    ----------
    named : folders right below that are searched even where they are hidden or called like junk

    Raises
    ------
    WorkspaceError
        A folder may not be read; it is named, and the way out.
    """
    known = set(map(normal, named))
    if isinstance(folder, RemotePath):
        for file in folder.files():
            *folders, name = file[0].split("/")
            junk = [is_junk(item) for item in folders]
            if folders and normal(folders[0]) in known:
                junk[0] = False
            if not any(junk) and not is_system_file(name):
                yield file
        return
    # A link to the folder itself, or to one that it lies in, leads round in a circle.
    seen = set(map(str, Path(os.path.realpath(folder)).parents))
    for parent, folders, files in os.walk(folder, onerror=_cannot_list, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        is_first = parent == str(folder)
        folders[:] = sorted(
            name for name in folders if not is_junk(name) or (is_first and normal(name) in known)
        )
        for name in sorted(files):
            if not is_system_file(name):
                path = os.path.join(parent, name)
                stat = _stat(path)
                yield Path(path).relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns


def is_junk(folder: str) -> bool:
    """Tell by its name a folder that is hidden, or that no person made."""
    return folder[:1] == "." or folder.lower() in JUNK_FOLDERS


def is_system_file(name: str) -> bool:
    """Tell by its name a file that is hidden, or that no person made."""
    return name[:1] == "." or name.lower() in SYSTEM_FILES


def _folders(folder: Location) -> list[str]:
    """Names of all folders right below, sorted."""
    try:
        if isinstance(folder, RemotePath):
            return folder.folders()
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        raise FolderError(f"the folder {folder} does not exist") from None
    except OSError as error:
        _cannot_list(error)


def _stat(path: str) -> os.stat_result:
    """Size and date of a file; of the link itself where it leads nowhere.

    Such a file is listed, and its reason told when it is read.
    """
    try:
        return os.stat(path)
    except OSError:
        try:
            return os.lstat(path)
        except OSError as error:  # the folder may be listed, but nothing in it be looked at
            error.filename = os.path.dirname(path)
            _cannot_list(error)


def _cannot_list(error: OSError) -> NoReturn:
    folder = printable(error.filename)
    is_refused = isinstance(error, PermissionError)
    way_out = f"allow it (chmod u+rx '{folder}')" if is_refused else "check the disk"
    raise WorkspaceError(
        f"cannot read the folder {folder} ({error.strerror}), so that its pictures would be "
        f"missing: {way_out}, or move it away, and run it again"
    ) from error


def _picture_files(folder: Location, found: list[tuple[FoundFile, int]]) -> PictureFiles:
    if not found:
        raise FolderError(f"{folder} holds no pictures", "put them there")
    files, labels = zip(*found, strict=True)
    paths, sizes, mtimes = zip(*files, strict=True)
    for path in paths:
        try:
            path.encode("utf-8")
        except UnicodeEncodeError:
            raise WorkspaceError(
                f"the name of the file {printable(f'{folder}/{path}')} is no valid text; rename it"
            ) from None
    return PictureFiles(
        folder, paths, *(np.array(values, dtype=np.int64) for values in (labels, sizes, mtimes))
    )
