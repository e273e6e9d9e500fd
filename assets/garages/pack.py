"""Make the embedded demo of rendered pictures: train its network, pack its archive.

    python assets/garages/pack.py FOLDER

FOLDER is what ``render.py`` wrote. Runs in the dashboard's own environment; writes the archive, the
weights and the exported network to ``assets/demo``.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

from openmax_core.demos.catalogue import ARCHIVE, GARAGES
from openmax_core.demos.demo import ASSETS, exported_network, shipped
from openmax_core.workspace.settings import FILE_NAME, write_settings
from openmax_core.workspace.workspace import Workspace

TRAINING = ("--epochs", "70", "--patience", "70", "--learning-rate", "0.003")
LIST = "pictures.csv"


def main() -> None:
    """Train, pack and export."""
    folder = Path(sys.argv[1]).resolve()
    classifier = replace(GARAGES.settings.classifier, weights=None)
    write_settings(folder / FILE_NAME, replace(GARAGES.settings, classifier=classifier))
    command = [sys.executable, "-m", "openmax_core", "train", str(folder), *TRAINING]
    subprocess.run(command, check=True)  # noqa: S603 - our own command line
    trained = Workspace.open(folder).settings.classifier.weights
    shutil.copyfile(folder / str(trained), ASSETS / GARAGES.weights_name)
    pack(folder, ASSETS / ARCHIVE)
    for old in ASSETS.glob("garages-*.onnx"):
        old.unlink()
    shipped(GARAGES).load_exported_network()
    print(exported_network(GARAGES))


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
