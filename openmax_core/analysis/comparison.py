"""All methods on the same pictures: the field's figures of each, and what chance makes of them.

Every method is fitted on the same training pictures and scores the same test and reject pictures.
Figures (:mod:`openmax_core.analysis.ranking`) are counted again on resamples of the pictures, the
same for all methods. A difference to the largest softmax probability is beyond noise where it is
larger than chance makes the largest of *all* differences of the table in 95 % of the resamples
(:mod:`openmax_core.analysis.paired_bootstrap`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from openmax_core.analysis.paired_bootstrap import MetricGrid, Resamples, compare, sample_rows
from openmax_core.analysis.ranking import FIGURES, NAMES, all_figures, figures_on
from openmax_core.errors import FitError, OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.features import WAY_OUT
from openmax_core.methods.method import Method
from openmax_core.methods.registry import METHODS, new_method
from openmax_core.support.arrays import Float, Int
from openmax_core.support.chunks import n_cores
from openmax_core.support.shares import (
    exact_percent,
    percent,
    percent_range,
    points,
    points_range,
)
from openmax_core.tradeoff.curve import TradeoffCurve
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError

BASELINE = "msp"
SOFTMAX = "softmax"  # what people call the baseline
MOST_PICTURES = 10_000  # of a set
N_RESAMPLES = 300
N_DRAWN = 400  # points of a curve


@dataclass(frozen=True)
class ComparedMethod:
    """One method of the table.

    Attributes
    ----------
    name : str
        In the registry; 'NAME*' for the current one with settings of its own.
    title : str
        Its name for people.
    threshold : float or None
        The largest that keeps the floor of Test accuracy; None where none does.
    reject_accuracy, test_accuracy : (K,) float64
        Its curve, for drawing; one point for each drawn threshold.
    """

    name: str
    title: str
    threshold: float | None
    test_accuracy: Float
    reject_accuracy: Float


@dataclass(frozen=True)
class Comparison:
    """All methods on one workspace's pictures.

    Attributes
    ----------
    methods : A ComparedMethods; the baseline, the largest softmax probability, is among them
    grid : MetricGrid of (A, F) figures, in the order of ``methods`` and of
        :data:`~openmax_core.analysis.ranking.NAMES`; differences are to the baseline
    floor : of Test accuracy
    n_test, n_reject : pictures that were scored
    n_test_all, n_reject_all : pictures that there are
    n_resamples : int
    left_out : why a method could not be fitted, by name
    """

    methods: tuple[ComparedMethod, ...]
    grid: MetricGrid
    floor: float
    n_test: int
    n_reject: int
    n_test_all: int
    n_reject_all: int
    n_resamples: int
    left_out: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the methods."""
        return tuple(method.name for method in self.methods)

    @property
    def is_sampled(self) -> bool:
        """Not all pictures were scored."""
        return self.n_test < self.n_test_all or self.n_reject < self.n_reject_all

    def differing(self, name: str) -> tuple[list[str], list[str]]:
        """Labels of the figures in which a method is better, and worse, than softmax beyond noise.

        A smaller FPR or AURC is better.
        """
        row = self.names.index(name)
        gains = self._gains[row]
        beyond = self.grid.is_beyond_noise[row]
        labels = [FIGURES[figure].label for figure in NAMES]
        better = [label for label, is_so in zip(labels, beyond & (gains > 0), strict=True) if is_so]
        worse = [label for label, is_so in zip(labels, beyond & (gains < 0), strict=True) if is_so]
        return better, worse

    @property
    def _gains(self) -> Float:
        """(A, F) differences to softmax, turned so that a larger one is better."""
        signs = np.array([-1.0 if FIGURES[name].is_less_better else 1.0 for name in NAMES])
        return np.asarray(self.grid.difference * signs)

    def verdict(self, name: str) -> str:
        """What a method gains over softmax on these pictures, in a sentence."""
        title = self.methods[self.names.index(name)].title
        if name == BASELINE:
            return f"{title} is the baseline that all others are compared with."
        better, worse = self.differing(name)
        if not better and not worse:
            return f"On these pictures {title} gains nothing beyond noise over {SOFTMAX}."
        parts = [
            f"{word} in {', '.join(items)}"
            for word, items in (("better", better), ("worse", worse))
            if items
        ]
        return f"On these pictures {title} is {' and '.join(parts)} than {SOFTMAX}, beyond noise."

    @property
    def left_out_in_words(self) -> list[str]:
        """Which methods are left out and why, a sentence for each reason."""
        names: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            names.setdefault(reason, []).append(name)
        return [
            f"{', '.join(own)} {'are' if len(own) > 1 else 'is'} left out: {reason}."
            for reason, own in names.items()
        ]

    @property
    def floor_in_words(self) -> str:
        """Which methods have no threshold that keeps the floor; '' where all have one."""
        none = [method.title for method in self.methods if method.threshold is None]
        if not none:
            return ""
        whose = "any method" if len(none) == len(self.methods) else ", ".join(none)
        return f"no threshold of {whose} keeps Test accuracy ≥ {exact_percent(self.floor)}."

    def extremes(self, figure: str) -> str:
        """Which method is best and which worst in a figure, in a sentence."""
        column = NAMES.index(figure)
        signs = -1.0 if FIGURES[figure].is_less_better else 1.0
        values = signs * self.grid.value[:, column]
        label = FIGURES[figure].label
        if np.isnan(values).all():  # only figures at the floor can be missing
            return f"{label}: {self.floor_in_words}"
        best, worst = int(np.nanargmax(values)), int(np.nanargmin(values))
        differ = self.grid.is_beyond_noise[:, column]
        sure = (
            f"{int(differ.sum())} of {len(differ) - 1} differ from {SOFTMAX} beyond noise"
            if differ.any()
            else f"none differs from {SOFTMAX} beyond noise"
        )
        return (
            f"{label}: best {self.methods[best].title} "
            f"({percent(self.grid.value[best, column])}), worst {self.methods[worst].title} "
            f"({percent(self.grid.value[worst, column])}); {sure}."
        )

    def cell_in_words(self, name: str, figure: str) -> str:
        """Value of a figure in percent, ▲ or ▼ where it is better or worse than softmax."""
        row, column = self.names.index(name), NAMES.index(figure)
        value = self.grid.value[row, column]
        if np.isnan(value):
            return "–"
        mark = ""
        if self.grid.is_beyond_noise[row, column]:
            mark = " ▲" if self._gains[row, column] > 0 else " ▼"
        return f"{percent(value)}{mark}"

    def interval_in_words(self, name: str, figure: str) -> str:
        """The 95 % interval of a figure, and that of its difference to softmax."""
        row, column = self.names.index(name), NAMES.index(figure)
        grid = self.grid
        if np.isnan(grid.value[row, column]):
            return "not counted"
        text = percent_range(grid.low[row, column], grid.high[row, column])
        if name == BASELINE or np.isnan(grid.difference[row, column]):
            return text
        least, most = grid.difference_low[row, column], grid.difference_high[row, column]
        return (
            f"{text}; {points(grid.difference[row, column])} to {SOFTMAX}, "
            f"{points_range(least, most)}"
        )

    def table(self) -> pd.DataFrame:
        """A row a method; of every figure its value, its 95 % interval and the difference.

        Columns are ``method``, ``threshold`` and, for each figure, ``FIGURE``, ``FIGURE_low``,
        ``FIGURE_high``, ``FIGURE_difference``, ``FIGURE_difference_low``,
        ``FIGURE_difference_high`` and ``FIGURE_beyond_noise``.
        """
        columns: dict[str, Any] = {
            "method": self.names,
            "threshold": [method.threshold for method in self.methods],
        }
        grid = self.grid
        for place, name in enumerate(NAMES):
            columns[name] = grid.value[:, place]
            columns[f"{name}_low"], columns[f"{name}_high"] = (
                grid.low[:, place],
                grid.high[:, place],
            )
            columns[f"{name}_difference"] = grid.difference[:, place]
            columns[f"{name}_difference_low"] = grid.difference_low[:, place]
            columns[f"{name}_difference_high"] = grid.difference_high[:, place]
            columns[f"{name}_beyond_noise"] = grid.is_beyond_noise[:, place]
        return pd.DataFrame(columns)


