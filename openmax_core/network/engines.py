"""What runs a network over a batch of pixels: ONNX Runtime on a CPU, torch on anything else.

On a CPU ONNX Runtime is about twice as fast as torch, and is imported in a fraction of a second.
Every thread keeps to its own core: threads inside the network would wait for each other, and for
those that decode. What reaches the network is bit-identical to ``ToTensor`` and ``Normalize`` of
torchvision with either.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import ClassifierError, first_line
from openmax_core.network.devices import PRECISIONS, turns_on
from openmax_core.network.features import with_features
from openmax_core.pictures.images import Pixels, Transform
from openmax_core.support.chunks import n_cores

if TYPE_CHECKING:
    import torch
    from onnxruntime import InferenceSession

    from openmax_core.network.classifier import Classifier

Logits = NDArray[np.float32]
# On a CPU larger batches fall out of its cache: ResNet50 was slower with 16 than one by one.
CPU_BATCH_SIZE = 8
# Beyond that a network gains nothing, and a batch that fails loses more.
LARGEST_BATCH = 256
TRIAL_BATCH = 8
SHARE_OF_FREE_MEMORY = 0.8
# Pictures in one pass through ONNX Runtime on a GPU, whose memory it does not tell.
ONNX_GPU_BATCH_SIZE = 32
# Exact to the last bits of rounding, as torch is told to be.
CUDA_PROVIDER = ("CUDAExecutionProvider", {"use_tf32": "0"})


class Engine(Protocol):
    """Runs one network on one device.

    Attributes
    ----------
    transform : Transform
        What the network's pictures go through first.
    device : str
        'cpu', 'cuda' or 'mps'.
    n_parallel : int
        Threads that may call :meth:`start` at once.
    batch_size : int
        Pictures in one pass.
    in_words : str
        What runs the network, for people.
    n_features : int
        D; 0 for a network that gives logits alone.
    """

    transform: Transform
    device: str
    n_parallel: int
    batch_size: int
    in_words: str
    n_features: int

    def start(self, pixels: Pixels) -> Callable[[], Logits]:
        """Begin one pass over (N, H, W, 3) pixels; what comes back waits for (N, C) logits.

        With features these are (N, C + D): the features stand behind the logits.

        Raises
        ------
        ClassifierError
            The network refuses pictures of this size, or the device fails.
        """
        ...

    def close(self) -> None:
        """Give back what it holds of the device's memory; not to be used after."""
        ...


