"""Pictures of strangers as they are looked at, and what the network says of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from openmax_core.network.inference import run
from openmax_core.pictures.images import MAX_UPLOAD_PIXELS, Pixels, Transform, decode
from openmax_core.pictures.strangers import SIDE, large_view
from openmax_core.prediction.choice import LOOKED_AT_ONCE, answers

TRANSFORM = Transform(resize=(20, 40), crop=(16, 16), interpolation="bilinear")


@dataclass
class Means:
    """An engine whose three logits are the means of the channels."""

    transform: Transform = TRANSFORM
    device: str = "cpu"
    n_parallel: int = 2
    batch_size: int = 3
    in_words: str = "means"
    n_features: int = 0

    def start(self, pixels: Pixels) -> Callable[[], NDArray[np.float32]]:
        logits = pixels.mean(axis=(1, 2)).astype(np.float32)
        return lambda: logits

    def close(self) -> None:
        pass


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def shown(url: str) -> Image.Image:
    kind, content = url.split(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content, validate=True)))


def test_answers_are_those_of_the_network_on_the_files_themselves():
    contents = [saved(noise(30 + n, 50, n)) for n in range(LOOKED_AT_ONCE + 5)]
    contents[3], contents[LOOKED_AT_ONCE] = b"no picture", b""
    found = list(answers(Means(), contents))
    with closing(run(Means(), contents)) as results:
        for answer, (_, expected) in zip(found, results, strict=True):
            if isinstance(expected, str):
                assert (answer.logits, answer.view) == (expected, None)
            else:
                np.testing.assert_array_equal(answer.logits, expected)


def test_a_view_shows_the_picture_and_what_the_network_sees():
    picture = Image.new("RGB", (600, 300), (200, 30, 60))
    picture.paste((10, 200, 40), (200, 0, 400, 300))
    (answer,) = answers(Means(), [saved(picture)])
    view = answer.view
    assert view is not None
    assert (view.size, view.seen_size) == ((600, 300), (16, 16))
    original, seen = shown(view.original), shown(view.seen)
    assert original.size == (SIDE, SIDE // 2)
    np.testing.assert_allclose(np.asarray(original)[50, 20], (200, 30, 60), atol=4)
    expected = TRANSFORM.pixels(decode(saved(picture)))
    assert seen.size == (16, 16)
    np.testing.assert_allclose(np.asarray(seen)[8, 8], expected[8, 8], atol=8)


def test_a_picture_that_was_turned_is_shown_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    (answer,) = answers(Means(), [saved(noise(60, 30), "JPEG", exif=exif)])
    assert answer.view is not None
    assert answer.view.size == (30, 60)
    assert shown(answer.view.original).size == (30, 60)
    assert not shown(answer.view.original).getexif()


def test_views_stay_small_whatever_was_sent():
    (answer,) = answers(Means(), [saved(noise(1600, 1200))])
    assert answer.view is not None
    assert len(answer.view.original) < 30_000
    large = large_view(saved(noise(1600, 1200)), TRANSFORM)
    assert large is not None
    assert shown(large.original).size == (800, 600)
    assert large_view(b"no picture", TRANSFORM) is None


def test_too_many_pixels_are_refused_with_the_way_out():
    wide = saved(Image.new("L", (MAX_UPLOAD_PIXELS // 1000 + 1, 1000)))
    (answer,) = answers(Means(), [wide])
    assert answer.view is None
    assert answer.logits == (
        "25001 × 1000 pixels are more than the 25 million that are allowed; make it smaller"
    )


@pytest.mark.parametrize("n", [0, 1, LOOKED_AT_ONCE, LOOKED_AT_ONCE + 1])
def test_every_picture_gets_its_answer(n):
    contents = [saved(noise(20, 20, seed)) for seed in range(n)]
    assert len(list(answers(Means(), contents))) == n


def test_pictures_that_are_all_damaged_ask_nothing_of_the_network():
    found = list(answers(Means(), [b"", b"text"]))
    assert [answer.view for answer in found] == [None, None]
