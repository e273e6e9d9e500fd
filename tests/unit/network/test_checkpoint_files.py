"""What lies in a weights file: settings of training scripts beside it, and files of other kinds."""

from __future__ import annotations

import argparse
import collections
import datetime
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from openmax_core.errors import ClassifierError
from openmax_core.network.checkpoint import StandIn, read_content
from openmax_core.network.class_names import OWN_METADATA

SAVE = "torch.save(model.state_dict(), path)"
WAYS_OUT = (SAVE, "git lfs pull", "download the file", "name the", "--model FILE")


@pytest.mark.parametrize(
    "beside",
    [
        argparse.Namespace(lr=0.1, output=Path("runs"), classes=["a", "b"]),
        np.float64(0.93),
        np.arange(3.0),
        {"when": datetime.datetime(2026, 1, 1), "folder": Path("x")},
        collections.defaultdict(list, {"loss": [1.0]}),
        [np.array(["a", "b"])],
    ],
    ids=lambda value: type(value).__name__,
)
def test_settings_of_a_training_script_beside_the_weights_do_no_harm(
    tmp_path: Path, beside: Any
) -> None:
    path = tmp_path / "w.pth"
    torch.save({"model": {"fc.weight": torch.ones(2, 3)}, "args": beside}, path)
    content = read_content(path)
    assert torch.equal(content["model"]["fc.weight"], torch.ones(2, 3))
    # the object itself was never made
    assert type(content["args"]) in {StandIn, dict, list}
    if isinstance(beside, argparse.Namespace):
        assert content["args"]["lr"] == 0.1
        assert content["args"]["classes"] == ["a", "b"]


class Innocent:
    """A class of somebody's own."""


def test_objects_of_other_classes_are_refused_though_there_are_harmless_ones(
    tmp_path: Path,
) -> None:
    path = tmp_path / "w.pth"
    torch.save({"w": torch.ones(2), "args": argparse.Namespace(), "own": Innocent()}, path)
    with pytest.raises(ClassifierError, match=r"never opened; save the weights alone with torch"):
        read_content(path)


def test_a_stand_in_does_nothing_that_it_is_given(tmp_path: Path) -> None:
    # NumPy's own function for its arrays, here called with what would make it fail.
    class Tricky:
        def __reduce__(self) -> Any:
            return np.frombuffer, ("no such thing", 1, 2, 3, 4, 5, 6)

    torch.save({"w": torch.ones(2), "trick": Tricky()}, tmp_path / "w.pth")
    assert read_content(tmp_path / "w.pth")["trick"] == {}


def test_nothing_stays_allowed_after_reading(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2), "args": argparse.Namespace()}, tmp_path / "w.pth")
    before = torch.serialization.get_safe_globals()
    read_content(tmp_path / "w.pth")
    assert torch.serialization.get_safe_globals() == before


@pytest.mark.parametrize("name", ["w.pth", "w.bin", "w.safetensors", "weights"])
def test_a_file_is_known_by_its_content_not_by_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    safetensors.torch.save_file({"fc.weight": torch.ones(2, 3)}, path)
    assert torch.equal(read_content(path)["fc.weight"], torch.ones(2, 3))


def test_metadata_of_our_own_come_with_the_tensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    noted = {"classes": ["a", "b"]}
    tensors = {"fc.weight": torch.ones(2, 3)}
    safetensors.torch.save_file(tensors, path, {OWN_METADATA: json.dumps(noted)})
    assert read_content(path)[OWN_METADATA] == noted
    safetensors.torch.save_file(tensors, path, {OWN_METADATA: "{", "format": "pt"})
    assert list(read_content(path)) == ["fc.weight"]


def refused(path: Path) -> str:
    with pytest.raises(ClassifierError) as caught:
        read_content(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is no weights file that torch can read: ")
    return message


def test_a_torchscript_program_is_named_with_what_to_save_instead(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    network = nn.Linear(2, 2)
    torch.jit.trace(network, torch.ones(1, 2)).save(str(path))  # type: ignore[no-untyped-call]
    message = refused(path)
    assert "it is a TorchScript program; open it in your own script" in message
    assert message.endswith(SAVE)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("w.h5", b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file, as Keras writes"),
        ("w.onnx", b"\x08\x08\x12\x07pytorch", "an ONNX file"),
        ("w.tflite", bytes(4) + b"TFL3", "a network of TensorFlow Lite"),
        ("saved_model.pb", b"\x08\x01", "a graph of TensorFlow"),
        ("w.pth", b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        ("w.pth", b"\n<!doctype html>", "a web page"),
        ("model.safetensors.index.json", b'{"weight_map": {}}', "a text"),
        ("w.gguf", b"GGUF\x03", "a GGUF file of quantised weights"),
    ],
)
def test_a_file_of_another_program_is_named_with_what_to_do(
    tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    (tmp_path / name).write_bytes(content)
    message = refused(tmp_path / name)
    assert f"it is {kind}; " in message
    assert any(way in message for way in WAYS_OUT)


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("model.weights.h5", "a network of Keras"),
        ("a.npy", "a file of NumPy arrays"),
        ("serialized_exported_program.json", "a program of torch.export"),
    ],
)
def test_archives_of_other_programs_are_named(tmp_path: Path, member: str, kind: str) -> None:
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr(member, b"content")
    assert f"it is {kind}; save the weights of the PyTorch" in refused(tmp_path / "w.zip")
