"""A fitted OpenMax as plain numbers, for JSON, and back; floats come back exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from openmax_core.errors import OpenMaxError
from openmax_core.weibull.fit import model_from_dict

FORMAT = "openmax-calibration"
FORMAT_VERSION = 2


def to_plain(openmax: Any) -> dict[str, Any]:
    """Everything that a fitted OpenMax has learned."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "preset": openmax.preset_,
        "settings": openmax.settings_.to_dict(),
        "class_names": list(openmax.class_names_),
        "means": openmax.means_.tolist(),
        "distance_factors": openmax.distance_factors_.tolist(),
        "weibull": openmax.weibull_.to_dict(),
        "tails": [tail.tolist() for tail in openmax.tails_],
        "n_correct": openmax.n_correct_.tolist(),
        "n_training": openmax.n_training_.tolist(),
    }


def check_format(values: dict[str, Any]) -> None:
    """Raise an error for what is no calibration, or one of a newer format."""
    if values.get("format") != FORMAT:
        raise OpenMaxError(f"not an OpenMax calibration: 'format' is not '{FORMAT}'")
    if values.get("version") not in (1, FORMAT_VERSION):
        raise OpenMaxError(
            f"calibration format version {values.get('version')!r}; this program reads "
            f"version {FORMAT_VERSION} and older, update it or fit again"
        )


def restore(openmax: Any, values: dict[str, Any]) -> None:
    """Give an OpenMax what :func:`to_plain` made of a fitted one.

    Raises
    ------
    KeyError, TypeError, ValueError
        An entry is missing, of another form, or does not fit the others.
    """
    openmax.settings_ = openmax.settings()
    openmax.preset_ = openmax.preset
    openmax.class_names_ = tuple(values["class_names"])
    openmax.classes_ = np.arange(len(openmax.class_names_))
    openmax.means_ = np.array(values["means"], dtype=np.float64)
    factors = values.get("distance_factors", [0.0, 0.0])
    openmax.distance_factors_ = np.array(factors, dtype=np.float64)
    openmax.weibull_ = model_from_dict(values["weibull"])
    openmax.tails_ = [np.array(tail, dtype=np.float64) for tail in values["tails"]]
    openmax.n_correct_ = np.array(values["n_correct"], dtype=np.int64)
    openmax.n_training_ = np.array(values["n_training"], dtype=np.int64)
    n = len(openmax.class_names_)
    parameters = openmax.weibull_.parameters().values()
    per_class = (openmax.n_correct_, openmax.n_training_, openmax.weibull_.n_tail, *parameters)
    if openmax.means_.shape != (n, n) or any(value.shape != (n,) for value in per_class):
        raise ValueError("the entries do not have the same number of classes")
    if [len(tail) for tail in openmax.tails_] != openmax.weibull_.n_tail.tolist():
        raise ValueError("the tails are not as long as the fits say")
    if openmax.distance_factors_.shape != (2,):
        raise ValueError("there must be two distance factors")
    numbers = (openmax.means_, openmax.distance_factors_, *parameters)
    if not all(np.isfinite(value).all() for value in numbers):
        raise ValueError("not finite")
