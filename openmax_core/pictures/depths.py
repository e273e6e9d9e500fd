"""Greys of other depths than 8 bits, scaled to 8: 12, 16 and 32 bits, and floating point.

A format's own rule comes first: of unsigned numbers 0 is black and the largest that their bits can
hold is white, in a TIFF the other way round where it says so. Signed numbers, 32 bits and floating
point are stored by programs that mean different things, and the file does not say which; what
their values cannot tell either is an error and never a black or a flat picture.

Also PPM, PGM and PBM as text or with an odd maximum, which Pillow decodes number by number: the
values are Pillow's; a picture of 20 MB takes a tenth of a second and not half a minute.
"""

from __future__ import annotations

import re
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin

from openmax_core.errors import PictureError

Grey = NDArray[np.uint8]

WHITE_IS_ZERO = 0
SIGNED = 2
PHOTOMETRIC, BITS, SAMPLE_FORMAT, PLANAR = 262, 258, 339, 284
SMALLEST_SAMPLE, LARGEST_SAMPLE = 340, 341
SIXTEEN_TO_EIGHT = np.rint(np.arange(1 << 16) / 257.0).astype(np.uint8)
# Values beyond, at either end, say nothing about the range: overshoot, highlights, dead pixels.
OUTLIERS = 0.001
MOST_LOOKED_AT = 1_000_000
# Of the values of a floating-point picture: white, and between which largest values it is that.
RANGES = ((1.0, 0.0, 1.5), (255.0, 16.0, 383.0), (65535.0, 4096.0, 98302.0))
SAVE_IT = "save it with 8 or 16 bits, 0 for black"


def has_other_depth(picture: Image.Image) -> bool:
    """Tell whether an opened picture's greys are of another depth, or signed."""
    return picture.mode in {"I", "F"} or picture.mode.startswith("I;16") or _is_signed(picture)


def grey_of(picture: Image.Image, tags: Image.Image) -> Grey:
    """Scale the greys of a decoded picture to 8 bits.

    - Unsigned 12 and 16 bits: by what the bits can hold. A dark picture stays dark.
    - 32 bits: by what the bits can hold where the values reach beyond a sixteenth of it. Values
      from 0 to 255, or to 65,535, are numbers of 8 or 16 bits kept in 32.
    - Signed: the smallest number that the bits can hold is black, where values lie below 0. From
      0 to 255 they are numbers of 8 bits; beyond, 0 may be black or grey, and they are an error.
    - Floating point: 0 is black. White is 1 where the values reach up to 1.5, 255 where they reach
      16 to 383, 65,535 where they reach 4,096 to 98,302. Values beyond are clipped. One in a
      thousand, and one pixel at least, does not count at either end: a single one that overshoots
      changes nothing else. A larger SMaxSampleValue in a TIFF counts. Values that reach
      elsewhere, or well below 0, are an error, and so is a value that is no finite number.

    Parameters
    ----------
    picture : of a mode with one band
    tags : as it was opened, with the tags of a TIFF; may be the same

    Returns
    -------
    (H, W) uint8

    Raises
    ------
    PictureError
        The values cannot be scaled; the reason alone, without the picture's name.
    """
    values = np.asarray(picture)
    if picture.mode == "F":
        grey = _of_floats(values, tags)
    elif isinstance(tags, TiffImagePlugin.TiffImageFile):
        grey = _of_integers(values, *_kind(tags))
    else:
        grey = SIXTEEN_TO_EIGHT[values]  # PNG, JPEG 2000, and PPM, which is stretched to 16 bits
    # As 8 bits are inverted by Pillow.
    is_inverted = _tag(tags, PHOTOMETRIC) == WHITE_IS_ZERO and picture.mode not in {"L", "1"}
    return np.subtract(255, grey, dtype=np.uint8) if is_inverted else grey


def _of_integers(values: NDArray[np.integer], bits: int, is_signed: bool) -> Grey:
    if not is_signed:
        if bits == 16:
            return SIXTEEN_TO_EIGHT[values]
        if bits < 16:
            return _scaled(values, 0, (1 << bits) - 1)
        values = values.view(np.uint32)  # Pillow has no such mode and keeps the bits
    elif bits == 8:
        values = values.view(np.int8)
    lowest = -(1 << (bits - 1)) if is_signed else 0
    highest = lowest + (1 << bits) - 1
    low, high = _ends(values)
    if low >= 0:
        if high <= 255:
            return _scaled(values, 0, 255)
        if bits == 32 and high <= 65535:
            return _scaled(values, 0, 65535)
        if is_signed:
            raise PictureError(
                f"its numbers are signed and lie from {low:,.0f} to {high:,.0f}; whether 0 is "
                f"black cannot be told: {SAVE_IT}"
            )
    if max(-low, high) <= (highest - lowest) / 16:
        raise PictureError(
            f"its {bits}-bit numbers lie from {low:,.0f} to {high:,.0f}; which of them is black "
            f"and which is white cannot be told: {SAVE_IT}"
        )
    return _scaled(values, lowest, highest)


