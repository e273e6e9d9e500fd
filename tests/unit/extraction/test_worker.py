"""What runs on a node of a cluster, without a cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openmax_core.extraction.worker import Worker, ship
from openmax_core.network.inference import run
from openmax_core.network.spec import ClassifierSettings, NamedClassifier
from tests.support.onnx_graphs import AS_THEY_ARE, noise, save_colour_model


@pytest.fixture
def named(tmp_path: Path) -> NamedClassifier:
    save_colour_model(tmp_path / "net.onnx")
    settings = ClassifierSettings(None, ("blue", "red"), model="net.onnx", features=True)
    return NamedClassifier(tmp_path, settings, AS_THEY_ARE)


def test_features_travel_behind_the_logits(named: NamedClassifier, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(11)]
    for path, pixels in zip(paths, noise(11), strict=True):
        Image.fromarray(pixels).save(path)
    paths[4].write_bytes(b"no picture")
    network = ship(named, "cpu")
    assert network.n_features == 3
    worker = Worker()
    worker._engine = network.engine()
    results = worker.run([str(path) for path in paths]).results()
    here = [result for _, result in run(named.load_engine("cpu", has_features=True), paths)]
    for one, other in zip(results, here, strict=True):
        np.testing.assert_array_equal(one, other)
    assert isinstance(results[4], str)
    assert len(results[5]) == 2 + 3


def test_without_features_logits_travel_alone(named: NamedClassifier) -> None:
    plain = replace(named, settings=replace(named.settings, features=False))
    network = ship(plain, "cpu")
    assert (network.n_features, network.engine().n_features) == (0, 0)
