"""What batches are called."""

from __future__ import annotations

from pathlib import Path

from openmax_core.errors import OpenMaxError
from openmax_core.support.files import printable

LONGEST_NAME = 60


def checked_name(name: str) -> str:
    """Return a batch's name without blanks around it.

    Raises
    ------
    OpenMaxError
        It is empty or longer than 60 characters.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise OpenMaxError(
            f"a batch needs a name of at most {LONGEST_NAME} characters, not '{name}'"
        )
    return name


def default_name(source: Path) -> str:
    """Name of a batch where none is given: its folder's, or its file's without the ending."""
    source = source.resolve()
    name = source.name if source.is_dir() else source.stem
    return printable(name)[:LONGEST_NAME].strip() or "batch"
