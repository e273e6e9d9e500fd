"""Decisions on pictures as JSON: method, thresholds, and everything that decided about each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict

import pandas as pd

from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.prediction.verdicts import ScoredPictures, decide, decision_table
from openmax_core.support.arrays import Float
from openmax_core.support.codec import plain
from openmax_core.tradeoff.operating_point import class_limits
from openmax_core.tradeoff.promises import Promise

FORMAT = "openmax-results"
FORMAT_VERSION = 1


def results_json(
    evaluation: Evaluation,
    scored: ScoredPictures,
    threshold: float,
    class_thresholds: Mapping[str, float] | None = None,
    promise: Promise | None = None,
) -> str:
    """Write decisions as JSON text without NaN; floats come back exactly.

    Parameters
    ----------
    promise : what the thresholds keep on new pictures; the entry is left out where there is none

    Arrays are in the order of 'classes'; probabilities after OpenMax have one more, 'unknown'.
    Other methods have logits and the probabilities before alone; the rest is null.
    """
    method = evaluation.method
    limits = class_limits(method.class_names_, threshold, class_thresholds)
    _, own_limits = decide(scored, limits)
    decisions = decision_table(scored, limits).iloc[:, :6].to_dict(orient="records")
    values = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "method": method.name,
        "settings": method.settings_.to_dict(),
        "calibrated_on": evaluation.calibrated_on,
        "data": evaluation.data,
        "threshold": threshold,
        "class_thresholds": None if class_thresholds is None else dict(class_thresholds),
        **({} if promise is None else {"promise": asdict(promise)}),
        "classes": list(method.class_names_),
        "pictures": [
            {
                **plain(decision),
                "threshold": plain(own_limits[row]),
                "logits": _row(scored.logits, row),
                "before": _row(scored.before, row),
                "after": _row(scored.after, row),
                "distances": _row(scored.distances, row),
                "cdf": _row(scored.cdf, row),
            }
            for row, decision in enumerate(decisions)
        ],
    }
    return json.dumps(values, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def class_values(scored: ScoredPictures, row: int) -> pd.DataFrame:
    """Everything about one picture, a row a class, the largest logit first, and 'unknown'.

    Columns: class, logit, before, after (probabilities), distance, cdf; NaN where 'unknown' has
    none. Of other methods than OpenMax class, logit and before alone, without 'unknown'.
    """
    order = scored.ranked(row)
    names = [*(scored.class_names[index] for index in order), "unknown"]
    network = {"logit": scored.logits[row, order], "before": scored.before[row, order]}
    if not scored.has_tails:
        return pd.DataFrame({"class": names[:-1], **network})
    own = network | {
        "after": scored.after[row, order],
        "distance": scored.distances[row, order],
        "cdf": scored.cdf[row, order],
    }
    columns = {name: [*values.tolist(), math.nan] for name, values in own.items()}
    columns["after"][-1] = float(scored.after[row, -1])
    return pd.DataFrame({"class": names, **columns})


def _row(values: Float, row: int) -> list[float] | None:
    found = values[row].tolist()
    return None if not found or any(math.isnan(value) for value in found) else found
