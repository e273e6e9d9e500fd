"""What is stored of a workspace's splits, made by the classifier that it names now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openmax_core.activations.activations import Activations
from openmax_core.activations.store import ActivationStore
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.errors import OpenMaxError, WorkspaceError
from openmax_core.evaluation.counted_store import CountedStore
from openmax_core.evaluation.counting import CALIBRATION, REJECT, TEST, is_large
from openmax_core.network.spec import NamedClassifier
from openmax_core.workspace.settings import WorkspaceSettings
from openmax_core.workspace.splits import Splits


@dataclass(frozen=True)
class StoredSets:
    """Stored activations of a workspace, by split.

    Attributes
    ----------
    workspace : Path
        Absolute folder of the workspace.
    settings : WorkspaceSettings
    """

    workspace: Path
    settings: WorkspaceSettings

    @property
    def splits(self) -> Splits:
        """Splits that the activations are of."""
        return Splits(self.workspace, self.settings)

    @property
    def classifier(self) -> NamedClassifier:
        """Classifier that the activations are of."""
        return NamedClassifier(self.workspace, self.settings.classifier, self.settings.transform)

    @property
    def folder(self) -> Path:
        """Where all that is stored lies."""
        return self.workspace / "activations"

    @property
    def store(self) -> ActivationStore:
        """Stored activations of the classifier.

        Raises
        ------
        WorkspaceError
            There are no weights, so that nothing can be of them.
        """
        return ActivationStore(self.folder, self.classifier.made_with)

    @property
    def counts(self) -> CountedStore:
        """Stored counts of methods on many activations."""
        return CountedStore(self.folder)

    def activations(self, split: str) -> Activations | None:
        """Stored activations of a split; None if there are none."""
        folder = self.store.newest(split)
        return None if folder is None else Activations.load(folder)

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
                f"none of the {len(activations.pictures)} files in {self.splits.location(split)} "
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

    def opened(self) -> dict[str, StoredSplit]:
        """What a method is fitted to and scored on, by role, opened without reading rows.

        Raises
        ------
        WorkspaceError, ActivationsError
            There are no activations yet, or they are damaged.
        """
        names = {CALIBRATION: self.splits.calibration, TEST: "test"}
        names |= {REJECT: "reject"} if "reject" in self.splits.names else {}
        found = {}
        for role, split in names.items():
            folder = self.store.newest(split)
            if folder is None:
                raise self._not_extracted(split)
            found[role] = StoredSplit(folder)
        return found

    def if_many(self, split: str) -> StoredSplit | None:
        """Stored split of a workspace that has so many pictures that they are counted in chunks.

        None where it has fewer, or where what is stored cannot be opened.
        """
        try:
            names = [split, self.splits.calibration, "test", "reject"]
            stored = {name: self.store.newest(name) for name in names if name in self.splits.names}
            found = {
                name: StoredSplit(folder) for name, folder in stored.items() if folder is not None
            }
        except OpenMaxError:  # said where the split is looked at in full
            return None
        return found.get(split) if found and is_large(found.values()) else None

    def _not_extracted(self, split: str) -> WorkspaceError:
        return WorkspaceError(
            f"the pictures of {split} have not been through the network yet; run 'openmax "
            f"extract {self.workspace}' or use the Workspace page"
        )
