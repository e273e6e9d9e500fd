"""Files of a ZIP archive that a stranger sent: read in memory, an entry at a time.

Nothing is written anywhere, so a path that leads out of the archive could do no harm; it is refused
all the same, for nobody packs such a one by accident. An archive may claim any size: what it claims
is looked at before, and what really comes out is bounded by it.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Iterator

from openmax_core.pictures.folders import SYSTEM_FILES
from openmax_core.pictures.uploads import (
    MAX_FILE_BYTES,
    MAX_TOTAL_BYTES,
    Refused,
    Upload,
    label,
    megabytes,
)

MAX_ENTRIES = 2000
# Pictures are compressed already; what shrinks to a two-hundredth holds nothing but repetition.
MAX_RATIO = 200
SMALL = 1_000_000  # bytes that may shrink as far as they like
BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
DIRECTORY_ENTRY = b"PK\x01\x02"
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1
SEND_ITSELF = "send the picture itself"


def is_archive(content: bytes) -> bool:
    """Tell a ZIP archive by its content, whatever its name."""
    return content.startswith(BEGINNINGS)


def unpack(archive: Upload) -> Iterator[Upload | Refused]:
    """Entries of a ZIP archive, in its order, named 'archive.zip/folder/picture.jpg'.

    Folders, hidden files and what macOS and Windows add are passed over in silence. An entry that
    cannot be taken is yielded with its reason; so is the archive where none of it can be read.
    """
    # Counted before they are listed: a list of millions would fill the memory.
    if archive.content.count(DIRECTORY_ENTRY) > MAX_ENTRIES:
        yield Refused(
            archive.name,
            f"the archive has more than {MAX_ENTRIES:,} entries; pack fewer files in one",
        )
        return
    try:
        opened = zipfile.ZipFile(io.BytesIO(archive.content))
    # The reader lets many kinds of errors through for damaged content.
    except Exception as error:
        yield Refused(
            archive.name,
            f"the archive is damaged or was cut off ({_in_words(error)}); pack it again",
        )
        return
    total = 0
    with opened:
        for info in opened.infolist():
            path = info.filename.replace("\\", "/")
            if path.endswith("/") or _is_junk(path):
                continue
            name = f"{archive.name}/{label(path)}"
            reason = _why_not(info, path)
            if reason is None and total + info.file_size > MAX_TOTAL_BYTES:
                reason = (
                    f"the archive unpacks to more than {megabytes(MAX_TOTAL_BYTES)}; send it in "
                    "parts"
                )
            if reason is not None:
                yield Refused(name, reason)
                continue
            total += info.file_size
            yield _read(opened, info, name)


def _read(opened: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Upload | Refused:
    try:
        with opened.open(info) as stream:
            # Never more than the size that was claimed, and that was looked at.
            content = stream.read(MAX_FILE_BYTES)
    except Exception as error:  # as above
        return Refused(name, f"the entry is damaged ({_in_words(error)}); {SEND_ITSELF}")
    if is_archive(content):
        return Refused(name, "an archive within an archive is not opened; send it by itself")
    return Upload(name, content)


def _why_not(info: zipfile.ZipInfo, path: str) -> str | None:
    """Why an entry is not even read; None where nothing speaks against it."""
    if path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:", path):
        return "its path leads out of the archive; pack it again without"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return f"it is a link to another file; {SEND_ITSELF}"
    if kind not in {0, stat.S_IFREG}:
        return "it is no ordinary file"
    if info.flag_bits & ENCRYPTED:
        return f"it is locked with a password; unpack it and {SEND_ITSELF}"
    if info.compress_type not in METHODS:
        return (
            f"it is compressed in a way that is not read here; use ordinary ZIP, or {SEND_ITSELF}"
        )
    if info.file_size > MAX_FILE_BYTES:
        return (
            f"it unpacks to {megabytes(info.file_size)}; at most {megabytes(MAX_FILE_BYTES)} a "
            "picture are taken, make it smaller"
        )
    if info.file_size > max(SMALL, MAX_RATIO * info.compress_size):
        return (
            f"{info.compress_size:,} bytes would unpack to {megabytes(info.file_size)}, as no "
            f"photograph does; if it is a picture, {SEND_ITSELF}"
        )
    return None


def _is_junk(path: str) -> bool:
    parts = path.split("/")
    is_hidden = any(part.startswith(".") and part != ".." for part in parts)
    return is_hidden or "__MACOSX" in parts or parts[-1].lower() in SYSTEM_FILES


def _in_words(error: Exception) -> str:
    return label(str(error))[:120] or type(error).__name__
