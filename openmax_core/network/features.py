"""Features: what the last linear layer of a network takes, a vector for each picture.

They are also called penultimate activations. Of a network of torch they are the input of its
head; of an ONNX graph the input of the last matrix product before the logits, or a tensor that
somebody names. A network with features gives them behind its logits: (N, C + D) instead of (N, C).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from openmax_core.errors import ClassifierError, first_line
from openmax_core.support.files import listed

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from openmax_core.network.classifier import Classifier

OUTPUT = "features"
PRODUCTS = frozenset(["Gemm", "MatMul", "FusedMatMul"])
# What may stand between the last product and the logits: it takes one tensor, and constants.
PASSED = frozenset(
    (
        *("Add", "Cast", "Div", "Dropout", "Flatten", "Identity", "Log", "LogSoftmax", "Mul"),
        *("Reshape", "Sigmoid", "Softmax", "Squeeze"),
    )
)
WITHOUT = "take features = true out under [classifier] in workspace.toml, or leave out --features"


def width_of(architecture: str, network: nn.Module) -> int:
    """D, the number of features of a network, by its head alone; no picture runs.

    Raises
    ------
    ClassifierError
        The head is no linear layer.
    """
    from torch import nn

    from openmax_core.network.classifier import head_name
    from openmax_core.network.timm_networks import timm_config

    head = network.get_submodule(head_name(network))
    if isinstance(head, nn.Linear):
        return int(head.in_features)
    if isinstance(head, nn.Conv2d) and timm_config(network) is not None:
        return int(head.in_channels)  # behind the pooling, as far as can be told without a picture
    raise _no_linear_end(architecture)


def with_features(classifier: Classifier) -> tuple[nn.Module, int]:
    """Network that gives its features behind its logits, tried on one picture; and D.

    It shares all weights with the classifier's own, which stays as it is.

    Raises
    ------
    ClassifierError
        Its logits are not what a last linear layer gives; the network is named.
    """
    import torch
    from torch import nn

    from openmax_core.network.classifier import head_name

    class WithInput(nn.Module):
        """A head, and what it takes behind what it gives."""

        def __init__(self, head: nn.Module) -> None:
            super().__init__()
            self.head = head

        def forward(self, taken: torch.Tensor) -> torch.Tensor:
            if taken.ndim not in {2, 4} or taken.shape[2:].numel() != 1:
                raise ValueError(f"the head takes the shape {tuple(taken.shape)}")
            return torch.cat([self.head(taken).float(), taken.float()], 1)

    network, name = classifier.network, head_name(classifier.network)
    found = _replaced(network, name, WithInput(network.get_submodule(name)))
    picture = torch.rand(
        1, 3, *classifier.transform.crop, generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        logits = network(picture)
        try:
            rows = found(picture)
            n_classes = logits.shape[1]
            is_same = torch.allclose(rows[:, :n_classes], logits, rtol=1e-4, atol=1e-5)
        except (RuntimeError, ValueError, TypeError, AttributeError):
            is_same = False
    if not is_same or rows.ndim != 2 or rows.shape[1] <= n_classes:
        raise _no_linear_end(classifier.architecture)
    return found, int(rows.shape[1]) - n_classes


def _no_linear_end(name: str) -> ClassifierError:
    return ClassifierError(
        f"{name} has no features: its logits do not come from one last linear layer, which takes "
        f"one vector for each picture. {WITHOUT[0].upper()}{WITHOUT[1:]}"
    )


def _replaced(module: Any, name: str, part: nn.Module) -> Any:
    """A module with another part at a place, everything else shared."""
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    first, _, rest = name.partition(".")
    twin._modules[first] = part if not rest else _replaced(twin._modules[first], rest, part)
    return twin


def features_tensor(model: onnx.ModelProto, logits: str, name: str | None, file: str) -> str:
    """Name of the tensor of a graph that holds the features.

    Parameters
    ----------
    logits : name of the output that holds the logits
    name : what somebody named; without, the input of the last matrix product before the logits
    file : what messages call the graph

    Raises
    ------
    ClassifierError
        There is none; the message names those that could be.
    """
    if name is not None:
        if name not in {item for node in model.graph.node for item in node.output}:
            raise ClassifierError(
                f"{file} has no tensor '{name}'; {_choice(model)}. Correct features_output under "
                "[classifier] in workspace.toml, or --features-output"
            )
        return name
    if (found := _last_product(model, logits)) is None:
        raise ClassifierError(
            f"the features of {file} cannot be found: its output '{logits}' does not come from a "
            f"product with a matrix of weights; {_choice(model)}. Name them with features_output "
            "under [classifier] in workspace.toml, or --features-output NAME; or "
            f"{WITHOUT}"
        )
    return found


def exported_with_features(content: bytes, name: str) -> bytes:
    """Content of a network's own export with a second output, 'features' (N, D).

    Raises
    ------
    ClassifierError
        Its logits do not come from a last linear layer; the network is named.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_model_from_string(content)
    if (tensor := _last_product(model, "logits")) is None:
        raise _no_linear_end(name)
    graph = model.graph
    graph.node.append(helper.make_node("Flatten", [tensor], [OUTPUT], axis=1))
    if (width := _width(model, tensor)) is None:
        raise ClassifierError(f"{name} has no features: its export does not say how many there are")
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", width]))
    try:
        return bytes(model.SerializeToString())
    except ValueError as error:  # larger than 2 GB
        raise ClassifierError(f"{name}: {first_line(error)}") from error


