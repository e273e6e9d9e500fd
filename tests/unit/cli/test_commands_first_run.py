"""The first steps: init, train and extract, run for real on a tiny workspace."""

from __future__ import annotations

from pathlib import Path

from openmax_core.cli.commands import EXIT_UNREADABLE
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import ARCHITECTURE, Story, shell


def test_init_says_what_it_found_and_what_comes_next(story: Story) -> None:
    assert (story.init.code, story.init.err) == (0, "")
    assert story.init.out.splitlines() == [
        f"made {story.folder}/{FILE_NAME}",
        "  train             80 files",
        "  test              24 files",
        "  reject            10 files",
        "  classes      blue, red",
        "  transform    resized to 320 × 320 (nearest), cropped to 224 × 224: the notebook's, "
        "right for its networks and for those of 'openmax train'",
        f"next: openmax train {story.folder}",
    ]


def test_train_reports_epochs_and_sets_the_weights(story: Story) -> None:
    assert story.train.code == 0
    assert "Traceback" not in story.train.err
    lines = story.train.out.splitlines()
    assert lines[0].startswith("head epoch   1   loss ")
    assert [line[:14] for line in lines[1:-2]] == [f"all  epoch   {i}" for i in range(1, 7)]
    weights = Workspace.open(story.folder).settings.classifier.weights
    assert weights == f"{ARCHITECTURE}-1.0000.safetensors"
    assert lines[-2:] == [
        f"wrote {story.folder}/{weights}: accuracy 100.0 % on 12 held-out pictures, trained on 68",
        f"next: openmax extract {story.folder}",
    ]
    assert "# as they are" in (story.folder / FILE_NAME).read_text(encoding="utf-8")


def test_train_from_random_weights_for_one_epoch(folder: Path) -> None:
    ran = shell("train", folder, "--epochs", "1", "--device", "cpu", "--batch-size", "16")
    assert ran.code == 0
    assert ran.out.startswith("all  epoch   1   loss ")  # no phase of the last layer alone
    assert len(ran.out.splitlines()) == 3


def test_extract_counts_every_split(story: Story) -> None:
    assert story.extract.code == 0
    assert story.extract.out.splitlines()[:3] == [
        "train            80 run         0 already stored   0 unreadable",
        "test             24 run         0 already stored   0 unreadable",
        "reject           10 run         0 already stored   0 unreadable",
    ]
    assert "pictures/s" in story.extract.out.splitlines()[3]


def test_a_second_extract_runs_nothing(story: Story) -> None:
    ran = shell("extract", story.folder)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[:3] == [
        "train             0 run        80 already stored   0 unreadable",
        "test              0 run        24 already stored   0 unreadable",
        "reject            0 run        10 already stored   0 unreadable",
    ]


def test_extract_lists_what_cannot_be_read_and_ends_with_3(folder: Path) -> None:
    (folder / "test" / "red" / "broken.jpg").write_bytes(b"no picture")
    ran = shell("extract", folder, "--device", "cpu")
    assert ran.code == EXIT_UNREADABLE
    assert "test              1 run        24 already stored   1 unreadable" in ran.out
    assert (
        "unreadable: test/red/broken.jpg: the content is not a picture of a known format" in ran.err
    )
    text = shell("evaluate", folder, "--min-test-accuracy", "0").out
    assert "80 train, 24 test (1 unreadable), 10 reject" in text
