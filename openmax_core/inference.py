"""Running a classifier over pictures: decoding ahead in threads, batches through the network.

1. Threads decode and transform pictures to uint8, a few batches ahead.
2. A batch goes to the device as uint8 and is normalised there in float32, as
   ``ToTensor`` and ``Normalize`` of torchvision do it.
3. The network runs under ``torch.inference_mode``; logits come back as float32.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from openmax_core.classifier import Classifier
from openmax_core.errors import ClassifierError, PictureError
from openmax_core.images import Pixels, Transform, decode

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
BATCH_SIZES = {"cpu": 16, "cuda": 64, "mps": 32}
BATCHES_AHEAD = 3
NOT_FINITE = "the network's output is not finite (NaN or Inf)"

Source = Path | bytes
Result = NDArray[np.float32] | str


@dataclass(frozen=True)
class Progress:
    """How far a run over pictures is.

    Attributes
    ----------
    done, total : int
        Pictures, the unreadable ones counted as done.
    unreadable : int
    seconds : float
        Since the first picture was asked for.
    """

    done: int
    total: int
    unreadable: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Pictures per second so far."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time left at this rate; None before the first picture."""
        return (self.total - self.done) / self.per_second if self.done else None

    @property
    def in_words(self) -> str:
        """One line for a progress bar."""
        if not self.done:
            return f"0 of {self.total:,} pictures · loading the network"
        left = self.seconds_left or 0.0
        clock = f"{int(left) // 60}:{int(left) % 60:02d}"
        unreadable = f" · {self.unreadable:,} unreadable" if self.unreadable else ""
        return (
            f"{self.done:,} of {self.total:,} pictures · {self.per_second:,.0f} pictures/s · "
            f"{clock} left{unreadable}"
        )


def choose_device(device: str = "auto") -> str:
    """Return 'cuda', 'mps' or 'cpu' for a wish.

    Raises
    ------
    ClassifierError
        The device does not exist on this machine.
    """
    import torch

    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, there in available.items() if there)
    if device not in available:
        raise ClassifierError(f"no device '{device}'; use one of {', '.join(DEVICES)}")
    if not available[device]:
        raise ClassifierError(f"this machine has no {device} device; use --device auto or cpu")
    return device


def run(
    classifier: Classifier,
    sources: Sequence[Source],
    device: str = "auto",
    batch_size: int | None = None,
) -> Iterator[tuple[int, Result]]:
    """Run the network over pictures.

    Parameters
    ----------
    sources : N paths, or bytes of picture files
    device : 'auto', 'cpu', 'cuda' or 'mps'
    batch_size : pictures in one pass; by device without

    Yields
    ------
    index into ``sources``, and (C,) float32 logits or the reason why there are none. Every index
    comes once; the order is that of the sources batch by batch, unreadable ones first.

    Raises
    ------
    ClassifierError
        The device is missing, or the network refuses pictures of the transform's size.
    """
    import torch

    device = choose_device(device)
    size = batch_size or BATCH_SIZES[device]
    if size < 1:
        raise ClassifierError(f"the batch size must be at least 1, not {size}")
    network = classifier.network.to(device)
    transform = classifier.transform
    mean = torch.tensor(transform.mean, device=device).view(3, 1, 1)
    std = torch.tensor(transform.std, device=device).view(3, 1, 1)
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode") as pool:
        for indices, futures in _batches_ahead(pool, sources, transform, size):
            readable, pixels = [], []
            for index, future in zip(indices, futures, strict=True):
                try:
                    pixels.append(future.result())
                    readable.append(index)
                except PictureError as error:
                    yield index, _reason(error, sources[index])
            if not pixels:
                continue
            with torch.inference_mode():
                batch = torch.from_numpy(np.stack(pixels)).to(device).permute(0, 3, 1, 2)
                logits = _forward(classifier, network, normalise(batch, mean, std))
            for index, row in zip(readable, logits, strict=True):
                yield index, row if np.isfinite(row).all() else NOT_FINITE


def normalise(batch: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """(N, 3, H, W) uint8 to float32 as torchvision's ``ToTensor`` and ``Normalize`` do."""
    import torch

    # contiguous first: a channels-last input sends convolutions down another path
    scaled = batch.contiguous().to(torch.float32).div_(255)
    return scaled.sub_(mean).div_(std)


def _forward(
    classifier: Classifier, network: torch.nn.Module, batch: torch.Tensor
) -> NDArray[np.float32]:
    try:
        logits: NDArray[np.float32] = network(batch).float().cpu().numpy()
    except (RuntimeError, AssertionError, ValueError) as error:
        height, width = batch.shape[2:]
        raise ClassifierError(
            f"{classifier.architecture} failed on {len(batch)} pictures of {height} × {width}: "
            f"{str(error).splitlines()[0]}. Check [transform] crop in workspace.toml, or use a "
            "smaller batch size"
        ) from error
    return logits


def _batches_ahead(
    pool: ThreadPoolExecutor, sources: Sequence[Source], transform: Transform, size: int
) -> Iterator[tuple[range, list[Future[Pixels]]]]:
    waiting: list[tuple[range, list[Future[Pixels]]]] = []
    for start in range(0, len(sources), size):
        indices = range(start, min(start + size, len(sources)))
        waiting.append((indices, [pool.submit(_load, sources[i], transform) for i in indices]))
        if len(waiting) > BATCHES_AHEAD:
            yield waiting.pop(0)
    yield from waiting


def _load(source: Source, transform: Transform) -> Pixels:
    return transform.pixels(decode(source))


def _reason(error: PictureError, source: Source) -> str:
    """Say why, without the name: the result stands beside the path."""
    name = str(source) if isinstance(source, Path) else "picture"
    return str(error).removeprefix(f"{name}: ")
