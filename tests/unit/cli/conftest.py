"""A workspace that the shell alone made, and copies of it to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.shell import (
    ARCHITECTURE,
    Story,
    put_all,
    save_backbone,
    shell,
    use_small_pictures,
)


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story") / "colours"
    put_all(folder)
    save_backbone(folder / "backbone.safetensors")
    init = shell("init", folder, "--architecture", ARCHITECTURE, "--reject", "reject")
    use_small_pictures(folder)
    train = shell(
        *("train", folder, "--backbone-weights", folder / "backbone.safetensors"),
        *("--head-epochs", "1", "--epochs", "6", "--learning-rate", "0.003"),
        *("--batch-size", "8", "--device", "cpu"),
    )
    extract = shell("extract", folder, "--device", "cpu")
    return Story(folder, init, train, extract)


@pytest.fixture
def folder(story: Story, tmp_path: Path) -> Path:
    """The story's workspace, extracted, to be changed by a test."""
    return Path(shutil.copytree(story.folder, tmp_path / "colours"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Folders of pictures that are no workspace yet."""
    put_all(tmp_path / "new")
    return tmp_path / "new"
