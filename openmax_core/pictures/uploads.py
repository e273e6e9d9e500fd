"""What strangers send: names and bytes, in memory, and why one of them is not taken.

A name is a label and nothing else: no file of it is ever opened or written.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

MAX_FILES = 200
MAX_FILE_BYTES = 20_000_000
MAX_ARCHIVE_BYTES = 100_000_000
MAX_TOTAL_BYTES = 400_000_000
KEY_LENGTH = 20


@dataclass(frozen=True)
class Upload:
    """One file as it was sent, or one entry of an archive."""

    name: str
    content: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def key(self) -> str:
        """What tells this file from others: a hash of name and content."""
        named = f"{self.digest}/{self.name}".encode("utf-8", "backslashreplace")
        return hashlib.sha256(named).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True)
class Refused:
    """A file that is not taken: its name, why, and what to do instead."""

    name: str
    reason: str


def label(name: str) -> str:
    """Return a name as it can be shown: signs that would not be seen are replaced by �."""
    return "".join(sign if sign.isprintable() else "�" for sign in name)


def megabytes(n_bytes: int) -> str:
    """Return 20400000 as '20.4 MB'."""
    return f"{n_bytes / 1e6:.1f} MB".replace(".0 MB", " MB")
