"""Networks of timm, as ``timm:NAME``: built by it, with its own transform, and its weights.

timm is an extra. What a visitor or a ``workspace.toml`` names is looked up in timm's own list
alone: names of the Hugging Face hub, and folders, are taken by :func:`pretrained`, which the shell
calls.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openmax_core.errors import ClassifierError, first_line
from openmax_core.pictures.images import INTERPOLATIONS, Transform

if TYPE_CHECKING:
    import torch
    from torch import nn

PREFIX = "timm:"
INSTALL = 'pip install ".[timm]"'


@dataclass(frozen=True)
class Pretrained:
    """Weights that timm has loaded.

    Attributes
    ----------
    architecture : str
        A name of timm's own list that builds the same network, 'timm:resnet50.a1_in1k'.
    tensors : dict from names to tensors
    transform : Transform
    classes : tuple of str or None
        In the order of the outputs, where timm knows them.
    """

    architecture: str
    tensors: dict[str, torch.Tensor]
    transform: Transform
    classes: tuple[str, ...] | None


def is_timm(architecture: str | None) -> bool:
    """Tell whether an architecture is one of timm's."""
    return architecture is not None and architecture.startswith(PREFIX)


def require_timm_network(architecture: str) -> None:
    """Raise an error where timm has no such network, or is not installed.

    Raises
    ------
    ClassifierError
        With the likely names; or with the line that installs timm.
    """
    _config(architecture)


def build_timm_network(architecture: str, n_classes: int, **arguments: Any) -> nn.Module:
    """Build a network of timm with random weights and ``n_classes`` outputs.

    Parameters
    ----------
    **arguments : further ones of timm's builder

    Raises
    ------
    ClassifierError
        timm has no such network, does not take these arguments, or is not installed.
    """
    _config(architecture)
    timm = _timm(architecture)
    try:
        network: nn.Module = timm.create_model(
            architecture.removeprefix(PREFIX), num_classes=n_classes, **arguments
        )
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ClassifierError(f"{architecture} cannot be built: {first_line(error)}") from error
    return network


def timm_config(network: nn.Module) -> dict[str, Any] | None:
    """What timm notes of a network that it built; None for others."""
    config = getattr(network, "pretrained_cfg", None)
    return config if isinstance(config, dict) else None


def timm_transform(architecture: str) -> Transform:
    """Evaluation transform of a network's own data configuration.

    Raises
    ------
    ClassifierError
        There is no such network, timm is not installed, or its transform has steps that are not
        known here.
    """
    return _transform(_config(architecture), architecture)


def pretrained(architecture: str) -> Pretrained:
    """Load weights through timm: of its list, 'timm:hf-hub:OWNER/NAME' or 'timm:local-dir:PATH'.

    Weights of the hub are downloaded.

    Raises
    ------
    ClassifierError
        They cannot be had, or the network was built with arguments that its name does not say.
    """
    import torch

    timm = _timm(architecture)
    name = architecture.removeprefix(PREFIX)
    try:
        network = timm.create_model(name, pretrained=True).eval()
    except Exception as error:  # of the network, the hub, the file, timm itself
        raise ClassifierError(
            f"timm cannot load the weights of {name}: {first_line(error)}. Without a connection, "
            "download them elsewhere and give --weights FILE"
        ) from error
    config: dict[str, Any] = timm_config(network) or {}
    own = f"{config['architecture']}.{config['tag']}" if config.get("tag") else ""
    known = own if own and timm.models.is_model_pretrained(own) else config["architecture"]
    found = PREFIX + (known if ":" in name else name)
    transform = _transform(config, architecture)
    again = build_timm_network(found, network.num_classes, **sizes(config, transform.crop))
    tensors = network.state_dict()
    picture = torch.rand(1, 3, *transform.crop, generator=torch.Generator().manual_seed(0))
    try:
        again.load_state_dict(tensors)
        with torch.inference_mode():
            is_same = torch.equal(again.eval()(picture), network(picture))
    except (RuntimeError, AssertionError):
        is_same = False
    if not is_same:
        raise ClassifierError(
            f"{name} was built with arguments that the name {found} does not say; export it to "
            "ONNX, and give --model FILE"
        )
    names = config.get("label_names")
    classes = tuple(names) if names and len(names) == network.num_classes else None
    return Pretrained(found, dict(tensors), transform, classes)


def sizes(config: dict[str, Any], crop: tuple[int, int]) -> dict[str, Any]:
    """Arguments that build a network of a fixed size for pictures of another one."""
    if not config.get("fixed_input_size") or tuple(config["input_size"][1:]) == crop:
        return {}
    return {"img_size": crop}


def _timm(architecture: str) -> Any:
    try:
        import timm
    except ImportError as error:
        raise ClassifierError(f"{architecture} needs timm: {INSTALL}") from error
    return timm


def _config(architecture: str) -> dict[str, Any]:
    """What timm's list says of a network; {} where it says nothing."""
    timm, name = _timm(architecture), architecture.removeprefix(PREFIX)
    if ":" in name or "/" in name or "\\" in name:
        raise ClassifierError(
            f"'{name}' is not in timm's own list; 'openmax init DIR --architecture {architecture} "
            "--weights DEFAULT' loads it through timm once, and keeps its weights"
        )
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        close = difflib.get_close_matches(base, timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(PREFIX + item for item in close)}?" if close else ""
        raise ClassifierError(f"timm has no network '{base}'{hint}")
    try:
        config = timm.models.get_pretrained_cfg(name)
    except RuntimeError:
        config = None
    if tag and config is None:
        tags = [item.split(".", 1)[1] for item in timm.list_pretrained(f"{base}.*")]
        there = f"; there are {', '.join(tags)}" if tags else ""
        raise ClassifierError(f"timm has no weights '{tag}' of {base}{there}")
    return {} if config is None else dict(config.to_dict())


def _transform(config: dict[str, Any], architecture: str) -> Transform:
    resolve = _timm(architecture).data.resolve_data_config
    data: dict[str, Any] = resolve({}, pretrained_cfg=config or {"mean": None})
    _, height, width = data["input_size"]
    mode, interpolation = data["crop_mode"], data["interpolation"]
    if mode not in {"center", "squash"} or (mode == "center" and height != width):
        raise ClassifierError(
            f"timm's transform for {architecture} has the crop mode '{mode}', which is not known "
            "here; give --transform imagenet, or --resize, --crop and --interpolation"
        )
    if interpolation not in INTERPOLATIONS:
        raise ClassifierError(
            f"timm's transform for {architecture} has the interpolation '{interpolation}', which "
            "is not known here; choose with --transform imagenet --interpolation NAME"
        )
    resized = tuple(math.floor(side / data["crop_pct"]) for side in (height, width))
    return Transform(
        resized[0] if mode == "center" else (resized[0], resized[1]),
        (height, width),
        interpolation,
        tuple(map(float, data["mean"])),  # type: ignore[arg-type]
        tuple(map(float, data["std"])),  # type: ignore[arg-type]
    )
