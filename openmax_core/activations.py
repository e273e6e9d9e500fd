"""Activations of one split and their store on disk.

One folder a split and state: ``logits.npy``, (N, C) float32, opened as a memory map; and
``pictures.parquet``, a row for every picture file found, in order: path, size, mtime, label,
prediction, status ('ok' or 'unreadable') and error. The logits hold the rows with status 'ok'.
``key.json`` says what the folder was made of; folders are written under a temporary name and
renamed when whole.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.errors import ActivationsError
from openmax_core.images import PictureFiles

LOGITS, PICTURES, KEY = "logits.npy", "pictures.parquet", "key.json"
OK, UNREADABLE = "ok", "unreadable"


@dataclass(frozen=True)
class Activations:
    """Logits of a split's pictures, and what became of every file.

    Attributes
    ----------
    logits : (N, C) float32
        Of the pictures that could be read.
    pictures : DataFrame of all files found
        Columns path, size, mtime, label (−1: unknown), prediction (−1: unreadable), status, error.
    key : dict
        Fingerprints of the classifier and of the files, the folder, and when.
    """

    logits: NDArray[np.float32]
    pictures: pd.DataFrame
    key: dict[str, Any]

    @cached_property
    def readable(self) -> pd.DataFrame:
        """Rows of ``pictures`` in the order of the logits."""
        return self.pictures[self.pictures["status"] == OK].reset_index(drop=True)

    @cached_property
    def unreadable(self) -> pd.DataFrame:
        """Rows of ``pictures`` without logits; ``error`` says why."""
        return self.pictures[self.pictures["status"] != OK].reset_index(drop=True)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(N,) class indices, −1 for unknowns."""
        return self.readable["label"].to_numpy(dtype=np.int64)

    def __len__(self) -> int:
        return len(self.logits)

    def save(self, folder: Path) -> None:
        """Write to ``folder``, which must not exist yet, in one step.

        Raises
        ------
        ActivationsError
            The disk is full or the folder cannot be written; nothing stays behind.
        """
        temporary = None
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".writing-"))
            np.save(temporary / LOGITS, np.asarray(self.logits, dtype=np.float32))
            self.pictures.to_parquet(temporary / PICTURES, index=False)
            (temporary / KEY).write_text(json.dumps(self.key, indent=2), encoding="utf-8")
            for name in (LOGITS, PICTURES, KEY):
                with (temporary / name).open("rb") as stream:
                    os.fsync(stream.fileno())
            temporary.chmod(0o755)
            temporary.rename(folder)
        except OSError as error:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            raise ActivationsError(
                f"cannot store activations in {folder}: {error.strerror or error}"
            ) from error

    @classmethod
    def load(cls, folder: Path) -> Activations:
        """Open a stored folder; the logits stay on disk until they are used.

        Raises
        ------
        ActivationsError
            A file is missing or damaged; the folder is named.
        """
        try:
            key = json.loads((folder / KEY).read_text(encoding="utf-8"))
            logits = np.load(folder / LOGITS, mmap_mode="r", allow_pickle=False)
            pictures = pd.read_parquet(folder / PICTURES)
        # pyarrow has error classes of its own for damaged files, some of them OSError.
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ActivationsError(
                f"the stored activations in {folder} are damaged ({error}); delete that folder and "
                "run the extraction again"
            ) from error
        activations = cls(logits, pictures, key)
        absent = {"path", "size", "mtime", "label", "prediction", "status", "error"} - {
            *pictures.columns
        }
        if absent:
            raise ActivationsError(
                f"the stored activations in {folder} are damaged (no column {min(absent)}); delete "
                "that folder and run the extraction again"
            )
        if len(activations.readable) != len(logits):
            raise ActivationsError(
                f"the stored activations in {folder} do not fit together; delete that folder and "
                "run the extraction again"
            )
        return activations


def assemble(
    files: PictureFiles,
    rows: dict[int, NDArray[np.float32] | str],
    n_classes: int,
    key: dict[str, Any],
) -> Activations:
    """Put together what became of every file.

    Parameters
    ----------
    files : the split's N files
    rows : per index into ``files``, the (C,) logits or the reason why there are none
    """
    order = range(len(files))
    vectors = [rows[index] for index in order if not isinstance(rows[index], str)]
    logits = np.array(vectors, dtype=np.float32).reshape(-1, n_classes)
    errors = [row if isinstance(row := rows[index], str) else "" for index in order]
    is_ok = np.array([not error for error in errors], dtype=bool)
    predictions = np.full(len(files), -1, dtype=np.int64)
    predictions[is_ok] = logits.argmax(axis=1)
    pictures = pd.DataFrame(
        {
            "path": list(files.paths),
            "size": files.sizes,
            "mtime": files.mtimes,
            "label": files.labels,
            "prediction": predictions,
            "status": np.where(is_ok, OK, UNREADABLE),
            "error": errors,
        }
    )
    return Activations(logits, pictures, key)
