"""Taking in what strangers send: pictures and ZIP archives of them, by content and within limits.

A name is a label and nothing else: no file of it is ever opened or written. An archive is read in
memory, an entry at a time. A path that leads out of it could do no harm; it is refused all the
same, for nobody packs such a one by accident. An archive may claim any size: what it claims is
looked at before, and what really comes out is bounded by it.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from openmax_core.pictures.folders import SYSTEM_FILES
from openmax_core.pictures.images import why_no_picture
from openmax_core.pictures.zip_names import names_of

MAX_FILES = 200
MAX_FILE_BYTES = 20_000_000
MAX_ARCHIVE_BYTES = 100_000_000
MAX_TOTAL_BYTES = 400_000_000
MAX_ENTRIES = 2000
# Pictures are compressed already; what shrinks to a two-hundredth holds nothing but repetition.
MAX_RATIO = 200
SMALL = 1_000_000  # bytes that may shrink as far as they like
BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
DIRECTORY_ENTRY = b"PK\x01\x02"
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1
SEND_ITSELF = "send the picture itself"
OTHER_ARCHIVES = {
    b"Rar!\x1a\x07": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
}
KEY_LENGTH = 20


@dataclass(frozen=True)
class Upload:
    """One file as it was sent, or one entry of an archive."""

    name: str
    content: bytes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def key(self) -> str:
        """What tells this file from others: a hash of name and content."""
        named = f"{self.digest}/{self.name}".encode("utf-8", "backslashreplace")
        return hashlib.sha256(named).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True)
class Refused:
    """A file that is not taken: its name, why, and what to do instead."""

    name: str
    reason: str


def label(name: str) -> str:
    """Return a name as it can be shown: signs that would not be seen are replaced by �."""
    return "".join(sign if sign.isprintable() else "�" for sign in name)


def megabytes(n_bytes: int) -> str:
    """Return 20400000 as '20.4 MB'."""
    return f"{n_bytes / 1e6:.1f} MB".replace(".0 MB", " MB")


@dataclass(frozen=True)
class Intake:
    """What is taken of the files sent, and what is not."""

    files: tuple[Upload, ...]
    refused: tuple[Refused, ...]


def take_in(sent: Iterable[Upload], held: Sequence[Upload] = ()) -> Intake:
    """Take pictures, also out of ZIP archives, as far as the limits allow.

    At most 200 pictures of 20 MB each and 400 MB together, an archive of at most 100 MB; what is
    ``held`` already counts, and a file that is among it, or comes twice, is taken once.
    """
    taken: list[Upload] = []
    refused: list[Refused] = []
    keys = {file.key for file in held}
    total = sum(len(file.content) for file in held)
    for file in _unpacked(sent):
        if isinstance(file, Refused):
            refused.append(file)
        elif file.key in keys:
            continue
        elif (reason := _why_not_taken(file, len(keys), total)) is not None:
            refused.append(Refused(file.name, reason))
        else:
            taken.append(file)
            keys.add(file.key)
            total += len(file.content)
    return Intake(tuple(taken), tuple(refused))


def _unpacked(sent: Iterable[Upload]) -> Iterator[Upload | Refused]:
    for item in sent:
        file = Upload(label(item.name), item.content)
        if not is_archive(file.content):
            yield file
        elif len(file.content) > MAX_ARCHIVE_BYTES:
            yield Refused(
                file.name,
                f"it has {megabytes(len(file.content))}; an archive may have at most "
                f"{megabytes(MAX_ARCHIVE_BYTES)}, send it in parts",
            )
        else:
            # One at a time: what is not taken is let go before the next is unpacked.
            is_empty = True
            for entry in unpack(file):
                is_empty = False
                yield entry
            if is_empty:
                yield Refused(file.name, "there is no file in the archive")


def _why_not_taken(file: Upload, n_held: int, total: int) -> str | None:
    """Why a file is turned away: it is no picture by its content, or beyond the limits."""
    if len(file.content) > MAX_FILE_BYTES:
        return (
            f"it has {megabytes(len(file.content))}; at most {megabytes(MAX_FILE_BYTES)} a picture "
            "are taken, make it smaller"
        )
    for beginning, kind in OTHER_ARCHIVES.items():
        if file.content.startswith(beginning):
            return f"{kind} archives are not opened; pack the pictures as ZIP"
    if (reason := why_no_picture(file.content)) is not None:
        if file.name.lower().endswith(".zip"):
            return f"it is no ZIP archive, though it is called one: {reason}"
        return reason
    if n_held >= MAX_FILES:
        return (
            f"at most {MAX_FILES} pictures are decided on at a time; take some away and send it "
            "again"
        )
    if total + len(file.content) > MAX_TOTAL_BYTES:
        return (
            f"at most {megabytes(MAX_TOTAL_BYTES)} are held at a time; take some away and send it "
            "again"
        )
    return None


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
        entries = opened.infolist()
        shown: dict[str, str] = {}
        for info, entry_name in zip(entries, names_of(entries), strict=True):
            path = entry_name.replace("\\", "/")
            if path.endswith("/") or _is_junk(path):
                continue
            name = f"{archive.name}/{_unlike_others(label(path), info.orig_filename, shown)}"
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


def _unlike_others(name: str, stored: str, shown: dict[str, str]) -> str:
    """Number a name under which an entry of another stored name is shown already."""
    stem, dot, suffix = name.rpartition(".")
    unlike, count = name, 1
    while shown.setdefault(unlike, stored) != stored:
        count += 1
        unlike = f"{stem} ({count}).{suffix}" if dot else f"{name} ({count})"
    return unlike


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
