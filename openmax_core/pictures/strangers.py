"""Pictures of strangers, decoded in processes of their own, with a limit of time and of memory.

A decoder in C cannot be stopped from within its process, and what it breaks, breaks all of it. So
visitors' pictures are decoded by a few processes beside the server's. One that takes too long ends
itself, one that breaks down takes nothing along, and both are started anew for the next picture.
What comes back is JSON and pixels, and is never run. The limits hold where the system has them:
Linux has all, macOS those of time. Large pictures also share :data:`opening.FOR_STRANGERS`.

What is looked at is a JPEG in a data URL: it belongs to the page that shows it and has no address
at which anybody else could ask for it.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import IO, Any, cast

import numpy as np
from PIL import Image

from openmax_core.errors import PictureError
from openmax_core.pictures.images import MAX_UPLOAD_PIXELS, Pixels, Transform, decode, jpeg_url
from openmax_core.pictures.opening import FOR_STRANGERS
from openmax_core.support.chunks import n_cores

SIDE, LARGE_SIDE = 200, 800
AT_ONCE = 4
# Seconds of a core; the costliest picture that is allowed takes some five of them.
MOST_SECONDS = 20.0
MOST_WAITED = 120.0  # seconds of the clock, for what takes none of a core
IDLE_SECONDS = 60.0
MOST_BYTES = 1 << 30  # of addresses, with those of Python itself
LARGE = 2_000_000  # pixels from which a process asks for room
TOO_LONG = f"it takes more than {MOST_SECONDS:.0f} seconds to decode; save it again as JPEG or PNG"
BROKE_DOWN = "damaged picture (its decoder broke down)"
CHILD = "from openmax_core.pictures.strangers import serve; serve()"


@dataclass(frozen=True)
class View:
    """A picture to look at.

    Attributes
    ----------
    original, seen : data URLs of the picture, and of what the transform leaves of it
    size : (width, height) of the picture in pixels
    seen_size : (width, height) of what the network sees
    """

    original: str
    seen: str
    size: tuple[int, int]
    seen_size: tuple[int, int]


Looked = tuple[View, Pixels]


def looked(content: bytes, transform: Transform, side: int = SIDE) -> Looked | str:
    """Look at a picture file: a view, and (H, W, 3) pixels for the network; or why there are none.

    Parameters
    ----------
    side : pixels of the view's longer side
    """
    return DECODERS.ask(content, transform, side)


def large_view(content: bytes, transform: Transform) -> View | None:
    """Return a view that fills a dialog; None if the content cannot be decoded."""
    found = looked(content, transform, LARGE_SIDE)
    return None if isinstance(found, str) else found[0]


def make_ready() -> threading.Thread:
    """Start a process, so that the first picture need not wait for it; it runs once this ends."""
    starting = threading.Thread(target=DECODERS.start_one, daemon=True)
    starting.start()
    return starting


class Decoders:
    """Processes that decode, a few at a time; who comes when all are busy waits for a turn."""

    def __init__(self, most: int) -> None:
        self._turns = threading.BoundedSemaphore(most)
        self._free: list[_Decoder] = []

    def ask(self, content: bytes, transform: Transform, side: int) -> Looked | str:
        """Have a picture looked at, as :func:`looked` says."""
        try:
            with self._taken() as decoder:
                return decoder.ask(content, transform, side)
        except OSError as error:
            return f"this machine cannot start what decodes it ({error.strerror}); try it again"

    def start_one(self) -> None:
        """Have a process ready."""
        with suppress(OSError), self._taken():
            pass

    def close(self) -> None:
        """End the processes that wait."""
        with suppress(IndexError):
            while True:
                self._free.pop().end()

    @contextmanager
    def _taken(self) -> Iterator[_Decoder]:
        with self._turns:
            decoder = self._ready() or _Decoder()
            try:
                yield decoder
            finally:
                self._free.append(decoder)

    def _ready(self) -> _Decoder | None:
        with suppress(IndexError):
            while True:
                decoder = self._free.pop()
                if decoder.is_ready:
                    return decoder
                decoder.end()
        return None


class _Decoder:
    """One process, from the side of who asks."""

    def __init__(self) -> None:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",  # each takes addresses
        }
        self._used = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - nothing of it comes from a stranger
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what decoders write there names no file
            env=environment,
        )
        self._to_it = cast(IO[bytes], self._process.stdin)
        self._from_it = cast(IO[bytes], self._process.stdout)

    @property
    def is_ready(self) -> bool:
        """It runs, and does not end itself at any moment because nobody has asked it."""
        is_fresh = time.monotonic() - self._used < IDLE_SECONDS - 5
        return is_fresh and self._process.poll() is None

    def ask(self, content: bytes, transform: Transform, side: int) -> Looked | str:
        question = {"transform": transform.to_dict(), "side": side, "bytes": len(content)}
        height, width = transform.crop
        try:
            with ExitStack() as held:
                _send(self._to_it, question, content)
                while "pixels" in (answer := json.loads(self._from_it.readline())):
                    held.close()
                    held.enter_context(FOR_STRANGERS.taken(int(answer["pixels"])))
                    _send(self._to_it, {})
                if "reason" in answer:
                    return str(answer["reason"])
                size = int(answer["size"][0]), int(answer["size"][1])
                view = View(str(answer["original"]), str(answer["seen"]), size, (width, height))
                pixels = np.frombuffer(self._from_it.read(height * width * 3), dtype=np.uint8)
                return view, pixels.reshape(height, width, 3)
        except (OSError, ValueError, TypeError, LookupError):
            return TOO_LONG if self.end() in _signals_of_time() else BROKE_DOWN
        finally:
            self._used = time.monotonic()

    def end(self) -> int:
        """End the process; return the signal that ended it."""
        with suppress(OSError), self._process:
            # One that has ended by itself keeps its own signal.
            self._process.kill()
        return -(self._process.returncode or 0)


def _signals_of_time() -> set[int]:
    return {signal.SIGPROF, signal.SIGALRM} if hasattr(signal, "setitimer") else set()


def serve() -> None:
    """Decode what comes on standard input until it is closed; runs in a process of its own."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # decoders write there too
    _limit_memory()

    def take_room(n_pixels: int) -> None:
        if n_pixels >= LARGE:
            _end_after(cpu=0.0, clock=0.0)  # while others are decoded
            _send(answers, {"pixels": n_pixels})
            if not questions.readline():
                sys.exit()
            _end_after(cpu=MOST_SECONDS, clock=MOST_WAITED)

    for number in _signals_of_time():
        signal.signal(number, signal.SIG_DFL)
    while True:
        _end_after(cpu=0.0, clock=IDLE_SECONDS)
        line = questions.readline()
        if not line:
            return
        _end_after(cpu=MOST_SECONDS, clock=MOST_WAITED)
        question = json.loads(line)
        content = questions.read(question["bytes"])
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in question["transform"].items()
        }
        found = _looked(content, Transform(**values), question["side"], take_room)
        if isinstance(found, str):
            _send(answers, {"reason": found})
        else:
            _send(answers, asdict(found[0]), found[1].tobytes())


