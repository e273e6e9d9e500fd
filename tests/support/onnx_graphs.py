"""ONNX files as others make them, tiny: they tell pictures by their mean colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from openmax_core.pictures.images import Transform

# From the means of red, green and blue to the logits of blue and red (tests.support.shell).
WEIGHT = np.array([[-4.0, 4.0], [0.5, -0.25], [4.0, -3.0]], dtype=np.float32)
BIAS = np.array([0.25, -0.25], dtype=np.float32)
SIDE = 32
AS_THEY_ARE = Transform(resize=(SIDE, SIDE), crop=(SIDE, SIDE))


def colour_logits(pixels: NDArray[np.uint8], transform: Transform = AS_THEY_ARE) -> Any:
    """(N, 2) float64 logits of the graphs below, of (N, H, W, 3) uint8, by NumPy alone."""
    scaled = (pixels.astype(np.float64) / 255 - transform.mean) / transform.std
    return scaled.mean(axis=(1, 2)) @ WEIGHT.astype(np.float64) + BIAS


def logarithms(logits: Any) -> Any:
    """Logarithms of the softmax of (N, C)."""
    moved = logits - logits.max(axis=1, keepdims=True)
    return moved - np.log(np.exp(moved).sum(axis=1, keepdims=True))


def colour_model(
    *,
    layout: str = "NCHW",
    kind: int = TensorProto.FLOAT,
    batch: int | str = "N",
    sides: Sequence[int | str] = ("H", "W"),
    softmax: bool = False,
    outputs: Sequence[str] = ("logits",),
    is_mixed: bool = False,
    is_rescaling: bool = False,
    opset: int = 17,
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """Graph from pictures to :func:`colour_logits`, as an exporter would write it.

    Parameters
    ----------
    kind : of the input; uint8 is scaled and normalised with ImageNet's values inside
    outputs : of 'logits', 'features' (the means) and 'label' (int64)
    is_rescaling : floats too are scaled and normalised inside, as Keras does it
    is_mixed : only the first picture of a batch is right, as after a Reshape with a traced batch
    """
    is_last = layout == "NHWC"
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, NDArray[Any]] = {"weight": WEIGHT, "bias": BIAS}
    value = "input"
    if kind != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [value], ["float"], to=TensorProto.FLOAT))
        value = "float"
    if is_rescaling or kind == TensorProto.UINT8:
        channels = (3,) if is_last else (3, 1, 1)
        constants["scale"] = np.array(255, dtype=np.float32)
        constants["mean"] = np.reshape(AS_THEY_ARE.mean, channels).astype(np.float32)
        constants["std"] = np.reshape(AS_THEY_ARE.std, channels).astype(np.float32)
        for operator, other in (("Div", "scale"), ("Sub", "mean"), ("Div", "std")):
            nodes.append(helper.make_node(operator, [value, other], [f"{value}_{other}"]))
            value = f"{value}_{other}"
    axes = [1, 2] if is_last else [2, 3]
    nodes.append(helper.make_node("ReduceMean", [value], ["features"], axes=axes, keepdims=0))
    kept = "features"
    if is_mixed:
        constants["first"] = np.zeros(1, dtype=np.int64)
        constants["one"] = np.ones(1, dtype=np.int64)
        nodes.append(helper.make_node("Slice", [kept, "first", "one", "first"], ["head"]))
        nodes.append(helper.make_node("Sub", [kept, kept], ["nothing"]))
        nodes.append(helper.make_node("Add", ["nothing", "head"], ["mixed"]))
        kept = "mixed"
    nodes.append(helper.make_node("MatMul", [kept, "weight"], ["product"]))
    end = "scores" if softmax else "logits"
    nodes.append(helper.make_node("Add", ["product", "bias"], [end]))
    if softmax:
        nodes.append(helper.make_node("Softmax", [end], ["logits"], axis=1))
    nodes.append(helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0))
    sides = [*sides]
    shape = [batch, *sides, 3] if is_last else [batch, 3, *sides]
    known: dict[str, tuple[int, list[Any]]] = {
        "logits": (TensorProto.FLOAT, [batch, 2]),
        "features": (TensorProto.FLOAT, [batch, 3]),
        "label": (TensorProto.INT64, [batch]),
    }
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("input", kind, shape)],
        [helper.make_tensor_value_info(name, *known[name]) for name in outputs],
        [numpy_helper.from_array(np.asarray(item), name) for name, item in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(made, metadata or {})
    return made


def save_colour_model(path: Path, **options: Any) -> Path:
    """Write :func:`colour_model` to a file."""
    onnx.save(colour_model(**options), path)
    return path


def noise(count: int, side: int = SIDE, seed: int = 0) -> NDArray[np.uint8]:
    """(N, H, W, 3) pictures of noise, each around a colour of its own."""
    generator = np.random.default_rng(seed)
    centre = generator.integers(20, 160, (count, 1, 1, 3))
    return (centre + generator.integers(0, 90, (count, side, side, 3))).astype(np.uint8)
