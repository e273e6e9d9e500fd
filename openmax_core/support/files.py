"""Files that are there whole or not at all, and fingerprints of what they hold."""

from __future__ import annotations

import difflib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from openmax_core.errors import OpenMaxError

KEY_LENGTH = 16
# Folders in which a file is written, as tempfile calls them; and how long nobody writes one file.
WRITING = re.compile(r"\..+\.[a-z0-9_]{8}")
LONGEST_WRITING_SECONDS = 600
# What breaks a line, steers a terminal or turns the order of letters round; and what is no text.
NOT_FOR_A_LINE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def write_bytes_atomically(
    path: Path, content: bytes, check: Callable[[Path], None] | None = None
) -> None:
    """Write under a temporary name beside ``path``, flush to disk, then rename.

    The first write into a folder removes what killed processes were writing there.

    Parameters
    ----------
    check : called with the temporary file before it is renamed; what it raises stops that

    Raises
    ------
    OpenMaxError
        The disk is full or the folder cannot be written; what was there before stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            _remove_dead(path.parent, os.stat(folder).st_mtime)
            temporary = Path(folder) / path.name
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)
            if check is not None:
                check(temporary)
            os.replace(temporary, path)
    except OSError as error:
        raise OpenMaxError(f"cannot write {path}: {error.strerror or error}") from error


def _remove_dead(folder: Path, now: float, prefix: str = "") -> None:
    """Remove what killed processes were writing into a folder; once a process.

    What is ten minutes older than ``now``, by the clock of the disk, is nobody's any more.

    Parameters
    ----------
    prefix : of :func:`new_folder`; without, folders of :func:`write_bytes_atomically`, which hold
        one file of their name at most
    """
    if (folder, prefix) in _tidied:
        return
    _tidied.add((folder, prefix))
    for path in folder.glob(f"{prefix or '.'}*"):
        if path.is_symlink() or not path.is_dir() or not (prefix or WRITING.fullmatch(path.name)):
            continue
        with suppress(OSError):  # another process was faster, or it may not be removed
            items = list(path.iterdir())
            is_ours = bool(prefix) or {item.name for item in items} <= {path.name[1:-9]}
            age = now - max(item.stat().st_mtime for item in (path, *items))
            if is_ours and age > LONGEST_WRITING_SECONDS:
                shutil.rmtree(path)


_tidied: set[tuple[Path, str]] = set()


def require_room(folder: Path, n_bytes: int) -> None:
    """Take room on the disk and give it back at once.

    Raises
    ------
    OpenMaxError
        The folder cannot be written, or the disk has no room for so many bytes.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:  # gone with the process, however it ends
            _remove_dead(folder, os.fstat(stream.fileno()).st_mtime)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(stream.fileno(), 0, max(1, n_bytes))
            elif shutil.disk_usage(folder).free < n_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            stream.write(b"0")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        reason = error.strerror or error
        raise OpenMaxError(f"cannot write {n_bytes / 1e6:,.0f} MB in {folder}: {reason}") from error


def write_text_atomically(path: Path, content: str) -> None:
    """As :func:`write_bytes_atomically`, UTF-8."""
    write_bytes_atomically(path, content.encode("utf-8"))


@contextmanager
def new_folder(folder: Path, prefix: str) -> Iterator[Path]:
    """Make an empty folder beside ``folder`` that takes its name once the block has ended well.

    The first one removes what killed processes have left under the same prefix.

    Parameters
    ----------
    folder : must not exist by the end of the block
    prefix : of the temporary name

    Raises
    ------
    OSError
        It cannot be made or renamed; nothing stays behind, as with an error of the block's own.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=prefix))
    _remove_dead(folder.parent, temporary.stat().st_mtime, prefix)
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def storable(name: str | Path) -> str:
    """Return a name that is valid text, whatever its bytes are; otherwise as it is."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def printable(text: str | Path) -> str:
    """Return text that stays on one line: signs that would break or hide it become escapes."""
    return NOT_FOR_A_LINE.sub(
        lambda found: found.group().encode("unicode_escape").decode("ascii"), str(text)
    )


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in quotes, the first of many and how many more there are."""
    shown = ", ".join(f"'{printable(name)}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def nearest(path: Path) -> str:
    """Which path that exists may have been meant instead of one that does not.

    Returns
    -------
    '; did you mean …?', or '' where nothing there has a similar name
    """
    try:
        present = next(folder for folder in path.parents if folder.is_dir())
        lost, *rest = path.relative_to(present).parts
        names = sorted(item.name for item in present.iterdir())
    except (OSError, ValueError, StopIteration):
        return ""
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(lost.lower(), by_lower, n=1)
    if not close:
        return ""
    meant = present / by_lower[close[0]]
    whole = meant.joinpath(*rest)
    return f"; did you mean {printable(whole if whole.exists() else meant)}?"


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def modified(path: Path) -> int | None:
    """Nanoseconds of a file's date; None for a file that is not there, or no longer."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def fingerprint(*values: Any) -> str:
    """Short hash of values that JSON can hold."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:KEY_LENGTH]
