"""What of a JPEG's bytes libjpeg does not say: scans without end, and data that end too early.

libjpeg decodes a picture once for every scan, fills up what is missing with grey or leaves it
coarse, and takes zeros for data. Pillow passes on none of its warnings, so that both are looked for
here: in the markers, and in how the decoder takes what stands behind the data of each scan.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageFile

from openmax_core.pictures.opening import MOST_READS, TOO_MANY_PIECES

BEGINNING = b"\xff\xd8\xff"
# A progressive picture has some ten; each costs as much as decoding the picture once.
MOST_SCANS = 100
MOST_SCANNED_PIXELS = 1_500_000_000
LONGEST_ZEROS = 256  # bytes; what a picture holds on purpose is looked at more closely

EOI, SOS, DRI, TEM = 0xD9, 0xDA, 0xDD, 0x01
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
HUFFMAN = {0xC0, 0xC1, 0xC2}  # and no lossless one
WITHOUT_LENGTH = {0x00, TEM, *range(0xD0, 0xDA), *range(0xF0, 0xFE), 0xFF}
# In the data of a scan FF 00 is a byte, FF D0 … D7 are restarts, and another marker ends it.
MARKER = re.compile(rb"\xff[^\x00\xff]")
RESTARTS = range(0xD0, 0xD8)
# Eight bits of one, which begin no code: a decoder that waits for data takes them for data, one
# that waits for a marker passes them over. Before, it fills its store of bits.
ONES = b"\xff\0"
STORE = 8 * ONES
N_LAST = 24  # bytes of a scan

N_COEFFICIENTS = 64
CUT_OFF = "damaged picture or cut off (its data end before the picture does)"


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
    is_whole : bool
        The scans hold every coefficient of every component to its last bit, with every restart.
    is_huffman : bool
        Coded with Huffman codes and by coefficients, as nearly every JPEG is.
    """

    scans: tuple[Scan, ...]
    has_end: bool
    is_whole: bool
    is_huffman: bool


@dataclass
class _Frame:
    """A picture's size, components and what their scans have brought."""

    kind: int
    size: tuple[int, int]
    sampling: dict[int, tuple[int, int]]
    bits: dict[int, bytearray]  # still to come, by component and coefficient

    @classmethod
    def read(cls, kind: int, segment: bytes) -> _Frame:
        height, width = (int.from_bytes(segment[i : i + 2], "big") for i in (1, 3))
        parts = [segment[i : i + 3] for i in range(6, len(segment) - 2, 3)]
        sampling = {part[0]: (part[1] >> 4 or 1, part[1] & 15 or 1) for part in parts}
        n_each = N_COEFFICIENTS if kind in PROGRESSIVE else 1
        bits = {part: bytearray(b"\xff" * n_each) for part in sampling}
        return cls(kind, (width, height), sampling, bits)

    @property
    def n_pixels(self) -> int:
        return self.size[0] * self.size[1]

    @property
    def is_whole(self) -> bool:
        return not any(map(any, self.bits.values()))

    def add_scan(self, segment: bytes) -> list[int]:
        """Note what a scan brings; return its components."""
        count = segment[0] if segment else 0
        components = list(segment[1 : 1 + 2 * count : 2])
        first, last, bits = (*segment[1 + 2 * count :], 0, 0, 0)[:3]
        if self.kind not in PROGRESSIVE:
            first = last = bits = 0
        last = min(last, N_COEFFICIENTS - 1)
        for component in components:
            if component in self.bits:
                self.bits[component][first : last + 1] = bytes([bits & 15]) * (last + 1 - first)
        return components

    def n_restarts(self, components: Sequence[int], interval: int) -> int:
        """How many restarts lie within a scan of these components."""
        if not interval:
            return 0
        across, down = (
            max((item[axis] for item in self.sampling.values()), default=1) for axis in (0, 1)
        )
        if len(components) == 1:
            own = self.sampling.get(components[0], (1, 1))
            width, height = (
                math.ceil(side * part / most)
                for side, part, most in zip(self.size, own, (across, down), strict=True)
            )
            across = down = 1
        else:
            width, height = self.size
        n_blocks = math.ceil(width / (8 * across)) * math.ceil(height / (8 * down))
        return max(0, math.ceil(n_blocks / interval) - 1)