def _of_floats(values: NDArray[np.float32], tags: Image.Image) -> Grey:
    if not np.isfinite(values).all():
        raise PictureError(
            "it has values that are no finite numbers (NaN or infinity), which have no grey: put "
            "others in their place"
        )
    low, high = _ends(values)
    stated = _tag(tags, LARGEST_SAMPLE)
    if isinstance(stated, int | float) and np.isfinite(stated):
        high = max(high, float(stated))
    for white, at_least, at_most in RANGES:
        if at_least <= high <= at_most and low >= -white / 10:
            return _scaled(values, 0, white)
    raise PictureError(
        f"its floating-point values lie from {low:,.4g} to {high:,.4g}; they are scaled from 0 … "
        f"1, 0 … 255 or 0 … 65,535, and what is white here cannot be told: {SAVE_IT}"
    )


def _scaled(values: NDArray[np.generic], black: float, white: float) -> Grey:
    """Greys of values between black and white, clipped; a part at a time, to keep memory small."""
    grey = np.empty(values.shape, dtype=np.uint8)
    rows = max(1, MOST_LOOKED_AT // max(1, values.shape[1]))
    for first in range(0, len(values), rows):
        part = values[first : first + rows].astype(np.float64)
        part = (part - black) * (255.0 / (white - black))
        grey[first : first + rows] = np.clip(np.rint(part), 0, 255)
    return grey


def _ends(values: NDArray[np.generic]) -> tuple[float, float]:
    """Smallest and largest value but for outliers."""
    looked_at = values.ravel()[:: max(1, values.size // MOST_LOOKED_AT)]
    n_out = min(max(1, int(OUTLIERS * looked_at.size)), (looked_at.size - 1) // 2)
    parted = np.partition(looked_at, [n_out, looked_at.size - 1 - n_out])
    return float(parted[n_out]), float(parted[looked_at.size - 1 - n_out])


def _is_signed(picture: Image.Image) -> bool:
    return picture.mode == "L" and _tag(picture, SAMPLE_FORMAT) == SIGNED


def _kind(picture: Image.Image) -> tuple[int, bool]:
    """Bits of a TIFF's greys, and whether they are signed."""
    bits = _tag(picture, BITS)
    return bits if isinstance(bits, int) else 16, _tag(picture, SAMPLE_FORMAT) == SIGNED


def _tag(picture: Image.Image, number: int) -> object:
    """First value of a TIFF's tag; None where there is none."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return None
    value = picture.tag_v2.get(number)
    return value[0] if isinstance(value, tuple) and value else value


CODECS = ("ppm", "ppm_plain")
MOST_COMMENTS = 10_000
COMMENT = re.compile(rb"#[^\r\n]*[\r\n]?")
SPACES = b" \t\n\v\f\r"
DIGITS = b"0123456789"


def is_slow_portable(picture: ImageFile.ImageFile) -> bool:
    """Tell whether an opened picture is such a one."""
    return bool(picture.tile) and picture.tile[0][0] in CODECS


def decoded_portable(picture: ImageFile.ImageFile, stream: IO[bytes]) -> Image.Image:
    """Decode an opened picture; 16-bit greys are stretched to 16 bits, as Pillow does.

    Parameters
    ----------
    picture : for which :func:`is_slow_portable` holds
    stream : what it was opened from

    Raises
    ------
    ValueError
        The content is damaged.
    """
    codec, _, offset, arguments = picture.tile[0][:4]
    stream.seek(offset)
    content = stream.read()
    n_values = picture.width * picture.height * len(picture.getbands())
    if codec == "ppm_plain" and content.count(b"#") > MOST_COMMENTS:
        raise ValueError(f"more than {MOST_COMMENTS:,} comments")
    if picture.mode == "1":
        return Image.frombytes("L", picture.size, _bits(content, n_values))
    maximum = int((arguments or (0,))[-1])
    if codec == "ppm_plain":
        values = _numbers(content, n_values)
    else:
        kind = np.dtype("u1" if maximum < 256 else ">u2")
        values = np.frombuffer(content, kind, min(n_values, len(content) // kind.itemsize))
    if len(values) < n_values:
        raise ValueError("image file is truncated")
    largest = int(values.max(initial=0))
    if codec == "ppm_plain" and largest > maximum:
        raise ValueError(f"a value of {largest} where {maximum} is the largest")
    mode, white = ("I;16", 65535) if picture.mode == "I" else (picture.mode, 255)
    every = np.minimum(np.rint(np.arange(largest + 1) / maximum * white), white)
    pixels = every.astype("<u2" if mode == "I;16" else "u1")[values]
    return Image.frombytes(mode, picture.size, pixels.tobytes())


def _bits(content: bytes, n_values: int) -> bytes:
    """Pixels of a picture of '0', white, and '1', black."""
    bits = COMMENT.sub(b"", content).translate(None, SPACES)[:n_values]
    if bits.translate(None, b"01"):
        raise ValueError("a value that is neither 0 nor 1")
    if len(bits) < n_values:
        raise ValueError("image file is truncated")
    return bits.translate(bytes.maketrans(b"01", b"\xff\0"))


def _numbers(content: bytes, n_values: int) -> NDArray[np.int64]:
    text = COMMENT.sub(b"", content)
    if text.translate(None, DIGITS + SPACES):
        raise ValueError("something between the values that is no number")
    if not text.strip():
        return np.empty(0, dtype=np.int64)
    return np.fromstring(text.decode("ascii"), dtype=np.int64, sep=" ")[:n_values]
