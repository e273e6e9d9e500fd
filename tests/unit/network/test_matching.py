"""Checkpoints as training scripts write them: torchvision's logits, or a refusal in words.

The reference is torchvision's own network with its own ``load_state_dict``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import densenet, vision_transformer

from openmax_core.errors import ClassifierError
from openmax_core.network.checkpoint import Checkpoint
from openmax_core.network.classifier import (
    Classifier,
    build_for_training,
    build_network,
    check_architecture,
    load_classifier,
    load_state,
)
from openmax_core.pictures.images import Transform
from tests.unit.network.test_classifier import logits_of, randomised

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

SMALL = "shufflenet_v2_x0_5"
CLASSES = ("ash", "birch", "cedar", "date")
SIZE = Transform(64, (64, 64))
State = dict[str, torch.Tensor]
Make = Callable[[State], dict[str, Any]]


@pytest.fixture(scope="module")
def small() -> nn.Module:
    return randomised(getattr(torchvision.models, SMALL)(num_classes=4))


@pytest.fixture
def state(small: nn.Module) -> State:
    return dict(small.state_dict())


def loaded(tmp_path: Path, content: Any, architecture: str = SMALL, **options: Any) -> Classifier:
    path = tmp_path / "w.pth"
    torch.save(content, path)
    return load_classifier(architecture, path, CLASSES, SIZE, **options)


def refused(tmp_path: Path, content: Any, architecture: str = SMALL) -> str:
    with pytest.raises(ClassifierError) as caught:
        loaded(tmp_path, content, architecture)
    assert str(tmp_path / "w.pth") in str(caught.value)
    return str(caught.value)


def prefixed(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def renamed(state: State, before: str, after: str) -> State:
    return {
        after + name.removeprefix(before) if name.startswith(before) else name: value
        for name, value in state.items()
    }


def with_entries(state: State) -> dict[str, Any]:
    """As torchvision's own training script saves it."""
    averaged = {"n_averaged": torch.tensor(3)} | prefixed(
        "module.", {name: value * 2 for name, value in state.items()}
    )
    return {"model": state, "model_ema": averaged, "optimizer": {"state": {}}, "epoch": 3}


EXTRA = {"criterion.weight": torch.ones(4), "train_acc.total": torch.tensor(3)}
CHECKPOINTS: dict[str, tuple[Make, str]] = {
    "AveragedModel": (
        lambda state: {"n_averaged": torch.tensor(3), **prefixed("module.", state)},
        "left out, as they are no part of the network: 'n_averaged'",
    ),
    "torchvision's references": (
        with_entries,
        "the weights 'model' are taken; the file has 'model_ema' too (--weights-entry",
    ),
    "Lightning": (
        lambda state: {"state_dict": {**prefixed("net.", state), **EXTRA}},
        "left out, as they are no part of the network: 'criterion.weight', 'train_acc.total'",
    ),
    "a prefix of one's own": (lambda state: prefixed("my_part.backbone.", state), ""),
    "compiled in Lightning": (lambda state: prefixed("model._orig_mod.", state), ""),
    "losses beside a bare network": (
        lambda state: {**state, **EXTRA},
        "left out, as they are no part of the network: 'criterion.weight', 'train_acc.total'",
    ),
    "dropout before the head": (
        lambda state: renamed(state, "fc.", "fc.1."),
        "the last layer is 'fc.1' in the file",
    ),
    "mmpretrain": (
        lambda state: {
            "state_dict": prefixed(
                "head.", {name: value for name, value in state.items() if name[:3] == "fc."}
            )
            | prefixed(
                "backbone.", {name: value for name, value in state.items() if name[:3] != "fc."}
            )
        },
        "the last layer is 'head.fc' in the file",
    ),
    "two networks": (
        lambda state: {
            **prefixed("teacher.", {name: value * 2 for name, value in state.items()}),
            **prefixed("student.", state),
        },
        "the weights 'student' are taken; the file has 'teacher' too",
    ),
}


