"""The embedded demo: real handwritten digits, 0–5 known and 6–9 unknown.

scikit-learn's bundled set (1,797 pictures of 8 × 8, Alpaydin & Kaynak, 1998) is written once as
PNG pictures into a workspace. Of each known digit the first 70 % in the set's order are trained on
and the rest is the test set: neighbours in the set are often by one hand, so a random split would
flatter.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray
from PIL import Image

from openmax_core.errors import WorkspaceError
from openmax_core.files import sha256_of_file, write_bytes_atomically
from openmax_core.images import TrainTransform, Transform
from openmax_core.onnx_export import export_paths
from openmax_core.settings import (
    FILE_NAME,
    ClassifierSettings,
    WorkspaceSettings,
    write_settings,
)
from openmax_core.workspace import Workspace

KNOWN = tuple("012345")
SIDE = 80
TRAIN_SHARE = 0.7
WEIGHTS_NAME = "digits.safetensors"
SETTINGS = WorkspaceSettings(
    name="Handwritten digits",
    classifier=ClassifierSettings("shufflenet_v2_x0_5", KNOWN, WEIGHTS_NAME),
    folders={"train": "train", "test": "test", "reject": "reject"},
    # Crops that move by a pixel of the original show the network each digit at many places.
    transform=Transform(resize=(72, 72), crop=(64, 64)),
    train_transform=TrainTransform(random_crop=True, horizontal_flip=0.0, brightness=0.2),
)


def demo_folder() -> Path:
    """Where the demo lies: in the user's cache folder."""
    return platformdirs.user_cache_path("openmax") / "digits"


def exported_network(weights: Path) -> Path:
    """Where the demo's exported network lies or would lie: beside its weights."""
    key = sha256_of_file(weights)
    crop = SETTINGS.transform.crop
    return export_paths(weights, key, SETTINGS.classifier.architecture, len(KNOWN), crop)[0]


def export_network(weights: Path) -> Path:
    """Export the demo's network beside its weights, as it is shipped; imports torch."""
    from openmax_core.classifier import load_classifier
    from openmax_core.onnx_export import export, keep

    architecture = SETTINGS.classifier.architecture
    classifier = load_classifier(architecture, weights, KNOWN, SETTINGS.transform)
    keep(export(classifier), (path := exported_network(weights),), weights)
    return path


def open_digits_demo(weights: Path, folder: Path | None = None) -> Workspace:
    """Open the demo workspace, and make it first where it does not exist.

    Parameters
    ----------
    weights : trained weights to copy into the workspace, with the exported network beside them
    folder : :func:`demo_folder` without

    Raises
    ------
    WorkspaceError
        The folder cannot be written.
    """
    folder = folder or demo_folder()
    if not (folder / FILE_NAME).exists():
        _make(folder, weights)
    own = folder / WEIGHTS_NAME
    if not own.exists() or own.read_bytes() != weights.read_bytes():
        write_bytes_atomically(own, weights.read_bytes())
    exported = exported_network(weights)
    if exported.is_file() and not (copy := folder / exported.name).exists():
        write_bytes_atomically(copy, exported.read_bytes())
    return Workspace.open(folder)


def write_digit_pictures(folder: Path) -> None:
    """Write the digits as PNG files ``<split>/<digit>/<row>.png``."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for digit in range(10):
        rows = np.flatnonzero(digits.target == digit)
        n_train = round(TRAIN_SHARE * len(rows))
        for position, row in enumerate(rows.tolist()):
            known = "train" if position < n_train else "test"
            path = folder / (known if str(digit) in KNOWN else "reject") / str(digit)
            path.mkdir(parents=True, exist_ok=True)
            _picture(digits.images[row]).save(path / f"{row:04d}.png")


def _picture(values: NDArray[np.float64]) -> Image.Image:
    """8 × 8 values from 0 to 16 as ink on paper, with a margin, large enough to be looked at."""
    paper = np.pad(255 - values * (255 / 16), 1, constant_values=255)
    small = Image.fromarray(np.rint(paper).astype(np.uint8))
    return small.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def _make(folder: Path, weights: Path) -> None:
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-demo-"))
        write_digit_pictures(temporary)
        shutil.copyfile(weights, temporary / WEIGHTS_NAME)
        write_settings(temporary / FILE_NAME, SETTINGS)
        temporary.chmod(0o755)
        temporary.rename(folder)
    except OSError as error:
        if (folder / FILE_NAME).exists():  # another process was faster
            return
        raise WorkspaceError(f"cannot make the demo in {folder}: {error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
