"""Where a classifier's activations lie: keys, finding what is stored, re-using what still holds.

The key of a stored split covers the classifier (weights, architecture, classes, transform,
precision) and each picture's path, label, size and mtime. Folders are called ``<split>-<key>``;
where the machine did not give a picture, the key is another one, so that it is tried again;
``.unfinished-<split>-<key of the classifier>`` holds the shards of a run that is under way.

A store with features has a key of its own. Their logits are those of the same classifier: where
features are asked for and not stored yet, logits without them are used until they are; and who asks
for none may use what has them. Both lie side by side while they are of the same files.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from openmax_core.activations.activations import (
    NOT_READ,
    WRITING,
    Activations,
    read_key,
)
from openmax_core.activations.shards import Identity, LocatedRows, Rows, Shards, cannot_store
from openmax_core.activations.writing import write_activations
from openmax_core.errors import ActivationsError, NotRead
from openmax_core.pictures.folders import PictureFiles
from openmax_core.support.files import KEY_LENGTH, fingerprint

UNFINISHED, LOCK = ".unfinished-", ".lock"
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class ActivationStore:
    """Stored activations of one classifier.

    Attributes
    ----------
    folder : Path
        Holds the splits' folders.
    made_with : dict
        What makes the classifier: 'weights' (a fingerprint), 'architecture', 'classes',
        'transform', 'precision'. Activations of others are not seen.
    features : str, optional
        What the features are that are asked for beside the logits; none without.
    """

    folder: Path
    made_with: dict[str, Any]
    features: str | None = None

    @cached_property
    def classifier_key(self) -> str:
        """Fingerprint of what makes the classifier."""
        return fingerprint(self.made_with)

    @property
    def own_key(self) -> str:
        """Fingerprint of the classifier and of the features that are asked for."""
        if self.features is None:
            return self.classifier_key
        return fingerprint(self.classifier_key, "features", self.features)

    def folder_of(self, split: str, files: PictureFiles) -> Path:
        """Where activations of exactly these files lie or would lie."""
        return self._folder(split, self.own_key, files)

    def _folder(self, split: str, key: str, files: PictureFiles) -> Path:
        listing = [files.paths, files.labels.tolist(), files.sizes.tolist(), files.mtimes.tolist()]
        return self.folder / f"{split}-{fingerprint(key, listing)}"

    def newest(self, split: str) -> Path | None:
        """Newest stored folder of a split that this classifier made.

        One with the features that are asked for, or without if none are, comes before all others,
        whose logits are as good.
        """
        own = [
            (key.get("features") == self.features, _order(key), folder)
            for folder, key in self._all(split)
            if key.get("classifier") == self.classifier_key
        ]
        return max(own)[2] if own else None

    def has_features(self, split: str) -> bool:
        """Tell whether :meth:`newest` has the features that are asked for; true if none are."""
        if self.features is None:
            return True
        folder = self.newest(split)
        return folder is not None and _read_key(folder).get("features") == self.features

    def found(self, split: str, files: PictureFiles) -> Path | None:
        """Where activations of exactly these files are stored, whole, with what is asked for."""
        folder = self.folder_of(split, files)
        if _read_key(folder):
            return folder
        if self.features is None:
            for other, key in self._all(split):
                if key.get("without_features") == folder.name:
                    return other
        return None

    def require_sound(self, split: str) -> None:
        """Refuse a stored folder of a split that does not say what it was made of.

        Raises
        ------
        ActivationsError
            There is one; it is named.
        """
        for folder in self._folders(split):
            read_key(folder)

    def holds(self, split: str, files: PictureFiles) -> bool:
        """Tell whether activations of exactly these files are stored, whole."""
        return self.found(split, files) is not None

    def holds_all(self, listings: Mapping[str, PictureFiles]) -> bool:
        """Tell whether there is nothing to run, to store or to remove."""
        unfinished = [*self.folder.glob(f"{UNFINISHED}*"), *self.folder.glob(f"{WRITING}*")]
        return not unfinished and all(
            (found := self.found(split, files)) is not None
            and self._folders(split) == self._kept(split, found)
            for split, files in listings.items()
        )

    def changes(self, split: str) -> list[str]:
        """Name what is stored of a split was made with other than this: 'weights', 'transform', …

        Empty where there is something of this classifier, or nothing at all; 'features' alone
        where what there is lacks those that are asked for.
        """
        others = [item for item in self._all(split) if item[1]]
        if self.newest(split) is not None:
            return [] if self.has_features(split) else ["features"]
        if not others:
            return []
        _, key = max(others, key=lambda item: _order(item[1]))
        if (before := key.get("made_with")) is None:
            return []
        now = json.loads(json.dumps(self.made_with))  # as it would be read: lists for tuples
        return [name for name, value in now.items() if before.get(name) != value]

    @contextmanager
    def locked(self, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Be the only process that extracts into this store.

        Parameters
        ----------
        on_wait : called again and again while another process does

        Raises
        ------
        ActivationsError
            The folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / LOCK)
            while True:
                try:
                    lock.acquire(timeout=POLL_SECONDS)
                    break
                except filelock.Timeout:
                    if on_wait:
                        on_wait()
        except (OSError, NotImplementedError) as error:
            raise cannot_store(self.folder, error) from error
        try:
            yield
        finally:
            lock.release()

    def shards(self, split: str) -> Shards:
        """Results of a run over a split that is under way, or was interrupted."""
        return Shards(self.folder / f"{UNFINISHED}{split}-{self.own_key}")

    def rows(self, split: str, files: PictureFiles) -> LocatedRows:
        """Results for files that have not changed, of the newest store and of an unfinished run."""
        rows = LocatedRows(identities(files))
        folder = self.newest(split)
        if folder is not None and self.has_features(split):
            earlier, has_features = Activations.load(folder), self.features is not None
            known = earlier.pictures[earlier.pictures["status"] != NOT_READ]
            columns = [known[name].tolist() for name in ("path", "size", "mtime", "error")]
            stored = zip(*columns, strict=True)
            pictures = (((path, size, mtime), error) for path, size, mtime, error in stored)
            rows.add_source(
                pictures,
                lambda: (np.asarray(earlier.logits), earlier.features if has_features else None),
            )
        for path in self.shards(split).paths():
            rows.add_shard(path)
        return rows

    def save(
        self, split: str, files: PictureFiles, rows: Rows, n_classes: int, engine: str = ""
    ) -> Path:
        """Store what became of every file.

        Parameters
        ----------
        rows : by index into ``files``, (C,) logits or the reason why there are none
        engine : what ran the network, for the record

        Returns
        -------
        The folder: :meth:`folder_of` these files; another one where a picture was not read, so
        that :meth:`holds` does not say that all is done.

        Raises
        ------
        ActivationsError
            No file gave logits, or the disk is full; what was stored before stays.
        """
        folder, plain = self.folder_of(split, files), ""
        if any(isinstance(rows[index], NotRead) for index in range(len(files))):
            folder = folder.with_name(f"{split}-{fingerprint(folder.name, time.time_ns())}")
        else:
            plain = self._folder(split, self.classifier_key, files).name
        key = self.key_of(folder, str(files.folder), engine, plain)
        if all(isinstance(rows[index], str) for index in range(len(files))):
            raise ActivationsError(
                f"none of the {len(files)} files in {files.folder} gave logits; the first, "
                f"{files.paths[0]}: {rows[0]}"
            )
        try:
            if folder.exists() and not _read_key(folder):  # what is left of a damaged one
                shutil.rmtree(folder)
            write_activations(folder, files, rows, n_classes, key)
        except OSError as error:
            raise cannot_store(folder, error) from error
        except ActivationsError:
            if not _read_key(folder):  # else another run stored the same a moment before
                raise
        return folder

    def key_of(
        self, folder: Path, pictures: str, engine: str, without_features: str = ""
    ) -> dict[str, Any]:
        """What a stored folder that is written now says of itself.

        Parameters
        ----------
        pictures : where its pictures lie
        without_features : name of the folder that the same logits have without features
        """
        split = folder.name.rpartition("-")[0]
        features = {"features": self.features, "without_features": without_features}
        return {
            "store": folder.name,
            "classifier": self.classifier_key,
            "made_with": self.made_with,
            "engine": engine,
            "folder": pictures,
            "created": datetime.now(UTC).isoformat(timespec="microseconds"),
            # Clocks may be set back: the newest is the one with the largest number.
            "number": 1 + max((_order(key)[0] for _, key in self._all(split)), default=0),
            **({} if self.features is None else features),
        }

    def remove_others(self, split: str, keep: Path) -> None:
        """Remove a split's stored folders but one, and all that unfinished runs left.

        The same logits with or without features stay beside it.
        """
        kept = self._kept(split, keep)
        others = [folder for folder in self._folders(split) if folder not in kept]
        for folder in [*others, *self.folder.glob(f"{UNFINISHED}{split}-*")]:
            shutil.rmtree(folder, ignore_errors=True)

    def _kept(self, split: str, keep: Path) -> list[Path]:
        """A folder, and those of the same logits of which one has features and the other none."""
        own = _read_key(keep)
        plain = own.get("without_features", keep.name)
        return [
            folder
            for folder, key in self._all(split)
            if folder == keep
            or (
                key.get("without_features", folder.name) == plain
                and (key.get("features") is None) != (own.get("features") is None)
            )
        ]

    def remove_leftovers(self) -> None:
        """Remove what killed runs were writing, and shards of other classifiers."""
        for folder in self.folder.glob(f"{WRITING}*"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self.folder.glob(f"{UNFINISHED}*"):
            if not folder.name.endswith(f"-{self.own_key}"):
                shutil.rmtree(folder, ignore_errors=True)
            for path in folder.glob(".*"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:  # as earlier versions left them
                    path.unlink(missing_ok=True)

    def _all(self, split: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Stored folders of a split, whoever made them, and what their keys say; {} if damaged."""
        for folder in self._folders(split):
            yield folder, _read_key(folder)

    def _folders(self, split: str) -> list[Path]:
        return sorted(self.folder.glob(f"{split}-{'?' * KEY_LENGTH}"))


def identities(files: PictureFiles) -> list[Identity]:
    """Path, size and mtime of every file: one of them changes, and it is another picture."""
    return list(zip(files.paths, files.sizes.tolist(), files.mtimes.tolist(), strict=True))


def _read_key(folder: Path) -> dict[str, Any]:
    try:
        return read_key(folder)
    except ActivationsError:
        return {}


def _order(key: Mapping[str, Any]) -> tuple[int, str]:
    """Place of a stored folder among those of its split; older versions knew the time alone."""
    return key.get("number", 0), key.get("created", "")
