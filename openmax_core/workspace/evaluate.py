"""A method calibrated and scored on what a workspace has stored: its activations, or counts.

Where the activations are many, see :mod:`openmax_core.evaluation.counting`, a method's scores are
counted once, and the counts are stored beside them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from openmax_core.activations.stored_split import StoredSplit
from openmax_core.errors import ActivationsError, FitError, WorkspaceError
from openmax_core.evaluation.counting import FITTED_SET, REJECT_SET, TEST_SET, Report, count
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.openmax import OpenMax
from openmax_core.support.files import fingerprint
from openmax_core.workspace.sets import StoredSets


def by_activations(sets: StoredSets, openmax: OpenMax) -> Evaluation:
    """Calibrate a method that is not fitted yet, and score test and reject set.

    Raises
    ------
    WorkspaceError, ActivationsError
        There are no activations yet, or they are damaged.
    FitError, OpenMaxError
        The method cannot be fitted to them; the class or setting is named.
    """
    calibrated_on = sets.pictures.calibration_split
    classes = sets.classifier.settings.classes
    train, test = sets.required(calibrated_on), sets.required("test")
    reject = sets.required("reject") if "reject" in sets.pictures.splits else None
    used = {calibrated_on: train, "test": test}
    if reject is not None:
        used["reject"] = reject
    data = fingerprint([item.key["store"] for item in used.values()])
    try:
        openmax.fit(train.logits, train.labels, classes)
        return Evaluation.of(openmax, train, test, reject, calibrated_on, data)
    except (FitError, ActivationsError) as error:
        for split, activations in used.items():
            if (path := activations.first_not_finite()) is not None:
                raise WorkspaceError(
                    f"the stored logits of {split}/{path} are damaged (NaN or Inf); delete "
                    f"{sets.store.newest(split)} and run the extraction again"
                ) from error
        raise


def by_counts(
    sets: StoredSets, stored: Mapping[str, StoredSplit], openmax: OpenMax, report: Report
) -> Evaluation:
    """As :func:`by_activations`, from stored counts, which are made where there are none.

    Parameters
    ----------
    stored : what :meth:`StoredSets.opened` gave
    report : called with the pictures done and to do, where they are counted
    """
    stores = [split.folder.name for split in stored.values()]
    counted = sets.counts.load(stores, openmax)
    if counted is None:
        counted = count(openmax, sets.classifier.settings.classes, stored, report)
        try:
            sets.counts.save(stores, counted)
        except ActivationsError as error:  # good for now; the next opening counts again
            logging.getLogger(__name__).warning("counts are not kept: %s", error)
    data = fingerprint([split.key["store"] for split in stored.values()])
    samples, split = counted.samples, sets.pictures.calibration_split
    train, test, reject = samples[FITTED_SET], samples[TEST_SET], samples.get(REJECT_SET)
    return Evaluation.of(counted.openmax, train, test, reject, split, data, counted)
