"""Fitting: means of the correctly classified, distances to them, a Weibull over the largest.

Of activations in memory (:func:`fit_arrays`), or of chunks that are read twice, in memory that does
not grow (:func:`fit_chunks`):

1. Sums of the correctly classified activation vectors per class, which make the MAVs.
2. Their distances to the own MAV, of which the η largest per class are kept, with their rows, and
   one more where the Weibull is that of exceedances; and the largest Euclidean one, which is how
   far a single picture pulls the MAV at most.

Both give the same, up to the order in which float64 sums are added.

**A class that cannot be fitted**, as it has fewer than two correctly classified pictures with
different distances, borrows from the others, which stay as they are to the last bit:

* Its MAV is its own where one picture is right. Else it is what the others' would be in its place:
  the mean, over all classes k with a right picture, of μ_k with its entries j and k exchanged.
* Its tail is the others'. Of exceedances: each fitted class's exceedances over their mean, all
  pooled and sorted, times the median of these means, beyond the median of the thresholds; of other
  forms: each fitted class's distances over the mean of its tail, all pooled and
  sorted; of these the quantiles (i − ½)/n, i = 1..n, times the median of the fitted classes' tail
  means, with n the median of the sizes of their tails. All such classes share this tail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.errors import FitError
from openmax_core.methods.calibration import Calibration
from openmax_core.methods.distances import (
    DISTANCES,
    SCALED_EUCOS,
    euclidean,
    euclidean_and_cosine,
    learn_factors,
)
from openmax_core.methods.method import checked_training
from openmax_core.methods.reweighting import centred, row_means, what_is_wrong
from openmax_core.methods.settings import MethodSettings
from openmax_core.support.arrays import Float, Int, require_whole
from openmax_core.support.chunks import Chunk, ReadChunks, in_parallel
from openmax_core.weibull.fit import (
    ExceedanceFit,
    Weibull,
    exceedances,
    fit_exceedances,
    fit_tails,
    fit_weibull_max,
    refusal,
    select_tails,
    unfit,
)

BLOCK_VALUES = 1 << 17  # values whose distances are computed at once, in the processor's cache


def fit_arrays(
    preset: str,
    settings: MethodSettings,
    logits: ArrayLike,
    labels: ArrayLike,
    class_names: Sequence[str] | None = None,
) -> Calibration:
    """Fit to (N, C) logits and (N,) labels; one class is copied at a time.

    Raises
    ------
    FitError
        Shapes do not fit, logits are not finite, or no class gives a Weibull; named.
    """
    logits, labels, names = checked_training(logits, labels, class_names)
    means, mean_logit, distances, n_correct, n_training = _means_and_distances(
        logits, labels, settings
    )
    factors = np.zeros(2)
    if settings.distance == SCALED_EUCOS:
        factors = learn_factors(np.concatenate(distances))
        distances = [parts @ factors for parts in distances]
    tails, weibull, borrowed = fit_weibull(distances, n_correct, settings, names)
    means = _with_borrowed(means, n_correct)
    return Calibration(
        *(preset, settings, names, means, factors, mean_logit, weibull, tails),
        *(n_correct, n_training, borrowed),
    )


def fit_chunks(
    preset: str, settings: MethodSettings, read: ReadChunks, class_names: Sequence[str]
) -> tuple[Calibration, list[Int], Float]:
    """Fit to chunks of activations; and of what rows each class's tail is, and its farthest.

    Parameters
    ----------
    read : begins anew at each call; it is called twice

    Returns
    -------
    The calibration; C arrays of the rows of the pictures that a tail is made of; (C,) the largest
    Euclidean distance of each class's correctly classified to its MAV.

    Raises
    ------
    FitError
        No class gives a Weibull, all are named; or the distance is 'scaled_eucos', which needs all
        distances at once.
    """
    if settings.distance == SCALED_EUCOS:
        raise FitError(
            f"the distance '{SCALED_EUCOS}' needs the distances of all training pictures at "
            "once, and there are too many; choose another distance"
        )
    names = tuple(map(str, class_names))
    means, mean_logit, n_correct, n_training = _streamed_means(read, len(names), settings)
    sizes = _tail_sizes(n_correct, settings) + (settings.weibull == "exceedances")
    kept, lengths = _streamed_tails(read, means, settings, sizes)
    bounds = np.searchsorted(kept.classes, np.arange(1, len(names)))
    distances = np.split(kept.distances, bounds)
    tails, weibull, borrowed = fit_weibull(distances, n_correct, settings, names)
    means, factors = _with_borrowed(means.astype(np.float64), n_correct), np.zeros(2)
    calibration = Calibration(
        *(preset, settings, names, means, factors, mean_logit, weibull, tails),
        *(n_correct, n_training, borrowed),
    )
    # The farthest come first; what is the threshold, or equals it, is not in the tail.
    rows = [
        own if is_borrowed else own[: len(tail)]
        for own, tail, is_borrowed in zip(
            np.split(kept.rows, bounds), tails, borrowed.tolist(), strict=True
        )
    ]
    return calibration, rows, lengths


def fit_weibull(
    distances: Sequence[NDArray[Any]],
    n_correct: Int,
    settings: MethodSettings,
    names: Sequence[str],
) -> tuple[list[Float], Weibull, NDArray[np.bool_]]:
    """Take the tails of C classes' distances, and fit the settings' form of Weibull to them.

    Returns
    -------
    C tails; the model; (C,) bool, which classes borrow tail and fit from the others.

    Raises
    ------
    FitError
        No class gives a Weibull; all are named.
    """
    sizes = _tail_sizes(n_correct, settings)
    if settings.weibull == "exceedances":
        return _fit_exceedances(distances, sizes, names)
    offset = settings.translate if settings.weibull == "libmr" else np.finfo(np.float64).tiny
    problems = unfit(distances, sizes, offset, names)
    borrowed = np.array([bool(text) for text in problems])
    if borrowed.all():
        raise refusal(problems, names)
    own = np.flatnonzero(~borrowed).tolist()
    tails = select_tails(
        [distances[index] for index in own], sizes[own].tolist(), [names[index] for index in own]
    )
    fitted = _fit(tails, settings, [names[index] for index in own])
    if not borrowed.any():
        return tails, fitted, borrowed
    shared = _pooled(tails)
    lent = _fit([shared], settings, [names[int(np.argmax(borrowed))]])
    order = np.where(borrowed, len(own), np.cumsum(~borrowed) - 1)  # row of each class
    return [[*tails, shared][row] for row in order.tolist()], _rows(fitted, lent, order), borrowed


def _fit_exceedances(
    distances: Sequence[NDArray[Any]], sizes: Int, names: Sequence[str]
) -> tuple[list[Float], Weibull, NDArray[np.bool_]]:
    """:func:`fit_weibull` for Weibulls of exceedances."""
    unfit(distances, sizes, class_names=names)  # raises where a distance is not finite
    found = [
        exceedances(values, size) for values, size in zip(distances, sizes.tolist(), strict=True)
    ]
    flat = unfit([tail for _, tail in found], sizes)
    problems = [
        _too_few(len(values)) if text else "" for values, text in zip(distances, flat, strict=True)
    ]
    borrowed = np.array([bool(text) for text in problems])
    if borrowed.all():
        raise refusal(problems, names, fewest=3)
    own = np.flatnonzero(~borrowed).tolist()
    thresholds = np.array([found[index][0] for index in own])
    tails = [found[index][1] for index in own]
    fitted = fit_exceedances(tails, thresholds, [names[index] for index in own])
    if not borrowed.any():
        return tails, fitted, borrowed
    threshold = float(np.median(thresholds))
    beyond = [tail - start for tail, start in zip(tails, thresholds.tolist(), strict=True)]
    shared = threshold + _pooled(beyond)
    lent = fit_exceedances([shared], [threshold], [names[int(np.argmax(borrowed))]])
    order = np.where(borrowed, len(own), np.cumsum(~borrowed) - 1)  # row of each class
    return [[*tails, shared][row] for row in order.tolist()], _rows(fitted, lent, order), borrowed


def _too_few(n: int) -> str:
    """Say why n distances give no exceedances to fit to."""
    if n < 3:
        return f" has {n} correctly classified pictures"
    return (
        f": too few of its {n} distances differ (look for copies of one picture in its folder, or "
        "raise the tail size)"
    )


def with_threshold(model: Weibull, tail: Float, index: int) -> Float:
    """Distances of class ``index`` that give its tail again, and those of smaller sizes."""
    if not isinstance(model, ExceedanceFit):
        return tail
    return np.concatenate([model.threshold[[index]], tail])


def _fit(tails: list[Float], settings: MethodSettings, names: Sequence[str]) -> Weibull:
    if settings.weibull == "libmr":
        return fit_tails(tails, max(map(len, tails)), settings.translate, names)
    return fit_weibull_max(tails, names)


def _pooled(tails: Sequence[Float]) -> Float:
    """Tail of a class that has none, from those of others; see the module's docstring."""
    scales = np.array([tail.mean() for tail in tails])
    relative = np.concatenate([tail / scale for tail, scale in zip(tails, scales, strict=True)])
    n = max(2, int(np.median([len(tail) for tail in tails])))
    return np.asarray(np.quantile(relative, (np.arange(n) + 0.5) / n) * np.median(scales))


