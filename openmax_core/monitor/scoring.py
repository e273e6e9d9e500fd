"""Scoring a batch of new pictures against the calibration: rejections, distances, what changed.

1. Every picture is decided on with the method, threshold and class thresholds in force.
2. The share of rejected ones is held against that of the test set, which holds known pictures
   only: more unknowns among the new pictures raise it as much as a changed camera does.
3. Pictures are sorted by the classifier's own answer, the largest logit, rejected ones among them;
   their distances to that class's mean are held against those of the test pictures that got the
   same answer. Not of the training pictures: the network and the means were made from these, so
   that they lie closer than any new picture does. Not by the true class: a batch has none. A
   method without means has no distances; there the negative score stands for the distance.
4. Where pictures are compared with earlier ones of the same path, those that changed most are
   told; else those farthest outside of their class.

5. Where pictures have labels, both accuracies are counted, and what the threshold should keep is
   tested (:mod:`openmax_core.monitor.labels`).

Questions 2 and 3 may give alarm, and 5 where it is asked, each at its part of ``level``: a half, or
a third. The classes share theirs by Holm's correction. A batch like the test set then gives alarm
with a probability of at most ``level``, as far as its pictures are independent of each other. The
mix of classes gives none: that of a test set is often chosen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.methods.method import Method
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.single_class import own_distances
from openmax_core.monitor.drift import LEVEL, Share, class_drift, compare_mix, compare_shares
from openmax_core.monitor.labels import Labelled, check_labels
from openmax_core.monitor.report import (
    Basis,
    Batch,
    BatchReport,
    ExpectedRise,
    MeasuredBatch,
    measured_in_words,
)
from openmax_core.monitor.shortlist import file_state
from openmax_core.prediction.choice import Choice
from openmax_core.prediction.verdicts import own_limits
from openmax_core.support.arrays import Float, Int
from openmax_core.support.files import fingerprint
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError
from openmax_core.tradeoff.resampling import repeated_splits

NO_CLASS = -1


@dataclass(frozen=True)
class Earlier:
    """Pictures that were scored before with the same calibration.

    Attributes
    ----------
    name : what people know them by
    table : DataFrame with path, prediction (C: 'unknown' won) and score of those that were read
    """

    name: str
    table: pd.DataFrame

    def rows_of(self, paths: Sequence[str]) -> Int:
        """(N,) rows of the table with these paths, the first of each; −1 where there is none."""
        index = pd.Index(self.table["path"])
        first = np.flatnonzero(~index.duplicated())
        places = index[first].get_indexer(pd.Index(paths))
        return np.append(first, -1)[places]


def measure_batch(
    choice: Choice, batch: Batch, earlier: Earlier | None = None, level: float = LEVEL
) -> MeasuredBatch:
    """Score a batch and hold it against the test set.

    Parameters
    ----------
    choice : the method and the thresholds that decide
    earlier : whose pictures of the same path the batch's are compared with
    level : largest probability of an alarm for a batch like the test set
    """
    evaluation, method = choice.evaluation, choice.evaluation.method
    names, n_classes = method.class_names_, method.n_classes
    limits = choice.limits
    decided = method.decide(batch.logits, batch.features)
    own = batch.logits.argmax(axis=1).astype(np.int64)
    distances = _distances(method, batch.logits, own, decided.scores)
    test_own = evaluation.test.readable["prediction"].to_numpy(dtype=np.int64)
    test_scores = evaluation.curve.test_scores
    test_distances = _distances(method, evaluation.test.logits, test_own, test_scores)
    known = _by_class(test_distances, test_own, n_classes)
    drift = class_drift(_by_class(distances, own, n_classes), known)
    is_rejected = rejected(decided.predictions, decided.scores, limits)
    share, excess = _places(distances, own, known)
    pictures = _picture_table(
        batch,
        {
            "nearest": own,
            "prediction": decided.predictions,
            "is_rejected": is_rejected,
            "score": decided.scores,
            "distance": distances,
            "share": share,
            "excess": excess,
        },
    )
    n_shared, n_flipped = _put_before(pictures, earlier, limits)
    compared_with = not_compared = ""
    if earlier is not None and n_shared:
        compared_with = earlier.name
    elif earlier is not None:
        not_compared = f"no picture has the same path as in {earlier.name}"
    reject = Share(int(is_rejected.sum()), len(is_rejected))
    expected = _expected(choice)
    report = BatchReport(
        source=batch.source,
        folder=None if batch.folder is None else str(batch.folder),
        basis=Basis.of(choice),
        classes=names,
        content=_content(batch),
        n_unreadable=len(batch) - len(batch.logits),
        reject=reject,
        expected=expected,
        difference=compare_shares(reject, expected),
        drift=drift,
        mix=compare_mix(drift.n_batch, drift.n_test),
        level=level,
        compared_with=compared_with,
        n_shared=n_shared,
        n_flipped=n_flipped,
        not_compared=not_compared,
        is_chosen_on_test_set=choice.is_chosen_on_test_set,
        expected_rise=_expected_rise(choice),
        labelled=_labelled(choice, batch, decided.predictions, is_rejected),
        notes=(*batch.notes, *_sample_notes(choice)),
    )
    return MeasuredBatch(report, pictures)


def rejected(predictions: Int, scores: Float, limits: Float) -> NDArray[np.bool_]:
    """(N,) bool, rejected at (C,) thresholds of the predicted class; 'unknown' always is."""
    return np.asarray(scores < own_limits(predictions, limits))


def _expected(choice: Choice) -> Share:
    """Rejected of all test pictures; at thresholds per class of the sample, where they are many."""
    if choice.class_thresholds is None:
        outcome = choice.evaluation.overall.outcome(choice.threshold)
    else:
        outcome = choice.evaluation.curve.outcome_by_class(choice.limits, choice.threshold)
    return Share(outcome.rejected_known, outcome.n_test)


def _expected_rise(choice: Choice) -> ExpectedRise | None:
    """What choosing on the test set does to the share that is expected from it."""
    point = choice.point
    objective = point.chosen_for if point is not None and choice.is_chosen_on_test_set else None
    if objective is None:
        return None
    try:
        splits = repeated_splits(choice.evaluation.overall, objective)
    except NoFeasibleThresholdError:
        return None
    if not len(splits.rise):
        return None
    return ExpectedRise(float(splits.rise.mean()), splits.worst_rise, splits.n_splits)


def _labelled(
    choice: Choice, batch: Batch, predictions: Int, is_rejected: NDArray[np.bool_]
) -> Labelled | None:
    if batch.labels is None:
        return None
    is_readable = np.array([not error for error in batch.errors], dtype=bool)
    return check_labels(batch.labels[is_readable], predictions, is_rejected, choice.point)


def _sample_notes(choice: Choice) -> tuple[str, ...]:
    if choice.evaluation.counted is None:
        return ()
    measured = measured_in_words(choice.evaluation.has_tails)
    what = "" if choice.class_thresholds is None else "the expected share, "
    return (
        f"{what}{measured}, the mix of classes and earlier pictures of the workspace's sets are "
        f"those of {choice.evaluation.sample_in_words}",
    )


def _distances(method: Method, logits: NDArray[Any], classes: Int, scores: Float) -> Float:
    """(N,) how far out each picture lies: to the MAV of its class, else the negative score."""
    if isinstance(method, OpenMax):
        return own_distances(method, logits, classes)
    return -scores


def _by_class(values: Float, classes: Int, n_classes: int) -> list[Float]:
    order = np.lexsort((values, classes))
    bounds = np.searchsorted(classes[order], np.arange(n_classes + 1))
    ordered = values[order]
    return [ordered[bounds[index] : bounds[index + 1]] for index in range(n_classes)]


def _picture_table(batch: Batch, read: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """A row a picture of the batch; ``read`` holds the further columns of the readable ones."""
    states = [file_state(batch.folder, path) for path in batch.paths]
    table = pd.DataFrame(
        {
            "path": list(batch.paths),
            "size": [size for size, _ in states],
            "mtime": [mtime for _, mtime in states],
            "error": list(batch.errors),
        }
    )
    readable = np.array([not error for error in batch.errors], dtype=bool)
    empty = {"i": NO_CLASS, "b": False, "f": np.nan}
    for name, values in read.items():
        column = np.full(len(batch), empty[values.dtype.kind], dtype=values.dtype)
        column[readable] = values
        table[name] = column
    return table


def _places(distances: Float, own: Int, known: Sequence[Float]) -> tuple[Float, Float]:
    """Where each distance lies among those of its class's test pictures; NaN without a range."""
    share, excess = np.full(len(own), np.nan), np.full(len(own), np.nan)
    for index in np.unique(own).tolist():
        test, rows = known[index], np.flatnonzero(own == index)
        if len(test) < 2:
            continue
        low, middle, high = np.quantile(test, [0.25, 0.5, 0.75])
        share[rows] = np.searchsorted(test, distances[rows]) / len(test)
        if high > low:
            excess[rows] = (distances[rows] - middle) / (high - low)
    return share, excess


