"""Running a classifier over pictures: threads that each decode a batch and run the network on it.

1. A thread decodes and transforms the pictures of one batch to uint8.
2. The batch goes to the device as uint8 and is normalised there in float32, as ``ToTensor`` and
   ``Normalize`` of torchvision do it.
3. The network runs under ``torch.inference_mode``; logits come back as float32.

On a CPU every thread keeps to its own core: threads inside the network would wait for each other,
and for those that decode.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from openmax_core.classifier import Classifier
from openmax_core.errors import ClassifierError, PictureError
from openmax_core.images import MAX_PIXELS, MAX_UPLOAD_PIXELS, Pixels, Transform, decode

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
# On a CPU larger batches fall out of its cache: ResNet50 was slower with 16 than one by one.
BATCH_SIZES = {"cpu": 8, "cuda": 64, "mps": 32}
MOST_THREADS = 16
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
    index into ``sources``, in order, and (C,) float32 logits or the reason why there are none

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
    # Channels last, as pixels come from a picture: up to twice as fast on CPU and GPU.
    classifier.network.to(device).to(memory_format=torch.channels_last)
    batches = [sources[start : start + size] for start in range(0, len(sources), size)]
    yield from enumerate(_results(classifier, batches, device))


def _results(
    classifier: Classifier, batches: Sequence[Sequence[Source]], device: str
) -> Iterator[Result]:
    """Results of all batches in order; two batches a thread at most are under way."""
    threads = min(os.cpu_count() or 1, MOST_THREADS)
    waiting: deque[Future[list[Result]]] = deque()
    with ThreadPoolExecutor(threads, "inference", lambda: _keep_to_one_core(device)) as pool:
        for batch in batches:
            if len(waiting) == 2 * threads:
                yield from waiting.popleft().result()
            waiting.append(pool.submit(_run_batch, classifier, batch, device))
        while waiting:
            yield from waiting.popleft().result()


def _keep_to_one_core(device: str) -> None:
    import torch

    if device == "cpu":
        torch.set_num_threads(1)


def _run_batch(classifier: Classifier, sources: Sequence[Source], device: str) -> list[Result]:
    import torch

    loaded = [_load(source, classifier.transform) for source in sources]
    pixels = [item for item in loaded if not isinstance(item, str)]
    if not pixels:
        return [item for item in loaded if isinstance(item, str)]
    transform = classifier.transform
    with torch.inference_mode():
        mean = torch.tensor(transform.mean, device=device).view(3, 1, 1)
        std = torch.tensor(transform.std, device=device).view(3, 1, 1)
        batch = torch.from_numpy(np.stack(pixels)).to(device).permute(0, 3, 1, 2)
        logits = iter(_forward(classifier, normalise(batch, mean, std)))
    results: list[Result] = []
    for item in loaded:
        if isinstance(item, str):
            results.append(item)
        else:
            row = next(logits)
            results.append(row if np.isfinite(row).all() else NOT_FINITE)
    return results


def normalise(batch: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """(N, 3, H, W) uint8 to float32 as torchvision's ``ToTensor`` and ``Normalize`` do."""
    import torch

    scaled = batch.to(torch.float32).div_(255)
    return scaled.sub_(mean).div_(std)


def _forward(classifier: Classifier, batch: torch.Tensor) -> NDArray[np.float32]:
    try:
        logits: NDArray[np.float32] = classifier.network(batch).float().cpu().numpy()
    except (RuntimeError, AssertionError, ValueError) as error:
        height, width = batch.shape[2:]
        raise ClassifierError(
            f"{classifier.architecture} failed on {len(batch)} pictures of {height} × {width}: "
            f"{str(error).splitlines()[0]}. Check [transform] crop in workspace.toml, or use a "
            "smaller batch size"
        ) from error
    return logits


def _load(source: Source, transform: Transform) -> Pixels | str:
    """Pixels of a picture, or why there are none, without its name: that stands beside it."""
    try:
        most = MAX_UPLOAD_PIXELS if isinstance(source, bytes) else MAX_PIXELS
        return transform.pixels(decode(source, max_pixels=most))
    except PictureError as error:
        name = str(source) if isinstance(source, Path) else "picture"
        return str(error).removeprefix(f"{name}: ")
