"""A method calibrated and scored on what a workspace has stored: its activations, or counts.

Where the activations are many, see :mod:`openmax_core.evaluation.counting`, a method's scores are
counted once, and the counts are stored beside them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from openmax_core.activations.activations import Activations
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.errors import ActivationsError, FitError, WorkspaceError
from openmax_core.evaluation.counting import Report, count, is_large
from openmax_core.evaluation.evaluation import Evaluation, curve_of, evaluation_of_counts
from openmax_core.methods.openmax import OpenMax
from openmax_core.support.files import fingerprint
from openmax_core.workspace.sets import StoredSets


def is_counted(sets: StoredSets, openmax: OpenMax) -> bool:
    """Tell whether counts of a method are stored.

    Raises
    ------
    WorkspaceError, ActivationsError
        There are no activations yet, or they are damaged.
    """
    return sets.counts.holds(_names(sets.opened()), openmax)


def evaluate(sets: StoredSets, openmax: OpenMax, report: Report | None = None) -> Evaluation:
    """Calibrate a method and score test and reject set.

    Parameters
    ----------
    openmax : not fitted yet
    report : called with the pictures done and to do, where they are counted

    Raises
    ------
    WorkspaceError, ActivationsError
        There are no activations yet, or they are damaged.
    FitError, OpenMaxError
        The method cannot be fitted to them; the class or setting is named.
    """
    stored = sets.opened()
    if is_large(stored.values()):
        return _by_counts(sets, stored, openmax, report or (lambda progress: None))
    return _by_activations(sets, openmax)


def _by_activations(sets: StoredSets, openmax: OpenMax) -> Evaluation:
    calibrated_on = sets.pictures.calibration_split
    classes = sets.classifier.settings.classes
    train, test = sets.required(calibrated_on), sets.required("test")
    reject = sets.required("reject") if "reject" in sets.pictures.splits else None
    unknown = reject.logits if reject is not None else np.empty((0, len(classes)))
    try:
        openmax.fit(train.logits, train.labels, classes)
        tested, rejected = openmax.decide(test.logits), openmax.decide(unknown)
    except (FitError, ActivationsError) as error:
        _name_damaged(sets, {calibrated_on: train, "test": test, "reject": reject}, error)
        raise
    curve = curve_of(tested, test.labels, rejected, len(classes))
    used = [train, test] + ([reject] if reject is not None else [])
    data = fingerprint([item.key["store"] for item in used])
    return Evaluation(openmax, curve, train, test, reject, calibrated_on, data)


def _by_counts(
    sets: StoredSets, stored: Mapping[str, StoredSplit], openmax: OpenMax, report: Report
) -> Evaluation:
    """Evaluation from stored counts, which are made where there are none."""
    counted = sets.counts.load(_names(stored), openmax)
    if counted is None:
        counted = count(openmax, sets.classifier.settings.classes, stored, report)
        try:
            sets.counts.save(_names(stored), counted)
        except ActivationsError as error:  # good for now; the next opening counts again
            logging.getLogger(__name__).warning("counts are not kept: %s", error)
    data = fingerprint([split.key["store"] for split in stored.values()])
    return evaluation_of_counts(counted, sets.pictures.calibration_split, data)


def _names(stored: Mapping[str, StoredSplit]) -> list[str]:
    return [split.folder.name for split in stored.values()]


def _name_damaged(
    sets: StoredSets,
    used: Mapping[str, Activations | None],
    error: FitError | ActivationsError,
) -> None:
    """Raise an error that names the picture if stored logits are not finite."""
    for split, activations in used.items():
        if activations is not None and (path := activations.first_not_finite()) is not None:
            raise WorkspaceError(
                f"the stored logits of {split}/{path} are damaged (NaN or Inf); delete "
                f"{sets.store.newest(split)} and run the extraction again"
            ) from error
