"""Folders to choose from: what is listed, what is left out, and what a workspace is called."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openmax_core.errors import WorkspaceError
from openmax_core.workspace import browsing
from openmax_core.workspace.access import AllowedRoots
from openmax_core.workspace.browsing import (
    MOST_SHOWN,
    count_pictures,
    first_places,
    open_place,
    propose_folder,
)

HOSTILE = ("<b>bold", "![x](http:&#47;&#47;evil.example)", "$x$ [a] `c`", "ünïcode ☃")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside" / "secret").mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def roots(root: Path) -> AllowedRoots:
    return AllowedRoots((root,), (root,))


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


# --- a place -------------------------------------------------------------------------------------


def test_folders_are_listed_by_name_and_files_only_of_the_wanted_kind(roots, root):
    write(root / "b" / "1.png", root / "A" / "2.png", root / "net.ONNX", root / "note.txt")
    place = open_place(roots, root)
    assert (place.folders, place.files) == (("A", "b"), ())
    place = open_place(roots, root, (".onnx",))
    assert place.files == ("net.ONNX",)
    assert (place.n_folders, place.n_files, place.is_whole) == (2, 1, True)


def test_hidden_folders_and_those_of_systems_are_left_out(roots, root):
    for name in (".git", "__MACOSX", "@eaDir", "good"):
        (root / name).mkdir()
    write(root / ".hidden.onnx", root / "Thumbs.db")
    place = open_place(roots, root, (".onnx", ".db"))
    assert (place.folders, place.files) == (("good",), ())


def test_the_way_up_ends_at_the_root(roots, root):
    (root / "a" / "b").mkdir(parents=True)
    assert open_place(roots, root / "a" / "b").above == root / "a"
    assert open_place(roots, root).above is None


def test_links_out_of_the_roots_are_neither_listed_nor_opened(roots, root):
    (root / "inside").mkdir()
    (root / "in").symlink_to(root / "inside")
    (root / "out").symlink_to(root.parent / "outside")
    (root / "round").symlink_to(root)
    (root / "gone").symlink_to(root / "nothing")
    write(root.parent / "outside" / "net.onnx")
    (root / "net.onnx").symlink_to(root.parent / "outside" / "net.onnx")
    place = open_place(roots, root, (".onnx",))
    assert (place.folders, place.files) == (("in", "inside", "round"), ())
    assert open_place(roots, root / "in").folder == root / "inside"
    for folder in (root / "out", root / "out" / "secret", root / ".." / "outside"):
        with pytest.raises(WorkspaceError, match="not under an allowed folder"):
            open_place(roots, folder)


def test_names_are_listed_as_they_are_but_those_that_are_no_line_of_text(roots, root):
    for name in (*HOSTILE, "a\nb", "\u202eecila"):
        (root / name).mkdir()
    os.mkdir(os.fsencode(root) + b"/\xff")
    place = open_place(roots, root)
    assert set(place.folders) == set(HOSTILE)
    assert place.n_unnamed == 3
    assert open_place(roots, root / HOSTILE[0]).folder.name == HOSTILE[0]


def test_of_many_folders_the_first_are_listed_and_others_found_by_name(roots, root, monkeypatch):
    for number in range(MOST_SHOWN + 50):
        (root / f"class {number:03d}").mkdir()
    place = open_place(roots, root)
    assert (len(place.folders), place.n_folders) == (MOST_SHOWN, MOST_SHOWN + 50)
    assert open_place(roots, root, search="CLASS 149").folders == ("class 149",)
    monkeypatch.setattr(browsing, "MOST_ENTRIES", 20)
    place = open_place(roots, root)
    assert (place.n_folders, place.is_whole) == (20, False)


def test_of_a_hundred_thousand_entries_only_so_many_are_looked_at(roots, root, monkeypatch):
    write(root / "0.png")
    (entry,) = list(os.scandir(root))
    asked = 0

    @contextmanager
    def scandir(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        def entries() -> Iterator[os.DirEntry[str]]:
            nonlocal asked
            for _ in range(100_000):
                asked += 1
                yield entry

        yield entries()

    monkeypatch.setattr(os, "scandir", scandir)
    assert not open_place(roots, root).is_whole
    assert asked == browsing.MOST_ENTRIES + 1
    counted = count_pictures(roots, root)
    assert (counted.n_pictures, counted.is_whole) == (browsing.MOST_ENTRIES, False)
    assert counted.in_words == "more than 20,000 pictures"


def test_a_refusal_of_the_system_is_told_with_the_way_out(roots, root, monkeypatch):
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    (root / "locked").mkdir()
    refusal = r"cannot read the folder .*locked.*\(Permission denied\): allow it \(chmod u\+rx"
    with pytest.raises(WorkspaceError, match=refusal):
        open_place(roots, root / "locked")
    assert count_pictures(roots, root).n_pictures == 0


def test_what_is_no_folder_is_named(roots, root):
    write(root / "file")
    with pytest.raises(WorkspaceError, match="file is a file, not a folder"):
        open_place(roots, root / "file")
    with pytest.raises(WorkspaceError, match=r"there is no folder .*gone"):
        open_place(roots, root / "gone")


def test_sub_folders_that_stand_for_the_sets_are_found(roots, root):
    for name in ("Training", "val", "test", "unknowns", "docs"):
        (root / name).mkdir()
    assert open_place(roots, root).sets == {
        "train": "Training",
        "test": "test",
        "reject": "unknowns",
    }


def test_workspaces_are_marked(roots, root):
    write(root / "w" / "workspace.toml")
    (root / "other").mkdir()
    place = open_place(roots, root)
    assert (place.workspaces, place.is_workspace) == (frozenset({"w"}), False)
    assert open_place(roots, root / "w").is_workspace


# --- how many pictures ---------------------------------------------------------------------------


def test_pictures_are_counted_below_a_folder_by_their_names(roots, root):
    write(root / "a" / "1.PNG", root / "a" / "b" / "2.jpeg", root / "3.heic", root / "note.txt")
    write(root / ".hidden" / "4.png", root.parent / "outside" / "5.png")
    (root / "out").symlink_to(root.parent / "outside")
    (root / "round").symlink_to(root)
    counted = count_pictures(roots, root)
    assert (counted.n_pictures, counted.is_whole) == (3, True)
    assert count_pictures(roots, root / "a" / "b").in_words == "1 picture"


def test_very_deep_folders_are_counted(roots, root):
    deep = root
    for _ in range(400):
        deep = deep / "d"
    deep.mkdir(parents=True)
    write(deep / "1.png")
    assert count_pictures(roots, root).n_pictures == 1


# --- where to begin, and where to end ------------------------------------------------------------


def test_browsing_begins_with_the_roots_that_exist_and_lie_in_no_other(root):
    (root / "inner").mkdir()
    write(root.parent / "weights.pth")
    found = AllowedRoots((root / "inner", root, root.parent / "gone", root.parent / "weights.pth"))
    assert first_places(found) == [root]
    assert first_places(AllowedRoots(())) == []


def test_a_new_workspace_is_called_after_its_data_and_exists_nowhere(roots, root):
    train = root / "data" / "flowers" / "train"
    train.mkdir(parents=True)
    assert propose_folder(roots, train) == root / "flowers"
    (root / "flowers").mkdir()
    assert propose_folder(roots, train) == root / "flowers-workspace"
    (root / "flowers-workspace").mkdir()
    assert propose_folder(roots, train) == root / "flowers-workspace-2"
    assert propose_folder(roots, train, root / "data").name == "flowers-workspace"
    assert propose_folder(roots, root / "data" / "birds") == root / "birds"
    write(root / "scores.csv")
    assert propose_folder(roots, root / "scores.csv") == root / "scores"
    assert propose_folder(roots, None) == root / "workspace"


def test_without_a_folder_that_exists_nothing_is_proposed(root):
    with pytest.raises(WorkspaceError, match=r"none of the allowed folders exists: .*gone"):
        propose_folder(AllowedRoots((root / "gone",)), None)
