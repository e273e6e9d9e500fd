"""One cluster for all tests of this folder, and one workspace with 800 pictures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from openmax_core.network.classifier import build_network
from openmax_core.pictures.images import Transform
from openmax_core.workspace.workspace import Workspace
from tests.cluster.nodes import SETTINGS, Cluster

COUNTS = {"train": 400, "test": 2, "reject": 2}


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Cluster]:
    """A head with two CPUs; what other nodes a test adds is killed with it."""
    before = dict(os.environ)
    os.environ.update(SETTINGS)  # before Ray is imported: it reads them once
    cluster = Cluster()
    try:
        yield cluster
    finally:
        cluster.close()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("material")
    generator = np.random.default_rng(0)
    for split, count in COUNTS.items():
        for label in ("dark", "light"):
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / label / f"{number:04d}.png")
    (folder / "train" / "dark" / "0150.png").write_bytes(b"no picture")
    torch.manual_seed(0)
    torch.save(build_network("shufflenet_v2_x0_5", 2).state_dict(), folder / "net.pth")
    Workspace.create(
        folder,
        "shufflenet_v2_x0_5",
        weights=folder / "net.pth",
        reject="reject",
        transform=Transform((32, 32), (32, 32)),
    ).classifier.load_engine("cpu")
    return folder


@pytest.fixture
def workspace(material: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(material, tmp_path / "workspace"))


@pytest.fixture(scope="session")
def on_one_machine(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = shutil.copytree(material, tmp_path_factory.mktemp("one") / "workspace")
    workspace = Workspace.open(folder)
    workspace.extract("cpu")
    return workspace
