"""Greys of 12, 16 and 32 bits, signed and floating: scaled as the file means them, or refused."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from openmax_core.errors import PictureError
from openmax_core.pictures.images import decode
from tests.support.tiffs import FLOATING, SIGNED, UNSIGNED, WHITE_IS_ZERO, tiff

RAMP = np.tile(np.linspace(0, 1, 256), (8, 1))
EIGHT_BITS = np.rint(RAMP * 255).astype(np.uint8)


def greys(content: bytes) -> NDArray[np.uint8]:
    pixels = np.asarray(decode(content))
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


def scaled(black: float, white: float) -> NDArray[np.float64]:
    return black + RAMP * (white - black)


@pytest.mark.parametrize(
    ("values", "number_format"),
    [
        (scaled(0, 65535).astype("<u2"), UNSIGNED),
        (scaled(0, 65535).astype(">u2"), UNSIGNED),
        (scaled(0, 2**32 - 1).astype("<u4"), UNSIGNED),
        (scaled(-(2**15), 2**15 - 1).astype("<i2"), SIGNED),
        (scaled(-(2**15), 2**15 - 1).astype(">i2"), SIGNED),
        (scaled(-(2**31), 2**31 - 1).astype("<i4"), SIGNED),
        (scaled(-128, 127).round().astype("i1"), SIGNED),
        (RAMP.astype("<f4"), FLOATING),
        (RAMP.astype(">f4"), FLOATING),
        ((RAMP * 255).astype("<f4"), FLOATING),
        ((RAMP * 65535).astype("<f4"), FLOATING),
    ],
    ids=lambda item: item.dtype.str if isinstance(item, np.ndarray) else "",
)
def test_greys_reach_from_black_to_white_in_the_same_steps(
    values: NDArray[Any], number_format: int
) -> None:
    found = greys(tiff(values, number_format)).astype(int)
    assert found[0, 0] == 0
    assert found[0, -1] == 255
    assert np.abs(found - EIGHT_BITS).max() <= 1  # values were cut to integers


@pytest.mark.parametrize(
    ("values", "number_format"),
    [(scaled(0, 65535).astype("<u2"), UNSIGNED), (RAMP.astype("<f4"), FLOATING)],
    ids=["16 bits", "floating point"],
)
def test_where_white_is_zero_they_are_inverted_as_eight_bits_are(
    values: NDArray[Any], number_format: int
) -> None:
    found = greys(tiff(values, number_format, WHITE_IS_ZERO)).astype(int)
    expected = greys(tiff(EIGHT_BITS, UNSIGNED, WHITE_IS_ZERO)).astype(int)
    assert expected[0, 0] == 255
    assert np.abs(found - expected).max() <= 1


def test_twelve_bits_reach_from_black_to_white() -> None:
    values = scaled(0, 4095).astype(np.uint16).reshape(8, 128, 2)
    first, second = values[..., 0], values[..., 1]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=2)
    content = tiff(packed.reshape(8, 384).astype(np.uint8), bits=12)
    width = content.index((384).to_bytes(4, "little"), 8 + 8 * 384)
    content = content[:width] + (256).to_bytes(4, "little") + content[width + 4 :]
    assert np.abs(greys(content).astype(int) - EIGHT_BITS).max() <= 1


@pytest.mark.parametrize("white", [1, 255, 65535])
@pytest.mark.parametrize("value", [1.02, 1.5, 300.0, -7.0])
def test_one_pixel_beyond_is_clipped_and_changes_no_other(white: float, value: float) -> None:
    values = (RAMP * white).astype("<f4")
    expected = greys(tiff(values, FLOATING))
    values[0, 100] = value * white
    found = greys(tiff(values, FLOATING))
    assert found[0, 100] == (0 if value < 0 else 255)
    assert np.argwhere(found != expected).tolist() == [[0, 100]]


@pytest.mark.parametrize(("most", "expected"), [(0.01, 3), (0.5, 128), (30.0, 30), (5000.0, 19)])
def test_a_dark_picture_stays_dark(most: float, expected: int) -> None:
    assert greys(tiff((RAMP * most).astype("<f4"), FLOATING)).max() == expected


def test_the_largest_value_that_a_tiff_states_tells_its_range() -> None:
    values = RAMP.astype("<f4")
    content = tiff(values, FLOATING, more=[(341, 11, [255.0])])
    assert greys(content).max() == 1


@pytest.mark.parametrize(
    ("values", "number_format", "reason"),
    [
        ((RAMP * 5).astype("<f4"), FLOATING, "from 0 to 5;"),
        ((RAMP * 1000).astype("<f4"), FLOATING, "from 0 to 1,000;"),
        ((RAMP * 1e9).astype("<f4"), FLOATING, "from 0 to 1e\\+09;"),
        ((RAMP * 2 - 1).astype("<f4"), FLOATING, "from -1 to 1;"),
        ((RAMP * 4000 - 1000).astype("<i2"), SIGNED, "16-bit numbers lie from -1,000 to 3,000;"),
        ((RAMP * 32767).astype("<i2"), SIGNED, "whether 0 is black cannot be told"),
        ((RAMP * 1e6).astype("<i4"), SIGNED, "whether 0 is black cannot be told"),
        ((RAMP * 1e6).astype("<u4"), UNSIGNED, "32-bit numbers lie from 0 to 1,000,000;"),
    ],
)
def test_values_of_which_white_cannot_be_told_are_refused_and_named(
    values: NDArray[Any], number_format: int, reason: str
) -> None:
    with pytest.raises(PictureError, match=reason) as caught:
        decode(tiff(values, number_format), "scan.tif")
    assert str(caught.value).startswith("scan.tif: its ")
    assert str(caught.value).endswith("save it with 8 or 16 bits, 0 for black")


@pytest.mark.parametrize(("kind", "number_format"), [("<i2", SIGNED), ("<i4", SIGNED)])
def test_bytes_kept_in_more_bits_are_bytes(kind: str, number_format: int) -> None:
    np.testing.assert_array_equal(greys(tiff(EIGHT_BITS.astype(kind), number_format)), EIGHT_BITS)


def test_sixteen_bits_kept_in_thirty_two_are_sixteen() -> None:
    values = EIGHT_BITS.astype(np.int32) * 257
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "TIFF")  # as Pillow saves its mode I
    np.testing.assert_array_equal(greys(stream.getvalue()), EIGHT_BITS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("everywhere", [True, False])
def test_values_that_are_no_numbers_are_refused(value: float, everywhere: bool) -> None:
    values = RAMP.astype("<f4")
    values[slice(None) if everywhere else 0] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PictureError, match="no finite numbers"):
            decode(tiff(values, FLOATING))


def test_a_dark_sixteen_bit_pgm_stays_dark() -> None:
    content = b"P5 2 1 65535\n" + np.array([0, 250], dtype=">u2").tobytes()
    assert greys(content).tolist() == [[0, 1]]
