"""What is taken of the files that strangers send."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest
from PIL import Image

from openmax_core.pictures import intake
from openmax_core.pictures.intake import (
    MAX_ARCHIVE_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_TOTAL_BYTES,
    Upload,
    label,
    megabytes,
    take_in,
)


def picture(kind: str = "PNG", shade: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (shade % 256, shade // 256, 9)).save(stream, kind)
    return stream.getvalue()


def archive(*entries: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, content in entries:
            packed.writestr(name, content)
    return stream.getvalue()


def large(size: int) -> bytes:
    return picture("BMP").ljust(size, b"\0")


PNG = picture()


def test_entries_beyond_the_limit_are_let_go_before_the_next_is_unpacked(monkeypatch):
    alive: set[int] = set()
    most = 0

    class Watched(Upload):
        def __init__(self, number: int) -> None:
            super().__init__(f"{number}.png", b"\x89PNG\r\n\x1a\n" + bytes(number))
            alive.add(number)
            self.__dict__["number"] = number

        def __del__(self) -> None:
            alive.discard(self.__dict__["number"])

    def entries(archive: Upload):
        nonlocal most
        for number in range(50):
            yield Watched(number)
            most = max(most, len(alive))

    monkeypatch.setattr(
        "openmax_core.pictures.intake.is_archive", lambda content: content == b"zip"
    )
    monkeypatch.setattr("openmax_core.pictures.intake.unpack", entries)
    monkeypatch.setattr("openmax_core.pictures.intake.why_no_picture", lambda content: None)
    monkeypatch.setattr("openmax_core.pictures.intake.MAX_FILES", 3)
    taken = take_in([Upload("many.zip", b"zip")])
    assert (len(taken.files), len(taken.refused)) == (3, 47)
    assert most <= 5


def test_pictures_are_taken_in_order_whatever_their_names():
    sent = [
        Upload("a.jpg", PNG),
        Upload("b.png", picture("JPEG")),
        Upload("no ending", picture("WEBP")),
        Upload("c.zip", picture("GIF")),
    ]
    taken = take_in(iter(sent))
    assert taken.files == tuple(sent)
    assert taken.refused == ()


def test_nothing_sent_is_nothing_taken():
    taken = take_in([])
    assert (taken.files, taken.refused) == ((), ())


def test_an_archive_is_opened_whatever_its_name_and_pictures_keep_their_order():
    sent = [
        Upload("1.png", PNG),
        Upload("holiday.jpg", archive(("2.png", picture(shade=2)), ("x/3.png", picture(shade=3)))),
        Upload("4.png", picture(shade=4)),
    ]
    names = [file.name for file in take_in(sent).files]
    assert names == ["1.png", "holiday.jpg/2.png", "holiday.jpg/x/3.png", "4.png"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.png", b"hello", "the content is not a picture of a known format"),
        ("a.png", b"", "the file is empty"),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(20), "damaged HEIC picture"),
        ("a.zip", b"hello", "it is no ZIP archive, though it is called one"),
        ("a.rar", b"Rar!\x1a\x07\x01\x00", "RAR archives are not opened; pack the pictures as ZIP"),
        ("a.jpg", b"7z\xbc\xaf\x27\x1c" + bytes(9), "7z archives are not opened"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture of a known format"),
        ("a.pdf", b"%PDF-1.7", "not a picture of a known format"),
        ("a.zip", archive(), "there is no file in the archive"),
        ("a.zip", archive(("__MACOSX/._a.png", b"x")), "there is no file in the archive"),
    ],
)
def test_what_is_no_picture_is_named_with_the_reason(name, content, reason):
    taken = take_in([Upload(name, content), Upload("good.png", PNG)])
    assert [file.name for file in taken.files] == ["good.png"]
    (refused,) = taken.refused
    assert refused.name == name
    assert reason in refused.reason


def test_an_archive_with_only_text_names_every_entry():
    sent = Upload("texts.zip", archive(("a.txt", b"one"), ("b.png", b"two")))
    taken = take_in([sent])
    assert not taken.files
    assert [item.name for item in taken.refused] == ["texts.zip/a.txt", "texts.zip/b.png"]
    assert all("not a picture" in item.reason for item in taken.refused)


def test_a_damaged_picture_is_taken_for_decoding_says_what_is_wrong():
    assert len(take_in([Upload("cut.png", PNG[:-20])]).files) == 1


def test_the_same_file_is_taken_once_and_another_name_makes_another():
    first = take_in([Upload("a.png", PNG), Upload("a.png", PNG), Upload("b.png", PNG)])
    assert [file.name for file in first.files] == ["a.png", "b.png"]
    again = take_in([Upload("a.png", PNG), Upload("a.png", picture(shade=1))], first.files)
    assert [file.digest for file in again.files] == [hashlib.sha256(picture(shade=1)).hexdigest()]
    assert again.refused == ()


def test_keys_tell_name_and_content_apart():
    files = [Upload("a", b"x"), Upload("b", b"x"), Upload("a", b"y"), Upload("", b"ax")]
    assert len({file.key for file in files}) == 4
    assert Upload("a", b"x").key == files[0].key
    assert files[0].digest == files[1].digest == hashlib.sha256(b"x").hexdigest()


def test_a_file_of_the_largest_size_is_taken_and_one_byte_more_is_not():
    content = large(MAX_FILE_BYTES + 1)
    taken = take_in([Upload("large.bmp", content), Upload("fits.bmp", content[:-1])])
    assert [file.name for file in taken.files] == ["fits.bmp"]
    assert taken.refused[0].name == "large.bmp"
    assert taken.refused[0].reason == (
        "it has 20 MB; at most 20 MB a picture are taken, make it smaller"
    )


def test_an_archive_beyond_its_size_is_not_opened(monkeypatch):
    monkeypatch.setattr(intake, "unpack", lambda _: pytest.fail("it was opened"))
    content = archive(("a.png", PNG)).ljust(MAX_ARCHIVE_BYTES + 100_000, b"\0")
    taken = take_in([Upload("all.zip", content)])
    assert not taken.files
    assert "it has 100.1 MB; an archive may have at most 100 MB" in taken.refused[0].reason


def test_files_beyond_the_count_are_each_named():
    sent = [Upload(f"{index}.png", picture(shade=index)) for index in range(MAX_FILES + 3)]
    taken = take_in(sent)
    assert taken.files == tuple(sent[:MAX_FILES])
    assert [item.name for item in taken.refused] == ["200.png", "201.png", "202.png"]
    assert "at most 200 pictures are decided on at a time" in taken.refused[0].reason
    # What is held already counts, and what is no picture does not.
    more = take_in([Upload("text", b"text"), *sent[10:20], sent[-1]], sent[:10])
    assert len(more.files) == 11
    assert len(take_in(sent[MAX_FILES - 1 :], sent[: MAX_FILES - 1]).files) == 1


def test_files_beyond_the_total_are_named_and_smaller_ones_still_fit():
    content = large(MAX_FILE_BYTES)  # one object: nothing is copied
    fitting = MAX_TOTAL_BYTES // MAX_FILE_BYTES
    held = [Upload(f"{index}.bmp", content) for index in range(fitting - 1)]
    half = content[: MAX_FILE_BYTES // 2]
    sent = [Upload("half", half), Upload("beyond", content), Upload("rest", half)]
    taken = take_in([*sent, Upload("one more", PNG)], held)
    assert [file.name for file in taken.files] == ["half", "rest"]
    assert [item.name for item in taken.refused] == ["beyond", "one more"]
    assert "at most 400 MB are held at a time" in taken.refused[0].reason


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ä 漢 🌹.png", "ä 漢 🌹.png"),
        ("a\nb\0", "a�b�"),
        ("a\u202eb", "a�b"),
        ("caf\udce9", "caf�"),
    ],
)
def test_a_label_has_only_signs_that_are_seen(name, shown):
    assert label(name) == shown
    assert [file.name for file in take_in([Upload(name, PNG)]).files] == [shown]


def test_megabytes_in_words():
    assert [megabytes(n) for n in (20_000_000, 20_400_000, 999)] == ["20 MB", "20.4 MB", "0 MB"]


def test_what_all_visitors_hold_together_is_limited(monkeypatch):
    monkeypatch.setattr(intake, "MAX_HELD_BYTES", intake.held_bytes() + 250_000)
    first = take_in([Upload(f"{number}.bmp", large(100_000)) for number in range(2)])
    assert (len(first.files), intake.held_bytes()) == (2, intake.MAX_HELD_BYTES - 50_000)
    second = take_in([Upload("2.bmp", large(100_000))])
    (refused,) = second.refused
    assert refused.reason == (
        "other visitors hold many pictures at the moment; send it again in some minutes"
    )
    del first
    assert not take_in([Upload("2.bmp", large(100_000))]).refused