def _put_before(pictures: pd.DataFrame, earlier: Earlier | None, limits: Float) -> tuple[int, int]:
    """Write beside the pictures what they were before; returns how many, and flips."""
    scores = np.full(len(pictures), np.nan)
    predictions = np.full(len(pictures), NO_CLASS, dtype=np.int64)
    was_rejected = np.zeros(len(pictures), dtype=bool)
    if earlier is not None:
        places = earlier.rows_of(pictures["path"].tolist())
        rows = np.flatnonzero((places >= 0) & (pictures["nearest"] >= 0).to_numpy())
        old = earlier.table.iloc[places[rows]]
        scores[rows] = old["score"].to_numpy(dtype=np.float64)
        predictions[rows] = old["prediction"].to_numpy(dtype=np.int64)
        was_rejected[rows] = rejected(predictions[rows], scores[rows], limits)
    pictures["score_before"] = scores
    pictures["prediction_before"] = predictions
    pictures["is_rejected_before"] = was_rejected
    was_scored, is_rejected = predictions >= 0, pictures["is_rejected"].to_numpy()
    is_other_class = ~is_rejected & (pictures["prediction"].to_numpy() != predictions)
    is_flipped = was_scored & ((is_rejected != was_rejected) | is_other_class)
    return int(was_scored.sum()), int(is_flipped.sum())


def _content(batch: Batch) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(batch.logits).tobytes()).hexdigest()
    labels = [] if batch.labels is None else [batch.labels.tolist()]
    return fingerprint(digest, list(batch.paths), list(batch.errors), *labels)
