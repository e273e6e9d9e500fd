"""PPM, PGM and PBM: the values are Pillow's."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from openmax_core.errors import PictureError
from openmax_core.pictures.images import decode

rng = np.random.default_rng(0)


def numbers(maximum: int, count: int, wide: bool = False) -> bytes:
    return rng.integers(0, maximum + 1, count).astype(">u2" if wide else "u1").tobytes()


def text(maximum: int, count: int) -> bytes:
    return b"\n".join(b"%d" % value for value in rng.integers(0, maximum + 1, count))


@pytest.mark.parametrize(
    "content",
    [
        b"P6 7 5 254\n" + numbers(254, 105),
        b"P6 7 5 31\n" + numbers(31, 105),
        b"P6 7 5 1000\n" + numbers(1000, 105, wide=True),
        b"P6 7 5 65535\n" + numbers(65535, 105, wide=True),
        b"P5 7 5 9\n" + numbers(9, 35),
        b"P5 7 5 9\n" + numbers(200, 35),  # beyond the maximum: white
        b"P3 7 5 255\n" + text(255, 105),
        b"P3 7 5 77\n" + text(77, 105),
        b"P2 7 5 255\n# one\n" + text(255, 35),
        b"P2 # one\n7 5 # two\r15\n" + text(15, 35),
        b"P1 7 5\n" + b" ".join(rng.choice([b"0", b"1"], 35)),
        b"P1 7 5\n" + b"".join(rng.choice([b"0", b"1"], 35)) + b"\n",
        b"P4 7 5\n" + numbers(255, 5),
        b"P6 7 5 255\n" + numbers(255, 105),
    ],
)
def test_pixels_are_those_of_pillow(content: bytes) -> None:
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    np.testing.assert_array_equal(np.asarray(decode(content)), expected)


@pytest.mark.parametrize("header", [b"P5 7 5 4095\n", b"P2 7 5 4095\n"])
def test_greys_of_twelve_bits_reach_from_black_to_white(header: bytes) -> None:
    values = np.linspace(0, 4095, 35).astype(">u2")
    written = values.tobytes() if header[1:2] == b"5" else b" ".join(b"%d" % v for v in values)
    found = np.asarray(decode(header + written))[..., 0].ravel()
    assert np.abs(found - values / 4095 * 255).max() <= 0.51


@pytest.mark.parametrize(
    "content",
    [
        b"P6 7 5 254\n" + bytes(50),
        b"P3 7 5 255\n" + b"1 " * 50,
        b"P2 7 5 255\n",
        b"P2 7 5 255\n" + b"256 " * 35,
        b"P2 7 5 255\n" + b"-1 " * 35,
        b"P2 7 5 255\n" + b"x " * 35,
        b"P1 7 5\n" + b"2" * 35,
        b"P1 7 5\n" + b"1" * 30,
    ],
)
def test_damaged_ones_are_refused(content: bytes) -> None:
    with pytest.raises(PictureError, match="damaged picture"):
        decode(content)
