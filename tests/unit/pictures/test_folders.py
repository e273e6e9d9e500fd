"""Picture folders: which files count, in which order, and what is wrong with a folder."""

from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from openmax_core.errors import WorkspaceError
from openmax_core.pictures.folders import (
    UNKNOWN,
    PictureFiles,
    empty_class_folders,
    find_class_folders,
    find_files,
    find_known_pictures,
    find_unknown_pictures,
    passed_over_folders,
)
from openmax_core.pictures.locations import RemotePath


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_known_pictures_are_found_at_any_depth_with_their_class(tmp_path: Path) -> None:
    touch(tmp_path / "b" / "1.jpg", b"12345")
    touch(tmp_path / "a" / "deep" / "er" / "2.png")
    touch(tmp_path / "a" / "1.jpg")
    files = find_known_pictures(tmp_path, ("b", "a"))
    assert files.folder == tmp_path
    assert files.paths == ("b/1.jpg", "a/1.jpg", "a/deep/er/2.png")
    assert files.labels.tolist() == [0, 1, 1]
    assert files.sizes.tolist() == [5, 1, 1]
    mtimes = [(tmp_path / path).stat().st_mtime_ns for path in files.paths]
    assert files.mtimes.tolist() == mtimes
    assert len(files) == 3


def test_unknown_pictures_are_found_with_and_without_folders(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "a/1.jpg", "z.jpg"):
        touch(tmp_path / name)
    files = find_unknown_pictures(tmp_path)
    assert files.paths == ("z.jpg", "a/1.jpg", "b/2.jpg")
    assert files.labels.tolist() == [UNKNOWN] * 3


def finds_unknown(folder: Path) -> PictureFiles:
    return find_unknown_pictures(folder)


def finds_known(folder: Path) -> PictureFiles:
    return find_known_pictures(folder, ("a",))


@pytest.mark.parametrize("find", [finds_known, finds_unknown])
def test_hidden_and_system_files_are_left_out_and_others_listed(
    tmp_path: Path, find: object
) -> None:
    assert callable(find)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".hidden/1.jpg", "1.jpg", "notes.txt"):
        touch(tmp_path / "a" / name)
    touch(tmp_path / ".cache" / "1.jpg")
    assert find(tmp_path).paths == ("a/1.jpg", "a/notes.txt")


def test_the_order_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    names = ["c.jpg", "a.jpg", "d.jpg", "b.jpg"]
    for name in names:
        touch(tmp_path / "one" / "a" / name)
    for name in reversed(names):
        touch(tmp_path / "two" / "a" / name)
    one, two = (find_known_pictures(tmp_path / name, ("a",)) for name in ("one", "two"))
    assert one.paths == two.paths == tuple(f"a/{name}" for name in sorted(names))


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    files = find_known_pictures(tmp_path, ("a",))
    assert files.paths.count("a/1.jpg") == 1
    assert len(files) <= 2  # 'up' leads to the same file once more at most


def test_linked_folders_are_followed_and_dangling_links_listed(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "1.jpg")
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    files = find_known_pictures(tmp_path / "set", ("a",))
    assert files.paths == ("a/gone.jpg", "a/linked/1.jpg")


