"""The sets of a workspace: the pictures of every split, and what is stored of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from openmax_core.activations.activations import Activations, Expected
from openmax_core.activations.store import ActivationStore
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.activations.table_rows import SPLITS
from openmax_core.errors import FolderError, OpenMaxError, WorkspaceError
from openmax_core.evaluation.counting import (
    FITTED_SET,
    REJECT_SET,
    TEST_SET,
    CountedStore,
    is_large,
)
from openmax_core.methods.registry import needs_features
from openmax_core.network.spec import NamedClassifier
from openmax_core.pictures.folders import (
    PictureFiles,
    find_known_pictures,
    find_unknown_pictures,
    passed_over_folders,
)
from openmax_core.pictures.locations import Location, RemotePath, is_address, require_path
from openmax_core.support.files import listed, printable
from openmax_core.workspace.features import run_in_words, size_in_words
from openmax_core.workspace.settings import FILE_NAME, WorkspaceSettings
from openmax_core.workspace.tables import NamedTables, read_tables


@dataclass(frozen=True)
class PictureSets:
    """Pictures of the splits that ``[folders]`` or ``[tables]`` of a ``workspace.toml`` names.

    Attributes
    ----------
    workspace : Path
        Absolute folder of the workspace.
    settings : WorkspaceSettings
    """

    workspace: Path
    settings: WorkspaceSettings

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that are named, in the order in which they are extracted."""
        return tuple(split for split in SPLITS if split in self.settings.sources)

    @property
    def calibration_split(self) -> str:
        """Split that MAVs and tails come from: 'calibration' where there is one, else 'train'."""
        return "calibration" if "calibration" in self.settings.sources else "train"

    def location(self, split: str) -> Location:
        """Absolute folder of a split's pictures, or its address; or its table.

        Raises
        ------
        WorkspaceError
            The workspace names none.
        """
        if split not in self.settings.sources:
            what, where = ("table", "tables") if self.settings.tables else ("folder", "folders")
            raise WorkspaceError(
                f'{self.workspace / FILE_NAME} names no {what} for {split}; add {split} = "…" '
                f"under [{where}]"
            )
        folder = self.settings.sources[split]
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
        return require_path(str(self.location(split)), f"the pictures of {split}")

    def picture(self, split: str, path: str) -> Location:
        """Find a picture that a stored table names, whoever wrote that table.

        Parameters
        ----------
        path : relative to the split's folder, with forward slashes; relative to the table's
            folder, or absolute, where it is one of a table: may it be shown?
            :meth:`AllowedRoots.picture` tells

        Raises
        ------
        WorkspaceError
            The workspace names no such folder, or the path leads out of it.
        """
        pure = PurePath(path)
        location = self.location(split)
        if self.settings.tables and isinstance(location, Path):
            if "\0" in path or ".." in pure.parts:
                raise WorkspaceError(f"{location} names the picture {printable(path)!r}: no path")
            return location.parent / path
        if pure.anchor or ".." in pure.parts or "\0" in path or not pure.parts:
            raise WorkspaceError(
                f"the stored activations of {split} name the picture {printable(path)!r}, which "
                "leads out of its folder: delete them, and run the extraction again"
            )
        return location / path

    def find(self, split: str) -> PictureFiles:
        """Picture files of a split, as they lie there now.

        Raises
        ------
        WorkspaceError
            The folder is missing, empty, or has folders that are none of the classes; or there are
            tables instead.
        """
        if self.settings.tables:
            raise WorkspaceError(
                f"{self.workspace} has no pictures, for it is made of tables of logits"
            )
        folder, classes = self.location(split), self.settings.classifier.classes
        with self._naming_settings():
            if split == "reject":
                return find_unknown_pictures(folder)
            return find_known_pictures(folder, classes)

    def passed_over(self, split: str) -> str:
        """Sentence on the folders in a split's that are no picture folders by their names, or ''.

        Raises
        ------
        WorkspaceError
            The folder is missing, or may not be read.
        """
        if self.settings.tables:
            return ""
        named = () if split == "reject" else self.settings.classifier.classes
        with self._naming_settings():
            names = passed_over_folders(self.location(split), named)
        if not names:
            return ""
        one = len(names) == 1
        return (
            f"{split}: the folder{'' if one else 's'} {listed(names)} "
            f"{'is' if one else 'are'} passed over: {'it is' if one else 'they are'} hidden, or "
            "made by a system"
        )

    @contextmanager
    def _naming_settings(self) -> Iterator[None]:
        """Say of a folder that is wrong which file names it, once there is one."""
        try:
            yield
        except FolderError as error:
            path = self.workspace / FILE_NAME
            if not path.exists():  # the workspace is just being made
                raise
            also = ", or" if error.way_out else ";"
            raise WorkspaceError(f"{error}{also} {error.in_settings} in {path}") from error


