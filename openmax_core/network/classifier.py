"""Classification networks of torchvision by name, with the workspace's classes and weights.

Weights come from ``.safetensors``, or from ``.pth``/``.pt`` through
``torch.load(weights_only=True)``: nothing is ever unpickled into objects.
"""

from __future__ import annotations

import difflib
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmax_core.errors import ClassifierError, first_line
from openmax_core.pictures.images import Transform

if TYPE_CHECKING:
    import torch
    from torch import nn

WRAPPINGS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
# Branches that are used in training alone (GoogLeNet, Inception): files come with and without.
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


@dataclass(frozen=True)
class Classifier:
    """A network with its classes and its transform.

    Attributes
    ----------
    architecture : str
        torchvision's name, 'resnet50'.
    classes : tuple of C str
        In the order of the logits.
    transform : Transform
    network : torch.nn.Module
        In evaluation mode, on the CPU until ``inference`` moves it.
    """

    architecture: str
    classes: tuple[str, ...]
    transform: Transform
    network: nn.Module


def architectures() -> list[str]:
    """Names of torchvision's classification architectures, sorted."""
    import torchvision

    return [str(name) for name in torchvision.models.list_models(module=torchvision.models)]


def load_classifier(
    architecture: str,
    weights: str | Path,
    classes: tuple[str, ...],
    transform: Transform | None = None,
) -> Classifier:
    """Build ``architecture`` with one output per class and load its trained weights.

    Parameters
    ----------
    architecture : torchvision's name
    weights : path of a .safetensors, .pth or .pt file
    classes : C names, in the order of the network's outputs
    transform : the notebook's evaluation transform without

    Raises
    ------
    ClassifierError
        Unknown architecture, unreadable file, or weights of another architecture or class count;
        the message names them.
    """
    network = build_network(architecture, len(classes))
    state = read_weights(Path(weights))
    load_state(network, state, architecture, len(classes), Path(weights))
    return Classifier(architecture, tuple(classes), transform or Transform(), network.eval())


def require_architecture(name: str) -> None:
    """Raise an error with the likely names where torchvision has no such architecture.

    Raises
    ------
    ClassifierError
        It has none.
    """
    known = architectures()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ClassifierError(f"torchvision has no classification architecture '{name}'{hint}")


def build_network(architecture: str, n_classes: int) -> nn.Module:
    """Build a network of torchvision with random weights and ``n_classes`` outputs."""
    import torchvision

    require_architecture(architecture)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet and Inception on their start
        model: nn.Module = torchvision.models.get_model(
            architecture, weights=None, num_classes=n_classes
        )
    return model


