"""A fitted OpenMax as plain numbers, for JSON, and back; floats come back exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.support.codec import entry, plain
from openmax_core.weibull.fit import model_from_dict

FORMAT = "openmax-calibration"
FORMAT_VERSION = 2


def to_plain(openmax: Any) -> dict[str, Any]:
    """Everything that a fitted OpenMax has learned."""
    values: dict[str, Any] = plain(
        {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "preset": openmax.preset_,
            "settings": openmax.settings_,
            "class_names": openmax.class_names_,
            "means": openmax.means_,
            "distance_factors": openmax.distance_factors_,
            "weibull": openmax.weibull_.to_dict(),
            "tails": openmax.tails_,
            "n_correct": openmax.n_correct_,
            "n_training": openmax.n_training_,
        }
    )
    return values


def restore(openmax: Any, values: dict[str, Any]) -> None:
    """Give an OpenMax what :func:`to_plain` made of a fitted one.

    Raises
    ------
    OpenMaxError
        An entry is missing, of another type, or does not fit the others.
    """
    values = {"distance_factors": [0.0, 0.0]} | values  # not in the first version
    openmax.settings_ = openmax.settings()
    openmax.preset_ = openmax.preset
    openmax.class_names_ = entry(tuple[str, ...], values, "class_names")
    n = len(openmax.class_names_)
    openmax.classes_ = np.arange(n)
    means = entry(tuple[Float, ...], values, "means")
    openmax.distance_factors_ = entry(Float, values, "distance_factors")
    openmax.weibull_ = model_from_dict(entry(Any, values, "weibull"), "weibull")
    openmax.tails_ = list(entry(tuple[Float, ...], values, "tails"))
    openmax.n_correct_ = entry(Int, values, "n_correct")
    openmax.n_training_ = entry(Int, values, "n_training")
    parameters = openmax.weibull_.parameters().values()
    per_class = (openmax.n_correct_, openmax.n_training_, openmax.weibull_.n_tail, *parameters)
    if {len(row) for row in (means, *means, *per_class)} != {n}:
        raise OpenMaxError("the entries do not have the same number of classes")
    openmax.means_ = np.array(means)
    if [len(tail) for tail in openmax.tails_] != openmax.weibull_.n_tail.tolist():
        raise OpenMaxError("the tails are not as long as the fits say")
    if openmax.distance_factors_.shape != (2,):
        raise OpenMaxError("there must be two distance factors")
    numbers = (openmax.means_, openmax.distance_factors_, *parameters)
    if any(np.isnan(value).any() for value in numbers):
        raise OpenMaxError("a mean, a distance factor or a parameter of a tail is null")
