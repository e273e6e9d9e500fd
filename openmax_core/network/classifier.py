"""Classification networks of torchvision and timm by name, with a workspace's classes and weights.

Weights come from ``.safetensors``, or from ``.pth``/``.pt`` through
``torch.load(weights_only=True)``: nothing is ever unpickled into objects.
"""

from __future__ import annotations

import difflib
import logging
import math
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmax_core.errors import ClassifierError, first_line
from openmax_core.network.checkpoint import Checkpoint, read_checkpoint
from openmax_core.network.class_names import class_order_problem
from openmax_core.network.matching import AUXILIARY, Fit, fit, is_optional, refuse_misfit
from openmax_core.network.timm_networks import (
    PREFIX,
    build_timm_network,
    is_timm,
    require_timm_network,
    sizes,
    timm_config,
    timm_transform,
)
from openmax_core.pictures.images import Transform
from openmax_core.support.files import listed, sha256_of_file

if TYPE_CHECKING:
    import torch
    from torch import nn

LOG = logging.getLogger(__name__)
# Networks that may normalise their pictures once more, inside: no tensor of a file says whether.
WITH_TRANSFORM_INPUT = ("googlenet", "inception_v3")


@dataclass(frozen=True)
class Classifier:
    """A network with its classes and its transform.

    Attributes
    ----------
    architecture : str
        torchvision's name, 'resnet50', or timm's, 'timm:convnext_tiny'.
    classes : tuple of C str
        In the order of the logits.
    transform : Transform
    network : torch.nn.Module
        In evaluation mode, on the CPU until ``inference`` moves it.
    notes : tuple of str
        What its weights file holds beside, and what was taken of it, in sentences.
    """

    architecture: str
    classes: tuple[str, ...]
    transform: Transform
    network: nn.Module
    notes: tuple[str, ...] = ()


def architectures() -> list[str]:
    """Names of torchvision's classification architectures, sorted."""
    import torchvision

    return [str(name) for name in torchvision.models.list_models(module=torchvision.models)]


def load_classifier(
    architecture: str,
    weights: str | Path | Checkpoint,
    classes: tuple[str, ...],
    transform: Transform | None = None,
    *,
    transform_input: bool | None = None,
    weights_entry: str | None = None,
) -> Classifier:
    """Build ``architecture`` with one output per class and load its trained weights.

    What the weights' shapes tell is built as they have it: the size of a Vision Transformer's
    pictures, its layer before the head, the first layers of old MNASNets.

    Parameters
    ----------
    architecture : torchvision's name, or 'timm:NAME'
    weights : path of a .safetensors, .pth or .pt file, or what was read of it
    classes : C names, in the order of the network's outputs
    transform : the notebook's evaluation transform without
    transform_input : GoogLeNet and Inception normalise their pictures once more, inside, as
        torchvision's pretrained weights need it; a file seldom says it, and without it this is
        false, with a warning
    weights_entry : entry of a file that holds several state dicts, 'model_ema' for instance; the
        raw weights without

    Raises
    ------
    ClassifierError
        Unknown architecture, unreadable file, weights of another architecture or class count, or
        pictures of another size than they take; the message names them.
    """
    transform = transform or Transform()
    check_architecture(architecture, len(classes))
    if not isinstance(weights, Checkpoint):
        weights = read_checkpoint(Path(weights), weights_entry)
        problem = class_order_problem(classes, weights.classes, weights.path)
        if problem is not None:
            LOG.warning("%s", problem)
    if transform_input is None:
        transform_input = _noted_transform_input(architecture, weights)
    network = empty_network(architecture, len(classes), transform_input=transform_input)
    found = _fit(weights, network)
    arguments = _arguments(network, found.checkpoint.tensors, transform.crop)
    if arguments:
        given = arguments | {"transform_input": transform_input}
        network = empty_network(architecture, len(classes), **given)
        found = _fit(weights, network)
    load_state(network, found, architecture, len(classes))
    _check_size(network, architecture, transform, f"the weights in {found.checkpoint.path} are of")
    return Classifier(
        architecture, tuple(classes), transform, network.eval(), _notes(found, architecture)
    )


def require_architecture(name: str) -> None:
    """Raise an error with the likely names where torchvision or timm has no such architecture.

    Raises
    ------
    ClassifierError
        It has none, or timm is not installed.
    """
    if is_timm(name):
        require_timm_network(name)
        return
    known = architectures()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ClassifierError(f"torchvision has no classification architecture '{name}'{hint}")


