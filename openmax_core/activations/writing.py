"""Writing a folder of stored activations, a few rows at a time.

What is needed of memory does not grow with N × (C + D).
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from openmax_core.activations.activations import (
    FEATURES,
    KEY,
    LOGITS,
    NOT_READ,
    OK,
    PICTURES,
    ROWS_AT_ONCE,
    UNREADABLE,
    WRITING,
)
from openmax_core.activations.shards import Rows, cannot_store
from openmax_core.errors import NotRead
from openmax_core.pictures.folders import PictureFiles
from openmax_core.support.arrays import LARGEST_FEATURE, as_float16
from openmax_core.support.files import new_folder

ROWS_PER_GROUP = 1 << 17  # of the table, which can be read a group at a time
Logits = NDArray[np.float32]


def write_activations(
    folder: Path, files: PictureFiles, rows: Rows, n_classes: int, key: dict[str, Any]
) -> None:
    """Write what became of every file to ``folder``, which must not exist yet, in one step.

    A few rows at a time: what is needed of memory does not grow with N × C.

    Parameters
    ----------
    files : the split's N files
    rows : per index into ``files``, the (C,) logits, (C + D,) with features, or the reason why
        there are none
    key : what the folder was made of

    Raises
    ------
    ActivationsError
        The disk is full or the folder cannot be written; nothing stays behind.
    """
    try:
        with new_folder(folder, WRITING) as temporary:
            errors = [row if isinstance(row := rows[i], str) else "" for i in range(len(files))]
            ok = np.array([not error for error in errors], dtype=bool)
            lost = [NOT_READ if isinstance(error, NotRead) else UNREADABLE for error in errors]
            predictions = np.full(len(files), -1, dtype=np.int64)
            readable = np.flatnonzero(ok)
            width = len(rows[int(readable[0])]) if len(readable) else n_classes
            writer = _Rows(temporary, n_classes, width - n_classes)
            with closing(writer):
                for start in range(0, len(readable), ROWS_AT_ONCE):
                    part = readable[start : start + ROWS_AT_ONCE]
                    values = np.array([rows[index] for index in part.tolist()], dtype=np.float32)
                    writer.add(values[:, :n_classes], values[:, n_classes:])
                    predictions[part] = values[:, :n_classes].argmax(axis=1)
            pictures = pd.DataFrame(
                {
                    "path": list(files.paths),
                    "size": files.sizes,
                    "mtime": files.mtimes,
                    "label": files.labels,
                    "prediction": predictions,
                    "status": np.where(ok, OK, lost),
                    "error": list(map(str, errors)),
                }
            )
            pictures.to_parquet(temporary / PICTURES, index=False, row_group_size=ROWS_PER_GROUP)
            finish(temporary, key | writer.facts)
    except OSError as error:
        raise cannot_store(folder, error) from error


def finish(folder: Path, key: dict[str, Any]) -> None:
    """Write the key of a folder that holds all else, and flush all to disk."""
    (folder / KEY).write_text(json.dumps(key, indent=2), encoding="utf-8")
    names = [LOGITS, PICTURES, KEY, *([FEATURES] if "n_features" in key else [])]
    for name in names:
        with (folder / name).open("r+b") as stream:  # Windows flushes no file read only
            os.fsync(stream.fileno())


class _Rows:
    """``logits.npy`` and, where there are features, ``features.npy``, a few rows at a time.

    The head of each, which says how many rows there are, is written at the end.
    """

    HEADER_BYTES = 128

    def __init__(self, folder: Path, n_classes: int, n_features: int) -> None:
        self.n_rows = self.n_clipped = 0
        self.n_features = n_features
        self._files: list[tuple[IO[bytes], int, str]] = []
        for name, width, kind in ((LOGITS, n_classes, "<f4"), (FEATURES, n_features, "<f2")):
            if width:
                self._files.append(((folder / name).open("wb"), width, kind))
                self._files[-1][0].write(bytes(self.HEADER_BYTES))

    def add(self, logits: Logits, features: NDArray[Any]) -> None:
        """Write n rows of (n, C) logits and (n, D) features."""
        parts: list[NDArray[Any]] = [np.ascontiguousarray(logits, dtype=np.float32)]
        if self.n_features:
            parts.append(as_float16(features))
            self.n_clipped += int((np.abs(parts[1]).max(axis=1) >= LARGEST_FEATURE).sum())
        for (stream, _, _), values in zip(self._files, parts, strict=True):
            stream.write(values.data)
        self.n_rows += len(logits)

    @property
    def facts(self) -> dict[str, Any]:
        """What the key says of the features; nothing where there are none."""
        if not self.n_features:
            return {}
        clipped = {"n_clipped": self.n_clipped} if self.n_clipped else {}
        return {"n_features": self.n_features, **clipped}

    def close(self) -> None:
        """Finish the files; nothing where they are."""
        for stream, width, kind in self._files:
            if stream.closed:
                continue
            head = {"descr": kind, "fortran_order": False, "shape": (self.n_rows, width)}
            stream.seek(0)
            np.lib.format.write_array_header_1_0(stream, head)  # as long, whatever the shape is
            stream.close()


class SetWriter:
    """Writes the rows of one set into a folder of stored activations, a part at a time.

    Parameters
    ----------
    folder : there, and empty
    n_classes : C
    n_features : D; 0 where none are stored
    """

    SCHEMA = pa.schema(
        [
            *(("path", pa.string()), ("size", pa.int64()), ("mtime", pa.int64())),
            *(("label", pa.int64()), ("prediction", pa.int64())),
            *(("status", pa.string()), ("error", pa.string())),
        ]
    )

    def __init__(self, folder: Path, n_classes: int, n_features: int = 0) -> None:
        self._n_classes = n_classes
        self._counts = np.zeros(n_classes, dtype=np.int64)
        self._rows = _Rows(folder, n_classes, n_features)
        self._pictures = pq.ParquetWriter(folder / PICTURES, self.SCHEMA)
        self._waiting: list[Any] = []

    def add(
        self,
        logits: Logits,
        labels: NDArray[np.int64],
        names: list[str],
        features: NDArray[np.float32] | None = None,
    ) -> None:
        """Write N rows.

        Parameters
        ----------
        logits : (N, C)
        labels : (N,), −1 for unknowns
        names : N paths of pictures
        features : (N, D), where there are features
        """
        n = len(names)
        none = np.zeros(n, dtype=np.int64)
        predictions = logits.argmax(axis=1)
        columns = [names, none, none, labels, predictions, [OK] * n, [""] * n]
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, self.SCHEMA, strict=True)
        ]
        self._waiting.append(pa.record_batch(arrays, schema=self.SCHEMA))
        self._rows.add(logits, np.empty((n, 0)) if features is None else features)
        self._counts += np.bincount(labels[labels >= 0], minlength=self._n_classes)
        if sum(map(len, self._waiting)) >= ROWS_PER_GROUP:
            self._flush()

    @property
    def n_rows(self) -> int:
        """Rows that were written."""
        return self._rows.n_rows

    @property
    def facts(self) -> dict[str, Any]:
        """What the key of the folder says of the features."""
        return self._rows.facts

    @property
    def n_labels(self) -> int:
        """How many of the classes have a row."""
        return int((self._counts > 0).sum())

    def close(self) -> None:
        """Finish all files; nothing where they are."""
        if self._pictures.is_open:
            self._flush()
            self._pictures.close()
        self._rows.close()

    def _flush(self) -> None:
        if self._waiting:
            self._pictures.write_table(pa.Table.from_batches(self._waiting, self.SCHEMA))
            self._waiting.clear()