@dataclass(frozen=True)
class StoredSets:
    """What is stored of a workspace's splits, made by the classifier that it names now.

    Attributes
    ----------
    pictures : PictureSets
        What the stored activations are of.
    classifier : NamedClassifier
        What made them.
    """

    pictures: PictureSets
    classifier: NamedClassifier

    @property
    def folder(self) -> Path:
        """Where all that is stored lies."""
        return self.pictures.workspace / "activations"

    @property
    def store(self) -> ActivationStore:
        """Store of the classifier's activations.

        Raises
        ------
        WorkspaceError
            There are no weights, so that nothing can be of them.
        """
        return ActivationStore(self.folder, self.classifier.made_with, self.classifier.features)

    @property
    def counts(self) -> CountedStore:
        """Stored counts of methods on many activations."""
        return CountedStore(self.folder)

    def newest(self, split: str) -> Path | None:
        """Newest stored folder of a split; tables that are new or have changed are read first.

        Raises
        ------
        ActivationsError, WorkspaceError
            A table is not as it should be.
        """
        store = self.store
        found = store.newest(split)
        is_whole = found is not None and store.has_features(split)
        if not is_whole and isinstance(self.classifier, NamedTables):
            read_tables(self.classifier, store)
            found = store.newest(split)
        return found

    def features_in_words(self, n: int, *, may_load: bool = False) -> str | None:
        """What is to be known of features before an extraction; None where none are stored.

        Parameters
        ----------
        n : pictures, or rows of tables
        may_load : build the network with torch, where nothing else tells how many there are

        Raises
        ------
        WorkspaceError, ClassifierError, ActivationsError
            The network, or a table, has no features.
        """
        if self.classifier.features is None:
            return None
        n_features = self.classifier.n_features(may_load=may_load)
        if isinstance(self.classifier, NamedTables):
            return size_in_words(n, n_features, "row")
        has_logits = self.classifier.settings.file is not None and any(
            self.store.newest(split) is not None and not self.store.has_features(split)
            for split in self.pictures.splits
        )
        return run_in_words(n, n_features, has_logits=has_logits)

    def features_problem(self, method: str) -> str | None:
        """Why a method cannot be taken that needs features; None where nothing is in the way.

        Parameters
        ----------
        method : name in the registry

        Raises
        ------
        WorkspaceError, ActivationsError
            There are no activations yet, or they are damaged.
        """
        if not needs_features(method) or all(s.n_features for s in self.opened().values()):
            return None
        path = self.pictures.workspace / FILE_NAME
        if self.classifier.settings.features:
            return (
                f"the method '{method}' needs features, and not all are stored yet: {path} has "
                "features = true; run the extraction again"
            )
        return (
            f"the method '{method}' needs features, and none are stored: write features = true "
            f"under [classifier] in {path}, then run the extraction again"
        )

    def has(self, split: str) -> bool:
        """Tell whether activations of a split are stored, without opening them."""
        return self.newest(split) is not None

    def activations(self, split: str) -> Activations | None:
        """Stored activations of a split; None if there are none.

        Pictures may have come or gone since: :meth:`Workspace.status` tells.
        """
        folder = self.newest(split)
        return None if folder is None else Activations.load(folder, self._expected(split))

    def required(self, split: str) -> Activations:
        """Stored activations of a split, one picture at least.

        Raises
        ------
        WorkspaceError, ActivationsError
            There are none, they are damaged, or no file could be read.
        """
        activations = self.activations(split)
        if activations is None:
            raise self._not_extracted(split)
        if not len(activations):
            raise WorkspaceError(
                f"none of the {len(activations.pictures)} files in {self.pictures.location(split)} "
                f"could be read; the first: {activations.pictures['error'].iloc[0]}"
            )
        return activations

    def few(self, split: str, most: int) -> Activations | None:
        """Stored activations of a few pictures, evenly spread, and how many there are in all.

        The split's own where it is not large.
        """
        if (stored := self.if_many(split)) is None:
            return self.activations(split)
        return stored.at(np.unique(np.linspace(0, stored.n_readable - 1, most).astype(np.int64)))

    def opened_by_split(self) -> dict[str, StoredSplit]:
        """What is stored of every split, opened without reading rows.

        Raises
        ------
        WorkspaceError, ActivationsError
            There is nothing of a split yet, or it is damaged.
        """
        return {split: self._open(split) for split in self.pictures.splits}

    def opened(self) -> dict[str, StoredSplit]:
        """What a method is fitted to and scored on, by role, opened without reading rows.

        Raises
        ------
        WorkspaceError, ActivationsError
            There are no activations yet, or they are damaged.
        """
        names = {FITTED_SET: self.pictures.calibration_split, TEST_SET: "test"}
        names |= {REJECT_SET: "reject"} if "reject" in self.pictures.splits else {}
        return {role: self._open(split) for role, split in names.items()}

    def _open(self, split: str) -> StoredSplit:
        folder = self.newest(split)
        if folder is None:
            raise self._not_extracted(split)
        return StoredSplit(folder, self._expected(split))

    def is_large(self) -> bool:
        """Tell whether the stored activations are so many that scores are counted in chunks.

        Raises
        ------
        WorkspaceError, ActivationsError
            There are no activations yet, or they are damaged.
        """
        return is_large(self.opened().values())

    def if_many(self, split: str) -> StoredSplit | None:
        """Stored split of a workspace that has so many pictures that they are counted in chunks.

        None where it has fewer, or where what is stored cannot be opened.
        """
        try:
            names = {split, self.pictures.calibration_split, "test", "reject"}
            found = {
                name: StoredSplit(folder, self._expected(name))
                for name in names.intersection(self.pictures.splits)
                if (folder := self.newest(name)) is not None
            }
        except OpenMaxError:  # said where the split is looked at in full
            return None
        return found.get(split) if found and is_large(found.values()) else None

    def _expected(self, split: str) -> Expected:
        is_known = split != "reject"
        # A table may have rows of no class in any set.
        is_told = not is_known or not self.pictures.settings.tables
        return Expected(len(self.classifier.settings.classes), is_known if is_told else None)

    def _not_extracted(self, split: str) -> WorkspaceError:
        self.store.require_sound(split)
        return WorkspaceError(
            f"the pictures of {split} have not been through the network yet; run 'openmax "
            f"extract {self.pictures.workspace}' or use the Workspace page"
        )


