"""Reject accuracy by kind of unknown: by folder of the reject set.

The folder is the first one of a picture's path below the reject folder. A set that is not divided
into two or more says nothing by folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, share_interval
from openmax_core.tradeoff.kinds import Kinds, Mix

if TYPE_CHECKING:
    from openmax_core.evaluation.evaluation import Evaluation


@dataclass(frozen=True)
class RejectFolders:
    """The reject set, divided once by folder, so that every threshold is counted quickly.

    Attributes
    ----------
    names : F folder names
    folders : (M,) int, index into ``names`` of every readable picture
    scores : (M,) float64, compared with the threshold
    predictions : (M,) int, C where 'unknown' won
    mix : shares of the folders in production; None where pictures count alike
    """

    names: tuple[str, ...]
    folders: NDArray[np.int64]
    scores: NDArray[np.float64]
    predictions: NDArray[np.int64]
    n_classes: int
    mix: Mix | None = None

    @property
    def is_divided(self) -> bool:
        """There are two folders or more to tell apart."""
        return len(self.names) > 1

    def at(self, thresholds: ArrayLike, interval: str = DEFAULT_INTERVAL) -> pd.DataFrame:
        """Count every folder, the worst first; of equal shares the one with more pictures.

        Parameters
        ----------
        thresholds : one for all classes, or (C,) by predicted class
        interval : kind of the intervals, see :data:`openmax_core.tradeoff.intervals.INTERVALS`

        Returns
        -------
        DataFrame with a row a folder: folder, pictures (readable ones), rejected and accepted of
        them, reject_accuracy (the share that is rejected), low and high (its 95 % interval); with
        a mix also share (expected in production).
        """
        limits = np.append(np.broadcast_to(np.asarray(thresholds, float), self.n_classes), np.inf)
        is_rejected = self.scores < limits[self.predictions]
        counts = np.bincount(self.folders, minlength=len(self.names))
        rejected = np.bincount(self.folders[is_rejected], minlength=len(self.names))
        bounds = [share_interval(k, n, interval) for k, n in zip(rejected, counts, strict=True)]
        table = pd.DataFrame(
            {
                "folder": self.names,
                "pictures": counts,
                "rejected": rejected,
                "accepted": counts - rejected,
                "reject_accuracy": rejected / counts,
                "low": [item.low for item in bounds],
                "high": [item.high for item in bounds],
            }
        )
        if self.mix is not None:
            table["share"] = self.mix.shares
        return table.sort_values(
            ["reject_accuracy", "pictures", "folder"],
            ascending=[True, False, True],
            ignore_index=True,
        )


def reject_folders(evaluation: Evaluation) -> RejectFolders:
    """Divide an evaluation's reject set by folder."""
    curve = evaluation.curve
    paths = [] if evaluation.reject is None else evaluation.reject.readable["path"].tolist()
    kinds = Kinds.from_paths(paths)
    return RejectFolders(
        kinds.names,
        kinds.of,
        curve.reject_scores,
        curve.reject_predictions,
        curve.n_classes,
        curve.mix,
    )