def build_network(
    architecture: str, n_classes: int, *, transform_input: bool = False, **arguments: Any
) -> nn.Module:
    """Build a network of torchvision or timm with random weights and ``n_classes`` outputs.

    Parameters
    ----------
    transform_input : as for :func:`load_classifier`
    **arguments : further ones of the library's builder

    Raises
    ------
    ClassifierError
        There is no such network, or it does not take these arguments.
    """
    import torchvision

    require_architecture(architecture)
    if transform_input:
        if architecture not in WITH_TRANSFORM_INPUT:
            raise ClassifierError(
                f"{architecture} has no transform_input; only "
                f"{' and '.join(WITH_TRANSFORM_INPUT)} have. Take it out under [classifier] in "
                "workspace.toml"
            )
        arguments["transform_input"] = True
    if is_timm(architecture):
        return build_timm_network(architecture, n_classes, **arguments)
    is_old_mnasnet = arguments.pop("old_stem", False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GoogLeNet's on their start, old MNASNets' on their age
        try:
            model: nn.Module = torchvision.models.get_model(
                architecture, weights=None, num_classes=n_classes, **arguments
            )
        except (TypeError, ValueError, AssertionError) as error:
            raise ClassifierError(f"{architecture} cannot be built: {first_line(error)}") from error
        if is_old_mnasnet:
            version_1: Any = OrderedDict()
            version_1._metadata = {"": {"version": 1}}
            model.load_state_dict(version_1, strict=False)
    return model


def check_architecture(architecture: str, n_classes: int, **arguments: Any) -> None:
    """Check that a network can be built, without the memory that it takes.

    Raises
    ------
    ClassifierError
        As for :func:`build_network`.
    """
    empty_network(architecture, n_classes, **arguments)


def build_for_training(
    architecture: str,
    n_classes: int,
    transform: Transform,
    backbone: Checkpoint | None = None,
    *,
    transform_input: bool = False,
) -> nn.Module:
    """Build a network with a random last layer, and random or a backbone's weights before it.

    Parameters
    ----------
    transform : a Vision Transformer and MaxViT are built for pictures of its size
    backbone : weights of the architecture, with any class count
    transform_input : as for :func:`load_classifier`

    Raises
    ------
    ClassifierError
        The backbone is of another architecture, or takes pictures of another size.
    """
    given = {"transform_input": transform_input}
    empty = empty_network(architecture, n_classes, **given)
    tensors = None if backbone is None else _fit(backbone, empty).checkpoint.tensors
    arguments = _arguments(empty, tensors, transform.crop)
    of = "" if backbone is None else f"the backbone weights in {backbone.path} are of"
    if arguments:
        empty = empty_network(architecture, n_classes, **given, **arguments)
    _check_size(empty, architecture, transform, of)
    network = build_network(architecture, n_classes, **given, **arguments)
    if backbone is not None:
        found = _fit(backbone, network)
        parts = {name for name, _ in network.named_children()} - {head_name(network).split(".")[0]}
        if strange := [name for name in found.surplus if name.split(".")[0] in parts]:
            raise ClassifierError(
                f"the backbone weights in {backbone.path} are of another architecture: "
                f"{len(strange)} tensors are not those of {architecture}, '{strange[0]}' first"
            )
        load_backbone(network, found.checkpoint.tensors, backbone.path)
    return network


def is_torchvisions(architecture: str, path: Path) -> bool:
    """Tell whether a file is one that torchvision offers, by its fingerprint."""
    import torchvision

    parts = [weights.url.rsplit("-", 1)[-1] for weights in _offered(torchvision, architecture)]
    signs = [part.partition(".")[0] for part in parts]
    return sha256_of_file(path).startswith(tuple(signs)) if signs else False


def _offered(torchvision: Any, architecture: str) -> list[Any]:
    return list(torchvision.models.get_model_weights(architecture))


def head_name(network: nn.Module) -> str:
    """Name of the last layer with weights: ``fc``, ``classifier.6``, ``head``, ``heads.head``, …"""
    from torch import nn

    named = (timm_config(network) or {}).get("classifier")
    if named:  # a distilled network has two
        return named if isinstance(named, str) else str(named[0])
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
    return read_checkpoint(path).tensors


def load_state(network: nn.Module, found: Fit, architecture: str, n_classes: int) -> None:
    """Fill a network without weights with those of a file, which must fit, class count included.

    Raises
    ------
    ClassifierError
        Says what was found in the file and what was expected.
    """
    import torch

    path, state, own = found.checkpoint.place, found.checkpoint.tensors, network.state_dict()
    n_found = head_classes(network, state)
    refuse_misfit(found, architecture, n_classes, n_found)
    head = head_name(network) + "."
    misshapen = [k for k in own if k.startswith(head) and own[k].shape != state[k].shape]
    if misshapen and n_found in {None, n_classes}:
        raise ClassifierError(
            f"the weights in {path} do not fit the last layer of {architecture}: "
            f"'{misshapen[0]}' has the shape {tuple(state[misshapen[0]].shape)}, not "
            f"{tuple(own[misshapen[0]].shape)}; they are of another architecture"
        )
    if n_found != n_classes:
        noted = found.checkpoint.classes
        names = f"the file notes {listed(noted)}" if noted else "the file notes no names"
        raise ClassifierError(
            f"the weights in {path} are of {architecture} with {n_found} classes, but the "
            f"workspace has {n_classes}, and {names}; give the {n_found} class "
            "names in the order of training, those without pictures too (--classes a,b,c or "
            "classes under [classifier] in workspace.toml), or other weights"
        )
    used = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    _refuse_kinds(used, own, path)
    if not all(bool(torch.isfinite(value).all()) for value in used.values()):
        raise ClassifierError(f"the weights in {path} hold NaN or Inf; train again")
    filled = {}
    for name, value in own.items():
        if name in used:
            filled[name] = torch.empty(value.shape, dtype=value.dtype).copy_(used[name])
        elif value.is_meta:  # of branches that are not used
            filled[name] = torch.zeros(value.shape, dtype=value.dtype)
    _load(network, filled, assign=True)


def _load(network: nn.Module, state: Mapping[str, torch.Tensor], assign: bool = False) -> None:
    """Load tensors as of today's layout: files without versions, safetensors' too, have that."""
    versioned = OrderedDict(state)
    versioned._metadata = network.state_dict()._metadata  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an old MNASNet
        network.load_state_dict(versioned, strict=False, assign=assign)


def _refuse_kinds(
    state: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor], place: str | Path
) -> None:
    """Refuse numbers that a network would not compute with as they were meant."""
    import torch

    floats = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
    for name, value in state.items():
        if own[name].dtype.is_floating_point:
            kind = str(value.dtype).removeprefix("torch.")
            if value.is_quantized or value.dtype not in floats:
                raise ClassifierError(
                    f"the weights in {place} are no floating-point numbers of 16 bits or more: "
                    f"'{name}' is {kind}. Quantised weights lack their scale here; save those of "
                    "the network before it was quantised"
                )
            if value.layout != torch.strided:
                raise ClassifierError(
                    f"the weights in {place} are sparse ('{name}'); save them with .to_dense()"
                )


