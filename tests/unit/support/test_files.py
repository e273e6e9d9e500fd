"""Files are there whole or not at all."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openmax_core import OpenMax, OperatingPoint
from openmax_core.errors import OpenMaxError
from openmax_core.support.files import (
    nearest,
    new_folder,
    printable,
    require_room,
    sha256_of_file,
    storable,
    write_bytes_atomically,
    write_text_atomically,
)


def names(folder: Path) -> list[str]:
    """Every entry of a folder, hidden ones too."""
    return sorted(os.listdir(folder))


def fails_with(error: BaseException) -> Callable[..., None]:
    """Return a function that fails as the operating system does."""

    def fail(*arguments: Any, **keywords: Any) -> None:
        raise error

    return fail


DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("content", [b"", b"\x00\xff\r\n", b"x" * 3_000_000])
def test_bytes_are_written_as_they_are(tmp_path, content):
    write_bytes_atomically(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == content
    assert names(tmp_path) == ["file"]


def test_text_is_utf8_with_its_own_line_ends(tmp_path):
    write_text_atomically(tmp_path / "file", "Гвоздика 百合 α\r\n\n")
    assert (tmp_path / "file").read_bytes() == "Гвоздика 百合 α\r\n\n".encode()


def test_what_was_there_is_replaced(tmp_path):
    path = tmp_path / "file"
    write_text_atomically(path, "a long old content")
    write_text_atomically(path, "new")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file"]


def test_missing_folders_are_made(tmp_path):
    write_text_atomically(tmp_path / "a" / "b" / "file", "text")
    assert (tmp_path / "a" / "b" / "file").read_text() == "text"


def test_a_written_file_can_be_read_by_others(tmp_path):
    write_text_atomically(tmp_path / "file", "text")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_check_sees_the_whole_file_before_it_takes_its_name(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    seen = []

    def look(temporary):
        seen.append((temporary.read_bytes(), path.read_text()))

    write_bytes_atomically(path, b"new", look)
    assert seen == [(b"new", "old")]
    assert path.read_text() == "new"
    with pytest.raises(OpenMaxError, match="no good"):
        write_bytes_atomically(path, b"bad", fails_with(OpenMaxError("no good")))
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file"]


# A full disk shows at the flush, or, on some network disks, at the rename.
STEPS = ["fsync", "chmod", "replace"]


@pytest.mark.parametrize("step", STEPS)
def test_a_write_that_fails_midway_leaves_the_old_content_and_nothing_else(
    tmp_path, monkeypatch, step
):
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, step, fails_with(DISK_FULL))
    with pytest.raises(OpenMaxError, match=r"cannot write .*file: No space left on device"):
        write_text_atomically(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("step", STEPS)
def test_a_first_write_that_fails_leaves_no_file(tmp_path, monkeypatch, step):
    monkeypatch.setattr(os, step, fails_with(DISK_FULL))
    with pytest.raises(OpenMaxError, match="No space left on device"):
        write_text_atomically(tmp_path / "file", "new")
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_write_that_is_interrupted_leaves_the_old_content_and_nothing_else(
    tmp_path, monkeypatch, step
):
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, step, fails_with(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        write_text_atomically(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_failed_save_leaves_the_calibration_and_the_operating_point_of_before(
    tmp_path, monkeypatch
):
    logits = [[3.0, 0.0], [5.0, 1.0], [4.0, 2.0], [0.0, 9.0], [1.0, 4.0], [1.0, 8.0]]
    om = OpenMax().fit(logits, [0, 0, 0, 1, 1, 1])
    point = OperatingPoint(0.5, 1.0, None, 6, 0)
    om.save(tmp_path / "calibration.json")
    point.save(tmp_path / "point.json")
    monkeypatch.setattr(os, "fsync", fails_with(DISK_FULL))
    with pytest.raises(OpenMaxError, match=r"calibration\.json: No space left on device"):
        OpenMax(distance="euclidean").fit(logits, [0, 0, 0, 1, 1, 1]).save(
            tmp_path / "calibration.json"
        )
    with pytest.raises(OpenMaxError, match=r"point\.json: No space left on device"):
        OperatingPoint(0.9, 0.1, None, 6, 0).save(tmp_path / "point.json")
    assert OpenMax.load(tmp_path / "calibration.json").to_dict() == om.to_dict()
    assert OperatingPoint.load(tmp_path / "point.json") == point
    assert names(tmp_path) == ["calibration.json", "point.json"]


def test_a_folder_in_the_place_of_the_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OpenMaxError, match=r"cannot write .*taken: "):
        write_text_atomically(tmp_path / "taken", "text")
    assert names(tmp_path) == ["taken"]


def test_a_file_in_the_place_of_a_folder_is_an_error_that_names_it(tmp_path):
    (tmp_path / "taken").write_text("text")
    with pytest.raises(OpenMaxError, match=r"cannot write .*inside: "):
        write_text_atomically(tmp_path / "taken" / "inside", "text")
    assert (tmp_path / "taken").read_text() == "text"


def test_readers_and_writers_at_once_see_whole_contents_only(tmp_path):
    path = tmp_path / "file"
    contents = {letter * 100_000 for letter in "abcd"}
    write_text_atomically(path, "a" * 100_000)

    def write(content: str) -> None:
        for _ in range(5):
            write_text_atomically(path, content)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_text())
    for writer in writers:
        writer.join()
    seen.add(path.read_text())
    assert seen <= contents
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("content", [b"", b"abc", b"\x00" * 1_000_000])
def test_sha256_is_that_of_the_bytes(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_new_folder_takes_its_name_when_whole(tmp_path):
    folder = tmp_path / "deep" / "made"
    with new_folder(folder, ".making-") as temporary:
        (temporary / "a").write_text("whole")
        assert not folder.exists()
    assert names(folder.parent) == ["made"]
    assert names(folder) == ["a"]


def test_a_new_folder_that_fails_leaves_nothing(tmp_path):
    def fail(temporary: Path) -> None:
        (temporary / "a").write_text("half")
        raise KeyError

    with pytest.raises(KeyError), new_folder(tmp_path / "made", ".making-") as temporary:
        fail(temporary)
    assert names(tmp_path) == []


def test_a_name_of_any_bytes_can_be_stored() -> None:
    assert storable(Path("b\udcfcch.jpg")) == "b\\udcfcch.jpg"
    assert storable("büch\n.jpg") == "büch\n.jpg"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("büch 사과 猫.jpg", "büch 사과 猫.jpg"),
        ("b\udcfcch.jpg", "b\\udcfcch.jpg"),
        ("two\nlines\r\t.jpg", "two\\nlines\\r\\t.jpg"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("gpj.\u202etxt\u2028", "gpj.\\u202etxt\\u2028"),
        ("C:\\new\\table.png", "C:\\new\\table.png"),
    ],
)
def test_a_name_of_any_signs_stays_on_its_line(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert len(printable(name).splitlines()) == 1


# --- what killed processes leave -----------------------------------------------------------------


def leftover(folder: Path, name: str, seconds: float, *items: str) -> Path:
    """A hidden folder with files in it, all of them of a date in the past."""
    path = folder / name
    path.mkdir()
    for item in items:
        (path / item).write_text("half")
    for old in (*path.iterdir(), path):
        then = old.stat().st_mtime - seconds
        os.utime(old, (then, then))
    return path


def test_the_next_write_removes_what_a_killed_one_left_and_nothing_else(tmp_path):
    leftover(tmp_path, ".net.onnx.abcdef12", 3600, "net.onnx")
    leftover(tmp_path, ".other.pt.abcdef_2", 3600)
    kept = [
        leftover(tmp_path, ".file.abcdef12", 60, "file"),  # somebody may be writing it
        leftover(tmp_path, ".cache.abcdef12", 3600, "cache", "more"),  # not as we write
        leftover(tmp_path, ".cache", 3600, "cache"),
        leftover(tmp_path, "net.onnx.abcdef12", 3600, "net.onnx"),
    ]
    write_text_atomically(tmp_path / "file", "new")
    assert names(tmp_path) == sorted(["file", *(path.name for path in kept)])


def test_the_next_folder_removes_what_a_killed_one_left(tmp_path):
    leftover(tmp_path, ".making-abcdef12", 3600, "a", "b")
    kept = [leftover(tmp_path, ".making-abcdef34", 60, "a"), leftover(tmp_path, ".other", 3600)]
    with new_folder(tmp_path / "made", ".making-"):
        pass
    assert names(tmp_path) == sorted(["made", *(path.name for path in kept)])


def test_room_is_taken_and_given_back(tmp_path):
    leftover(tmp_path, ".net.onnx.abcdef12", 3600, "net.onnx")
    require_room(tmp_path, 10_000_000)
    require_room(tmp_path, -5)
    assert names(tmp_path) == []


def test_too_little_room_is_said_with_what_is_needed(tmp_path):
    # More than any disk has.
    with pytest.raises(OpenMaxError, match=r"cannot write 4,000,000,000,000 MB in .*"):
        require_room(tmp_path, 4 * 10**18)
    assert names(tmp_path) == []


def test_a_disk_that_gives_no_room_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", fails_with(DISK_FULL), raising=False)
    with pytest.raises(OpenMaxError, match=r"cannot write 2 MB in .*: No space left on device"):
        require_room(tmp_path, 2_000_000)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("colurs", "colours"),
        ("COLOURS", "colours"),
        ("colurs/train", "colours/train"),
        ("colurs/gone", "colours"),
        ("colours/tran", "colours/train"),
        ("quite/else", None),
    ],
)
def test_the_nearest_path_that_exists(tmp_path: Path, asked: str, meant: str | None) -> None:
    (tmp_path / "colours" / "train").mkdir(parents=True)
    expected = "" if meant is None else f"; did you mean {tmp_path / meant}?"
    assert nearest(tmp_path / asked) == expected
