"""A network as it is sent to another process: the content of one file, and what it is run with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from openmax_core.errors import ClassifierError, WorkspaceError
from openmax_core.network.engines import Engine, OnnxEngine, TorchEngine
from openmax_core.network.spec import NamedClassifier
from openmax_core.pictures.images import Transform

ONNX = ".onnx"
# Of a GPU that this machine cannot try out; half of it where memory runs out.
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
    architecture : str
        torchvision's name.
    classes : tuple of C str
    transform : Transform
    device : str
        'cpu' or 'cuda'.
    batch_size : int
        Pictures in one pass.
    precision : str
        'float32' or 'half'.
    """

    content: bytes
    suffix: str
    architecture: str
    classes: tuple[str, ...]
    transform: Transform
    device: str
    batch_size: int
    precision: str

    def engine(self) -> Engine:
        """Make it ready to run; a GPU and a network without export import torch.

        Raises
        ------
        ClassifierError
            The weights do not fit, or the device fails.
        """
        if self.suffix == ONNX:
            return OnnxEngine(self.content, self.transform, self.batch_size)
        from openmax_core.network.classifier import load_classifier

        with tempfile.TemporaryDirectory(prefix="openmax-") as folder:
            path = Path(folder) / f"weights{self.suffix}"
            path.write_bytes(self.content)
            classifier = load_classifier(self.architecture, path, self.classes, self.transform)
        return TorchEngine(classifier, self.device, self.batch_size, self.precision)


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
    source: Path | bytes = path
    if device == "cpu":
        engine = classifier.load_engine("cpu", batch_size)
        batch_size = engine.batch_size
        if isinstance(engine, OnnxEngine):
            source, suffix = engine.source, ONNX
        engine.close()
    elif not path.is_file():
        raise WorkspaceError(f"the weights file {path} does not exist")
    elif batch_size is not None and batch_size < 1:
        raise ClassifierError(f"the batch size must be at least 1, not {batch_size}")
    return ShippedNetwork(
        source if isinstance(source, bytes) else source.read_bytes(),
        suffix,
        classifier.settings.architecture,
        classifier.settings.classes,
        classifier.transform,
        device,
        batch_size or GPU_BATCH_SIZE,
        classifier.settings.precision,
    )
