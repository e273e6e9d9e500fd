"""Classifiers: every architecture's head, weights files of every kind, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torchvision.models import regnet

from openmax_core.errors import ClassifierError
from openmax_core.network.classifier import (
    architectures,
    build_network,
    head_classes,
    head_name,
    load_backbone,
    load_classifier,
    read_weights,
)
from openmax_core.network.matching import AUXILIARY
from openmax_core.pictures.images import Transform

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

SMALL = "shufflenet_v2_x0_5"
CLASSES = ("ash", "birch", "cedar", "date")
State = dict[str, torch.Tensor]


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every tensor its own values, the statistics of batch normalisation included."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            value.copy_(0.5 + noise if name.endswith("running_var") else (noise - 0.4) * 0.2)
    return network.eval()


def logits_of(network: nn.Module, side: int = 64) -> torch.Tensor:
    batch = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return network(batch)


@pytest.fixture(scope="module")
def small() -> nn.Module:
    return randomised(build_network(SMALL, len(CLASSES)))


@pytest.fixture
def state(small: nn.Module) -> State:
    return {name: value.clone() for name, value in small.state_dict().items()}


def load_small(path: Path, classes: tuple[str, ...] = CLASSES) -> nn.Module:
    return load_classifier(SMALL, path, classes).network


# --- heads -----------------------------------------------------------------------------------


@pytest.fixture
def regnet_on_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let RegNet compute its block widths from real numbers under the meta device."""
    from_init_params = regnet.BlockParams.from_init_params

    def on_cpu(*arguments: Any, **options: Any) -> Any:
        with torch.device("cpu"):
            return from_init_params(*arguments, **options)

    monkeypatch.setattr(regnet.BlockParams, "from_init_params", on_cpu)


