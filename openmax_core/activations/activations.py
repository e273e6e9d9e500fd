"""Activations of one split and their store on disk.

One folder a split and state: ``logits.npy``, (N, C) float32, large ones as a memory map; and
``pictures.parquet``, a row for every picture file found, in order: path, size, mtime, label,
prediction, status ('ok', 'unreadable' or 'not read') and error. The logits hold the rows with
status 'ok'; 'not read' are those that the machine did not give, and that are tried again.
``features.npy``, (N, D) float16, is there where features were asked for: what the last linear layer
took, for the same pictures. ``key.json`` says what the folder was made of; folders are written
under a temporary name and renamed when whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.support.arrays import require_whole
from openmax_core.support.codec import Column, entry, read_columns, read_json

LOGITS, FEATURES = "logits.npy", "features.npy"
PICTURES, KEY = "pictures.parquet", "key.json"
OK, UNREADABLE, NOT_READ = "ok", "unreadable", "not read"
WRITING = ".writing-"
ROWS_AT_ONCE = 1024
MOST_IN_MEMORY = 64 << 20  # bytes of logits that are read whole; of more, what is used
# Entries of a key, and those that some keys have: of older versions, of features, or of samples.
ENTRIES: dict[str, Any] = {"store": str, "classifier": str, "created": str}
FURTHER_ENTRIES: dict[str, Any] = {
    "made_with": dict[str, Any],
    "folder": str,
    "engine": str,
    "number": int,
    "whole": tuple[int, int],
    "features": str,
    "n_features": int,
    "n_clipped": int,
    "without_features": str,
}


@dataclass(frozen=True)
class Extent:
    """How many files a split has: with logits, and without."""

    n_readable: int
    n_unreadable: int


@dataclass(frozen=True)
class Activations:
    """Logits of a split's pictures, and what became of every file.

    Attributes
    ----------
    logits : (N, C) float32
        Of the pictures that could be read. Raises an ActivationsError where they are on disk and
        another process has cut them short.
    pictures : DataFrame of all files found
        Columns path, size, mtime, label (−1: unknown), prediction (−1: unreadable), status, error.
    key : dict
        Fingerprints of the classifier and of the files, the folder, and when.
    whole : Extent, optional
        Of the split that this is a sample of; its unreadable files are the first ones.
    features : (N, D) float16, optional
        Penultimate activations of the same pictures, where they are stored: on disk, and read as
        they are used. Raises an ActivationsError as the logits do.
    """

    logits: NDArray[np.float32]
    pictures: pd.DataFrame
    key: dict[str, Any]
    whole: Extent | None = None
    features: NDArray[np.float16] | None = None

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

    @property
    def n_readable(self) -> int:
        """Readable pictures of the split, also of those that are not in a sample."""
        return len(self) if self.whole is None else self.whole.n_readable

    @property
    def n_unreadable(self) -> int:
        """Unreadable files of the split, also of those that are not in a sample."""
        return len(self.unreadable) if self.whole is None else self.whole.n_unreadable

    def first_not_finite(self) -> str | None:
        """Path of the first picture with a logit that is NaN or infinite; None without one."""
        for start in range(0, len(self), ROWS_AT_ONCE):
            finite = np.isfinite(self.logits[start : start + ROWS_AT_ONCE]).all(axis=1)
            if not finite.all():
                return str(self.readable["path"].iloc[start + int(np.argmin(finite))])
        return None

    def save(self, folder: Path) -> None:
        """Write to a folder that does not exist yet; 'whole' goes into the key.

        Raises
        ------
        OSError
            The disk is full or the folder cannot be written.
        """
        folder.mkdir()
        np.save(folder / LOGITS, np.asarray(self.logits), allow_pickle=False)
        if self.features is not None:
            np.save(folder / FEATURES, np.asarray(self.features), allow_pickle=False)
        self.pictures.to_parquet(folder / PICTURES, index=False)
        key = {**self.key, "whole": [self.n_readable, self.n_unreadable]}
        if self.features is None:
            key.pop("n_features", None)
        (folder / KEY).write_text(json.dumps(key, indent=2), encoding="utf-8")

    def __getattribute__(self, name: str) -> Any:
        """Refuse what another process has cut off a part of: it cannot be read."""
        value = super().__getattribute__(name)
        if name in {"logits", "features"}:
            require_whole(value)
        return value

    @classmethod
    def load(cls, folder: Path, expected: Expected | None = None) -> Activations:
        """Open a stored folder; many logits stay on disk until they are used.

        Raises
        ------
        ActivationsError
            A file is missing or damaged, or not what is expected; the folder is named.
        """
        key = read_key(folder)
        mapped = mapped_logits(folder, expected)
        logits: NDArray[np.float32] = mapped
        if mapped.nbytes <= MOST_IN_MEMORY:
            logits = rows_at(folder, mapped, 0, len(mapped))
        columns = columns_of(logits.shape[1], expected)
        try:
            pictures = read_columns(folder / PICTURES, columns)
        except OpenMaxError as error:
            raise damaged(folder, f"{PICTURES}: {error}") from error
        activations = cls(logits, pictures, key, features=mapped_features(folder, key))
        n_features = len(logits) if activations.features is None else len(activations.features)
        if n_features != len(logits):
            raise damaged(folder, "features and logits do not fit together")
        if len(activations.readable) != len(logits):
            raise damaged(folder, "pictures and logits do not fit together")
        return activations


@dataclass(frozen=True)
class Expected:
    """What stored activations of a split are to be.

    Attributes
    ----------
    n_classes : of the logits
    is_known : every picture has a class; no picture has one of unknowns; None where some may
    """

    n_classes: int
    is_known: bool | None


def columns_of(n_classes: int, expected: Expected | None = None) -> dict[str, Column]:
    """Columns of the stored table of pictures."""
    is_known = None if expected is None else expected.is_known
    first, last = (0 if is_known else -1), (0 if is_known is False else n_classes)
    return {
        "path": str,
        "size": int,
        "mtime": int,
        "label": range(first, last),
        "prediction": range(-1, n_classes),
        "status": (OK, UNREADABLE, NOT_READ),
        "error": str,
    }


def read_key(folder: Path) -> dict[str, Any]:
    """What a stored folder was made of.

    Raises
    ------
    ActivationsError
        The file is missing or damaged, or an entry is not what it should be; it is named.
    """
    try:
        key: dict[str, Any] = read_json(folder / KEY)
        further = {name: kind for name, kind in FURTHER_ENTRIES.items() if name in key}
        return {name: entry(kind, key, name) for name, kind in (ENTRIES | further).items()}
    except (OpenMaxError, TypeError) as error:
        raise damaged(folder, f"{KEY}: {error}") from error


def logits_name(key: dict[str, Any]) -> str:
    """Name of stored logits: the same, whether features are stored beside them or not."""
    return str(key.get("without_features") or key["store"])


def mapped_logits(folder: Path, expected: Expected | None = None) -> np.memmap[Any, Any]:
    """Stored logits, of which nothing but the head is read.

    Raises
    ------
    ActivationsError
        The file is missing or damaged, or its logits are of other classes; the folder is named.
    """
    try:
        logits = np.load(folder / LOGITS, mmap_mode="r", allow_pickle=False)
        # What is read by its offset must be what it is taken for.
        if not isinstance(logits, np.memmap) or logits.ndim != 2 or not logits.shape[1]:
            raise ValueError("there are no rows of logits")
        if logits.dtype != np.float32 or not logits.flags.c_contiguous:
            raise ValueError(f"logits are {logits.dtype}, not rows of float32")
        if expected is not None and logits.shape[1] != expected.n_classes:
            raise ValueError(
                f"logits of {logits.shape[1]} classes; there are {expected.n_classes} classes"
            )
    except (OSError, ValueError, EOFError, OverflowError, MemoryError) as error:
        raise damaged(folder, f"{LOGITS}: {error}") from error
    return logits


def mapped_features(folder: Path, key: dict[str, Any]) -> np.memmap[Any, Any] | None:
    """Stored features, of which nothing but the head is read; None where there are none.

    Parameters
    ----------
    key : what the folder says of itself

    Raises
    ------
    ActivationsError
        The file is missing or damaged; the folder is named.
    """
    if "n_features" not in key:
        return None
    try:
        features = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False)
        if not isinstance(features, np.memmap) or features.ndim != 2 or not features.shape[1]:
            raise ValueError("there are no rows of features")
        if features.dtype != np.float16 or not features.flags.c_contiguous:
            raise ValueError(f"features are {features.dtype}, not rows of float16")
        if features.shape[1] != key["n_features"]:
            raise ValueError(f"there are {features.shape[1]} features, not {key['n_features']}")
    except (OSError, ValueError, EOFError, OverflowError, MemoryError) as error:
        raise damaged(folder, f"{FEATURES}: {error}") from error
    return features


def rows_at(folder: Path, mapped: np.memmap[Any, Any], first: int, count: int) -> NDArray[Any]:
    """Read (count, C) stored logits, or (count, D) features, from row ``first`` on.

    Parameters
    ----------
    mapped : of :func:`mapped_logits` or :func:`mapped_features`

    Raises
    ------
    ActivationsError
        They are not there any more; the folder is named.
    """
    width, kind = mapped.shape[1], mapped.dtype
    name = LOGITS if kind == np.float32 else FEATURES
    offset = mapped.offset + kind.itemsize * first * width
    try:
        values = np.fromfile(folder / name, kind, count * width, offset=offset)
    except OSError as error:
        raise damaged(folder, str(error)) from error
    if len(values) != count * width:
        raise damaged(folder, f"{name}: rows are missing at its end")
    return values.reshape(count, width)


def damaged(folder: Path, reason: str) -> ActivationsError:
    """What to say of a stored folder that cannot be read."""
    return ActivationsError(
        f"the stored activations in {folder} are damaged ({reason}); delete that folder and run "
        "the extraction again"
    )
