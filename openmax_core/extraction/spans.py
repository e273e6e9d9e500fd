"""Which pictures are still to do, who has them, and what may be told of in order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from openmax_core.network.inference import Result


class Spans:
    """Pieces of a row of pictures, each done once, told of in order.

    Parameters
    ----------
    total : pictures
    size : pictures in a piece; the last one may be shorter
    """

    def __init__(self, total: int, size: int) -> None:
        self.total = total
        self.size = size
        self._to_do = list(range(0, total, size))  # a heap: in order, and so are those put back
        self._done: dict[int, list[Result]] = {}
        self._next = 0

    @property
    def all_told(self) -> bool:
        """Nothing is left to do or to tell."""
        return self._next >= self.total

    @property
    def n_to_do(self) -> int:
        """Pieces that nobody has."""
        return len(self._to_do)

    def take(self, ahead: int) -> int | None:
        """Start of the first piece that nobody has; None if there is none, or it is too far on.

        Parameters
        ----------
        ahead : pieces beyond the oldest that is missing: bounds the results that are held
        """
        if not self._to_do or self._to_do[0] - self._next >= ahead * self.size:
            return None
        return heapq.heappop(self._to_do)

    def put_back(self, start: int) -> None:
        """Whoever had this piece is lost."""
        heapq.heappush(self._to_do, start)

    def finish(self, start: int, results: list[Result]) -> None:
        """Keep the results of a piece until those before it are there.

        Raises
        ------
        ValueError
            There are too many or too few, or they were there before.
        """
        expected = min(self.size, self.total - start)
        if len(results) != expected or start < self._next or start in self._done:
            raise ValueError(f"{len(results)} results for {expected} pictures from {start} on")
        self._done[start] = results

    def tell(self) -> Iterator[tuple[int, Result]]:
        """Index and result of all that follow without a gap on what was told before."""
        while self._next in self._done:
            start = self._next
            results = self._done.pop(start)
            self._next += len(results)
            yield from enumerate(results, start)
