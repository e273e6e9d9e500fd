"""Where a classifier's activations lie: keys, finding what is stored, re-using what still holds.

The key of a stored split covers the classifier (weights, architecture, classes, transform) and
each picture's path, label, size and mtime. Folders are called ``<split>-<key>``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.activations import KEY, Activations, assemble
from openmax_core.errors import ActivationsError
from openmax_core.images import PictureFiles

KEY_LENGTH = 16
Rows = dict[int, NDArray[np.float32] | str]


def fingerprint(*values: Any) -> str:
    """Short hash of values that JSON can hold."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True)
class ActivationStore:
    """Stored activations of one classifier.

    Attributes
    ----------
    folder : Path
        Holds the splits' folders.
    classifier_key : str
        Fingerprint of the classifier; activations of others are not seen.
    """

    folder: Path
    classifier_key: str

    def folder_of(self, split: str, files: PictureFiles) -> Path:
        """Where activations of exactly these files lie or would lie."""
        listing = [files.paths, files.labels.tolist(), files.sizes.tolist(), files.mtimes.tolist()]
        key = fingerprint(self.classifier_key, listing)
        return self.folder / f"{split}-{key}"

    def newest(self, split: str) -> Path | None:
        """Newest stored folder of a split that this classifier made."""
        own = [
            (str(key["created"]), folder)
            for folder in self._all(split)
            if (key := _read_key(folder)).get("classifier") == self.classifier_key
        ]
        return max(own)[1] if own else None

    def holds(self, split: str, files: PictureFiles) -> bool:
        """Tell whether activations of exactly these files are stored, whole."""
        return "created" in _read_key(self.folder_of(split, files))

    def reusable(self, split: str, files: PictureFiles) -> Rows:
        """Rows of earlier activations for files that have not changed, by index into ``files``."""
        folder = self.newest(split)
        if folder is None:
            return {}
        earlier = Activations.load(folder)
        known: dict[tuple[str, int, int], NDArray[np.float32] | str] = {}
        row = 0
        columns = (earlier.pictures[name].tolist() for name in ("path", "size", "mtime", "error"))
        for path, size, mtime, error in zip(*columns, strict=True):
            known[path, size, mtime] = error or earlier.logits[row]
            row += not error
        identities = zip(files.paths, files.sizes.tolist(), files.mtimes.tolist(), strict=True)
        return {i: known[identity] for i, identity in enumerate(identities) if identity in known}

    def save(self, split: str, files: PictureFiles, rows: Rows, n_classes: int) -> None:
        """Store what became of every file.

        Raises
        ------
        ActivationsError
            No file gave logits, or the disk is full; what was stored before stays.
        """
        folder = self.folder_of(split, files)
        key = {
            "store": folder.name,
            "classifier": self.classifier_key,
            "folder": str(files.folder),
            "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        }
        activations = assemble(files, rows, n_classes, key)
        if not len(activations):
            first = activations.pictures.iloc[0]
            raise ActivationsError(
                f"none of the {len(files)} files in {files.folder} gave logits; the first, "
                f"{first['path']}: {first['error']}"
            )
        if folder.exists() and not self.holds(split, files):  # what is left of a damaged one
            shutil.rmtree(folder)
        try:
            activations.save(folder)
        except ActivationsError:
            if not self.holds(split, files):  # else another run stored the same a moment before
                raise

    def remove_others(self, split: str, keep: Path) -> None:
        """Remove a split's stored folders but one."""
        for folder in self._all(split):
            if folder != keep:
                shutil.rmtree(folder, ignore_errors=True)

    def _all(self, split: str) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from sorted(self.folder.glob(f"{split}-{'?' * KEY_LENGTH}"))


def _read_key(folder: Path) -> dict[str, Any]:
    try:
        key = json.loads((folder / KEY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return key if isinstance(key, dict) and "created" in key else {}
