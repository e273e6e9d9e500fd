"""What a network's file decides about a new workspace: order of classes, transform_input, crop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openmax_core.errors import WorkspaceError
from openmax_core.network.class_names import OWN_METADATA, class_order_problem, same_names
from openmax_core.network.engines import TorchEngine
from openmax_core.network.inference import run
from openmax_core.pictures.folders import PictureFiles, normal
from openmax_core.pictures.images import Transform
from openmax_core.support.files import write_bytes_atomically

if TYPE_CHECKING:
    from openmax_core.network.checkpoint import Checkpoint
    from openmax_core.network.classifier import Classifier
    from openmax_core.network.onnx_files import OnnxFile

# Pictures on which GoogLeNet and Inception are tried both ways.
N_TRIED = 48


def class_order(
    given: Sequence[str] | None,
    folders: Sequence[str],
    checkpoint: Checkpoint | OnnxFile | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class names in the order of the network's outputs, and what to say about them.

    Parameters
    ----------
    given : what somebody named; they know the order
    folders : names of the class folders, sorted
    checkpoint : the weights or ONNX file; its names are used where it knows all of the folders

    Raises
    ------
    WorkspaceError
        A folder has a name that the file does not note; both lists are shown.
    """
    noted = None if checkpoint is None else checkpoint.classes
    if given:
        problem = class_order_problem(given, noted, checkpoint.path) if checkpoint else None
        return tuple(given), () if problem is None else (f"classes as given, though {problem}",)
    if noted is None or checkpoint is None:
        return tuple(folders), ()
    by_name = dict(zip(same_names(folders), folders, strict=True))
    if not by_name.keys() <= set(same_names(noted)):
        problem = class_order_problem(folders, noted, checkpoint.path) or ""
        raise WorkspaceError(
            f"{problem.replace('; the workspace has', '; the folders are')}. Rename the folders, "
            "or give the class names in the order of the network's outputs: --classes a,b,c"
        )
    ordered = tuple(by_name.get(normal(name), name) for name in noted)
    if len(ordered) > len(folders):
        return ordered, (
            f"the classes and their order are those that {checkpoint.path.name} notes",
        )
    how = "which is that of the folders" if list(ordered) == list(folders) else "not the alphabet's"
    return ordered, (
        f"the order of the classes is the one that {checkpoint.path.name} notes, {how}",
    )


def keep_pretrained(architecture: str, folder: Path) -> tuple[str, Path, Transform]:
    """Load weights through timm, and keep them in a folder; downloads what is not there.

    Parameters
    ----------
    architecture : 'timm:NAME', 'timm:hf-hub:OWNER/NAME' or 'timm:local-dir:PATH'
    folder : of the workspace; made if missing

    Returns
    -------
    The architecture as a workspace names it, the path of the weights file, and its own transform.

    Raises
    ------
    ClassifierError, OpenMaxError
        They cannot be had, or not be written.
    """
    from safetensors.torch import save

    from openmax_core.network.spec import ClassifierSettings
    from openmax_core.network.timm_networks import pretrained

    found = pretrained(architecture)
    noted: dict[str, object] = {"architecture": found.architecture}
    if found.classes is not None:
        noted["classes"] = found.classes
    path = folder / f"{ClassifierSettings(found.architecture, ()).file_name}.safetensors"
    tensors = {name: value.contiguous() for name, value in found.tensors.items()}
    write_bytes_atomically(path, save(tensors, {OWN_METADATA: json.dumps(noted)}))
    return found.architecture, path, found.transform


def first_transform(
    name: str | None, architecture: str | None, model: str | Path | None = None
) -> Transform:
    """Transform that a new workspace begins with.

    Parameters
    ----------
    name : as for :func:`~openmax_core.network.classifier.transform_by_name`; the usual one of the
        architecture's library without
    architecture : of the network; None with ``model``
    model : an ONNX file; crop is as its graph asks for, and resize in proportion

    Raises
    ------
    ClassifierError
        There is no such transform, or the ONNX file cannot be used.
    """
    from openmax_core.network.classifier import transform_by_name, usual_transform
    from openmax_core.network.onnx_files import fitted, read_onnx

    transform = transform_by_name(name or usual_transform(architecture), architecture)
    if model is None:
        return transform
    return fitted(transform, read_onnx(Path(model).expanduser().resolve()).size)


def choose_transform_input(
    classifier: Classifier, checkpoint: Checkpoint, train: PictureFiles | None
) -> tuple[bool, str]:
    """Whether GoogLeNet or Inception normalises its pictures once more, and why.

    Taken from the file where it says it or is torchvision's own; else the way that is right on
    clearly more of a few training pictures; else true, as fine-tuning torchvision's weights gives.

    Parameters
    ----------
    train : training pictures; without, none are tried
    """
    from openmax_core.network.classifier import is_torchvisions

    change = "transform_input under [classifier] in workspace.toml changes it"
    if checkpoint.transform_input is not None:
        value = checkpoint.transform_input
        return value, f"transform_input is {_toml(value)}, as the weights file says"
    if is_torchvisions(classifier.architecture, checkpoint.path):
        return True, "transform_input is true: these are torchvision's own weights"
    if train is not None and len(train):
        n, n_with, n_without, is_clear = _tried(classifier, train)
        value = n_with > n_without if is_clear else True
        why = f"of {n} training pictures {n_with} are right with it, {n_without} without"
        doubt = (
            "" if is_clear else ", which decides nothing; torchvision's pretrained weights need it"
        )
        return value, f"transform_input is {_toml(value)}: {why}{doubt}. {change}"
    return True, (
        "transform_input is true, as torchvision's pretrained weights need it; no training "
        f"picture could be tried. {change}"
    )


def _tried(classifier: Classifier, train: PictureFiles) -> tuple[int, int, int, bool]:
    """Pictures tried, those right with and without, and whether the difference is clear."""
    rows = np.unique(np.linspace(0, len(train) - 1, N_TRIED).round().astype(int))
    sources = [train.folder / train.paths[row] for row in rows]
    engine = TorchEngine(classifier)
    right = {}
    for value in (True, False):
        classifier.network.transform_input = value  # type: ignore[assignment]
        results = [result for _, result in run(engine, sources)]
        right[value] = np.array(
            [
                not isinstance(result, str) and int(np.argmax(result)) == train.labels[row]
                for row, result in zip(rows, results, strict=True)
            ]
        )
    only_with = int((right[True] & ~right[False]).sum())
    only_without = int((right[False] & ~right[True]).sum())
    # Two standard deviations of a fair coin, thrown for each picture that tells them apart.
    is_clear = (only_with - only_without) ** 2 > 4 * (only_with + only_without)
    return len(rows), int(right[True].sum()), int(right[False].sum()), is_clear


def _toml(value: bool) -> str:
    return "true" if value else "false"
