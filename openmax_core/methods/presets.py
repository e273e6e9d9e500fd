"""Presets of OpenMax, as data, and the check of settings.

``robust`` is what the evidence of ``tests/benchmarks/evidence.py`` chose, see the dashboard's page
on methods; ``bendale`` is the paper's method as its code (OSDN) has it; ``notebook`` is the
notebook's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.methods.distances import DISTANCES, SCALED_EUCOS

# What every method had before there was a setting for it.
PLAIN: dict[str, Any] = {
    "centring": "none",
    "tail_share": None,
    "strength": 1.0,
    "unknown_from": "all",
}
PRESETS: dict[str, dict[str, Any]] = {
    "robust": {
        "centring": "mean",
        "distance": "eucos",
        "tail_size": 20,
        "tail_share": None,
        "alpha_rank": 5,
        "weighting": "code",
        "strength": 0.25,
        "unknown_from": "positive",
        "weibull": "libmr",
        "translate": 1.0,
        "second_softmax": False,
        "fit_precision": "float64",
    },
    "bendale": {
        **PLAIN,
        "distance": "eucos",
        "tail_size": 20,
        "alpha_rank": 10,
        "weighting": "code",
        "weibull": "libmr",
        "translate": 1.0,
        "second_softmax": False,
        "fit_precision": "float64",
    },
    "notebook": {
        **PLAIN,
        "distance": "squared_euclidean",
        "tail_size": 100,
        "alpha_rank": None,
        "weighting": "all",
        "weibull": "weibull_max",
        "translate": 1.0,
        "second_softmax": True,
        # The notebook's three-parameter fit is so ill-conditioned that the last digits of its
        # float32 distances show in the shape: to get its numbers one must round as it does.
        "fit_precision": "float32",
    },
}
DEFAULT_PRESET = "robust"
SETTING_NAMES = frozenset(PRESETS[DEFAULT_PRESET])
DISTANCE_WORDS = {
    "euclidean": "Euclidean",
    "squared_euclidean": "squared Euclidean",
    "cosine": "cosine",
    "eucos": "Euclidean/200 + cosine",
    SCALED_EUCOS: "Euclidean + cosine, each in its median",
}
CHOICES: dict[str, tuple[str, ...]] = {
    "centring": ("none", "mean", "minimum"),
    "distance": (*DISTANCES, SCALED_EUCOS),
    "weighting": ("code", "paper", "all"),
    "unknown_from": ("all", "positive"),
    "weibull": ("libmr", "weibull_max"),
    "fit_precision": ("float32", "float64"),
}
KINDS: dict[str, Any] = {
    "tail_size": int,
    "alpha_rank": int | None,
    "tail_share": int | float | None,
    "strength": int | float,
}
KIND_WORDS: dict[Any, str] = {
    int: "a whole number",
    int | None: "a whole number",
    int | float | None: "a number",
    int | float: "a number",
}


def resolve_settings(preset: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Every setting with its value: the override, or the preset's where that is None.

    Raises
    ------
    OpenMaxError
        A preset, setting or value does not exist; the message lists those that do.
    """
    if preset not in PRESETS:
        raise OpenMaxError(f"no preset '{preset}'; there are {', '.join(PRESETS)}")
    settings = {
        name: default if overrides.get(name) is None else overrides[name]
        for name, default in PRESETS[preset].items()
    }
    settings = {n: v.item() if isinstance(v, np.generic) else v for n, v in settings.items()}
    for name, choices in CHOICES.items():
        if settings[name] not in choices:
            raise OpenMaxError(
                f"{name} = {settings[name]!r} does not exist; use one of {', '.join(choices)}"
            )
    for name, kinds in KINDS.items():
        value = settings[name]
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise OpenMaxError(f"{name} must be {KIND_WORDS[kinds]}, not {value!r}")
    if settings["tail_size"] < 2:
        raise OpenMaxError(f"tail_size must be at least 2, not {settings['tail_size']}")
    if settings["alpha_rank"] is not None and settings["alpha_rank"] < 1:
        raise OpenMaxError(f"alpha_rank must be at least 1, not {settings['alpha_rank']}")
    if settings["tail_share"] is not None and not 0 < settings["tail_share"] <= 1:
        raise OpenMaxError(f"tail_share must lie in (0, 1], not {settings['tail_share']}")
    if not 0 < settings["strength"] <= 1:
        raise OpenMaxError(f"strength must lie in (0, 1], not {settings['strength']}")
    return settings


def tail_in_words(settings: dict[str, Any]) -> str:
    """How large η is: '20', or '10 % of each class, at least 10'."""
    if settings["tail_share"] is None:
        return str(settings["tail_size"])
    return f"{100 * settings['tail_share']:g} % of each class, at least {settings['tail_size']}"


def preset_in_words(name: str) -> dict[str, str]:
    """What a preset does, by step."""
    settings = PRESETS[name]
    alpha = settings["alpha_rank"]
    weights = {
        "code": f"(α + 1 − i)/α, α = {alpha}",
        "paper": f"(α − i)/α, α = {alpha}",
        "all": "1 for every class",
    }[settings["weighting"]]
    if settings["strength"] < 1:
        weights = f"{settings['strength']:g} · {weights}"
    return {
        "logits": {
            "none": "as they are",
            "mean": "less each picture's mean",
            "minimum": "less each picture's minimum",
        }[settings["centring"]],
        "distance": DISTANCE_WORDS[settings["distance"]],
        "tail η": tail_in_words(settings),
        "weight of rank i": weights,
        "given to 'unknown'": {"all": "by all logits", "positive": "by positive logits"}[
            settings["unknown_from"]
        ],
        "Weibull": {"libmr": "libMR's, two parameters", "weibull_max": "SciPy's, three parameters"}[
            settings["weibull"]
        ],
        "score": "softmax twice" if settings["second_softmax"] else "largest probability",
    }
