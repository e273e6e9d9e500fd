"""JPEGs that cost too much, and JPEGs of which a part is missing."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from openmax_core.errors import PictureError
from openmax_core.pictures.images import decode
from openmax_core.pictures.jpegs import MOST_SCANS, outline_of
from openmax_core.pictures.opening import MOST_READS

KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "best codes": {"optimize": True},
    "restarts": {"restart_marker_blocks": 3},
    "full colours": {"subsampling": 0, "quality": 95},
}
PROGRESSIVE = {"progressive": True}
# 48 × 32 in arithmetic coding, and with a scan for each colour; libjpeg's encoder made them.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhb"
    "WGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSk"
    "pKSkpKSkpKSkpKSkpKSkpKT/yQARCAAgADADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwDdHINpjnxs/w"
    "A/vKdXHGAP8teaYFkNsd2v66U8odRTGe78UAOnnD+w77UFtXhavY+UKs9Pm/euQATmtLqM2gw/ZYq72yhqXuNXBhzlbk5V"
    "jno2OmK1OP8ADZCfuWfhHusvb58n+tM0zmapZH/qhSOIQWMvhxzW9qvcFm50wk3hx5LLC858TVbYrLU39w65YefvrkpOT6"
    "kJoVSuObnzHcOdqdwOttd67CLYEYiuz4/5PQkwWavXnd/2lveFCjdhWM5nYexJ9HzlL5qdtWOYT/ydgHDezh6lpP/Z"
)
ONE_BY_ONE = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhb"
    "WGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSk"
    "pKSkpKSkpKSkpKSkpKSkpKT/wAARCAAgADADASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8"
    "QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0"
    "NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7"
    "i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/AEsL1WlwOtS3z7pgw7VZS7QRBc0x"
    "n8wZFVZ4WPNEB2KQetQWVn5Um5ga1JLYSRFlGSBWXapIbsq4+UGrN0JIpF8sHbTb64Atht+/TNMV5Vy4qX7Ur9BirEF+IV"
    "KEZzSTOi/vFABNRi+VoiCMms3BkmyelWReC1wAPypBtdsR9aJIXQ/NUDGbPzZxU8Fuz4I6VJcx7I8J96qaRFhl+a//xAAf"
    "AQADAQEBAQEBAQEBAAAAAAAAAQIDBAUGBwgJCgv/xAC1EQACAQIEBAMEBwUEBAABAncAAQIDEQQFITEGEkFRB2FxEyIygQ"
    "gUQpGhscEJIzNS8BVictEKFiQ04SXxFxgZGiYnKCkqNTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqC"
    "g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2dri4+Tl5ufo6ery8/T19vf4+f"
    "r/2gAIAQIRAD8AVbmlPkuKjSUK3vPUdSCqe9sVXpRhrHcmUOWPNNXfc1c4VlyyWh//2gAIAQMRAD8Ahw5nboXNe0VobGNX"
    "95H3j01Tp7yOKnCmqlpPQV4zraaH/9k="
)


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
    first = content.index(b"\xff\xda")
    end = content.index(b"\xff\xc4", first)
    again = content[first:end] * (count - content.count(b"\xff\xda"))
    return content[:end] + again + content[end:]


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
    few, many = (content[:2] + filler * n + content[2:] for n in (50, MOST_READS + 1))
    outline = outline_of(few)
    assert not isinstance(outline, str)
    assert len(outline.scans) == 1
    assert "more than 200,000 pieces" in str(outline_of(many))


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


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_progressive_jpeg_that_is_cut_anywhere_and_ended_is_named(mode: str) -> None:
    content = jpeg(photo().convert(mode), quality=90, **PROGRESSIVE)
    for length in range(content.index(b"\xff\xda") + 100, len(content) - 50, 211):
        with pytest.raises(PictureError, match="damaged picture"):
            decode(content[:length] + b"\xff\xd9")


def test_a_progressive_jpeg_without_its_last_scan_is_named() -> None:
    content = jpeg(photo(), **PROGRESSIVE)
    with pytest.raises(PictureError, match="cut off"):
        decode(content[: content.rindex(b"\xff\xda")] + b"\xff\xd9")


@pytest.mark.parametrize("gap", [40, 300])
def test_data_that_are_missing_within_a_progressive_jpeg_are_named(gap: int) -> None:
    content = jpeg(photo(), **PROGRESSIVE)
    outline = outline_of(content)
    assert not isinstance(outline, str)
    for scan in outline.scans:
        if scan.end - scan.first > 2 * gap:
            with pytest.raises(PictureError, match="cut off"):
                decode(content[: scan.end - gap] + content[scan.end :])


def test_a_jpeg_that_has_a_scan_for_each_colour_is_decoded_and_named_where_it_is_cut_off() -> None:
    expected = np.asarray(Image.open(io.BytesIO(ONE_BY_ONE)))
    np.testing.assert_array_equal(np.asarray(decode(ONE_BY_ONE)), expected)
    for length in range(ONE_BY_ONE.index(b"\xff\xda") + 20, len(ONE_BY_ONE) - 40, 7):
        with pytest.raises(PictureError, match="damaged picture"):
            decode(ONE_BY_ONE[:length] + b"\xff\xd9")


def test_arithmetic_coding_is_decoded() -> None:
    expected = np.asarray(Image.open(io.BytesIO(ARITHMETIC)))
    np.testing.assert_array_equal(np.asarray(decode(ARITHMETIC)), expected)


@pytest.mark.parametrize("options", [*KINDS.values(), PROGRESSIVE], ids=[*KINDS, "progressive"])
def test_bytes_before_a_marker_and_behind_the_end_are_passed_over(options: dict[str, Any]) -> None:
    content = jpeg(photo(), **options)
    expected = np.asarray(decode(content))
    thumbnail = jpeg(photo(32, 32), **PROGRESSIVE)[:-200]
    exif = content[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    for other in (
        content[:-2] + bytes(7) + b"\xff\xff\xff\xd9",
        content[:-2] + bytes(range(1, 200)) + b"\xff\xd9",
        content + thumbnail + b"\xff\xd9" + bytes(9),
        exif + content[2:],
    ):
        np.testing.assert_array_equal(np.asarray(decode(other)), expected)


def test_every_restart_of_a_scan_must_be_there() -> None:
    content = jpeg(photo(), restart_marker_rows=1)
    assert decode(content).size == (160, 120)
    cut = content.rindex(b"\xff\xd5")
    with pytest.raises(PictureError, match="cut off"):
        decode(content[:cut] + b"\xff\xd9")


def test_the_first_picture_of_several_is_decoded() -> None:
    stream = io.BytesIO()
    photo().save(stream, "MPO", save_all=True, append_images=[flat(9)])
    content = stream.getvalue()
    expected = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(np.asarray(decode(content)), expected)


@pytest.mark.parametrize("options", [*KINDS.values(), PROGRESSIVE], ids=[*KINDS, "progressive"])
@pytest.mark.parametrize("size", [(160, 240), (640, 480), (2000, 2000)])
def test_a_header_that_claims_more_than_there_is_is_named(
    options: dict[str, Any], size: tuple[int, int]
) -> None:
    for picture in (photo(), flat(128)):
        with pytest.raises(PictureError, match="its data end before the picture does"):
            decode(claiming(jpeg(picture.resize((64, 64)), **options), *size))


@pytest.mark.parametrize("quality", [30, 50])
def test_a_hole_of_zeros_is_named(quality: int) -> None:
    content = jpeg(photo(640, 480), quality=quality)
    half = len(content) // 2
    with pytest.raises(PictureError, match="damaged picture"):
        decode(content[:half] + bytes(2000) + content[half + 2000 :])
