"""A workspace with an ONNX file: every command, from init to export, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto
from PIL import Image

from openmax_core.export.description import ExportDescription
from openmax_core.network.inference import run
from openmax_core.workspace.settings import read_settings, write_settings
from openmax_core.workspace.workspace import Workspace
from tests.support.onnx_graphs import (
    SIDE,
    colour_logits,
    logarithms,
    save_colour_model,
)
from tests.support.shell import REPOSITORY, Ran, buffered_environment, put_all, shell

SMALL = ("--resize", f"{SIDE},{SIDE}", "--crop", str(SIDE))


def init(folder: Path, *options: str | Path) -> Ran:
    return shell("init", folder, "--model", folder / "net.onnx", *SMALL, *options)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    put_all(tmp_path / "new")
    return tmp_path / "new"


def expected_logits(workspace: Workspace, split: str) -> Any:
    activations = workspace.stored.required(split)
    folder = workspace.pictures.folder(split)
    pixels = [np.asarray(Image.open(folder / path)) for path in activations.readable["path"]]
    return colour_logits(np.stack(pixels), workspace.settings.transform)


KINDS: dict[str, dict[str, Any]] = {
    "torch": {},
    "keras": {"layout": "NHWC", "softmax": True, "opset": 15},
    "bytes": {"kind": TensorProto.UINT8, "layout": "NHWC"},
    "fixed": {"batch": 1, "sides": (SIDE, SIDE)},
    "outputs": {"outputs": ("features", "logits")},
}


def test_from_init_to_export_every_command_works_without_torch(new, tmp_path):
    save_colour_model(new / "net.onnx", **KINDS["keras"])
    commands = [
        ["init", new, "--model", new / "net.onnx", *SMALL],
        ["extract", new],
        ["evaluate", new, "--json"],
        ["predict", new, new / "reject", new / "test", "--csv", tmp_path / "p.csv"],
        ["report", new],
        ["export", new],
        ["monitor", new, new / "test"],
        ["doctor", new],
    ]
    code = (
        "import json, sys\n"
        "from openmax_core.cli.main import main\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    assert main(command) == 0, command\n"
        "    assert 'torch' not in sys.modules, command\n"
        "    assert 'torchvision' not in sys.modules, command\n"
    )
    words = json.dumps([[str(word) for word in command] for command in commands])
    ran = subprocess.run(
        [sys.executable, "-c", code, words],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
        env=buffered_environment(),
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    assert "are probabilities" in ran.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_the_exported_file_are_those_of_the_graph(new, kind):
    save_colour_model(new / "net.onnx", **KINDS[kind])
    output = ["--output", "logits"] if kind == "outputs" else []
    assert init(new, *output).code == 0
    for command in ("extract", "report", "export"):
        assert shell(command, new).code == 0
    workspace = Workspace.open(new)
    expected = expected_logits(workspace, "test")
    expected = logarithms(expected) if kind == "keras" else expected
    found = workspace.stored.required("test").logits
    np.testing.assert_allclose(found, expected, atol=1e-4)
    report = (new / "report" / "report.html").read_text(encoding="utf-8")
    assert ("are probabilities" in report) == (kind == "keras")
    assert "ONNX file net.onnx" in report

    session = onnxruntime.InferenceSession(new / "export" / "openmax.onnx")
    described = ExportDescription.from_json(session.get_modelmeta().custom_metadata_map["openmax"])
    assert described.architecture == "net.onnx"
    paths = sorted((new / "test").rglob("*.png"))
    pictures = np.stack([described.prepare(path) for path in paths])
    ours = np.stack([row for _, row in run(workspace.classifier.load_engine("cpu"), paths)])
    for n in (len(paths), 1, 0):
        logits, _, decision, _ = session.run(None, {"pictures": pictures[:n]})
        np.testing.assert_allclose(logits, ours[:n], atol=1e-5)
        assert len(decision) == n


def test_features_of_a_file_are_stored_and_their_size_is_told_before(new):
    save_colour_model(new / "net.onnx", outputs=("features", "logits"))
    wrong = init(new, "--output", "logits", "--features", "--features-output", "pooled")
    assert "has no tensor 'pooled'; it has 'features', 'logits'" in wrong.error
    made = init(new, "--output", "logits", "--features", "--features-output", "features")
    assert made.code == 0
    assert "its tensor 'features' holds the features" in made.out
    workspace = Workspace.open(new)
    n = sum(len(workspace.pictures.find(split)) for split in workspace.pictures.splits)
    size = f"{n} pictures × 3 features × 2 bytes"
    assert size in made.out
    ran = shell("extract", new)
    assert ran.out.index(size) < ran.out.index("already stored")
    assert "3 features of each are stored" in ran.out
    found = workspace.stored.required("test")
    folder = workspace.pictures.folder("test")
    pixels = [np.asarray(Image.open(folder / path)) for path in found.readable["path"]]
    transform = workspace.settings.transform
    means = ((np.stack(pixels) / 255 - transform.mean) / transform.std).mean(axis=(1, 2))
    np.testing.assert_allclose(np.asarray(found.features), means, atol=2e-3)
    for command in ("evaluate", "report", "export"):
        assert shell(command, new).code == 0


def test_the_doctor_names_features_that_a_file_does_not_have(new):
    save_colour_model(new / "net.onnx")
    assert init(new, "--features").code == 0
    assert "features" not in {item["kind"] for item in findings(new)}
    path = new / "workspace.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("features = true", 'features = true\nfeatures_output = "pooled"'),
        encoding="utf-8",
    )
    [found] = [item for item in findings(new) if item["kind"] == "features"]
    assert "has no tensor 'pooled'" in found["sentence"]


def test_features_output_without_features_is_refused(new):
    save_colour_model(new / "net.onnx")
    ran = init(new, "--features-output", "features")
    assert "give the model and features too" in ran.error


def test_another_file_under_the_same_name_makes_stored_activations_stale(new):
    save_colour_model(new / "net.onnx")
    assert init(new).code == 0
    assert shell("extract", new).code == 0
    assert Workspace.open(new).status("test").is_current
    save_colour_model(new / "net.onnx", softmax=True)
    workspace = Workspace.open(new)
    assert not workspace.status("test").is_current
    assert workspace.stored.store.changes("test") == ["weights"]
    assert "have not been through the network" in shell("evaluate", new).error


def test_the_output_is_part_of_what_logits_depend_on(new):
    save_colour_model(new / "net.onnx", outputs=("features", "logits"))
    assert init(new, "--output", "logits").code == 0
    workspace = Workspace.open(new)
    other = replace(workspace.classifier.settings, output="features")
    assert replace(workspace.classifier, settings=other).key != workspace.classifier.key


def test_init_writes_what_the_graph_asks_for_and_says_it(new):
    save_colour_model(new / "net.onnx", layout="NHWC", sides=(24, 24), softmax=True, batch=1)
    ran = shell("init", new, "--model", new / "net.onnx")
    assert (ran.code, ran.err) == (0, "")
    settings = read_settings(new / "workspace.toml")
    assert (settings.classifier.model, settings.classifier.architecture) == ("net.onnx", None)
    assert (settings.transform.resize, settings.transform.crop) == ((34, 34), (24, 24))
    for words in (
        "net.onnx takes pictures as NHWC, floats",
        "its batch is fixed at 1, so pictures go through it one by one",
        "the outputs of net.onnx are probabilities",
        "a network of another transform would give wrong logits",
        "next: openmax extract",
    ):
        assert words in ran.out


def test_class_names_come_from_the_file_a_labels_file_or_the_folders(new, tmp_path):
    save_colour_model(new / "net.onnx", metadata={"classes": '["red", "blue"]'})
    assert init(new).code == 0
    assert Workspace.open(new).classes == ("red", "blue")
    (new / "workspace.toml").unlink()
    (tmp_path / "labels.txt").write_text("blue\nred\n", encoding="utf-8")
    ran = init(new, "--labels", tmp_path / "labels.txt")
    assert "notes the classes in another order" in ran.out
    assert Workspace.open(new).classes == ("blue", "red")
    (new / "workspace.toml").unlink()
    save_colour_model(new / "net.onnx")
    assert init(new).code == 0
    assert Workspace.open(new).classes == ("blue", "red")


def test_class_names_of_the_file_that_are_no_folders_are_refused(new):
    save_colour_model(new / "net.onnx", metadata={"classes": '["red", "green"]'})
    assert "notes other classes: 'red', 'green'; the folders are" in init(new).error
    assert not (new / "workspace.toml").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--weights", "w.pth"), "an ONNX file holds the whole network"),
        (("--transform", "weights"), "an ONNX file does not say its transform"),
        (("--labels", "none.txt"), "cannot read the labels file none.txt"),
        (("--classes", "a,b", "--labels", "x"), "--classes and --labels say the same"),
        (("--output", "scores"), "has no output 'scores'; it has 'logits'"),
        (("--classes", "a,b,c"), "gives 2 numbers for a picture, but the workspace has 3 classes"),
    ],
    ids=lambda item: item[0] if isinstance(item, tuple) else "",
)
def test_what_does_not_go_with_an_onnx_file_is_refused(new, options, words):
    save_colour_model(new / "net.onnx")
    if "a,b,c" in options:
        for split in ("train", "test"):
            (new / split / "red").rename(new / split / "a")
            (new / split / "blue").rename(new / split / "b")
            (new / split / "c").mkdir()
            (new / split / "a" / "00.png").rename(new / split / "c" / "00.png")
    assert words in init(new, *options).error
    assert not (new / "workspace.toml").exists()


def test_one_of_architecture_and_model_is_given(new):
    ran = shell("init", new)
    assert (ran.code, "with --architecture or --model, or give tables" in ran.err) == (2, True)
    save_colour_model(new / "net.onnx")
    ran = init(new, "--architecture", "resnet18")
    assert "an ONNX file holds the whole network" in ran.error
    ran = shell("init", new, "--architecture", "resnet18", "--output", "logits")
    assert "output names a part of an ONNX file" in ran.error


def test_an_onnx_file_given_as_weights_is_named_as_the_model(new):
    save_colour_model(new / "net.onnx")
    ran = shell("init", new, "--architecture", "resnet18", "--weights", new / "net.onnx")
    assert "name it as the model: --model FILE" in ran.error


def test_an_onnx_file_cannot_be_trained(new):
    save_colour_model(new / "net.onnx")
    init(new)
    assert "net.onnx can be used, but not trained" in shell("train", new).error


def findings(folder: Path) -> list[dict[str, str]]:
    return json.loads(shell("doctor", folder, "--json").out)["findings"]


def test_the_doctor_finds_a_network_that_takes_channels_from_0_to_255(new):
    save_colour_model(new / "net.onnx", is_rescaling=True)
    init(new)
    (finding,) = findings(new)
    assert finding["kind"] == "transform"
    assert "(channels from 0 to 255)" in finding["sentence"]
    path = new / "workspace.toml"
    values = read_settings(path)
    std = (1 / 255, 1 / 255, 1 / 255)
    changed = replace(values.transform, mean=(0.0, 0.0, 0.0), std=std)
    write_settings(path, replace(values, transform=changed))
    assert findings(new) == []


def test_the_doctor_finds_the_order_of_the_classes(new):
    save_colour_model(new / "net.onnx")
    init(new, "--classes", "red,blue")
    (finding,) = findings(new)
    assert 'classes = ["blue", "red"]' in finding["write"]
