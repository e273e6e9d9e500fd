"""A workspace with a network of timm, from init to a decision."""

from __future__ import annotations

import pytest

from openmax_core.network.checkpoint import read_checkpoint
from openmax_core.workspace.workspace import Workspace
from tests.support.shell import put_all, shell
from tests.unit.network.test_timm_networks import local_dir

pytest.importorskip("timm")


def test_weights_that_timm_loads_are_kept_and_run(tmp_path):
    folder, hub = tmp_path / "new", tmp_path / "hub"
    put_all(folder)
    hub.mkdir()
    ran = shell(
        *("init", folder, "--architecture", f"timm:local-dir:{local_dir(hub)}"),
        *("--weights", "DEFAULT", "--reject", "reject", "--resize", "32", "--crop", "32"),
    )
    assert (ran.code, ran.err) == (0, "")
    workspace = Workspace.open(folder)
    settings = workspace.settings.classifier
    assert settings.architecture == "timm:test_resnet"
    assert settings.weights == "timm-test_resnet.safetensors"
    assert workspace.classes == ("red", "blue")  # as that configuration has them
    assert workspace.settings.transform.mean == (0.5, 0.4, 0.3)
    assert shell("extract", folder, "--device", "cpu").code == 0
    assert workspace.stored.required("test").logits.shape == (24, 2)


def test_init_takes_timm_s_own_transform(tmp_path):
    put_all(tmp_path / "new")
    ran = shell("init", tmp_path / "new", "--architecture", "timm:test_vit")
    assert "resized to 168 (bicubic), cropped to 160 × 160" in ran.out
    assert "timm's own, right for its pretrained weights" in ran.out


def test_a_network_of_timm_is_trained(tmp_path):
    put_all(tmp_path / "new")
    small = ("--resize", "32", "--crop", "32")
    assert shell("init", tmp_path / "new", "--architecture", "timm:test_convnext", *small).code == 0
    ran = shell("train", tmp_path / "new", "--epochs", "1", "--batch-size", "20", "--device", "cpu")
    assert ran.code == 0, ran.err
    (weights,) = (tmp_path / "new").glob("timm-test_convnext-[01].*.safetensors")
    assert read_checkpoint(weights).architecture == "timm:test_convnext"
    assert Workspace.open(tmp_path / "new").classifier.load().notes == ()
