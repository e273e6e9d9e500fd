"""Opening pictures of anybody: by content, in the formats that are known, at a bounded cost.

Pillow reads a file's head in Python, piece by piece: some megabytes of empty comments or strips
hold a core for a minute, and Python's lock with it. What no picture needs is refused before.
"""

from __future__ import annotations

import ctypes
import importlib
import io
import logging
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError

from openmax_core.errors import PictureError

# Formats that Pillow decodes by itself; none that starts another program. MPO comes with JPEG:
# Pillow registers no reader of its own for it. TGA has no beginning to know it by: the last.
PLUGINS = {
    "JPEG": "PIL.JpegImagePlugin",
    "PNG": "PIL.PngImagePlugin",
    "WEBP": "PIL.WebPImagePlugin",
    "BMP": "PIL.BmpImagePlugin",
    "GIF": "PIL.GifImagePlugin",
    "TIFF": "PIL.TiffImagePlugin",
    "PPM": "PIL.PpmImagePlugin",
    "AVIF": "PIL.AvifImagePlugin",
    "JPEG2000": "PIL.Jpeg2KImagePlugin",
    "TGA": "PIL.TgaImagePlugin",
}
FORMATS = (*PLUGINS, "HEIF")
# Single pictures, bursts and sequences, and the brands of the container itself.
HEIF_BRANDS = frozenset(
    b"heic heix heim heis hevc hevx hevm hevs mif1 mif2 msf1 miaf MiHB MiHE".split()
)
MOST_READS = 200_000
TOO_MANY_PIECES = f"it is stored in more than {MOST_READS:,} pieces; open it and save it again"
MOST_VALUES = 50_000  # of a TIFF's tag: a strip for each row of a large picture
TRANSFER_FUNCTION = 301  # has more, and is not read
MOST_ENTRIES = 65_535
BYTES = {1, 2, 6, 7}  # types of a TIFF's tags that are read as one piece
BITS, COMPRESSION, COLOURS, PLANES, NUMBERS = 258, 259, 262, 284, 339
NUMBER_FORMATS = {1: "B", 3: "H", 4: "L"}
NUMBERS_IN_WORDS = {1: "unsigned", 2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
COLOURS_IN_WORDS = {0: "white is 0", 1: "black is 0", 2: "RGB", 5: "CMYK", 6: "YCbCr", 8: "CIELAB"}
TEXTS = {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}
TEXTS_NEEDED = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")

PNG = b"\x89PNG\r\n\x1a\n"
TIFF = (b"II\x2a\0", b"MM\0\x2a", b"MM\x2a\0", b"II\0\x2a", b"II\x2b\0", b"MM\0\x2b")
# Pixels that are decoded at once of what strangers send, in the whole process. Decoding takes
# some 8 bytes a pixel, of JPEG 2000 twice as many.
PIXELS_AT_ONCE = 50_000_000

Factory = Callable[[IO[bytes], str], ImageFile.ImageFile]


class _Content(io.BytesIO):
    """A file's bytes; gives up after more reads than a picture's head takes."""

    n_reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.n_reads += 1
        _check_reads(self.n_reads)
        return super().read(size)


class _File(io.BufferedReader):
    """The same of a file; for large ones, of which not all is read."""

    n_reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.n_reads += 1
        _check_reads(self.n_reads)
        return super().read(size)


def _check_reads(n_reads: int) -> None:
    if n_reads > MOST_READS:
        raise PictureError(TOO_MANY_PIECES)


def stream_of(source: Path | bytes) -> IO[bytes]:
    """Open what :func:`opened` takes.

    Raises
    ------
    OSError
        The file cannot be opened.
    """
    if isinstance(source, bytes):
        return _Content(source) if len(source) > MOST_READS else io.BytesIO(source)
    stream = source.open("rb")
    # Of fewer bytes not so many can be read one by one.
    is_large = os.fstat(stream.fileno()).st_size > MOST_READS
    return _File(stream.detach()) if is_large else stream


def opened(stream: IO[bytes]) -> ImageFile.ImageFile:
    """Open a picture by its content, as ``Image.open`` does, without its limit of pixels.

    Raises
    ------
    PictureError
        It would cost too much, or is of a kind that is not decoded; the reason, without its name.
    UnidentifiedImageError
        It is of none of the known formats.
    """
    head = stream.read(64)
    found = ""
    if head.startswith(TIFF):
        found = _checked_tiff(stream)
    failed: Exception | None = None
    for accept, factory in _openers():
        if accept is not None and accept(head[:16]) is not True:
            continue
        stream.seek(0)
        try:
            return factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error, ValueError) as error:
            if accept is None:
                continue
            failed = error
            if not _is_heif(head):  # which may begin as an AVIF
                break
    if _is_heif(head):
        stream.seek(0)
        return _heif(stream)
    if found and str(failed) == "unknown pixel mode":
        raise PictureError(found)
    if failed:
        raise failed
    raise UnidentifiedImageError