def _looked(
    content: bytes, transform: Transform, side: int, take_room: Callable[[int], None]
) -> Looked | str:
    try:
        picture = decode(content, max_pixels=MAX_UPLOAD_PIXELS, take_room=take_room)
        original, size = _url(picture, side), picture.size
        if not transform.exif or transform.alpha != "white":
            # What the network takes is not what a person sees.
            picture = decode(
                content, max_pixels=MAX_UPLOAD_PIXELS, transform=transform, take_room=take_room
            )
        pixels = transform.pixels(picture)
    except PictureError as error:
        return str(error).removeprefix("picture: ")
    except MemoryError:
        return "too large for this machine's memory"
    seen = Image.fromarray(pixels)
    return View(original, _url(seen, side), size, seen.size), pixels


def _url(picture: Image.Image, side: int) -> str:
    small = picture.copy()
    small.thumbnail((side, side))
    return jpeg_url(small, quality=84)


def _send(stream: IO[bytes], head: Mapping[str, Any], content: bytes = b"") -> None:
    stream.write(json.dumps(head).encode() + b"\n")
    stream.write(content)
    stream.flush()


def _limit_memory() -> None:
    with suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, most))


def _end_after(cpu: float, clock: float) -> None:
    """End this process after seconds of a core, or of the clock; 0 for no limit."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, cpu)
        signal.setitimer(signal.ITIMER_REAL, clock)


DECODERS = Decoders(min(n_cores(), AT_ONCE))
atexit.register(DECODERS.close)
