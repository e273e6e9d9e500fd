"""The second demo: real handwritten digits, 0–5 known and 6–9 unknown.

scikit-learn's bundled set (1,797 pictures of 8 × 8, Alpaydin & Kaynak, 1998) is written once as
PNG pictures into a workspace. Of each known digit the first 70 % in the set's order are trained on
and the rest is the test set: neighbours in the set are often by one hand, so a random split would
flatter.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openmax_core.demos.demo import Demo
from openmax_core.network.spec import ClassifierSettings
from openmax_core.pictures.images import TrainTransform, Transform
from openmax_core.workspace.settings import WorkspaceSettings

KNOWN = tuple("012345")
SIDE = 80
TRAIN_SHARE = 0.7
# Counts up when other pictures are written.
VERSION = "1"
SETTINGS = WorkspaceSettings(
    name="Handwritten digits",
    classifier=ClassifierSettings("shufflenet_v2_x0_5", KNOWN, "digits.safetensors"),
    folders={"train": "train", "test": "test", "reject": "reject"},
    # Crops that move by a pixel of the original show the network each digit at many places.
    transform=Transform(resize=(72, 72), crop=(64, 64)),
    train_transform=TrainTransform(random_crop=True, horizontal_flip=0.0, brightness=0.2),
    description="Real handwriting of many people, scikit-learn's set of digits. The classifier "
    "has learned 0 to 5; a 6, 7, 8 or 9 must be rejected, however much it looks like one of them.",
)


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


DIGITS = Demo(
    key="digits",
    settings=SETTINGS,
    version=lambda assets: VERSION,
    write_pictures=lambda assets, folder: write_digit_pictures(folder),
)
