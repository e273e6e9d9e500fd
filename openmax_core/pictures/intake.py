"""Taking in what strangers send: pictures and archives of them, by content and within limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from openmax_core.pictures.archives import is_archive, unpack
from openmax_core.pictures.images import why_no_picture
from openmax_core.pictures.uploads import (
    MAX_ARCHIVE_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    Refused,
    Upload,
    label,
    megabytes,
)

OTHER_ARCHIVES = {
    b"Rar!\x1a\x07": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
}


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
    for file in _pictures(sent):
        if isinstance(file, Refused):
            refused.append(file)
        elif file.key in keys:
            continue
        elif (reason := _beyond(file, len(keys), total)) is not None:
            refused.append(Refused(file.name, reason))
        else:
            taken.append(file)
            keys.add(file.key)
            total += len(file.content)
    return Intake(tuple(taken), tuple(refused))


def _pictures(sent: Iterable[Upload]) -> Iterator[Upload | Refused]:
    for item in sent:
        file = Upload(label(item.name), item.content)
        if not is_archive(file.content):
            yield _judged(file)
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
                yield _judged(entry)
            if is_empty:
                yield Refused(file.name, "there is no file in the archive")


def _judged(file: Upload | Refused) -> Upload | Refused:
    """Turn away what is no picture by its content."""
    if isinstance(file, Refused):
        return file
    if len(file.content) > MAX_FILE_BYTES:
        return Refused(
            file.name,
            f"it has {megabytes(len(file.content))}; at most {megabytes(MAX_FILE_BYTES)} a picture "
            "are taken, make it smaller",
        )
    for beginning, kind in OTHER_ARCHIVES.items():
        if file.content.startswith(beginning):
            return Refused(file.name, f"{kind} archives are not opened; pack the pictures as ZIP")
    reason = why_no_picture(file.content)
    if reason is None:
        return file
    if file.name.lower().endswith(".zip"):
        return Refused(file.name, f"it is no ZIP archive, though it is called one: {reason}")
    return Refused(file.name, reason)


def _beyond(file: Upload, n_held: int, total: int) -> str | None:
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
