"""The network as an ONNX file beside its weights, so that a CPU runs it without torch.

Exported once, under a name that covers the weights, the architecture, the class count and the
size of the pictures; checked against torch's logits before it is kept.
"""

from __future__ import annotations

import glob
import logging
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from openmax_core.errors import ClassifierError, OpenMaxError
from openmax_core.files import fingerprint, write_bytes_atomically

if TYPE_CHECKING:
    from openmax_core.classifier import Classifier

# Counts up when files of before must not be used any more.
VERSION = 1
TOLERANCE = 1e-4
N_CHECKED = 3


class ExportError(ClassifierError):
    """A network that cannot be exported, or whose export does not agree with torch."""


def export_paths(
    weights: Path, weights_key: str, architecture: str, n_classes: int, crop: tuple[int, int]
) -> tuple[Path, Path]:
    """Where a network's export lies or would lie: beside the weights, or else in the user's cache.

    Parameters
    ----------
    weights_key : fingerprint of the weights' content
    crop : height and width of the pictures
    """
    rest = fingerprint(VERSION, architecture, n_classes, list(crop))
    name = f"{weights.stem}-{weights_key[:12]}-{rest[:6]}.onnx"
    return weights.with_name(name), platformdirs.user_cache_path("openmax") / "networks" / name


def export(classifier: Classifier, paths: tuple[Path, ...], stem: str) -> Path:
    """Export a network to the first of the paths that can be written, and check it.

    Exports of earlier weights of the same name in that folder are removed.

    Raises
    ------
    ExportError
        The network cannot be exported, or gives other logits than torch.
    OpenMaxError
        No path can be written.
    """
    content = _onnx_bytes(classifier)
    _check(classifier, content)
    for path in paths:
        try:
            write_bytes_atomically(path, content)
        except OpenMaxError:
            if path == paths[-1]:
                raise
            continue
        break
    weights_key = path.stem.removeprefix(f"{stem}-").split("-", maxsplit=1)[0]
    for other in path.parent.glob(f"{glob.escape(stem)}-{'?' * 12}-{'?' * 6}.onnx"):
        if f"-{weights_key}-" not in other.name:
            other.unlink(missing_ok=True)
    return path


def _onnx_bytes(classifier: Classifier) -> bytes:
    import torch

    height, width = classifier.transform.crop
    example = torch.zeros(2, 3, height, width)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                classifier.network.cpu().eval(),
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                input_names=["pictures"],
                output_names=["logits"],
                verbose=False,
            )
            if program is None:
                raise ExportError(f"{classifier.architecture} cannot be exported to ONNX")
            path = Path(folder) / "network.onnx"
            program.save(path, external_data=False)
            return _without_traces(path)
    # The exporter's errors are of many kinds; what it cannot do, torch does.
    except Exception as error:
        raise ExportError(
            f"{classifier.architecture} cannot be exported to ONNX: "
            f"{(str(error) or repr(error)).splitlines()[0]}"
        ) from error


def _without_traces(path: Path) -> bytes:
    """Take out where in whose source code each node comes from: a quarter of a small file."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return bytes(model.SerializeToString())


def _check(classifier: Classifier, content: bytes) -> None:
    """Compare logits of pictures of noise with torch's, relative to the largest of them."""
    import onnxruntime
    import torch

    height, width = classifier.transform.crop
    generator = np.random.default_rng(0)
    batch = generator.normal(size=(N_CHECKED, 3, height, width)).astype(np.float32)
    with torch.inference_mode():
        expected = classifier.network(torch.from_numpy(batch)).numpy()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    parts = [session.run(None, {"pictures": part})[0] for part in (batch[:1], batch[1:])]
    logits = np.concatenate(parts)
    largest = np.abs(expected).max()
    with np.errstate(invalid="ignore"):
        error = np.abs(logits - expected).max(initial=0.0)
    if logits.shape != expected.shape or not error <= TOLERANCE * largest:
        raise ExportError(
            f"the export of {classifier.architecture} to ONNX differs from torch by {error:.2g} "
            f"where logits reach {largest:.2g}"
        )
