"""Networks of timm: the same pixels and the same logits as timm itself."""

from __future__ import annotations

import builtins
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from openmax_core.errors import ClassifierError
from openmax_core.network.classifier import (
    build_for_training,
    head_name,
    load_classifier,
    transform_by_name,
)
from openmax_core.network.engines import OnnxEngine, TorchEngine
from openmax_core.network.onnx_export import export
from openmax_core.network.timm_networks import pretrained, timm_transform
from openmax_core.pictures.images import Transform, decode

timm = pytest.importorskip("timm")
CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("timm") / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (201, 253, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def saved(folder: Path, name: str, n_classes: int = 3, **arguments: object) -> tuple[object, Path]:
    """A network of timm with random weights, and its file."""
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=n_classes, **arguments).eval()
    save_file(network.state_dict(), folder / "weights.safetensors")
    return network, folder / "weights.safetensors"


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_pixels_and_logits_are_those_of_timm_to_the_bit(tmp_path, picture, name):
    network, path = saved(tmp_path, name)
    own = timm.data.create_transform(**timm.data.resolve_data_config({}, model=network))
    batch = own(Image.open(picture).convert("RGB"))[None]
    with torch.inference_mode():
        expected = network.to(memory_format=torch.channels_last)(batch).numpy()  # type: ignore[attr-defined]
    transform = transform_by_name("weights", f"timm:{name}")
    loaded = load_classifier(f"timm:{name}", path, CLASSES, transform)
    assert (loaded.notes, loaded.transform) == ((), transform)
    pixels = transform.pixels(decode(picture, transform=transform))[None]
    np.testing.assert_array_equal(TorchEngine(loaded).start(pixels)(), expected)


def test_a_network_of_timm_is_exported_for_the_cpu(tmp_path, picture):
    _, path = saved(tmp_path, "test_resnet")
    transform = timm_transform("timm:test_resnet")
    loaded = load_classifier("timm:test_resnet", path, CLASSES, transform)
    pixels = transform.pixels(decode(picture))[None]
    found = OnnxEngine(export(loaded), transform).start(pixels)()
    np.testing.assert_allclose(found, TorchEngine(loaded).start(pixels)(), atol=1e-4)


def test_the_transform_is_that_of_the_data_configuration():
    half = (0.5, 0.5, 0.5)
    assert timm_transform("timm:test_vit") == Transform(168, (160, 160), "bicubic", half, half)
    tiny = timm_transform("timm:convnext_tiny.fb_in1k")  # crop_pct 0.875 of 224
    assert (tiny.resize, tiny.crop, tiny.interpolation) == (256, (224, 224), "bicubic")
    squashed = timm_transform("timm:vit_base_patch16_clip_384.laion2b_ft_in12k_in1k")
    assert (squashed.resize, squashed.crop) == ((384, 384), (384, 384))


def test_a_network_of_fixed_size_is_built_for_the_size_of_the_crop(tmp_path):
    network, path = saved(tmp_path, "test_vit", img_size=(64, 64))
    half = (0.5, 0.5, 0.5)
    transform = Transform((64, 64), (64, 64), "bicubic", half, half)
    loaded = load_classifier("timm:test_vit", path, CLASSES, transform)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    given = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(255).sub(0.5).div(0.5)
    with torch.inference_mode():
        expected = network(given)  # type: ignore[operator]
    np.testing.assert_allclose(TorchEngine(loaded).start(pixels)(), expected, atol=1e-5)


def test_weights_of_another_network_or_class_count_are_refused(tmp_path):
    _, path = saved(tmp_path, "test_resnet")
    with pytest.raises(ClassifierError, match="with 3 classes, but the workspace has 2"):
        load_classifier("timm:test_resnet", path, CLASSES[:2], timm_transform("timm:test_resnet"))
    with pytest.raises(ClassifierError, match="set the architecture that it was trained with"):
        load_classifier("timm:test_vit", path, CLASSES, timm_transform("timm:test_vit"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:test_resnat", "timm has no network 'test_resnat'; did you mean timm:test_resnet"),
        ("timm:test_resnet.nothing", "no weights 'nothing' of test_resnet; there are r160_in1k"),
        ("timm:hf-hub:a/b", "--architecture timm:hf-hub:a/b --weights DEFAULT"),
        ("timm:local-dir:/x", "is not in timm's own list"),
        ("timm:", "timm has no network ''"),
    ],
)
def test_names_that_timm_does_not_list_are_refused_with_a_way_out(tmp_path, name, words):
    with pytest.raises(ClassifierError) as caught:
        load_classifier(name, tmp_path / "w.pth", CLASSES)
    assert words in str(caught.value)


def test_without_timm_the_line_that_installs_it_is_said(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] == "timm":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for use in (timm_transform, pretrained):
        with pytest.raises(ClassifierError, match=r'^timm:test_vit needs timm: pip install "\.\[t'):
            use("timm:test_vit")


def local_dir(folder: Path, **config: object) -> Path:
    """A folder as timm saves it for the hub, with random weights."""
    saved(folder, "test_resnet", 2)
    (folder / "weights.safetensors").rename(folder / "model.safetensors")
    settings = {
        "architecture": "test_resnet",
        "num_classes": 2,
        "num_features": 1,
        "pretrained_cfg": {
            "tag": "mine",
            "input_size": [3, 96, 96],
            "crop_pct": 0.9,
            "interpolation": "bicubic",
            "mean": [0.5, 0.4, 0.3],
            "std": [0.2, 0.2, 0.2],
            "num_classes": 2,
            "label_names": ["red", "blue"],
            "first_conv": "conv1.0",
            "classifier": "fc",
        },
        **config,
    }
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def test_what_timm_loads_from_a_folder_or_the_hub_is_taken_with_its_transform(tmp_path):
    found = pretrained(f"timm:local-dir:{local_dir(tmp_path)}")
    assert found.architecture == "timm:test_resnet"
    assert found.classes == ("red", "blue")
    expected = Transform(106, (96, 96), "bicubic", (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    assert found.transform == expected


def test_arguments_that_the_name_does_not_say_are_refused(tmp_path):
    folder = local_dir(tmp_path, model_args={"global_pool": "max"})
    with pytest.raises(ClassifierError, match="was built with arguments that the name"):
        pretrained(f"timm:local-dir:{folder}")


def test_weights_that_cannot_be_had_are_named(tmp_path):
    with pytest.raises(ClassifierError, match="timm cannot load the weights of local-dir:"):
        pretrained(f"timm:local-dir:{tmp_path}")


def test_the_last_layer_is_the_one_that_timm_names():
    for name, head in (("test_resnet", "fc"), ("test_convnext", "head.fc")):
        network = build_for_training(f"timm:{name}", 2, Transform())
        assert head_name(network) == head
