"""Stored activations of a split read in chunks or by row, whatever their number.

Nothing is memory-mapped: pages of a map count as resident, and a look at a thousand rows brings in
far more. What is read is read by offset, and let go of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from openmax_core.activations.activations import (
    KEY,
    LOGITS,
    OK,
    PICTURES,
    Activations,
    Extent,
    damaged,
)
from openmax_core.errors import ActivationsError
from openmax_core.support.arrays import Int
from openmax_core.support.chunks import Chunk

CHUNK_VALUES = 1 << 20  # logits of one chunk
MOST_UNREADABLE = 1000  # files without logits that are named


class StoredSplit:
    """One stored folder, opened without reading its rows.

    Parameters
    ----------
    folder : as :func:`~openmax_core.activations.activations.write_activations` wrote it

    Raises
    ------
    ActivationsError
        A file is missing or damaged; the folder is named.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.key: dict[str, Any] = json.loads((folder / KEY).read_text(encoding="utf-8"))
            # Only its head is read.
            logits = np.load(folder / LOGITS, mmap_mode="r", allow_pickle=False)
            # What is read by its offset must be what it is taken for.
            if logits.dtype != np.float32 or not logits.flags.c_contiguous:
                raise ValueError(f"logits are {logits.dtype}, not rows of float32")
            self.n_readable, self.n_classes = logits.shape
            self._offset = int(logits.offset)
            stored = pq.read_metadata(folder / PICTURES)
            groups = range(stored.num_row_groups)
            self._group_sizes = [int(stored.row_group(group).num_rows) for group in groups]
            self.n_files = sum(self._group_sizes)
        except (OSError, ValueError, EOFError, AttributeError, pa.ArrowException) as error:
            raise damaged(self.folder, str(error)) from error

    def chunks(self, most_values: int = CHUNK_VALUES) -> Iterator[Chunk]:
        """Read all readable pictures in order, some ``most_values`` logits at a time.

        Raises
        ------
        ActivationsError
            A logit is not finite, the picture is named; or the folder is damaged.
        """
        first = 0
        for batch in self._batches(max(1, most_values // self.n_classes), "label", "prediction"):
            is_ok = pc.equal(batch["status"], OK)
            labels, predictions = (
                batch[name].filter(is_ok).to_numpy(zero_copy_only=False).astype(np.int64)
                for name in ("label", "prediction")
            )
            logits = self._logits(first, len(labels))
            finite = np.isfinite(logits).all(axis=1)
            if not finite.all():
                path = self.at(np.array([first + int(np.argmin(finite))])).readable["path"].iloc[0]
                raise ActivationsError(
                    f"the stored logits of {path} are damaged (NaN or Inf); delete {self.folder} "
                    "and run the extraction again"
                )
            yield Chunk(first, logits, labels, predictions)
            first += len(labels)
        if first != self.n_readable:
            raise damaged(self.folder, "pictures and logits do not fit together")

    def at(self, rows: Int) -> Activations:
        """Activations of some readable pictures alone, with what all are in ``whole``.

        Parameters
        ----------
        rows : (K,) ascending, among the readable

        Returns
        -------
        K readable pictures, and the first 1,000 files without logits.
        """
        taken, first, n_unreadable = [], 0, 0
        for group, n_files in enumerate(self._group_sizes):
            if self.n_files == self.n_readable:  # then nothing is to be looked for
                wanted = np.searchsorted(rows, [first, first + n_files])
                if wanted[0] == wanted[1]:
                    first += n_files
                    continue
            with self._pictures() as stored:
                pictures = stored.read_row_group(group)
            is_ok = pc.equal(pictures["status"], OK).to_numpy(zero_copy_only=False)
            ok = np.flatnonzero(is_ok)
            mine = rows[slice(*np.searchsorted(rows, [first, first + len(ok)]))] - first
            lost = np.flatnonzero(~is_ok)[: MOST_UNREADABLE - n_unreadable]
            n_unreadable += len(lost)
            first += len(ok)
            places = np.sort(np.concatenate([ok[mine], lost]))
            taken.append(pictures.take(pa.array(places)).to_pandas())
        logits = np.empty((len(rows), self.n_classes), dtype=np.float32)
        width = logits.itemsize * self.n_classes
        with (self.folder / LOGITS).open("rb") as stream:
            for place, row in enumerate(rows.tolist()):
                stream.seek(self._offset + row * width)
                logits[place] = np.frombuffer(stream.read(width), dtype=np.float32)
        if not taken:
            with self._pictures() as stored:
                taken = [stored.schema_arrow.empty_table().to_pandas()]
        pictures = pd.concat(taken, ignore_index=True)
        whole = Extent(self.n_readable, self.n_files - self.n_readable)
        return Activations(logits, pictures, self.key, whole)

    def _batches(self, n_rows: int, *columns: str) -> Iterator[pa.RecordBatch]:
        """All files' rows in order."""
        with self._pictures() as stored:
            names = [*columns, "status"]
            yield from stored.iter_batches(n_rows, columns=names, use_threads=False)

    @contextmanager
    def _pictures(self) -> Iterator[pq.ParquetFile]:
        """Table of all files; the folder is named where it cannot be read."""
        try:
            with pq.ParquetFile(self.folder / PICTURES) as stored:
                yield stored
        except (OSError, ValueError, LookupError, pa.ArrowException) as error:
            raise damaged(self.folder, str(error)) from error

    def _logits(self, first: int, count: int) -> NDArray[np.float32]:
        offset = self._offset + 4 * first * self.n_classes
        values = np.fromfile(
            self.folder / LOGITS, np.float32, count * self.n_classes, offset=offset
        )
        if len(values) != count * self.n_classes:
            raise damaged(self.folder, "logits are missing at its end")
        return values.reshape(count, self.n_classes)
