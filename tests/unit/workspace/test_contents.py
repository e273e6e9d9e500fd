"""What chosen folders and tables hold: counts, samples, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from openmax_core.errors import ActivationsError, OpenMaxError, WorkspaceError
from openmax_core.pictures.locations import RemotePath
from openmax_core.workspace import contents as module
from openmax_core.workspace.contents import (
    Contents,
    look_at_folders,
    look_at_tables,
    require_folder,
    whole_set,
)
from openmax_core.workspace.workspace import Workspace
from tests.support.tables import N_REJECT, N_TEST, N_TRAIN, labelled, of_sets, write, write_sets
from tests.support.workspaces import CLASSES


def put(folder: Path, count: int, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:03d}{suffix}").write_bytes(b"")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """20 training and 5 test pictures of two classes, and two kinds of unknowns."""
    for name in ("ash", "birch"):
        put(tmp_path / "train" / name, 20)
        put(tmp_path / "test" / name, 5)
    put(tmp_path / "reject" / "oak", 3)
    put(tmp_path / "reject", 2)
    return {split: tmp_path / split for split in ("train", "test", "reject")}


def counts(found: Contents) -> dict[str, dict[str, int]]:
    return {row.name: row.counts for row in found.rows}


def test_pictures_are_counted_by_class_and_set_and_unknowns_by_folder(folders):
    found = look_at_folders(folders)
    assert found.classes == ("ash", "birch")
    assert counts(found) == {
        "ash": {"train": 20, "test": 5},
        "birch": {"train": 20, "test": 5},
        "oak": {"reject": 3},
        "": {"reject": 2},
    }
    assert found.totals == {"train": 40, "test": 10, "reject": 5}
    assert (found.problems, found.warnings, found.is_whole) == ((), (), True)
    ash, oak = found.rows[0], found.rows[2]
    assert {Path(str(path)).parent for path in ash.samples} == {folders["test"] / "ash"}
    assert len(oak.samples) == len(set(oak.samples)) == 3
    assert found.in_words(ash, "train") == "20"
    assert found.in_words(ash, "reject") == found.in_words(oak, "train") == ""


def test_counts_are_those_of_the_workspace_that_is_made(folders, tmp_path):
    put(folders["train"] / "ash" / "deep" / "deeper", 4)
    put(folders["train"] / "ash" / ".hidden", 4)
    put(folders["train"] / ".cache", 4)
    put(folders["train"], 2)
    made = Workspace.create(tmp_path / "w", "resnet18", **folders)
    found = look_at_folders(folders)
    per_class = {split: len(made.pictures.find(split)) for split in ("train", "test", "reject")}
    loose = 2  # in no class folder: the workspace leaves them out
    assert found.totals == per_class
    assert f"{loose} files in train ({folders['train']}) lie in no class folder" in " ".join(
        found.warnings
    )


def test_an_address_is_counted_as_the_folder_that_it_names(folders):
    local = look_at_folders(folders)
    remote = {split: RemotePath.parse(folder.as_uri()) for split, folder in folders.items()}
    found = look_at_folders(remote)
    assert (counts(found), found.warnings) == (counts(local), local.warnings)
    assert str(found.rows[0].samples[0]).startswith("file:///")


def test_very_many_pictures_are_counted_up_to_a_bound_in_each_class(folders, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 2)
    put(folders["train"] / "ash", 130)
    found = look_at_folders(folders)
    assert not found.is_whole
    assert found.in_words(found.rows[0], "train") == "more than 100"
    assert found.in_words(found.rows[1], "train") == "20"


@pytest.mark.parametrize(
    ("split", "name", "count", "words"),
    [
        ("test", "cedar", 3, "has the folder 'cedar', which is none of the classes 'ash', 'birch'"),
        ("test", "ash", 0, "has no pictures in the class folder 'ash'"),
        ("train", "cedar", 0, "has no pictures in the class folder 'cedar'"),
        ("train", "unknown", 20, "no class can be called 'unknown'"),
    ],
)
def test_what_no_workspace_can_be_made_with_is_a_problem(folders, split, name, count, words):
    for path in (folders[split] / name).glob("*"):
        path.unlink()
    put(folders[split] / name, count)
    assert words in " ".join(look_at_folders(folders).problems)


def test_problems_are_those_that_a_workspace_is_refused_for(folders, tmp_path):
    (folders["test"] / "cedar").mkdir()
    assert look_at_folders(folders).problems
    with pytest.raises(WorkspaceError, match="cedar"):
        Workspace.create(tmp_path / "w", "resnet18", **folders)


def test_one_class_folder_and_none_are_too_few(tmp_path):
    put(tmp_path / "train" / "ash", 20)
    put(tmp_path / "test" / "ash", 5)
    sets = {split: tmp_path / split for split in ("train", "test")}
    (problem,) = look_at_folders(sets).problems
    assert "has 1 class folder; OpenMax needs pictures of at least 2 known classes" in problem
    empty = {"train": tmp_path / "test" / "ash", "test": tmp_path / "test"}
    assert "has 0 class folders" in look_at_folders(empty).problems[0]


def test_weak_points_are_warnings(folders):
    put(folders["train"] / "cedar", 7)
    put(folders["reject"] / "ash", 1)
    put(folders["test"] / "ash", 2, ".txt")
    del (sets := dict(folders))["reject"]
    told = " ".join(look_at_folders(sets).warnings)
    assert "1 class has no pictures in test: 'cedar'; Test accuracy says nothing of them" in told
    assert "1 class has fewer than 20 pictures in train: 'cedar (7)'" in told
    assert "2 files in test" in told
    assert "have the name of no picture (.txt)" in told
    assert "there is no reject set, so Reject accuracy cannot be measured" in told
    assert "folders named as known classes: 'ash'" in " ".join(look_at_folders(folders).warnings)


def test_named_classes_stand_in_their_order_and_may_lack_pictures(folders):
    found = look_at_folders(folders, ("cedar", "birch", "ash"))
    assert [row.name for row in found.rows if row.is_known] == ["cedar", "birch", "ash"]
    assert found.problems == ()
    assert "1 class has no pictures in train: 'cedar'" in " ".join(found.warnings)
    (problem,) = look_at_folders(folders, ("ash", "birch", "ash")).problems
    assert problem == "the class 'ash' is named twice"


def test_a_folder_that_holds_the_sets_is_no_set(folders):
    assert whole_set(folders["train"].parent) == {s: s for s in ("train", "test", "reject")}
    assert whole_set(folders["train"]) == {}


def test_a_folder_that_is_not_there_is_named(folders, tmp_path):
    require_folder(folders["train"])
    require_folder(RemotePath.parse(folders["train"].as_uri()))
    with pytest.raises(WorkspaceError, match=r"there is no folder .*gone"):
        require_folder(tmp_path / "gone")
    with pytest.raises(WorkspaceError, match=r"there is no folder file:///.*gone"):
        require_folder(RemotePath.parse((tmp_path / "gone").as_uri()))
    with pytest.raises(WorkspaceError, match="is a file, not a folder"):
        require_folder(folders["train"] / "ash" / "000.png")


# --- tables --------------------------------------------------------------------------------------


def test_rows_of_tables_are_counted_as_the_workspace_reads_them(tmp_path):
    files = write_sets(tmp_path)
    found = look_at_tables(files)
    assert found.classes == CLASSES
    assert found.totals == {"train": N_TRAIN, "test": N_TEST, "reject": N_REJECT}
    assert counts(found)["ash"] == {"train": N_TRAIN // 3, "test": N_TEST // 3}
    assert (found.warnings, found.notes) == ((), ())
    assert not any(row.samples for row in found.rows)


def test_one_table_is_divided_as_the_workspace_divides_it(tmp_path):
    rows = pd.concat([labelled(41, 0), labelled(9, 1, is_unknown=True)])
    path = write(tmp_path / "all.npz", rows.sample(frac=1, random_state=0))
    found = look_at_tables({"all": path})
    made = Workspace.create_from_tables(tmp_path / "w", {"all": path})
    assert found.totals == {s: item.n_readable for s, item in made.stored.opened_by_split().items()}
    assert "has no column split" in found.notes[0]
    assert "fewer than 20 rows in train" in found.warnings[0]


@pytest.mark.parametrize("column", ["label", "split"])
def test_a_wrong_label_is_named_with_its_row_before_anything_is_made(tmp_path, column):
    rows = pd.concat([table.assign(split=split) for split, table in of_sets().items()])
    rows[column] = ["oak" if row == 4 else value for row, value in enumerate(rows[column])]
    path = write(tmp_path / "all.csv", rows)
    with pytest.raises(ActivationsError, match=rf"row 5, column {column}"):
        look_at_tables({"all": path})


def test_names_that_do_not_fit_a_table_are_refused(tmp_path):
    with pytest.raises(OpenMaxError):
        look_at_tables(write_sets(tmp_path), ("ash", "birch"))
