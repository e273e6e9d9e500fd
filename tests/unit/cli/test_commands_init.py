"""init: which transform it writes, what it says of it, and which folders it takes by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from openmax_core.pictures.images import Transform
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import ARCHITECTURE, Ran, shell


def init(folder: Path, *options: str) -> Ran:
    return shell("init", folder, "--architecture", ARCHITECTURE, *options)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Folder with pictures of two classes, and no workspace yet."""
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / "new" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "new" / name / "0.png")
    return tmp_path / "new"


@pytest.mark.parametrize(
    ("options", "expected", "words"),
    [
        ((), Transform(), "resized to 320 × 320 (nearest), cropped to 224 × 224: the notebook's, "),
        (
            ("--transform", "imagenet"),
            Transform(resize=256, interpolation="bilinear"),
            "shorter side resized to 256 (bilinear), cropped to 224 × 224: ImageNet's usual one, ",
        ),
        (
            ("--transform", "weights"),
            Transform(resize=256, interpolation="bilinear"),
            ": torchvision's own, right for its pretrained weights of this architecture",
        ),
        (
            (
                *("--resize", "40,30", "--crop", "20", "--interpolation", "bicubic"),
                *("--mean", "0.5,0.4,0.3", "--std", "1,0.5,0.25", "--no-exif", "--alpha", "drop"),
            ),
            Transform(
                (40, 30), (20, 20), "bicubic", (0.5, 0.4, 0.3), (1, 0.5, 0.25), False, "drop"
            ),
            "mean 0.5, 0.4, 0.3, std 1, 0.5, 0.25, not turned as EXIF says, transparency dropped: "
            "your own, from notebook",
        ),
        (
            ("--transform", "imagenet", "--crop", "200,100"),
            Transform(resize=256, crop=(200, 100), interpolation="bilinear"),
            "cropped to 200 × 100: your own, from imagenet",
        ),
    ],
    ids=["none", "imagenet", "weights", "own", "changed"],
)
def test_init_writes_the_transform_that_is_asked_for_and_says_it(
    new: Path, options: tuple[str, ...], expected: Transform, words: str
) -> None:
    ran = init(new, *options)
    assert (ran.code, ran.err) == (0, "")
    assert words in ran.out
    assert Workspace.open(new).settings.transform == expected


def test_with_weights_and_no_word_on_the_transform_init_says_how_to_change_it(new: Path) -> None:
    from safetensors.torch import save_file

    from openmax_core.network.classifier import build_network

    weights = new / "weights.safetensors"
    save_file(build_network(ARCHITECTURE, 2).state_dict(), weights)
    ran = init(new, "--weights", str(weights))
    assert "change [transform] in workspace.toml" in ran.out
    (new / "workspace.toml").unlink()
    told = init(new, "--weights", str(weights), "--transform", "notebook")
    assert told.code == 0
    assert "change [transform]" not in told.out


def test_mean_and_std_of_0_to_255_are_refused_with_the_right_ones(new: Path) -> None:
    ran = init(new, "--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375")
    assert ran.code == 1
    assert (
        "divide both by 255: mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]" in ran.error
    )
    assert not (new / "workspace.toml").exists()


def test_a_workspace_of_0_to_255_that_exists_opens_with_a_warning(new: Path) -> None:
    assert init(new).code == 0
    path = new / "workspace.toml"
    text = path.read_text().replace("mean = [0.485, 0.456, 0.406]", "mean = [124, 116, 104]")
    path.write_text(text)
    ran = shell("evaluate", new)
    assert "warning: mean or std of the transform is larger than 1" in ran.err


def test_a_crop_larger_than_the_resize_is_said(new: Path) -> None:
    ran = init(new, "--resize", "200,300", "--crop", "224")
    assert ran.code == 0
    assert ran.err == (
        "warning: crop 224 × 224 is larger than resize 200 × 300, so black edges are added; make "
        "crop smaller, or resize larger\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--resize", "wide"), "--resize: wide is not one or two sides"),
        (("--crop", "0"), "--crop: 0 is not one or two sides of 1 to 4096 pixels"),
        (("--crop", "1,2,3"), "--crop: 1,2,3 is not one or two sides"),
        (("--mean", "0.5"), "--mean: 0.5 is not three numbers, for red, green and blue"),
        (("--mean", "0.5,nan,0"), "--mean: 0.5,nan,0 is not three numbers"),
        (("--std", "0.5,0,1"), "--std: 0.5,0,1 is not larger than 0"),
        (("--transform", "mine"), "--transform: invalid choice: 'mine'"),
    ],
)
def test_wrong_numbers_are_refused_by_their_option(
    new: Path, options: tuple[str, str], words: str
) -> None:
    ran = init(new, *options)
    assert ran.code == 2
    assert words in ran.err


def test_a_reject_folder_in_the_workspace_is_taken_as_train_is(new: Path) -> None:
    (new / "reject").mkdir()
    Image.new("RGB", (8, 8)).save(new / "reject" / "0.png")
    ran = init(new)
    assert "  reject             1 files" in ran.out.splitlines()
    assert Workspace.open(new).settings.folders["reject"] == "reject"


def test_folders_that_are_passed_over_are_named(new: Path) -> None:
    for name in ("train/__MACOSX", "train/.ipynb_checkpoints", "test/@eaDir"):
        (new / name).mkdir()
    ran = init(new)
    assert ran.code == 0
    assert (
        "train: the folders '.ipynb_checkpoints', '__MACOSX' are passed over: they are hidden, or "
        "made by a system" in ran.out
    )
    assert "test: the folder '@eaDir' is passed over: it is hidden" in ran.out
    status = Workspace.open(new).status("test")
    assert status.passed_over.startswith("test: the folder '@eaDir'")
    (new / "test" / "@eaDir").rmdir()
    assert Workspace.open(new).status("test").passed_over == ""
