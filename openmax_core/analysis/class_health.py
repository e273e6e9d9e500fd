"""What a class's Weibull rests on, how well it fits, and what is wrong with it, in words.

* Goodness of fit of the tail (:mod:`openmax_core.weibull.goodness`).
* Share of test pictures beyond the tail: of those of the class, how many lie farther from its MAV
  than every training picture did. If test pictures were like the n training pictures, about 1 in
  n + 1 would.
* Whether one picture dominates the MAV: how far the MAV moves when a picture is left out, as a
  share of the median distance of the class's pictures. With n vectors v around the mean μ that is
  |v − μ| / (n − 1); both are Euclidean, whatever the method's distance is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from openmax_core.evaluation.counting import TAIL_SET
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.single_class import own_distances
from openmax_core.support.arrays import Float, Int
from openmax_core.tradeoff.intervals import share_interval
from openmax_core.tradeoff.sweep import class_warnings
from openmax_core.weibull.goodness import Goodness, goodness_of_fit
from openmax_core.weibull.tails import location, log_cdf_and_survival, thinned

DOMINANT = 0.2
BORROWED = "the tail is borrowed from the other classes"
MOST_TRAINING_VALUES = 60_000_000  # logits that are read to find dominating pictures
N_SPARK = 24


@dataclass(frozen=True)
class ClassDistances:
    """Distances to the MAV of one class of every picture.

    Attributes
    ----------
    test : (N,) float64, to the MAV of the true class
    test_classes : (N,) int
    reject : (M,) float64, to the MAV of the class with the largest logit
    reject_classes : (M,) int
    """

    test: Float
    test_classes: Int
    reject: Float
    reject_classes: Int

    def rows_of(self, index: int) -> tuple[Int, Int]:
        """Rows of test and reject pictures of one class, nearest first."""
        test, reject = (
            order[slice(*np.searchsorted(classes, [index, index + 1]))]
            for order, classes in self._by_class
        )
        return test, reject

    def of(self, index: int) -> tuple[Float, Float]:
        """Distances of test and reject pictures of one class, ascending."""
        test, reject = self.rows_of(index)
        return self.test[test], self.reject[reject]

    @cached_property
    def _by_class(self) -> list[tuple[Int, Int]]:
        """Of both sets the rows by class and distance, and their classes in that order."""
        sets = ((self.test, self.test_classes), (self.reject, self.reject_classes))
        orders = [np.lexsort((distances, classes)) for distances, classes in sets]
        return [(order, classes[order]) for order, (_, classes) in zip(orders, sets, strict=True)]


@dataclass(frozen=True)
class Health:
    """State of every class's fit.

    Attributes
    ----------
    goodness : Goodness
    n_test, n_beyond : (C,) int
        Test pictures of the class, and those of them beyond its tail.
    dominance : (C,) float64
        Largest shift of the MAV by one picture, as a share of the median distance.
    n_examined : (C,) int
        Training pictures that the one which moves the MAV most was looked for among.
    warnings : C texts, '' where nothing is wrong
    """

    goodness: Goodness
    n_test: Int
    n_beyond: Int
    dominance: Float
    n_examined: Int
    warnings: tuple[str, ...]

    @property
    def n_warned(self) -> int:
        """Classes with a warning."""
        return sum(map(bool, self.warnings))

    def is_sampled(self, n_correct: Int) -> bool:
        """Whether ``dominance`` is of a part of the (C,) correctly classified pictures."""
        return bool((self.n_examined < n_correct).any())

    @property
    def worst_first(self) -> Int:
        """(C,) classes: no p-value, then small p, then large A²."""
        p = np.nan_to_num(self.goodness.p_value, nan=-1.0)
        return np.lexsort((-self.goodness.statistic, p))


def class_distances(evaluation: Evaluation) -> ClassDistances:
    """Distances of test pictures to their true class, of reject pictures to the likeliest one."""
    openmax, test, reject = evaluation.openmax, evaluation.test, evaluation.reject
    unknown, likeliest = np.empty(0), np.empty(0, dtype=np.int64)
    if reject is not None:
        likeliest = reject.readable["prediction"].to_numpy(dtype=np.int64)
        unknown = own_distances(openmax, reject.logits, likeliest)
    known = own_distances(openmax, test.logits, test.labels)
    return ClassDistances(known, test.labels, unknown, likeliest)


def class_health(evaluation: Evaluation, distances: ClassDistances) -> Health:
    """Examine every class; p-values as far as :func:`goodness_of_fit` gives them."""
    openmax, classes = evaluation.openmax, distances.test_classes
    largest = np.array([tail[-1] for tail in openmax.tails_])
    beyond = distances.test > largest[classes]
    n_test = np.bincount(classes, minlength=openmax.n_classes)
    n_beyond = np.bincount(classes[beyond], minlength=openmax.n_classes)
    dominance, n_examined = mean_dominance(evaluation)
    return Health(
        without_borrowed(goodness_of_fit(openmax.weibull_, openmax.tails_), openmax),
        n_test,
        n_beyond,
        dominance,
        n_examined,
        _warnings(evaluation, n_test, n_beyond, dominance),
    )


def without_borrowed(goodness: Goodness, openmax: OpenMax) -> Goodness:
    """Take the p-values of borrowed tails away: they say nothing of the class."""
    reasons = [
        BORROWED if is_borrowed else reason
        for is_borrowed, reason in zip(openmax.borrowed_.tolist(), goodness.reasons, strict=True)
    ]
    p_value = np.where(openmax.borrowed_, np.nan, goodness.p_value)
    return replace(goodness, p_value=p_value, reasons=tuple(reasons))


def _warnings(
    evaluation: Evaluation, n_test: Int, n_beyond: Int, dominance: Float
) -> tuple[str, ...]:
    warnings = []
    for index, text in enumerate(class_warnings(evaluation.openmax)):
        found = [text] if text else []
        beyond, n = int(n_beyond[index]), int(n_test[index])
        expected = 1 / (int(evaluation.openmax.n_correct_[index]) + 1)
        is_own = not evaluation.openmax.borrowed_[index]
        if is_own and beyond and share_interval(beyond, n).low > expected:
            found.append(
                f"{beyond} of {n} test pictures lie beyond the tail, more than chance explains: "
                f"{evaluation.calibrated_on} pictures lie closer to the mean than new ones"
            )
        if dominance[index] > DOMINANT:
            found.append(
                "one picture dominates the mean: without it the mean moves by "
                f"{100 * dominance[index]:.0f} % of the median distance"
            )
        warnings.append("; ".join(found))
    return tuple(warnings)


def mean_dominance(
    evaluation: Evaluation, most_values: int = MOST_TRAINING_VALUES
) -> tuple[Float, Int]:
    """(C,) largest shift of each MAV by one picture, and how many pictures were examined.

    A class at a time. Of a training set with more than ``most_values`` logits a seeded sample of
    every class is examined. Where a sample stands for all pictures, the farthest of all is known
    from the fit, and the median distance is the sample's.
    """
    train, openmax, counted = evaluation.train, evaluation.openmax, evaluation.counted
    n_classes = openmax.n_classes
    most = max(2, most_values // (n_classes * n_classes))
    labels = train.labels
    predictions = train.readable["prediction"].to_numpy(dtype=np.int64)
    right = np.flatnonzero(predictions == labels)
    order = right[np.argsort(labels[right], kind="stable")]
    bounds = np.searchsorted(labels[order], np.arange(n_classes + 1))
    generator = np.random.default_rng(0)
    dominance, n_examined = np.empty(n_classes), np.empty(n_classes, dtype=np.int64)
    for index in range(n_classes):
        rows = order[bounds[index] : bounds[index + 1]]
        n = int(openmax.n_correct_[index])
        if len(rows) > most:
            rows = np.sort(generator.choice(rows, most, replace=False))
        n_examined[index] = len(rows) if counted is None else n
        # None in the sample of a large training set; or without the one there is no mean.
        if not len(rows) or n < 2:
            dominance[index] = np.nan
            continue
        vectors = openmax.centred(np.asarray(train.logits[rows]))
        lengths = np.linalg.norm(vectors - openmax.means_[index].astype(vectors.dtype), axis=1)
        middle = float(np.median(lengths))
        largest = float(lengths.max() if counted is None else counted.farthest[index])
        dominance[index] = largest / (n - 1) / middle if middle > 0 else np.inf
    return dominance, n_examined


def health_table(evaluation: Evaluation, health: Health) -> pd.DataFrame:
    """Counts, parameters, goodness and warnings, a row a class, worst fit first.

    ``index`` is the class's number. ``tail`` holds its distances, thinned to 24 at most, and
    ``fit`` the fitted CDF at these: on a straight line from 0 to 1 where the Weibull follows the
    tail.
    """
    openmax, goodness = evaluation.openmax, health.goodness
    model, order = openmax.weibull_, health.worst_first
    tails = [thinned(openmax.tails_[index], N_SPARK) for index in order.tolist()]
    lengths = [len(tail) for tail in tails]
    log_cdf, _ = log_cdf_and_survival(model, np.concatenate(tails), np.repeat(order, lengths))
    fits = np.split(np.round(np.exp(log_cdf), 4), np.cumsum(lengths)[:-1])
    finite = np.where(np.isfinite(goodness.statistic), goodness.statistic, np.nan)
    beyond = np.where(health.n_test > 0, health.n_beyond / np.maximum(health.n_test, 1), np.nan)
    return pd.DataFrame(
        {
            "index": order,
            "class": np.array(openmax.class_names_, dtype=object)[order],
            "fit": [fit.tolist() for fit in fits],
            "tail": [tail.tolist() for tail in tails],
            "p_value": goodness.p_value[order],
            "anderson_darling": finite[order],
            "beyond_tail": beyond[order],
            "n_test": health.n_test[order],
            "dominance": health.dominance[order],
            "tail_size": model.n_tail[order],
            "correct": openmax.n_correct_[order],
            "training_pictures": openmax.n_training_[order],
            "borrowed": openmax.borrowed_[order],
            "shape": model.parameters()["shape"][order],
            "location": location(model)[order],
            "scale": model.parameters()["scale"][order],
            "warning": np.array(health.warnings, dtype=object)[order],
        }
    )


def matching(names: tuple[str, ...], text: str) -> list[int]:
    """Classes whose name holds one of some words, separated by commas; all for an empty text."""
    words = [word.strip().casefold() for word in text.split(",") if word.strip()]
    folded = [name.casefold() for name in names]
    if not words:
        return list(range(len(names)))
    return [i for i, name in enumerate(folded) if any(word in name for word in words)]


def tail_members(evaluation: Evaluation, index: int) -> pd.DataFrame:
    """Pictures of a class's tail, farthest first: path, distance, cdf.

    Returns
    -------
    η rows, or as many as the class has correctly classified pictures.
    """
    openmax, counted = evaluation.openmax, evaluation.counted
    train = evaluation.train if counted is None else counted.samples[TAIL_SET]
    predictions = train.readable["prediction"].to_numpy(dtype=np.int64)
    rows = np.flatnonzero((train.labels == index) & (predictions == index))
    distances = own_distances(openmax, train.logits[rows], np.full(len(rows), index))
    farthest = np.argsort(-distances, kind="stable")[: len(openmax.tails_[index])]
    shown = distances[farthest]
    return pd.DataFrame(
        {
            "path": train.readable["path"].to_numpy(dtype=object)[rows[farthest]],
            "distance": shown,
            "cdf": openmax.weibull_.cdf(shown, index),
        }
    )
