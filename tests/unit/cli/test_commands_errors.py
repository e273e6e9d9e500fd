"""What the shell says where a command cannot be done: one line, and the way out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import safetensors.torch

from openmax_core.network.classifier import build_network
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import ARCHITECTURE, Story, shell

COMMANDS = ("doctor", "train", "extract", "evaluate", "report", "export")


def test_a_folder_that_is_no_workspace(tmp_path: Path) -> None:
    for command in COMMANDS:
        ran = shell(command, tmp_path)
        assert (ran.code, ran.out) == (1, "")
        assert ran.error == (
            f"{tmp_path} is no workspace: it has no {FILE_NAME}; 'openmax init' and the page "
            "Workspace make a new one there"
        )
        assert ran.err.count("\n") == 1


def test_a_mistyped_workspace_is_answered_with_the_nearest_name(folder: Path) -> None:
    for command in COMMANDS:
        ran = shell(command, folder.with_name("colors"))
        assert (ran.code, ran.out) == (1, "")
        assert ran.error == (
            f"the folder {folder.with_name('colors')} does not exist; did you mean {folder}? "
            "'openmax init' and the page Workspace make a new one"
        )
    ran = shell("evaluate", folder / FILE_NAME)
    assert (
        ran.error == f"{folder / FILE_NAME} is a file; name the folder of the workspace: {folder}"
    )


def test_a_mistyped_path_at_the_making_of_a_workspace_names_no_settings_file(
    pictures: Path,
) -> None:
    (pictures / "w.safetensors").touch()
    init = ("init", pictures, "--architecture", ARCHITECTURE)
    for arguments, error in (
        (("--train", "trian"), f"the folder {pictures}/trian does not exist; did you mean "),
        (
            ("--test", pictures / "none"),
            f"the folder {pictures}/none does not exist; name another one as test",
        ),
        (("--test", "w.safetensors"), f"{pictures}/w.safetensors is a file; name a folder of "),
        (("--weights", pictures / "w.safetensor"), f"did you mean {pictures}/w.safetensors?"),
    ):
        ran = shell(*init, *arguments)
        assert (ran.code, ran.out) == (1, "")
        assert error in ran.err
        assert FILE_NAME not in ran.err
    (pictures / "reject" / "deep").mkdir()
    shutil.rmtree(pictures / "train" / "red")
    (pictures / "train" / "red").mkdir()
    ran = shell(*init, "--reject", "reject/deep")
    assert ran.err == f"openmax: {pictures}/reject/deep holds no pictures; put them there\n"


def test_a_misspelt_setting_is_named_with_its_likely_name(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("min_test_accuracy", "min_test_acuracy"), encoding="utf-8")
    ran = shell("evaluate", folder)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        f"openmax: {path}: defaults.min_test_acuracy is no setting; "
        "did you mean 'min_test_accuracy'?\n"
    )


def test_an_unknown_architecture_has_suggestions_and_writes_nothing(pictures: Path) -> None:
    ran = shell("init", pictures, "--architecture", "shufflenet_v2_x05")
    assert (ran.code, ran.out) == (1, "")
    assert "no classification architecture 'shufflenet_v2_x05'; did you mean" in ran.error
    assert ARCHITECTURE in ran.error
    assert not (pictures / FILE_NAME).exists()


def test_weights_of_another_class_count(pictures: Path, story: Story) -> None:
    weights = story.folder / "backbone.safetensors"
    ran = shell("init", pictures, "--architecture", ARCHITECTURE, "--weights", weights)
    assert (ran.code, ran.out) == (1, "")
    assert f"{weights} are of {ARCHITECTURE} with 7 classes, but the workspace has 2" in ran.error


def test_weights_with_nan(pictures: Path) -> None:
    state = build_network(ARCHITECTURE, 2).state_dict()
    state["fc.bias"][0] = float("nan")
    weights = pictures / "nan.safetensors"
    safetensors.torch.save_file(state, weights)
    ran = shell("init", pictures, "--architecture", ARCHITECTURE, "--weights", weights)
    assert ran.code == 1
    assert ran.error == f"the weights in {weights} hold NaN or Inf; train again"


@pytest.mark.parametrize("split", ["train", "test", "reject", "calibration"])
def test_a_missing_picture_folder_is_named(pictures: Path, split: str) -> None:
    ran = shell("init", pictures, "--architecture", ARCHITECTURE, f"--{split}", "gone")
    assert (ran.code, ran.out) == (1, "")
    assert f"{pictures}/gone does not exist" in ran.error


def test_spaces_after_the_commas_of_classes_are_no_part_of_the_names(pictures: Path) -> None:
    ran = shell("init", pictures, "--architecture", ARCHITECTURE, "--classes", "red, blue")
    assert (ran.code, ran.err) == (0, "")
    assert Workspace.open(pictures).classes == ("red", "blue")


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_before_extract_it_says_what_to_run(folder: Path, command: str) -> None:
    shutil.rmtree(folder / "activations")
    ran = shell(command, folder)
    assert ran.code == 1
    assert f"run 'openmax extract {folder}'" in ran.error
    assert not (folder / "report").exists()


def test_a_picture_that_does_not_exist(story: Story) -> None:
    ran = shell("predict", story.folder, "gone.png")
    assert (ran.code, ran.error) == (1, "there is no file or folder gone.png")


@pytest.mark.parametrize("thresholds", ["0.3:0.4", "0.3:0.4:0", "high", "nan", "0.3:0.4:inf"])
def test_thresholds_that_are_none_say_the_form(
    story: Story, tmp_path: Path, thresholds: str
) -> None:
    report = ("report", story.folder, "--threshold", "0.5", "--output", tmp_path / "report")
    for command in (("evaluate", story.folder), report):
        ran = shell(*command, "--thresholds", thresholds)
        assert (ran.code, ran.out) == (1, "")
        assert "write start:stop:step as in 0.30:0.40:0.01" in ran.error
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("option", "value", "code", "named"),
    [
        ("--epochs", "-1", 2, "--epochs: must be at least 0, not -1"),
        ("--head-epochs", "-1", 2, "--head-epochs: must be at least 0, not -1"),
        ("--batch-size", "0", 2, "--batch-size: must be at least 1, not 0"),
        ("--learning-rate", "-0.1", 1, "learning_rate"),
        ("--learning-rate", "nan", 2, "--learning-rate: 'nan' is not a finite number"),
        ("--seed", "-1", 2, "--seed: must be at least 0, not -1"),
    ],
)
def test_training_settings_out_of_range_are_named(
    folder: Path, option: str, value: str, code: int, named: str
) -> None:
    ran = shell("train", folder, option, value)
    assert (ran.code, ran.out) == (code, "")
    assert named in ran.err.splitlines()[-1]


def test_an_operating_point_with_a_setting_that_is_none_is_an_error_not_a_traceback(
    folder: Path,
) -> None:
    workspace = Workspace.open(folder)
    workspace.choose(workspace.evaluate().point_at(0.5))
    path = workspace.operating_point_path
    path.write_text(path.read_text().replace('"tail_size"', '"tail_length"'), encoding="utf-8")
    ran = shell("predict", folder, folder / "reject" / "00.png")
    assert ran.code == 1
    assert "operating_point.json" in ran.error
    assert "choose the threshold again" in ran.error
