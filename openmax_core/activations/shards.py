"""Results of an extraction that is under way: small files, each whole or not there.

One folder a split; ``00000012.safetensors`` holds the logits of the readable pictures, their
features as float16 where these were asked for, and as metadata path, size, mtime and error of every
picture, in order. They are numbered as they were written. A run that was interrupted leaves them,
and the next one goes on from there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import ActivationsError, NotRead, OpenMaxError
from openmax_core.support.arrays import as_float16
from openmax_core.support.files import write_bytes_atomically

LOG = logging.getLogger(__name__)
SUFFIX = ".safetensors"
MOST_OPEN = 4

Identity = tuple[str, int, int]
# Of a picture: (C,) logits, or (C + D,) with its features behind them; or why there are none.
Result = NDArray[np.float32] | str
Rows = Mapping[int, Result]
# Number of the source, row of its logits, and why there is none.
_Place = tuple[int, int, str]
_Stored = tuple[NDArray[np.float32], NDArray[np.float16] | None]


@dataclass(frozen=True)
class Shards:
    """The shards of one split and one classifier, in a folder that is made with the first."""

    folder: Path

    def paths(self) -> list[Path]:
        """Shards in the order in which they were written."""
        return sorted(self.folder.glob(f"[0-9]*{SUFFIX}"))

    def write(
        self, pictures: Sequence[Identity], results: Sequence[Result], n_classes: int
    ) -> None:
        """Store results for good.

        Parameters
        ----------
        pictures : N of (path, size, mtime)
        results : N of (C,) float32 logits, (C + D,) with features, or the reason why there are none

        Raises
        ------
        ActivationsError
            The disk is full or the folder cannot be written; earlier shards stay.
        """
        from safetensors.numpy import save

        vectors = [result for result in results if not isinstance(result, str)]
        errors = [result if isinstance(result, str) else "" for result in results]
        rows = [[*picture, error] for picture, error in zip(pictures, errors, strict=True)]
        values = np.array(vectors or np.empty((0, n_classes)), dtype=np.float32)
        tensors: dict[str, NDArray[Any]] = {"logits": np.ascontiguousarray(values[:, :n_classes])}
        if values.shape[1] > n_classes:
            tensors["features"] = as_float16(values[:, n_classes:])
        content = save(
            tensors,
            metadata={"pictures": json.dumps(rows), "count": str(len(rows))},
        )
        number = int(paths[-1].stem) + 1 if (paths := self.paths()) else 0
        try:
            write_bytes_atomically(self.folder / f"{number:08d}{SUFFIX}", content)
        except OpenMaxError as error:
            raise cannot_store(self.folder, error.__cause__ or error) from error

    def n_pictures(self) -> int:
        """Count the pictures that the shards cover; reads no logits."""
        return sum(_count(path) for path in self.paths())


def _count(path: Path) -> int:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as stored:
            return int(stored.metadata()["count"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return 0


def cannot_store(folder: Path, error: BaseException) -> ActivationsError:
    """What to say of a folder that cannot be written, or of a full disk."""
    reason = getattr(error, "strerror", None) or error
    return ActivationsError(
        f"cannot store activations in {folder}: {reason}. What was stored before stays: mend that, "
        "and run the extraction again to go on"
    )


class LocatedRows(Rows):
    """Results by index into a listing, read from where they lie when they are asked for.

    What is known of each picture is a number or two; a few shards at most are in memory.

    Parameters
    ----------
    identities : of the listing's pictures
    """

    def __init__(self, identities: Sequence[Identity]) -> None:
        self._indices = {identity: index for index, identity in enumerate(identities)}
        self._places: dict[int, _Place] = {}
        self._sources: list[Callable[[], _Stored]] = []
        self._shards: set[int] = set()
        self._open = lru_cache(MOST_OPEN)(lambda number: self._sources[number]())

    def add_source(
        self,
        pictures: Iterable[tuple[Identity, str]],
        read: Callable[[], tuple[NDArray[np.float32], NDArray[np.float16] | None]],
    ) -> None:
        """Know of stored results; later sources win.

        Parameters
        ----------
        pictures : identity and error of every picture, in order
        read : returns the logits of those without error, and their features
        """
        number, row = len(self._sources), 0
        self._sources.append(read)
        for identity, error in pictures:
            if (index := self._indices.get(identity)) is not None:
                self._places[index] = number, row, error
            row += not error

    def add_not_read(self, reasons: Mapping[int, NotRead]) -> None:
        """Know of pictures that the machine did not give, by index into the listing."""
        self._places |= {index: (-1, 0, reason) for index, reason in reasons.items()}

    def add_shard(self, path: Path) -> None:
        """Know of a shard; a damaged one is removed, and its pictures are run again."""
        from safetensors import SafetensorError, safe_open

        def read() -> _Stored:
            with safe_open(path, framework="np") as stored:
                has_features = "features" in stored.keys()  # noqa: SIM118 - no dict
                features = np.array(stored.get_tensor("features")) if has_features else None
                return np.array(stored.get_tensor("logits")), features

        try:
            with safe_open(path, framework="np") as stored:
                rows = json.loads(stored.metadata()["pictures"])
                n_stored = stored.get_slice("logits").get_shape()[0]
            pictures = [
                ((str(name), int(size), int(mtime)), str(error))
                for name, size, mtime, error in rows
            ]
            if n_stored != sum(not error for _, error in pictures):
                raise ValueError("rows and pictures do not fit together")
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            LOG.warning("the shard %s is damaged (%s); its pictures are run again", path, error)
            path.unlink(missing_ok=True)
            return
        self._shards.add(len(self._sources))
        self.add_source(pictures, read)

    @property
    def n_resumed(self) -> int:
        """How many of the results come from shards."""
        return sum(source in self._shards for source, _, _ in self._places.values())

    def __getitem__(self, index: int) -> Result:
        source, row, error = self._places[index]
        if error:
            return error
        logits, features = self._open(source)
        if features is None:
            return logits[row]
        return np.concatenate([logits[row], features[row].astype(np.float32)])

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, index: object) -> bool:
        return index in self._places
