"""Tables that the pages, the shell and exports share."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from openmax_core.errors import OpenMaxError
from openmax_core.methods.method import Method
from openmax_core.methods.openmax import OpenMax
from openmax_core.support.arrays import Float
from openmax_core.support.decimals import threshold_text
from openmax_core.support.files import listed
from openmax_core.tradeoff.curve import Curve
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, INTERVALS
from openmax_core.tradeoff.slider import slider_scale
from openmax_core.weibull.fit import ExceedanceFit, WeibullMaxFit

MOST_THRESHOLDS = 1000
NOTEBOOK_RANGE = (0.30, 0.40)
N_DEFAULT_THRESHOLDS = 11
MIN_TAIL = 10
MAX_SHAPE = 1000.0


def parse_thresholds(text: str) -> Float:
    """Thresholds of ``start:stop:step``, both ends included, or of a list with commas.

    Raises
    ------
    OpenMaxError
        Not of that form, or more than 1,000 thresholds.
    """
    try:
        if ":" in text:
            start, stop, step = (float(part) for part in text.split(":"))
            if not (
                0 < step < math.inf and stop >= start and (stop - start) / step < MOST_THRESHOLDS
            ):
                raise ValueError
            count = math.floor((stop - start) / step + 1e-9) + 1
            # Rounded as written, so that 0.30:0.40:0.01 gives 0.35 and not 0.35000000000000003.
            return np.round(start + step * np.arange(count), 12)
        thresholds = np.array([float(part) for part in text.split(",")])
        if not np.isfinite(thresholds).all() or len(thresholds) > MOST_THRESHOLDS:
            raise ValueError
    except ValueError:
        raise OpenMaxError(
            f"thresholds '{text}': write start:stop:step as in 0.30:0.40:0.01 (at most "
            f"{MOST_THRESHOLDS} of them), or a list as in 0.3,0.35"
        ) from None
    return thresholds


def default_thresholds(name: str, curve: Curve, score_range: tuple[float, float]) -> str:
    """Return the notebook's 0.30:0.40:0.01 where it reaches that, else a list.

    The list has at most 11 thresholds at even steps of the slider's way, so that the decisions of
    about as many pictures change from row to row.

    Parameters
    ----------
    name : of the method
    score_range : smallest and largest score
    """
    low, high = score_range
    if name == "notebook" and low < NOTEBOOK_RANGE[0] and high > NOTEBOOK_RANGE[1]:
        return "0.30:0.40:0.01"
    rows = slider_scale(curve, score_range).rows(N_DEFAULT_THRESHOLDS)
    return ", ".join(map(threshold_text, rows))


def sweep_table(
    curve: Curve, thresholds: ArrayLike, interval: str = DEFAULT_INTERVAL
) -> pd.DataFrame:
    """Test and Reject accuracy with 95 % intervals and counts, a row a threshold.

    Parameters
    ----------
    interval : kind, see :data:`openmax_core.tradeoff.intervals.INTERVALS`
    """
    outcomes, bounds = curve.outcomes(thresholds), INTERVALS[interval]
    n_rejected = curve.n_reject - outcomes.accepted_unknown
    test_low, test_high = bounds(outcomes.correct, curve.n_test)
    reject_low, reject_high = outcomes.reject_bounds(interval)
    return pd.DataFrame(
        {
            "threshold": outcomes.thresholds,
            "test_accuracy": outcomes.test_accuracy,
            "test_low": test_low,
            "test_high": test_high,
            "reject_accuracy": outcomes.reject_accuracy,
            "reject_low": reject_low,
            "reject_high": reject_high,
            "correct": outcomes.correct,
            "wrong": outcomes.wrong,
            "rejected_known": curve.n_test - outcomes.correct - outcomes.wrong,
            "rejected_unknown": n_rejected,
            "accepted_unknown": outcomes.accepted_unknown,
        }
    )


def class_warnings(openmax: OpenMax) -> list[str]:
    """One text a class on what is wrong with its Weibull; '' where nothing is."""
    model, tail_size = openmax.weibull_, openmax.settings_.tail_size
    texts = []
    for index, tail in enumerate(openmax.tails_):
        if openmax.borrowed_[index]:
            texts.append(
                f"cannot be fitted ({openmax.n_correct_[index]} of {openmax.n_training_[index]} "
                "training pictures are right): its tail is borrowed from the other classes"
            )
            continue
        found = []
        shape = float(model.shape[index])
        if isinstance(model, WeibullMaxFit) and shape < 1:
            found.append(
                f"degenerate fit (shape {shape:.2f} < 1): the CDF is close to a step at the "
                f"largest training distance, {tail[-1]:.4g}"
            )
        if len(tail) < tail_size:
            found.append(
                f"only {len(tail)} correctly classified pictures lie beyond the threshold, for a "
                f"tail of {tail_size}"
                if isinstance(model, ExceedanceFit)
                else f"only {len(tail)} correctly classified pictures for a tail of {tail_size}: "
                "all of them are used"
            )
        if len(tail) < MIN_TAIL:
            found.append(f"{len(tail)} distances are too few to trust a fit")
        if shape > MAX_SHAPE:
            found.append("nearly constant tail: the CDF is a step")
        texts.append("; ".join(found))
    return texts


def borrowed_in_words(method: Method, most: int = 1000) -> str:
    """Sentence that names the classes whose tails are borrowed; '' where none is.

    Parameters
    ----------
    most : classes that are named
    """
    if not (names := method.borrowed_names):
        return ""
    one = len(names) == 1
    return (
        f"{len(names):,} of {method.n_classes:,} classes {'has' if one else 'have'} too few "
        f"correctly classified pictures and {'borrows its tail' if one else 'borrow their tails'} "
        f"from the other classes: {listed(names, most)}."
    )


def class_table(openmax: OpenMax) -> pd.DataFrame:
    """Counts, Weibull parameters and warnings, a row a class."""
    return pd.DataFrame(
        {
            "class": openmax.class_names_,
            "training pictures": openmax.n_training_,
            "correct": openmax.n_correct_,
            "tail size": openmax.weibull_.n_tail,
            **openmax.weibull_.parameters(),
            "warning": class_warnings(openmax),
        }
    )