@dataclass(frozen=True)
class SplitStatus:
    """What a split's folder holds now against what is stored.

    Attributes
    ----------
    n_files : int
        Picture files in the folder now.
    n_stored : int or None
        Files covered by the stored activations; None if there are none.
    is_current : bool
        The stored activations are those of these files and this classifier.
    problem : str or None
        Why the folder cannot be read.
    n_unfinished : int
        Pictures that a run which was interrupted has done; the next one goes on after them.
    is_compared : bool
        False where so many pictures are stored that the folder is not looked at for this; the
        other figures are then those of the store.
    passed_over : str
        Sentence on the folders that are passed over by their names; may be empty.
    """

    n_files: int
    n_stored: int | None
    is_current: bool
    problem: str | None = None
    n_unfinished: int = 0
    is_compared: bool = True
    passed_over: str = ""


def compare_split(sets: StoredSets, split: str) -> SplitStatus:
    """Compare a split's folder with what is stored; reads no picture, and no table."""
    if isinstance(sets.classifier, NamedTables):
        try:
            folder = sets.store.newest(split)
            n = None if folder is None else StoredSplit(folder).n_files
            is_current = n is not None and sets.store.has_features(split)
        except OpenMaxError as error:
            return SplitStatus(0, None, False, str(error))
        return SplitStatus(n or 0, n, is_current)
    if (large := sets.if_many(split)) is not None:
        is_current = sets.store.has_features(split)
        return SplitStatus(large.n_files, large.n_files, is_current, is_compared=False)
    files = wanted = stored = n_stored = problem = None
    n_unfinished, passed_over = 0, ""
    try:
        passed_over = sets.pictures.passed_over(split)
        files = sets.pictures.find(split)
    except OpenMaxError as error:
        problem = str(error)
    try:
        if sets.classifier.settings.file:
            store = sets.store
            wanted = store.found(split, files) if files is not None else None
            stored = store.newest(split)
            n_stored = None if stored is None else StoredSplit(stored).n_files
            if stored is None or stored != wanted:
                n_unfinished = store.shards(split).n_pictures()
    except OpenMaxError as error:
        problem = problem or str(error)
    n_files = 0 if files is None else len(files)
    is_current = stored is not None and stored == wanted
    return SplitStatus(
        n_files, n_stored, is_current, problem, n_unfinished, passed_over=passed_over
    )
