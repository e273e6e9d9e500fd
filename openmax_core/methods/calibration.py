"""What a fitted OpenMax has learned; as JSON and back, floats come back exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import OpenMaxError
from openmax_core.methods.settings import MethodSettings, read_settings
from openmax_core.support.arrays import Float, Int
from openmax_core.support.codec import entry, plain, without_header
from openmax_core.weibull.fit import Weibull, model_from_dict

FORMAT = "openmax-calibration"
FORMAT_VERSION = 2


@dataclass(frozen=True, eq=False)
class Calibration:
    """Means and tails of C classes, and the settings that they were learned with.

    Attributes
    ----------
    preset : str and settings : MethodSettings
    class_names : C names
    means : (C, C) float64, row j the MAV of class j, after centring
    distance_factors : (2,) float64, of the parts of 'scaled_eucos'; zeros for other distances
    mean_logit : float
        Mean of all logits of the correctly classified training pictures, before centring; 0 where
        the settings' ``kept_mean`` is 0.
    weibull : TailFit, ExceedanceFit or WeibullMaxFit
    tails : C ascending float64 arrays, the distances each Weibull was fitted to
    n_correct, n_training : (C,) int64, training pictures of the class, right and in all
    borrowed : (C,) bool
        The class could not be fitted, and its tail is that of the others; see
        :mod:`openmax_core.methods.fitting`.
    """

    preset: str
    settings: MethodSettings
    class_names: tuple[str, ...]
    means: Float
    distance_factors: Float
    mean_logit: float
    weibull: Weibull
    tails: list[Float]
    n_correct: Int
    n_training: Int
    borrowed: NDArray[np.bool_]

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON; :meth:`from_dict` reads it back."""
        values = {"format": FORMAT, "version": FORMAT_VERSION, **plain(self)}
        if not self.borrowed.any():  # as it was before a class could borrow
            del values["borrowed"]
        if not self.settings.kept_mean:  # as it was before there was this setting
            del values["mean_logit"]
        return values | {"settings": self.settings.stored(), "weibull": self.weibull.to_dict()}

    @classmethod
    def from_dict(cls, given: Any) -> Calibration:
        """Rebuild a calibration from :meth:`to_dict`, of this version or an older one.

        Raises
        ------
        OpenMaxError
            It is none, it is of a newer version, or an entry is missing, of another type, or does
            not fit the others.
        """
        values, _ = without_header(given, FORMAT, FORMAT_VERSION)
        try:
            return cls._read({"distance_factors": [0.0, 0.0]} | values)  # not in version 1
        except OpenMaxError as error:
            raise OpenMaxError(f"the calibration is damaged: {error}; fit again") from error

    @classmethod
    def _read(cls, values: dict[str, Any]) -> Calibration:
        preset = entry(str, values, "preset")
        names = entry(tuple[str, ...], values, "class_names")
        means = entry(tuple[Float, ...], values, "means")
        factors = entry(Float, values, "distance_factors")
        mean_logit = entry(float, {"mean_logit": 0.0} | values, "mean_logit")
        weibull = model_from_dict(entry(Any, values, "weibull"), "weibull")
        tails = list(entry(tuple[Float, ...], values, "tails"))
        counts = entry(Int, values, "n_correct"), entry(Int, values, "n_training")
        # Not in files of before a class could borrow.
        borrowed = entry(tuple[bool, ...], {"borrowed": [False] * len(names)} | values, "borrowed")
        parameters = weibull.parameters().values()
        per_class = (*counts, weibull.n_tail, *parameters, borrowed)
        if {len(row) for row in (means, *means, *per_class)} != {len(names)}:
            raise OpenMaxError("the entries do not have the same number of classes")
        if [len(tail) for tail in tails] != weibull.n_tail.tolist():
            raise OpenMaxError("the tails are not as long as the fits say")
        if factors.shape != (2,):
            raise OpenMaxError("there must be two distance factors")
        if any(np.isnan(value).any() for value in (*means, factors, mean_logit, *parameters)):
            raise OpenMaxError("a mean, a distance factor or a parameter of a tail is null")
        settings = read_settings(entry(dict[str, Any], values, "settings"), preset)
        return cls(
            *(
                preset,
                settings,
                names,
                np.array(means),
                factors,
                mean_logit,
                weibull,
                tails,
                *counts,
            ),
            np.array(borrowed),
        )