def open_session(
    source: Path | bytes, name: str | Path = "the export", device: str = "cpu"
) -> InferenceSession:
    """Open an ONNX file or its content in ONNX Runtime, on one core or on a GPU.

    Parameters
    ----------
    name : what messages call it
    device : 'cpu' or 'cuda'

    Raises
    ------
    ClassifierError
        It is missing, damaged, or has what ONNX Runtime does not know; named. Or its CUDA provider
        does not start.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised too
    wanted: list[Any] = [CUDA_PROVIDER] if device == "cuda" else []
    try:
        session = onnxruntime.InferenceSession(
            source, options, providers=[*wanted, "CPUExecutionProvider"]
        )
    # ONNX Runtime's errors have no class in common but this one.
    except Exception as error:
        raise ClassifierError(
            f"{name} is no network that ONNX Runtime can read: {first_line(error)}"
        ) from error
    if wanted and session.get_providers()[0] != wanted[0][0]:
        raise ClassifierError(
            "ONNX Runtime's CUDA provider does not start on this machine: its libraries (CUDA, "
            "cuDNN) are missing or of another version; use --device cpu"
        )
    return session


class OnnxEngine:
    """An exported network, or a file of the user's made like one, through ONNX Runtime.

    Parameters
    ----------
    source : an ONNX file or its content: (N, 3, H, W) 'pictures', float32 or uint8 as they are,
        to (N, C) float32 'logits', and (N, D) 'features' where it gives them
    transform : Transform
    batch_size : pictures in one pass; 8 without, on cuda 32
    device : 'cpu' or 'cuda'

    Raises
    ------
    ClassifierError
        The file is missing or damaged, named; or ONNX Runtime has no such device.
    """

    def __init__(
        self,
        source: Path | bytes,
        transform: Transform,
        batch_size: int | None = None,
        device: str = "cpu",
    ) -> None:
        import onnxruntime

        name = source if isinstance(source, Path) else "the export"
        self._session = open_session(source, name, device)
        self._takes_bytes = self._session.get_inputs()[0].type == "tensor(uint8)"
        widths = [item.shape[1] for item in self._session.get_outputs()[1:]]
        self.n_features: int = sum(widths)
        self._source = source
        self.device = device
        self.transform = transform
        self.n_parallel = n_cores() if device == "cpu" else 1
        usual = CPU_BATCH_SIZE if device == "cpu" else ONNX_GPU_BATCH_SIZE
        self.batch_size = _checked(usual if batch_size is None else batch_size)
        place = f"{self.n_parallel} core{'s' * (self.n_parallel > 1)}"
        self.in_words = (
            f"ONNX Runtime {onnxruntime.__version__} on {place if device == 'cpu' else device}"
        )

    @property
    def content(self) -> bytes:
        """Content of the ONNX file."""
        return self._source if isinstance(self._source, bytes) else self._source.read_bytes()

    def start(self, pixels: Pixels) -> Callable[[], Logits]:
        """Run at once: there is nothing to wait for."""
        try:
            if self._takes_bytes:
                logits = self.forward(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
            else:
                logits = self.forward(normalised(pixels, self.transform))
        except Exception as error:
            raise ClassifierError(_refusal("the exported network", pixels, error)) from error
        return lambda: logits

    def forward(self, batch: NDArray[np.float32] | Pixels) -> Logits:
        """Run pictures as the file takes them, (N, 3, H, W), through it alone: (N, C + D)."""
        logits, *features = self._session.run(None, {"pictures": batch})
        return np.concatenate([logits, *features], axis=1) if features else logits

    def under(self, transform: Transform) -> OnnxEngine:
        """Return the same network for pictures of another transform."""
        other = copy.copy(self)
        other.transform = transform
        return other

    def close(self) -> None:
        """Nothing to give back before the engine goes."""


class TorchEngine:
    """A network of torch on any of its devices.

    Parameters
    ----------
    classifier : Classifier
    device : 'cpu', 'cuda' or 'mps'
    batch_size : pictures in one pass; on cuda the largest that fits, found by a trial, without
    precision : 'float32', exact to the last bits of rounding, or 'half': on cuda matrices in
        bfloat16 where the chip has it, else float16; elsewhere it is float32 all the same
    has_features : gives the features behind the logits
    """

    def __init__(
        self,
        classifier: Classifier,
        device: str = "cpu",
        batch_size: int | None = None,
        precision: str = "float32",
        *,
        has_features: bool = False,
    ) -> None:
        import torch

        if precision not in PRECISIONS:
            raise ClassifierError(f"no precision '{precision}'; use one of {', '.join(PRECISIONS)}")
        self.device = device
        self.transform = classifier.transform
        self.n_parallel = n_cores() if device == "cpu" else 1
        self._half: torch.dtype | None = None
        if device == "cuda" and precision == "half":
            has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
            self._half = torch.bfloat16 if has_bfloat16 else torch.float16
        self._name = classifier.architecture
        self._network, self.n_features = classifier.network, 0
        if has_features:
            self._network, self.n_features = with_features(classifier)
        try:
            # Channels last, as pixels come from a picture: up to twice as fast on CPU and GPU.
            self._network.to(device).to(memory_format=torch.channels_last)
        except RuntimeError as error:
            raise ClassifierError(_failure(device, error)) from error
        self._mean, self._std = (
            torch.tensor(values, device=device).view(3, 1, 1)
            for values in (self.transform.mean, self.transform.std)
        )
        self.batch_size = _checked(CPU_BATCH_SIZE if batch_size is None else batch_size)
        if batch_size is None and device != "cpu":
            self.batch_size = self._largest_batch()
        kind = "float32" if self._half is None else str(self._half).removeprefix("torch.")
        place = f"{self.n_parallel} cores" if device == "cpu" else f"{device}, {kind}"
        self.in_words = f"PyTorch {torch.__version__} on {place}"

    def start(self, pixels: Pixels) -> Callable[[], Logits]:
        """Begin a pass; a batch that does not fit into the device's memory is halved for good."""
        import torch

        try:
            if self.device == "cpu":
                # Of this thread, and of those that are made from now on: there is one a core.
                torch.set_num_threads(1)
            return self._forward(pixels)
        except (RuntimeError, AssertionError, ValueError) as error:
            if not _is_out_of_memory(error):
                if _is_lost(error):
                    raise ClassifierError(_failure(self.device, error)) from error
                raise ClassifierError(_refusal(self._name, pixels, error)) from error
            if len(pixels) == 1:
                raise ClassifierError(
                    f"the {self.device} device has no memory for {self._name} and one picture; "
                    "close what else uses it, or use another device"
                ) from error
        if self.device == "cuda":
            torch.cuda.empty_cache()
        half = -(-len(pixels) // 2)
        self.batch_size = min(self.batch_size, half)
        parts = [self.start(pixels[:half])(), self.start(pixels[half:])()]
        return lambda: np.concatenate(parts)

    def _forward(self, pixels: Pixels) -> Callable[[], Logits]:
        import torch

        host = torch.from_numpy(pixels)
        if self.device == "cuda":
            host = host.pin_memory()
            self._be_exact()
        with torch.inference_mode(), self._autocast():
            batch = host.to(self.device, non_blocking=True).permute(0, 3, 1, 2)
            logits: torch.Tensor = self._network(normalise(batch, self._mean, self._std)).float()
        if self.device != "cuda":
            values: Logits = logits.cpu().numpy()
            return lambda: values
        # The copy goes its way behind the network, while the next batch is made ready.
        copy = torch.empty(logits.shape, dtype=torch.float32, pin_memory=True)
        copy.copy_(logits, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record()

        def wait() -> Logits:
            try:
                done.synchronize()
            except RuntimeError as error:
                raise ClassifierError(_failure(self.device, error)) from error
            return np.array(copy)

        return wait

    def close(self) -> None:
        """Give back the device's memory: PyTorch keeps what it had once."""
        import torch

        self._network = torch.nn.Identity()
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def _be_exact(self) -> None:
        """No TensorFloat-32 and no algorithm that differs from run to run, unless half is asked.

        Of the whole process: whoever has the device's turn sets it.
        """
        import torch

        exact = self._half is None
        torch.backends.cuda.matmul.allow_tf32 = not exact
        torch.backends.cudnn.allow_tf32 = not exact
        torch.backends.cudnn.deterministic = exact
        torch.backends.cudnn.benchmark = False

    def _autocast(self) -> Any:
        import torch

        return torch.autocast(self.device, dtype=self._half, enabled=self._half is not None)

    def _largest_batch(self) -> int:
        """Largest power of two that fits, by the memory that a small trial takes."""
        import torch

        height, width = self.transform.crop
        trial = np.zeros((TRIAL_BATCH, height, width, 3), dtype=np.uint8)
        self.batch_size = TRIAL_BATCH
        if self.device != "cuda":
            return 4 * TRIAL_BATCH
        with turns_on(self.device).taken():  # else the memory of others would count
            self.start(trial)()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self.start(trial)()
            each = max((torch.cuda.max_memory_allocated() - before) / TRIAL_BATCH, 1.0)
            torch.cuda.empty_cache()
            free, _ = torch.cuda.mem_get_info()
        fitting = max(int(SHARE_OF_FREE_MEMORY * free / each), 1)
        return min(LARGEST_BATCH, 1 << (fitting.bit_length() - 1))


def normalise(batch: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """(N, 3, H, W) uint8 to float32 on its device, bit-identical to :func:`normalised`."""
    import torch

    # A tensor on the device: by a plain number a GPU would multiply with its rounded inverse.
    largest = torch.full((), 255.0, device=batch.device)
    return batch.to(torch.float32).div_(largest).sub_(mean).div_(std)


def normalised(pixels: Pixels, transform: Transform) -> NDArray[np.float32]:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32 as torchvision's ``ToTensor`` and ``Normalize``.

    Bit-identical to them: the same operations on float32 in the same order.
    """
    batch = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32)
    batch /= np.float32(255)
    batch -= np.array(transform.mean, dtype=np.float32)[:, None, None]
    batch /= np.array(transform.std, dtype=np.float32)[:, None, None]
    return batch


def _checked(batch_size: int) -> int:
    if batch_size < 1:
        raise ClassifierError(f"the batch size must be at least 1, not {batch_size}")
    return batch_size


def _refusal(name: str, pixels: Pixels, error: Exception) -> str:
    height, width = pixels.shape[1:3]
    return (
        f"{name} failed on {len(pixels)} pictures of {height} × {width}: "
        f"{first_line(error)}. Check [transform] crop in "
        "workspace.toml, or use a smaller batch size"
    )


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    signs = ("out of memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in signs)


def _is_lost(error: Exception) -> bool:
    # A kernel that fails leaves the device unusable for the whole process.
    return any(word in str(error) for word in ("CUDA error", "cuDNN error", "CUBLAS", "HIP error"))


def _failure(device: str, error: Exception) -> str:
    return (
        f"the {device} device failed: {first_line(error)}. What was done "
        "before is stored: start the dashboard or the command anew to go on, or use 'openmax "
        "extract' with --device cpu"
    )