@pytest.fixture
def unfilled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the layers no first values: the meta device has none, and it takes most of the time."""

    def leave(tensor: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        return tensor

    for name in vars(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(nn.init, name, leave)


def test_all_classification_architectures_of_torchvision_are_known_and_no_others() -> None:
    known = architectures()
    assert len(known) >= 80
    assert known == sorted(known)
    assert {"resnet50", "vit_b_16", "squeezenet1_0", "maxvit_t", SMALL} <= set(known)
    assert not {"fasterrcnn_resnet50_fpn", "fcn_resnet50", "r3d_18", "raft_small"} & set(known)


@pytest.mark.usefixtures("regnet_on_meta", "unfilled")
@pytest.mark.parametrize("architecture", architectures())
def test_the_head_of_every_architecture_has_one_output_per_class(architecture: str) -> None:
    with torch.device("meta"):
        network = build_network(architecture, 7)
    head = network.get_submodule(head_name(network))
    outputs = head.out_features if isinstance(head, nn.Linear) else head.out_channels
    assert outputs == 7
    assert head_classes(network, network.state_dict()) == 7
    # … and no other layer depends on the number of classes
    elsewhere = [
        name
        for name, value in network.state_dict().items()
        if value.ndim
        and 7 in (value.shape[0], value.shape[-1])
        and value.ndim <= 2
        and not name.startswith((head_name(network) + ".", *AUXILIARY))
    ]
    assert elsewhere == []


@pytest.mark.usefixtures("regnet_on_meta", "unfilled")
@pytest.mark.parametrize(
    ("architecture", "head"),
    [
        ("alexnet", "classifier.6"),
        ("convnext_tiny", "classifier.2"),
        ("densenet121", "classifier"),
        ("efficientnet_b0", "classifier.1"),
        ("googlenet", "fc"),
        ("inception_v3", "fc"),
        ("maxvit_t", "classifier.5"),
        ("mnasnet0_5", "classifier.1"),
        ("mobilenet_v2", "classifier.1"),
        ("mobilenet_v3_small", "classifier.3"),
        ("regnet_x_400mf", "fc"),
        ("resnet50", "fc"),
        ("shufflenet_v2_x0_5", "fc"),
        ("squeezenet1_0", "classifier.1"),
        ("swin_v2_t", "head"),
        ("vgg16", "classifier.6"),
        ("vit_b_16", "heads.head"),
    ],
)
def test_heads_are_found_in_every_family(architecture: str, head: str) -> None:
    with torch.device("meta"):
        assert head_name(build_network(architecture, 7)) == head


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("resnet5", "resnet50"), ("ResNet50", "resnet50"), ("mobilenetv2", "mobilenet_v2")],
)
def test_an_unknown_architecture_is_named_with_those_like_it(name: str, suggestion: str) -> None:
    with pytest.raises(ClassifierError) as caught:
        build_network(name, 4)
    message = str(caught.value)
    assert message.startswith(f"torchvision has no classification architecture '{name}'; did you")
    assert suggestion in message


def test_a_detector_is_no_classification_architecture() -> None:
    with pytest.raises(ClassifierError, match="no classification architecture 'fasterrcnn_"):
        build_network("fasterrcnn_resnet50_fpn", 4)


# --- weights that fit ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "architecture",
    ["resnet50", "squeezenet1_0", "mobilenet_v3_small", "densenet121", SMALL, "googlenet"],
)
def test_loaded_weights_give_the_original_networks_logits(
    tmp_path: Path, architecture: str
) -> None:
    original = randomised(build_network(architecture, 4))
    path = tmp_path / "weights.pth"
    torch.save(original.state_dict(), path)
    transform = Transform(resize=64, crop=(64, 64))
    classifier = load_classifier(architecture, path, CLASSES, transform)
    assert classifier.architecture == architecture
    assert classifier.classes == CLASSES
    assert classifier.transform == transform
    assert not classifier.network.training
    logits = logits_of(classifier.network)
    assert logits.shape == (2, 4)
    assert torch.equal(logits, logits_of(original))


def save_torch(state: Any, path: Path) -> None:
    torch.save(state, path)


def save_old_torch(state: Any, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def save_safetensors(state: Any, path: Path) -> None:
    safetensors.torch.save_file(state, path)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("w.safetensors", save_safetensors),
        ("w.SafeTensors", save_safetensors),
        ("w.pth", save_torch),
        ("w.pt", save_torch),
        ("w.pt", save_old_torch),
    ],
)
def test_weights_are_read_from_every_kind_of_file(
    tmp_path: Path, small: nn.Module, state: State, name: str, save: Callable[[Any, Path], None]
) -> None:
    path = tmp_path / name
    save(state, path)
    assert torch.equal(logits_of(load_small(path)), logits_of(small))


def prefixed(prefix: str) -> Callable[[State], dict[str, Any]]:
    return lambda state: {prefix + name: value for name, value in state.items()}


WRAPPINGS: dict[str, Callable[[State], dict[str, Any]]] = {
    "bare": dict,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "model_state_dict": lambda state: {"model_state_dict": state, "loss": 0.5},
    "DataParallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "compiled DataParallel": prefixed("_orig_mod.module."),
    "Lightning": lambda state: {"state_dict": prefixed("model.")(state), "epoch": 1},
    "twice": lambda state: {"model": {"state_dict": prefixed("module.")(state)}},
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_an_architecture_that_numbers_its_layouts_loads_too(tmp_path: Path, suffix: str) -> None:
    # Its layout's number stands in what torch.save keeps beside the tensors, if at all.
    network = build_network("mnasnet0_5", 3)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(network.state_dict(), path)
    else:
        safetensors.torch.save_file(network.state_dict(), path)
    loaded = load_classifier("mnasnet0_5", path, ("a", "b", "c")).network
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS.keys())
def test_wrappings_of_training_scripts_are_taken_off(
    tmp_path: Path, small: nn.Module, state: State, wrap: Callable[[State], dict[str, Any]]
) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(wrap(state), path)
    assert list(read_weights(path)) == list(state)
    assert torch.equal(logits_of(load_small(path)), logits_of(small))


def test_a_path_may_be_text(tmp_path: Path, small: nn.Module, state: State) -> None:
    torch.save(state, tmp_path / "w.pth")
    loaded = load_classifier(SMALL, str(tmp_path / "w.pth"), CLASSES)
    assert torch.equal(logits_of(loaded.network), logits_of(small))
    assert loaded.transform == Transform()


def test_old_weights_without_batch_counters_fit(
    tmp_path: Path, small: nn.Module, state: State
) -> None:
    old = {name: value for name, value in state.items() if "num_batches_tracked" not in name}
    assert len(old) < len(state)
    torch.save(old, tmp_path / "w.pth")
    assert torch.equal(logits_of(load_small(tmp_path / "w.pth")), logits_of(small))


def test_weights_with_and_without_auxiliary_branches_fit(tmp_path: Path) -> None:
    original = randomised(build_network("googlenet", 4))
    state = original.state_dict()
    without = {name: value for name, value in state.items() if not name.startswith(AUXILIARY)}
    assert len(without) < len(state)
    torch.save(without, tmp_path / "w.pth")
    loaded = load_classifier("googlenet", tmp_path / "w.pth", CLASSES)
    assert torch.equal(logits_of(loaded.network), logits_of(original))


def test_half_precision_weights_are_computed_in_single_precision(
    tmp_path: Path, state: State
) -> None:
    torch.save({name: value.half() for name, value in state.items()}, tmp_path / "w.pth")
    network = load_small(tmp_path / "w.pth")
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert torch.equal(network.state_dict()["fc.weight"], state["fc.weight"].half().float())


# --- weights that do not fit -----------------------------------------------------------------


def refused(path: Path, classes: tuple[str, ...] = CLASSES, architecture: str = SMALL) -> str:
    """Return the message with which weights are refused; it names the file."""
    with pytest.raises(ClassifierError) as caught:
        load_classifier(architecture, path, classes)
    message = str(caught.value)
    assert str(path) in message
    return message


@pytest.mark.parametrize("architecture", ["resnet18", "shufflenet_v2_x1_0", "squeezenet1_0"])
def test_weights_of_another_architecture_name_it_and_the_class_counts(
    tmp_path: Path, state: State, architecture: str
) -> None:
    torch.save(state, tmp_path / "w.pth")
    message = refused(tmp_path / "w.pth", ("a", "b", "c"), architecture)
    assert f"are not of the architecture {architecture} with 3 classes" in message
    assert "set the architecture that it was trained with" in message
    if architecture != "squeezenet1_0":  # whose head has another name
        assert "The file holds 338 tensors and 4 classes" in message


@pytest.mark.parametrize("architecture", [SMALL, "squeezenet1_0", "mobilenet_v3_small"])
def test_another_class_count_is_named_with_the_one_expected(
    tmp_path: Path, architecture: str
) -> None:
    torch.save(build_network(architecture, 4).state_dict(), tmp_path / "w.pth")
    message = refused(tmp_path / "w.pth", ("a", "b", "c"), architecture)
    assert f"are of {architecture} with 4 classes, but the workspace has 3" in message


@pytest.mark.parametrize(
    ("name", "shape"),
    [("fc.bias", (3,)), ("fc.weight", (4, 3)), ("fc.weight", ()), ("fc.weight", (4, 1024, 1, 1))],
)
def test_a_head_of_another_shape_is_refused_and_not_left_random(
    tmp_path: Path, state: State, name: str, shape: tuple[int, ...]
) -> None:
    state[name] = torch.ones(shape)
    torch.save(state, tmp_path / "w.pth")
    assert name in refused(tmp_path / "w.pth")


def test_weights_without_a_head_are_refused(tmp_path: Path, state: State) -> None:
    del state["fc.weight"]
    torch.save(state, tmp_path / "w.pth")
    assert "1 of its tensors are missing" in refused(tmp_path / "w.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    tmp_path: Path, state: State, value: float
) -> None:
    state["conv1.0.weight"][0, 0, 0, 0] = value
    torch.save(state, tmp_path / "w.pth")
    assert refused(tmp_path / "w.pth").endswith("hold NaN or Inf; train again")


class CreatesAFile:
    """Creates a file when it is unpickled: stands for any code in a weights file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def pickled(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("save", [save_torch, save_old_torch, pickled])
@pytest.mark.parametrize("place", ["alone", "among tensors"])
def test_pickled_objects_are_never_opened(
    tmp_path: Path, state: State, save: Callable[[Any, Path], None], place: str
) -> None:
    trace = tmp_path / "code-ran"
    trap = CreatesAFile(trace)
    path = tmp_path / "w.pth"
    save(trap if place == "alone" else {**state, "trap": trap}, path)
    message = refused(path)
    assert "never opened" in message
    assert message.endswith("torch.save(model.state_dict(), path)")
    assert not trace.exists()
    torch.load(path, weights_only=False) if save is not pickled else pickle.loads(path.read_bytes())
    assert trace.exists()  # the trap works where it is sprung


@pytest.mark.parametrize("save", [save_torch, save_old_torch])
def test_a_whole_pickled_network_is_refused_with_the_way_to_save_weights(
    tmp_path: Path, small: nn.Module, save: Callable[[Any, Path], None]
) -> None:
    save(small, tmp_path / "w.pth")
    assert refused(tmp_path / "w.pth") == (
        f"{tmp_path / 'w.pth'} pickles Python objects, which could run any code and are never "
        "opened; save the weights alone with torch.save(model.state_dict(), path)"
    )


@pytest.mark.parametrize(
    ("content", "kind"), [([1, 2], "list"), ({"epoch": 3}, "dict"), (torch.ones(3), "Tensor")]
)
def test_a_file_without_named_tensors_is_no_state_dict(
    tmp_path: Path, content: Any, kind: str
) -> None:
    torch.save(content, tmp_path / "w.pth")
    assert f"holds a {kind}, no state dict of tensors" in refused(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("name", "save"), [("w.pth", save_torch), ("w.safetensors", save_safetensors)]
)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_torn_or_empty_file_is_damaged(
    tmp_path: Path, state: State, name: str, save: Callable[[Any, Path], None], share: float
) -> None:
    path = tmp_path / name
    save(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "is no " in refused(path)


@pytest.mark.parametrize(
    "content",
    [b"<html>not found</html>", b"\x89PNG\r\n\x1a\n" + bytes(64), b"version https://git-lfs"],
)
def test_a_file_of_another_kind_is_not_taken_for_pickled_objects(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    message = refused(tmp_path / "w.pth")
    assert "is no weights file that torch can read" in message
    assert "pickles Python objects" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.pth"
    assert refused(path) == f"the weights file {path} does not exist"


def test_a_folder_is_no_weights_file(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path)


# --- backbones -------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", [SMALL, "squeezenet1_0", "mobilenet_v3_small"])
def test_backbone_weights_leave_the_head_and_copy_the_rest(
    tmp_path: Path, architecture: str
) -> None:
    trained = randomised(build_network(architecture, 1000), seed=5).state_dict()
    network = build_network(architecture, 4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    load_backbone(network, trained, tmp_path / "imagenet.pth")
    head = head_name(network) + "."
    for name, value in network.state_dict().items():
        if name.startswith(head):
            assert torch.equal(value, before[name]), name
        elif not name.endswith("num_batches_tracked"):
            assert torch.equal(value, trained[name]), name


def test_backbone_weights_with_as_many_classes_leave_the_head_too(
    tmp_path: Path, state: State
) -> None:
    network = build_network(SMALL, len(CLASSES))
    before = network.state_dict()["fc.weight"].clone()
    load_backbone(network, state, tmp_path / "w.pth")
    assert torch.equal(network.state_dict()["fc.weight"], before)
    np.testing.assert_array_equal(network.state_dict()["conv5.0.weight"], state["conv5.0.weight"])


def test_backbone_weights_of_another_architecture_are_refused(tmp_path: Path, state: State) -> None:
    network = build_network("squeezenet1_0", 4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ClassifierError, match="are of another architecture") as caught:
        load_backbone(network, state, tmp_path / "w.pth")
    assert str(tmp_path / "w.pth") in str(caught.value)
    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
