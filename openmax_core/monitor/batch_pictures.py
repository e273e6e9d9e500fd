"""The file of a batch's picture, as long as it is still what was decided on."""

from __future__ import annotations

from pathlib import Path

GONE = "The picture is no longer there"
CHANGED = "The file has changed since"


def picture_file(folder: str | None, path: str, size: int, mtime: int) -> Path | str:
    """Find a batch's picture.

    Parameters
    ----------
    folder : where the batch's pictures lay; None if that is not known
    size, mtime : of the file when it was decided on, 0 where it was not there

    Returns
    -------
    The file, or why there is none to show.
    """
    if folder is None or not mtime:
        return GONE
    file = Path(folder) / path
    try:
        stat = file.stat()
    except (OSError, ValueError):
        return GONE
    return file if (stat.st_size, stat.st_mtime_ns) == (size, mtime) else CHANGED