@pytest.mark.parametrize(("make", "note"), CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
def test_checkpoints_of_training_scripts_give_the_networks_logits(
    tmp_path: Path, small: nn.Module, state: State, make: Make, note: str
) -> None:
    classifier = loaded(tmp_path, make(state))
    assert torch.equal(logits_of(classifier.network), logits_of(small))
    assert "; ".join(classifier.notes).startswith(note)
    assert len(classifier.notes) == bool(note)


@pytest.mark.parametrize(
    ("make", "entry"), [(with_entries, "model_ema"), (CHECKPOINTS["two networks"][0], "teacher")]
)
def test_averaged_weights_are_loaded_where_they_are_asked_for(
    tmp_path: Path, state: State, make: Make, entry: str
) -> None:
    network = loaded(tmp_path, make(state), weights_entry=entry).network
    assert torch.equal(network.state_dict()["fc.weight"], state["fc.weight"] * 2)


def test_a_head_of_two_layers_is_refused_with_what_was_found(tmp_path: Path, state: State) -> None:
    head = nn.Sequential(nn.Linear(1024, 16), nn.ReLU(), nn.Linear(16, 4)).state_dict()
    content = {name: value for name, value in state.items() if not name.startswith("fc.")}
    message = refused(tmp_path, content | prefixed("fc.", head))
    assert "all but the last layer fits, which is another one in the file" in message
    assert "'fc.0.weight' (16 × 1024)" in message
    assert "'fc.2.weight' (4 × 16)" in message
    assert "set the architecture" not in message


def test_a_layer_after_the_network_is_refused_not_left_out(tmp_path: Path, state: State) -> None:
    extra = {"scale.weight": torch.eye(4), "scale.bias": torch.zeros(4)}
    message = refused(tmp_path, prefixed("net.", state) | extra)
    assert "holds tensors beside it that may change its logits: 'scale.weight'" in message
    assert "Save the weights of the network alone" in message
    assert "set the architecture" not in message


@pytest.mark.parametrize("name", ["mean", "conv1.0.extra", "avgpool.p"])
def test_a_tensor_that_may_be_the_networks_is_refused(
    tmp_path: Path, state: State, name: str
) -> None:
    assert f"'{name}'" in refused(tmp_path, {**state, name: torch.ones(3)})


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["conv_stem.weight", "blocks.0.0.conv_dw.weight"], "the names are those of timm"),
        (["patch_embed.proj.weight", "blocks.0.attn.qkv.weight"], "the names are those of timm"),
        (
            ["resnet.embedder.embedder.convolution.weight", "classifier.1.weight"],
            "the names are those of Hugging Face's transformers",
        ),
        (["conv1.weight_orig", "conv1.weight_mask"], "its layers are pruned or parametrised"),
        (["conv1.weight", "conv1.scale", "conv1.zero_point"], "these are quantised weights"),
        (["layers.0.lora_A.weight"], "these are LoRA adapters"),
    ],
)
def test_names_of_others_are_recognised(tmp_path: Path, names: list[str], words: str) -> None:
    message = refused(tmp_path, {name: torch.ones(2) for name in names})
    assert words in message
    assert "set the architecture" not in message


def test_what_the_file_says_of_its_architecture_is_passed_on(tmp_path: Path, state: State) -> None:
    message = refused(tmp_path, {"arch": SMALL, "state_dict": state}, "resnet18")
    assert f"set the architecture that it was trained with (the file says '{SMALL}')" in message
    notes = loaded(tmp_path, {"arch": "resnetaa50", "state_dict": state}).notes
    assert "which torchvision does not have" in notes[0]


def test_the_prefix_and_the_entry_stand_in_the_message(tmp_path: Path, state: State) -> None:
    del state["conv1.0.weight"]
    message = refused(tmp_path, {"state_dict": prefixed("backbone.", state)})
    assert "w.pth, entry 'state_dict', names that begin with 'backbone.' are not of" in message
    assert message.endswith("save the whole state dict: torch.save(model.state_dict(), path)")


