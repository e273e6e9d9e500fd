"""Open-set decisions on pictures, each with its reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.decimals import threshold_text
from openmax_core.openmax import OpenMax

ACCEPTED, REJECTED, UNREADABLE = "accepted", "rejected", "unreadable"


Logits = NDArray[np.float32] | str


@dataclass(frozen=True)
class PictureLogits:
    """What the network made of some pictures.

    Attributes
    ----------
    names : N file names
    results : N results: (C,) float32 logits, or the reason why there are none
    """

    names: tuple[str, ...]
    results: tuple[Logits, ...]


def verdict_table(
    openmax: OpenMax,
    pictures: PictureLogits,
    threshold: float,
    class_thresholds: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Decide on every picture.

    Parameters
    ----------
    class_thresholds : thresholds of pictures predicted as a class, by its name, where they differ

    Returns
    -------
    DataFrame with a row a picture: file, verdict ('accepted', 'rejected' or 'unreadable'),
    decision (class name, 'rejected' or ''), score, nearest_class (the classifier's own answer),
    reason, then ``p_<class>`` and ``p_unknown``, ``distance_<class>`` and ``cdf_<class>``.
    """
    names = openmax.class_names_
    n, n_classes = len(pictures.names), len(names)
    readable = np.array([not isinstance(result, str) for result in pictures.results], dtype=bool)
    vectors = [result for result in pictures.results if not isinstance(result, str)]
    logits = np.array(vectors, dtype=np.float64).reshape(-1, n_classes)
    probabilities = np.full((n, n_classes + 1), np.nan)
    distances = np.full((n, n_classes), np.nan)
    scores = np.full(n, np.nan)
    predictions, own = np.full(n, -1), np.full(n, -1)
    probabilities[readable] = openmax.predict_proba(logits)
    distances[readable] = openmax.distances(logits)
    decided = openmax.decide(logits)
    scores[readable], predictions[readable] = decided.scores, decided.predictions
    cdf = openmax.cdf(distances)
    own[readable] = logits.argmax(axis=1)
    limits = [(class_thresholds or {}).get(name, threshold) for name in names]
    rows = []
    for i, name in enumerate(pictures.names):
        if not readable[i]:
            rows.append((name, UNREADABLE, "", np.nan, "", pictures.results[i]))
            continue
        nearest = names[own[i]]
        beyond = f"{100 * cdf[i, own[i]]:.1f} %"
        if predictions[i] == n_classes:
            reason = (
                f"'unknown' is the most probable ({probabilities[i, -1]:.3f}); its distance to "
                f"{nearest} lies beyond {beyond} of that class's tail"
            )
            rows.append((name, REJECTED, REJECTED, scores[i], nearest, reason))
        elif scores[i] < (limit := limits[predictions[i]]):
            reason = f"score {scores[i]:.4f} is under the threshold {threshold_text(limit)}"
            rows.append((name, REJECTED, REJECTED, scores[i], nearest, reason))
        else:
            reason = f"score {scores[i]:.4f} reaches the threshold {threshold_text(limit)}"
            rows.append((name, ACCEPTED, names[predictions[i]], scores[i], nearest, reason))
    columns = ["file", "verdict", "decision", "score", "nearest_class", "reason"]
    numbers = {f"p_{name}": probabilities[:, j] for j, name in enumerate((*names, "unknown"))}
    numbers |= {f"distance_{name}": distances[:, j] for j, name in enumerate(names)}
    numbers |= {f"cdf_{name}": cdf[:, j] for j, name in enumerate(names)}
    return pd.concat([pd.DataFrame(rows, columns=columns), pd.DataFrame(numbers)], axis=1)
