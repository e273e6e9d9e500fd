"""The first demo: is the car back in one of its four garages? Anything else must be rejected.

The pictures are rendered. They come in one archive, with ``pictures.csv``, which says how each was
made:

    train/<garage>/*.jpg    120 of each of the four garages
    test/<garage>/*.jpg     50 of each
    reject/<reason>/*.jpg   240, by the reason why they must be rejected
"""

from __future__ import annotations

from pathlib import Path

from openmax_core.demos.demo import Demo
from openmax_core.errors import WorkspaceError
from openmax_core.network.spec import ClassifierSettings
from openmax_core.pictures.archives import unpack
from openmax_core.pictures.uploads import Refused, Upload
from openmax_core.support.files import sha256_of_file
from openmax_core.workspace.settings import WorkspaceSettings

ARCHIVE = "garages.zip"
KNOWN = ("Harbour", "Market", "Museum", "Station")
# Transforms are the notebook's, which are the library's own.
SETTINGS = WorkspaceSettings(
    name="Car-sharing garages",
    classifier=ClassifierSettings("shufflenet_v2_x0_5", KNOWN, "garages.safetensors"),
    folders={"train": "train", "test": "test", "reject": "reject"},
    description="The customer of a car-sharing company ends the rental with a phone picture of "
    "the parked car. Is it back in one of the company's four garages? Then the rental may end. "
    "Everything else must be rejected: a car outdoors or in another garage, across a line, in the "
    "aisle or in front of an exit, and a picture without a car, too close to it, or with a finger "
    "on the lens.",
    notice="Rendered pictures: path-traced, not photographs",
)


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


def _version(assets: Path) -> str:
    try:
        return sha256_of_file(assets / ARCHIVE)
    except OSError as error:
        raise WorkspaceError(f"cannot read {assets / ARCHIVE} ({error.strerror})") from error


GARAGES = Demo(
    key="garages",
    settings=SETTINGS,
    version=_version,
    write_pictures=lambda assets, folder: unpack_pictures(assets / ARCHIVE, folder),
)
