"""Are pictures of equal names the same pictures? Many cameras begin with IMG_0001.jpg every day.

The logits tell. Pictures of one class are more alike than those of different classes, and so are
pictures of one folder (a class, a camera, a spot); so pairs of equal path are held against others
of their group: those of the same folder that the classifier takes for the same class now, and for
the same class before.

1. From every picture's logits their mean is taken off, and then that of its group, now and before
   apart: what a lens that got dirty does to all pictures of a class alike is gone, too.
2. The likeness of two pictures is the cosine between what is left: 1 where nothing changed,
   whatever the contrast did, and 0 on the average where two have nothing to do with each other.
3. Pairs count as the same pictures where their mean likeness is at least ``LEAST_LIKENESS``, and
   beyond chance: pairs shuffled within their groups are as alike with a probability of at most
   ``LEVEL``, divided by the number of sets that share names with the batch.

Chance alone would not do: other pictures of the same hour or view are more alike than any two, and
with thousands of pairs the least likeness is beyond chance. In the demos (logits of 4 and 6
classes) other pictures had a mean likeness of −0.15 to 0.26, and next digits by the same writer
0.26, far beyond chance; the same pictures had 0.78 at 0.9 times the brightness, 0.38 and 0.56 at
0.7 times, 0.46 and 0.77 with a little noise. Where hardly anything is left of what the network saw
(the garages at 0.45 times the brightness: 28 % get the class from before) it is 0.14, and the
pictures are not taken for the same. What follows the file numbers in the same way every day, as
the light does for a camera that begins at dawn, makes other pictures alike, too, where it is as
strong as what tells the pictures of a class apart. Fewer than ``MIN_PAIRS`` pairs with others in
their group are never taken for the same pictures. Of many a seeded sample is looked at.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import shake_256
from posixpath import dirname
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from openmax_core.monitor.report import Batch
from openmax_core.support.arrays import Float, Int

LEVEL = 0.01
LEAST_LIKENESS = 1 / 3
MIN_PAIRS = 10
N_SHUFFLED = 1_999
MOST_PAIRS, MOST_OF_GROUP = 2_000, 200
N_PROJECTED, PROJECTION = 16, "projection_"  # columns of a record
ROWS_AT_ONCE = 4_096


@dataclass(frozen=True)
class Earlier:
    """Pictures that were scored before with the same calibration.

    Attributes
    ----------
    name : what people know them by
    option : what ``openmax monitor --compare`` calls them, and nothing else
    table : DataFrame with path, nearest (class with the largest logit), prediction (C: 'unknown'
        won) and score of those that were read
    projected : gives the (K, k) :func:`projected` logits of (K,) rows of the table; None where they
        were not kept
    """

    name: str
    option: str
    table: pd.DataFrame
    projected: Callable[[Int], NDArray[Any]] | None = None

    def rows_of(self, paths: Sequence[str]) -> Int:
        """(N,) rows of the table with these paths, the first of each; −1 where there is none."""
        index = pd.Index(self.table["path"])
        first = np.flatnonzero(~index.duplicated())
        places = index[first].get_indexer(pd.Index(paths))
        return np.append(first, -1)[places]


@dataclass(frozen=True)
class Likeness:
    """How alike pairs are.

    Attributes
    ----------
    n_told : int, pairs with others in their group, at most ``MOST_PAIRS`` of them
    cosine : float, their mean; NaN of no pairs
    p_value : float, of as large a mean of shuffled pairs; 1 below ``LEAST_LIKENESS``
    """

    n_told: int
    cosine: float
    p_value: float

    def are_same(self, level: float = LEVEL) -> bool:
        """Tell whether the pairs count as the same pictures."""
        is_clear = self.n_told >= MIN_PAIRS and self.cosine >= LEAST_LIKENESS
        return is_clear and self.p_value <= level


def find_same(batch: Batch, candidates: Sequence[Earlier]) -> tuple[Earlier | None, str]:
    """Find the set with the batch's own pictures, scored before.

    Of the sets whose pictures of equal path count as the same, it is the one that shares the most
    paths, of equals the first.

    Returns
    -------
    The set; None and two sentences where names are equal but no set is taken for the same; None and
    '' where no name is equal.
    """
    paths = [path for path, error in zip(batch.paths, batch.errors, strict=True) if not error]
    own = batch.logits.argmax(axis=1).astype(np.int64)
    folders, _ = pd.factorize(np.array([dirname(path) for path in paths], dtype=object))
    shared = []
    for item in candidates:
        places = item.rows_of(paths)
        if (rows := np.flatnonzero(places >= 0)).size:
            shared.append((item, rows, places[rows]))
    shared.sort(key=lambda found: -len(found[1]))
    reasons = []
    for item, rows, before in shared:
        if item.projected is None:
            reasons.append("how alike they are was not kept with that batch, which is older")
            continue
        was = item.table["nearest"].to_numpy(dtype=np.int64)[before]
        groups = pd.DataFrame({"folder": folders[rows], "now": own[rows], "before": was})
        told, codes = tell_apart(groups)
        found = likeness(projected(batch.logits[rows[told]]), item.projected(before[told]), codes)
        if found.are_same(LEVEL / len(shared)):
            return item, ""
        reasons.append(_reason(found))
    if not shared:
        return None, ""
    item, rows, _ = shared[0]
    return None, (
        f"{_pictures_have(len(rows))} the same path as in {item.name}, but are not taken for "
        f"the same pictures: {reasons[0]}. With --compare {shlex.quote(item.option)}, openmax "
        "monitor compares them all the same"
    )


def tell_apart(groups: pd.DataFrame, seed: int = 0) -> tuple[Int, Int]:
    """Choose the pairs that are looked at: those with others in their group, at most some of each.

    Parameters
    ----------
    groups : N rows; equal rows are of one group

    Returns
    -------
    (K,) rows, a group after another, and (K,) the groups that they are of.
    """
    found = groups.groupby(list(groups.columns), sort=False).ngroup()
    codes: Int = np.asarray(found, dtype=np.int64)
    rows = _told(codes, np.random.default_rng(seed))
    return rows, codes[rows]


def likeness(now: ArrayLike, before: ArrayLike, groups: Int, seed: int = 0) -> Likeness:
    """Hold pairs against others of their group.

    Parameters
    ----------
    now, before : (K, k) float, :func:`projected` logits of both pictures of each pair
    groups : (K,) of which group it is, a group after another, see :func:`tell_apart`
    """
    if not len(groups):
        return Likeness(0, float("nan"), 1.0)
    a, b = (_directions(np.asarray(item, dtype=np.float64), groups) for item in (now, before))
    total = np.vdot(a, b)
    cosine = float(total / len(groups))
    if cosine < LEAST_LIKENESS:
        return Likeness(len(groups), cosine, 1.0)
    generator = np.random.default_rng(seed)
    places = np.cumsum(np.diff(groups, prepend=groups[0]) != 0)
    n_as_large = 0
    for _ in range(N_SHUFFLED):
        # Groups lie one after another, and so each stays in its place.
        order = np.argsort(places + generator.random(len(places)))
        n_as_large += bool(np.vdot(a, b[order]) >= total - 1e-9 * len(groups))
    return Likeness(len(groups), cosine, (1 + n_as_large) / (1 + N_SHUFFLED))


def projected(logits: ArrayLike) -> NDArray[np.float32]:
    """(N, k) of (N, C) logits less each picture's mean: all of few classes, else 16 projections.

    On directions of random signs (Achlioptas, 2003), the same for every batch: cosines stay what
    they are up to 1/√16, and a record stays small.
    """
    rows = np.asarray(logits)
    n_classes = rows.shape[1]
    signs = _signs(n_classes) if n_classes > N_PROJECTED else None
    out = np.empty((len(rows), min(n_classes, N_PROJECTED)), dtype=np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        chunk = np.asarray(rows[part], dtype=np.float64)
        chunk = chunk - chunk.mean(axis=1, keepdims=True)
        out[part] = chunk if signs is None else chunk @ signs
    return out


def _signs(n_classes: int) -> Float:
    """(C, 16) of 1 and −1. Not NumPy's generator, whose numbers may change with its version."""
    bits = shake_256(b"openmax").digest(n_classes * N_PROJECTED // 8)
    drawn = np.unpackbits(np.frombuffer(bits, dtype=np.uint8)).reshape(n_classes, N_PROJECTED)
    return 2.0 * drawn.astype(np.float64) - 1.0


def _told(codes: Int, generator: np.random.Generator) -> Int:
    """Rows with others in their group, a group after another; of many groups some at random."""
    if not len(codes):
        return np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(np.bincount(codes)[codes] > 1)
    place = generator.permutation(codes.max() + 1)[codes[rows]]
    rows = rows[np.lexsort((generator.random(len(rows)), place))]
    own = codes[rows]
    starts = np.flatnonzero(np.diff(own, prepend=-1))
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    rows = rows[rank < MOST_OF_GROUP][:MOST_PAIRS]
    return rows[np.bincount(codes[rows])[codes[rows]] > 1]


def _directions(vectors: Float, groups: Int) -> Float:
    """(N, k) unit vectors less their group's mean; 0 where nothing is left."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(starts, append=len(groups))
    means = np.add.reduceat(vectors, starts, axis=0) / sizes[:, None]
    left = vectors - np.repeat(means, sizes, axis=0)
    lengths = np.linalg.norm(left, axis=1, keepdims=True)
    out: Float = np.zeros(left.shape)
    np.divide(left, lengths, out=out, where=lengths > 0)
    return out


def _pictures_have(count: int) -> str:
    return "1 picture has" if count == 1 else f"{count:,} pictures have"


def _reason(found: Likeness) -> str:
    if found.n_told < MIN_PAIRS:
        return (
            f"{found.n_told} of them can be told from others of the same folder and class, fewer "
            f"than {MIN_PAIRS}"
        )
    if found.cosine < LEAST_LIKENESS:
        return (
            "their logits are not clearly more alike than those of other pictures of the same "
            f"folder and class (mean cosine {found.cosine:.2f}, below {LEAST_LIKENESS:.2f})"
        )
    return "chance may explain how alike their logits are"
