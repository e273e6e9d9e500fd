"""Samples of pictures, and the transforms that are tried on them."""

from __future__ import annotations

import time
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from openmax_core.diagnosis.files import list_split
from openmax_core.diagnosis.trials import (
    Candidate,
    candidates,
    common_size,
    draw_sample,
    try_out,
)
from openmax_core.network.classifier import Classifier
from openmax_core.pictures.images import Transform
from openmax_core.pictures.locations import Location, RemotePath
from tests.support.heics import TRANSPARENT_HEIC

SMALL = Transform(resize=(32, 32), crop=(32, 32), interpolation="bilinear")


def put(folder: Path, count: int, size: tuple[int, int] = (32, 32)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(count)
    for number in range(count):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def named(architecture: str, transform: Transform, network: Any = None) -> Classifier:
    anything: Any = SimpleNamespace() if network is None else network
    return Classifier(architecture, ("a", "b"), transform, anything)


def test_a_sample_is_spread_over_classes_and_sets_from_its_beginning(tmp_path):
    for split, counts in {"train": (40, 3), "test": (5, 9)}.items():
        for name, count in zip("ab", counts, strict=True):
            put(tmp_path / split / name, count)
    listings = [list_split(split, tmp_path / split, ("a", "b")) for split in ("train", "test")]
    drawn = draw_sample(listings, 30)
    assert len(drawn) == len({(item.split, item.path) for item in drawn}) == 30
    first = Counter((item.split, item.label) for item in drawn[:12])
    assert first == {("train", 0): 3, ("train", 1): 3, ("test", 0): 3, ("test", 1): 3}
    assert draw_sample(listings, 30) == drawn
    assert len(draw_sample(listings, 1000)) == 57


def test_the_architecture_s_own_transform_is_torchvision_s():
    found = {item.name: item for item in candidates(named("resnet50", Transform()), None)}
    own = found["torchvision's own for resnet50"].transform
    assert (own.resize, own.crop, own.interpolation) == (232, (224, 224), "bilinear")
    assert tomllib.loads(found["torchvision's own for resnet50"].write(Transform())) == {
        "transform": {"resize": 232, "interpolation": "bilinear"}
    }
    usual = found["ImageNet's usual one"].transform
    assert (usual.resize, usual.crop) == (256, (224, 224))
    assert "the notebook's" not in found  # it is the stored one


def test_each_transform_is_tried_once_and_the_stored_one_first():
    for stored in (Transform(), SMALL, replace(SMALL, mean=(0.5,) * 3, std=(0.5,) * 3)):
        found = candidates(named("resnet18", stored), (32, 32))
        assert found[0] == Candidate("stored", stored)
        assert found[0].write(stored) == ""
        assert len({item.transform for item in found}) == len(found)
        assert len({item.name for item in found}) == len(found)


def test_mean_and_std_of_0_to_255_are_divided():
    caffe = replace(SMALL, mean=(103.5, 116.3, 123.7), std=(1.0, 1.0, 1.0))
    second = candidates(named("resnet18", caffe), None)[1].transform
    assert second.mean == (0.405882, 0.456078, 0.485098)
    assert second.std == (0.00392157,) * 3


def test_only_small_pictures_of_one_size_have_a_size_in_common(tmp_path):
    for name, size in {"a": (30, 40), "b": (40, 30), "c": (600, 600)}.items():
        put(tmp_path / name / "x", 2, size)

    def sample(*names: str) -> list[Any]:
        listings = [list_split(name, tmp_path / name, ("x",)) for name in names]
        return draw_sample(listings, 10)

    assert common_size(sample("a")) == (30, 40)
    assert common_size(sample("a", "b")) is None
    assert common_size(sample("c")) is None
    assert common_size([]) is None


class Inside(torchvision.models.GoogLeNet):  # type: ignore[misc]
    """What GoogLeNet's first step makes of a picture."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means: torch.Tensor = self._transform_input(x).mean(dim=(2, 3))
        return means[:, :2]


def test_normalisation_inside_the_network_is_switched_over_and_the_network_stays(tmp_path):
    network = Inside(2, aux_logits=False, init_weights=False).eval()
    classifier = named("googlenet", SMALL, network)
    put(tmp_path / "train" / "a", 3)
    sample = draw_sample([list_split("train", tmp_path / "train", ("a", "b"))], 3)
    stored, *others = candidates(classifier, None)
    switched = [item for item in others if item.transform_input]
    assert [item.name for item in switched] == [
        "stored, transform_input true",
        "torchvision's own for googlenet, transform_input true",
    ]
    assert tomllib.loads(switched[0].write(SMALL)) == {"classifier": {"transform_input": True}}
    tried, lost = try_out(
        *(classifier, "cpu", [stored, switched[0]], sample, 3),
        *(time.monotonic() + 600, lambda done: None),
    )
    assert lost == {}
    assert network.transform_input is False
    first, second = tried[0].logits.astype(np.float64), tried[1].logits
    # x · 0.229/0.5 + (0.485 − 0.5)/0.5, and so on, as GoogLeNet's source has it.
    expected = first * [0.229 / 0.5, 0.224 / 0.5] + [-0.015 / 0.5, -0.044 / 0.5]
    np.testing.assert_allclose(second, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("is_address", [False, True])
def test_pictures_that_exif_turns_or_that_are_transparent_are_tried_as_they_are_stored(
    tmp_path: Path, is_address: bool
):
    put(tmp_path / "train" / "a", 3)
    (tmp_path / "train" / "a" / "v.heic").write_bytes(TRANSPARENT_HEIC)
    turned, transparent = (tmp_path / "train" / "a" / name for name in ("t.jpg", "u.png"))
    exif = Image.Exif()
    exif[0x0112] = 6
    left_white = Image.new("RGB", (32, 32), "black")
    left_white.paste((255, 255, 255), (0, 0, 16, 32))
    left_white.save(turned, exif=exif)
    Image.new("RGBA", (32, 32), (200, 30, 60, 0)).save(transparent)

    class Corners(torch.nn.Module):
        """Reads the upper right and the lower left corner, in red."""

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return torch.stack([batch[:, 0, 4, 28], batch[:, 0, 28, 4]], dim=1)

    plain = replace(SMALL, mean=(0.0,) * 3, std=(1.0,) * 3)
    classifier = named("resnet18", plain, Corners())
    folder: Location = tmp_path / "train"
    if is_address:
        folder = RemotePath.parse((tmp_path / "train").as_uri())
    sample = draw_sample([list_split("train", folder, ("a", "b"))], 6)
    tried, _ = try_out(
        *(classifier, "cpu", candidates(classifier, None), sample, 6),
        *(time.monotonic() + 600, lambda done: None),
    )
    found = {item.candidate.name: item.logits for item in tried}
    paths = [item.path for item in sample]
    heic = paths.index("a/v.heic")  # its left half is transparent
    assert found["stored"][heic][1] == 1.0
    assert found["transparency dropped"][heic][1] < 0.9
    turn, drop = paths.index("a/t.jpg"), paths.index("a/u.png")
    stored, unturned = found["stored"], found["not turned as EXIF says"]
    assert stored[turn].round().tolist() == [1.0, 0.0]
    assert unturned[turn].round().tolist() == [0.0, 1.0]
    np.testing.assert_allclose(stored[drop], [1.0, 1.0])
    np.testing.assert_allclose(found["transparency dropped"][drop], [200 / 255] * 2, rtol=1e-5)
    others = [row for row in range(6) if row not in (turn, drop, heic)]
    assert (stored[others] == unturned[others]).all()
