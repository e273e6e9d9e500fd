"""Which device a network runs on, and whose turn it is there.

Many visitors and jobs may want the same device at once. They take turns, first come first served,
so that nobody's pictures wait for ever and memory is needed for one network call alone.
"""

from __future__ import annotations

import platform
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from openmax_core.errors import ClassifierError

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "half")
# What the drivers of NVIDIA's and AMD's cards, and Windows for its Linux, put there.
ACCELERATOR_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")

WaitCallback = Callable[[int], None]


def choose_device(device: str = "auto") -> str:
    """Return 'cuda', 'mps' or 'cpu' for a wish; imports torch where there may be an accelerator.

    Raises
    ------
    ClassifierError
        The device does not exist on this machine.
    """
    if device not in DEVICES:
        raise ClassifierError(f"no device '{device}'; use one of {', '.join(DEVICES)}")
    if device == "cpu" or (device == "auto" and not _may_have_accelerator()):
        return "cpu"
    import torch

    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, there in available.items() if there)
    if not available[device]:
        raise ClassifierError(f"this machine has no {device} device; use --device auto or cpu")
    return device


def choose_onnx_device(device: str = "auto") -> str:
    """Return 'cuda' or 'cpu' for a wish, by what ONNX Runtime was built with; without torch.

    Raises
    ------
    ClassifierError
        ONNX Runtime has no such device on this machine.
    """
    if device not in DEVICES:
        raise ClassifierError(f"no device '{device}'; use one of {', '.join(DEVICES)}")
    if device == "cpu" or (device == "auto" and not _may_have_accelerator()):
        return "cpu"
    import onnxruntime

    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "auto":
        return "cuda" if has_cuda else "cpu"
    if device == "mps":
        raise ClassifierError("an ONNX file runs on cpu and cuda alone; use --device auto or cpu")
    if not has_cuda:
        raise ClassifierError(
            "this ONNX Runtime has no CUDA: install onnxruntime-gpu instead of onnxruntime, or use "
            "--device auto or cpu"
        )
    return "cuda"


class Turns:
    """Turns on one device, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @property
    def n_waiting(self) -> int:
        """How many wait for the one whose turn it is."""
        return max(len(self._queue) - 1, 0)

    @contextmanager
    def taken(self, on_wait: WaitCallback | None = None) -> Iterator[None]:
        """Wait for a turn and have it until the end of the block.

        Parameters
        ----------
        on_wait : called with how many are before, at once and whenever that changes; not called
            where there is nobody
        """
        ticket = object()
        with self._changed:
            before = len(self._queue)
            self._queue.append(ticket)
        try:
            while before:
                if on_wait:
                    on_wait(before)
                with self._changed:
                    while self._queue.index(ticket) == before:
                        self._changed.wait()
                    before = self._queue.index(ticket)
            yield
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()


_TURNS: dict[str, Turns] = {}


def turns_on(device: str) -> Turns:
    """Turns on a device of this process."""
    return _TURNS.setdefault(device, Turns())


def _may_have_accelerator() -> bool:
    """Tell whether it is worth the seconds to import torch and ask."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    return any(Path(name).exists() for name in ACCELERATOR_FILES) or bool(
        shutil.which("nvidia-smi")
    )
