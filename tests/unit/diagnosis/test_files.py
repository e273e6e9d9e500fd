"""Folders and files, made wrong in one way each."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from openmax_core.diagnosis.files import (
    Listing,
    duplicate_findings,
    folder_findings,
    list_split,
    unreadable_findings,
)
from openmax_core.diagnosis.findings import Finding
from openmax_core.errors import WorkspaceError

CLASSES = ("ash", "birch")


def put(folder: Path, count: int, first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        Image.new("RGB", (4, 4), (number % 256, number // 256, 7)).save(folder / f"{number}.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number, (split, count) in enumerate({"train": 6, "test": 3}.items()):
        for label, name in enumerate(CLASSES):
            put(tmp_path / split / name, count, 100 * number + 50 * label)
    put(tmp_path / "reject" / "oak", 4, 400)
    return tmp_path


def listings(data: Path, classes: tuple[str, ...] = CLASSES) -> list[Listing]:
    return [list_split(split, data / split, classes) for split in ("train", "test", "reject")]


def told(data: Path, classes: tuple[str, ...] = CLASSES) -> dict[str, Finding]:
    found = [
        finding
        for item in listings(data, classes)
        for finding in folder_findings(item, classes, item.split == "train")
    ]
    found += duplicate_findings(listings(data, classes), classes, 60)[0]
    assert len({item.kind for item in found}) == len(found)
    return {item.kind: item for item in found}


def test_sound_folders_give_no_finding(data):
    assert told(data) == {}


def test_a_missing_folder_is_refused_with_its_name(data):
    with pytest.raises(WorkspaceError, match="nowhere does not exist"):
        list_split("train", data / "nowhere", CLASSES)


def test_a_class_without_pictures_is_said_with_what_follows_from_it(data):
    shutil.rmtree(data / "train" / "birch")
    (data / "train" / "birch").mkdir()
    shutil.rmtree(data / "test" / "ash")
    found = [
        finding
        for item in listings(data)
        for finding in folder_findings(item, CLASSES, item.split == "train")
    ]
    assert [(item.kind, item.severity) for item in found] == [
        ("empty class", "warning"),
        ("empty class", "warning"),
    ]
    assert [item.figures["classes"] for item in found] == [["birch"], ["ash"]]
    assert "borrow a tail from the other classes" in found[0].advice
    assert "read Test accuracy as that of the other classes alone" in found[1].advice


def test_a_folder_that_is_no_class_is_named_with_the_class_that_may_be_meant(data):
    (data / "train" / "birch").rename(data / "train" / "Birch")
    (data / "train" / "elm").mkdir()
    finding = told(data)["no class"]
    assert finding.figures["folders"] == ["Birch", "elm"]
    assert "Rename 'Birch' to 'birch'" in finding.advice


def test_a_name_means_the_same_however_its_accents_are_written(data):
    classes = ("birch", unicodedata.normalize("NFC", "étoile"))
    for split in ("train", "test"):
        (data / split / "ash").rename(data / split / unicodedata.normalize("NFD", "étoile"))
    assert told(data, classes) == {}


def test_files_beside_the_class_folders_are_said_to_be_left_out(data):
    put(data / "test", 2, 700)
    assert told(data)["loose files"].figures == {"split": "test", "files": 2}


def test_classes_of_very_different_sizes_are_named(data):
    put(data / "train" / "ash", 60, 1000)
    finding = told(data)["imbalance"]
    assert finding.severity == "warning"
    assert finding.figures == {"largest": 66, "smallest": 6}


def test_a_known_picture_in_the_reject_set_is_found_by_its_bytes(data):
    shutil.copy(data / "test" / "ash" / "101.png", data / "reject" / "oak" / "other name.png")
    finding = told(data)["known in reject"]
    assert finding.severity == "error"
    assert "reject/oak/other name.png is test/ash/101.png" in finding.sentence


def test_a_test_picture_among_the_training_pictures_is_found(data):
    for name in ("0.png", "1.png"):
        shutil.copy(data / "train" / "ash" / name, data / "test" / "ash" / f"same {name}")
    finding = told(data)["test in training"]
    assert finding.severity == "warning"
    assert finding.figures["pictures"] == 2


def test_a_picture_in_two_classes_is_found(data):
    shutil.copy(data / "train" / "ash" / "0.png", data / "train" / "birch" / "same.png")
    assert "two classes" in told(data)


def test_the_same_picture_twice_in_one_class_is_nobody_s_trouble(data):
    shutil.copy(data / "train" / "ash" / "0.png", data / "train" / "ash" / "same.png")
    assert told(data) == {}


def test_a_reject_folder_called_as_a_class_is_doubted(data):
    (data / "reject" / "oak").rename(data / "reject" / "ash")
    assert told(data)["known in reject"].figures["folders"] == ["ash"]


def test_files_that_there_is_no_time_to_read_are_counted_and_not_compared(data):
    shutil.copy(data / "test" / "ash" / "101.png", data / "reject" / "oak" / "same.png")
    found, left_out = duplicate_findings(listings(data), CLASSES, 0)
    assert found == []
    assert "for want of time" in left_out


def test_files_that_could_not_be_read_are_counted_with_the_first_reason():
    assert unreadable_findings({}, 10) == []
    (finding,) = unreadable_findings({"test/ash/a.png": "the file is empty", "b": "c"}, 10)
    assert "2 files of 10" in finding.sentence
    assert "test/ash/a.png: the file is empty" in finding.sentence
