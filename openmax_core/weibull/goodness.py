"""Does a tail look like its Weibull? Anderson–Darling, and what it would be by chance.

    A² = −n − (1/n) Σ_i (2i − 1) (ln F(x_i) + ln(1 − F(x_(n+1−i))))

for the n distances x of a tail, ascending, and the fitted CDF F: the larger, the worse
(Anderson & Darling, 1952). As F was fitted to the same distances, tables do not hold; the p-value
comes from a parametric bootstrap (Stute, González Manteiga & Presedo Quindimil, 1993):

1. Draw n distances from the fitted Weibull.
2. Fit to them exactly as to the tail: with libMR's shift to their own smallest value, or beyond the
   same threshold.
3. Their A², and again, R times. p = (1 + how many are at least as large as the tail's)/(R + 1).

**The null** is that a tail's distances are n independent draws of the fitted Weibull. Under it p is
about uniform as long as the smallest draw lies near the value that libMR's shift gives it,
``translate``; where it lies far below (shape 2, scale 1.3) the shift spoils a true Weibull too, and
small p come about twice as often as they should. Of exceedances nothing is shifted: given the
threshold, which is an order statistic, the exceedances of independent distances are independent,
and p is about uniform for every shape. A real tail of libMR's form is not drawn but cut off at its
smallest value: a small p says that the Weibull does not follow the distances, not why. The
three-parameter form is tested only where its fit is sound (shape ≥ 1), against draws whose own fit
is sound as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from openmax_core.errors import FitError
from openmax_core.support.arrays import Float, Int
from openmax_core.weibull.fit import (
    ExceedanceFit,
    TailFit,
    Weibull,
    WeibullMaxFit,
    fit_exceedances,
    fit_tails,
    fit_weibull_max,
)
from openmax_core.weibull.tails import log_cdf_and_survival, quantiles

FEWEST = 5
MIN_RELATIVE_SPREAD = 3e-6  # below it tails that are drawn may come out constant
BUDGET_VALUES = 2_000_000  # distances drawn for all classes together, about 0.8 s
FEWEST_REPLICATES, MOST_REPLICATES = 19, 999
CLEARLY_MANY = 5  # of the fewest replicates
MAX_FORM_REPLICATES = 99
MAX_FORM_REFITS = 1200  # about 10 ms each
MOST_TRIES = 3  # draws for each one with a sound fit
VALUES_AT_ONCE = 400_000


@dataclass(frozen=True)
class Goodness:
    """Anderson–Darling of every class.

    Attributes
    ----------
    statistic : (C,) float64
        A²; infinite where the fitted CDF is 0 or 1 at a distance of the tail.
    p_value : (C,) float64
        NaN where there is none.
    reasons : C texts
        Why there is no p-value; '' where there is one, or will be once it is simulated.
    n_replicates : int
        R, simulated tails a class; fewer where a class is clear after the first.
    """

    statistic: Float
    p_value: Float
    reasons: tuple[str, ...]
    n_replicates: int

    @property
    def without_p_value(self) -> list[tuple[int, str]]:
        """Reasons why there is no p-value, each with how many classes have it, most first."""
        return [(n, reason) for reason, n in Counter(self.reasons).most_common() if reason]

    @property
    def is_open(self) -> bool:
        """Some p-values are still to be simulated."""
        return any(
            np.isnan(p) and not reason
            for p, reason in zip(self.p_value.tolist(), self.reasons, strict=True)
        )


def anderson_darling(
    model: Weibull, tails: Sequence[ArrayLike], classes: Int | None = None
) -> Float:
    """(K,) A² of K ascending tails under the Weibulls of their classes.

    Parameters
    ----------
    classes : (K,) int, optional
        The class of each tail; without it tail i is of class i.
    """
    own = np.arange(len(tails)) if classes is None else classes
    lengths = np.array([len(np.asarray(tail)) for tail in tails], dtype=np.int64)
    statistic = np.empty(len(tails))
    for n in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == n)
        values = np.array([tails[row] for row in rows.tolist()], dtype=np.float64)
        below, above = log_cdf_and_survival(
            model, values, np.broadcast_to(own[rows, None], values.shape)
        )
        weights = 2.0 * np.arange(1, n + 1) - 1.0
        statistic[rows] = -n - ((below + above[:, ::-1]) * weights).sum(axis=1) / n
    return statistic


def goodness_of_fit(model: Weibull, tails: Sequence[Float]) -> Goodness:
    """A² of every class, and p-values where the form is fitted fast enough to draw them at once.

    The number of replicates follows a budget. Where it binds, a class of which 5 of the first 19
    fit no better goes no further (Besag & Clifford, 1991): its p-value is not small. The
    three-parameter form has none here, see :func:`simulate_goodness`.
    """
    statistic = anderson_darling(model, tails)
    reasons = untestable(model, tails)
    p_value = np.full(len(tails), np.nan)
    tested = np.array([index for index, reason in enumerate(reasons) if not reason], dtype=np.int64)
    if isinstance(model, WeibullMaxFit) or not len(tested):
        return Goodness(statistic, p_value, tuple(reasons), 0)
    n_values = int(model.n_tail[tested].sum())
    n_replicates = int(np.clip(BUDGET_VALUES // n_values, FEWEST_REPLICATES, MOST_REPLICATES))
    first = FEWEST_REPLICATES if n_replicates < MOST_REPLICATES else n_replicates
    generator = np.random.default_rng(0)
    larger = _count_larger(model, statistic, tested, first, generator)
    p_value[tested] = (1 + larger) / (first + 1)
    going_on = larger < CLEARLY_MANY
    rest = tested[going_on]
    if n_replicates > first and len(rest):
        more = _count_larger(model, statistic, rest, n_replicates - first, generator)
        p_value[rest] = (1 + larger[going_on] + more) / (n_replicates + 1)
    return Goodness(statistic, p_value, tuple(reasons), n_replicates)


def simulate_goodness(
    model: Weibull,
    tails: Sequence[Float],
    report: Callable[[tuple[int, int]], None],
    seed: int = 0,
) -> Goodness:
    """Goodness with p-values of the three-parameter form, whose fits take about 10 ms each.

    A class is tested where its own fit is sound, so of the tails drawn only those with a sound fit
    count. The classes with the largest A² come first, and no more than ``MAX_FORM_REFITS`` sound
    fits are made; for the rest no p-value is given.

    Parameters
    ----------
    report : called with the sound fits done and those to do
    """
    statistic, reasons = anderson_darling(model, tails), untestable(model, tails)
    tested = [index for index in np.argsort(-statistic).tolist() if not reasons[index]]
    most = MAX_FORM_REFITS // MAX_FORM_REPLICATES
    for index in tested[most:]:
        reasons[index] = f"not simulated: only the {most} classes with the largest A² are"
    tested = tested[:most]
    generator = np.random.default_rng(seed)
    p_value = np.full(len(tails), np.nan)
    total = len(tested) * MAX_FORM_REPLICATES
    for place, index in enumerate(tested):
        larger = n_sound = 0
        for _ in range(MOST_TRIES * MAX_FORM_REPLICATES):
            found = _statistic_of_draw(model, index, len(tails[index]), generator)
            n_sound += found is not None
            larger += found is not None and found >= statistic[index]
            report((place * MAX_FORM_REPLICATES + n_sound, total))
            if n_sound == MAX_FORM_REPLICATES:
                break
        if n_sound < FEWEST_REPLICATES:
            reasons[index] = "most tails drawn from its Weibull have degenerate fits themselves"
        else:
            p_value[index] = (1 + larger) / (n_sound + 1)
    return Goodness(statistic, p_value, tuple(reasons), MAX_FORM_REPLICATES)


def untestable(model: Weibull, tails: Sequence[Float]) -> list[str]:
    """Why a class's fit cannot be tested, a text a class; '' where it can."""
    unit = model.translate if isinstance(model, TailFit) else 0.0
    starts = model.threshold if isinstance(model, ExceedanceFit) else np.zeros(len(tails))
    reasons = []
    for shape, start, tail in zip(model.shape.tolist(), starts.tolist(), tails, strict=True):
        reason = ""
        if isinstance(model, WeibullMaxFit) and shape < 1:
            reason = "no maximum likelihood exists for a shape below 1: there is nothing to test"
        elif len(tail) < FEWEST:
            reason = f"{len(tail)} distances are too few to test"
        elif tail[-1] - tail[0] < MIN_RELATIVE_SPREAD * max(tail[-1] - start, unit):
            reason = "the tail is nearly constant"
        reasons.append(reason)
    return reasons