@cache
def _openers() -> tuple[tuple[Callable[[bytes], bool | str] | None, Factory], ...]:
    """What accepts a file's beginning, and what opens it."""
    _quieten()
    for module in PLUGINS.values():
        importlib.import_module(module)
    return tuple((Image.OPEN[name][1], Image.OPEN[name][0]) for name in PLUGINS)


def _quieten() -> None:
    """Keep off standard error what names no file; what matters about one is in its error."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with suppress(OSError, AttributeError, StopIteration):
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
        loaded = (line.split(maxsplit=5)[-1] for line in maps.splitlines())
        libtiff = ctypes.CDLL(next(path for path in loaded if "/libtiff" in path))
        libtiff.TIFFSetErrorHandler(None)


def _is_heif(head: bytes) -> bool:
    """Tell by the brands of the file's first box."""
    if head[4:8] != b"ftyp":
        return False
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, size, 4))}
    return not brands.isdisjoint(HEIF_BRANDS)


def _heif(stream: IO[bytes]) -> ImageFile.ImageFile:
    try:
        from pi_heif import HeifImageFile
    except ImportError:
        raise PictureError(
            "HEIC pictures need the package pi-heif: run 'pip install pi-heif', or save it as JPEG"
        ) from None
    try:
        return HeifImageFile(stream, "")
    except SyntaxError as error:
        raise PictureError(f"damaged HEIC picture ({error})") from None


def _checked_tiff(stream: IO[bytes]) -> str:
    """Refuse a TIFF of too many strips or tags before Pillow reads them; or say what it holds."""
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = head[2] == 43  # as Pillow has it
    n_format, entry_format = ("Q", "HHQ8s") if is_big else ("H", "HHL4s")
    (start,) = struct.unpack_from(order + ("Q" if is_big else "L"), head, 8 if is_big else 4)
    held: dict[int, tuple[int, int, bytes]] = {}
    try:
        stream.seek(start)
        (n_entries,) = struct.unpack(order + n_format, stream.read(struct.calcsize("<" + n_format)))
        if n_entries > MOST_ENTRIES:
            raise PictureError(f"it has {n_entries:,} tags; open it and save it again")
        size = struct.calcsize("<" + entry_format)
        entries = stream.read(n_entries * size)
        whole = len(entries) // size * size
        for tag, kind, count, value in struct.iter_unpack(order + entry_format, entries[:whole]):
            if count > MOST_VALUES and kind not in BYTES and tag != TRANSFER_FUNCTION:
                raise PictureError(
                    f"it is stored in {count:,} strips or tiles, or has a tag of as many values; "
                    "open it and save it again"
                )
            held[tag] = kind, count, value

        def first_of(tag: int) -> int:
            if tag not in held:
                return 1  # the default of all that are asked for
            kind, count, value = held[tag]
            number = order + NUMBER_FORMATS.get(kind, "H")
            if struct.calcsize(number) * count > len(value):
                stream.seek(*struct.unpack(order + ("Q" if is_big else "L"), value))
                value = stream.read(struct.calcsize(number))
            return int(struct.unpack_from(number, value)[0])

        numbers = NUMBERS_IN_WORDS.get(first_of(NUMBERS), "unknown")
        colours = COLOURS_IN_WORDS.get(first_of(COLOURS), "other colours")
        is_split = first_of(PLANES) == 2 and first_of(BITS) > 8
        if is_split:
            colours += ", each colour by itself"
        words = (
            f"a TIFF of {first_of(BITS)}-bit {numbers} numbers ({colours}) is not decoded; save it "
            "with 8 bits, as RGB or grey"
        )
        # Which Pillow takes for bytes where it does not leave it to libtiff.
        if is_split and first_of(COLOURS) not in {0, 1} and first_of(COMPRESSION) == 1:
            raise PictureError(words)
        return words
    except (OSError, OverflowError, struct.error):
        return ""  # damaged, which is Pillow's to say


def without_texts(content: bytes) -> bytes:
    """Leave out of a PNG its texts and colour profile, but for what says how it is turned."""
    kept, at = [content[:8]], 8
    while at + 8 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        is_text = content[at + 4 : at + 8] in TEXTS
        if not is_text or content.startswith(TEXTS_NEEDED, at + 8):
            kept.append(content[at:end])
        at = end
    return b"".join(kept)


class Room:
    """What may be decoded at once; who comes when there is no room waits for a turn.

    Parameters
    ----------
    most : pixels; a picture with more takes all
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._first = threading.Lock()
        self._freed = threading.Condition()

    @contextmanager
    def taken(self, n_pixels: int) -> Iterator[None]:
        """Have room for a picture, as long as it is needed."""
        needed = min(n_pixels, self._most)
        # One at a time looks for room, so that a large picture is not overtaken for ever.
        with self._first, self._freed:
            self._freed.wait_for(lambda: self._used + needed <= self._most)
            self._used += needed
        try:
            yield
        finally:
            with self._freed:
                self._used -= needed
                self._freed.notify_all()


FOR_STRANGERS = Room(PIXELS_AT_ONCE)
