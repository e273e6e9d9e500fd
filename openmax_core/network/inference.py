"""Running a network over pictures: decoding on all cores, whole batches through an engine.

On a CPU every core decodes a batch and runs the network on it. On a GPU the cores decode ahead,
and one batch is on the device while the next is made ready. Others who want the same device get
their turn between batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import NotRead, NotReadError, PictureError
from openmax_core.network.devices import Turns, WaitCallback, turns_on
from openmax_core.network.engines import Engine, Logits
from openmax_core.pictures.images import Pixels, Transform, decode, decoded_upload
from openmax_core.pictures.locations import Location
from openmax_core.support.chunks import n_cores

# Pictures that one core decodes at a time for a GPU.
CHUNK = 8
LOADING = "loading the network; the first time it is exported, which takes up to half a minute"
NOT_FINITE = "the network's output is not finite (NaN or Inf)"

Source = Location | bytes | Pixels
Result = NDArray[np.float32] | str
Loaded = Pixels | str


@dataclass(frozen=True)
class Progress:
    """How far a run over pictures is.

    Attributes
    ----------
    done, total : int
        Pictures, the unreadable ones counted as done.
    unreadable : int
    seconds : float
        Since the first picture was asked for.
    waiting_for : str
        What it waits for at the moment; empty while it runs.
    """

    done: int
    total: int
    unreadable: int
    seconds: float
    waiting_for: str = ""

    @property
    def in_words(self) -> str:
        """One line for a progress bar."""
        if self.waiting_for:
            return f"{self.done:,} of {self.total:,} pictures · waiting for {self.waiting_for}"
        if not self.done:
            return f"0 of {self.total:,} pictures · {LOADING}"
        per_second = self.done / self.seconds if self.seconds > 0 else 0.0
        minutes, seconds = divmod(int((self.total - self.done) * self.seconds / self.done), 60)
        unreadable = f" · {self.unreadable:,} unreadable" if self.unreadable else ""
        return (
            f"{self.done:,} of {self.total:,} pictures · {per_second:,.0f} pictures/s · "
            f"{minutes}:{seconds:02d} left{unreadable}"
        )


def run(
    engine: Engine, sources: Sequence[Source], on_wait: WaitCallback | None = None
) -> Generator[tuple[int, Result], None, None]:
    """Run a network over pictures.

    The device is held from one result to the next: read to the end, or close the iterator.

    Parameters
    ----------
    sources : N paths, addresses, bytes of picture files, or what the transform made of pictures
    on_wait : called with how many others are before, whenever the device is busy with them

    Yields
    ------
    index into ``sources``, in order, and (C,) float32 logits or the reason why there are none; of
    an engine with features (C + D,), the features behind the logits

    Raises
    ------
    ClassifierError
        The network refuses pictures of the transform's size, or the device fails.
    """
    turns = turns_on(engine.device)
    work = _side_by_side if engine.device == "cpu" else _one_behind
    pool = ThreadPoolExecutor(n_cores(), "inference")
    done = 0
    try:
        while done < len(sources):
            with turns.taken(on_wait):
                for result in work(engine, sources, done, pool, turns):
                    yield done, result
                    done += 1
    finally:
        pool.shutdown(cancel_futures=True)


def _side_by_side(
    engine: Engine, sources: Sequence[Source], first: int, pool: ThreadPoolExecutor, turns: Turns
) -> Iterator[Result]:
    """Every thread decodes a batch and runs it; two batches a thread at most are under way."""
    window, size = 2 * engine.n_parallel, engine.batch_size
    waiting: deque[Future[list[Result]]] = deque()
    for position in range(first, len(sources), size):
        if turns.n_waiting and position >= first + window * size:
            break
        if len(waiting) == window:
            yield from waiting.popleft().result()
        batch = sources[position : position + size]
        waiting.append(pool.submit(run_batch, engine, batch))
    while waiting:
        yield from waiting.popleft().result()


def run_batch(engine: Engine, sources: Sequence[Source]) -> list[Result]:
    """Decode one batch and run the network on it, in this thread.

    Raises
    ------
    ClassifierError
        The network refuses pictures of the transform's size, or the device fails.
    """
    loaded = _decode(sources, engine.transform)
    return list(_results(loaded, _start(engine, loaded)))


def _one_behind(
    engine: Engine, sources: Sequence[Source], first: int, pool: ThreadPoolExecutor, turns: Turns
) -> Iterator[Result]:
    """Start a batch before waiting for the one before it."""
    decoded = _decoded_ahead(engine, sources, first, pool, turns)
    behind: tuple[list[Loaded], Callable[[], Logits]] | None = None
    while batch := list(islice(decoded, engine.batch_size)):
        started = _start(engine, batch)
        if behind:
            yield from _results(*behind)
        behind = batch, started
    if behind:
        yield from _results(*behind)


def _decoded_ahead(
    engine: Engine, sources: Sequence[Source], first: int, pool: ThreadPoolExecutor, turns: Turns
) -> Iterator[Loaded]:
    """Pictures in order, two batches decoded ahead; ends between batches when others wait."""
    waiting: deque[Future[list[Loaded]]] = deque()
    for position in range(first, len(sources), CHUNK):
        whole_batches, rest = divmod(position - first, engine.batch_size)
        if turns.n_waiting and whole_batches >= 2 and not rest:
            break
        if len(waiting) * CHUNK >= 2 * engine.batch_size + CHUNK * n_cores():
            yield from waiting.popleft().result()
        chunk = sources[position : position + CHUNK]
        waiting.append(pool.submit(_decode, chunk, engine.transform))
    while waiting:
        yield from waiting.popleft().result()


def _start(engine: Engine, loaded: Sequence[Loaded]) -> Callable[[], Logits]:
    pixels = [item for item in loaded if not isinstance(item, str)]
    if not pixels:
        return lambda: np.empty((0, 0), dtype=np.float32)
    return engine.start(np.stack(pixels))


def _results(loaded: Sequence[Loaded], wait: Callable[[], Logits]) -> Iterator[Result]:
    """Logits of the pictures that could be read, reasons of the others, in order."""
    logits = iter(wait())
    for item in loaded:
        if isinstance(item, str):
            yield item
        else:
            row = next(logits)
            yield row if np.isfinite(row).all() else NOT_FINITE


def _decode(sources: Sequence[Source], transform: Transform) -> list[Loaded]:
    return [load_pixels(source, transform) for source in sources]


def load_pixels(source: Source, transform: Transform) -> Loaded:
    """Pixels of a picture, or why there are none, without its name: that stands beside it.

    A :class:`~openmax_core.errors.NotRead` where that says nothing about the picture.
    """
    if isinstance(source, np.ndarray):
        return source
    try:
        if not isinstance(source, bytes):
            return transform.pixels(decode(source, transform=transform))
        with decoded_upload(source, transform=transform) as picture:
            return transform.pixels(picture)
    except PictureError as error:
        name = "picture" if isinstance(source, bytes) else str(source)
        reason = str(error).removeprefix(f"{name}: ")
        return NotRead(reason) if isinstance(error, NotReadError) else reason
    except MemoryError:
        return NotRead("too large for this machine's memory")