def test_class_folders_are_sorted_without_files_and_hidden_ones(tmp_path: Path) -> None:
    for name in ("b", "a", ".git"):
        (tmp_path / name).mkdir()
    touch(tmp_path / "c.txt")
    assert find_class_folders(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("find", [finds_known, finds_unknown, find_class_folders])
def test_a_missing_folder_is_named(tmp_path: Path, find: object) -> None:
    assert callable(find)
    with pytest.raises(WorkspaceError, match=r"does not exist$") as caught:
        find(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(caught.value)


@pytest.mark.parametrize("find", [finds_known, finds_unknown])
def test_a_folder_without_pictures_is_named(tmp_path: Path, find: object) -> None:
    assert callable(find)
    (tmp_path / "a").mkdir()
    touch(tmp_path / "a" / ".DS_Store")
    with pytest.raises(WorkspaceError, match="holds no pictures") as caught:
        find(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_class_without_a_folder_or_pictures_has_none(tmp_path: Path) -> None:
    touch(tmp_path / "b" / "1.jpg")
    (tmp_path / "a").mkdir()
    files = find_known_pictures(tmp_path, ("a", "b", "c"))
    assert files.labels.tolist() == [1]


def test_a_folder_that_is_no_class_is_an_error_that_names_it_and_the_classes(
    tmp_path: Path,
) -> None:
    for name in ("daisy", "tulip", "dandelion"):
        touch(tmp_path / name / "1.jpg")
    with pytest.raises(WorkspaceError) as caught:
        find_known_pictures(tmp_path, ("daisy", "tulip"))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path} has the folder 'dandelion' that the classifier does not")
    assert "'daisy', 'tulip'" in message


def test_many_surplus_folders_are_counted_not_all_listed(tmp_path: Path) -> None:
    for index in range(12):
        touch(tmp_path / f"class{index:02d}" / "1.jpg")
    with pytest.raises(WorkspaceError, match="'class07' and 4 more"):
        find_known_pictures(tmp_path, ("daisy", "tulip"))


# --- the same rules for every command --------------------------------------------------------

JUNK = ("__MACOSX", "@eaDir", "lost+found", ".ipynb_checkpoints", "System Volume Information")


def found(folder: Path, *named: str) -> list[str]:
    return [path for path, _, _ in find_files(folder, named)]


@pytest.mark.parametrize("name", JUNK)
def test_a_folder_that_no_person_made_is_no_class_and_holds_no_pictures(
    tmp_path: Path, name: str
) -> None:
    for path in (f"{name}/1.jpg", "a/1.jpg", f"a/{name}/2.jpg", "b/1.jpg"):
        touch(tmp_path / path)
    assert find_class_folders(tmp_path) == ["a", "b"]
    assert passed_over_folders(tmp_path) == [name]
    assert find_known_pictures(tmp_path, ("a", "b")).paths == ("a/1.jpg", "b/1.jpg")
    assert find_unknown_pictures(tmp_path).paths == ("a/1.jpg", "b/1.jpg")


@pytest.mark.parametrize("name", JUNK)
def test_a_class_may_be_called_as_a_folder_that_no_person_made(tmp_path: Path, name: str) -> None:
    for path in (f"{name}/1.jpg", "a/1.jpg", f"a/{name}/2.jpg"):
        touch(tmp_path / path)
    files = find_known_pictures(tmp_path, ("a", name))
    assert files.paths == ("a/1.jpg", f"{name}/1.jpg")
    assert found(tmp_path, "a", name) == [f"{name}/1.jpg", "a/1.jpg"][:: 1 if name < "a" else -1]
    remote = find_known_pictures(RemotePath.parse(tmp_path.as_uri()), ("a", name))
    assert remote.paths == files.paths


@pytest.mark.parametrize(("in_settings", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_is_the_same_however_its_accents_are_written(
    tmp_path: Path, in_settings: Literal["NFC", "NFD"], on_disk: Literal["NFC", "NFD"]
) -> None:
    for name in ("사과", "Äpfel"):
        touch(tmp_path / unicodedata.normalize(on_disk, name) / "1.jpg")
    classes = tuple(unicodedata.normalize(in_settings, name) for name in ("사과", "Äpfel"))
    files = find_known_pictures(tmp_path, classes)
    assert dict(zip(files.paths, files.labels.tolist(), strict=True)) == {
        f"{unicodedata.normalize(on_disk, name)}/1.jpg": label
        for label, name in enumerate(("사과", "Äpfel"))
    }
    assert empty_class_folders(files, classes) == []


def test_a_link_to_a_folder_that_it_lies_in_is_not_followed(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1.jpg")
    touch(tmp_path / "b" / "2.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    files = find_known_pictures(tmp_path, ("a", "b"))
    assert files.paths == ("a/1.jpg", "b/2.jpg")  # none of b stands in a


def test_class_folders_without_pictures_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1.jpg")
    touch(tmp_path / "b" / "Thumbs.db")
    (tmp_path / "c" / "deep").mkdir(parents=True)
    classes = ("a", "b", "c", "d")
    assert empty_class_folders(find_known_pictures(tmp_path, classes), classes) == ["b", "c"]


@pytest.mark.parametrize("find", [finds_known, finds_unknown, found])
@pytest.mark.parametrize("inner", [".", "a", "a/deep"])
def test_a_folder_that_may_not_be_read_is_named_with_the_way_out(
    tmp_path: Path, find: object, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(find)
    touch(tmp_path / "a" / "1.jpg")
    touch(tmp_path / "a" / "deep" / "2.jpg")
    locked, listed = str(tmp_path / inner), os.scandir

    def scandir(path: str) -> object:
        if os.fspath(path) == locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), locked)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(WorkspaceError, match="Permission denied") as caught:
        find(tmp_path)
    assert f"chmod u+rx '{locked}'" in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_listed_to_be_refused_and_is_no_class(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1.jpg")
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    os.mkfifo(tmp_path / "b")
    assert find_known_pictures(tmp_path, ("a",)).paths == ("a/1.jpg", "a/pipe.jpg")
    remote = RemotePath.parse(tmp_path.as_uri())
    assert find_class_folders(remote) == ["a"]
    assert find_known_pictures(remote, ("a",)).paths == ("a/1.jpg", "a/pipe.jpg")
    with pytest.raises(WorkspaceError, match="it is a named pipe, and no picture"):
        (remote / "a/pipe.jpg").read_bytes()
