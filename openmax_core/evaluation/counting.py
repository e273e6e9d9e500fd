"""A method fitted and scored on more activations than memory holds, once, in chunks.

Above ``MOST_PICTURES`` pictures or ``MOST_LOGITS`` logits in the sets that are used, MAVs and tails
are streamed (:mod:`openmax_core.methods.fitting`), scores are counted
(:mod:`openmax_core.tradeoff.binned`), and of each set a seeded sample of pictures stands for
the rest wherever single pictures are shown. Below, everything is exact and in memory.

What was counted is kept: ``activations/counts/<key>/`` holds ``counts.npz``, ``calibration.json``,
``key.json`` and a folder for each sample, in the form of stored activations. The key covers the
activations' folders (and so weights, transform and pictures), method and settings. A folder is
written under a temporary name and renamed when whole; one that is damaged or of another version is
made anew.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from openmax_core.activations.activations import (
    KEY,
    WRITING,
    Activations,
    Expected,
    Extent,
)
from openmax_core.activations.shards import cannot_store
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.errors import ActivationsError, OpenMaxError
from openmax_core.methods.method import Decisions, Method
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.registry import load_method
from openmax_core.support.arrays import Float, Int
from openmax_core.support.chunks import Chunk, in_parallel
from openmax_core.support.codec import entry, found_object, read_json
from openmax_core.support.files import fingerprint, modified, new_folder
from openmax_core.tradeoff.binned import CountedCurve, ScoreCounts, score_edges, spread_edges
from openmax_core.tradeoff.curve import KINDS

LOG = logging.getLogger(__name__)
MOST_PICTURES = 3_000_000
MOST_LOGITS = 500_000_000
N_SAMPLED = 10_000  # pictures of a set
MOST_SAMPLED_VALUES = 20_000_000  # logits of a set's sample
# What a method does with a set of pictures; a sample's folder is called so, too.
FITTED_SET, TAIL_SET, TEST_SET, REJECT_SET = "calibration", "tails", "test", "reject"
FOLDER, COUNTS, CALIBRATION, VERSION = "counts", "counts.npz", "calibration.json", 2
DAMAGED = (BadZipFile, OpenMaxError)
MOST_RANKED = 100_000  # scores that are looked at to see where nearly all lie
MIDDLE = (0.001, 0.999)
MOST_KEPT = 20  # methods of one workspace
LONGEST_WRITING_SECONDS = 3600

Report = Callable[[tuple[int, int]], None]


@dataclass(frozen=True)
class Counted:
    """A fitted method, counts of all scores, and pictures to look at.

    Attributes
    ----------
    method : Method, fitted
    halves : counts of two halves of the pictures, drawn at random; added, of all
    samples : Activations by name: 'calibration', 'tails' (the pictures that the tails are made
        of; of OpenMax alone), 'test', and 'reject' where there is a reject set
    n_right : int, test pictures that the classifier alone gets right
    farthest : (C,) float64, largest Euclidean distance of a correctly classified training picture
        to its MAV; (0,) of other methods than OpenMax
    """

    method: Method
    halves: tuple[ScoreCounts, ScoreCounts]
    samples: Mapping[str, Activations]
    n_right: int
    farthest: Float

    @cached_property
    def curve(self) -> CountedCurve:
        """Curve of all pictures."""
        first, second = self.halves
        return CountedCurve(first + second, self.method.n_classes, self.halves)


def is_large(splits: Iterable[StoredSplit]) -> bool:
    """Tell whether sets are counted in chunks; reads no rows."""
    sizes = [(split.n_readable, split.n_readable * split.n_classes) for split in splits]
    n_pictures, n_logits = (sum(part) for part in zip(*sizes, strict=True))
    return n_pictures > MOST_PICTURES or n_logits > MOST_LOGITS


def count(
    method: Method,
    class_names: Sequence[str],
    splits: Mapping[str, StoredSplit],
    report: Report = lambda progress: None,
    seed: int = 0,
) -> Counted:
    """Fit, count and sample: a few passes over the training set and over the others.

    Parameters
    ----------
    method : not fitted yet
    splits : 'calibration', 'test', and 'reject' where there is one
    report : called with the pictures done and to do

    Raises
    ------
    FitError, ActivationsError
        A class gives no Weibull, or stored logits are damaged; the class or file is named.
    """
    training = splits[FITTED_SET]
    scored = [splits[name] for name in (TEST_SET, REJECT_SET) if name in splits]
    n_scored = sum(split.n_readable for split in scored)
    total = method.n_fit_passes * training.n_readable + n_scored
    done = 0

    def read(split: StoredSplit) -> Iterator[Chunk]:
        nonlocal done
        for chunk in split.chunks(has_features=method.needs_features):
            yield chunk
            done += len(chunk)
            report((done, total))

    def decided(chunk: Chunk) -> tuple[Chunk, Decisions]:
        return chunk, method.decide(chunk.logits, chunk.features)

    method.fit_chunks(lambda: read(training), class_names)
    edges = _known_edges(method)
    if edges is None:
        total += n_scored
        found_scores = (
            found.scores for split in scored for _, found in in_parallel(decided, read(split))
        )
        edges = _edges_of(found_scores, every=max(1, -(-n_scored // MOST_RANKED)))
    first = second = ScoreCounts.empty(edges)
    n_right, generator = 0, np.random.default_rng(seed)

    for split in scored:
        for chunk, found in in_parallel(decided, read(split)):
            n_right += int((chunk.predictions == chunk.labels).sum())
            is_first = generator.random(len(chunk)) < 0.5
            first, second = (
                half.with_pictures(
                    found.scores[part],
                    found.predictions[part],
                    chunk.labels[part],
                    method.n_classes,
                )
                for half, part in ((first, is_first), (second, ~is_first))
            )
    # With features, which other methods may need that are compared with this one on the samples.
    samples = {
        name: split.at(_sampled(split, generator), has_features=True)
        for name, split in splits.items()
    }
    farthest = np.empty(0)
    if isinstance(method, OpenMax):
        samples[TAIL_SET] = training.at(np.sort(np.concatenate(method.tail_rows_)))
        farthest = method.farthest_
    return Counted(method, (first, second), samples, n_right, farthest)


def _known_edges(method: Method) -> Float | None:
    """Edges of the bins where the scores are probabilities; None of other scores."""
    low, high = method.score_range()
    return score_edges((low, high)) if low >= 0 and high <= 1 else None


def _edges_of(parts: Iterable[Float], every: int) -> Float:
    """Edges of bins for scores; one in ``every`` is kept to see where nearly all lie."""
    ends, kept = [math.inf, -math.inf], []
    for scores in parts:
        if len(scores):
            ends = [min(ends[0], float(scores.min())), max(ends[1], float(scores.max()))]
            kept.append(scores[::every])
    if not kept:
        return spread_edges((0.0, 1.0), (0.0, 1.0))
    low, high = np.quantile(np.concatenate(kept), MIDDLE).tolist()
    return spread_edges((ends[0], ends[1]), (low, high))


def _sampled(split: StoredSplit, generator: np.random.Generator) -> Int:
    """Ascending rows of a split's sample."""
    width = max(split.n_classes, split.n_features)
    most = min(split.n_readable, N_SAMPLED, max(100, MOST_SAMPLED_VALUES // width))
    return np.sort(generator.choice(split.n_readable, most, replace=False, shuffle=False))


@dataclass(frozen=True)
class CountedStore:
    """Counts of one workspace.

    Attributes
    ----------
    folder : Path
        Of the stored activations.
    """

    folder: Path

    def folder_of(self, stores: Sequence[str], method: Method) -> Path:
        """Where counts of a method on stored activations lie or would lie."""
        key = fingerprint(VERSION, list(stores), method.name, method.settings().stored())
        return self.folder / FOLDER / key

    def load(self, stores: Sequence[str], method: Method) -> Counted | None:
        """Return what is stored for a method; None where it is not, or is damaged."""
        folder = self.folder_of(stores, method)
        if not folder.is_dir():
            return None
        try:
            return _load(folder)
        except (OSError, ValueError, EOFError, LookupError, TypeError, *DAMAGED) as error:
            LOG.warning("the counts in %s are damaged (%s); they are made anew", folder, error)
            return None

    def holds(self, stores: Sequence[str], method: Method) -> bool:
        """Tell whether there is something to load, whole or not."""
        return self.folder_of(stores, method).is_dir()

    def save(self, stores: Sequence[str], counted: Counted) -> None:
        """Store counts in place of what was there, and remove those that are of no use any more.

        Raises
        ------
        ActivationsError
            The disk is full or the folder cannot be written.
        """
        folder = self.folder_of(stores, counted.method)
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
    arrays = {"first": first.counts, "second": second.counts, "farthest": counted.farthest}
    if _known_edges(counted.method) is None:
        arrays["edges"] = first.edges
    np.savez_compressed(folder / COUNTS, allow_pickle=False, **arrays)
    counted.method.save(folder / CALIBRATION)
    for name, sample in counted.samples.items():
        sample.save(folder / name)
    key = {"version": VERSION, "stores": list(stores), "n_right": counted.n_right}
    (folder / KEY).write_text(json.dumps(key, indent=2), encoding="utf-8")


def _load(folder: Path) -> Counted:
    key = read_json(folder / KEY)
    method = load_method(folder / CALIBRATION)
    is_openmax = isinstance(method, OpenMax)
    with np.load(folder / COUNTS, allow_pickle=False) as stored:
        known = _known_edges(method)
        edges = _stored_edges(stored["edges"]) if known is None else known
        first, second = (_counts(edges, stored[name]) for name in ("first", "second"))
        farthest = stored["farthest"]
    samples = {
        name: _sample(
            folder / name, Expected(method.n_classes, False if name == REJECT_SET else None)
        )
        for name in (FITTED_SET, *([TAIL_SET] * is_openmax), TEST_SET, REJECT_SET)
        if name != REJECT_SET or (folder / name).is_dir()
    }
    n_farthest = method.n_classes if is_openmax else 0
    if farthest.shape != (n_farthest,) or farthest.dtype != np.float64:
        raise ActivationsError("the farthest pictures are of other classes")
    n_right = entry(int, key, "n_right")
    counted = Counted(method, (first, second), samples, n_right, farthest)
    n_reject = samples[REJECT_SET].n_readable if REJECT_SET in samples else 0
    if (counted.curve.n_test, counted.curve.n_reject) != (samples[TEST_SET].n_readable, n_reject):
        raise ActivationsError("counts and pictures do not fit together")
    if not 0 <= n_right <= counted.curve.n_test:
        raise ActivationsError(f"n_right must lie between 0 and {counted.curve.n_test:,}")
    return counted


def _stored_edges(edges: Float) -> Float:
    if edges.ndim != 1 or edges.dtype != np.float64 or not (np.diff(edges) > 0).all():
        raise ActivationsError("the edges of the bins do not ascend")
    return edges


def _counts(edges: Float, counts: Int) -> ScoreCounts:
    if counts.shape != (len(KINDS), len(edges) - 1) or counts.dtype != np.int64 or counts.min() < 0:
        raise ActivationsError("the counts are in other bins")
    return ScoreCounts(edges, counts)


def _sample(folder: Path, expected: Expected) -> Activations:
    sample = Activations.load(folder, expected)
    whole = Extent(*sample.key["whole"])
    if whole.n_readable < len(sample) or whole.n_unreadable < len(sample.unreadable):
        raise ActivationsError("the sample is larger than what it is of")
    return replace(sample, whole=whole)


def _stores(folder: Path) -> list[str]:
    try:
        return list(entry(tuple[str, ...], found_object(folder / KEY), "stores"))
    except OpenMaxError:
        return ["gone"]
