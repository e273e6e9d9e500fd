"""ONNX files as classifiers: layouts, numbers, batches, outputs; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from openmax_core.errors import ClassifierError
from openmax_core.network.devices import choose_onnx_device
from openmax_core.network.engines import open_session
from openmax_core.network.onnx_files import (
    fitted,
    gives_probabilities,
    load_onnx,
    read_onnx,
)
from openmax_core.pictures.images import Transform
from tests.support.onnx_graphs import (
    AS_THEY_ARE,
    SIDE,
    colour_logits,
    colour_model,
    logarithms,
    noise,
    save_colour_model,
)

CLASSES = ("blue", "red")


def logits_of(path: Path, pixels: Any, transform: Transform = AS_THEY_ARE, **options: Any) -> Any:
    return load_onnx(path, CLASSES, transform, **options).engine().start(pixels)()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind", ["FLOAT", "FLOAT16", "DOUBLE", "UINT8"])
@pytest.mark.parametrize("batch", ["N", 1, 3])
@pytest.mark.parametrize("sides", [("H", "W"), (SIDE, SIDE)], ids=["any", "fixed"])
def test_whatever_layout_numbers_batch_and_size_are_the_logits_are_those_of_the_graph(
    tmp_path, layout, kind, batch, sides
):
    path = save_colour_model(
        tmp_path / "net.onnx",
        layout=layout,
        kind=getattr(TensorProto, kind),
        batch=batch,
        sides=sides,
    )
    pixels = noise(7)
    found = logits_of(path, pixels)
    tolerance = 0.02 if kind == "FLOAT16" else 1e-5
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, colour_logits(pixels), atol=tolerance)
    if kind != "FLOAT16":
        alone = np.concatenate([logits_of(path, pixels[row : row + 1]) for row in (0, 6)])
        np.testing.assert_allclose(alone, found[[0, 6]], atol=1e-5)


def test_what_the_graph_says_of_its_input_is_found(tmp_path):
    path = save_colour_model(tmp_path / "net.onnx", layout="NHWC", batch=2, sides=(40, 24))
    file = read_onnx(path)
    assert (file.layouts(), file.size, file.shape[0]) == (["NHWC"], (40, 24), 2)
    assert read_onnx(save_colour_model(tmp_path / "b.onnx")).size == (None, None)


def test_a_graph_that_leaves_its_channels_open_is_tried_both_ways(tmp_path):
    model = colour_model(layout="NHWC")
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "C"
    onnx.save(model, tmp_path / "net.onnx")
    pixels = noise(3)
    found = logits_of(tmp_path / "net.onnx", pixels)  # NCHW does not fit the weights
    np.testing.assert_allclose(found, colour_logits(pixels), atol=1e-5)


def test_a_batch_that_mixes_pictures_is_run_one_by_one(tmp_path):
    path = save_colour_model(tmp_path / "net.onnx", is_mixed=True)
    loaded = load_onnx(path, CLASSES, AS_THEY_ARE)
    assert "its batch cannot be changed, so pictures go through it one by one" in loaded.notes
    pixels = noise(5)
    np.testing.assert_allclose(loaded.engine().start(pixels)(), colour_logits(pixels), atol=1e-5)


@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_no_pictures_give_no_logits(tmp_path, batch):
    path = save_colour_model(tmp_path / "net.onnx", batch=batch)
    assert logits_of(path, noise(0)).shape == (0, 2)


@pytest.mark.parametrize("opset", [9, 11, 13, 17])
def test_graphs_of_old_opsets_run(tmp_path, opset):
    path = save_colour_model(tmp_path / "net.onnx", opset=opset, softmax=True)
    pixels = noise(4)
    expected = logarithms(colour_logits(pixels))
    np.testing.assert_allclose(logits_of(path, pixels), expected, atol=1e-5)


def test_the_logarithm_of_probabilities_is_taken_and_said(tmp_path):
    path = save_colour_model(tmp_path / "net.onnx", layout="NHWC", softmax=True)
    loaded = load_onnx(path, CLASSES, AS_THEY_ARE)
    assert loaded.takes_logarithm
    assert any("are probabilities" in note and "logarithm" in note for note in loaded.notes)
    assert gives_probabilities(path, AS_THEY_ARE, None)
    pixels = noise(6)
    expected = logarithms(colour_logits(pixels))
    np.testing.assert_allclose(loaded.engine().start(pixels)(), expected, atol=1e-5)


def test_a_probability_of_zero_has_a_finite_logarithm(tmp_path):
    model = colour_model(softmax=True)
    for tensor in model.graph.initializer:
        if tensor.name == "weight":
            tensor.CopyFrom(numpy_helper.from_array(1e4 * numpy_helper.to_array(tensor), "weight"))
    onnx.save(model, tmp_path / "net.onnx")
    found = logits_of(tmp_path / "net.onnx", noise(4))
    assert np.isfinite(found).all()
    assert found.min() == pytest.approx(np.log(np.finfo(np.float32).tiny), rel=1e-6)


def test_logits_are_no_probabilities(tmp_path):
    path = save_colour_model(tmp_path / "net.onnx")
    assert not load_onnx(path, CLASSES, AS_THEY_ARE).takes_logarithm
    assert not gives_probabilities(path, AS_THEY_ARE, None)


def test_outputs_of_a_sigmoid_are_taken_as_they_are_and_said(tmp_path):
    model = colour_model()
    model.graph.node[-2].output[0] = "scores"
    model.graph.node.insert(
        len(model.graph.node) - 1, helper.make_node("Sigmoid", ["scores"], ["logits"])
    )
    onnx.save(model, tmp_path / "net.onnx")
    loaded = load_onnx(tmp_path / "net.onnx", CLASSES, AS_THEY_ARE)
    assert not loaded.takes_logarithm
    assert any("do not sum to 1" in note for note in loaded.notes)


def test_of_several_outputs_one_is_named(tmp_path):
    path = save_colour_model(tmp_path / "net.onnx", outputs=("features", "logits", "label"))
    with pytest.raises(ClassifierError) as caught:
        load_onnx(path, CLASSES, AS_THEY_ARE)
    for word in ("'features' (float, any × 3)", "'logits' (float, any × 2)", "--output NAME"):
        assert word in str(caught.value)
    pixels = noise(3)
    found = logits_of(path, pixels, output="logits")
    np.testing.assert_allclose(found, colour_logits(pixels), atol=1e-5)
    with pytest.raises(ClassifierError, match="has no output 'logit'; it has 'features'"):
        load_onnx(path, CLASSES, AS_THEY_ARE, "logit")
    with pytest.raises(ClassifierError, match="the output 'label' does not hold one number"):
        load_onnx(path, CLASSES, AS_THEY_ARE, "label")
    with pytest.raises(ClassifierError, match=r"gives 3 numbers for a picture, but .* 2 classes"):
        load_onnx(path, CLASSES, AS_THEY_ARE, "features")


def test_the_one_output_that_can_hold_logits_is_taken_and_said(tmp_path):
    path = save_colour_model(tmp_path / "net.onnx", outputs=("label", "logits"))
    assert "its output 'logits' is taken" in load_onnx(path, CLASSES, AS_THEY_ARE).notes


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the older exporter is what is meant
def test_torch_s_export_gives_torch_s_logits(tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=2),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 2),
    ).eval()
    example, path = torch.zeros(1, 3, SIDE, SIDE), tmp_path / "net.onnx"
    pixels = noise(5)
    batch = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float().div(255)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (AS_THEY_ARE.mean, AS_THEY_ARE.std))
    with torch.inference_mode():
        expected = network((batch - mean) / std).numpy()
    for axes in ({"pictures": {0: "batch"}, "scores": {0: "batch"}}, None):
        torch.onnx.export(
            network,
            (example,),
            str(path),
            dynamo=False,
            opset_version=13,
            input_names=["pictures"],
            output_names=["scores"],
            dynamic_axes=axes,
        )
        np.testing.assert_allclose(logits_of(path, pixels), expected, atol=1e-5)


def test_a_transform_is_fitted_to_the_size_that_a_graph_asks_for():
    assert fitted(Transform(), (None, None)) == Transform()
    assert fitted(Transform(), (112, 112)) == replace(
        Transform(), resize=(160, 160), crop=(112, 112)
    )
    usual = Transform(resize=256, interpolation="bilinear")
    assert fitted(usual, (299, 299)) == replace(usual, resize=342, crop=(299, 299))
    assert fitted(usual, (112, 224)) == replace(usual, resize=(128, 256), crop=(112, 224))


def test_another_size_than_the_graph_s_is_refused_with_the_line_to_write(tmp_path):
    path = save_colour_model(tmp_path / "net.onnx", sides=(40, 24))
    with pytest.raises(ClassifierError, match=r"pictures of 40 × 24 .* write crop = \[40, 24\]"):
        load_onnx(path, CLASSES, AS_THEY_ARE)


@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "/etc/hosts", r"..\w.bin"])
@pytest.mark.parametrize("where", ["initializer", "constant", "branch"])
def test_tensors_in_other_files_are_refused_by_name(tmp_path, place, where):
    model = colour_model()
    tensor = numpy_helper.from_array(np.zeros(2, dtype=np.float32), "hidden")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", place
    constant = helper.make_node("Constant", [], ["unused"], value=tensor)
    if where == "initializer":
        model.graph.initializer.append(tensor)
    elif where == "constant":
        model.graph.node.append(constant)
    else:
        output = helper.make_tensor_value_info("unused", TensorProto.FLOAT, [2])
        branch = helper.make_graph([constant], "branch", [], [output])
        model.graph.node.append(
            helper.make_node("If", ["input"], ["either"], then_branch=branch, else_branch=branch)
        )
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    leads_out = "leads out of its folder" if place != "weights.bin" else "in another file"
    with pytest.raises(ClassifierError) as caught:
        read_onnx(path)
    for word in (leads_out, "'hidden'", repr(place), str(path)):
        assert word in str(caught.value)


def test_custom_operators_are_refused_by_name(tmp_path):
    model = colour_model()
    model.opset_import.append(helper.make_opsetid("my.company", 1))
    model.graph.node[0].domain, model.graph.node[0].op_type = "my.company", "Shrink"
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(ClassifierError, match=r"custom operators.*: 'my\.company:Shrink'"):
        read_onnx(tmp_path / "net.onnx")
    model.graph.node[0].domain, model.graph.node[0].op_type = "com.microsoft", "EPContext"
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(ClassifierError, match="EPContext"):
        read_onnx(tmp_path / "net.onnx")


def test_an_operator_that_the_file_itself_defines_is_none_of_these(tmp_path):
    model = colour_model()
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node[-2].domain, model.graph.node[-2].op_type = "own", "Plus"
    body = [helper.make_node("Add", ["a", "b"], ["c"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Plus", ["a", "b"], ["c"], body, opsets))
    onnx.save(model, tmp_path / "net.onnx")
    pixels = noise(3)
    found = logits_of(tmp_path / "net.onnx", pixels)
    np.testing.assert_allclose(found, colour_logits(pixels), atol=1e-5)


def set_shape(model: onnx.ModelProto, *sides: int | str) -> onnx.ModelProto:
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("input", TensorProto.FLOAT, list(sides))
    )
    return model


def two_inputs() -> onnx.ModelProto:
    model = colour_model()
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["N"]))
    return model


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (set_shape(colour_model(), "N", 192), "of the shape any × 192, not pictures"),
        (
            set_shape(colour_model(), "N", 1, 28, 28),
            "of the shape any × 1 × 28 × 28; pictures have",
        ),
        (two_inputs(), "takes 2 inputs ('input', 'mask')"),
        (colour_model(kind=TensorProto.INT32), "takes 'input' as tensor(int32)"),
    ],
    ids=["flat", "grey", "two inputs", "int32"],
)
def test_graphs_that_take_no_pictures_are_refused(tmp_path, model, words):
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(ClassifierError) as caught:
        load_onnx(tmp_path / "net.onnx", CLASSES, AS_THEY_ARE)
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x00" * 64])
def test_what_is_no_onnx_file_is_refused(tmp_path, content):
    path = tmp_path / "net.onnx"
    with pytest.raises(ClassifierError, match="does not exist"):
        read_onnx(path)
    path.write_bytes(content)
    with pytest.raises(ClassifierError, match="is no ONNX file"):
        read_onnx(path)


def test_what_onnx_runtime_does_not_know_is_refused_by_name(tmp_path):
    model = colour_model()
    model.graph.node[0].op_type = "Shrinkage"
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(ClassifierError, match="Shrinkage"):
        load_onnx(tmp_path / "net.onnx", CLASSES, AS_THEY_ARE)


@pytest.mark.parametrize(
    "metadata",
    [
        {"classes": '["red", "blue"]'},
        {"class_names": "red,blue"},
        {"names": "{0: 'red', 1: 'blue'}"},  # as YOLO writes it
        {"id2label": '{"0": "red", "1": "blue"}'},
        {"class_to_idx": '{"blue": 1, "red": 0}'},
        {"labels": "red\nblue\n"},
    ],
    ids=lambda item: next(iter(item)),
)
def test_class_names_in_the_metadata_are_read(tmp_path, metadata):
    path = save_colour_model(tmp_path / "net.onnx", metadata=metadata)
    assert read_onnx(path).classes == ("red", "blue")


def test_other_metadata_are_no_class_names(tmp_path):
    path = save_colour_model(
        tmp_path / "net.onnx", metadata={"author": "a, b", "stride": "32", "names": "7"}
    )
    assert read_onnx(path).classes is None


def test_class_names_of_scikit_learn_are_read(tmp_path):
    model = colour_model()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    model.graph.node.append(
        helper.make_node(
            "LinearClassifier",
            ["features"],
            ["named", "probabilities"],
            domain="ai.onnx.ml",
            coefficients=[0.0] * 6,
            intercepts=[0.0, 0.0],
            classlabels_strings=["red", "blue"],
        )
    )
    onnx.save(model, tmp_path / "net.onnx")
    assert read_onnx(tmp_path / "net.onnx").classes == ("red", "blue")


def test_devices_are_those_of_onnx_runtime(monkeypatch):
    import onnxruntime

    from openmax_core.network import devices

    assert choose_onnx_device("cpu") == "cpu"
    with pytest.raises(ClassifierError, match="cpu and cuda alone"):
        choose_onnx_device("mps")
    with pytest.raises(ClassifierError, match="no device 'gpu'"):
        choose_onnx_device("gpu")
    monkeypatch.setattr(devices, "_may_have_accelerator", lambda: True)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert choose_onnx_device("auto") == "cpu"
    with pytest.raises(ClassifierError, match="install onnxruntime-gpu instead of onnxruntime"):
        choose_onnx_device("cuda")
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    assert choose_onnx_device("auto") == choose_onnx_device("cuda") == "cuda"


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_cuda_provider_that_does_not_start_is_named(tmp_path):
    path = save_colour_model(tmp_path / "net.onnx")
    with pytest.raises(ClassifierError, match="CUDA provider does not start"):
        open_session(path, device="cuda")