def exported_width(content: bytes) -> int | None:
    """D of a network's own export; None where its logits come from no linear layer."""
    import onnx

    model = onnx.load_model_from_string(content)
    tensor = _last_product(model, "logits")
    return None if tensor is None else _width(model, tensor)


def _last_product(model: onnx.ModelProto, logits: str) -> str | None:
    """What the last product with constants takes, if there is nothing else behind it."""
    made_by = {item: node for node in model.graph.node for item in node.output}
    constants, name = _constants(model.graph), logits
    while (node := made_by.get(name)) is not None:
        free = [item for item in node.input if item and item not in constants]
        if node.op_type in {"Flatten", "Reshape", "Squeeze"}:
            free = free[:1]  # the shape may be computed too
        if len(free) != 1:
            return None
        if node.op_type in PRODUCTS:
            is_turned = any(item.name == "transA" and item.i for item in node.attribute)
            return free[0] if node.input[0] == free[0] and not is_turned else None
        if node.op_type not in PASSED:
            return None
        name = free[0]
    return None


def _width(model: onnx.ModelProto, tensor: str) -> int | None:
    """D, by the shape of a tensor or of the weights that it is multiplied with."""
    for item in model.graph.value_info:
        sides = item.type.tensor_type.shape.dim
        if item.name == tensor and sides and sides[-1].dim_value:
            return int(sides[-1].dim_value)
    shapes = {item.name: list(item.dims) for item in model.graph.initializer}
    for node in reversed(model.graph.node):
        if node.op_type in PRODUCTS and node.input[0] == tensor:
            if not (shape := shapes.get(node.input[1])):
                return None
            is_turned = any(item.name == "transB" and item.i for item in node.attribute)
            return int(shape[1] if is_turned else shape[0])
    return None


def _constants(graph: onnx.GraphProto) -> set[str]:
    """Names of the tensors that no picture changes."""
    found = {item.name for item in graph.initializer}
    found |= {item.values.name for item in graph.sparse_initializer}
    for node in graph.node:
        if all(not item or item in found for item in node.input):
            found.update(node.output)
    return found


def _choice(model: onnx.ModelProto) -> str:
    names = list(dict.fromkeys(_candidates(model)))
    return f"it has {listed(names)}" if names else "it has no product with a matrix of weights"


def _candidates(model: onnx.ModelProto) -> Iterator[str]:
    """Tensors that may be features, the last ones first."""
    constants = _constants(model.graph)
    for node in reversed(model.graph.node):
        free = [item for item in node.input if item and item not in constants]
        if node.op_type in PRODUCTS and len(free) == 1:
            yield free[0]
    yield from (item.name for item in model.graph.output)
