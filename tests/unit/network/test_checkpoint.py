"""Checkpoints: which entry is taken, prefixes, and class names that stand in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from openmax_core.errors import ClassifierError
from openmax_core.network.checkpoint import Checkpoint, read_checkpoint
from openmax_core.network.class_names import OWN_METADATA

RAW = {"conv.weight": torch.zeros(2), "fc.weight": torch.zeros(3)}
AVERAGED = {"conv.weight": torch.ones(2), "fc.weight": torch.ones(3)}
N_AVERAGED = {"n_averaged": torch.tensor(7)}


def saved(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "w.pth"
    torch.save(content, path)
    return path


def prefixed(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in tensors.items()}


TWO = [
    ({"model": RAW, "model_ema": N_AVERAGED | prefixed("module.", AVERAGED)}, "model", "model_ema"),
    ({"state_dict_ema": AVERAGED, "state_dict": RAW}, "state_dict", "state_dict_ema"),
    ({"ema": {"shadow": AVERAGED}, "net": RAW}, "net", "ema.shadow"),
    ({"ema_model": {"state_dict": AVERAGED}, "model": RAW}, "model", "ema_model.state_dict"),
]


@pytest.mark.parametrize(("content", "raw", "averaged"), TWO, ids=[raw for _, raw, _ in TWO])
def test_raw_weights_are_taken_before_averaged_ones_unless_somebody_asks(
    tmp_path: Path, content: dict[str, Any], raw: str, averaged: str
) -> None:
    path = saved(tmp_path, {**content, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}})
    found = read_checkpoint(path)
    assert (found.entry, found.other_entries) == (raw, (averaged,))
    assert torch.equal(found.tensors["fc.weight"], RAW["fc.weight"])
    asked = read_checkpoint(path, averaged)
    assert (asked.entry, asked.other_entries) == (averaged, (raw,))
    assert torch.equal(asked.tensors["fc.weight"], AVERAGED["fc.weight"])


def test_averaged_weights_are_taken_where_there_are_no_others(tmp_path: Path) -> None:
    found = read_checkpoint(saved(tmp_path, {"model_ema": AVERAGED, "scale": torch.ones(1)}))
    assert (found.entry, found.other_entries) == ("model_ema", ())
    assert set(found.tensors) == set(AVERAGED)


def test_an_entry_of_an_unknown_name_is_taken_and_an_optimizer_never(tmp_path: Path) -> None:
    content = {"optimizer": {"momentum": torch.ones(9)}, "my_net": RAW, "epoch": 3}
    assert read_checkpoint(saved(tmp_path, content)).entry == "my_net"
    with pytest.raises(ClassifierError, match="holds a dict, no state dict of tensors"):
        read_checkpoint(saved(tmp_path, {"optimizer": {"momentum": torch.ones(9)}}))


def test_an_entry_may_be_the_prefix_of_the_names(tmp_path: Path) -> None:
    content = {"state_dict": prefixed("student.", RAW) | prefixed("teacher.", AVERAGED)}
    found = read_checkpoint(saved(tmp_path, content), "teacher")
    assert torch.equal(found.tensors["fc.weight"], AVERAGED["fc.weight"])
    assert set(found.tensors) == set(AVERAGED)


@pytest.mark.parametrize(
    ("content", "there"), [(TWO[0][0], "'model', 'model_ema'"), (RAW, "'conv', 'fc'")]
)
def test_an_entry_that_is_not_there_is_answered_with_those_that_are(
    tmp_path: Path, content: dict[str, Any], there: str
) -> None:
    path = saved(tmp_path, content)
    with pytest.raises(ClassifierError) as caught:
        read_checkpoint(path, "avg")
    assert str(caught.value).startswith(f"{path} has no entry 'avg'; it has {there}. Correct")
    assert "weights_entry" in str(caught.value)


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "_orig_mod.module.",
        "model.",
        "model._orig_mod.",
        "_fsdp_wrapped_module.",
        "net.module.",
    ],
)
def test_common_prefixes_are_taken_off(tmp_path: Path, prefix: str) -> None:
    assert set(read_checkpoint(saved(tmp_path, prefixed(prefix, RAW))).tensors) == set(RAW)


def test_wrappers_inside_of_names_are_taken_off(tmp_path: Path) -> None:
    # as PyTorch's example of training ImageNet has AlexNet and VGG
    content = {"features.module.0.weight": torch.ones(2), "classifier.1.weight": torch.ones(2)}
    found = read_checkpoint(saved(tmp_path, content))
    assert list(found.tensors) == ["features.0.weight", "classifier.1.weight"]


def test_a_wrapped_network_beside_another_keeps_both_sets_of_names(tmp_path: Path) -> None:
    content = RAW | prefixed("module.", AVERAGED)
    assert set(read_checkpoint(saved(tmp_path, content)).tensors) == set(content)


# --- class names -------------------------------------------------------------------------------

NAMES = ("1", "2", "10")


@pytest.mark.parametrize(
    "noted",
    [
        {"class_to_idx": {"10": 2, "1": 0, "2": 1}},
        {"classes": ["1", "2", "10"]},
        {"idx_to_class": {2: "10", 0: "1", 1: "2"}},
        {"id2label": {"0": "1", "1": "2", "2": "10"}},
        {"meta": {"CLASSES": ("1", "2", "10"), "epoch": 3}},
        {"dataset_meta": {"classes": ["1", "2", "10"]}},
        {"meta": {"dataset_meta": {"classes": ["1", "2", "10"]}}},
        {"hyper_parameters": {"lr": 0.1, "class_names": ["1", "2", "10"]}},
        {"args": {"classes": ["1", "2", "10"]}},
    ],
    ids=lambda noted: json.dumps(noted)[:40],
)
def test_class_names_are_read_in_the_order_of_the_outputs(
    tmp_path: Path, noted: dict[str, Any]
) -> None:
    assert read_checkpoint(saved(tmp_path, {"state_dict": RAW, **noted})).classes == NAMES


@pytest.mark.parametrize(
    "noted",
    [
        {},
        {"classes": 3},
        {"classes": ["a"]},
        {"classes": ["a", "a"]},
        {"classes": [0, 1, 2]},
        {"class_to_idx": {"a": 1, "b": 2}},
        {"class_to_idx": {"a": 0, "b": 0}},
        {"idx_to_class": {0: "a", 1: 3}},
        {"classes": {"a": [1], "b": [2]}},
    ],
    ids=json.dumps,
)
def test_what_are_no_names_of_outputs_is_left(tmp_path: Path, noted: dict[str, Any]) -> None:
    assert read_checkpoint(saved(tmp_path, {"state_dict": RAW, **noted})).classes is None


def test_what_openmax_train_notes_is_read(tmp_path: Path) -> None:
    noted = {"architecture": "googlenet", "classes": NAMES, "transform_input": True}
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(RAW, path, {OWN_METADATA: json.dumps(noted)})
    found = read_checkpoint(path)
    assert (found.architecture, found.classes) == ("googlenet", NAMES)
    assert found.transform_input is True
    assert set(found.tensors) == set(RAW)


@pytest.mark.parametrize(
    "noted", [{"arch": "resnet34"}, {"args": {"model": "resnet34"}}, {"architecture": "resnet34"}]
)
def test_the_architecture_is_read_where_a_file_says_it(
    tmp_path: Path, noted: dict[str, Any]
) -> None:
    found = read_checkpoint(saved(tmp_path, {"model": RAW, **noted}))
    assert found.architecture == "resnet34"


def test_a_place_in_a_file_is_told_in_words() -> None:
    checkpoint = Checkpoint(Path("w.pth"), {}, "model", (), "net.")
    assert checkpoint.place == "w.pth, entry 'model', names that begin with 'net.'"