def _rows(fitted: Weibull, lent: Weibull, rows: Int) -> Weibull:
    """Model of which class i has the fit in row i of both models, one below the other."""
    both: dict[str, Any] = {
        item.name: np.append(getattr(fitted, item.name), getattr(lent, item.name))[rows]
        for item in fields(fitted)
        if isinstance(getattr(fitted, item.name), np.ndarray)
    }
    return replace(fitted, **both)


def _with_borrowed(means: Float, n_correct: Int) -> Float:
    """(C, C) MAVs; those of classes without a right picture as the module's docstring says."""
    absent, present = np.flatnonzero(n_correct == 0), np.flatnonzero(n_correct)
    if not len(absent) or not len(present):
        return means
    found = means[present]
    own = found[np.arange(len(present)), present]  # μ_k[k]
    out = means.copy()
    for index in absent.tolist():
        exchanged = own - found[:, index]  # what entry j gains, and entry k loses
        total = found.sum(axis=0)
        total[index] += exchanged.sum()
        total[present] -= exchanged
        out[index] = total / len(present)
    return out


def _tail_sizes(n_correct: Int, settings: MethodSettings) -> Int:
    """η of each class: ``tail_size``, or a share of its correctly classified if that is more."""
    shares = np.rint((settings.tail_share or 0.0) * n_correct).astype(np.int64)
    return np.maximum(settings.tail_size, shares)


