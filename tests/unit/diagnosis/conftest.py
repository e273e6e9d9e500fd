"""A sound workspace of noise with a network that is right, to be made wrong by a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from openmax_core.network.classifier import build_network
from openmax_core.workspace.workspace import Workspace
from tests.support.colours import (
    ARCHITECTURE,
    CLASSES,
    REJECT,
    TEST,
    TRAIN,
    Material,
    create,
    picture,
    put,
    solved_head,
)

ENOUGH = 22  # training pictures a class, more than a tail needs


@pytest.fixture(scope="package")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("material")
    for name in CLASSES:
        put(folder / "train" / name, name, TRAIN, 0)
        put(folder / "test" / name, name, 2 * TEST, 100)
    put(folder / "reject", "unknown", REJECT, 200)
    torch.manual_seed(0)
    network = build_network(ARCHITECTURE, len(CLASSES))
    solved_head(network, folder / "train")
    safetensors.torch.save_file(network.state_dict(), folder / "weights.safetensors")
    for name in CLASSES:
        for number in range(ENOUGH - TRAIN):
            picture(name, 300 + number).save(folder / "train" / name / f"more {number}.png")
    return Material(folder, network)


@pytest.fixture
def made(material: Material, tmp_path: Path) -> Callable[..., Workspace]:
    """Make a workspace of its own, with settings that differ from the right ones."""

    def make(**changes: Any) -> Workspace:
        return create(material.copy_to(tmp_path / "study"), **changes)

    return make
