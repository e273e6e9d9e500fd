"""The pictures that pay for a threshold: accepted unknowns, rejected knowns, confused classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    paths = np.array([]) if activations is None else activations.readable["path"].to_numpy()[rows]
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