def _means_and_distances(
    logits: NDArray[Any], labels: Int, settings: MethodSettings
) -> tuple[Float, float, list[NDArray[Any]], Int, Int]:
    """MAVs, mean logit, distances of correct AVs to their MAV, counts; a class at a time.

    Both parts of each distance where it is 'scaled_eucos'.
    """
    precision, n_classes = np.dtype(settings.fit_precision), logits.shape[1]
    is_scaled = settings.distance == SCALED_EUCOS
    distance = euclidean_and_cosine if is_scaled else DISTANCES[settings.distance]
    means, mean_sum = np.empty((n_classes, n_classes)), 0.0
    distances = []
    n_correct = np.empty(n_classes, dtype=np.int64)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(n_classes + 1))
    for index in range(n_classes):
        rows = order[bounds[index] : bounds[index + 1]]
        require_whole(logits)
        vectors = np.asarray(logits[rows], dtype=precision)
        if problem := what_is_wrong(vectors, rows, "the training logits"):
            raise FitError(problem)
        vectors = vectors[vectors.argmax(axis=1) == index]
        if settings.kept_mean and len(vectors):
            mean_sum += float(row_means(vectors).sum())
        vectors = centred(vectors, settings.centring)
        n_correct[index] = len(vectors)
        mean = vectors.mean(axis=0) if len(vectors) else np.zeros(n_classes, dtype=precision)
        means[index] = mean
        distances.append(distance(vectors, mean))
    mean_logit = mean_sum / max(1, int(n_correct.sum()))
    return means, mean_logit, distances, n_correct, np.diff(bounds).astype(np.int64)


@dataclass(frozen=True)
class _Farthest:
    """The largest distances of every class, as far as they have been read.

    Attributes
    ----------
    classes, rows : (K,) int64, of the pictures
    distances : (K,) float
    """

    classes: Int
    distances: NDArray[Any]
    rows: Int

    def __add__(self, other: _Farthest) -> _Farthest:
        return _Farthest(
            np.concatenate([self.classes, other.classes]),
            np.concatenate([self.distances, other.distances]),
            np.concatenate([self.rows, other.rows]),
        )

    def cut(self, sizes: Int) -> _Farthest:
        """The largest (C,) ``sizes`` of each class, by class and distance."""
        order = np.lexsort((self.rows, -self.distances, self.classes))
        ordered = self.classes[order]
        rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        kept = order[rank < sizes[ordered]]
        return _Farthest(self.classes[kept], self.distances[kept], self.rows[kept])


