"""Weibull models of the tails of distances, all classes fitted together.

Three forms:

``TailFit`` (libMR, used by Bendale & Boult, CVPR 2016)
    With τ the smallest tail value and t = x + translate − τ, a two-parameter Weibull is fitted to t
    by maximum likelihood: the shape k is the root of

        g(k) = Σ tᵏ ln t / Σ tᵏ − 1/k − mean(ln t),

    which grows in k, and scale = (mean tᵏ)^(1/k). CDF(x) = 1 − exp(−((x + translate − τ)/scale)ᵏ),
    0 where x + translate − τ ≤ 0. Newton's method inside a bracket, in float64, one array
    operation for all classes.

``ExceedanceFit`` (peaks over a threshold)
    With u the (η + 1)-th largest distance, a two-parameter Weibull is fitted by maximum likelihood
    to how far the η larger ones lie beyond it, x − u; g and Newton's method are the same.
    CDF(x) = 1 − exp(−((x − u)/scale)ᵏ), 0 up to u. Nothing depends on the unit of the distances.

``WeibullMaxFit`` (the notebook)
    ``scipy.stats.weibull_max.fit`` with shape, location and scale free, one class after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openmax_core.errors import FitError, OpenMaxError
from openmax_core.support.arrays import Float, Int
from openmax_core.support.codec import entry, plain, rebuilt

Classes = NDArray[np.intp] | int | EllipsisType
# Below this relative spread a tail is one point seen through rounding errors.
MIN_RELATIVE_SPREAD = 1e-7
MOST_NAMED = 20  # classes of an error
MOST_LOST = 1e-2  # of the offset
MAX_ITERATIONS = 200
TOLERANCE = 1e-13


@dataclass(frozen=True)
class TailFit:
    """Two-parameter Weibull tails in libMR's form.

    Attributes
    ----------
    shape, scale, smallest_tail_value : (C,) float64
        In the unit of the distances.
    n_tail : (C,) int64
        Distances that each fit rests on.
    translate : float
        What is added after subtracting the smallest tail value.
    """

    shape: Float
    scale: Float
    smallest_tail_value: Float
    n_tail: Int
    translate: float = 1.0

    def relative(self, distances: ArrayLike, classes: Classes = ...) -> Float:
        """max(0, (x + translate − τ)/scale); arguments and shape of the result as in ``cdf``."""
        moved = self.translate - self.smallest_tail_value[classes]
        translated = np.asarray(distances, dtype=np.float64) + moved
        return np.asarray(np.maximum(translated, 0.0) / self.scale[classes])

    def cdf(self, distances: ArrayLike, classes: Classes = ...) -> Float:
        """CDF at ``distances``.

        Parameters
        ----------
        distances : (..., C) float, or any shape if ``classes`` is given
        classes : int, or int array of the shape of ``distances``, optional
            The class of all or of each distance; without it the last axis runs over the classes.

        Returns
        -------
        Array of the shape of ``distances``, float64, in [0, 1].
        """
        with np.errstate(over="ignore"):  # a power that overflows is a CDF of 1
            return np.asarray(
                -np.expm1(-(self.relative(distances, classes) ** self.shape[classes]))
            )

    def quantile(self, probability: float | Float) -> Float:
        """(C,) distances at which the CDF is ``probability``, 0 ≤ probability < 1."""
        t = self.scale * (-np.log1p(-probability)) ** (1.0 / self.shape)
        return np.asarray(t - self.translate + self.smallest_tail_value)

    def parameters(self) -> dict[str, Float]:
        """Shape, scale and smallest tail value, each (C,)."""
        return {
            "shape": self.shape,
            "scale": self.scale,
            "smallest tail value": self.smallest_tail_value,
        }

    def to_dict(self) -> dict[str, Any]:
        """Numbers for JSON; ``from_dict`` gives back an equal model."""
        return {"form": "libmr", **plain(self)}


@dataclass(frozen=True)
class ExceedanceFit:
    """Two-parameter Weibulls of how far distances lie beyond a threshold of their class.

    Attributes
    ----------
    shape, scale : (C,) float64
        Of the exceedances x − threshold; the scale in the unit of the distances.
    threshold : (C,) float64
        u, the largest distance that does not belong to the tail.
    n_tail : (C,) int64
        Exceedances that each fit rests on.
    """

    shape: Float
    scale: Float
    threshold: Float
    n_tail: Int

    def relative(self, distances: ArrayLike, classes: Classes = ...) -> Float:
        """max(0, (x − u)/scale); arguments and shape of the result as in :meth:`TailFit.cdf`."""
        beyond = np.asarray(distances, dtype=np.float64) - self.threshold[classes]
        return np.asarray(np.maximum(beyond, 0.0) / self.scale[classes])

    def cdf(self, distances: ArrayLike, classes: Classes = ...) -> Float:
        """CDF at ``distances``; arguments and result as in :meth:`TailFit.cdf`."""
        with np.errstate(over="ignore"):  # a power that overflows is a CDF of 1
            return np.asarray(
                -np.expm1(-(self.relative(distances, classes) ** self.shape[classes]))
            )

    def quantile(self, probability: float | Float) -> Float:
        """(C,) distances at which the CDF is ``probability``, 0 ≤ probability < 1."""
        beyond = self.scale * (-np.log1p(-probability)) ** (1.0 / self.shape)
        return np.asarray(beyond + self.threshold)

    def parameters(self) -> dict[str, Float]:
        """Shape, scale and threshold, each (C,)."""
        return {"shape": self.shape, "scale": self.scale, "threshold": self.threshold}

    def to_dict(self) -> dict[str, Any]:
        """Numbers for JSON; ``from_dict`` gives back an equal model."""
        return {"form": "exceedances", **plain(self)}


@dataclass(frozen=True)
class WeibullMaxFit:
    """Three-parameter reversed Weibull per class, as ``scipy.stats.weibull_max`` has it.

    Attributes
    ----------
    shape, loc, scale : (C,) float64
        CDF(x) = exp(−((loc − x)/scale)^shape) for x < loc, else 1.
    n_tail : (C,) int64
        Distances that each fit rests on.
    """

    shape: Float
    loc: Float
    scale: Float
    n_tail: Int

    def relative(self, distances: ArrayLike, classes: Classes = ...) -> Float:
        """max(0, (loc − x)/scale); arguments and shape of the result as in :meth:`TailFit.cdf`."""
        below = self.loc[classes] - np.asarray(distances, dtype=np.float64)
        return np.asarray(np.maximum(below, 0.0) / self.scale[classes])

    def cdf(self, distances: ArrayLike, classes: Classes = ...) -> Float:
        """CDF at ``distances``; arguments and result as in :meth:`TailFit.cdf`."""
        return np.asarray(np.exp(-(self.relative(distances, classes) ** self.shape[classes])))

    def quantile(self, probability: float | Float) -> Float:
        """(C,) distances at which the CDF is ``probability``, 0 < probability ≤ 1."""
        return np.asarray(self.loc - self.scale * (-np.log(probability)) ** (1.0 / self.shape))

    def parameters(self) -> dict[str, Float]:
        """Shape, location and scale, each (C,)."""
        return {"shape": self.shape, "location": self.loc, "scale": self.scale}

    def to_dict(self) -> dict[str, Any]:
        """Numbers for JSON; ``from_dict`` gives back an equal model."""
        return {"form": "weibull_max", **plain(self)}


Weibull = TailFit | ExceedanceFit | WeibullMaxFit


def fit_tails(
    distances: Sequence[ArrayLike],
    tail_size: int,
    translate: float = 1.0,
    class_names: Sequence[str] | None = None,
) -> TailFit:
    """Fit libMR's Weibull to the ``tail_size`` largest distances of every class, all at once.

    Parameters
    ----------
    distances : sequence of C arrays, each one-dimensional, of any length ≥ 2
    tail_size : int
        η. A class with fewer distances uses what it has.
    translate : float
        Offset after subtracting the smallest tail value; libMR 1, OSDN's bundled copy 10000.
    class_names : C names, optional
        For messages; the class's number without.

    Raises
    ------
    FitError
        A tail holds fewer than two distinct distances, or a distance is not finite or so large that
        ``translate`` is lost beside it; the class is named.
    """
    if not 0 < translate < np.inf:
        raise FitError(f"translate must be larger than 0, not {translate}")
    tails, n_tail = _tail_matrix(distances, tail_size, class_names, translate)
    mask = np.arange(tails.shape[1]) < n_tail[:, None]
    smallest = tails[:, 0].copy()
    translated = np.where(mask, tails + (translate - smallest[:, None]), 1.0)
    # Beside huge distances the offset rounds away, and what is left is no Weibull's.
    if lost := np.flatnonzero(np.abs(translated[:, 0] / translate - 1.0) > MOST_LOST).tolist():
        raise FitError(
            f"{_called(lost[0], class_names)} has distances of about {smallest[lost[0]]:.2g}, "
            f"beside which the offset {translate:g} (translate) is lost in rounding; divide the "
            "logits by a constant, or look at the weights"
        )
    shape, scale = _shape_and_scale(translated, mask, n_tail)
    return TailFit(shape, scale, smallest, n_tail, float(translate))


def fit_exceedances(
    tails: Sequence[ArrayLike],
    thresholds: ArrayLike,
    class_names: Sequence[str] | None = None,
) -> ExceedanceFit:
    """Fit a Weibull to how far every class's tail lies beyond its threshold, all at once.

    Parameters
    ----------
    tails : sequence of C arrays of distances, all larger than the class's threshold
    thresholds : (C,) float
    class_names : C names, optional

    Raises
    ------
    FitError
        A tail holds fewer than two distinct distances, one that is not finite, or one that does not
        exceed the threshold; the class is named.
    """
    distances, n_tail = _tail_matrix(
        tails, max(2, *(len(np.asarray(tail)) for tail in tails)), class_names
    )
    threshold = np.asarray(thresholds, dtype=np.float64)
    if within := np.flatnonzero(~(distances[:, 0] > threshold)).tolist():
        raise FitError(f"{_called(within[0], class_names)} has a distance under its threshold")
    mask = np.arange(distances.shape[1]) < n_tail[:, None]
    beyond = np.where(mask, distances - threshold[:, None], 1.0)
    shape, scale = _shape_and_scale(beyond, mask, n_tail)
    return ExceedanceFit(shape, scale, threshold, n_tail)


def exceedances(distances: ArrayLike, tail_size: int) -> tuple[float, Float]:
    """Threshold and tail of one class: the (η + 1)-th largest distance, and those beyond it.

    Of η or fewer distances the smallest is the threshold. Distances that equal the threshold, up to
    rounding, are left out: they do not exceed it.

    Returns
    -------
    The threshold, NaN where there is no distance; the ascending tail, float64.
    """
    ordered = np.sort(np.asarray(distances, dtype=np.float64))[-tail_size - 1 :]
    if not len(ordered):
        return float("nan"), ordered
    least = MIN_RELATIVE_SPREAD * abs(ordered[-1])
    return float(ordered[0]), ordered[ordered - ordered[0] > least]


def fit_weibull_max(
    tails: Sequence[ArrayLike], class_names: Sequence[str] | None = None
) -> WeibullMaxFit:
    """Fit ``scipy.stats.weibull_max`` with three free parameters to every class's tail.

    Parameters
    ----------
    tails : sequence of C arrays of tail distances, in the precision the fit should see
    class_names : C names, optional

    Raises
    ------
    FitError
        SciPy finds no parameters for a class.
    """
    from scipy import stats

    parameters = np.empty((len(tails), 3))
    for index, tail in enumerate(tails):
        try:
            parameters[index] = stats.weibull_max.fit(np.asarray(tail))
        except (ValueError, RuntimeError, stats.FitError) as error:
            raise FitError(
                f"{_called(index, class_names)}: the three-parameter Weibull fit failed ({error}); "
                "use the libMR form (preset 'bendale')"
            ) from error
    n_tail = np.array([len(np.asarray(tail)) for tail in tails], dtype=np.int64)
    return WeibullMaxFit(parameters[:, 0], parameters[:, 1], parameters[:, 2], n_tail)


def select_tails(
    distances: Sequence[ArrayLike],
    tail_size: int | Sequence[int],
    class_names: Sequence[str] | None = None,
) -> list[Float]:
    """Return each class's ``tail_size`` largest distances, ascending, float64, checked.

    ``tail_size`` is one for all classes, or one a class.

    Raises
    ------
    FitError
        Fewer than two distinct distances in a tail, a distance that is not finite, or a tail size
        under 2.
    """
    tails, n_tail = _tail_matrix(distances, tail_size, class_names)
    return [tail[:n] for tail, n in zip(tails, n_tail, strict=True)]


def model_from_dict(values: Any, place: str = "") -> Weibull:
    """Rebuild a model from its ``to_dict``.

    Raises
    ------
    OpenMaxError
        An entry is missing, unknown or of another type; it is named below ``place``.
    """
    forms: dict[str, type[Weibull]] = {
        "libmr": TailFit,
        "exceedances": ExceedanceFit,
        "weibull_max": WeibullMaxFit,
    }
    form = entry(str, values, "form")
    if form not in forms:
        raise OpenMaxError(f"no Weibull form '{form}'; there are {', '.join(forms)}")
    return rebuilt(forms[form], {n: v for n, v in values.items() if n != "form"}, place)


def unfit(
    distances: Sequence[ArrayLike],
    tail_size: int | Sequence[int] | Int,
    translate: float = np.finfo(np.float64).tiny,
    class_names: Sequence[str] | None = None,
) -> list[str]:
    """One text a class on why its tail gives no Weibull, ' has 1 correctly …'; '' where it does.

    Parameters
    ----------
    translate : libMR's offset; a spread that is nothing beside it makes a tail constant
    class_names : C names, optional

    Raises
    ------
    FitError
        A distance is not finite; the class is named.
    """
    return _problems(*_farthest(distances, tail_size, class_names), translate)


def _called(index: int, class_names: Sequence[str] | None) -> str:
    return f"class {index}" if class_names is None else f"class '{class_names[index]}'"


def refusal(
    problems: Sequence[str], class_names: Sequence[str] | None, fewest: int = 2
) -> FitError:
    """Error that names every class with a problem.

    Parameters
    ----------
    fewest : pictures that a fit needs
    """
    found = [f"{_called(i, class_names)}{text}" for i, text in enumerate(problems) if text]
    more = f", and {len(found) - MOST_NAMED:,} classes more" if len(found) > MOST_NAMED else ""
    return FitError(
        f"{', '.join(found[:MOST_NAMED])}{more}; a Weibull fit needs at least {fewest} correctly "
        "classified pictures with different distances"
    )


def _farthest(
    distances: Sequence[ArrayLike],
    tail_size: int | Sequence[int] | Int,
    class_names: Sequence[str] | None,
) -> tuple[Float, Int]:
    """(C, η) ascending tails, padded with +inf, and (C,) how many distances each holds."""
    sizes = np.broadcast_to(np.asarray(tail_size, dtype=np.int64), len(distances))
    if sizes.min(initial=2) < 2:
        raise FitError(f"tail_size must be at least 2, not {sizes.min()}")
    arrays = [np.asarray(values) for values in distances]
    n_tail = np.minimum(sizes, np.array([len(values) for values in arrays], dtype=np.int64))
    tails = np.full((len(arrays), n_tail.max(initial=2)), np.inf)
    for index, (values, size) in enumerate(zip(arrays, n_tail.tolist(), strict=True)):
        farthest = values
        if len(values) > size:
            farthest = np.partition(values, len(values) - size)[-size:]
        tails[index, :size] = farthest
    tails.sort(axis=1)
    is_own = np.arange(tails.shape[1]) < n_tail[:, None]
    if bad := np.flatnonzero((is_own & ~np.isfinite(tails)).any(axis=1)).tolist():
        raise FitError(f"{_called(bad[0], class_names)} has a distance that is not finite")
    return tails, n_tail


def _problems(tails: Float, n_tail: Int, unit: float) -> list[str]:
    """One text a class; '' where its tail has two distances that differ.

    A spread that is nothing beside the largest distance or ``unit`` makes a tail constant.
    """
    largest = tails[np.arange(len(tails)), np.maximum(n_tail, 1) - 1]
    few = n_tail < 2
    with np.errstate(invalid="ignore"):  # of tails of nothing
        spread = largest - tails[:, 0]
        flat = spread <= MIN_RELATIVE_SPREAD * np.maximum(np.abs(largest), unit)
    texts = [""] * len(tails)
    for index in np.flatnonzero(few).tolist():
        texts[index] = f" has {n_tail[index]} correctly classified pictures"
    for index in np.flatnonzero(flat & ~few).tolist():
        texts[index] = (
            f": all {n_tail[index]} distances of its tail are equal ({largest[index]:.6g}; look "
            "for copies of one picture in its folder, or raise the tail size)"
        )
    return texts


def _tail_matrix(
    distances: Sequence[ArrayLike],
    tail_size: int | Sequence[int],
    class_names: Sequence[str] | None,
    unit: float = np.finfo(np.float64).tiny,
) -> tuple[Float, Int]:
    """(C, η) ascending tails, padded with +inf, and (C,) how many distances each holds."""
    tails, n_tail = _farthest(distances, tail_size, class_names)
    problems = _problems(tails, n_tail, unit)
    if any(problems):
        raise refusal(problems, class_names)
    return tails, n_tail


def _shape_and_scale(values: Float, mask: NDArray[np.bool_], n_tail: Int) -> tuple[Float, Float]:
    """(C,) shapes and scales of (C, η) positive values, of those that ``mask`` says."""
    largest = values.max(axis=1, where=mask, initial=0.0)
    relative = values / largest[:, None]
    shape = _shape(np.log(relative), mask, n_tail)
    mean_power = (relative ** shape[:, None]).sum(axis=1, where=mask) / n_tail
    return shape, largest * mean_power ** (1.0 / shape)


def _shape(log_relative: Float, mask: NDArray[np.bool_], n_tail: Int) -> Float:
    """Roots of the profile likelihood in the shape, (C,), for logs of values in (0, 1]."""
    # Padding is 0 in the logarithm: it adds 1 to Σ tᵏ, taken off again, and 0 to the other sums.
    log_relative = np.where(mask, log_relative, 0.0)
    n_padding = mask.shape[1] - n_tail
    mean_log = log_relative.sum(axis=1) / n_tail
    variance = (np.where(mask, log_relative - mean_log[:, None], 0.0) ** 2).sum(axis=1) / n_tail
    shape = np.pi / np.sqrt(6.0 * variance)  # the moment estimate
    low, high = np.zeros_like(shape), np.full_like(shape, np.inf)
    for _ in range(MAX_ITERATIONS):
        power = np.exp(shape[:, None] * log_relative)
        total = power.sum(axis=1) - n_padding
        weighted = power * log_relative
        first = weighted.sum(axis=1) / total
        second = (weighted * log_relative).sum(axis=1) / total
        slope = second - first**2 + 1.0 / shape**2
        value = first - 1.0 / shape - mean_log
        low, high = np.where(value < 0, shape, low), np.where(value >= 0, shape, high)
        step = shape - value / slope
        fallback = np.where(np.isinf(high), 2.0 * shape, 0.5 * (low + high))
        following = np.where((step > low) & (step < high), step, fallback)
        converged = np.abs(following - shape) <= TOLERANCE * shape
        shape = following
        if converged.all():
            break
    return shape
