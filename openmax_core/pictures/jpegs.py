"""What of a JPEG's bytes libjpeg does not say: scans without end, and data that end too early.

libjpeg decodes a picture once for every scan, fills up what is missing with grey, and takes zeros
for data. Pillow passes on none of its warnings, so that both are looked for here: cheaply in every
file, by a second decoding only where something is odd.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

BEGINNING, END = b"\xff\xd8\xff", b"\xff\xd9"
# A progressive picture has some ten; each costs as much as decoding the picture once.
MOST_SCANS = 100
MOST_SCANNED_PIXELS = 1_500_000_000
# Pillow reads segments, and what lies between them, one by one; a photograph has some dozens.
MOST_SEGMENTS = 10_000
LONGEST_ZEROS = 256  # bytes; what a picture holds on purpose is looked at more closely

SOI, EOI, SOS, DNL, TEM = 0xD8, 0xD9, 0xDA, 0xDC, 0x01
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
WITHOUT_LENGTH = {0x00, TEM, *range(0xD0, 0xDA), *range(0xF0, 0xFE), 0xFF}
# In the data of a scan: a marker that ends it. FF 00 is a byte, FF D0 … D7 are restarts.
USUAL_SCANS = 20
SCAN = re.compile(rb"\xff\xda\x00")  # its segment is short; also in thumbnails and in other data
NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
NOISE = bytes.fromhex("5ac396a53c69e11b874ed22db478e39c6d93c65a1ee14bb4")
# With every restart marker, so that a decoder that waits for one goes on.
SPARE_DATA = NOISE + b"".join(bytes((0xFF, 0xD0 + i)) + NOISE for i in range(8))


@dataclass(frozen=True)
class Scan:
    """Where the data of a scan begin and end in the file."""

    first: int
    end: int


@dataclass(frozen=True)
class JpegOutline:
    """What the markers of a JPEG say.

    Attributes
    ----------
    scans : tuple of Scan
        Those of the picture itself, not those of thumbnails or of a second picture.
    has_end : bool
        The picture's end is marked.
    is_arithmetic : bool
        Coded arithmetically, where zeros at a scan's end may be left out.
    """

    scans: tuple[Scan, ...]
    has_end: bool
    is_arithmetic: bool


def outline_of(content: bytes) -> JpegOutline | str:
    """Follow the markers of a JPEG to the picture's end; or say why it is not decoded."""
    scans: list[Scan] = []
    is_arithmetic = False
    at, n_left, length, n_pixels = 2, MOST_SEGMENTS, len(content), 0
    while at < length:
        start = content.find(b"\xff", at)
        if start < 0:
            break
        n_left -= 1 + (start - at)
        if n_left < 0:
            return (
                f"it has more than {MOST_SEGMENTS:,} comments or other segments; save it again as "
                "JPEG"
            )
        if start + 1 >= length:
            break
        marker = content[start + 1]
        if marker == EOI:
            return JpegOutline(tuple(scans), True, is_arithmetic)
        if marker in WITHOUT_LENGTH:
            at = start + (1 if marker == 0xFF else 2)
            continue
        at = start + 2 + max(2, int.from_bytes(content[start + 2 : start + 4], "big"))
        if marker in FRAMES:
            is_arithmetic = marker in ARITHMETIC
            height, width = (
                int.from_bytes(content[i : i + 2], "big") for i in (start + 5, start + 7)
            )
            n_pixels = width * height
        elif marker == SOS:
            found = NEXT_MARKER.search(content, at)
            end = found.start() if found else length
            scans.append(Scan(at, end))
            at = end
            if len(scans) > MOST_SCANS or len(scans) * n_pixels > MOST_SCANNED_PIXELS:
                return (
                    f"it has {len(scans)} scans or more, each to be decoded by itself; save it "
                    "again as JPEG"
                )
    return JpegOutline(tuple(scans), False, is_arithmetic)


def why_refused(content: bytes) -> str | None:
    """Say why a JPEG is not even decoded; None for all others.

    It has too many scans, or ends in zeros instead of data, as after a copy that broke off. Zeros
    after a picture's marked end are no harm.
    """
    if content.endswith(END) and len(SCAN.findall(content)) <= USUAL_SCANS:
        return None
    outline = outline_of(content)
    if isinstance(outline, str):
        return outline
    if outline.scans and not outline.has_end and content.endswith(bytes(4)):
        n_zeros = len(content) - len(content.rstrip(b"\0"))
        return f"cut off: the last {n_zeros:,} bytes are zeros, and its end is missing"
    return None


def why_incomplete(
    content: bytes, picture: Image.Image, decoded: Callable[[bytes], Image.Image]
) -> str | None:
    """Say that a JPEG's data are fewer than its picture, or have a hole; None where all is well.

    libjpeg leaves grey what the data do not reach. A picture that ends in this grey is decoded
    again, with more data behind its own: they are read only where its own were not enough. Where
    the data hold many zeros, their end is left out and then replaced: it is not read where zeros
    that stand in place of other data made too many pixels. Of a progressive picture this is its
    first scan.

    Parameters
    ----------
    content : of the file
    picture : decoded of it, of any mode, not turned
    decoded : decodes other content in the same way
    """
    ends_in_grey = _ends_in_grey(picture)
    if not ends_in_grey and bytes(LONGEST_ZEROS) not in content:
        return None
    outline = outline_of(content)
    if isinstance(outline, str):
        return outline
    if outline.is_arithmetic or not outline.scans:
        return None
    first, end = outline.scans[0].first, outline.scans[0].end
    before, rest = content[:end], content[end:]
    if ends_in_grey:
        if _changes(picture, decoded, before + SPARE_DATA + rest):
            return "damaged picture (its data end before the picture does)"
        return None
    hole = content.find(bytes(LONGEST_ZEROS), first, end - len(NOISE))
    if hole < 0 or not content[hole:end].strip(b"\0"):  # zeros at the end fill it up
        return None
    without_end = before[: -len(NOISE)]
    others = (without_end + rest, without_end + NOISE + rest)
    if all(_changes(picture, decoded, other) is False for other in others):
        return "damaged picture (a part of its data are zeros)"
    return None


def _ends_in_grey(picture: Image.Image) -> bool:
    """Tell whether the lower right corner has the values that libjpeg fills up with."""
    width, height = picture.size
    for x in {width - 1, max(0, width - 4)}:
        value = picture.getpixel((x, height - 1))
        bands = value if isinstance(value, tuple) else (value,)
        if not all(band in {127, 128} for band in bands):
            return False
    return True


def _changes(
    picture: Image.Image, decoded: Callable[[bytes], Image.Image], content: bytes
) -> bool | None:
    """Tell whether other content gives another picture; None where it gives none."""
    try:
        other = decoded(content)
    except Exception:
        return None
    return picture.tobytes() != other.tobytes()
