"""What a split's folder holds now against what is stored of it."""

from __future__ import annotations

from dataclasses import dataclass

from openmax_core.activations.activations import Activations
from openmax_core.errors import OpenMaxError
from openmax_core.workspace.sets import StoredSets


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
    """

    n_files: int
    n_stored: int | None
    is_current: bool
    problem: str | None = None
    n_unfinished: int = 0
    is_compared: bool = True


def compare_split(sets: StoredSets, split: str) -> SplitStatus:
    """Compare a split's folder with what is stored; reads no picture."""
    if (large := sets.if_many(split)) is not None:
        return SplitStatus(large.n_files, large.n_files, True, is_compared=False)
    files = wanted = stored = n_stored = problem = None
    n_unfinished = 0
    try:
        files = sets.splits.find_pictures(split)
    except OpenMaxError as error:
        problem = str(error)
    try:
        if sets.settings.classifier.weights:
            store = sets.store
            wanted = store.folder_of(split, files) if files is not None else None
            stored = store.newest(split)
            n_stored = None if stored is None else len(Activations.load(stored).pictures)
            if stored is None or stored != wanted:
                n_unfinished = store.shards(split).n_pictures()
    except OpenMaxError as error:
        problem = problem or str(error)
    n_files = 0 if files is None else len(files)
    is_current = stored is not None and stored == wanted
    return SplitStatus(n_files, n_stored, is_current, problem, n_unfinished)
