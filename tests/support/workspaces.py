"""Workspaces with made-up activations, for tests that run no network."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openmax_core.activations.shards import Result
from openmax_core.network.spec import ClassifierSettings
from openmax_core.pictures.folders import PictureFiles
from openmax_core.workspace.settings import FILE_NAME, Defaults, WorkspaceSettings, write_settings
from openmax_core.workspace.workspace import Workspace

CLASSES = ("ash", "birch", "cedar")


def made_up_logits(
    labels: NDArray[np.int64], n_classes: int, seed: int, signal: float = 9.0
) -> NDArray[np.float32]:
    """Logits that are mostly right; small and without direction for unknowns (label −1)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.2, (len(labels), n_classes))
    known = labels >= 0
    logits[known, labels[known]] += signal
    return logits.astype(np.float32)


def make_workspace(
    folder: Path,
    *,
    classes: tuple[str, ...] = CLASSES,
    n_train: int = 40,
    n_test: int = 30,
    n_reject: int = 60,
    stored: bool = True,
    preset: str = "bendale",
    name: str = "Trees",
) -> Workspace:
    """Write a workspace with tiny pictures and, if ``stored``, made-up activations.

    ``n_train`` and ``n_test`` count pictures of each class; with ``n_reject`` 0 there is no
    reject set. The weights file is no network: nothing may be run.
    """
    folders = {"train": "train", "test": "test"} | ({"reject": "reject"} if n_reject else {})
    for split, count in (("train", n_train), ("test", n_test)):
        for number, label in enumerate(classes):
            _write_pictures(folder / split / label, count, shade=40 * number)
    if n_reject:
        _write_pictures(folder / "reject" / "oak", n_reject, shade=230)
    (folder / "weights.safetensors").write_bytes(b"made up")
    settings = WorkspaceSettings(
        name=name,
        classifier=ClassifierSettings("resnet18", classes, "weights.safetensors"),
        folders=folders,
        defaults=Defaults(preset=preset),
    )
    write_settings(folder / FILE_NAME, settings)
    workspace = Workspace.open(folder)
    if stored:
        for seed, split in enumerate(workspace.pictures.splits):
            store_made_up(workspace, split, workspace.pictures.find(split), seed)
    return workspace


def store_made_up(workspace: Workspace, split: str, files: PictureFiles, seed: int) -> None:
    """Store made-up activations of a split; the last file of test counts as unreadable."""
    logits = made_up_logits(files.labels, len(workspace.classes), seed)
    rows: dict[int, NDArray[np.float32] | str] = dict(enumerate(logits))
    if split == "test":
        rows[len(files) - 1] = "damaged picture (made up)"
    workspace.stored.store.save(split, files, rows, len(workspace.classes))


def divide_reject_set(workspace: Workspace, counts: dict[str, int]) -> None:
    """Move some unknowns of :func:`make_workspace` to other folders, and store them again."""
    folder = workspace.pictures.folder("reject")
    for name, count in counts.items():
        (folder / name).mkdir()
        for path in sorted((folder / "oak").iterdir())[:count]:
            path.rename(folder / name / path.name)
    store_made_up(workspace, "reject", workspace.pictures.find("reject"), seed=2)


class MadeUpRows(Mapping[int, Result]):
    """Made-up logits, a row at a time."""

    def __init__(self, labels: NDArray[np.int64], n_classes: int, seed: int) -> None:
        self.logits = made_up_logits(labels, n_classes, seed)

    def __getitem__(self, index: int) -> Result:
        return self.logits[index]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return len(self.logits)


def make_large_workspace(
    folder: Path, n_scores: int, *, n_classes: int = 10, name: str = "Large"
) -> Workspace:
    """Write a workspace with ``n_scores`` test and as many reject logits; the pictures are none."""
    classes = tuple(f"class {number}" for number in range(n_classes))
    workspace = make_workspace(
        folder, classes=classes, n_train=2, n_test=2, n_reject=2, stored=False, name=name
    )
    counts = {"train": 500 * n_classes, "test": n_scores, "reject": n_scores}
    for seed, (split, count) in enumerate(counts.items()):
        known = np.arange(count, dtype=np.int64) % n_classes
        labels = known if split != "reject" else np.full(count, -1)
        paths = tuple(f"{label}/{number}.png" for number, label in enumerate(known.tolist()))
        ones = np.ones(count, dtype=np.int64)
        files = PictureFiles(folder / split, paths, labels, ones, ones)
        workspace.stored.store.save(split, files, MadeUpRows(labels, n_classes, seed), n_classes)
    return workspace


def _write_pictures(folder: Path, count: int, shade: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:03d}.png").write_bytes(_png(shade, number % 256))


@cache
def _png(red: int, green: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (red, green, 120)).save(stream, "PNG")
    return stream.getvalue()
