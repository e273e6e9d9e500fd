"""Reject accuracy by folder of the reject set: which kind of unknown slips through.

The folder is the first one of a picture's path below the reject folder. A set that is not divided
into two or more says nothing by folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, Interval, share_interval

if TYPE_CHECKING:
    from openmax_core.evaluation.evaluation import Evaluation

NO_FOLDER = "(in no folder)"


@dataclass(frozen=True)
class FolderOutcome:
    """What becomes of one folder of the reject set.

    Attributes
    ----------
    folder : str
    n, rejected : int
        Readable pictures, and those of them that are rejected.
    interval : Interval
        95 % interval of the share that is rejected.
    """

    folder: str
    n: int
    rejected: int
    interval: Interval

    @property
    def reject_accuracy(self) -> float:
        """Share of the folder that is rejected."""
        return self.rejected / self.n

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON and for tables."""
        return {
            "folder": self.folder,
            "pictures": self.n,
            "rejected": self.rejected,
            "accepted": self.n - self.rejected,
            "reject_accuracy": self.reject_accuracy,
            "low": self.interval.low,
            "high": self.interval.high,
        }


@dataclass(frozen=True)
class RejectFolders:
    """The reject set, divided once by folder, so that every threshold is counted quickly.

    Attributes
    ----------
    names : F folder names
    folders : (M,) int, index into ``names`` of every readable picture
    scores : (M,) float64, compared with the threshold
    predictions : (M,) int, C where 'unknown' won
    """

    names: tuple[str, ...]
    folders: NDArray[np.int64]
    scores: NDArray[np.float64]
    predictions: NDArray[np.int64]
    n_classes: int

    @property
    def is_divided(self) -> bool:
        """There are two folders or more to tell apart."""
        return len(self.names) > 1

    def at(
        self, thresholds: ArrayLike, interval: str = DEFAULT_INTERVAL
    ) -> tuple[FolderOutcome, ...]:
        """Count every folder, the worst first; of equal shares the one with more pictures.

        Parameters
        ----------
        thresholds : one for all classes, or (C,) by predicted class
        interval : kind of the intervals, see :data:`openmax_core.tradeoff.intervals.INTERVALS`
        """
        limits = np.append(np.broadcast_to(np.asarray(thresholds, float), self.n_classes), np.inf)
        is_rejected = self.scores < limits[self.predictions]
        counts = np.bincount(self.folders, minlength=len(self.names)).tolist()
        rejected = np.bincount(self.folders[is_rejected], minlength=len(self.names)).tolist()
        found = [
            FolderOutcome(name, n, k, share_interval(k, n, interval))
            for name, n, k in zip(self.names, counts, rejected, strict=True)
        ]
        return tuple(sorted(found, key=lambda item: (item.reject_accuracy, -item.n, item.folder)))


def reject_folders(evaluation: Evaluation) -> RejectFolders:
    """Divide an evaluation's reject set by folder."""
    curve = evaluation.curve
    paths = [] if evaluation.reject is None else evaluation.reject.readable["path"].tolist()
    firsts = np.array([folder_of(path) for path in paths], dtype=object)
    folders, names = pd.factorize(firsts, sort=True)
    return RejectFolders(
        tuple(names.tolist()),
        folders.astype(np.int64),
        curve.reject_scores,
        curve.reject_predictions,
        curve.n_classes,
    )


def folder_of(path: str) -> str:
    """First folder of a path below the reject folder."""
    first, slash, _ = path.partition("/")
    return first if slash else NO_FOLDER


def folder_table(outcomes: tuple[FolderOutcome, ...]) -> pd.DataFrame:
    """Outcomes as a table, a row each."""
    return pd.DataFrame([item.to_dict() for item in outcomes])
