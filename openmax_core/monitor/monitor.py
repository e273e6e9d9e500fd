"""``openmax monitor``: a batch against a workspace's calibration and what was recorded before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from openmax_core.activations.activations import Activations
from openmax_core.errors import OpenMaxError
from openmax_core.monitor.drift import LEVEL
from openmax_core.monitor.reading import ProgressCallback, read_batch
from openmax_core.monitor.records import BatchRecords, RecordedBatch
from openmax_core.monitor.report import Basis, MeasuredBatch
from openmax_core.monitor.same_pictures import PROJECTION, Earlier, find_same, projected
from openmax_core.monitor.scoring import measure_batch
from openmax_core.prediction.choice import Choice
from openmax_core.support.arrays import Float, Int
from openmax_core.workspace.workspace import Workspace

AUTO, NOTHING, TEST, REJECT = "auto", "none", "test", "reject"
MOST_EARLIER = 10


def monitor(
    workspace: Workspace,
    source: str | Path,
    choice: Choice,
    *,
    level: float = LEVEL,
    compare: str = AUTO,
    device: str = "auto",
    progress: ProgressCallback | None = None,
) -> MeasuredBatch:
    """Score a batch with a method and threshold, and hold it against the test set.

    Parameters
    ----------
    source : see :mod:`openmax_core.monitor.reading`
    choice : what decides, see :func:`openmax_core.prediction.choice.choose_method`
    level : largest probability of an alarm for a batch like the test set
    compare : what pictures of the same path are compared with: 'test', 'reject', the name of a
        recorded batch (of several the newest) or its id, or 'none'; 'auto': of these sets and the
        10 newest batches of the same calibration the one that shares the most paths, of equals the
        newest, among those whose pictures are the same as far as
        :mod:`openmax_core.monitor.same_pictures` can tell

    Raises
    ------
    OpenMaxError
        The batch cannot be read, is of another classifier, or ``compare`` names nothing.
    """
    if not 0 < level < 1:
        raise OpenMaxError(f"the level {level:g} must lie between 0 and 1")
    evaluation = choice.evaluation
    basis = Basis.of(evaluation, choice.threshold, choice.class_thresholds)
    records, _ = BatchRecords.of(workspace).load() if compare != NOTHING else ([], [])
    alike = [item for item in records if item.report.basis.calibration == basis.calibration]
    # Before the network runs: a name that does not exist, or a damaged record, is told at once.
    earlier = _named(choice, alike, compare)
    candidates = list(_earlier(choice, alike)) if compare == AUTO else []
    batch = read_batch(workspace, source, device, progress)
    not_compared = ""
    if compare == AUTO:
        earlier, not_compared = find_same(batch, candidates)
    elif compare == NOTHING:
        not_compared = "no picture was compared with earlier ones, as was asked for"
    return measure_batch(
        evaluation,
        choice.threshold,
        choice.class_thresholds,
        batch,
        earlier,
        level,
        not_compared,
        choice.is_chosen_on_test_set,
    )


def _named(choice: Choice, alike: list[RecordedBatch], compare: str) -> Earlier | None:
    if compare in (AUTO, NOTHING):
        return None
    if compare in (TEST, REJECT) and (found := _of_set(choice, compare)) is not None:
        return found
    for record in reversed(alike):
        if compare in (record.id, record.name):
            return _of_record(record, compare)
    names = ", ".join(dict.fromkeys(record.name for record in reversed(alike))) or "none"
    raise OpenMaxError(
        f"there is nothing called '{compare}' to compare with: give auto, none, test, reject, or a "
        f"batch recorded with the same calibration ({names})"
    )


def _earlier(choice: Choice, alike: list[RecordedBatch]) -> Iterator[Earlier]:
    """What pictures of the same path may have been seen in, the newest first."""
    names = {AUTO, NOTHING, TEST, REJECT}
    for record in list(reversed(alike))[:MOST_EARLIER]:
        is_told = record.name not in names and not record.name.startswith("-")
        yield _of_record(record, record.name if is_told else record.id)
        names.add(record.name)
    for name in (TEST, REJECT):
        if (found := _of_set(choice, name)) is not None:
            yield found


def _of_record(record: RecordedBatch, option: str) -> Earlier:
    pictures = record.pictures()
    read = pictures[pictures["nearest"] >= 0]
    columns = [name for name in read.columns if name.startswith(PROJECTION)]
    kept = read[columns].to_numpy()
    return Earlier(
        f"the batch '{record.name}' of {record.time[:10]}",
        option,
        read[["path", "nearest", "prediction", "score"]].copy(),
        (lambda rows: kept[rows]) if columns else None,
    )


def _of_set(choice: Choice, name: str) -> Earlier | None:
    evaluation = choice.evaluation
    curve = evaluation.curve
    if name == TEST:
        return _set(name, evaluation.test, curve.test_predictions, curve.test_scores)
    if evaluation.reject is not None:
        return _set(name, evaluation.reject, curve.reject_predictions, curve.reject_scores)
    return None


def _set(name: str, activations: Activations, predictions: Int, scores: Float) -> Earlier:
    table = pd.DataFrame(
        {
            "path": activations.readable["path"].to_numpy(dtype=object),
            "nearest": activations.readable["prediction"].to_numpy(dtype=np.int64),
            "prediction": np.asarray(predictions),
            "score": np.asarray(scores),
        }
    )
    logits = activations.logits
    return Earlier(f"the {name} set", name, table, lambda rows: projected(logits[rows]))