def _streamed_means(
    read: ReadChunks, n_classes: int, settings: MethodSettings
) -> tuple[NDArray[Any], float, Int, Int]:
    """(C, C) MAVs of the correctly classified, their mean logit, (C,) their counts, (C,) of all.

    The MAVs in the precision of the settings.

    Raises
    ------
    FitError
        A label is none of the classes.
    """
    # Less its mean is linear, so that it can be taken off once, at the end.
    precision, centring = np.dtype(settings.fit_precision), settings.centring
    is_linear = centring in {"none", "mean"}

    def sums(chunk: Chunk) -> tuple[Int, Float, float, Int, Int]:
        places, own = _correct(chunk, n_classes)
        vectors = _in_order(chunk.logits, places)
        has_mean = settings.kept_mean > 0 and len(vectors) > 0
        mean_sum = float(row_means(vectors).sum()) if has_mean else 0.0
        if not is_linear:
            vectors = centred(vectors.astype(precision), centring)
        present, starts = np.unique(own, return_index=True)
        added = np.zeros((0, n_classes))
        if len(present):
            added = np.add.reduceat(vectors, starts, axis=0, dtype=np.float64)
        correct, training = (np.bincount(i, minlength=n_classes) for i in (own, chunk.labels))
        return present, added, mean_sum, correct, training

    all_means = 0.0
    totals = np.zeros((n_classes, n_classes))
    n_correct, n_training = (np.zeros(n_classes, dtype=np.int64) for _ in range(2))
    for present, added, mean_sum, correct, training in in_parallel(sums, read()):
        totals[present] += added
        all_means += mean_sum
        n_correct += correct
        n_training += training
    means = totals / np.maximum(n_correct, 1)[:, None]
    means = centred(means, centring) if is_linear else means
    mean_logit = all_means / max(1, int(n_correct.sum()))
    return means.astype(precision), mean_logit, n_correct, n_training


def _streamed_tails(
    read: ReadChunks, means: NDArray[Any], settings: MethodSettings, sizes: Int
) -> tuple[_Farthest, Float]:
    """The (C,) ``sizes`` largest distances of the correctly classified to the MAV of their class.

    And the (C,) largest Euclidean distance of these to it, whatever the distance is; 0 of none.

    Parameters
    ----------
    means : (C, C) float, in the precision that distances are computed in
    """
    distance = DISTANCES[settings.distance]
    most_rows = max(1, BLOCK_VALUES // len(means))

    def farthest(chunk: Chunk) -> tuple[_Farthest, Float]:
        places, own = _correct(chunk, len(means))
        vectors = _in_order(chunk.logits, places)
        distances, largest = np.empty(len(own), dtype=means.dtype), np.zeros(len(means))
        present, starts = np.unique(own, return_index=True)
        stops = [*starts[1:], len(own)][: len(starts)]  # none where no picture is right
        for index, start, stop in zip(present, starts, stops, strict=True):
            for first in range(start, stop, most_rows):
                part = slice(first, min(first + most_rows, stop))
                block = centred(vectors[part].astype(means.dtype), settings.centring)
                distances[part] = distance(block, means[index])
                length = float(euclidean(block, means[index]).max())
                largest[index] = max(largest[index], length)
        return _Farthest(own, distances, chunk.first + places).cut(sizes), largest

    empty = np.empty(0, dtype=np.int64)
    kept, lengths = _Farthest(empty, np.empty(0, dtype=means.dtype), empty), np.zeros(len(means))
    for found, largest in in_parallel(farthest, read()):
        kept, lengths = (kept + found).cut(sizes), np.maximum(lengths, largest)
    return kept, lengths


def _correct(chunk: Chunk, n_classes: int) -> tuple[Int, Int]:
    """Places and classes of a chunk's correctly classified, by class."""
    labels = chunk.labels
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_classes):
        raise FitError(f"labels must lie in 0..{n_classes - 1}")
    places = np.flatnonzero(chunk.logits.argmax(axis=1) == labels)
    places = places[np.argsort(labels[places], kind="stable")]
    return places, labels[places]


def _in_order(logits: NDArray[np.float32], places: Int) -> NDArray[Any]:
    """Rows at places; the logits themselves where these are all of them."""
    return logits if np.array_equal(places, np.arange(len(logits))) else logits[places]
