"""The demo of digits: its pictures, its weights, and the figures that it must show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from openmax_core.demos.catalogue import DIGITS, KNOWN_DIGITS, write_digit_pictures
from openmax_core.demos.demo import ASSETS, open_demo
from openmax_core.network.classifier import read_weights
from openmax_core.workspace.workspace import Workspace

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

WEIGHTS = ASSETS / "digits.safetensors"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_demo(DIGITS, folder=tmp_path_factory.mktemp("cache") / "digits")


@pytest.fixture(scope="module")
def extracted(demo: Workspace) -> Workspace:
    demo.extract("cpu")
    return demo


# --- pictures --------------------------------------------------------------------------------


def test_every_digit_of_the_set_is_written_once(demo: Workspace) -> None:
    counts = {split: len(demo.pictures.find(split)) for split in demo.pictures.splits}
    assert list(counts) == ["train", "test", "reject"]
    assert sum(counts.values()) == 1797
    rows = [int(path.stem) for path in demo.folder.rglob("*.png")]
    assert sorted(rows) == list(range(1797))


@pytest.mark.parametrize(
    ("split", "digits"), [("train", "012345"), ("test", "012345"), ("reject", "6789")]
)
def test_known_digits_are_trained_and_tested_and_the_others_rejected(
    demo: Workspace, split: str, digits: str
) -> None:
    folders = sorted(path.name for path in demo.pictures.folder(split).iterdir())
    assert folders == list(digits)
    target = load_digits().target
    for path in demo.pictures.folder(split).rglob("*.png"):
        assert target[int(path.stem)] == int(path.parent.name)


@pytest.mark.parametrize("digit", KNOWN_DIGITS)
def test_the_first_seventy_per_cent_in_the_set_s_order_are_trained_on(
    demo: Workspace, digit: str
) -> None:
    trained = sorted(int(p.stem) for p in (demo.pictures.folder("train") / digit).iterdir())
    tested = sorted(int(p.stem) for p in (demo.pictures.folder("test") / digit).iterdir())
    assert max(trained) < min(tested)
    assert len(trained) == round(0.7 * (len(trained) + len(tested)))


def test_a_picture_is_its_digit_s_ink_on_white_paper(demo: Workspace) -> None:
    path = demo.pictures.folder("train") / "0" / "0000.png"
    with Image.open(path) as picture:
        assert (picture.size, picture.mode) == ((80, 80), "L")
        pixels = np.asarray(picture, dtype=np.float64)
    assert pixels[[0, -1]].min() == 255  # the margin
    # Cells of 8 × 8 pixels, averaged, are as dark as the set's values are large.
    cells = pixels[8:-8, 8:-8].reshape(8, 8, 8, 8).mean(axis=(1, 3))
    ink = load_digits().images[0]
    assert np.corrcoef(cells.ravel(), ink.ravel())[0, 1] < -0.97


def test_pictures_can_be_written_anywhere(tmp_path: Path) -> None:
    write_digit_pictures(tmp_path / "pictures")
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 1797


# --- opening ---------------------------------------------------------------------------------


def test_the_workspace_says_what_the_demo_is(demo: Workspace) -> None:
    assert demo.settings == DIGITS.settings
    assert demo.classes == ("0", "1", "2", "3", "4", "5")
    assert Workspace.open(demo.folder).settings.name == "Handwritten digits"


# --- the shipped weights ---------------------------------------------------------------------


def test_the_weights_are_small_enough_to_ship() -> None:
    assert 0 < WEIGHTS.stat().st_size <= 2_000_000


def test_the_weights_fit_the_demo_s_architecture(demo: Workspace) -> None:
    classifier = demo.classifier.load()
    assert classifier.architecture == "shufflenet_v2_x0_5"
    assert classifier.classes == KNOWN_DIGITS
    assert read_weights(WEIGHTS)["fc.weight"].shape == (6, 1024)
    assert not classifier.network.training


def test_the_classifier_alone_gets_more_than_nine_in_ten_right(extracted: Workspace) -> None:
    assert extracted.evaluate().accuracy_before_rejection > 0.9


def test_the_notebook_s_method_keeps_the_floor_and_rejects_the_unknown(
    extracted: Workspace,
) -> None:
    point = extracted.evaluate("notebook").recommend(0.85)
    assert point.test_accuracy >= 0.85
    assert point.reject_accuracy is not None
    assert point.reject_accuracy > 0.85
    assert (point.n_test, point.n_reject) == (
        len(extracted.pictures.find("test")),
        len(extracted.pictures.find("reject")),
    )


def test_the_default_method_has_a_recommended_point(extracted: Workspace) -> None:
    floor = extracted.settings.defaults.min_test_accuracy
    assert extracted.evaluate().recommend(floor).test_accuracy >= floor == 0.85


def test_counted_figures_are_the_exact_ones_within_their_bound(
    extracted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = extracted.evaluate()
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 1000)
    counted = extracted.evaluate()
    assert counted.counted is not None
    bound = counted.counted.curve.error_bound
    for t in np.linspace(0, 1, 2001):
        one, other = exact.overall.outcome(t), counted.overall.outcome(t)
        assert abs(one.test_accuracy - other.test_accuracy) <= bound.test + 1e-12
        assert abs(one.reject_accuracy - other.reject_accuracy) <= bound.reject + 1e-12
    assert 0 < bound.reject < 0.02
    point, best = counted.recommend(0.85), exact.recommend(0.85)
    assert point.outcome == exact.overall.outcome(point.threshold)
    assert best.reject_accuracy is not None
    assert point.reject_accuracy == pytest.approx(best.reject_accuracy, abs=bound.reject)