def _count_larger(
    model: TailFit | ExceedanceFit,
    statistic: Float,
    tested: Int,
    n_replicates: int,
    generator: np.random.Generator,
) -> Int:
    """How many of the simulated tails of each tested class fit no better than its own."""
    larger = np.zeros(len(tested), dtype=np.int64)
    for n in np.unique(model.n_tail[tested]).tolist():
        places = np.flatnonzero(model.n_tail[tested] == n)
        classes = tested[places]
        at_once = max(1, VALUES_AT_ONCE // (n * len(classes)))
        for start in range(0, n_replicates, at_once):
            count = min(at_once, n_replicates - start)
            own = np.tile(classes, count)
            drawn = list(_draw(model, own, n, generator))
            refit: Weibull
            if isinstance(model, TailFit):
                refit = fit_tails(drawn, n, model.translate)
            else:
                refit = fit_exceedances(drawn, model.threshold[own])
            found = anderson_darling(refit, drawn)
            larger[places] += (found >= statistic[own]).reshape(count, len(classes)).sum(axis=0)
    return larger


def _statistic_of_draw(
    model: Weibull, index: int, n: int, generator: np.random.Generator
) -> float | None:
    """A² of a tail drawn from a three-parameter Weibull; None where its own fit is not sound."""
    drawn = np.sort(quantiles(model, generator.random(n), index))
    try:
        refit = fit_weibull_max([drawn])
    except FitError:
        return None
    if refit.shape[0] < 1:
        return None
    return float(anderson_darling(refit, [drawn])[0])


def _draw(
    model: TailFit | ExceedanceFit, classes: Int, n: int, generator: np.random.Generator
) -> Float:
    """(K, n) ascending distances from the two-parameter Weibulls of (K,) classes."""
    exponential = generator.exponential(size=(len(classes), n))
    exponential.sort(axis=1)
    t = model.scale[classes, None] * exponential ** (1.0 / model.shape[classes, None])
    if isinstance(model, ExceedanceFit):
        return t + model.threshold[classes, None]
    return t - model.translate + model.smallest_tail_value[classes, None]
