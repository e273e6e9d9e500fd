"""What the cards of decided pictures need to follow a threshold without asking the server.

Scores, both wordings of every reason, the probabilities before and after OpenMax, and the place on
the Weibull CDFs of the nearest classes: plain values for JSON. Other methods have the probabilities
of softmax alone. In the browser a picture is rejected
where 'unknown' won or its score, the same float64, is below the threshold of its class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from openmax_core.methods.method import Method
from openmax_core.methods.openmax import OpenMax
from openmax_core.prediction.verdicts import ScoredPictures
from openmax_core.support.arrays import Float
from openmax_core.support.files import fingerprint
from openmax_core.tradeoff.curve import Curve
from openmax_core.tradeoff.slider import slider_scale
from openmax_core.weibull.tails import cdf_curve, thinned

MOST_BARS = 7  # with more classes, some of the bars stand for all others
N_NEAREST = 2
N_CURVE_POINTS = 40
MOST_TAIL = 40
QUANTILES = (0.001, 0.01, *np.linspace(0.05, 0.95, 19).tolist(), 0.99, 0.999)
DIGITS = 6


def cards_data(
    method: Method,
    scored: ScoredPictures,
    keys: Sequence[str],
    curve: Curve,
    score_range: tuple[float, float],
) -> dict[str, Any]:
    """Everything about N scored pictures that no threshold changes.

    Parameters
    ----------
    keys : N str that tell the pictures apart
    curve : of the test and reject pictures, whose scale the slider has
    score_range : that the slider shows; wider where a score lies outside
    """
    low, high = score_range
    own = scored.scores[scored.is_readable]
    low, high = min(low, own.min(initial=low)), max(high, own.max(initial=high))
    scale = slider_scale(curve, (low, high)).with_scores(own)
    nearest = np.argsort(-scored.logits, axis=1, kind="stable")[:, :N_NEAREST]
    shown = [row for row in range(len(scored)) if scored.is_readable[row]]
    used = sorted({int(index) for row in shown for index in nearest[row]})
    data = {
        "classes": list(method.class_names_),
        "positions": scale.positions.tolist(),
        "ways": scale.ways.round(DIGITS).tolist(),
        "has_unknown": method.has_unknown,
        "is_probability": method.is_probability,
        "curves": _curves(method, used) if isinstance(method, OpenMax) else {},
        "cards": [_card(scored, row, keys[row], nearest[row].tolist()) for row in shown],
    }
    return {"id": fingerprint(data), **data}


def shown_outputs(before: Float, after: Float, most: int = MOST_BARS) -> list[int]:
    """Indices of the C + 1 outputs to show for a picture, in their order, 'unknown' last.

    All of them up to ``most`` classes; else the most probable before or after OpenMax, among them
    the one that OpenMax takes it for.
    """
    n_classes = len(before)
    if n_classes <= most:
        return list(range(n_classes + 1))
    largest = np.maximum(before, after[:-1])
    largest[after[:-1].argmax()] = np.inf
    top = np.argsort(-largest, kind="stable")[: most - 1]
    # By the place that the network gave them: the first bar is its own answer.
    ordered = top[np.argsort(-before[top], kind="stable")]
    return [*ordered.tolist(), n_classes]


def _card(scored: ScoredPictures, row: int, key: str, nearest: list[int]) -> dict[str, Any]:
    before, after, reason = scored.before[row], scored.after[row], scored.reasons[row]
    card = {
        "key": key,
        "name": scored.files[row],
        "score": float(scored.scores[row]),
        "is_unknown": bool(scored.is_unknown[row]),
        "accepted": [reason.accepted, reason.after],
        "rejected": [reason.rejected, reason.after],
    }
    if not scored.has_tails:
        known = shown_outputs(before, np.append(before, 0.0))[:-1]
        return card | {
            "class": int(scored.predictions[row]),
            "margin": 0.0,
            "bars": [[index, _rounded(before[index]), None] for index in known],
            "others": {
                "count": len(before) - len(known),
                "before": _rounded(max(0.0, 1.0 - before[known].sum())),
                "after": None,
            },
            "nearest": [],
        }
    outputs = shown_outputs(before, after)
    known = outputs[:-1]
    return card | {
        "class": int(after[:-1].argmax()),
        "margin": float(after[-1] - after[:-1].max()),
        "bars": [
            [
                index,
                _rounded(before[index]) if index < len(before) else None,
                _rounded(after[index]),
            ]
            for index in outputs
        ],
        "others": {
            "count": len(before) - len(known),
            "before": _rounded(max(0.0, 1.0 - before[known].sum())),
            "after": _rounded(max(0.0, 1.0 - after[outputs].sum())),
        },
        "nearest": [
            [index, float(scored.distances[row, index]), float(scored.cdf[row, index])]
            for index in nearest
        ],
    }


def _curves(openmax: OpenMax, classes: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Of each class the CDF from distance 0 to the end of the tail, and the tail's distances."""
    model = openmax.weibull_
    quantiles = np.array([model.quantile(q) for q in QUANTILES])  # (Q, C)
    curves = {}
    for index in classes:
        tail = openmax.tails_[index]
        own = quantiles[:, index][np.isfinite(quantiles[:, index])]
        end = max(float(tail[-1]), float(own.max(initial=0.0))) or 1.0
        # Dense where the curve rises, so that a step is drawn as one.
        through = np.append(own[own > 0], tail[[0, -1]])
        x, y = cdf_curve(model, index, 0.0, end, N_CURVE_POINTS, through)
        curves[str(index)] = {
            "x": [_rounded(value) for value in x],
            "y": [_rounded(value) for value in y],
            "tail": [_rounded(value) for value in thinned(tail, MOST_TAIL)],
        }
    return curves


def _rounded(value: float) -> float:
    """Return a number that is only drawn, without the digits that nobody sees."""
    return float(f"{value:.{DIGITS}g}")
