"""Decisions on pictures at thresholds, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from openmax_core.methods.method import Method
from openmax_core.prediction.verdicts import (
    Logits,
    decision_table,
    score_pictures,
)
from openmax_core.tradeoff.operating_point import class_limits


class PictureLogits(NamedTuple):
    """Names of some pictures, and what a network made of each: logits or a reason."""

    names: tuple[str, ...]
    results: tuple[Logits, ...]


def verdict_table(
    method: Method,
    pictures: PictureLogits,
    threshold: float,
    class_thresholds: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Decide on every picture, see :func:`openmax_core.prediction.verdicts.decision_table`."""
    limits = class_limits(method.class_names_, threshold, class_thresholds)
    return decision_table(score_pictures(method, *pictures), limits)
