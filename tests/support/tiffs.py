"""TIFFs of every kind of numbers, which Pillow does not write."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNSIGNED, SIGNED, FLOATING = 1, 2, 3
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
LAYOUTS = {3: "H", 4: "L", 11: "f"}

Tag = tuple[int, int, Sequence[Any]]


def tiff(
    values: NDArray[Any],
    number_format: int = UNSIGNED,
    colours: int = BLACK_IS_ZERO,
    *,
    bits: int = 0,
    planes: int = 1,
    more: Sequence[Tag] = (),
) -> bytes:
    """Content of an uncompressed TIFF.

    Parameters
    ----------
    values : (H, W) or (H, W, samples); their byte order is the file's
    number_format, colours : as the tags have them
    bits : of a sample; those of the values without
    planes : 2 where each colour lies by itself
    more : tags (number, type, values)
    """
    height, width = values.shape[:2]
    n_samples = values.shape[2] if values.ndim == 3 else 1
    split = np.moveaxis(values, 2, 0) if planes == 2 else values
    data = np.ascontiguousarray(split).tobytes()
    n_strips = n_samples if planes == 2 else 1
    size = len(data) // n_strips
    tags: list[Tag] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [bits or values.itemsize * 8] * n_samples),
        (259, 3, [1]),
        (262, 3, [colours]),
        (273, 4, [8 + size * strip for strip in range(n_strips)]),
        (277, 3, [n_samples]),
        (278, 4, [height]),
        (279, 4, [size] * n_strips),
        (284, 3, [planes]),
        (339, 3, [number_format] * n_samples),
        *more,
    ]
    order = ">" if values.dtype.str[0] == ">" else "<"
    start = 8 + len(data)
    tail, tail_at = b"", start + 2 + 12 * len(tags) + 4
    listed = struct.pack(order + "H", len(tags))
    for number, kind, content in sorted(tags):
        packed = struct.pack(order + LAYOUTS[kind] * len(content), *content)
        if len(packed) > 4:
            packed, tail = struct.pack(order + "L", tail_at + len(tail)), tail + packed
        listed += struct.pack(order + "HHL", number, kind, len(content)) + packed.ljust(4, b"\0")
    beginning = b"MM" if order == ">" else b"II"
    return beginning + struct.pack(order + "HL", 42, start) + data + listed + bytes(4) + tail
