"""Which folders the dashboard may open: only those under the allowed roots.

The person who starts the server says which: ``OPENMAX_ROOTS`` (paths separated as in ``PATH``),
the present folder without; the demos' folders always; and a workspace named at the start, with the
picture folders and weights that it names. Addresses are allowed in the same two ways: nobody else
makes the server talk to a host.

A refusal names what was asked for as the visitor wrote it, and the roots that ``OPENMAX_ROOTS``
names, which visitors may know. Where a link leads, and how to start with one more folder, is in the
server's log, for the person who started it. What exists outside the roots, no visitor learns. In
what a page says, paths begin at the root (:meth:`AllowedRoots.shown`).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from shlex import quote

from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.pictures.locations import Location, RemotePath, is_address, require_path
from openmax_core.support.files import nearest, printable
from openmax_core.workspace.settings import FILE_NAME, not_there
from openmax_core.workspace.workspace import Workspace

LOG = logging.getLogger(__name__)
VARIABLE = "OPENMAX_ROOTS"
MAX_DEPTH = 2
# What the dashboard itself reads and writes in a workspace.
OWN = (FILE_NAME, "activations", "batches", "operating_point.json", "operating_points.json")
UNFINISHED = "*-unfinished.*"  # of a training
MAX_FOUND = 200
HOW_TO_ALLOW = f"Whoever started the dashboard can add it to {VARIABLE}; the server's log says how"


@dataclass(frozen=True)
class AllowedRoots:
    """Folders below which anything may be opened.

    Attributes
    ----------
    roots : tuple of absolute Paths, links resolved
    searched : tuple of those roots in which :meth:`find` looks for workspaces
    addresses : tuple of RemotePaths, of which those below are allowed for pictures
    named : those of the roots that a refusal names
    variable : value of ``OPENMAX_ROOTS`` that stands for them
    """

    roots: tuple[Path, ...]
    searched: tuple[Path, ...] = ()
    addresses: tuple[RemotePath, ...] = ()
    named: tuple[Path, ...] = ()
    variable: str = ""

    @classmethod
    def from_environment(cls, *further: Path) -> AllowedRoots:
        """Roots of ``OPENMAX_ROOTS``, or the present folder, and ``further`` ones."""
        separated = re.split(re.escape(os.pathsep) + "(?!//)", os.environ.get(VARIABLE, ""))
        items = [item for item in separated if item]
        addresses = tuple(_addresses(item for item in items if is_address(item)))
        local = [item for item in items if not is_address(item)] or ["."]
        named = _resolved(map(Path, local))
        for path in named:
            if not path.exists():
                LOG.warning("%s: %s does not exist%s", VARIABLE, path, nearest(path))
        roots = tuple(dict.fromkeys((*named, *_resolved(further))))
        has_local = any(not is_address(item) for item in items)
        variable = os.pathsep.join([*items, *(() if has_local else map(str, named))])
        return cls(roots, roots, addresses, named, variable)

    def including(self, workspace: Workspace) -> AllowedRoots:
        """Return these and the folders of a workspace that the server was started with."""
        locations = [workspace.pictures.location(split) for split in workspace.pictures.splits]
        folders = [workspace.folder, *(item for item in locations if isinstance(item, Path))]
        linked = [link.resolve() for link in _links(workspace.folder)]
        folders += [path for path in linked if not path.is_relative_to(workspace.folder)]
        named = [item for item in locations if isinstance(item, RemotePath)]
        if workspace.settings.classifier.file is not None:
            folders.append(workspace.classifier.weights_path)
        return replace(
            self,
            roots=tuple(dict.fromkeys([*self.roots, *folders])),
            addresses=tuple(dict.fromkeys([*self.addresses, *named])),
        )

    def has(self, path: Path) -> bool:
        """Tell whether a path, links resolved, lies under a root."""
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError, ValueError):
            return False
        return any(resolved.is_relative_to(root) for root in self.roots)

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
                "%s is not under an allowed folder (%s). %s",
                printable(resolved),
                ", ".join(map(str, self.roots)),
                self._way_to_allow(resolved),
            )
            raise WorkspaceError(
                f"{shown or path} is not under an allowed folder. Allowed are the folders under "
                f"{' and '.join(map(str, self.names))}. {HOW_TO_ALLOW}"
            )
        return resolved

    @property
    def names(self) -> tuple[Path, ...]:
        """Roots as a refusal names them; none that lies in another."""
        named = self.named or self.roots
        return tuple(
            root
            for root in named
            if not any(root != other and root.is_relative_to(other) for other in named)
        )

    def _way_to_allow(self, asked: Path | RemotePath) -> str:
        """How to start with what was asked for allowed as well, and nothing else."""
        if isinstance(asked, Path) and asked == Path(asked.anchor):
            return "It is the whole disk: allow a folder of it instead"
        # A colon would end the address here.
        added = str(asked) if isinstance(asked, Path) else _escaped(str(asked))
        value = os.pathsep.join(
            filter(None, [self.variable or os.pathsep.join(map(str, self.names)), added])
        )
        gone = "" if isinstance(asked, RemotePath) or asked.exists() else ", which does not exist"
        return f"To allow it{gone}, start with {VARIABLE}={quote(printable(value))}"

    def shown(self, text: str) -> str:
        """Text for visitors: paths under a root begin there; the root itself goes by its name.

        A root that a refusal names stays as it is, for visitors type it.
        """
        for root in sorted(self.roots, key=lambda root: len(str(root)), reverse=True):
            if root.name:
                beginning = rf"(?<![\w./\\-]){re.escape(str(root))}"
                text = re.sub(rf"{beginning}[/\\](?=\S)", "", text)
                if root not in self.named:
                    name = root.name.replace("\\", r"\\")
                    text = re.sub(rf"{beginning}(?![\w-])", name, text)
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
            LOG.warning(
                "%s is not under an allowed address (%s). %s",
                address,
                allowed,
                self._way_to_allow(address),
            )
            named = f". Allowed are those under {allowed}" if self.addresses else f" ({allowed})"
            raise WorkspaceError(
                f"{shown or address} is not under an allowed address{named}. {HOW_TO_ALLOW}"
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
        if not resolved.exists():
            holding = [root for root in self.roots if resolved.is_relative_to(root)]
            # Of a root that is not there, what lies beside it is outside the roots.
            is_inside = any(root.exists() for root in holding)
            raise WorkspaceError(not_there(resolved, has_hint=is_inside))
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
    waiting += workspace.glob(UNFINISHED)
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


def _resolved(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(path.expanduser().resolve() for path in paths))


def _escaped(address: str) -> str:
    """An address as it stands among paths: a colon in it would end it."""
    kind, mark, rest = address.partition("://")
    return kind + mark + rest.replace(":", "%3A")


def _addresses(named: Iterable[str]) -> Iterable[RemotePath]:
    for item in named:
        try:
            yield RemotePath.parse(item)
        except WorkspaceError as error:
            LOG.warning("%s: %s", VARIABLE, error)
