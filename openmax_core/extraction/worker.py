"""What runs on a node of a cluster: a network and then paths come in, logits go back.

A worker holds one network and decodes by itself, so that only paths and logits travel. On a CPU
it keeps to one core, as every thread of a single machine does; on a GPU it decodes on the node's
cores. Batches are cut as on a single machine, so that a CPU gives the same bits.
"""

from __future__ import annotations

import importlib.metadata
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import ClassifierError, WorkspaceError
from openmax_core.network.engines import Engine, OnnxEngine, TorchEngine
from openmax_core.network.features import with_features
from openmax_core.network.inference import Result, run, run_batch
from openmax_core.network.spec import ClassifierSettings, NamedClassifier
from openmax_core.pictures.images import Transform
from openmax_core.pictures.locations import Location, RemotePath, why_irregular
from openmax_core.support.files import fingerprint

# What decides over bits: decoding and resizing, arithmetic, the network.
LIBRARIES = ("numpy", "pillow", "pi-heif", "onnxruntime", "torch", "torchvision")
PACKAGE = "the OpenMax package"
ONNX = ".onnx"
# Pictures in one pass on a GPU that this machine cannot try out; halved where memory runs out.
GPU_BATCH_SIZE = 64


@dataclass(frozen=True)
class ShippedNetwork:
    """What a process without the workspace needs to run its network.

    Attributes
    ----------
    content : bytes
        Of an ONNX file, or of a weights file.
    suffix : str
        Of that file: '.onnx', '.safetensors', '.pth' or '.pt'.
    settings : ClassifierSettings
    transform : Transform
    device : str
        'cpu' or 'cuda'.
    batch_size : int
        Pictures in one pass.
    n_features : int
        D of the features that it gives behind the logits; 0 where the settings ask for none.
    """

    content: bytes
    suffix: str
    settings: ClassifierSettings
    transform: Transform
    device: str
    batch_size: int
    n_features: int = 0

    def engine(self) -> Engine:
        """Make it ready to run; a GPU and a network without export import torch.

        Raises
        ------
        ClassifierError
            The weights do not fit, or the device fails.
        """
        if self.suffix == ONNX:
            return OnnxEngine(self.content, self.transform, self.batch_size, self.device)
        with tempfile.TemporaryDirectory(prefix="openmax-") as folder:
            path = Path(folder) / f"weights{self.suffix}"
            path.write_bytes(self.content)
            settings = replace(self.settings, weights=path.name)
            classifier = NamedClassifier(Path(folder), settings, self.transform).load()
        return TorchEngine(
            classifier,
            self.device,
            self.batch_size,
            settings.precision,
            has_features=settings.features,
        )


def ship(classifier: NamedClassifier, device: str, batch_size: int | None = None) -> ShippedNetwork:
    """Get a network ready to be sent: exported for a CPU, its weights for a GPU.

    Parameters
    ----------
    device : 'cpu' or 'cuda', of those who run it
    batch_size : pictures in one pass; by device without

    Raises
    ------
    WorkspaceError, ClassifierError
        There are no weights, or they do not fit.
    """
    path, suffix = classifier.weights_path, classifier.weights_path.suffix.lower()
    content, n_features, has_features = None, 0, classifier.settings.features
    if device == "cpu":
        engine = classifier.load_engine("cpu", batch_size, has_features=has_features)
        batch_size, n_features = engine.batch_size, engine.n_features
        if isinstance(engine, OnnxEngine):
            content, suffix = engine.content, ONNX
        engine.close()
    elif not path.is_file():
        raise WorkspaceError(f"the weights file {path} does not exist")
    elif batch_size is not None and batch_size < 1:
        raise ClassifierError(f"the batch size must be at least 1, not {batch_size}")
    elif classifier.settings.model is not None:
        network = classifier.load_onnx(has_features=has_features)
        content, n_features = network.content, network.n_features
    elif has_features:
        _, n_features = with_features(classifier.load())
    return ShippedNetwork(
        path.read_bytes() if content is None else content,
        suffix,
        classifier.settings,
        classifier.transform,
        device,
        batch_size or GPU_BATCH_SIZE,
        n_features,
    )


@dataclass(frozen=True)
class Reply:
    """What became of N pictures.

    Attributes
    ----------
    logits : (M, C) float32, (M, C + D) with features
        Of the pictures that could be read, in order.
    errors : list of N str
        Why a picture gave no logits; empty where it did.
    unseen : tuple of int
        Which of them this node cannot open at all: their errors say nothing about the picture.
    """

    logits: NDArray[np.float32]
    errors: list[str]
    unseen: tuple[int, ...]

    def results(self) -> list[Result]:
        """N of (C,) logits or the reason why there are none."""
        rows = iter(self.logits)
        return [error or next(rows) for error in self.errors]


class Worker:
    """One network on one node."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def load(self, network: ShippedNetwork) -> tuple[str, dict[str, str]]:
        """Make the network ready; returns the node's name and :func:`versions` there.

        Raises
        ------
        ClassifierError
            The weights do not fit, or the device fails.
        """
        self._engine = network.engine()
        import ray

        node = ray.get_runtime_context().get_node_id()
        return f"{socket.gethostname()} (node {node[:8]})", versions()

    def run(self, piece: Sequence[str | RemotePath]) -> Reply:
        """Run the network over a whole number of batches, but for the last.

        Parameters
        ----------
        piece : picture files: paths as text, which travels faster, and addresses

        Raises
        ------
        ClassifierError
            The network refuses pictures of the transform's size, or the device fails.
        WorkspaceError
            An address does not answer.
        """
        if (engine := self._engine) is None:
            raise RuntimeError("no network was loaded")
        sources = [Path(item) if isinstance(item, str) else item for item in piece]
        if engine.device == "cpu":
            size = engine.batch_size
            starts = range(0, len(sources), size)
            results = [row for at in starts for row in run_batch(engine, sources[at : at + size])]
        else:
            results = [result for _, result in run(engine, sources)]
        vectors = [result for result in results if not isinstance(result, str)]
        errors = [result if isinstance(result, str) else "" for result in results]
        unseen = (i for i, error in enumerate(errors) if error and not _can_open(sources[i]))
        empty = np.empty((0, 0), dtype=np.float32)
        return Reply(np.stack(vectors) if vectors else empty, errors, tuple(unseen))


def versions() -> dict[str, str]:
    """Versions of what decides over the bits of the logits, by name; the package's is its code."""
    found = {PACKAGE: code_fingerprint(Path(__file__).parents[1])}
    return found | {name: importlib.metadata.version(name) for name in LIBRARIES}


def code_fingerprint(folder: Path) -> str:
    """Fingerprint of all Python files under a package's folder, its sub-packages' too."""
    paths = sorted(folder.rglob("*.py"))
    return fingerprint(
        [(path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8")) for path in paths]
    )


def _can_open(path: Location) -> bool:
    try:
        if isinstance(path, RemotePath):
            path.read_bytes()
        elif not why_irregular(path):
            path.open("rb").close()
    except OSError:
        return False
    return True
