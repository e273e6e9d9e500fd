"""The training pictures that make up one class's tail."""

from __future__ import annotations

import numpy as np
import pandas as pd

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.single_class import own_distances


def tail_members(evaluation: Evaluation, index: int) -> pd.DataFrame:
    """Pictures of a class's tail, farthest first: path, distance, cdf.

    Returns
    -------
    η rows, or as many as the class has correctly classified pictures.
    """
    openmax, sampling = evaluation.openmax, evaluation.sampling
    train = evaluation.train if sampling is None else sampling.tails
    predictions = train.readable["prediction"].to_numpy(dtype=np.int64)
    rows = np.flatnonzero((train.labels == index) & (predictions == index))
    distances = own_distances(openmax, train.logits[rows], np.full(len(rows), index))
    farthest = np.argsort(-distances, kind="stable")[: len(openmax.tails_[index])]
    shown = distances[farthest]
    return pd.DataFrame(
        {
            "path": train.readable["path"].to_numpy(dtype=object)[rows[farthest]],
            "distance": shown,
            "cdf": openmax.weibull_.cdf(shown, np.full(len(shown), index)),
        }
    )
