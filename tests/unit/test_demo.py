"""The embedded demo: its pictures, its weights, and the figures that it must show."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from openmax_core.classifier import read_weights
from openmax_core.demo import (
    KNOWN,
    SETTINGS,
    exported_network,
    open_digits_demo,
    write_digit_pictures,
)
from openmax_core.engines import OnnxEngine, TorchEngine
from openmax_core.errors import WorkspaceError
from openmax_core.inference import run
from openmax_core.settings import FILE_NAME
from openmax_core.workspace import Workspace

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

WEIGHTS = Path(__file__).resolve().parents[2] / "assets" / "demo" / "digits.safetensors"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_digits_demo(WEIGHTS, tmp_path_factory.mktemp("cache") / "digits")


@pytest.fixture(scope="module")
def extracted(demo: Workspace) -> Workspace:
    demo.extract("cpu")
    return demo


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and mtime of every file, hidden ones included."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- pictures --------------------------------------------------------------------------------


def test_every_digit_of_the_set_is_written_once(demo: Workspace) -> None:
    counts = {split: len(demo.find_pictures(split)) for split in demo.splits}
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
    folders = sorted(path.name for path in demo.picture_folder(split).iterdir())
    assert folders == list(digits)
    target = load_digits().target
    for path in demo.picture_folder(split).rglob("*.png"):
        assert target[int(path.stem)] == int(path.parent.name)


@pytest.mark.parametrize("digit", KNOWN)
def test_the_first_seventy_per_cent_in_the_set_s_order_are_trained_on(
    demo: Workspace, digit: str
) -> None:
    trained = sorted(int(p.stem) for p in (demo.picture_folder("train") / digit).iterdir())
    tested = sorted(int(p.stem) for p in (demo.picture_folder("test") / digit).iterdir())
    assert max(trained) < min(tested)
    assert len(trained) == round(0.7 * (len(trained) + len(tested)))


def test_a_picture_is_its_digit_s_ink_on_white_paper(demo: Workspace) -> None:
    path = demo.picture_folder("train") / "0" / "0000.png"
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
    assert demo.settings == SETTINGS
    assert demo.classes == ("0", "1", "2", "3", "4", "5")
    assert Workspace.open(demo.folder).settings.name == "Handwritten digits"


def test_opening_again_writes_nothing(demo: Workspace) -> None:
    before = state_of(demo.folder)
    again = open_digits_demo(WEIGHTS, demo.folder)
    assert again.settings == demo.settings
    assert state_of(demo.folder) == before
    assert [path.name for path in demo.folder.parent.iterdir()] == ["digits"]


def test_updated_weights_are_copied_and_nothing_else_changes(
    demo: Workspace, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(demo.folder, tmp_path / "digits"))
    newer = tmp_path / "newer.safetensors"
    newer.write_bytes(WEIGHTS.read_bytes() + b" ")
    before = state_of(folder)
    open_digits_demo(newer, folder)
    after = state_of(folder)
    assert (folder / "digits.safetensors").read_bytes() == newer.read_bytes()
    assert {name for name in after if after[name] != before.get(name)} == {"digits.safetensors"}


def test_weights_that_were_removed_come_back(demo: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    shutil.copy(demo.folder / FILE_NAME, folder)
    open_digits_demo(WEIGHTS, folder)
    assert (folder / "digits.safetensors").read_bytes() == WEIGHTS.read_bytes()


def test_a_folder_that_cannot_be_made_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(WorkspaceError, match=f"cannot make the demo in {tmp_path}/file/digits"):
        open_digits_demo(WEIGHTS, tmp_path / "file" / "digits")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("kept", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="cannot make the demo"):
        open_digits_demo(WEIGHTS, tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]
    assert (tmp_path / "taken" / "letter.txt").read_text(encoding="utf-8") == "kept"


# --- the shipped weights ---------------------------------------------------------------------


def test_the_weights_are_small_enough_to_ship() -> None:
    assert 0 < WEIGHTS.stat().st_size <= 2_000_000


def test_the_weights_fit_the_demo_s_architecture(demo: Workspace) -> None:
    classifier = demo.load_classifier()
    assert classifier.architecture == "shufflenet_v2_x0_5"
    assert classifier.classes == KNOWN
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
        len(extracted.find_pictures("test")),
        len(extracted.find_pictures("reject")),
    )


def test_the_default_method_has_a_recommended_point(extracted: Workspace) -> None:
    floor = extracted.settings.defaults.min_test_accuracy
    assert extracted.evaluate().recommend(floor).test_accuracy >= floor == 0.85


# --- the shipped network -----------------------------------------------------------------------


def test_the_exported_network_is_that_of_the_weights(demo: Workspace) -> None:
    shipped = exported_network(WEIGHTS)
    assert shipped.is_file(), "make it with openmax_core.demo.export_network, and commit it"
    assert [path.name for path in WEIGHTS.parent.glob("*.onnx")] == [shipped.name]
    assert (demo.folder / shipped.name).read_bytes() == shipped.read_bytes()
    files = demo.find_pictures("reject")
    sources = [files.folder / path for path in files.paths[:40]]
    exported = OnnxEngine(shipped, demo.settings.transform)
    by_torch = TorchEngine(demo.load_classifier())
    logits, expected = (
        np.array([result for _, result in run(engine, sources)]) for engine in (exported, by_torch)
    )
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_the_demo_is_extracted_without_importing_torch(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from openmax_core.demo import open_digits_demo
workspace = open_digits_demo(Path({str(WEIGHTS)!r}), Path({str(tmp_path / "digits")!r}))
assert workspace.extract("cpu").n_run["test"] == 325
assert "torch" not in sys.modules and "torchvision" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_nothing_shipped_tells_where_it_was_made() -> None:
    content = exported_network(WEIGHTS).read_bytes()
    assert not [sign for sign in (b"site-packages", b".py", b"torch/nn") if sign in content]
