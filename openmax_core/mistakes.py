"""The pictures that pay for a threshold: accepted unknowns, rejected knowns, confused classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.errors import OpenMaxError
from openmax_core.verdicts import REJECTED, PictureLogits, verdict_table

if TYPE_CHECKING:
    from openmax_core.activations import Activations
    from openmax_core.assessment import Evaluation

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Mistakes:
    """Rows of wrongly decided pictures, nearest to the threshold first.

    Each a DataFrame with the columns split, row (of the split's readable pictures), path, score,
    gap (how far the score is from the threshold; NaN where 'unknown' won, which no threshold
    changes; those come last), predicted and truth (names).
    """

    accepted_unknowns: pd.DataFrame
    rejected_knowns: pd.DataFrame
    confused: pd.DataFrame


def find_mistakes(evaluation: Evaluation, threshold: float) -> Mistakes:
    """Everything that a threshold gets wrong."""
    curve, names = evaluation.curve, np.array([*evaluation.openmax.class_names_, UNKNOWN])
    test_passes = curve.test_scores >= threshold
    won = curve.test_predictions == curve.n_classes
    wrong = test_passes & ~won & (curve.test_predictions != curve.test_labels)
    # 'unknown' is no answer to compare with the truth: then it is the classifier's own.
    answers = np.where(won, _own(evaluation.test), curve.test_predictions)
    accepted = (curve.reject_scores >= threshold) & (curve.reject_predictions != curve.n_classes)
    test = names[curve.test_labels]

    def of_test(mask: NDArray[np.bool_]) -> pd.DataFrame:
        rows = np.flatnonzero(mask)
        gaps = np.where(won[rows], np.nan, np.abs(curve.test_scores[rows] - threshold))
        scores = curve.test_scores[rows]
        return _table("test", evaluation.test, rows, scores, gaps, names[answers[rows]], test[rows])

    return Mistakes(
        _of_reject(evaluation, np.flatnonzero(accepted), threshold, names),
        of_test(won | ~test_passes),
        of_test(wrong),
    )


@dataclass(frozen=True)
class OpenedPicture:
    """Everything that decided about one picture of a split.

    Attributes
    ----------
    decision : name of the class, or 'rejected'
    is_rejected : bool
    reason : in words
    probabilities : (C + 1,) float64
    distances, cdf : (C,) float64, to every MAV and in every tail
    nearest_classes : C class indices, the largest logit first
    """

    decision: str
    is_rejected: bool
    reason: str
    probabilities: NDArray[np.float64]
    distances: NDArray[np.float64]
    cdf: NDArray[np.float64]
    nearest_classes: list[int]


def picture_at(evaluation: Evaluation, split: str, row: int, threshold: float) -> OpenedPicture:
    """Decide on one stored picture, by its row among the split's readable ones."""
    activations = evaluation.reject if split == "reject" else evaluation.test
    if activations is None:
        raise OpenMaxError(f"there are no pictures of {split}")
    openmax = evaluation.openmax
    logits = np.asarray(activations.logits[row : row + 1])
    verdict = verdict_table(openmax, PictureLogits(("",), (logits[0],)), threshold).iloc[0]
    distances = openmax.distances(logits)
    return OpenedPicture(
        decision=str(verdict["decision"]),
        is_rejected=verdict["verdict"] == REJECTED,
        reason=str(verdict["reason"]),
        probabilities=openmax.predict_proba(logits)[0],
        distances=distances[0],
        cdf=openmax.cdf(distances)[0],
        nearest_classes=np.argsort(-logits[0], kind="stable").tolist(),
    )


def _of_reject(
    evaluation: Evaluation, rows: NDArray[np.intp], threshold: float, names: NDArray[np.str_]
) -> pd.DataFrame:
    curve = evaluation.curve
    scores = curve.reject_scores[rows]
    predicted = names[curve.reject_predictions[rows]]
    truth = np.full(len(rows), UNKNOWN)
    return _table("reject", evaluation.reject, rows, scores, scores - threshold, predicted, truth)


def _own(activations: Activations) -> NDArray[np.int64]:
    """(N,) the classifier's own answers."""
    return activations.readable["prediction"].to_numpy(dtype=np.int64)


def _table(
    split: str,
    activations: Activations | None,
    rows: NDArray[np.intp],
    scores: NDArray[np.float64],
    gaps: NDArray[np.float64],
    predicted: NDArray[np.str_],
    truth: NDArray[np.str_],
) -> pd.DataFrame:
    order = np.argsort(gaps, kind="stable")  # NaN last
    rows = rows[order]
    paths = np.array([], dtype=object)
    if activations is not None:
        paths = activations.readable["path"].to_numpy()[rows]
    return pd.DataFrame(
        {
            "split": split,
            "row": rows,
            "path": paths,
            "score": scores[order],
            "gap": gaps[order],
            "predicted": predicted[order],
            "truth": truth[order],
        }
    )
