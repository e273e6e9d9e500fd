"""Progress bars on standard error, one after another."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from openmax_core.support.files import printable

if TYPE_CHECKING:
    from openmax_core.evaluation.counting import Report
    from openmax_core.network.inference import Progress


def say(line: str = "", file: TextIO | None = None) -> None:
    """Print one line, whatever names of files and classes stand in it.

    Parameters
    ----------
    file : standard output without
    """
    print(printable(line), file=file or sys.stdout, flush=file is not None)


class ProgressBars:
    """One bar at a time; each appears once its first pictures are done.

    Parameters
    ----------
    is_kept : whether a finished bar stays on the terminal
    only_on_terminal : draw nothing where standard error is no terminal
    """

    def __init__(self, is_kept: bool = True, only_on_terminal: bool = False) -> None:
        self._is_kept, self._disable = is_kept, None if only_on_terminal else False
        self._name = ""
        self._bar: Any = None
        self._told: set[str] = set()

    def __enter__(self) -> ProgressBars:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def draw(self, name: str, done: int, total: int) -> None:
        """Draw how far it is; another name, or fewer pictures done, begins another bar."""
        if self._bar is None or name != self._name or done < self._bar.n:
            from tqdm import tqdm

            self.__exit__()
            self._name = name
            self._bar = tqdm(
                total=total,
                desc=name,
                unit=" pictures",
                leave=self._is_kept,
                disable=self._disable,
                file=sys.stderr,
            )
        self._bar.update(done - self._bar.n)

    def draw_network(self, name: str, progress: Progress) -> None:
        """Draw how far the network is; say once what it waits for."""
        from openmax_core.network.inference import LOADING

        if progress.done and not progress.waiting_for:
            self.draw(name, progress.done, progress.total)
            return
        words = f"waiting for {progress.waiting_for}" if progress.waiting_for else LOADING
        if words not in self._told:
            say(f"{words} …", file=sys.stderr)
            self._told.add(words)

    def print(self, line: str) -> None:
        """Print a line on standard output, above the bar."""
        if self._bar is None:
            say(line)
        else:
            self._bar.write(printable(line), file=sys.stdout)


@contextmanager
def counting() -> Iterator[Report]:
    """Give what draws how far the counting of a large workspace is, where there is a terminal."""
    with ProgressBars(is_kept=False, only_on_terminal=True) as bars:
        yield lambda progress: bars.draw("counting", *progress)
