"""JPEGs that cost too much, and JPEGs of which a part is missing."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from openmax_core.errors import PictureError
from openmax_core.pictures.images import decode
from openmax_core.pictures.jpegs import MOST_SCANS, MOST_SEGMENTS, outline_of

KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "best codes": {"optimize": True},
    "restarts": {"restart_marker_blocks": 3},
    "full colours": {"subsampling": 0, "quality": 95},
}
PROGRESSIVE = {"progressive": True}


def photo(width: int = 160, height: int = 120) -> Image.Image:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    grain = rng.integers(-12, 12, (height, width, 1))
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def flat(shade: int) -> Image.Image:
    return Image.new("RGB", (640, 480), (shade, shade, shade))


def half_grey() -> Image.Image:
    picture = photo()
    picture.paste((128, 128, 128), (0, 60, 160, 120))
    return picture


def jpeg(picture: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", **options)
    return stream.getvalue()


def claiming(content: bytes, width: int, height: int) -> bytes:
    frame = next(i for i in range(len(content)) if content[i : i + 2] in (b"\xff\xc0", b"\xff\xc2"))
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return content[: frame + 5] + size + content[frame + 9 :]


def with_scans(count: int) -> bytes:
    content = jpeg(photo(32, 32), progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * (count - content.count(b"\xff\xda")) + content[-2:]


# --- what it costs ---------------------------------------------------------------------------


def test_as_many_scans_as_allowed_are_decoded_and_one_more_is_not() -> None:
    assert decode(with_scans(MOST_SCANS)).size == (32, 32)
    with pytest.raises(PictureError, match=r"x\.jpg: it has 101 scans or more.*save it again"):
        decode(with_scans(MOST_SCANS + 1), "x.jpg")


def test_a_large_picture_may_have_fewer_scans() -> None:
    outline = outline_of(claiming(with_scans(50), 5000, 5000))
    assert not isinstance(outline, str)
    assert len(outline.scans) == 50
    assert "scans" in str(outline_of(claiming(with_scans(50), 9000, 9000)))


def test_scans_of_what_lies_behind_the_picture_do_not_count() -> None:
    assert decode(jpeg(photo()) + b"\xff\xda" * 500).size == (160, 120)
    exif = b"Exif\0\0" + b"\xff\xda" * 500
    assert decode(jpeg(photo(), exif=exif)).size == (160, 120)


@pytest.mark.parametrize("filler", [b"\xff\xfe\x00\x02", b"\x00", b"\xff", b"\xff\xd0", b"\xff\0"])
def test_an_outline_goes_past_fillers_but_not_without_end(filler: bytes) -> None:
    content = jpeg(photo())
    few, many = (content[:2] + filler * n + content[2:] for n in (50, MOST_SEGMENTS + 1))
    outline = outline_of(few)
    assert not isinstance(outline, str)
    assert len(outline.scans) == 1
    assert "10,000 comments" in str(outline_of(many))


@pytest.mark.parametrize("filler", [b"\xff\xfe\x00\x02", b"\xff", b"\xff\xd0"])
def test_segments_without_end_are_refused(filler: bytes) -> None:
    content = jpeg(photo())
    with pytest.raises(PictureError, match=r"x\.jpg: it is stored in more than 200,000 pieces"):
        decode(content[:2] + filler * 210_000 + content[2:], "x.jpg")


# --- what is missing -------------------------------------------------------------------------


@pytest.mark.parametrize("options", [*KINDS.values(), PROGRESSIVE], ids=[*KINDS, "progressive"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "picture",
    [photo(), half_grey(), flat(128), flat(90), flat(255)],
    ids=["photo", "half grey", "grey", "dark", "white"],
)
def test_a_whole_jpeg_is_decoded_with_zeros_behind_it_too(
    options: dict[str, Any], mode: str, picture: Image.Image
) -> None:
    content = jpeg(picture.convert(mode), **options)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    for padding in (b"", bytes(5000)):
        np.testing.assert_array_equal(np.asarray(decode(content + padding)), expected)


@pytest.mark.parametrize("options", [*KINDS.values(), PROGRESSIVE], ids=[*KINDS, "progressive"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.97])
def test_zeros_in_place_of_the_rest_are_named(options: dict[str, Any], share: float) -> None:
    content = jpeg(photo(), **options)
    cut = int(len(content) * share)
    with pytest.raises(PictureError, match=r"^x\.jpg: cut off: the last [\d,]+ bytes are zeros"):
        decode(content[:cut] + bytes(len(content) - cut), "x.jpg")


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_data_that_break_off_before_the_end_are_named(options: dict[str, Any]) -> None:
    content = jpeg(photo(), **options)
    with pytest.raises(PictureError, match="its data end before the picture does"):
        decode(content[: len(content) // 2] + b"\xff\xd9")


@pytest.mark.parametrize("options", [*KINDS.values(), PROGRESSIVE], ids=[*KINDS, "progressive"])
@pytest.mark.parametrize("size", [(160, 240), (640, 480), (2000, 2000)])
def test_a_header_that_claims_more_than_there_is_is_named(
    options: dict[str, Any], size: tuple[int, int]
) -> None:
    with pytest.raises(PictureError, match="its data end before the picture does"):
        decode(claiming(jpeg(photo(), **options), *size))


@pytest.mark.parametrize("quality", [30, 50])
def test_a_hole_of_zeros_is_named(quality: int) -> None:
    content = jpeg(photo(640, 480), quality=quality)
    half = len(content) // 2
    with pytest.raises(PictureError, match="damaged picture"):
        decode(content[:half] + bytes(2000) + content[half + 2000 :])
