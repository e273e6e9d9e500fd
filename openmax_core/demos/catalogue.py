"""The embedded demos, in the order in which they are offered: a visitor lands on the first.

1. Is the car back in one of its four garages? Anything else must be rejected. The pictures are
   rendered and come in one archive, with ``pictures.csv``, which says how each was made::

       train/<garage>/*.jpg    120 of each of the four garages
       test/<garage>/*.jpg     50 of each
       reject/<reason>/*.jpg   240, by the reason why they must be rejected

2. Real handwritten digits, 0–5 known and 6–9 unknown. scikit-learn's bundled set (1,797 pictures
   of 8 × 8, Alpaydin & Kaynak, 1998) is written once as PNG pictures into a workspace. Of each
   known digit the first 70 % in the set's order are trained on and the rest is the test set:
   neighbours in the set are often by one hand, so a random split would flatter.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openmax_core.demos.demo import Demo
from openmax_core.errors import WorkspaceError
from openmax_core.network.spec import ClassifierSettings
from openmax_core.pictures.images import TrainTransform, Transform
from openmax_core.pictures.intake import Refused, Upload, unpack
from openmax_core.support.files import sha256_of_file
from openmax_core.workspace.settings import WorkspaceSettings

FOLDERS = {"train": "train", "test": "test", "reject": "reject"}
ARCHIVE = "garages.zip"
KNOWN_DIGITS = tuple("012345")
DIGIT_SIDE = 80
TRAIN_SHARE = 0.7
# Counts up when other pictures are written.
DIGITS_VERSION = "1"


def unpack_pictures(archive: Path, folder: Path) -> None:
    """Unpack the archive's files into a folder, as carefully as if a stranger had sent it.

    Raises
    ------
    WorkspaceError
        The archive is missing or damaged, or holds an entry that is no ordinary file in it.
    """
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise WorkspaceError(f"cannot read {archive} ({error.strerror})") from error
    for entry in unpack(Upload(archive.name, content)):
        if isinstance(entry, Refused):
            raise WorkspaceError(f"{archive} is damaged: {entry.name}: {entry.reason}")
        path = folder / entry.name.removeprefix(f"{archive.name}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.content)


def _archive_version(assets: Path) -> str:
    try:
        return sha256_of_file(assets / ARCHIVE)
    except OSError as error:
        raise WorkspaceError(f"cannot read {assets / ARCHIVE} ({error.strerror})") from error


def write_digit_pictures(folder: Path) -> None:
    """Write the digits as PNG files ``<split>/<digit>/<row>.png``."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for digit in range(10):
        rows = np.flatnonzero(digits.target == digit)
        n_train = round(TRAIN_SHARE * len(rows))
        for position, row in enumerate(rows.tolist()):
            known = "train" if position < n_train else "test"
            path = folder / (known if str(digit) in KNOWN_DIGITS else "reject") / str(digit)
            path.mkdir(parents=True, exist_ok=True)
            _digit_picture(digits.images[row]).save(path / f"{row:04d}.png")


def _digit_picture(values: NDArray[np.float64]) -> Image.Image:
    """8 × 8 values from 0 to 16 as ink on paper, with a margin, large enough to be looked at."""
    paper = np.pad(255 - values * (255 / 16), 1, constant_values=255)
    small = Image.fromarray(np.rint(paper).astype(np.uint8))
    return small.resize((DIGIT_SIDE, DIGIT_SIDE), Image.Resampling.BICUBIC)


GARAGES = Demo(
    key="garages",
    # Transforms are the notebook's, which are the library's own.
    settings=WorkspaceSettings(
        name="Car-sharing garages",
        classifier=ClassifierSettings(
            "shufflenet_v2_x0_5", ("Harbour", "Market", "Museum", "Station"), "garages.safetensors"
        ),
        folders=FOLDERS,
        description="The customer of a car-sharing company ends the rental with a phone picture "
        "of the parked car. Is it back in one of the company's four garages? Then the rental may "
        "end. Everything else must be rejected: a car outdoors or in another garage, across a "
        "line, in the aisle or in front of an exit, and a picture without a car, too close to it, "
        "or with a finger on the lens.",
        notice="Rendered pictures: path-traced, not photographs",
    ),
    version=_archive_version,
    write_pictures=lambda assets, folder: unpack_pictures(assets / ARCHIVE, folder),
)
DIGITS = Demo(
    key="digits",
    settings=WorkspaceSettings(
        name="Handwritten digits",
        classifier=ClassifierSettings("shufflenet_v2_x0_5", KNOWN_DIGITS, "digits.safetensors"),
        folders=FOLDERS,
        # Crops that move by a pixel of the original show the network each digit at many places.
        transform=Transform(resize=(72, 72), crop=(64, 64)),
        train_transform=TrainTransform(random_crop=True, horizontal_flip=0.0, brightness=0.2),
        description="Real handwriting of many people, scikit-learn's set of digits. The "
        "classifier has learned 0 to 5; a 6, 7, 8 or 9 must be rejected, however much it looks "
        "like one of them.",
    ),
    version=lambda assets: DIGITS_VERSION,
    write_pictures=lambda assets, folder: write_digit_pictures(folder),
)
DEMOS = (GARAGES, DIGITS)
