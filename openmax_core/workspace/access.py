"""Which folders the dashboard may open: only those under the allowed roots.

The person who starts the server says which: ``OPENMAX_ROOTS`` (paths separated as in ``PATH``),
the present folder without; the demos' folders always; and a workspace named at the start, with the
picture folders and weights that it names. Addresses are allowed in the same two ways: nobody else
makes the server talk to a host.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.pictures.locations import Location, RemotePath, is_address, require_path
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace

LOG = logging.getLogger(__name__)
VARIABLE = "OPENMAX_ROOTS"
MAX_DEPTH = 2
MAX_FOUND = 200


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
        named = [item for item in locations if isinstance(item, RemotePath)]
        if workspace.settings.classifier.weights is not None:
            folders.append(workspace.classifier.weights_path)
        return AllowedRoots(
            tuple(dict.fromkeys([*self.roots, *folders])),
            self.searched,
            tuple(dict.fromkeys([*self.addresses, *named])),
        )

    def check(self, path: str | Path) -> Path:
        """Return the absolute path, links resolved, if it lies under a root.

        Raises
        ------
        WorkspaceError
            It does not; the message says how to allow it.
        """
        require_path(str(path), "what is opened here")
        try:
            resolved = Path(path).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise WorkspaceError(f"{path!r} is no path: {error}") from error
        if not any(resolved.is_relative_to(root) for root in self.roots):
            allowed = ", ".join(map(str, self.roots))
            raise WorkspaceError(
                f"{resolved} is not under an allowed folder ({allowed}). Start the dashboard with "
                f"{VARIABLE}={resolved.parent} to allow it"
            )
        return resolved

    def check_pictures(self, folder: str | Location) -> Location:
        """As :meth:`check`, of a folder of pictures, which may be an address.

        Raises
        ------
        WorkspaceError
            It is not allowed; the message says how to allow it.
        """
        if isinstance(folder, Path) or not is_address(str(folder)):
            return self.check(str(folder))
        address = RemotePath.parse(str(folder))
        if not any(address.is_under(root) for root in self.addresses):
            allowed = ", ".join(map(str, self.addresses)) or "there are none"
            raise WorkspaceError(
                f"{address} is not under an allowed address ({allowed}). Start the dashboard with "
                f"it in {VARIABLE}, or with the workspace in OPENMAX_WORKSPACE, to allow it"
            )
        return address

    def open(self, folder: str | Path) -> Workspace:
        """Open a workspace that lies, with all it names, under the roots.

        Raises
        ------
        WorkspaceError
            It does not, or is no workspace.
        """
        workspace = Workspace.open(self.check(folder))
        for split in workspace.pictures.splits:
            self.check_pictures(workspace.pictures.location(split))
        if workspace.settings.classifier.weights is not None:
            self.check(workspace.classifier.weights_path)
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
