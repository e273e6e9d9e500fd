"""The splits of a workspace: where their pictures lie, and which pictures these are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openmax_core.errors import WorkspaceError
from openmax_core.pictures.folders import (
    PictureFiles,
    find_class_folders,
    find_known_pictures,
    find_unknown_pictures,
)
from openmax_core.pictures.locations import Location, RemotePath, is_address, require_path
from openmax_core.workspace.settings import FILE_NAME, WorkspaceSettings

SPLITS = ("train", "calibration", "test", "reject")


@dataclass(frozen=True)
class Splits:
    """The splits that ``[folders]`` of a ``workspace.toml`` names.

    Attributes
    ----------
    workspace : Path
        Absolute folder of the workspace.
    settings : WorkspaceSettings
    """

    workspace: Path
    settings: WorkspaceSettings

    @property
    def names(self) -> tuple[str, ...]:
        """Splits that are named, in the order in which they are extracted."""
        return tuple(split for split in SPLITS if split in self.settings.folders)

    @property
    def calibration(self) -> str:
        """Split that MAVs and tails come from: 'calibration' where there is one, else 'train'."""
        return "calibration" if "calibration" in self.settings.folders else "train"

    def location(self, split: str) -> Location:
        """Absolute folder of a split's pictures, or its address.

        Raises
        ------
        WorkspaceError
            The workspace names none.
        """
        if split not in self.settings.folders:
            raise WorkspaceError(
                f'{self.workspace / FILE_NAME} names no folder for {split}; add {split} = "…" '
                "under [folders]"
            )
        folder = self.settings.folders[split]
        if is_address(folder):
            return RemotePath.parse(folder)
        return (self.workspace / folder).resolve()

    def folder(self, split: str) -> Path:
        """Absolute folder of a split's pictures on this machine.

        Raises
        ------
        WorkspaceError
            The workspace names none, or an address, see :meth:`location`.
        """
        location = self.location(split)
        if isinstance(location, Path):
            return location
        require_path(str(location), f"the pictures of {split}")
        raise AssertionError(location)

    def find_pictures(self, split: str) -> PictureFiles:
        """Picture files of a split, as they lie there now.

        Raises
        ------
        WorkspaceError
            The folder is missing, empty, or has folders that are none of the classes.
        """
        folder, classes = self.location(split), self.settings.classifier.classes
        if split == "reject":
            return find_unknown_pictures(folder)
        files = find_known_pictures(folder, classes)
        if split == self.calibration:
            present = set(find_class_folders(folder))
            absent = [name for name in classes if name not in present]
            if absent:
                raise WorkspaceError(
                    f"{folder} lacks a folder for the class '{absent[0]}'; OpenMax needs training "
                    "pictures of every class"
                )
        return files
