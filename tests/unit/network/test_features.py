"""Features: what the last layer takes, of networks of torch and of ONNX graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from openmax_core.errors import ClassifierError
from openmax_core.network.classifier import Classifier, build_network, head_name
from openmax_core.network.engines import OnnxEngine, TorchEngine
from openmax_core.network.features import (
    exported_width,
    exported_with_features,
    width_of,
    with_features,
)
from openmax_core.network.onnx_files import load_onnx, n_features
from openmax_core.pictures.images import Transform
from tests.support.onnx_graphs import (
    AS_THEY_ARE,
    SIDE,
    WEIGHT,
    colour_logits,
    colour_model,
    noise,
    save_colour_model,
)

SMALL = Transform((SIDE, SIDE), (SIDE, SIDE))
CLASSES = ("a", "b", "c")


def network_of(name: str, **arguments: Any) -> Classifier:
    torch.manual_seed(0)
    network = build_network(name, 3, **arguments).eval()
    return Classifier(name, CLASSES, SMALL, network)


# --- networks of torch -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "width"),
    [
        ("resnet18", {}, 512),
        ("mobilenet_v3_small", {}, 1024),
        ("shufflenet_v2_x0_5", {}, 1024),
        ("timm:test_resnet", {}, 96),
        ("timm:test_convnext", {}, 64),
        ("timm:test_vit", {"img_size": SIDE}, 64),
    ],
)
def test_the_head_makes_the_logits_of_the_stored_features(
    name: str, arguments: dict[str, Any], width: int
) -> None:
    classifier = network_of(name, **arguments)
    assert width_of(name, classifier.network) == width
    engine = TorchEngine(classifier, has_features=True)
    assert engine.n_features == width
    pixels = noise(3)
    rows = engine.start(pixels)()
    assert rows.shape == (3, 3 + width)
    np.testing.assert_array_equal(rows[:, :3], TorchEngine(classifier).start(pixels)())
    head = classifier.network.get_submodule(head_name(classifier.network))
    assert isinstance(head, nn.Linear)
    stored = rows[:, 3:].astype(np.float16).astype(np.float32)
    with torch.inference_mode():
        logits = head(torch.from_numpy(stored)).numpy()
    rounding = (np.abs(stored) / 2**11 + 2.0**-25) @ np.abs(head.weight.detach().numpy()).T
    assert (np.abs(logits - rows[:, :3]) <= rounding + 1e-5).all()


def test_features_of_a_picture_do_not_depend_on_its_batch() -> None:
    engine = TorchEngine(network_of("timm:test_resnet"), has_features=True)
    pixels = noise(5)
    together = engine.start(pixels)()
    alone = np.concatenate([engine.start(pixels[row : row + 1])() for row in range(5)])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)


def test_the_classifier_itself_stays_as_it_is() -> None:
    classifier = network_of("timm:test_resnet")
    before = dict(classifier.network.named_modules())
    found, width = with_features(classifier)
    assert dict(classifier.network.named_modules()) == before
    batch = torch.rand(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        assert classifier.network(batch).shape == (2, 3)
        assert found(batch).shape == (2, 3 + width)
    own = {id(value) for value in classifier.network.parameters()}
    assert {id(value) for value in found.parameters()} == own


class Ends(nn.Module):
    """A network of one convolution with an end of its own."""

    def __init__(self, end: str) -> None:
        super().__init__()
        self.convolution, self.end = nn.Conv2d(3, 8, 3, stride=4), end
        if end == "two heads":
            self.first, self.last = nn.Linear(8, 3), nn.Linear(8, 3)
        else:
            self.last = nn.Conv2d(8, 3, 1)  # type: ignore[assignment]

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.convolution(batch).relu()
        pooled = maps.mean(dim=(2, 3))
        if self.end == "two heads":
            return self.first(pooled) + self.last(2 * pooled)
        if self.end == "convolution, then pooling":
            return self.last(maps).mean(dim=(2, 3))
        return self.last(pooled[:, :, None, None]).flatten(1)


@pytest.mark.parametrize("end", ["convolution, then pooling", "two heads"])
def test_a_network_without_one_linear_end_is_refused_by_name(end: str) -> None:
    classifier = Classifier("mine", CLASSES, SMALL, Ends(end).eval())
    with pytest.raises(ClassifierError, match=r"mine has no features.*Take features = true out"):
        with_features(classifier)


def test_a_convolution_behind_the_pooling_is_a_linear_end() -> None:
    network = Ends("convolution behind the pooling").eval()
    engine = TorchEngine(Classifier("mine", CLASSES, SMALL, network), has_features=True)
    assert engine.n_features == 8
    assert engine.start(noise(2))().shape == (2, 3 + 8)


def test_squeezenet_is_refused_without_running_it() -> None:
    network = network_of("squeezenet1_1").network
    with pytest.raises(ClassifierError, match="squeezenet1_1 has no features"):
        width_of("squeezenet1_1", network)


# --- exported networks -------------------------------------------------------------------------


def exported(kind: str) -> bytes:
    """A graph as the exporter of torch writes the end of a network."""
    weight = numpy_helper.from_array(WEIGHT.T.copy() if kind == "Gemm" else WEIGHT, "weight")
    nodes = [helper.make_node("GlobalAveragePool", ["pictures"], ["pooled"])]
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], axis=1))
    if kind == "Gemm":
        nodes.append(helper.make_node("Gemm", ["flat", "weight"], ["logits"], transB=1))
    elif kind == "MatMul":
        nodes.append(helper.make_node("MatMul", ["flat", "weight"], ["product"]))
        nodes.append(helper.make_node("Add", ["product", "bias"], ["logits"]))
    elif kind == "computed":
        nodes.append(helper.make_node("Transpose", ["weight"], ["turned"]))
        nodes.append(helper.make_node("Gemm", ["flat", "turned"], ["logits"], transB=1))
    else:
        nodes.append(helper.make_node("MatMul", ["flat", "weight"], ["product"]))
        nodes.append(helper.make_node("Gemm", ["flat", "weight"], ["other"]))
        nodes.append(helper.make_node("Add", ["product", "other"], ["logits"]))
    bias = numpy_helper.from_array(np.zeros(2, dtype=np.float32), "bias")
    given = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    made = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "net", [given], [made], [weight, bias])
    if kind == "computed":
        graph.value_info.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["N", 3]))
    opsets = [helper.make_opsetid("", 18)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


@pytest.mark.parametrize("kind", ["Gemm", "MatMul", "computed"])
def test_an_exported_network_gets_a_second_output_and_the_same_logits(kind: str) -> None:
    content, pixels = exported(kind), noise(4)
    assert exported_width(content) == 3
    plain = OnnxEngine(content, SMALL)
    engine = OnnxEngine(exported_with_features(content, "net"), SMALL)
    assert (plain.n_features, engine.n_features) == (0, 3)
    rows = engine.start(pixels)()
    np.testing.assert_array_equal(rows[:, :2], plain.start(pixels)())
    scaled = (pixels / 255.0 - SMALL.mean) / SMALL.std
    np.testing.assert_allclose(rows[:, 2:], scaled.mean(axis=(1, 2)), atol=1e-5)


def test_an_exported_network_with_two_ends_is_refused_by_name() -> None:
    assert exported_width(exported("two")) is None
    with pytest.raises(ClassifierError, match="net has no features"):
        exported_with_features(exported("two"), "net")


# --- ONNX files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layout": "NHWC", "softmax": True},
        {"batch": 1, "sides": (SIDE, SIDE)},
        {"batch": 3},
        {"kind": TensorProto.UINT8, "layout": "NHWC"},
        {"kind": TensorProto.FLOAT16},
        {"outputs": ("features", "logits")},
        {"is_mixed": True},
    ],
    ids=str,
)
def test_features_of_a_file_are_what_its_last_product_takes(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    path = save_colour_model(tmp_path / "net.onnx", **options)
    output = "logits" if "outputs" in options else None
    plain = load_onnx(path, ("blue", "red"), AS_THEY_ARE, output)
    found = load_onnx(path, ("blue", "red"), AS_THEY_ARE, output, has_features=True)
    assert (plain.n_features, found.n_features) == (0, 3)
    assert n_features(path, AS_THEY_ARE, output, None) == 3
    pixels = noise(5)
    rows, logits = found.engine().start(pixels)(), plain.engine().start(pixels)()
    assert rows.shape == (5, 2 + 3)
    np.testing.assert_array_equal(rows[:, :2], logits)
    scaled = (pixels / 255.0 - AS_THEY_ARE.mean) / AS_THEY_ARE.std
    np.testing.assert_allclose(rows[:, 2:], scaled.mean(axis=(1, 2)), atol=5e-3)
    name = "mixed" if options.get("is_mixed") else "features"
    assert f"its tensor '{name}' holds the features" in found.notes
    alone = np.concatenate([found.engine().start(pixels[row : row + 1])() for row in range(5)])
    np.testing.assert_allclose(alone, rows, atol=1e-5)


def test_a_tensor_that_somebody_names_is_taken(tmp_path: Path) -> None:
    path = save_colour_model(tmp_path / "net.onnx")
    found = load_onnx(
        path, ("blue", "red"), AS_THEY_ARE, has_features=True, features_output="product"
    )
    rows = found.engine().start(noise(2))()
    assert found.n_features == 2
    np.testing.assert_allclose(rows[:, 2:], rows[:, :2] - [0.25, -0.25], atol=1e-5)
    assert np.abs(rows[:, :2] - colour_logits(noise(2))).max() < 1e-4


def test_no_pictures_give_no_features(tmp_path: Path) -> None:
    for batch in ("N", 2):
        path = save_colour_model(tmp_path / f"{batch}.onnx", batch=batch)
        found = load_onnx(path, ("blue", "red"), AS_THEY_ARE, has_features=True)
        assert found.engine().start(noise(1)[:0])().shape == (0, 5)


def turned(model: onnx.ModelProto) -> None:
    """The end of a graph whose product does not take the features first."""
    for node in model.graph.node:
        if node.op_type == "MatMul":
            node.op_type = "Mul"
            node.input[1] = "scale3"
    scale = np.ones(3, dtype=np.float32)
    model.graph.initializer.append(numpy_helper.from_array(scale, "scale3"))
    for tensor in model.graph.initializer:
        if tensor.name == "bias":
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(3, dtype=np.float32), "bias"))
    del model.graph.output[0].type.tensor_type.shape.dim[1]


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (None, "pooled", r"net\.onnx has no tensor 'pooled'; it has 'features', 'logits'.*--feat"),
        (turned, None, r"the features of .*net\.onnx cannot be found.* it has 'logits'.*NAME; or"),
        (None, "label", r"the tensor 'label' of the shape 3 is no vector of floats"),
    ],
)
def test_where_there_are_no_features_the_candidates_are_named(
    tmp_path: Path, change: Callable[[onnx.ModelProto], None] | None, name: str | None, words: str
) -> None:
    model = colour_model()
    if change is not None:
        change(model)
    onnx.save(model, tmp_path / "net.onnx")
    classes = ("a", "b", "c") if change else ("a", "b")
    with pytest.raises(ClassifierError, match=words):
        load_onnx(
            tmp_path / "net.onnx", classes, AS_THEY_ARE, has_features=True, features_output=name
        )
