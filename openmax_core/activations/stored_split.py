"""Stored activations of a split read in chunks or by row, whatever their number.

Nothing is memory-mapped: pages of a map count as resident, and a look at a thousand rows brings in
far more. What is read is read by offset, and let go of.
"""

from __future__ import annotations

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
    OK,
    PICTURES,
    Activations,
    Expected,
    Extent,
    columns_of,
    damaged,
    mapped_features,
    mapped_logits,
    read_key,
    rows_at,
)
from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.support.arrays import Int
from openmax_core.support.chunks import Chunk
from openmax_core.support.codec import typed_columns

CHUNK_VALUES = 1 << 20  # logits, and features, of one chunk
MOST_UNREADABLE = 1000  # files without logits that are named


class StoredSplit:
    """One stored folder, opened without reading its rows.

    Parameters
    ----------
    folder : as :func:`~openmax_core.activations.activations.write_activations` wrote it
    expected : what it is to hold, where that is known

    Raises
    ------
    ActivationsError
        A file is missing or damaged, or not what is expected; the folder is named.
    """

    def __init__(self, folder: Path, expected: Expected | None = None) -> None:
        self.folder = folder
        self.key: dict[str, Any] = read_key(folder)
        self._mapped = mapped_logits(folder, expected)  # of which only the head is read
        self.n_readable, self.n_classes = self._mapped.shape
        self._features = mapped_features(folder, self.key)
        if self._features is not None and len(self._features) != self.n_readable:
            raise damaged(folder, "features and logits do not fit together")
        self._columns = columns_of(self.n_classes, expected)
        with self._pictures() as stored:
            groups = range(stored.num_row_groups)
            sizes = [int(stored.metadata.row_group(group).num_rows) for group in groups]
        self._group_sizes, self.n_files = sizes, sum(sizes)
        if self.n_files < self.n_readable:
            raise damaged(folder, "pictures and logits do not fit together")

    @property
    def n_features(self) -> int:
        """D; 0 where no features are stored."""
        return 0 if self._features is None else self._features.shape[1]

    def chunks(
        self, most_values: int = CHUNK_VALUES, *, has_features: bool = False
    ) -> Iterator[Chunk]:
        """Read all readable pictures in order, some ``most_values`` numbers at a time.

        Parameters
        ----------
        has_features : read the stored features too, where there are any

        Raises
        ------
        ActivationsError
            A logit is not finite, the picture is named; or the folder is damaged.
        """
        first = 0
        stored = self._features if has_features else None
        width = self.n_classes + (self.n_features if has_features else 0)
        for batch in self._batches(max(1, most_values // width), "label", "prediction"):
            is_ok = pc.equal(batch["status"], OK)
            if first + (n_ok := pc.sum(is_ok).as_py() or 0) > self.n_readable:
                break
            labels, predictions = (
                batch[name].filter(is_ok).to_numpy(zero_copy_only=False).astype(np.int64)
                for name in ("label", "prediction")
            )
            logits = rows_at(self.folder, self._mapped, first, n_ok)
            finite = np.isfinite(logits).all(axis=1)
            if not finite.all():
                path = self.at(np.array([first + int(np.argmin(finite))])).readable["path"].iloc[0]
                raise ActivationsError(
                    f"the stored logits of {path} are damaged (NaN or Inf); delete {self.folder} "
                    "and run the extraction again"
                )
            features = None if stored is None else rows_at(self.folder, stored, first, n_ok)
            yield Chunk(first, logits, labels, predictions, features)
            first += len(labels)
        if first != self.n_readable:
            raise damaged(self.folder, "pictures and logits do not fit together")

    def at(self, rows: Int, *, has_features: bool = False) -> Activations:
        """Activations of some readable pictures alone, with what all are in ``whole``.

        Parameters
        ----------
        rows : (K,) ascending, among the readable
        has_features : with the stored features too, where there are any

        Returns
        -------
        K readable pictures, and the first 1,000 files without logits.

        Raises
        ------
        ActivationsError
            A file is damaged; the folder is named.
        """
        taken, first, n_unreadable = [], 0, 0
        for group, n_files in enumerate(self._group_sizes):
            if self.n_files == self.n_readable:  # then nothing is to be looked for
                wanted = np.searchsorted(rows, [first, first + n_files])
                if wanted[0] == wanted[1]:
                    first += n_files
                    continue
            with self._pictures() as stored:
                pictures = self._typed(stored.read_row_group(group), *self._columns)
            is_ok = pc.equal(pictures["status"], OK).to_numpy(zero_copy_only=False)
            ok = np.flatnonzero(is_ok)
            mine = rows[slice(*np.searchsorted(rows, [first, first + len(ok)]))] - first
            lost = np.flatnonzero(~is_ok)[: MOST_UNREADABLE - n_unreadable]
            n_unreadable += len(lost)
            first += len(ok)
            places = np.sort(np.concatenate([ok[mine], lost]))
            taken.append(pictures.take(pa.array(places)).to_pandas())
        logits = self._at(rows, self._mapped)
        features = self._at(rows, self._features) if has_features and self.n_features else None
        if not taken:
            with self._pictures() as stored:
                empty = stored.schema_arrow.empty_table()
                taken = [self._typed(empty, *self._columns).to_pandas()]
        pictures = pd.concat(taken, ignore_index=True)
        if int((pictures["status"] == OK).sum()) != len(rows):
            raise damaged(self.folder, "pictures and logits do not fit together")
        whole = Extent(self.n_readable, self.n_files - self.n_readable)
        return Activations(logits, pictures, self.key, whole, features)

    def _at(self, rows: Int, mapped: Any) -> NDArray[Any]:
        values = np.empty((len(rows), mapped.shape[1]), dtype=mapped.dtype)
        for place, row in enumerate(rows.tolist()):
            values[place] = rows_at(self.folder, mapped, row, 1)
        return values

    def _batches(self, n_rows: int, *columns: str) -> Iterator[pa.Table]:
        """All files' rows in order."""
        with self._pictures() as stored:
            names = [*columns, "status"]
            for batch in stored.iter_batches(n_rows, columns=names, use_threads=False):
                yield self._typed(pa.Table.from_batches([batch]), *names)

    def _typed(self, table: pa.Table, *names: str) -> pa.Table:
        try:
            return typed_columns(table, {name: self._columns[name] for name in names})
        except OpenMaxError as error:
            raise damaged(self.folder, f"{PICTURES}: {error}") from error

    @contextmanager
    def _pictures(self) -> Iterator[pq.ParquetFile]:
        """Table of all files; the folder is named where it cannot be read."""
        try:
            with pq.ParquetFile(self.folder / PICTURES) as stored:
                yield stored
        except (OSError, ValueError, LookupError, pa.ArrowException) as error:
            raise damaged(self.folder, str(error)) from error