def test_another_order_of_classes_in_the_file_is_told_when_it_is_loaded(
    tmp_path: Path, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    loaded(tmp_path, {"state_dict": state, "classes": list(CLASSES)})
    assert not caplog.records
    loaded(tmp_path, {"state_dict": state, "classes": list(reversed(CLASSES))})
    assert "notes the classes in another order: 'date', 'cedar'" in caplog.text


# --- numbers that cannot be computed with ------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64]
)
def test_weights_of_other_numbers_are_refused_by_name(
    tmp_path: Path, state: State, dtype: torch.dtype
) -> None:
    state["conv1.0.weight"] = state["conv1.0.weight"].to(dtype)
    message = refused(tmp_path, state)
    assert f"'conv1.0.weight' is {str(dtype).removeprefix('torch.')}" in message
    assert "Quantised weights" in message


def test_quantised_and_sparse_tensors_are_refused_by_name(tmp_path: Path, state: State) -> None:
    weight = state["fc.weight"]
    state["fc.weight"] = torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)
    assert "'fc.weight' is qint8" in refused(tmp_path, state)
    state["fc.weight"] = weight.to_sparse()
    assert "are sparse ('fc.weight')" in refused(tmp_path, state)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_a_backbone_of_other_numbers_is_refused(
    tmp_path: Path, state: State, dtype: torch.dtype
) -> None:
    state["conv1.0.weight"] = state["conv1.0.weight"].to(dtype)
    with pytest.raises(ClassifierError, match=r"'conv1\.0\.weight' is (int8|float8_e4m3fn)"):
        build_for_training(SMALL, 4, SIZE, Checkpoint(tmp_path / "w.pth", state))


# --- what torchvision builds by arguments ------------------------------------------------------


def former_densenet(state: State) -> State:
    """Names as torchvision's download of 2017 has them."""
    pattern = r"(denselayer\d+\.(?:norm|relu|conv))(\d)\."
    return {
        re.sub(pattern, r"\1.\2.", name): value
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.fixture
def small_densenet(monkeypatch: pytest.MonkeyPatch) -> None:
    original = densenet._densenet

    def smaller(growth: int, blocks: Any, first: int, *rest: Any, **named: Any) -> nn.Module:
        return original(4, (1, 1, 1, 1), 8, *rest, **named)

    monkeypatch.setattr(densenet, "_densenet", smaller)


@pytest.mark.usefixtures("small_densenet")
def test_the_former_names_of_densenet_are_read(tmp_path: Path) -> None:
    original = randomised(torchvision.models.densenet121(num_classes=4))
    content = former_densenet(dict(original.state_dict()))
    assert not set(content) & {name for name in original.state_dict() if "norm1" in name}
    network = loaded(tmp_path, content, "densenet121").network
    assert torch.equal(logits_of(network), logits_of(original))
    trained = build_for_training("densenet121", 7, SIZE, Checkpoint.of(tmp_path, content))
    name = "features.denseblock1.denselayer1.conv1.weight"
    assert torch.equal(trained.state_dict()[name], original.state_dict()[name])


@pytest.fixture
def small_vit(monkeypatch: pytest.MonkeyPatch) -> None:
    original = vision_transformer._vision_transformer

    def smaller(**named: Any) -> nn.Module:
        return original(**{**named, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 8})

    monkeypatch.setattr(vision_transformer, "_vision_transformer", smaller)


@pytest.mark.usefixtures("small_vit")
@pytest.mark.parametrize("representation_size", [None, 5])
def test_the_size_of_a_vision_transformers_pictures_comes_from_its_weights(
    tmp_path: Path, representation_size: int | None
) -> None:
    original = randomised(
        torchvision.models.vit_b_16(
            num_classes=4, image_size=64, representation_size=representation_size
        )
    )
    network = loaded(tmp_path, original.state_dict(), "vit_b_16").network
    assert network.image_size == 64
    assert torch.equal(logits_of(network), logits_of(original))


@pytest.mark.usefixtures("small_vit")
def test_the_former_names_of_a_vision_transformer_are_read(tmp_path: Path) -> None:
    original = randomised(torchvision.models.vit_b_16(num_classes=4, image_size=64))
    former = {
        name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): value
        for name, value in original.state_dict().items()
    }
    assert former.keys() != original.state_dict().keys()
    network = loaded(tmp_path, former, "vit_b_16").network
    assert torch.equal(logits_of(network), logits_of(original))


