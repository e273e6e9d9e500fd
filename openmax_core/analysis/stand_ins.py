"""Known classes as stand-ins for unknowns: each class left out in turn.

For a class that is left out, its training pictures leave the fit, its logit is taken away from all
pictures, the method is fitted anew to the other classes, and its test pictures are the unknowns.
So a workspace without a reject set still shows how the method treats pictures of no known class,
and how much that depends on the class.

It says nothing about the unknowns of production: the network was trained on all classes, also on
the one that is left out, so real unknowns may be easier or harder to reject (``CAVEAT``). Where
there is a reject set, :meth:`StandInChoices.beside` compares both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from openmax_core.activations.activations import Activations
from openmax_core.analysis.paired_bootstrap import sample_rows
from openmax_core.errors import FitError, OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.method import Decisions, Method
from openmax_core.methods.registry import new_method
from openmax_core.support.arrays import Int
from openmax_core.support.chunks import Chunk, n_cores
from openmax_core.support.decimals import threshold_text
from openmax_core.support.shares import percent
from openmax_core.tradeoff.curve import TradeoffCurve
from openmax_core.tradeoff.intervals import DEFAULT_INTERVAL, share_interval
from openmax_core.tradeoff.objectives import LeastTableCost, Objective
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.outcomes import Outcome

MOST_CLASSES = 20  # that are left out, unless more are asked for
MOST_PICTURES = 10_000  # known test pictures that are scored, and pictures of a stand-in
MOST_VALUES = 40_000_000  # training logits and features that all workers together copy
CHUNK_VALUES = 1 << 20  # of one chunk, where the training set is larger
CAVEAT = (
    "The network was trained on all classes, also on the one that stands in for unknowns. So real "
    "unknowns may be easier or harder to reject. The stand-ins show how much rejection depends on "
    "the kind of unknown, not how well the unknowns of production will be rejected."
)

Report = Callable[[tuple[int, int]], None]


@dataclass(frozen=True)
class StandIn:
    """One class that was left out.

    Attributes
    ----------
    name : of the class
    index : of the class, among all
    n_training : its training pictures, which left the fit
    curve : TradeoffCurve of the method without the class; its reject set is the class's test
        pictures
    """

    name: str
    index: int
    n_training: int
    curve: TradeoffCurve


@dataclass(frozen=True)
class StandIns:
    """Classes left out in turn.

    Attributes
    ----------
    classes : those that were left out, in the order of the classes
    n_classes : C, of the workspace
    n_candidates : classes that could be left out; of more than asked for, a random sample was
    left_out : why a class could not stand in, by name
    n_known, n_known_all : test pictures that were scored, and that there are
    n_training, n_training_all : training pictures that were fitted to, and that there are
    """

    classes: tuple[StandIn, ...]
    n_classes: int
    n_candidates: int
    left_out: dict[str, str]
    n_known: int
    n_known_all: int
    n_training: int
    n_training_all: int

    @property
    def extent_in_words(self) -> str:
        """How many classes and pictures the figures rest on."""
        count = len(self.classes)
        text = f"{count:,} of {self.n_classes:,} classes left out, one at a time"
        if self.n_candidates > count + len(self.left_out):
            text += " (a random sample of the classes)"
        if self.n_known < self.n_known_all:
            text += f"; {self.n_known:,} of {self.n_known_all:,} test pictures, drawn at random"
        if self.n_training < self.n_training_all:
            text += (
                f"; fitted to a sample of {self.n_training:,} of {self.n_training_all:,} training "
                "pictures"
            )
        return text + "."

    def choose(self, objective: Objective, interval: str = DEFAULT_INTERVAL) -> StandInChoices:
        """Choose a threshold with each stand-in as the unknowns.

        In a table of costs the stand-ins have the row 'unknown'.

        Parameters
        ----------
        interval : kind of the intervals, see :data:`openmax_core.tradeoff.intervals.INTERVALS`
        """
        points = tuple(_point(item, objective) for item in self.classes)
        return StandInChoices(self, objective, points, interval)


@dataclass(frozen=True)
class StandInChoices:
    """What each stand-in gives under one objective.

    Attributes
    ----------
    stand_ins : StandIns
    objective : Objective
    points : for each class the chosen point; None where no threshold meets the constraint
    interval : kind of the intervals of the Reject accuracies
    """

    stand_ins: StandIns
    objective: Objective
    points: tuple[OperatingPoint | None, ...]
    interval: str = DEFAULT_INTERVAL

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a class, the hardest to reject first (by AUROC).

        Columns: class, pictures (its test pictures, the unknowns), auroc, threshold,
        test_accuracy (of the other classes), reject_accuracy (share of its pictures that is
        rejected), low and high (95 % interval of it). NaN where no threshold meets the constraint.
        """
        rows = []
        for item, point in zip(self.stand_ins.classes, self.points, strict=True):
            row: dict[str, Any] = {
                "class": item.name,
                "pictures": item.curve.n_reject,
                "auroc": item.curve.auroc,
            }
            names = ("threshold", "test_accuracy", "reject_accuracy", "low", "high")
            row |= dict.fromkeys(names, math.nan)
            if point is not None:
                outcome = point.outcome
                bounds = share_interval(outcome.rejected_unknown, outcome.n_reject, self.interval)
                row |= {
                    "threshold": point.threshold,
                    "test_accuracy": outcome.test_accuracy,
                    "reject_accuracy": outcome.reject_accuracy,
                    "low": bounds.low,
                    "high": bounds.high,
                }
            rows.append(row)
        table = pd.DataFrame(rows)
        return table.sort_values("auroc", kind="stable", ignore_index=True)

    def spread(self, column: str) -> tuple[float, float, float] | None:
        """Smallest value of a column, the one in the middle, and the largest; None without any.

        The one in the middle is a value of the column: of an even number, the lower of both.
        """
        values = np.sort(self.table[column].dropna().to_numpy(dtype=np.float64))
        if not len(values):
            return None
        return float(values[0]), float(values[(len(values) - 1) // 2]), float(values[-1])

    @property
    def threshold(self) -> float | None:
        """The threshold in the middle of those chosen; None where no stand-in gives one."""
        found = self.spread("threshold")
        return None if found is None else found[1]

    @property
    def sentences(self) -> list[str]:
        """What the stand-ins show: AUROC, Reject accuracy and thresholds, with their spread."""
        found = [f"AUROC lies {_range(self.spread('auroc'))}."]
        n_open = sum(point is None for point in self.points)
        name = self.objective.requirement
        at = f" with {name}" if name else ""
        if rejected := self.spread("reject_accuracy"):
            found.append(f"Reject accuracy{at} lies {_range(rejected)}.")
        if n_open:
            found.append(
                f"For {n_open:,} of {len(self.points):,} classes no threshold reaches {name}."
            )
        if thresholds := self.spread("threshold"):
            low, middle, high = map(threshold_text, thresholds)
            found.append(
                f"All choose threshold {low}."
                if low == high
                else f"The stand-ins choose thresholds from {low} to {high}, median {middle}."
            )
        return found

    def beside(self, evaluation: Evaluation) -> RealUnknowns | None:
        """Compare with the reject set; None where there is none.

        Parameters
        ----------
        evaluation : the method fitted to all classes
        """
        curve = evaluation.overall
        if not curve.n_reject or not curve.n_test:
            return None
        try:
            chosen = evaluation.choose(self.objective).outcome
        except NoFeasibleThresholdError:
            chosen = None
        at_middle = None if self.threshold is None else curve.outcome(self.threshold)
        return RealUnknowns(self, curve.auroc, chosen, at_middle)


@dataclass(frozen=True)
class RealUnknowns:
    """The reject set beside the stand-ins.

    Attributes
    ----------
    choices : of the stand-ins
    auroc : of the reject set
    chosen : what the reject set chooses for the same objective; None where nothing meets it
    at_stand_ins : what happens at the stand-ins' median threshold; None where there is none
    """

    choices: StandInChoices
    auroc: float
    chosen: Outcome | None
    at_stand_ins: Outcome | None

    @property
    def sentences(self) -> list[str]:
        """How far the stand-ins would have been from the reject set."""
        spread = self.choices.spread("auroc")
        assert spread is not None  # noqa: S101 - there is a stand-in at least
        found = [
            f"With the reject set AUROC is {percent(self.auroc)}, "
            f"{_placed(self.auroc, spread)} and {_points(self.auroc, spread[1])} their median."
        ]
        if (at := self.at_stand_ins) is None:
            return found
        text = (
            f"At the stand-ins' median threshold {threshold_text(at.threshold)}, Test accuracy is "
            f"{percent(at.test_accuracy)} and Reject accuracy on the reject set "
            f"{percent(at.reject_accuracy)}"
        )
        if at.mix is not None:
            text += ", weighted by kind"
        if (name := self.choices.objective.requirement) and not self.choices.objective.is_met(at):
            text += f", which misses {name}"
        if self.chosen is None:
            return [*found, f"{text}. With the reject set no threshold reaches {name}."]
        chosen = self.chosen
        return [
            *found,
            f"{text}. The reject set itself chooses threshold {threshold_text(chosen.threshold)}, "
            f"with {percent(chosen.test_accuracy)} and {percent(chosen.reject_accuracy)}.",
        ]


def measure_stand_ins(
    evaluation: Evaluation,
    report: Report = lambda progress: None,
    most_classes: int = MOST_CLASSES,
    seed: int = 0,
) -> StandIns:
    """Leave out each class in turn, fit the method anew and score.

    Classes are worked on in parallel, so many at once that the copies of the training activations
    hold at most 40 million values together; a larger training set is read in chunks.

    Parameters
    ----------
    evaluation : its method and pictures are taken; of very many pictures, its sample
    report : called with the classes done and to do
    most_classes : of more classes, a random sample is left out

    Raises
    ------
    FitError
        There are fewer than three classes, no test pictures, or the method cannot be fitted
        without any of the classes.
    OpenMaxError
        ``most_classes`` is below 1.
    """
    if most_classes < 1:
        raise OpenMaxError(f"at least 1 class must be left out, not {most_classes}")
    names, test, train = evaluation.method.class_names_, evaluation.test, evaluation.train
    if len(names) < 3:
        raise FitError(
            "stand-ins need at least 3 known classes: one is left out, and a method needs 2"
        )
    n_by_class = np.bincount(test.labels, minlength=len(names))
    candidates = np.flatnonzero((n_by_class > 0) & (n_by_class < len(test)))
    if not len(candidates):
        raise FitError(
            "stand-ins need test pictures of at least 2 classes: one class's are the unknowns, the "
            "others' the knowns"
        )
    generator = np.random.default_rng(seed)
    known_rows = np.sort(sample_rows(len(test), MOST_PICTURES, generator))
    classes = np.sort(generator.permutation(candidates)[:most_classes])
    drawn = [
        np.sort(rows[sample_rows(len(rows), MOST_PICTURES, generator)])
        for rows in (np.flatnonzero(test.labels == index) for index in classes.tolist())
    ]

    def work(place: int) -> StandIn | str:
        index = int(classes[place])
        try:
            method = _fitted_without(evaluation, index)
        except OpenMaxError as error:
            return str(error)
        rows = known_rows[test.labels[known_rows] != index]
        known = _decided(method, test, rows, index)
        unknown = _decided(method, test, drawn[place], index)
        labels = test.labels[rows]
        curve = TradeoffCurve(
            known.scores,
            known.predictions,
            labels - (labels > index),
            unknown.scores,
            unknown.predictions,
            method.n_classes,
        )
        return StandIn(names[index], index, int((train.labels == index).sum()), curve)

    found: list[StandIn] = []
    left_out: dict[str, str] = {}
    pool = ThreadPoolExecutor(_n_workers(train))
    try:
        for place, result in enumerate(pool.map(work, range(len(classes)))):
            if isinstance(result, StandIn):
                found.append(result)
            else:
                left_out[names[int(classes[place])]] = result
            report((place + 1, len(classes)))
    finally:  # also where the one who asked has gone
        pool.shutdown(cancel_futures=True)
    if not found:
        name, reason = next(iter(left_out.items()))
        raise FitError(f"the method cannot be fitted without a class; without '{name}': {reason}")
    return StandIns(
        tuple(found),
        len(names),
        len(candidates),
        left_out,
        len(known_rows),
        test.n_readable,
        len(train),
        train.n_readable,
    )


def _point(item: StandIn, objective: Objective) -> OperatingPoint | None:
    if isinstance(objective, LeastTableCost):
        objective = replace(objective, table=objective.table.without(item.index))
    if item.curve.n_test:
        objective = objective.relative_to(item.curve.all_outcomes.at(0))
    try:
        return item.curve.choose(objective)
    except NoFeasibleThresholdError:
        return None


def _fitted_without(evaluation: Evaluation, index: int) -> Method:
    """Fit the evaluation's method to the activations of all other classes."""
    old, train = evaluation.method, evaluation.train
    method = new_method(old.name, **old.settings_.to_dict())
    names = _without(old.class_names_, index)
    rows = np.flatnonzero(train.labels != index)
    if _values(train) > MOST_VALUES:
        return method.fit_chunks(lambda: _chunks(train, rows, index, method), names)
    labels = train.labels[rows]
    features = _features(method, train, rows)
    logits = np.delete(train.logits[rows], index, axis=1)
    return method.fit(logits, labels - (labels > index), names, features)


def _chunks(train: Activations, rows: Int, index: int, method: Method) -> Iterator[Chunk]:
    """Rows of a training set without a class's logit, some at a time."""
    step = max(1, CHUNK_VALUES // (_values(train) // len(train)))
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        logits, labels = np.delete(train.logits[part], index, axis=1), train.labels[part]
        features = _features(method, train, part)
        yield Chunk(first, logits, labels - (labels > index), logits.argmax(axis=1), features)


def _decided(method: Method, pictures: Activations, rows: Int, index: int) -> Decisions:
    logits = np.delete(pictures.logits[rows], index, axis=1)
    return method.decide(logits, _features(method, pictures, rows))


def _features(method: Method, pictures: Activations, rows: Int) -> NDArray[Any] | None:
    """Features of some pictures where the method reads them."""
    stored = pictures.features if method.needs_features else None
    return None if stored is None else stored[rows]


def _values(train: Activations) -> int:
    width = train.logits.shape[1]
    return len(train) * (width + (0 if train.features is None else train.features.shape[1]))


def _n_workers(train: Activations) -> int:
    """As many cores as copies of the training activations may be made."""
    return max(1, min(n_cores(), MOST_VALUES // max(1, _values(train))))


def _without(names: Sequence[str], index: int) -> list[str]:
    return [name for place, name in enumerate(names) if place != index]


def _range(spread: tuple[float, float, float] | None) -> str:
    """'between 71.2 and 93.4 %, median 85.1 %' of shares; 'at 85.1 %' where all are alike."""
    assert spread is not None  # noqa: S101 - there is a stand-in at least
    low, middle, high = spread
    if low == high:
        return f"at {percent(low)}"
    return f"between {100 * low:.1f} and {percent(high)}, median {percent(middle)}"


def _placed(value: float, spread: tuple[float, float, float]) -> str:
    low, _, high = spread
    if value < low:
        return "below that of every stand-in"
    return "above that of every stand-in" if value > high else "within the stand-ins' range"


def _points(value: float, other: float) -> str:
    """'2.1 points above' of two shares."""
    difference = 100 * (value - other)
    if abs(difference) < 0.05:
        return "equal to"
    return f"{abs(difference):.1f} points {'above' if difference > 0 else 'below'}"
