"""Make the embedded demo of rendered pictures: train its network, pack its archive.

    python assets/garages/pack.py FOLDER BACKBONE_FOLDER

The folders are what ``render.py`` wrote, the second with ``--backbone``. Runs in the dashboard's
own environment; writes the archive, the weights and the exported network to ``assets/demo``.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

from openmax_core.demo import ASSETS, export_network
from openmax_core.demo_garages import ARCHIVE, GARAGES
from openmax_core.settings import FILE_NAME, WorkspaceSettings, write_settings
from openmax_core.workspace import Workspace

BACKBONE_TRAINING = ("--epochs", "60", "--patience", "60", "--learning-rate", "0.003")
TRAINING = ("--head-epochs", "5", "--epochs", "15", "--patience", "15")
LIST = "pictures.csv"


def main() -> None:
    """Train, pack and export."""
    folder, backbone_folder = (Path(name).resolve() for name in sys.argv[1:3])
    shipped = GARAGES.settings
    settings = replace(shipped, classifier=replace(shipped.classifier, weights=None))
    labels = tuple(sorted(path.name for path in (backbone_folder / "train").iterdir()))
    backbone = replace(
        settings,
        name="Garages of other towns",
        classifier=replace(settings.classifier, classes=labels),
        folders={"train": "train", "test": "train"},
        description="",
    )
    weights = train(backbone_folder, backbone, BACKBONE_TRAINING)
    trained = train(folder, settings, ("--backbone-weights", str(weights), *TRAINING))
    shutil.copyfile(trained, ASSETS / GARAGES.weights_name)
    pack(folder, ASSETS / ARCHIVE)
    for old in ASSETS.glob("garages-*.onnx"):
        old.unlink()
    print(export_network(GARAGES))


def train(folder: Path, settings: WorkspaceSettings, options: tuple[str, ...]) -> Path:
    """Train a network on a folder's pictures; returns its weights file."""
    write_settings(folder / FILE_NAME, settings)
    command = [sys.executable, "-m", "openmax_core", "train", str(folder), *options]
    subprocess.run(command, check=True)  # noqa: S603 - our own command line
    return folder / str(Workspace.open(folder).settings.classifier.weights)


def pack(folder: Path, archive: Path) -> None:
    """Write pictures into one archive that depends on their bytes and names alone."""
    with (folder / LIST).open(newline="") as file:
        names = [LIST, *(row["path"] for row in csv.DictReader(file))]
    temporary = archive.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed:
        for name in names:
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, (folder / name).read_bytes())
    temporary.replace(archive)


if __name__ == "__main__":
    main()
