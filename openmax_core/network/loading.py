"""From a weights file to an engine: the exported network on a CPU, torch on other devices."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from openmax_core.errors import ClassifierError
from openmax_core.network.devices import choose_device
from openmax_core.network.engines import Engine, OnnxEngine, TorchEngine
from openmax_core.network.onnx_export import ExportError, export, export_paths, keep
from openmax_core.pictures.images import Transform
from openmax_core.support.files import sha256_of_file

if TYPE_CHECKING:
    from openmax_core.network.classifier import Classifier

LOG = logging.getLogger(__name__)
_EXPORTING = threading.Lock()


def load_engine(
    architecture: str,
    weights: Path,
    weights_key: str,
    classes: tuple[str, ...],
    transform: Transform,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    precision: str = "float32",
) -> Engine:
    """Make a network ready to run; torch is imported on a GPU, or to export the network once.

    A network that cannot be exported runs through torch on a CPU too: slower, with a warning in
    the log.

    Parameters
    ----------
    weights_key : SHA-256 of the weights file
    device : 'auto', 'cpu', 'cuda' or 'mps'
    batch_size : pictures in one pass; by device without
    precision : 'float32' or 'half'

    Raises
    ------
    ClassifierError
        The device does not exist, or the weights do not fit.
    """
    named = architecture, weights, weights_key, classes, transform
    device = choose_device(device)
    if device != "cpu":
        return TorchEngine(_load(*named), device, batch_size, precision)
    paths = export_paths(weights, weights_key, architecture, len(classes), transform.crop)
    if (stored := _stored(paths, transform, batch_size)) is not None:
        return stored[0]
    # PyTorch exports one network at a time.
    with _EXPORTING:
        if (stored := _stored(paths, transform, batch_size)) is not None:
            return stored[0]
        classifier = _load(*named)
        try:
            content = export(classifier)
        except ExportError as error:
            LOG.warning("%s; it runs through torch, which is slower", error)
            return TorchEngine(classifier, "cpu", batch_size)
        keep(content, paths, weights)
    return OnnxEngine(content, transform, batch_size)


def load_exported_network(
    architecture: str,
    weights: Path,
    weights_key: str,
    classes: tuple[str, ...],
    transform: Transform,
) -> bytes:
    """Content of a network's ONNX file; it is exported first where there is none.

    Raises
    ------
    ClassifierError
        The weights do not fit, or the network cannot be exported (:class:`ExportError`).
    """
    paths = export_paths(weights, weights_key, architecture, len(classes), transform.crop)
    with _EXPORTING:
        if (stored := _stored(paths, transform)) is not None:
            return stored[1].read_bytes()
        content = export(_load(architecture, weights, weights_key, classes, transform))
        keep(content, paths, weights)
    return content


def _load(
    architecture: str,
    weights: Path,
    weights_key: str,
    classes: tuple[str, ...],
    transform: Transform,
) -> Classifier:
    """Load the network with torch, from weights of that key or not at all."""
    from openmax_core.network.classifier import load_classifier

    classifier = load_classifier(architecture, weights, classes, transform)
    if sha256_of_file(weights) != weights_key:
        raise ClassifierError(f"the weights in {weights} were replaced while they were read")
    return classifier


def _stored(
    paths: tuple[Path, ...], transform: Transform, batch_size: int | None = None
) -> tuple[OnnxEngine, Path] | None:
    """Engine of the first export that is there and whole, and its path."""
    for path in paths:
        if path.is_file():
            try:
                return OnnxEngine(path, transform, batch_size), path
            except ClassifierError as error:
                LOG.warning("%s; it is exported again", error)
    return None
