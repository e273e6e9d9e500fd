"""Pictures of strangers: decoded beside the server, and what becomes of those that misbehave."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from openmax_core.pictures import strangers
from openmax_core.pictures.images import Transform, decode
from openmax_core.pictures.opening import Room
from openmax_core.pictures.strangers import (
    BROKE_DOWN,
    SIDE,
    TOO_LONG,
    Decoders,
    large_view,
    looked,
    make_ready,
)

TRANSFORM = Transform(resize=(24, 40), crop=(20, 16), interpolation="bilinear")


def saved(width: int, height: int, kind: str = "PNG") -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    decoders = Decoders(1)
    yield decoders
    decoders.close()


def children_run(monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    code = f"import openmax_core.pictures.strangers as own\n{lines}\nown.serve()"
    monkeypatch.setattr(strangers, "CHILD", code)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    "transform", [TRANSFORM, Transform(30, (20, 20)), Transform((9, 9), (5, 7), exif=False)]
)
def test_the_network_gets_what_it_gets_of_a_file(kind: str, transform: Transform) -> None:
    content = saved(60, 50, kind)
    found = looked(content, transform)
    assert not isinstance(found, str)
    view, pixels = found
    np.testing.assert_array_equal(pixels, transform.pixels(decode(content)))
    assert (view.size, view.seen_size) == ((60, 50), transform.crop[::-1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"no picture", "the content is not a picture of a known format"),
        (saved(200, 200, "JPEG")[:-2000] + b"\xff\xd9", "damaged picture or cut off"),
    ],
)
def test_a_reason_has_no_name_before_it(content: bytes, reason: str) -> None:
    found = looked(content, TRANSFORM)
    assert isinstance(found, str)
    assert found.startswith(reason)
    assert large_view(content, TRANSFORM) is None


def test_a_picture_that_takes_too_long_is_refused_and_the_next_is_decoded(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved(30, 30)
    with monkeypatch.context() as patched:
        children_run(patched, "own.MOST_SECONDS = 0.1\nown._looked = lambda *_: sum(iter(int, 1))")
        assert decoders.ask(content, TRANSFORM, SIDE) == TOO_LONG
    assert "20 seconds" in TOO_LONG
    assert not isinstance(decoders.ask(content, TRANSFORM, SIDE), str)


@pytest.mark.parametrize(
    "lines",
    [
        "import os\nown._looked = lambda *_: os.abort()",
        "own._looked = lambda *_: 1 / 0",
        "own._send = lambda stream, *_: (stream.write(b'nonsense'), stream.close())",
        "own._send = lambda stream, *_: (stream.write(b'{}\\n[1]\\n'), stream.flush())",
    ],
    ids=["crash", "error", "nonsense", "lacking"],
)
def test_a_decoder_that_breaks_down_takes_nothing_along(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch, lines: str
) -> None:
    content = saved(30, 30)
    with monkeypatch.context() as patched:
        children_run(patched, lines)
        assert decoders.ask(content, TRANSFORM, SIDE) == BROKE_DOWN
    assert not isinstance(decoders.ask(content, TRANSFORM, SIDE), str)


def test_large_pictures_wait_for_room(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    class Watched(Room):
        @contextmanager
        def taken(self, n_pixels: int) -> Iterator[None]:
            taken.append(n_pixels)
            with super().taken(n_pixels):
                yield

    room = Watched(1_000_000)
    monkeypatch.setattr(strangers, "FOR_STRANGERS", room)
    for side, expected in ((100, []), (1500, [2_250_000])):
        assert not isinstance(decoders.ask(saved(side, side, "JPEG"), TRANSFORM, SIDE), str)
        assert taken == expected
    twice = replace(TRANSFORM, exif=False)
    assert not isinstance(decoders.ask(saved(1500, 1500, "JPEG"), twice, SIDE), str)
    with room.taken(1_000_000):  # it is given back
        assert len(taken) == 4


def test_memory_is_limited(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource")
    children_run(monkeypatch, "own.MOST_BYTES = 400 << 20")
    stream = io.BytesIO()
    Image.new("RGBA", (5000, 5000)).save(stream, "PNG", compress_level=1)
    found = decoders.ask(stream.getvalue(), TRANSFORM, SIDE)
    assert found == "too large for this machine's memory"
    assert not isinstance(decoders.ask(saved(30, 30), TRANSFORM, SIDE), str)


def test_a_process_that_nobody_asks_ends_and_another_takes_its_place(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    children_run(monkeypatch, "own.IDLE_SECONDS = 0.05")
    decoders.start_one()
    (waiting,) = decoders._free
    assert waiting._process.wait(30) < 0
    assert not isinstance(decoders.ask(saved(30, 30), TRANSFORM, SIDE), str)
    assert decoders._free != [waiting]


def test_one_that_may_end_at_any_moment_is_not_asked(decoders: Decoders) -> None:
    decoders.start_one()
    (waiting,) = decoders._free
    waiting._used -= strangers.IDLE_SECONDS
    assert not isinstance(decoders.ask(saved(30, 30), TRANSFORM, SIDE), str)
    assert decoders._free != [waiting]


def test_a_process_is_used_again(decoders: Decoders) -> None:
    decoders.start_one()
    first = list(decoders._free)
    for _ in range(3):
        assert not isinstance(decoders.ask(saved(30, 30), TRANSFORM, SIDE), str)
    assert decoders._free == first


def test_a_process_that_cannot_be_started_is_said(
    decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = decoders.ask(saved(30, 30), TRANSFORM, SIDE)
    assert found == (
        "this machine cannot start what decodes it (No such file or directory); try it again"
    )
    decoders.start_one()


def test_the_first_process_may_be_started_before_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoders = Decoders(1)
    monkeypatch.setattr(strangers, "DECODERS", decoders)
    make_ready().join(30)
    assert len(decoders._free) == 1
    decoders.close()
