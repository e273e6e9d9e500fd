"""One class's tail beside its Weibull: density, empirical CDF, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.support.arrays import Float
from openmax_core.weibull.fit import Weibull, WeibullMaxFit


def log_cdf_and_survival(
    model: Weibull, distances: ArrayLike, classes: NDArray[np.intp]
) -> tuple[Float, Float]:
    """Logarithms of CDF and 1 − CDF, exact where one of them is near 0.

    Parameters
    ----------
    distances : float, of any shape
    classes : int, of the shape of ``distances``
    """
    with np.errstate(over="ignore", divide="ignore"):
        power = model.relative(distances, classes) ** model.shape[classes]
        other = np.log(-np.expm1(-power))
    return (-power, other) if isinstance(model, WeibullMaxFit) else (other, -power)


def density(model: Weibull, distances: ArrayLike, index: int) -> Float:
    """Derivative of a class's CDF at distances, 1/unit of the distance.

    With z = (x + translate − τ)/scale, (x − u)/scale of exceedances, or (location − x)/scale in the
    three-parameter form:
    shape/scale · z^(shape − 1) · exp(−z^shape), 0 where z ≤ 0.
    """
    z = model.relative(distances, index)
    shape, scale = model.shape[index], model.scale[index]
    inside = z > 0
    safe = np.where(inside, z, 1.0)
    with np.errstate(over="ignore"):
        values = shape / scale * safe ** (shape - 1.0) * np.exp(-(safe**shape))
    return np.where(inside, values, 0.0)


def cdf_curve(
    model: Weibull, index: int, low: float, high: float, n_points: int, through: Float
) -> tuple[Float, Float]:
    """A class's CDF for drawing: (K,) ascending distances and the (K,) CDF there.

    Parameters
    ----------
    low, high : float
        Between which ``n_points`` distances lie evenly, the ends among them.
    through : float, distances at which the curve is drawn as well
        The tail's: there the CDF may rise so steeply that it is a step.
    """
    x = np.union1d(np.linspace(low, high, n_points), through)
    return x, model.cdf(x, index)


def empirical_cdf(tail: Float) -> Float:
    """(n,) share of a tail's distances at or below each of them, for an ascending tail."""
    return np.searchsorted(tail, tail, side="right") / len(tail)


def thinned(values: NDArray[Any], most: int) -> NDArray[Any]:
    """At most ``most`` of the values, evenly by place, both ends among them: for drawing only."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(int)]


def quantiles(model: Weibull, shares: Float, index: int) -> Float:
    """(K,) distances at which a class's CDF is (K,) shares."""
    return model.quantile(shares[:, None])[:, index]


def location(model: Weibull) -> Float:
    """(C,) distances where each Weibull begins, or ends in the three-parameter form.

    In libMR's form the smallest tail value less ``translate``; of exceedances the threshold.
    """
    if isinstance(model, WeibullMaxFit):
        return model.loc
    return model.quantile(0.0)
