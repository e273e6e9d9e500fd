"""A sound workspace of noise with a network that is right, to be made wrong by a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openmax_core.workspace.workspace import Workspace
from tests.support.colours import TRANSFORM, Material, create, write_sound


@pytest.fixture(scope="package")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("material")
    return Material(folder, write_sound(folder))


@pytest.fixture
def made(material: Material, tmp_path: Path) -> Callable[..., Workspace]:
    """Make a workspace of its own, with settings that differ from the right ones."""

    def make(**changes: Any) -> Workspace:
        transform = changes.pop("transform", TRANSFORM)
        workspace = create(material.copy_to(tmp_path / "study"), **changes)
        # Written as by hand: what is refused for a new workspace may stand there.
        workspace.save_settings(replace(workspace.settings, transform=transform))
        return workspace

    return make
