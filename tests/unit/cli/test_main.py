"""The shell: its help, its arguments and its life as a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openmax_core.cli.commands import EXIT_INFEASIBLE
from tests.support.shell import REPOSITORY, Story, buffered_environment, process, shell
from tests.support.workspaces import make_workspace

OPTIONS = {
    "init": ("DIR --architecture --weights --train --test --reject --calibration --classes --name"),
    "train": (
        "WORKSPACE --backbone-weights --epochs --head-epochs --batch-size --learning-rate "
        "--patience --seed --device"
    ),
    "extract": "WORKSPACE --device --batch-size --engine --address --workers --patience",
    "evaluate": "WORKSPACE --preset --thresholds --min-test-accuracy --set --json",
    "predict": "WORKSPACE PATH --preset --threshold --csv --json --device",
    "report": "WORKSPACE --preset --threshold --thresholds --output",
    "export": "WORKSPACE --preset --threshold --output",
    "monitor": (
        "WORKSPACE BATCH --preset --threshold --level --compare --record --name --time "
        "--fail-on-drift --json --device"
    ),
}


def test_help_names_all_commands_a_first_run_and_the_exit_codes() -> None:
    ran = shell("--help")
    assert (ran.code, ran.err) == (0, "")
    for name in OPTIONS:
        assert f"\n    {name} " in ran.out
    assert "openmax init garages --architecture resnet50" in ran.out
    for code in range(6):
        assert f"\n  {code}  " in ran.out


@pytest.mark.parametrize("command", OPTIONS)
def test_help_of_a_command_names_its_options_and_the_exit_codes(command: str) -> None:
    ran = shell(command, "--help")
    assert (ran.code, ran.err) == (0, "")
    for option in OPTIONS[command].split():
        assert option in ran.out
    assert "exit codes:\n  0  done\n" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("explain",),
        ("init", "folder"),
        ("predict", "folder"),
        ("evaluate", "folder", "--preset", "magic"),
        ("evaluate", "folder", "--min-test-accuracy", "much"),
        ("extract", "folder", "--device", "tpu"),
        ("train", "folder", "--epochs", "1.5"),
        ("predict", "folder", "picture.jpg", "--threshold", "half"),
        ("report",),
        ("report", "folder", "--threshold", "inf"),
        ("report", "folder", "--preset", "magic"),
        ("export", "folder", "--format", "tflite"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_end_with_2_and_the_usage(arguments: tuple[str, ...]) -> None:
    ran = shell(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("usage: openmax")
    assert "error: " in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("evaluate w --min-test-accuracy 850", "between 0% and 100%, not '850'"),
        ("evaluate w --min-test-accuracy -1", "'-1' is not a share; write it as 85% or 0.85"),
        ("evaluate w --min-test-accuracy much", "'much' is not a share"),
        ("predict w a.png --threshold nan", "'nan' is not a finite number"),
        ("monitor w b --level five", "'five' is not a share; write it as 85% or 0.85"),
        ("train w --epochs 1.5", "'1.5' is not a whole number"),
        ("train w --batch-size 0", "must be at least 1, not 0"),
        ("train w --learning-rate fast", "'fast' is not a number"),
        ("extract w --workers -2", "must be at least 1, not -2"),
        ("evaluate w --set tail_size", "write NAME=VALUE as in tail_size=30, not 'tail_size'"),
        ("evaluate w --set tail=3", "there is no setting 'tail'; there are centring, distance"),
        ("evaluate w --set tail_size=3.5", "tail_size must be a whole number, not '3.5'"),
        ("evaluate w --set strength=nan", "strength must lie in (0, 1], not nan"),
        ("evaluate w --set second_softmax=no", "second_softmax must be true or false, not 'no'"),
        ("evaluate w --set distance=far", "distance = 'far' does not exist; use one of euclid"),
    ],
)
def test_what_is_wrong_with_an_option_is_said_in_words(arguments: str, told: str) -> None:
    ran = shell(*arguments.split())
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert "invalid" not in ran.err


@pytest.mark.parametrize("option", ["--threshold", "--min-test-accuracy"])
def test_nan_is_a_wrong_argument(story: Story, option: str) -> None:
    commands: dict[str, tuple[str | Path, ...]] = {
        "--threshold": ("predict", story.folder, story.folder / "reject"),
        "--min-test-accuracy": ("evaluate", story.folder, "--json"),
    }
    ran = shell(*commands[option], option, "nan")
    assert (ran.code, ran.out) == (2, "")
    assert option in ran.err


def test_picture_folders_of_a_new_workspace_may_be_addresses() -> None:
    ran = shell("init", "--help")
    for option in ("train", "test", "reject", "calibration"):
        assert f"--{option} DIR|ADDRESS" in ran.out
    assert "An ADDRESS is s3://bucket/folder or file:///folder." in ran.out


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "trees", preset="bendale")
    ran = process("evaluate", workspace.folder, "--min-test-accuracy", "1", "--json")
    assert ran.returncode == EXIT_INFEASIBLE
    assert ran.stderr == b""
    assert json.loads(ran.stdout)["workspace"] == "Trees"


def test_a_program_s_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    ran = process("extract", tmp_path)
    assert ran.returncode == 1
    assert ran.stdout == b""
    assert ran.stderr.startswith(b"openmax: ")
    assert ran.stderr.count(b"\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_without_the_sign_of_at_least_is_no_error(story: Story, encoding: str) -> None:
    ran = process("evaluate", story.folder, "--min-test-accuracy", "0.5", PYTHONIOENCODING=encoding)
    assert ran.stderr == b""
    assert ran.returncode == 0
    assert b"recommended: threshold" in ran.stdout


def test_a_reader_that_has_gone_is_no_traceback(story: Story) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "openmax_core", "evaluate", str(story.folder)],
            cwd=REPOSITORY,
            stdout=write,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
            env=buffered_environment(),
        )
    finally:
        os.close(write)
    assert ran.stderr == b""
    assert ran.returncode == 1
