"""PPM, PGM and PBM as text or with an odd maximum, which Pillow decodes number by number.

The values are Pillow's; a picture of 20 MB takes a tenth of a second and not half a minute.
"""

from __future__ import annotations

import re
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

CODECS = ("ppm", "ppm_plain")
MOST_COMMENTS = 10_000
COMMENT = re.compile(rb"#[^\r\n]*[\r\n]?")
SPACES = b" \t\n\v\f\r"
DIGITS = b"0123456789"


def is_slow(picture: ImageFile.ImageFile) -> bool:
    """Tell whether an opened picture is such a one."""
    return bool(picture.tile) and picture.tile[0][0] in CODECS


def decoded(picture: ImageFile.ImageFile, stream: IO[bytes]) -> Image.Image:
    """Decode an opened picture; 16-bit greys are stretched to 16 bits, as Pillow does.

    Parameters
    ----------
    picture : for which :func:`is_slow` holds
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
