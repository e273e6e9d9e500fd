"""Mistakes at a threshold: accepted unknowns, rejected knowns, confused classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.errors import OpenMaxError
from openmax_core.prediction.verdicts import ScoredPictures, score_pictures

if TYPE_CHECKING:
    from openmax_core.evaluation.evaluation import Evaluation

UNKNOWN = "unknown"


@dataclass(frozen=True)
class PictureList:
    """Wrongly decided pictures of one split, nearest to the threshold first.

    Attributes
    ----------
    split : 'test' or 'reject'
    rows : (K,) int, among the split's readable pictures
    gaps : (K,) float64
        How far the score is from the threshold; NaN where 'unknown' won, which no threshold
        changes; those come last.
    """

    evaluation: Evaluation
    split: str
    rows: NDArray[np.intp]
    gaps: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)

    def table(self, first: int = 0, most: int | None = None) -> pd.DataFrame:
        """Some of the pictures, a row each: split, row, path, score, gap, predicted, truth (names).

        Where 'unknown' won the prediction is the classifier's own.
        """
        part = slice(first, None if most is None else first + most)
        rows, gaps = self.rows[part], self.gaps[part]
        curve = self.evaluation.curve
        names = np.array([*self.evaluation.method.class_names_, UNKNOWN])
        if self.split == "reject":
            activations, scores = self.evaluation.reject, curve.reject_scores
            predictions, truth = curve.reject_predictions[rows], np.full(len(rows), UNKNOWN)
        else:
            activations, scores = self.evaluation.test, curve.test_scores
            predictions, truth = curve.test_predictions[rows], names[curve.test_labels[rows]]
        paths = np.array([], dtype=object)
        if activations is not None:
            shown = activations.readable.iloc[rows]
            paths = shown["path"].to_numpy(dtype=object)
            own = shown["prediction"].to_numpy(dtype=np.int64)
            predictions = np.where(predictions == curve.n_classes, own, predictions)
        return pd.DataFrame(
            {
                "split": self.split,
                "row": rows,
                "path": paths,
                "score": scores[rows],
                "gap": gaps,
                "predicted": names[predictions],
                "truth": truth,
            }
        )


@dataclass(frozen=True)
class Mistakes:
    """Everything that a threshold gets wrong."""

    accepted_unknowns: PictureList
    rejected_knowns: PictureList
    confused: PictureList


def find_mistakes(evaluation: Evaluation, threshold: float) -> Mistakes:
    """Find everything that a threshold gets wrong, nearest to it first."""
    curve = evaluation.curve
    passes = curve.test_scores >= threshold
    won = curve.test_predictions == curve.n_classes
    wrong = passes & ~won & (curve.test_predictions != curve.test_labels)
    accepted = (curve.reject_scores >= threshold) & (curve.reject_predictions != curve.n_classes)
    gaps = np.where(won, np.nan, np.abs(curve.test_scores - threshold))
    return Mistakes(
        _nearest_first(evaluation, "reject", accepted, curve.reject_scores - threshold),
        _nearest_first(evaluation, "test", won | ~passes, gaps),
        _nearest_first(evaluation, "test", wrong, gaps),
    )


def picture_at(evaluation: Evaluation, split: str, row: int) -> ScoredPictures:
    """Score one stored picture, by its row among the split's readable ones."""
    activations = evaluation.reject if split == "reject" else evaluation.test
    if activations is None:
        raise OpenMaxError(f"there are no pictures of {split}")
    values = np.asarray(activations.logits[row])
    if evaluation.method.needs_features and activations.features is not None:
        values = np.concatenate([values, activations.features[row].astype(np.float32)])
    return score_pictures(evaluation.method, [""], [values])


def _nearest_first(
    evaluation: Evaluation, split: str, mask: NDArray[np.bool_], gaps: NDArray[np.float64]
) -> PictureList:
    rows = np.flatnonzero(mask)
    rows = rows[np.argsort(gaps[rows], kind="stable")]  # NaN last
    return PictureList(evaluation, split, rows, gaps[rows])
