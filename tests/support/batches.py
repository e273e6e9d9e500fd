"""Batches of made-up logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.monitor.monitor import monitor
from openmax_core.monitor.report import Batch, MeasuredBatch
from openmax_core.prediction.choice import Choice, choose_method
from openmax_core.tradeoff.objectives import Balanced
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import made_up_logits


def batch_of(logits: ArrayLike, paths: Sequence[str] | None = None) -> Batch:
    """A batch of readable pictures called '<row>.png' in no folder."""
    rows = np.asarray(logits, dtype=np.float32)
    names = tuple(paths or (f"{row}.png" for row in range(len(rows))))
    return Batch("made up", None, names, ("",) * len(rows), rows)


def choice_of(
    evaluation: Evaluation, threshold: float, class_thresholds: dict[str, float] | None = None
) -> Choice:
    """A threshold that was given, with others for pictures predicted as some classes."""
    point = None
    if class_thresholds is not None:
        point = replace(evaluation.point_at(threshold), class_thresholds=class_thresholds)
    return Choice(evaluation, threshold, "given", point)


def chosen_for_the_test_set(choice: Choice) -> Choice:
    """The same, chosen for something on the figures of the test set."""
    point = choice.present_point
    return replace(choice, point=replace(point, objective=Balanced().to_dict()))


def logits_of_classes(n_each: int, n_classes: int, seed: int, signal: float = 9.0) -> np.ndarray:
    """Logits like those of :func:`tests.support.workspaces.make_workspace`, ``n_each`` a class."""
    return made_up_logits(np.repeat(np.arange(n_classes), n_each), n_classes, seed, signal)


def write_table(path: Path, workspace: Workspace, logits: np.ndarray) -> Path:
    """Write logits as a Parquet table that 'openmax monitor' reads."""
    table = {f"logit_{name}": logits[:, j] for j, name in enumerate(workspace.classes)}
    pd.DataFrame({"path": [f"{row}.png" for row in range(len(logits))], **table}).to_parquet(path)
    return path


def measured(workspace: Workspace, path: Path, seed: int, signal: float = 9.0) -> MeasuredBatch:
    """A batch of 20 pictures a class, decided on as production does."""
    logits = logits_of_classes(20, len(workspace.classes), seed, signal)
    source = write_table(path, workspace, logits)
    return monitor(workspace, source, choose_method(workspace))