@pytest.mark.usefixtures("small_vit")
def test_pictures_of_another_size_than_a_vision_transformer_takes_are_refused(
    tmp_path: Path,
) -> None:
    original = torchvision.models.vit_b_16(num_classes=4, image_size=96)
    message = refused(tmp_path, original.state_dict(), "vit_b_16")
    assert "are of vit_b_16 for pictures of 96 × 96 pixels" in message
    assert "crop under [transform] gives 64 × 64; write crop = [96, 96]" in message
    backbone = Checkpoint.of(tmp_path, original.state_dict())
    with pytest.raises(ClassifierError, match="for pictures of 96 × 96 pixels"):
        build_for_training("vit_b_16", 4, SIZE, backbone)
    assert build_for_training("vit_b_16", 4, SIZE).image_size == 64
    with pytest.raises(ClassifierError, match=r"vit_b_16 .*64 × 80"):
        build_for_training("vit_b_16", 4, Transform(96, (64, 80)))


def test_an_old_mnasnet_is_built_as_it_was(tmp_path: Path) -> None:
    original = torchvision.models.mnasnet0_5(num_classes=4)
    old: Any = torch.nn.Module.state_dict(original)
    old._metadata[""]["version"] = 1
    with pytest.warns(UserWarning, match="previous version"), pytest.raises(RuntimeError):
        original.load_state_dict(old)  # torchvision builds the old stem, then sees other shapes
    original = randomised(original)
    state = original.state_dict()
    assert state["layers.0.weight"].shape[0] == 32
    network = loaded(tmp_path, dict(state), "mnasnet0_5").network
    assert torch.equal(logits_of(network), logits_of(original))


def test_transform_input_changes_the_logits_as_torchvisions_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    original = torchvision.models.googlenet(
        num_classes=4, transform_input=True, init_weights=False, aux_logits=True
    ).eval()
    with torch.no_grad():
        original.fc.weight.mul_(100)
    state = original.state_dict()
    network = loaded(tmp_path, state, "googlenet", transform_input=True).network
    assert torch.equal(logits_of(network), logits_of(original))
    assert not caplog.records
    without = loaded(tmp_path, state, "googlenet").network
    assert not torch.allclose(logits_of(without), logits_of(original))
    assert "torchvision's pretrained weights need transform_input=True" in caplog.text


def test_other_architectures_have_no_transform_input() -> None:
    with pytest.raises(ClassifierError, match="resnet18 has no transform_input; only googlenet"):
        check_architecture("resnet18", 4, transform_input=True)


# --- memory and randomness ---------------------------------------------------------------------


def test_a_network_that_does_not_fit_never_gets_memory(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = []

    def look(network: nn.Module, *rest: Any) -> None:
        networks.append(network)
        load_state(network, *rest)

    monkeypatch.setattr("openmax_core.network.classifier.load_state", look)
    assert "not of the architecture resnet152" in refused(tmp_path, state, "resnet152")
    (network,) = networks
    assert all(value.is_meta for value in network.parameters() if value.ndim > 1)


def test_loading_draws_no_random_numbers(tmp_path: Path, state: State) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    loaded(tmp_path, state)
    check_architecture("swin_t", 4)
    assert torch.equal(torch.rand(3), expected)


def test_a_loaded_network_is_a_copy_of_the_file(tmp_path: Path, state: State) -> None:
    network = loaded(tmp_path, state).network
    assert all(value.is_contiguous() for value in network.state_dict().values())
    assert all(not value.is_meta for value in network.state_dict().values())
    assert build_network(SMALL, 4).state_dict().keys() == network.state_dict().keys()


def test_a_backbone_of_a_deeper_network_is_refused(tmp_path: Path) -> None:
    deeper = torchvision.models.resnet34(num_classes=4).state_dict()
    with pytest.raises(ClassifierError, match=r"are not those of resnet18, 'layer1\.2"):
        build_for_training("resnet18", 4, SIZE, Checkpoint(tmp_path / "w.pth", dict(deeper)))