def outline_of(content: bytes) -> JpegOutline | str:
    """Follow the markers of a JPEG to the picture's end; or say why it is not decoded."""
    scans: list[Scan] = []
    frame = _Frame(0, (0, 0), {}, {})
    interval, has_restarts = 0, True

    def found(has_end: bool) -> JpegOutline:
        is_whole = has_restarts and frame.is_whole
        return JpegOutline(tuple(scans), has_end, is_whole, frame.kind in HUFFMAN)

    at, n_left, length = 2, MOST_READS, len(content)
    while at < length:
        start = content.find(b"\xff", at)
        if start < 0:
            break
        n_left -= 1 + (start - at)  # Pillow reads segments, and what lies between them, one by one
        if n_left < 0:
            return TOO_MANY_PIECES
        if start + 1 >= length:
            break
        marker = content[start + 1]
        if marker == EOI:
            return found(has_end=True)
        if marker in WITHOUT_LENGTH:
            at = start + (1 if marker == 0xFF else 2)
            continue
        at = start + 2 + max(2, int.from_bytes(content[start + 2 : start + 4], "big"))
        if marker in FRAMES:
            frame = _Frame.read(marker, content[start + 4 : at])
        elif marker == DRI:
            interval = int.from_bytes(content[start + 4 : start + 6], "big")
        elif marker == SOS:
            components = frame.add_scan(content[start + 4 : at])
            end, n_restarts = _end_of_scan(content, at)
            scans.append(Scan(at, end))
            at = end
            if n_restarts < frame.n_restarts(components, interval):
                has_restarts = False
            if len(scans) > MOST_SCANS or len(scans) * frame.n_pixels > MOST_SCANNED_PIXELS:
                return (
                    f"it has {len(scans)} scans or more, each to be decoded by itself; save it "
                    "again as JPEG"
                )
    return found(has_end=False)


def _end_of_scan(content: bytes, first: int) -> tuple[int, int]:
    """Where the data of a scan end, and how many restarts are in them."""
    n_restarts = 0
    for marker in MARKER.finditer(content, first):
        if content[marker.start() + 1] not in RESTARTS:
            return marker.start(), n_restarts
        n_restarts += 1
    return len(content), n_restarts


def why_cut_off(content: bytes, outline: JpegOutline) -> str | None:
    """Say why a JPEG is not even decoded: a part is missing; None for all others.

    The file ends in zeros instead of data, as after a copy that broke off; or its markers tell that
    a scan is missing or has too few restarts. Zeros after a picture's marked end are no harm.
    """
    if not outline.scans:
        return None  # which Pillow says
    if not outline.has_end:
        if not content.endswith(bytes(4)):
            return None
        n_zeros = len(content) - len(content.rstrip(b"\0"))
        return f"cut off: the last {n_zeros:,} bytes are zeros, and its end is missing"
    return None if outline.is_whole else CUT_OFF


def load(picture: ImageFile.ImageFile, content: bytes, outline: JpegOutline) -> str | None:
    """Decode an opened JPEG as ``picture.load()`` does; say what of its data is missing.

    The decoder gets the data of one scan at a time, and bits behind them that are no picture. It
    takes them at once and without end where the scan is decoded: it looks for a marker. Where it
    keeps some back, or none of them is needed, the data were too few: a scan that lacks less than
    some twenty bytes is not told from a whole one. Where the data hold many zeros, and the decoder
    looks for a marker before their end, the zeros stand in place of other data.

    Parameters
    ----------
    picture : not loaded yet; it is afterwards, if None is returned
    content, outline : of its file

    Raises
    ------
    OSError
        The content is damaged, or ends before its end is marked.
    """
    picture.load_prepare()
    name, extents, _, arguments = picture.tile[0][:4]
    decoder = Image._getdecoder(picture.mode, name, arguments, picture.decoderconfig)
    left, used, error = b"", 0, 0

    def takes(piece: bytes) -> bool:
        """Decode a piece; tell whether nothing of it is kept back."""
        nonlocal left, used, error
        if used >= 0:
            given = left + piece if left else piece
            used, error = decoder.decode(given)
            left = given[used:] if used >= 0 else b""
        return not left

    try:
        decoder.setimage(picture.im, extents)
        at = 0
        for scan in outline.scans if outline.is_huffman and outline.has_end else ():
            if has_hole := _has_hole(content, scan):
                takes(content[at : scan.end - N_LAST])
                at = scan.end - N_LAST
                taken = [takes(content[i : i + 1]) for i in range(at, scan.end)]
                has_hole = sum(taken) > N_LAST // 2
            else:
                takes(content[at : scan.end])
            at = scan.end
            if has_hole and not error:
                return "damaged picture (a part of its data are zeros)"
            takes(STORE)
            if not all([takes(ONES), takes(ONES)]):
                return CUT_OFF
        takes(content[at:])
    finally:
        decoder.cleanup()
    if used >= 0:
        raise OSError(f"image file is truncated ({len(left)} bytes not processed)")
    if error < 0:
        raise OSError("broken data stream when reading image file")
    picture.tile, picture.fp = [], None
    return None


def _has_hole(content: bytes, scan: Scan) -> bool:
    """Tell whether a scan has many zeros, and not at its end alone: there they fill it up."""
    hole = content.find(bytes(LONGEST_ZEROS), scan.first, scan.end - N_LAST)
    return hole >= 0 and bool(content[hole : scan.end].strip(b"\0"))
