"""Counts on disk, beside the activations that they were made of.

``activations/counts/<key>/`` holds ``counts.npz``, ``calibration.json``, ``key.json`` and a folder
for each sample, in the form of stored activations. The key covers the activations' folders (and so
weights, transform and pictures), preset and settings. A folder is written under a temporary name
and renamed when whole; one that is damaged or of another version is made anew.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from openmax_core.activations.activations import KEY, WRITING, Activations, Extent
from openmax_core.activations.shards import cannot_store
from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.evaluation.counting import CALIBRATION, REJECT, TAILS, TEST, Counted
from openmax_core.methods.openmax import OpenMax
from openmax_core.support.files import fingerprint, modified, new_folder
from openmax_core.tradeoff.binned import ScoreCounts, score_edges
from openmax_core.tradeoff.curve import KINDS

LOG = logging.getLogger(__name__)
FOLDER, COUNTS, CALIBRATED, VERSION = "counts", "counts.npz", "calibration.json", 2
DAMAGED = (BadZipFile, OpenMaxError)
MOST_KEPT = 20  # methods of one workspace
LONGEST_WRITING_SECONDS = 3600


@dataclass(frozen=True)
class CountedStore:
    """Counts of one workspace.

    Attributes
    ----------
    folder : Path
        Of the stored activations.
    """

    folder: Path

    def folder_of(self, stores: Sequence[str], openmax: OpenMax) -> Path:
        """Where counts of a method on stored activations lie or would lie."""
        key = fingerprint(VERSION, list(stores), openmax.preset, openmax.settings().to_dict())
        return self.folder / FOLDER / key

    def load(self, stores: Sequence[str], openmax: OpenMax) -> Counted | None:
        """Return what is stored for a method; None where it is not, or is damaged."""
        folder = self.folder_of(stores, openmax)
        if not folder.is_dir():
            return None
        try:
            return _load(folder)
        except (OSError, ValueError, EOFError, LookupError, TypeError, *DAMAGED) as error:
            LOG.warning("the counts in %s are damaged (%s); they are made anew", folder, error)
            return None

    def holds(self, stores: Sequence[str], openmax: OpenMax) -> bool:
        """Tell whether there is something to load, whole or not."""
        return self.folder_of(stores, openmax).is_dir()

    def save(self, stores: Sequence[str], counted: Counted) -> None:
        """Store counts in place of what was there, and remove those that are of no use any more.

        Raises
        ------
        ActivationsError
            The disk is full or the folder cannot be written.
        """
        folder = self.folder_of(stores, counted.openmax)
        try:
            with new_folder(folder, WRITING) as temporary:
                _save(temporary, stores, counted)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise cannot_store(folder, error) from error
        self._remove_old()

    def _remove_old(self) -> None:
        """Remove counts of activations that are gone, and all but the newest of the others.

        And what a killed process was writing: it takes seconds.
        """
        folders = [path for path in (self.folder / FOLDER).glob("[!.]*") if path.is_dir()]
        # Another process may have removed one a moment ago.
        newest_first = sorted(folders, key=lambda path: modified(path) or 0, reverse=True)
        for place, path in enumerate(newest_first):
            if place >= MOST_KEPT or not all((self.folder / s).is_dir() for s in _stores(path)):
                shutil.rmtree(path, ignore_errors=True)
        for path in (self.folder / FOLDER).glob(f"{WRITING}*"):
            if time.time() - (modified(path) or 0) / 1e9 > LONGEST_WRITING_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _save(folder: Path, stores: Sequence[str], counted: Counted) -> None:
    first, second = counted.halves
    np.savez_compressed(
        folder / COUNTS, first=first.counts, second=second.counts, farthest=counted.farthest
    )
    counted.openmax.save(folder / CALIBRATED)
    for name, sample in counted.samples.items():
        sample.save(folder / name)
    key = {"version": VERSION, "stores": list(stores), "n_right": counted.n_right}
    (folder / KEY).write_text(json.dumps(key, indent=2), encoding="utf-8")


def _load(folder: Path) -> Counted:
    key = json.loads((folder / KEY).read_text(encoding="utf-8"))
    openmax = OpenMax.load(folder / CALIBRATED)
    edges = score_edges(openmax.score_range())
    with np.load(folder / COUNTS, allow_pickle=False) as stored:
        first, second = (_counts(edges, stored[name]) for name in ("first", "second"))
        farthest = stored["farthest"]
    samples = {
        name: _sample(folder / name)
        for name in (CALIBRATION, TAILS, TEST, REJECT)
        if name != REJECT or (folder / name).is_dir()
    }
    n_test = sum(int(half.counts[:3].sum()) for half in (first, second))
    n_reject = sum(int(half.counts[3:].sum()) for half in (first, second))
    n_sampled = samples[REJECT].n_readable if REJECT in samples else 0
    if (n_test, n_reject) != (samples[TEST].n_readable, n_sampled):
        raise ActivationsError("counts and pictures do not fit together")
    if farthest.shape != (openmax.n_classes,) or farthest.dtype != np.float64:
        raise ActivationsError("the farthest pictures are of other classes")
    return Counted(openmax, (first, second), samples, int(key["n_right"]), farthest)


def _counts(edges: Any, counts: Any) -> ScoreCounts:
    if counts.shape != (len(KINDS), len(edges) - 1) or counts.dtype != np.int64 or counts.min() < 0:
        raise ActivationsError("the counts are in other bins")
    return ScoreCounts(edges, counts)


def _sample(folder: Path) -> Activations:
    sample = Activations.load(folder)
    return replace(sample, whole=Extent(*map(int, sample.key["whole"])))


def _stores(folder: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads((folder / KEY).read_text("utf-8"))["stores"]]
    except (OSError, ValueError, KeyError, TypeError):
        return ["gone"]
