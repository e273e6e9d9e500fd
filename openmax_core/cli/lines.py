"""Lines of text for people, each of which stays one line."""

from __future__ import annotations

import sys
from typing import TextIO

from openmax_core.support.files import printable


def say(line: str = "", file: TextIO | None = None) -> None:
    """Print one line, whatever names of files and classes stand in it.

    Parameters
    ----------
    file : standard output without
    """
    print(printable(line), file=file or sys.stdout, flush=file is not None)
