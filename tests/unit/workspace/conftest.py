"""Workspaces of noise: new, extracted, and one that tests only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch

from openmax_core.extraction.extraction import ExtractionReport
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
    put,
    solved_head,
    store_of,
)


@pytest.fixture(scope="package")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("material")
    for name in CLASSES:
        put(folder / "train" / name, name, TRAIN, 0)
        put(folder / "test" / name, name, TEST, 100)
    put(folder / "reject", "unknown", REJECT, 200)
    torch.manual_seed(0)
    network = build_network(ARCHITECTURE, len(CLASSES))
    solved_head(network, folder / "train")
    safetensors.torch.save_file(network.state_dict(), folder / "weights.safetensors")
    create(folder).classifier.load_engine("cpu")  # exports the network beside its weights, once
    (folder / "workspace.toml").unlink()
    return Material(folder, network)


@pytest.fixture
def workspace(material: Material, tmp_path: Path) -> Workspace:
    """A workspace of its own for a test that changes it; nothing extracted."""
    return create(material.copy_to(tmp_path / "study"))


@pytest.fixture
def extracted(workspace: Workspace) -> Workspace:
    """A workspace of its own for a test that changes it; extracted."""
    workspace.extract("cpu")
    return workspace


@pytest.fixture(scope="package")
def finished(
    material: Material, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Workspace, ExtractionReport]]:
    """An extracted workspace that tests only read, with its report."""
    workspace = create(material.copy_to(tmp_path_factory.mktemp("finished")))
    report = workspace.extract("cpu")
    before = store_of(workspace)
    yield workspace, report
    assert store_of(workspace) == before
