"""``openmax doctor``: words, JSON and exit codes."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.support.colours import CLASSES, create, write_sound
from tests.support.shell import shell

OTHER = ("green", "blue", "red")


@pytest.fixture(autouse=True)
def few_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmax_core.diagnosis.trials.MOST_TRIED", 8)
    monkeypatch.setattr("openmax_core.diagnosis.examine.BUDGET", 600.0)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    write_sound(folder)
    return folder


def made(sound: Path, folder: Path, *classes: str) -> Path:
    shutil.copytree(sound, folder)
    return create(folder, classes=classes).folder


def test_a_sound_workspace_gives_exit_code_0(sound, tmp_path):
    folder = made(sound, tmp_path / "study", *CLASSES)
    ran = shell("doctor", folder, "--device", "cpu")
    assert (ran.code, ran.err) == (0, "")
    assert "nothing is wrong" in ran.out
    assert "right pictures under other transforms" in ran.out


def test_what_is_wrong_is_said_with_the_lines_to_write_and_exit_code_6(sound, tmp_path):
    folder = made(sound, tmp_path / "study", *OTHER)
    ran = shell("doctor", folder, "--device", "cpu")
    assert ran.code == 6
    assert "1. error: The network's outputs do not stand in the order of classes" in ran.out
    written = ran.out.split("write:\n")[1].split("   Then run:")[0]
    assert tomllib.loads(written) == {"classifier": {"classes": list(CLASSES)}}
    assert f"Then run: openmax extract {folder}" in ran.out
    assert "30 of     30  'green' taken for 'blue'" in ran.out


def test_json_holds_all_that_the_text_says(sound, tmp_path):
    folder = made(sound, tmp_path / "study", *OTHER)
    (folder / "train" / "pink").mkdir()
    ran = shell("doctor", folder, "--json", "--device", "cpu")
    assert ran.code == 6
    values = json.loads(ran.out)
    assert values["sound"] is False
    assert [item["kind"] for item in values["findings"]] == ["class order", "no class"]
    assert values["classes"] == list(OTHER)
    assert values["confusion"] == [[0, 30, 0], [0, 0, 30], [30, 0, 0]]
    assert values["accuracy"] == {
        "train": {"n": 66, "n_right": 0},
        "test": {"n": 24, "n_right": 0},
    }
    assert values["trials"][0]["name"] == "stored"


def test_a_folder_that_is_no_workspace_is_an_error(tmp_path):
    ran = shell("doctor", tmp_path)
    assert ran.code == 1
    assert "is no workspace" in ran.error
