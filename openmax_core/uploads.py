"""Limits for pictures that strangers send, and what is kept of them: names and bytes, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

MAX_FILES = 200
MAX_FILE_BYTES = 20_000_000
MAX_TOTAL_BYTES = 400_000_000


@dataclass(frozen=True)
class Upload:
    """One file as it was sent."""

    name: str
    content: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class AcceptedUploads:
    """Files within the limits, and sentences on those beyond."""

    files: tuple[Upload, ...]
    problems: tuple[str, ...]


def within_limits(files: Iterable[Upload]) -> AcceptedUploads:
    """Keep at most 200 files of 20 MB each and 400 MB together; say what is left out."""
    kept: list[Upload] = []
    problems: list[str] = []
    total = beyond = 0
    for file in files:
        if len(file.content) > MAX_FILE_BYTES:
            problems.append(
                f"{file.name} has {len(file.content) / 1e6:.1f} MB; at most "
                f"{MAX_FILE_BYTES / 1e6:.0f} MB a file are taken"
            )
        elif len(kept) >= MAX_FILES or total + len(file.content) > MAX_TOTAL_BYTES:
            beyond += 1
        else:
            kept.append(file)
            total += len(file.content)
    if beyond:
        problems.append(
            f"{beyond} more files were left out: at most {MAX_FILES} files and "
            f"{MAX_TOTAL_BYTES / 1e6:.0f} MB are taken at a time; send the others after these"
        )
    return AcceptedUploads(tuple(kept), tuple(problems))
