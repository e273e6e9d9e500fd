"""Pictures to train on: which decode, which are held out, and batches of them as tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openmax_core.errors import PictureError, WorkspaceError
from openmax_core.network.engines import normalise
from openmax_core.pictures.folders import PictureFiles
from openmax_core.pictures.images import Pixels, TrainTransform, Transform, decode
from openmax_core.support.chunks import n_cores

if TYPE_CHECKING:
    import torch

MIN_PER_CLASS = 2

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class TrainingPictures:
    """Pictures as a network is trained and checked on them.

    Attributes
    ----------
    files : PictureFiles
    transform, train_transform : what of a picture reaches the network, and what training adds
    batch_size : pictures in a batch
    device : where the tensors lie
    pool : its threads decode the next batch while one is in use
    """

    files: PictureFiles
    transform: Transform
    train_transform: TrainTransform
    batch_size: int
    device: str
    pool: ThreadPoolExecutor

    def random_views(
        self, rows: Rows, seed: list[int]
    ) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """(pictures done, images, labels) with the train transform; the same for the same seed."""

        def load(row: int) -> Pixels:
            # A generator for each picture: threads may finish in any order.
            generator = np.random.default_rng([*seed, row])
            return self.train_transform.pixels(self._decoded(row), self.transform, generator)

        return self._batches(rows, load)

    def views(self, rows: Rows) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """(pictures done, images, labels) with the evaluation transform."""
        return self._batches(rows, lambda row: self.transform.pixels(self._decoded(row)))

    def _decoded(self, row: int) -> Image.Image:
        return decode(self.files.folder / self.files.paths[row], transform=self.transform)

    def _batches(
        self, rows: Rows, load: Callable[[int], Pixels]
    ) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        import torch

        size = self.batch_size
        mean = torch.tensor(self.transform.mean, device=self.device).view(3, 1, 1)
        std = torch.tensor(self.transform.std, device=self.device).view(3, 1, 1)
        ahead = [self.pool.submit(load, int(row)) for row in rows[:size]]
        for start in range(0, len(rows), size):
            following = [self.pool.submit(load, int(row)) for row in rows[start + size :][:size]]
            pixels = np.stack([future.result() for future in ahead])
            ahead = following
            batch = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2)
            labels = torch.from_numpy(self.files.labels[rows[start : start + size]])
            done = min(start + size, len(rows))
            yield done, normalise(batch, mean, std), labels.to(self.device)


def readable_rows(
    files: PictureFiles,
    transform: Transform,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Rows, tuple[str, ...]]:
    """Rows of files that decode, and 'path: reason' of the others.

    Parameters
    ----------
    report : called with pictures done and pictures in all; what it raises ends this at once
    """

    def why_unreadable(path: str) -> str:
        try:
            transform.pixels(decode(files.folder / path, transform=transform))
        except PictureError as error:
            return str(error)
        return ""

    reasons: list[str] = []
    pool = ThreadPoolExecutor(n_cores(), "decode")
    try:
        for reason in pool.map(why_unreadable, files.paths):
            reasons.append(reason)
            report(len(reasons), len(files))
    finally:
        pool.shutdown(cancel_futures=True)
    rows = np.flatnonzero([not reason for reason in reasons])
    return rows, tuple(reason for reason in reasons if reason)


def hold_out(
    labels: NDArray[np.int64], usable: Rows, classes: Sequence[str], share: float, seed: int
) -> tuple[Rows, Rows]:
    """Rows to train on and rows held out, stratified by class.

    Parameters
    ----------
    labels : (N,) class indices
    usable : rows that may be used
    classes : C names
    share : of each class's usable rows that is held out; one row at least, and never all
    seed : the same for the same seed

    Raises
    ------
    WorkspaceError
        A class has too few rows; it is named.
    """
    generator = np.random.default_rng(seed)
    train_rows, held_out_rows = [], []
    for label, name in enumerate(classes):
        rows = usable[labels[usable] == label]
        if len(rows) < MIN_PER_CLASS:
            raise WorkspaceError(
                f"class '{name}' has {len(rows)} readable training pictures; training needs at "
                f"least {MIN_PER_CLASS}, one of them to be held out"
            )
        rows = generator.permutation(rows)
        n_held_out = min(max(1, round(share * len(rows))), len(rows) - 1)
        held_out_rows.append(rows[:n_held_out])
        train_rows.append(rows[n_held_out:])
    return np.concatenate(train_rows), np.concatenate(held_out_rows)
