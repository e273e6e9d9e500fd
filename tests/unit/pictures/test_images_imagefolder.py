"""Decoding by a network's rule: turned by EXIF or not, transparency on white or dropped."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from openmax_core.export.description import ExportDescription
from openmax_core.network.inference import load_pixels
from openmax_core.pictures.images import Transform, decode
from openmax_core.pictures.strangers import large_view

AS_STORED = Transform(resize=(7, 9), crop=(5, 5), exif=False, alpha="drop")


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def noise(channels: int, width: int = 12, height: int = 8) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(channels).integers(0, 256, shape, dtype=np.uint8)


def turned(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return encoded(Image.fromarray(noise(3)), kind, exif=exif)


def of_palette(**options: Any) -> bytes:
    picture = Image.fromarray(noise(3)).quantize(8)
    return encoded(picture, "PNG", **options)


TRANSPARENT: dict[str, Callable[[], bytes]] = {
    "RGBA": lambda: encoded(Image.fromarray(noise(4)), "PNG"),
    "grey and alpha": lambda: encoded(Image.fromarray(noise(2), "LA"), "PNG"),
    "palette": lambda: of_palette(transparency=3),
    "palette of several alphas": lambda: of_palette(transparency=bytes([0, 100, 255, 7])),
    "a colour of RGB": lambda: encoded(
        Image.fromarray(noise(3)), "PNG", transparency=tuple(map(int, noise(3)[0, 0]))
    ),
    "a grey": lambda: encoded(Image.fromarray(noise(1)), "PNG", transparency=int(noise(1)[0, 1])),
    "WebP": lambda: encoded(Image.fromarray(noise(4)), "WEBP", lossless=True, exact=True),
    "GIF": lambda: encoded(Image.fromarray(noise(3)).quantize(8), "GIF", transparency=2),
    "TIFF": lambda: encoded(Image.fromarray(noise(4)), "TIFF"),
}


def plainly(content: bytes) -> Image.Image:
    """As torchvision's ImageFolder opens a picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a palette's alphas, which are dropped on purpose
        return Image.open(io.BytesIO(content)).convert("RGB")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_without_exif_a_picture_stays_as_imagefolder_reads_it(kind: str, orientation: int) -> None:
    content = turned(kind, orientation)
    found = decode(content, transform=Transform(exif=False))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(plainly(content)))


@pytest.mark.parametrize("make", TRANSPARENT.values(), ids=TRANSPARENT)
def test_dropped_alpha_gives_the_colours_that_imagefolder_reads(make: Callable[[], bytes]) -> None:
    content = make()
    found = decode(content, transform=Transform(alpha="drop"))
    assert found.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(found), np.asarray(plainly(content)))
    assert (np.asarray(decode(content)) != np.asarray(found)).any()  # white where a person looks


def test_each_rule_is_followed_by_itself() -> None:
    exif = Image.Exif()
    exif[274] = 6
    content = encoded(Image.fromarray(noise(4)), "PNG", exif=exif)
    white = np.asarray(decode(content, transform=Transform(exif=False)))
    np.testing.assert_array_equal(np.rot90(white, -1), np.asarray(decode(content)))
    dropped = np.asarray(decode(content, transform=Transform(alpha="drop")))
    np.testing.assert_array_equal(dropped, np.rot90(np.asarray(plainly(content)), -1))


@pytest.mark.parametrize("content", [turned("JPEG", 6), TRANSPARENT["RGBA"]()], ids=["exif", "a"])
def test_what_runs_the_network_follows_the_rule_and_people_see_the_picture_upright(
    content: bytes,
) -> None:
    expected = AS_STORED.pixels(plainly(content))
    np.testing.assert_array_equal(load_pixels(content, AS_STORED), expected)
    description = ExportDescription("", "", "", (), AS_STORED, "train", None)  # type: ignore[arg-type]
    np.testing.assert_array_equal(description.prepare(content), expected.transpose(2, 0, 1))
    view, usual = large_view(content, AS_STORED), large_view(content, Transform((7, 9), (5, 5)))
    assert view is not None
    assert usual is not None
    assert (view.original, view.size) == (usual.original, usual.size)
    assert view.seen != usual.seen


def test_keys_name_the_rule_only_where_it_is_not_the_usual_one() -> None:
    before = ["resize", "crop", "interpolation", "mean", "std"]
    assert list(Transform().to_dict()) == before
    assert list(Transform(exif=False).to_dict()) == [*before, "exif"]
    assert AS_STORED.to_dict()["alpha"] == "drop"
