"""Which folders the dashboard may open: only those under the allowed roots.

The person who starts the server says which: ``OPENMAX_ROOTS`` (paths separated as in ``PATH``),
the present folder without; the demos' folders always; and a workspace named at the start, with the
picture folders and weights that it names. Addresses are allowed in the same two ways: nobody else
makes the server talk to a host.

A refusal names what was asked for as the visitor wrote it. Where that leads, and which folders are
allowed, is in the server's log, for the person who started it. In what a page says, paths begin at
the root (:meth:`AllowedRoots.shown`).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.pictures.locations import Location, RemotePath, is_address, require_path
from openmax_core.support.files import printable
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace

LOG = logging.getLogger(__name__)
VARIABLE = "OPENMAX_ROOTS"
MAX_DEPTH = 2
# What the dashboard itself reads and writes in a workspace.
OWN = (FILE_NAME, "activations", "batches", "operating_point.json", "operating_points.json")
MAX_FOUND = 200
HOW_TO_ALLOW = (
    f"Whoever started the dashboard can allow it with {VARIABLE}; the server's log says how"
)


@dataclass(frozen=True)
class AllowedRoots:
    """Folders below which anything may be opened.

    Attributes
    ----------
    roots : tuple of absolute Paths, links resolved
    searched : tuple of those roots in which :meth:`find` looks for workspaces
    addresses : tuple of RemotePaths, of which those below are allowed for pictures
    """

    roots: tuple[Path, ...]
    searched: tuple[Path, ...] = ()
    addresses: tuple[RemotePath, ...] = ()

    @classmethod
    def from_environment(cls, *further: Path) -> AllowedRoots:
        """Roots of ``OPENMAX_ROOTS``, or the present folder, and ``further`` ones."""
        separated = re.split(re.escape(os.pathsep) + "(?!//)", os.environ.get(VARIABLE, ""))
        named = [item for item in separated if item]
        addresses = tuple(_addresses(item for item in named if is_address(item)))
        local = [item for item in named if not is_address(item)]
        paths = [*map(Path, local or ["."]), *further]
        roots = tuple(dict.fromkeys(path.expanduser().resolve() for path in paths))
        return cls(roots, roots, addresses)

    def including(self, workspace: Workspace) -> AllowedRoots:
        """Return these and the folders of a workspace that the server was started with."""
        locations = [workspace.pictures.location(split) for split in workspace.pictures.splits]
        folders = [workspace.folder, *(item for item in locations if isinstance(item, Path))]
        linked = [link.resolve() for link in _links(workspace.folder)]
        folders += [path for path in linked if not path.is_relative_to(workspace.folder)]
        named = [item for item in locations if isinstance(item, RemotePath)]
        if workspace.settings.classifier.file is not None:
            folders.append(workspace.classifier.weights_path)
        return AllowedRoots(
            tuple(dict.fromkeys([*self.roots, *folders])),
            self.searched,
            tuple(dict.fromkeys([*self.addresses, *named])),
        )

    def check(self, path: str | Path, shown: str | None = None) -> Path:
        """Return the absolute path, links resolved, if it lies under a root.

        Parameters
        ----------
        shown : what a refusal calls it; the path as it is written without

        Raises
        ------
        WorkspaceError
            It does not; the message says how to allow it.
        """
        require_path(str(path), "what is opened here")
        try:
            resolved = Path(path).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise WorkspaceError(f"{str(shown or path)!r} is no path: {reason}") from error
        if not any(resolved.is_relative_to(root) for root in self.roots):
            LOG.warning(
                "%s is not under an allowed folder (%s). Start with %s=%s to allow it",
                printable(resolved),
                ", ".join(map(str, self.roots)),
                VARIABLE,
                printable(resolved.parent),
            )
            raise WorkspaceError(f"{shown or path} is not under an allowed folder. {HOW_TO_ALLOW}")
        return resolved

    def shown(self, text: str) -> str:
        """Text for visitors: paths under a root begin there; the root itself goes by its name."""
        for root in sorted(self.roots, key=lambda root: len(str(root)), reverse=True):
            if root.name:
                beginning = rf"(?<![\w./\\-]){re.escape(str(root))}"
                text = re.sub(rf"{beginning}[/\\](?=\S)", "", text)
                text = re.sub(rf"{beginning}(?![\w-])", root.name.replace("\\", r"\\"), text)
        return text

    def check_pictures(self, folder: str | Location, shown: str | None = None) -> Location:
        """As :meth:`check`, of pictures or a folder of them, which may be at an address.

        Raises
        ------
        WorkspaceError
            It is not allowed; the message says how to allow it.
        """
        if isinstance(folder, Path) or (isinstance(folder, str) and not is_address(folder)):
            return self.check(folder, shown)
        address = folder if isinstance(folder, RemotePath) else RemotePath.parse(str(folder))
        if not any(address.is_under(root) for root in self.addresses):
            allowed = ", ".join(map(str, self.addresses)) or "there are none"
            LOG.warning("%s is not under an allowed address (%s)", address, allowed)
            none = "" if self.addresses else " (there are none)"
            raise WorkspaceError(
                f"{shown or address} is not under an allowed address{none}. {HOW_TO_ALLOW}"
            )
        return address

    def picture(self, workspace: Workspace, split: str, path: str) -> Location:
        """Find a picture that a workspace's stored table names, if it lies under the roots.

        Raises
        ------
        WorkspaceError
            It leads out of the split's folder, or is not allowed.
        """
        return self.check_pictures(workspace.pictures.picture(split, path), f"{split}/{path}")

    def open(self, folder: str | Path) -> Workspace:
        """Open a workspace that lies, with all it names, under the roots.

        Raises
        ------
        WorkspaceError
            It does not, or is no workspace.
        """
        resolved = self.check(folder)
        for link in _links(resolved):
            self.check(link, f"the link {link.relative_to(resolved)} in the workspace")
        workspace = Workspace.open(resolved)
        for split in workspace.pictures.splits:
            location = workspace.pictures.location(split)
            where = "tables" if workspace.settings.tables else "folders"
            self.check_pictures(location, f"{split}, which the workspace names under [{where}],")
        if workspace.settings.classifier.file is not None:
            self.check(workspace.classifier.weights_path, "the weights file of the workspace")
        return workspace

    def find(self) -> list[Path]:
        """Workspace folders up to two levels below the searched roots, at most 200."""
        patterns = ["*/" * depth + FILE_NAME for depth in range(MAX_DEPTH + 1)]
        found: dict[Path, None] = {}
        for root in self.searched:
            names = [name for pattern in patterns for name in glob(pattern, root_dir=root)]
            for folder in sorted((root / name).parent for name in names):
                resolved = folder.resolve()
                inside = any(resolved.is_relative_to(item) for item in self.roots)
                if inside and (folder / FILE_NAME).is_file():
                    found[resolved] = None
        return list(found)[:MAX_FOUND]


def _links(workspace: Path) -> Iterable[Path]:
    """Links among what the dashboard itself reads and writes in a workspace folder."""
    waiting = [workspace / name for name in OWN]
    while waiting:
        path = waiting.pop()
        if path.is_symlink():
            yield path
        elif path.is_dir():
            with suppress(OSError), os.scandir(path) as entries:
                found = [entry for entry in entries if entry.is_symlink() or entry.is_dir()]
                waiting += [path / entry.name for entry in found]


def workspace_names(
    folders: Iterable[Path], names: Mapping[Path, str] | None = None
) -> dict[str, Path]:
    """Distinct names to show for workspace folders.

    One that cannot be read, or is not made yet, goes by its name in ``names``, or by its folder.
    """
    named: dict[str, Path] = {}
    for folder in folders:
        try:
            name = Workspace.open(folder).settings.name
        except OpenMaxError:
            name = (names or {}).get(folder, folder.name)
        named[name if name not in named else f"{name} ({folder})"] = folder
    return named


def _addresses(named: Iterable[str]) -> Iterable[RemotePath]:
    for item in named:
        try:
            yield RemotePath.parse(item)
        except WorkspaceError as error:
            LOG.warning("%s: %s", VARIABLE, error)