def load_backbone(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Load all but the last layer, which keeps its own random weights: the start of fine-tuning.

    Raises
    ------
    ClassifierError
        The file is of another architecture.
    """
    own = network.state_dict()
    head = head_name(network) + "."
    backbone = [k for k in own if not k.startswith(head) and not is_optional(k)]
    wrong = [k for k in backbone if k not in state or state[k].shape != own[k].shape]
    if wrong:
        raise ClassifierError(
            f"the backbone weights in {path} are of another architecture: {len(wrong)} of "
            f"{len(backbone)} tensors are missing or have another shape, '{wrong[0]}' first"
        )
    used = {k: state[k] for k in backbone}
    _refuse_kinds(used, own, path)
    _load(network, used)


def head_classes(network: nn.Module, state: Mapping[str, torch.Tensor]) -> int | None:
    """Count the outputs of the head in a state dict; None if it has no such layer."""
    weight = state.get(head_name(network) + ".weight")
    return int(weight.shape[0]) if weight is not None and weight.ndim else None


def _noted_transform_input(architecture: str, weights: Checkpoint) -> bool:
    if architecture not in WITH_TRANSFORM_INPUT:
        return False
    if weights.transform_input is None and not is_torchvisions(architecture, weights.path):
        LOG.warning(
            "whether %s normalises its pictures once more, inside, does not stand in %s: it does "
            "not now, but torchvision's pretrained weights need transform_input=True",
            architecture,
            weights.path,
        )
        return False
    return weights.transform_input is not False


def _fit(checkpoint: Checkpoint, network: nn.Module) -> Fit:
    modules = frozenset(name for name, _ in network.named_children())
    return fit(checkpoint, network.state_dict(), head_name(network), modules)


def _notes(found: Fit, architecture: str) -> tuple[str, ...]:
    """What somebody who names these weights should know."""
    said, notes = found.checkpoint.architecture, found.notes
    if said is not None and _plain(said) == _plain(architecture):
        return notes
    if said is not None and said in architectures() and said != architecture:
        notes += (f"the file says that it is of {said}, not of {architecture}",)
    elif said is not None and said not in architectures():
        notes += (
            f"the file says that it is of '{said}', which torchvision does not have; its tensors "
            f"have the names and shapes of {architecture}",
        )
    return notes


def _plain(architecture: str) -> str:
    """Name without library and tag: what 'timm:resnet50.a1_in1k' and 'resnet50' have in common."""
    return architecture.removeprefix(PREFIX).split(".")[0]


def empty_network(architecture: str, n_classes: int, **arguments: Any) -> nn.Module:
    """As :func:`build_network`, its large tensors without memory or values, but for timm."""
    import torch
    from torch.overrides import TorchFunctionMode

    class OnMeta(TorchFunctionMode):
        """What has no values yet gets none. Other tensors may be computed with, as RegNet does."""

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if func is torch.empty and kwargs.get("device") is None:
                kwargs["device"] = "meta"
            return func(*args, **kwargs)

    with torch.random.fork_rng(devices=[]):
        if is_timm(architecture):  # some of its layers compute constants where they are built
            return build_network(architecture, n_classes, **arguments)
        with OnMeta():
            return build_network(architecture, n_classes, **arguments)


def _arguments(
    network: nn.Module, state: Mapping[str, torch.Tensor] | None, crop: tuple[int, int]
) -> dict[str, Any]:
    """Arguments of the library's builder that weights or pictures tell, where not its default."""
    if (config := timm_config(network)) is not None:
        return sizes(config, crop)
    from torchvision.models import MaxVit, MNASNet, VisionTransformer

    found: dict[str, Any] = {}
    if isinstance(network, VisionTransformer):
        positions = None if state is None else state.get("encoder.pos_embedding")
        if positions is not None and positions.ndim == 3 and positions.shape[1] > 1:
            side = math.isqrt(positions.shape[1] - 1) * network.patch_size
        else:
            side = crop[0] if state is None else network.image_size
        if side != network.image_size:
            found["image_size"] = side
        before = None if state is None else state.get("heads.pre_logits.weight")
        if before is not None and before.ndim == 2:
            found["representation_size"] = before.shape[0]
    if isinstance(network, MaxVit) and crop != (224, 224):
        found["input_size"] = crop
    if isinstance(network, MNASNet) and state is not None and network.alpha != 1:
        stem = state.get("layers.0.weight")
        if stem is not None and stem.shape[:1] == (32,):
            found["old_stem"] = True
    return found


def _check_size(network: nn.Module, architecture: str, transform: Transform, of: str) -> None:
    """Raise an error where a Vision Transformer takes pictures of another size than it gets."""
    from torchvision.models import VisionTransformer

    if not isinstance(network, VisionTransformer):
        return
    side = network.image_size
    if transform.crop != (side, side):
        height, width = transform.crop
        raise ClassifierError(
            f"{of} {architecture} for pictures of {side} × {side} pixels, but crop under "
            f"[transform] gives {height} × {width}; write crop = [{side}, {side}], and a resize "
            "that is not smaller, in workspace.toml".strip()
        )


# By name, and which networks they are right for.
TRANSFORMS = {
    "notebook": "the notebook's, right for its networks and for those of 'openmax train'",
    "imagenet": "ImageNet's usual one, right for most networks that were trained on ImageNet",
    "weights": "the library's own, right for its pretrained weights of this architecture",
}
DEFAULT_TRANSFORM = "notebook"


def usual_transform(architecture: str | None) -> str:
    """Name of the transform that is right for most networks of a kind: timm notes its own."""
    return "weights" if is_timm(architecture) else DEFAULT_TRANSFORM


def library_of(architecture: str) -> str:
    """Name of the library that has an architecture."""
    return "timm" if is_timm(architecture) else "torchvision"


def transform_by_name(name: str, architecture: str | None) -> Transform:
    """Return an evaluation transform; 'weights' imports torchvision.

    Parameters
    ----------
    name : 'notebook', 'imagenet' or 'weights', see :data:`TRANSFORMS`
    architecture : torchvision's name; 'weights' gives the transform of its newest weights; or
        timm's, with its own data configuration; None for an ONNX file, which says none

    Raises
    ------
    ClassifierError
        There is no such transform, no such architecture, or it has no weights.
    """
    if name == "notebook":
        return Transform()
    if name == "imagenet":
        return Transform(resize=256, interpolation="bilinear")
    if name != "weights":
        raise ClassifierError(f"there is no transform '{name}'; there are {', '.join(TRANSFORMS)}")
    if architecture is None:
        raise ClassifierError(
            "an ONNX file does not say its transform; give --transform imagenet or notebook, or "
            "--resize, --crop, --interpolation, --mean and --std"
        )
    if is_timm(architecture):
        return timm_transform(architecture)
    import torchvision

    require_architecture(architecture)
    try:
        own = torchvision.models.get_model_weights(architecture).DEFAULT.transforms()
        (resize,), (crop,) = own.resize_size, own.crop_size
        return Transform(
            resize, (crop, crop), own.interpolation.value, tuple(own.mean), tuple(own.std)
        )
    except (AttributeError, TypeError, ValueError):
        raise ClassifierError(
            f"torchvision has no transform of its own for {architecture}; give --resize, --crop, "
            "--interpolation, --mean and --std"
        ) from None
