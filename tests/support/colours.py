"""Workspaces of red, green and blue noise, with a real network.

The network is small, and its last layer is solved for so that it knows the three apart.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision import transforms

from openmax_core.activations.activations import Activations
from openmax_core.network.classifier import build_network
from openmax_core.pictures.images import IMAGENET_MEAN, IMAGENET_STD, Transform
from openmax_core.workspace.workspace import Workspace

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

ARCHITECTURE = "shufflenet_v2_x0_5"
CLASSES = ("red", "green", "blue")  # not in the order of the alphabet
TRANSFORM = Transform(resize=(36, 40), crop=(32, 32), interpolation="bilinear")
TRAIN, TEST, REJECT = 8, 4, 5
RIDGE = 1.0
BATCH = 16  # on the CPU
# In batches of another size convolutions add up in another order: the last digits differ.
CLOSE = 2e-4
Vectors = NDArray[np.float32]


def picture(kind: str, seed: int) -> Image.Image:
    """48 × 40 pixels of dark noise, bright in the channel of its class; grey for unknowns."""
    rng = np.random.default_rng([seed, *kind.encode()])
    pixels = rng.integers(0, 90, (40, 48, 3))
    if kind in CLASSES:
        pixels[..., CLASSES.index(kind)] += rng.integers(100, 160)
    else:
        pixels += rng.integers(30, 100)
    return Image.fromarray(pixels.astype(np.uint8))


def put(folder: Path, kind: str, count: int, first_seed: int) -> None:
    folder.mkdir(parents=True)
    for index in range(count):
        picture(kind, first_seed + index).save(folder / f"{index}.png")


def by_torchvision(paths: list[Path]) -> torch.Tensor:
    chain = transforms.Compose(
        [
            transforms.Resize((36, 40), transforms.InterpolationMode.BILINEAR),
            transforms.CenterCrop((32, 32)),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    return torch.stack([chain(Image.open(path).convert("RGB")) for path in paths])


@dataclass(frozen=True)
class Material:
    """Pictures and weights that workspaces are made of; copied, never changed."""

    folder: Path
    network: torch.nn.Module

    def copy_to(self, folder: Path) -> Path:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return folder

    def logits_of(self, paths: list[Path]) -> Vectors:
        batches = [by_torchvision(paths[i : i + BATCH]) for i in range(0, len(paths), BATCH)]
        with torch.inference_mode():
            return torch.cat([self.network(batch) for batch in batches]).numpy()


def solved_head(network: torch.nn.Module, train: Path) -> None:
    """Solve the last layer for logits of ±4: ridge regression on the features of ``train``."""
    paths = [path for name in CLASSES for path in sorted((train / name).iterdir())]
    batch = by_torchvision(paths)
    network.train()
    head = network.get_submodule("fc")
    assert isinstance(head, torch.nn.Linear)
    network.fc = torch.nn.Identity()
    with torch.no_grad():
        for _ in range(20):
            network(batch)  # settles the statistics of batch normalisation
        features = network.eval()(batch).double()
        targets = torch.full((len(paths), len(CLASSES)), -4.0, dtype=torch.float64)
        targets[torch.arange(len(paths)), torch.arange(len(paths)) // TRAIN] = 4.0
        centred = features - features.mean(0)
        gram = centred @ centred.T
        ridge = gram + RIDGE * gram.trace() / len(paths) * torch.eye(len(paths))
        weight = centred.T @ torch.linalg.solve(ridge, targets - targets.mean(0))
        head.weight.copy_(weight.T)
        head.bias.copy_(targets.mean(0) - features.mean(0) @ weight)
    network.fc = head


def write_sound(folder: Path) -> torch.nn.Module:
    """Write pictures, more in training than a tail needs, and weights that are right about them."""
    for name in CLASSES:
        put(folder / "train" / name, name, TRAIN, 0)
        put(folder / "test" / name, name, 2 * TEST, 100)
    put(folder / "reject", "unknown", REJECT, 200)
    torch.manual_seed(0)
    network = build_network(ARCHITECTURE, len(CLASSES))
    solved_head(network, folder / "train")
    safetensors.torch.save_file(network.state_dict(), folder / "weights.safetensors")
    for name in CLASSES:
        for number in range(14):
            picture(name, 300 + number).save(folder / "train" / name / f"more {number}.png")
    return network


def create(folder: Path, **changes: Any) -> Workspace:
    """Make a workspace of the pictures that lie in ``folder``."""
    given: dict[str, Any] = {
        "weights": folder / "weights.safetensors",
        "reject": "reject",
        "classes": CLASSES,
        "transform": TRANSFORM,
        **changes,
    }
    return Workspace.create(folder, ARCHITECTURE, **given)


def store_of(workspace: Workspace) -> dict[str, tuple[bytes, int]]:
    """Content and mtime of every stored file, hidden ones included, but the lock."""
    folder = workspace.folder / "activations"
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def stored(workspace: Workspace, split: str) -> Activations:
    activations = workspace.stored.activations(split)
    assert activations is not None
    return activations


def add_a_picture(folder: Path) -> None:
    picture("green", 777).save(folder / "green" / "added.png")


def change_a_picture(folder: Path) -> None:
    picture("green", 778).save(folder / "green" / "1.png")
    os.utime(folder / "green" / "1.png", ns=(1, 1))


def touch_a_picture(folder: Path) -> None:
    os.utime(folder / "green" / "1.png", ns=(2, 2))


def delete_a_picture(folder: Path) -> None:
    (folder / "green" / "1.png").unlink()