def head_name(network: nn.Module) -> str:
    """Name of the last layer with weights: ``fc``, ``classifier.6``, ``head``, ``heads.head``, …"""
    from torch import nn

    layers = [
        name
        for name, module in network.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d)) and not name.startswith(AUXILIARY)
    ]
    return layers[-1]


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a weights file by name, wrappings and prefixes taken off.

    Raises
    ------
    ClassifierError
        The file is missing, damaged, pickles Python objects, or holds no state dict; named.
    """
    if not path.is_file():
        raise ClassifierError(f"the weights file {path} does not exist")
    content = (
        _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_torch(path)
    )
    entries: Mapping[Any, Any] = content if isinstance(content, Mapping) else {}
    for _ in WRAPPINGS:  # one may hold another
        wrapped = (entries.get(key) for key in WRAPPINGS)
        entries = next((item for item in wrapped if isinstance(item, Mapping)), entries)
    import torch

    tensors = {
        str(name): value for name, value in entries.items() if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise ClassifierError(
            f"{path} holds a {type(content).__name__}, no state dict of tensors; save the weights "
            "with torch.save(model.state_dict(), path)"
        )
    while prefix := next(
        (item for item in PREFIXES if all(name.startswith(item) for name in tensors)), None
    ):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def load_state(
    network: nn.Module,
    state: Mapping[str, torch.Tensor],
    architecture: str,
    n_classes: int,
    path: Path,
) -> None:
    """Load a state dict that must fit, the head's class count included.

    Raises
    ------
    ClassifierError
        Names the architecture, the class count found in the file and the one expected.
    """
    import torch

    found = head_classes(network, state)
    own = network.state_dict()
    missing = [k for k in own if k not in state and not _is_optional(k)]
    surplus = [k for k in state if k not in own and not _is_optional(k)]
    misshapen = [
        k
        for k in own
        if k in state and own[k].shape != state[k].shape and not k.startswith(AUXILIARY)
    ]
    different = [k for k in misshapen if not k.startswith(head_name(network) + ".")]
    if missing or surplus or different:
        example = (missing or surplus or different)[0]
        count = f" and {found} classes" if found is not None else ""
        raise ClassifierError(
            f"the weights in {path} are not of the architecture {architecture} with {n_classes} "
            f"classes: {len(missing)} of its tensors are missing, {len(surplus)} are not its own, "
            f"{len(different)} have another shape ('{example}'). The file holds "
            f"{len(state)} tensors{count}; set the architecture that it was trained with"
        )
    if misshapen and found in {None, n_classes}:
        raise ClassifierError(
            f"the weights in {path} do not fit the last layer of {architecture}: "
            f"'{misshapen[0]}' has the shape {tuple(state[misshapen[0]].shape)}, not "
            f"{tuple(own[misshapen[0]].shape)}; they are of another architecture"
        )
    if found != n_classes:
        raise ClassifierError(
            f"the weights in {path} are of {architecture} with {found} classes, but the workspace "
            f"has {n_classes}; give the {found} class names in the order of training, or other "
            "weights"
        )
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ClassifierError(f"the weights in {path} hold NaN or Inf; train again")
    _load(network, {k: v for k, v in state.items() if k in own and own[k].shape == v.shape})


def _load(network: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Load tensors as of today's layout: files without versions, safetensors' too, have that."""
    versioned = OrderedDict(state)
    versioned._metadata = network.state_dict()._metadata  # type: ignore[attr-defined]
    network.load_state_dict(versioned, strict=False)


def load_backbone(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Load all but the last layer, which keeps its own random weights: the start of fine-tuning.

    Raises
    ------
    ClassifierError
        The file is of another architecture.
    """
    own = network.state_dict()
    head = head_name(network) + "."
    backbone = [k for k in own if not k.startswith(head) and not _is_optional(k)]
    wrong = [k for k in backbone if k not in state or state[k].shape != own[k].shape]
    if wrong:
        raise ClassifierError(
            f"the backbone weights in {path} are of another architecture: {len(wrong)} of "
            f"{len(backbone)} tensors are missing or have another shape, '{wrong[0]}' first"
        )
    _load(network, {k: state[k] for k in backbone})


def head_classes(network: nn.Module, state: Mapping[str, torch.Tensor]) -> int | None:
    """Count the outputs of the head in a state dict; None if it has no such layer."""
    weight = state.get(head_name(network) + ".weight")
    return int(weight.shape[0]) if weight is not None and weight.ndim else None


def _is_optional(name: str) -> bool:
    # Old files lack the batch counters of batch normalisation, which evaluation does not use.
    return name.startswith(AUXILIARY) or name.endswith("num_batches_tracked")


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ClassifierError(f"{path} is no whole safetensors file: {error}") from error


def _read_torch(path: Path) -> Any:
    import torch

    with path.open("rb") as stream:
        head = stream.read(2)
    if head != b"PK" and head[:1] != b"\x80":  # a zip archive, or a pickle of protocol 2 or later
        raise ClassifierError(
            f"{path} is no weights file that torch can read: "
            + ("it is empty" if not head else "torch.save did not write it")
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ClassifierError(
            f"{path} pickles Python objects, which could run any code and are never opened; save "
            "the weights alone with torch.save(model.state_dict(), path)"
        ) from error
    # A damaged archive shows in many kinds of errors.
    except Exception as error:
        raise ClassifierError(
            f"{path} is no weights file that torch can read: {first_line(error)}"
        ) from error