def methods_to_compare(current: Method) -> dict[str, Method]:
    """Every method as it is by default, not fitted, and the current one where it differs."""
    methods = {name: new_method(name) for name in METHODS}
    known = [method.settings() for method in methods.values()]
    if current.settings_ not in known:
        settings = {
            name: value
            for name, value in current.settings_.to_dict().items()
            if value != methods[current.name].settings().to_dict().get(name)
        }
        methods[f"{current.name}*"] = new_method(current.name, **settings)
    return methods


def compare_methods(
    evaluation: Evaluation,
    floor: float,
    report: Callable[[tuple[int, int]], None] = lambda progress: None,
    methods: Mapping[str, Method] | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Fit, score and resample every method.

    Parameters
    ----------
    evaluation : its pictures are taken; of very many, its sample
    floor : of Test accuracy, for the Reject accuracy and for the threshold of macro-F1
    report : called with the methods done and the methods to do
    methods : by name, not fitted; all of the registry without. 'msp' must be among them

    Raises
    ------
    FitError
        There is no reject set, so that there is nothing to compare.
    """
    if evaluation.reject is None or not len(evaluation.reject) or not len(evaluation.test):
        raise FitError(
            "methods are compared by the unknown pictures that they reject, and this workspace has "
            "no reject set; add a folder of unknown pictures as reject under [folders]"
        )
    methods = methods_to_compare(evaluation.method) if methods is None else methods
    generator = np.random.default_rng(seed)
    test_rows = sample_rows(len(evaluation.test), MOST_PICTURES, generator)
    reject_rows = sample_rows(len(evaluation.reject), MOST_PICTURES, generator)
    draws = Resamples.draw(len(test_rows), len(reject_rows), n_resamples, generator)

    def measured(name: str, method: Method) -> tuple[ComparedMethod, Float, Float] | str:
        """A method with its figures, (F,) and resampled (R, F); or why it is left out."""
        if method.needs_features and not _has_features(evaluation):
            return f"features are needed, and none are stored; {WAY_OUT}"
        try:
            curve = _curve(method, evaluation, test_rows, reject_rows)
        except OpenMaxError as error:
            return str(error)
        try:
            threshold = curve.best(floor).threshold
        except NoFeasibleThresholdError:
            threshold = None
        drawn = curve.outcomes(curve.drawn_thresholds(N_DRAWN))
        compared = ComparedMethod(
            name,
            method.words.title + ("*" if name.endswith("*") else ""),
            threshold,
            drawn.test_accuracy,
            drawn.reject_accuracy,
        )
        value = np.array(list(all_figures(curve, floor, threshold).values()))
        return compared, value, figures_on(curve, floor, threshold, draws)

    found: dict[str, tuple[ComparedMethod, Float, Float]] = {}
    left_out: dict[str, str] = {}
    with ThreadPoolExecutor(n_cores(), "methods") as pool:
        answers = pool.map(measured, methods, methods.values())
        for place, (name, one) in enumerate(zip(methods, answers, strict=True)):
            report((place, len(methods)))
            if isinstance(one, str):
                left_out[name] = one
            else:
                found[name] = one
    report((len(methods), len(methods)))
    baseline = list(found).index(BASELINE)
    value = np.stack([item[1] for item in found.values()])
    again = np.stack([item[2] for item in found.values()], axis=1)
    return Comparison(
        tuple(item[0] for item in found.values()),
        compare(value, again, (baseline, None)),
        floor,
        len(test_rows),
        len(reject_rows),
        evaluation.overall.n_test,
        evaluation.overall.n_reject,
        n_resamples,
        left_out,
    )


def _has_features(evaluation: Evaluation) -> bool:
    sets = evaluation.train, evaluation.test, evaluation.reject
    return all(part is None or part.features is not None for part in sets)


def _curve(
    method: Method, evaluation: Evaluation, test_rows: Int, reject_rows: Int
) -> TradeoffCurve:
    train, test, reject = evaluation.train, evaluation.test, evaluation.reject
    assert reject is not None  # noqa: S101 - checked by the caller
    method.fit(train.logits, train.labels, evaluation.method.class_names_, train.features)
    known, unknown = (
        method.decide(
            part.logits[rows],
            part.features[rows] if method.needs_features and part.features is not None else None,
        )
        for part, rows in ((test, test_rows), (reject, reject_rows))
    )
    return TradeoffCurve(
        known.scores,
        known.predictions,
        test.labels[test_rows],
        unknown.scores,
        unknown.predictions,
        method.n_classes,
    )
