"""Pictures of strangers: decoded once, for the network and to be looked at.

What is looked at is a JPEG in a data URL: it belongs to the page that shows it and has no address
at which anybody else could ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PIL import Image

from openmax_core.errors import PictureError
from openmax_core.network.devices import WaitCallback
from openmax_core.pictures.images import Pixels, Transform, decoded_upload, jpeg_url
from openmax_core.prediction.choice import run_network
from openmax_core.prediction.verdicts import Logits
from openmax_core.support.chunks import n_cores

if TYPE_CHECKING:
    from openmax_core.network.engines import Engine

SIDE, LARGE_SIDE = 200, 800
AT_ONCE = 32


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


@dataclass(frozen=True)
class Answer:
    """What became of one picture: logits and a view, or the reason why there are none."""

    logits: Logits
    view: View | None


def answers(
    engine: Engine, contents: Sequence[bytes], on_wait: WaitCallback | None = None
) -> Iterator[Answer]:
    """Answers to picture files, in order; each is decoded once.

    Raises
    ------
    ClassifierError
        The network refuses pictures of the transform's size, or the device fails.
    """
    look = partial(_look, transform=engine.transform)
    with ThreadPoolExecutor(n_cores(), "views") as pool:
        for first in range(0, len(contents), AT_ONCE):
            looked = list(pool.map(look, contents[first : first + AT_ONCE]))
            pixels = [item[1] for item in looked if not isinstance(item, str)]
            logits = iter(run_network(engine, pixels, on_wait))
            for item in looked:
                yield Answer(item, None) if isinstance(item, str) else Answer(next(logits), item[0])


def large_view(content: bytes, transform: Transform) -> View | None:
    """Return a view that fills a dialog; None if the content cannot be decoded."""
    looked = _look(content, transform, LARGE_SIDE)
    return None if isinstance(looked, str) else looked[0]


def _look(content: bytes, transform: Transform, side: int = SIDE) -> tuple[View, Pixels] | str:
    try:
        with decoded_upload(content) as picture:
            original, size = _url(picture, side), picture.size
            if transform.exif and transform.alpha == "white":
                pixels = transform.pixels(picture)
        if not transform.exif or transform.alpha != "white":
            # What the network takes is not what a person sees.
            with decoded_upload(content, transform=transform) as picture:
                pixels = transform.pixels(picture)
    except PictureError as error:
        return str(error).removeprefix("picture: ")
    seen = Image.fromarray(pixels)
    return View(original, _url(seen, side), size, seen.size), pixels


def _url(picture: Image.Image, side: int) -> str:
    small = picture.copy()
    small.thumbnail((side, side))
    return jpeg_url(small, quality=84)
