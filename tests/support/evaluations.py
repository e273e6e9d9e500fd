"""Evaluations of made-up logits, without a workspace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from openmax_core import OpenMax, TradeoffCurve
from openmax_core.activations.activations import Activations
from openmax_core.evaluation.evaluation import Evaluation
from tests.support.workspaces import made_up_logits


def activations_of(logits: ArrayLike, labels: ArrayLike, split: str = "train") -> Activations:
    """Activations of readable pictures called '<split>/<row>.png'."""
    rows = np.asarray(logits, dtype=np.float32)
    pictures = pd.DataFrame(
        {
            "path": [f"{split}/{row}.png" for row in range(len(rows))],
            "label": np.asarray(labels, dtype=np.int64),
            "prediction": rows.argmax(axis=1) if len(rows) else np.empty(0, dtype=np.int64),
            "status": "ok",
        }
    )
    return Activations(rows, pictures, {})


def evaluation_of(
    train: Activations, test: Activations, reject: Activations | None, **settings: Any
) -> Evaluation:
    """Fit and score as a workspace does."""
    openmax = OpenMax(**settings).fit(train.logits, train.labels)
    n_classes = openmax.n_classes
    known = openmax.decide(test.logits)
    unknown = openmax.decide(np.empty((0, n_classes)) if reject is None else reject.logits)
    curve = TradeoffCurve(
        known.scores,
        known.predictions,
        test.labels,
        unknown.scores,
        unknown.predictions,
        n_classes,
    )
    return Evaluation(openmax, curve, train, test, reject, "train", "made up")


def made_up_evaluation(
    n_classes: int = 3,
    n_train: int = 40,
    n_test: int = 30,
    n_reject: int = 60,
    signal: float = 5.0,
    **settings: Any,
) -> Evaluation:
    """Evaluation of ``n_train`` and ``n_test`` pictures a class, and ``n_reject`` of none."""
    sets = []
    for seed, (split, labels) in enumerate(
        {
            "train": np.repeat(np.arange(n_classes), n_train),
            "test": np.repeat(np.arange(n_classes), n_test),
            "reject": np.full(n_reject, -1),
        }.items()
    ):
        sets.append(activations_of(made_up_logits(labels, n_classes, seed, signal), labels, split))
    train, test, reject = sets
    return evaluation_of(train, test, reject if n_reject else None, **settings)
