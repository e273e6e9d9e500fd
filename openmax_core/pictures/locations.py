"""Picture folders that are addresses: ``s3://bucket/prefix``, ``file:///folder``.

A folder on this machine is a :class:`~pathlib.Path`, as ever; an address is a
:class:`RemotePath`, which goes through ``pyarrow.fs`` and can be listed, joined and read, wherever
it is opened: it is sent to other machines as it is. Credentials never stand in an address: S3's
come from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE), ~/.aws, or
the machine's role. For another server than Amazon's: AWS_ENDPOINT_URL, or
``s3://bucket/prefix?endpoint_override=host%3A9000&scheme=http``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from openmax_core.errors import WorkspaceError
from openmax_core.support.files import nearest

SCHEMES = ("s3", "file")
MARK = "://"
WAYS_OUT = {
    "s3": "check the address, the network and the credentials (AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or ~/.aws), and run it again",
    "file": "check the address and its permissions, and run it again",
}


# A file below a folder: its path relative to it, with forward slashes; bytes; date in nanoseconds.
FoundFile = tuple[str, int, int]


@dataclass(frozen=True)
class RemotePath:
    """A folder or file at an address; use :meth:`parse`.

    Attributes
    ----------
    root : str
        Address of a folder, percent-encoded.
    relative : str
        Below it, with forward slashes, as it is; empty for the folder itself.
    """

    root: str
    relative: str = ""

    @classmethod
    def parse(cls, address: str) -> RemotePath:
        """Check an address; what may not stand in one is encoded.

        Raises
        ------
        WorkspaceError
            Its kind is not known, it has credentials or '..', or a part is missing.
        """
        try:
            parts = urlsplit(address)
            has_port = parts.port is not None
        except ValueError as error:
            raise WorkspaceError(f"{address} is no address: {error}") from error
        if parts.scheme not in SCHEMES:
            known = " and ".join(scheme + MARK for scheme in SCHEMES)
            raise WorkspaceError(f"{parts.scheme}{MARK}… is not known; folders may be {known}")
        if "@" in parts.netloc:
            raise WorkspaceError(
                f"credentials must not stand in an address ({parts.scheme}{MARK}…): set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use ~/.aws"
            )
        path = quote(parts.path.rstrip("/"), safe="/%!$&'()*+,;=~-._:@")
        if {".", ".."} & set(unquote(path).split("/")):
            raise WorkspaceError(f"{address} must not hold '.' or '..'; write the folder itself")
        if parts.fragment:
            raise WorkspaceError(f"{address} must not hold '#'; write it as %23")
        if parts.scheme == "file" and (parts.netloc or parts.query or not path):
            raise WorkspaceError(f"{address} must be file:///folder, with three slashes")
        if parts.scheme == "s3" and (not parts.netloc or has_port):
            raise WorkspaceError(f"{address} must be s3://bucket/prefix")
        query = f"?{parts.query}" if parts.query else ""
        return cls(f"{parts.scheme}{MARK}{parts.netloc}{path}{query}")

    def __truediv__(self, name: str) -> RemotePath:
        return replace(self, relative=f"{self.relative}/{name}" if self.relative else name)

    def __str__(self) -> str:
        if not self.relative:
            return self.root
        folder, _, _ = self.root.partition("?")
        return f"{folder}/{self.relative}"

    def is_under(self, other: RemotePath) -> bool:
        """Tell whether this is the other folder, or lies in it, on the same server."""
        mine, its = urlsplit(self.root), urlsplit(other.root)
        if (mine.scheme, mine.netloc, mine.query) != (its.scheme, its.netloc, its.query):
            return False
        inner, outer = Path(unquote(mine.path) or "/"), Path(unquote(its.path) or "/")
        if mine.scheme == "file":
            inner, outer = inner.resolve(), outer.resolve()
        return inner.is_relative_to(outer)

    def exists(self) -> bool:
        """Tell whether something is there.

        Raises
        ------
        WorkspaceError
            The file system does not answer.
        """
        from pyarrow import fs

        with self._reached() as (system, path):
            return bool(system.get_file_info(path).type != fs.FileType.NotFound)

    def read_bytes(self) -> bytes:
        """Read the whole file.

        Raises
        ------
        FileNotFoundError
            It is not there.
        WorkspaceError
            The file system does not give it: no permission, no answer; or it is no regular file.
        """
        with self._reached() as (system, path):
            kind = why_irregular(Path(path)) if system.type_name == "local" else ""
        if kind:
            raise WorkspaceError(f"cannot read {self}: {kind}")
        with self._reached() as (system, path), system.open_input_file(path) as stream:
            content: bytes = stream.readall()
        return content

    def folders(self) -> list[str]:
        """Names of the folders in this one, sorted.

        Raises
        ------
        FileNotFoundError
            It is not there.
        WorkspaceError
            The file system does not list it.
        """
        from pyarrow.fs import FileType

        infos = self._infos(recursive=False)
        return sorted(info.base_name for info in infos if info.type == FileType.Directory)

    def files(self) -> list[FoundFile]:
        """Files below, at any depth: per folder the files first, by name, then its folders.

        Raises
        ------
        FileNotFoundError
            The folder is not there.
        WorkspaceError
            The file system does not list it.
        """
        from pyarrow.fs import FileType

        infos = self._infos(recursive=True)
        with self._reached() as (_, folder):
            start = len(folder.rstrip("/")) + 1
        # Others than files too, a named pipe say: they are refused by name when they are read.
        files = (info for info in infos if info.type != FileType.Directory)
        found = [(info.path[start:], info.size or 0, info.mtime_ns or 0) for info in files]
        return sorted(found, key=lambda file: _in_order(file[0]))

    def _infos(self, recursive: bool) -> list[Any]:
        from pyarrow import fs

        with self._reached() as (system, path):
            infos: list[Any] = system.get_file_info(fs.FileSelector(path, recursive=recursive))
            return infos

    @contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        """File system and path; its errors in our words."""
        import pyarrow

        try:
            system, path = _file_system(self.root)
            yield system, f"{path}/{self.relative}" if self.relative else path
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self)) from None
        except (OSError, UnicodeDecodeError, pyarrow.ArrowException) as error:
            reason = str(error).splitlines()[0].rstrip(". ")
            way_out = WAYS_OUT[urlsplit(self.root).scheme]
            raise WorkspaceError(f"cannot read {self} ({reason}): {way_out}") from error


Location = Path | RemotePath


def is_address(text: str) -> bool:
    """Tell an address from a path."""
    return MARK in text


def require_path(text: str, what: str) -> Path:
    """Return the path of a text where only paths can be used.

    Raises
    ------
    WorkspaceError
        It is an address; what was given, and what to do, is said.
    """
    if is_address(text):
        raise WorkspaceError(
            f"{what} must lie in a folder of this machine, not at {text}: copy it here, or mount "
            "it; only the picture folders of a workspace may be addresses"
        )
    return Path(text)


def require_there(path: Path) -> os.stat_result:
    """Look at a file or folder that somebody named.

    Raises
    ------
    WorkspaceError
        There is none, or it may not be looked at.
    """
    try:
        return path.stat()
    except FileNotFoundError as error:
        hint = nearest(path.absolute())
        raise WorkspaceError(f"there is no file or folder {path}{hint}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WorkspaceError(
            f"cannot look at {path} ({reason}); check its permissions and those of its folders"
        ) from error


def why_irregular(path: Path) -> str:
    """Say why a path is never opened: it is no regular file; '' where it is one.

    A named pipe, socket or device may hold whoever opens it for ever.

    Raises
    ------
    OSError
        There is nothing, or it cannot be looked at.
    """
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return ""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return f"it is {kinds.get(stat.S_IFMT(mode), 'no regular file')}, and no picture"


@lru_cache(maxsize=64)
def _file_system(root: str) -> tuple[Any, str]:
    from pyarrow import fs

    system, path = fs.FileSystem.from_uri(root)
    return system, path


def _in_order(path: str) -> list[tuple[bool, str]]:
    *folders, name = path.split("/")
    return [*((True, folder) for folder in folders), (False, name)]
