"""``openmax monitor``: a batch against a workspace's calibration and what was recorded before."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from openmax_core.activations.activations import Activations
from openmax_core.errors import OpenMaxError
from openmax_core.monitor.drift import LEVEL
from openmax_core.monitor.reading import ProgressCallback, read_batch
from openmax_core.monitor.records import BatchRecords
from openmax_core.monitor.report import Basis, MeasuredBatch
from openmax_core.monitor.scoring import Earlier, measure_batch
from openmax_core.prediction.choice import Choice
from openmax_core.support.arrays import Float, Int
from openmax_core.workspace.workspace import Workspace

COMPARE_NOTHING, THE_TEST_SET, THE_REJECT_SET = "none", "test", "reject"


def monitor(
    workspace: Workspace,
    source: str | Path,
    choice: Choice,
    *,
    level: float = LEVEL,
    compare: str = COMPARE_NOTHING,
    has_labels: bool = True,
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
        batch that was recorded with the same calibration (of several the newest) or its id, or
        'none'
    has_labels : take the labels that the batch has, see :mod:`openmax_core.monitor.labels`

    Raises
    ------
    OpenMaxError
        The batch cannot be read, is of another classifier, or ``compare`` names nothing.
    """
    if not 0 < level < 1:
        raise OpenMaxError(f"the level {level:g} must lie between 0 and 1")
    # Before the network runs: a name that does not exist, or a damaged record, is told at once.
    earlier = _named(workspace, choice, compare) if compare != COMPARE_NOTHING else None
    batch = read_batch(
        workspace,
        source,
        device,
        progress,
        has_features=choice.evaluation.method.needs_features,
        has_labels=has_labels,
    )
    return measure_batch(choice, batch, earlier, level)


def _named(workspace: Workspace, choice: Choice, name: str) -> Earlier:
    evaluation = choice.evaluation
    curve = evaluation.curve
    if name == THE_TEST_SET:
        return _of_set(name, evaluation.test, curve.test_predictions, curve.test_scores)
    if name == THE_REJECT_SET and evaluation.reject is not None:
        return _of_set(name, evaluation.reject, curve.reject_predictions, curve.reject_scores)
    calibration = Basis.of(choice).calibration
    records, _ = BatchRecords.of(workspace).load()
    alike = [item for item in reversed(records) if item.report.basis.calibration == calibration]
    for record in alike:
        if name in (record.id, record.name):
            pictures = record.pictures()
            read = pictures[pictures["nearest"] >= 0]
            return Earlier(f"the batch '{record.name}' of {record.time[:10]}", read)
    names = ", ".join(dict.fromkeys(record.name for record in alike)) or "none"
    raise OpenMaxError(
        f"there is nothing called '{name}' to compare with: give none, test, reject, or a batch "
        f"recorded with the same calibration ({names})"
    )


def _of_set(name: str, activations: Activations, predictions: Int, scores: Float) -> Earlier:
    paths = activations.readable["path"].to_numpy(dtype=object)
    table = pd.DataFrame({"path": paths, "prediction": predictions, "score": scores})
    return Earlier(f"the {name} set", table)
