"""``openmax doctor``: words, JSON and exit codes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from openmax_core.workspace.settings import FILE_NAME
from tests.support.shell import CLASSES, shell


@pytest.fixture(autouse=True)
def few_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmax_core.diagnosis.trials.MOST_TRIED", 8)
    monkeypatch.setattr("openmax_core.diagnosis.examine.BUDGET", 600.0)


def exchange(folder: Path) -> None:
    """Name the network's outputs the wrong way round."""
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    right, wrong = (json.dumps(list(names)) for names in (CLASSES, CLASSES[::-1]))
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")


def test_a_sound_workspace_gives_exit_code_0(folder):
    ran = shell("doctor", folder, "--device", "cpu")
    assert (ran.code, ran.err) == (0, "")
    assert "nothing is wrong" in ran.out
    assert "right pictures under other transforms" in ran.out


def test_what_is_wrong_is_said_with_the_lines_to_write_and_exit_code_6(folder):
    exchange(folder)
    ran = shell("doctor", folder, "--device", "cpu")
    assert ran.code == 6
    assert "1. error: The network's outputs do not stand in the order of classes" in ran.out
    written = ran.out.split("write:\n")[1].split("   Then run:")[0]
    assert tomllib.loads(written) == {"classifier": {"classes": list(CLASSES)}}
    assert f"Then run: openmax extract {folder}" in ran.out
    assert "'blue' taken for 'red'" in ran.out


def test_json_holds_all_that_the_text_says(folder):
    exchange(folder)
    (folder / "train" / "green").mkdir()
    ran = shell("doctor", folder, "--json", "--device", "cpu")
    assert ran.code == 6
    values = json.loads(ran.out)
    assert values["sound"] is False
    assert [item["kind"] for item in values["findings"]] == ["class order", "no class"]
    assert values["classes"] == list(CLASSES[::-1])
    assert values["confusion"] == [[0, 52], [52, 0]]
    assert values["accuracy"] == {
        "train": {"n": 40 * 2, "n_right": 0},
        "test": {"n": 12 * 2, "n_right": 0},
    }
    assert values["trials"][0]["name"] == "stored"


def test_a_folder_that_is_no_workspace_is_an_error(tmp_path):
    ran = shell("doctor", tmp_path)
    assert ran.code == 1
    assert "is no workspace" in ran.error
