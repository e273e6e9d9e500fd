"""Files that are there whole or not at all, and fingerprints of what they hold."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openmax_core.errors import OpenMaxError

KEY_LENGTH = 16
# What breaks a line, steers a terminal or turns the order of letters round; and what is no text.
NOT_FOR_A_LINE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def write_bytes_atomically(
    path: Path, content: bytes, check: Callable[[Path], None] | None = None
) -> None:
    """Write under a temporary name beside ``path``, flush to disk, then rename.

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


def write_text_atomically(path: Path, content: str) -> None:
    """As :func:`write_bytes_atomically`, UTF-8."""
    write_bytes_atomically(path, content.encode("utf-8"))


@contextmanager
def new_folder(folder: Path, prefix: str) -> Iterator[Path]:
    """Make an empty folder beside ``folder`` that takes its name once the block has ended well.

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
