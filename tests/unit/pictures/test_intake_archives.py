"""ZIP archives of strangers, some of them evil: each is made here, entry by entry."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from openmax_core.pictures import intake
from openmax_core.pictures.intake import (
    MAX_ENTRIES,
    MAX_FILE_BYTES,
    Refused,
    Upload,
    is_archive,
    unpack,
)

PICTURE = io.BytesIO()
Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(
    PICTURE, "PNG"
)
PNG = PICTURE.getvalue()


def packed(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


def opened(content: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    """Contents and reasons by name."""
    found = list(unpack(Upload("all.zip", content)))
    taken = {item.name: item.content for item in found if isinstance(item, Upload)}
    refused = {item.name: item.reason for item in found if isinstance(item, Refused)}
    assert len(taken) + len(refused) == len(found)
    return taken, refused


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_pictures_come_out_as_they_went_in_and_in_order(method):
    entries = [("b.png", PNG), ("deep/er/a.png", PNG + b"1"), ("ä 漢.png", PNG + b"2")]
    taken, refused = opened(packed(*entries, method=method))
    assert list(taken.items()) == [(f"all.zip/{name}", content) for name, content in entries]
    assert refused == {}


def test_an_archive_is_known_by_its_content():
    assert is_archive(packed(("a.png", PNG)))
    assert is_archive(packed())  # empty ones begin otherwise
    assert not is_archive(PNG)
    assert not is_archive(b"")
    # A picture with an archive after it is a picture.
    assert not is_archive(PNG + packed(("a.png", PNG)))


@pytest.mark.parametrize(
    "name",
    ["../x.png", "a/../../x.png", "/etc/x.png", "C:/x.png", "c:\\x.png", "..\\x.png", "\\x.png"],
)
def test_a_path_that_leaves_the_archive_is_refused_and_the_others_are_taken(name):
    taken, refused = opened(packed((name, PNG), ("good.png", PNG)))
    assert list(taken) == ["all.zip/good.png"]
    (reason,) = refused.values()
    assert reason.startswith("its path leads out of the archive")


@pytest.mark.parametrize("name", ["a..b/c..png", "a...png", "a b/c:d.png"])
def test_a_name_that_only_looks_like_such_a_path_is_taken(name):
    taken, _ = opened(packed((f"x{name}", PNG)))
    assert list(taken) == [f"all.zip/x{name}"]


def test_paths_of_windows_are_shown_with_slashes():
    taken, _ = opened(packed(("holiday\\beach.png", PNG)))
    assert list(taken) == ["all.zip/holiday/beach.png"]


def test_signs_that_would_not_be_seen_are_replaced():
    taken, _ = opened(packed(("a\u202egnp.exe\n.png", PNG)))
    assert list(taken) == ["all.zip/a�gnp.exe�.png"]


def test_what_systems_add_is_passed_over_in_silence():
    junk = ["__MACOSX/._a.png", "._a.png", ".DS_Store", "a/.DS_Store", "Thumbs.db", "a/desktop.ini"]
    junk += ["@eaDir/a.png/SYNOFILE_THUMB.jpg", "a/lost+found/b.png", "a/.ipynb_checkpoints/b.png"]
    taken, refused = opened(packed(("a/", b""), *((name, b"junk") for name in junk), ("b", PNG)))
    assert list(taken) == ["all.zip/b"]
    assert refused == {}


def link(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    return info


def test_links_and_devices_are_refused():
    taken, refused = opened(
        packed(
            (link("link.png", stat.S_IFLNK), b"/etc/passwd"),
            (link("device.png", stat.S_IFCHR), b""),
            (link("file.png", stat.S_IFREG), PNG),
        )
    )
    assert list(taken) == ["all.zip/file.png"]
    assert "link to another file" in refused["all.zip/link.png"]
    assert refused["all.zip/device.png"] == "it is no ordinary file"


def test_a_locked_entry_is_refused():
    content = bytearray(packed(("a.png", PNG), ("b.png", PNG)))
    # The flags of the first entry, in its own header and in the directory.
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    taken, refused = opened(bytes(content))
    assert list(taken) == ["all.zip/b.png"]
    assert "locked with a password" in refused["all.zip/a.png"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused_before_it_is_tried(method):
    taken, refused = opened(packed(("a.png", PNG), method=method))
    assert not taken
    assert "compressed in a way that is not read" in refused["all.zip/a.png"]


def test_an_archive_within_is_not_followed():
    inner = packed(("inner.png", PNG))
    taken, refused = opened(packed(("inner.jpg", inner), ("good.png", PNG)))
    assert list(taken) == ["all.zip/good.png"]
    assert "an archive within an archive" in refused["all.zip/inner.jpg"]


def test_an_entry_that_shrank_as_no_photograph_does_is_not_inflated(monkeypatch):
    monkeypatch.setattr(intake, "_read", lambda *_: pytest.fail("it was read"))
    taken, refused = opened(packed(("bomb.png", bytes(MAX_FILE_BYTES))))
    assert not taken
    assert "would unpack to 20 MB, as no photograph does" in refused["all.zip/bomb.png"]


def test_a_small_entry_may_shrink_as_far_as_it_likes():
    taken, _ = opened(packed(("white.bmp", bytes(1_000_000))))
    assert len(taken["all.zip/white.bmp"]) == 1_000_000


def test_an_entry_beyond_the_size_of_a_picture_is_refused():
    noise = np.random.default_rng(0).bytes(MAX_FILE_BYTES)
    content = packed(("fits.png", noise), ("large.png", noise + b"1"), method=zipfile.ZIP_STORED)
    taken, refused = opened(content)
    assert [len(item) for item in taken.values()] == [MAX_FILE_BYTES]
    assert "at most 20 MB a picture" in refused["all.zip/large.png"]


def test_the_sum_of_what_is_claimed_is_bounded(monkeypatch):
    monkeypatch.setattr(intake, "MAX_TOTAL_BYTES", 3 * len(PNG))
    taken, refused = opened(packed(*((f"{n}.png", PNG) for n in range(5))))
    assert list(taken) == ["all.zip/0.png", "all.zip/1.png", "all.zip/2.png"]
    assert set(refused) == {"all.zip/3.png", "all.zip/4.png"}
    assert all("unpacks to more than" in reason for reason in refused.values())


def test_too_many_entries_are_counted_before_they_are_listed(monkeypatch):
    content = packed(*((f"{n}.png", b"") for n in range(MAX_ENTRIES)))
    assert len(list(unpack(Upload("all.zip", content)))) == MAX_ENTRIES
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))
    one_more = content.replace(b"PK\x01\x02", b"PK\x01\x02" * 2, 1)
    _, refused = opened(one_more)
    assert refused == {
        "all.zip": "the archive has more than 2,000 entries; pack fewer files in one"
    }


def claiming(size: int, of: bytes) -> bytes:
    """An archive of one entry that claims another size than it has, in both places."""
    content = bytearray(packed(("a.png", of)))
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, 22, size)
    struct.pack_into("<I", content, directory + 24, size)
    return bytes(content)


def test_an_entry_that_claims_less_than_it_holds_gives_no_more_than_that():
    content = bytes(100_000)
    taken, refused = opened(claiming(1000, content))
    assert not taken
    assert "the entry is damaged" in refused["all.zip/a.png"]


def test_an_entry_that_claims_more_than_it_holds_is_no_more_than_that():
    taken, refused = opened(claiming(5000, PNG))
    assert not refused or "damaged" in refused["all.zip/a.png"]
    assert all(content == PNG for content in taken.values())


def test_a_damaged_entry_does_not_spoil_the_others():
    content = bytearray(packed(("a.png", PNG), ("b.png", PNG), method=zipfile.ZIP_STORED))
    content[content.index(PNG) + 50] ^= 0xFF
    taken, refused = opened(bytes(content))
    assert list(taken) == ["all.zip/b.png"]
    assert "the entry is damaged" in refused["all.zip/a.png"]


@pytest.mark.parametrize("kept", [4, 30, 0.5, -1])
def test_a_truncated_archive_says_so_and_the_way_out(kept):
    content = packed(("a.png", PNG), ("b.png", PNG))
    end = round(kept * len(content)) if isinstance(kept, float) else kept
    _, refused = opened(content[:end])
    assert list(refused) == ["all.zip"]
    assert "damaged or was cut off" in refused["all.zip"]
    assert "pack it again" in refused["all.zip"]


def test_any_damage_ends_in_words_and_never_in_an_error():
    good = packed(("a.png", PNG), ("b/c.png", PNG))
    generator = np.random.default_rng(1)
    for _ in range(300):
        content = bytearray(good)
        for place in generator.integers(4, len(good), 3):
            content[place] = generator.integers(256)
        taken, _ = opened(bytes(content))
        for item in taken.values():
            assert zlib.crc32(item) == zlib.crc32(PNG)


def test_entries_that_overlap_are_bounded_like_others(monkeypatch):
    """Many names for one stretch of compressed bytes: small to send, endless to unpack."""
    content = packed(("a.png", np.random.default_rng(0).bytes(5000)), method=zipfile.ZIP_STORED)
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    record = content[start:end]
    n = 500
    tail = bytearray(content[end:])
    struct.pack_into("<HHI", tail, 8, n, n, n * len(record))
    monkeypatch.setattr(intake, "MAX_TOTAL_BYTES", 50_000)
    found = list(unpack(Upload("all.zip", content[:start] + n * record + bytes(tail))))
    assert sum(len(item.content) for item in found if isinstance(item, Upload)) <= 50_000
    assert len(found) == n
