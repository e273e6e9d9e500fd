"""Writing a folder of stored activations, a few rows at a time.

What is needed of memory does not grow with N × C.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from openmax_core.activations.activations import (
    KEY,
    LOGITS,
    NOT_READ,
    OK,
    PICTURES,
    ROWS_AT_ONCE,
    ROWS_PER_GROUP,
    UNREADABLE,
    WRITING,
)
from openmax_core.activations.shards import Rows, cannot_store
from openmax_core.errors import NotRead
from openmax_core.pictures.folders import PictureFiles
from openmax_core.support.files import new_folder

Logits = NDArray[np.float32]


def write_activations(
    folder: Path, files: PictureFiles, rows: Rows, n_classes: int, key: dict[str, Any]
) -> None:
    """Write what became of every file to ``folder``, which must not exist yet, in one step.

    A few rows at a time: what is needed of memory does not grow with N × C.

    Parameters
    ----------
    files : the split's N files
    rows : per index into ``files``, the (C,) logits or the reason why there are none
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
            predictions[ok] = _write_logits(temporary / LOGITS, rows, np.flatnonzero(ok), n_classes)
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
            (temporary / KEY).write_text(json.dumps(key, indent=2), encoding="utf-8")
            for name in (LOGITS, PICTURES, KEY):
                with (temporary / name).open("r+b") as stream:  # Windows flushes no file read only
                    os.fsync(stream.fileno())
    except OSError as error:
        raise cannot_store(folder, error) from error


def _write_logits(
    path: Path, rows: Rows, readable: NDArray[np.intp], n_classes: int
) -> NDArray[np.int64]:
    """Write the logits of the readable files; returns the class of each with the largest."""
    predictions = np.empty(len(readable), dtype=np.int64)
    with path.open("wb") as stream:
        header = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)),
            "fortran_order": False,
            "shape": (len(readable), n_classes),
        }
        np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, len(readable), ROWS_AT_ONCE):
            part = readable[start : start + ROWS_AT_ONCE].tolist()
            logits = np.array([rows[index] for index in part], dtype=np.float32)
            predictions[start : start + len(part)] = logits.argmax(axis=1)
            stream.write(logits.tobytes())
    return predictions


class SetWriter:
    """Writes the rows of one set into a folder of stored activations, a part at a time.

    Parameters
    ----------
    folder : there, and empty
    n_classes : C
    """

    HEADER_BYTES = 128
    SCHEMA = pa.schema(
        [
            *(("path", pa.string()), ("size", pa.int64()), ("mtime", pa.int64())),
            *(("label", pa.int64()), ("prediction", pa.int64())),
            *(("status", pa.string()), ("error", pa.string())),
        ]
    )

    def __init__(self, folder: Path, n_classes: int) -> None:
        self._n_classes = n_classes
        self.n_rows = 0
        self._counts = np.zeros(n_classes, dtype=np.int64)
        self._logits = (folder / LOGITS).open("wb")
        self._logits.write(bytes(self.HEADER_BYTES))
        self._pictures = pq.ParquetWriter(folder / PICTURES, self.SCHEMA)
        self._waiting: list[Any] = []

    def add(self, logits: Logits, labels: NDArray[np.int64], names: list[str]) -> None:
        """Write N rows.

        Parameters
        ----------
        logits : (N, C)
        labels : (N,), −1 for unknowns
        names : N paths of pictures
        """
        n = len(names)
        none = np.zeros(n, dtype=np.int64)
        predictions = logits.argmax(axis=1)
        columns = [names, none, none, labels, predictions, [OK] * n, [""] * n]
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, self.SCHEMA, strict=True)
        ]
        self._waiting.append(pa.record_batch(arrays, schema=self.SCHEMA))
        self._logits.write(np.ascontiguousarray(logits, dtype=np.float32).data)
        self.n_rows += n
        self._counts += np.bincount(labels[labels >= 0], minlength=self._n_classes)
        if sum(map(len, self._waiting)) >= ROWS_PER_GROUP:
            self._flush()

    @property
    def n_labels(self) -> int:
        """How many of the classes have a row."""
        return int((self._counts > 0).sum())

    def close(self) -> None:
        """Finish both files; nothing where they are."""
        if self._logits.closed:
            return
        self._flush()
        self._pictures.close()
        head = {"descr": "<f4", "fortran_order": False, "shape": (self.n_rows, self._n_classes)}
        text = repr(head).encode("ascii")
        length = self.HEADER_BYTES - 10
        self._logits.seek(0)
        self._logits.write(b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little"))
        self._logits.write(text.ljust(length - 1) + b"\n")
        self._logits.close()

    def _flush(self) -> None:
        if self._waiting:
            self._pictures.write_table(pa.Table.from_batches(self._waiting, self.SCHEMA))
            self._waiting.clear()
