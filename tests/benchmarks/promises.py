"""Are promises kept? Many draws of pictures from a population whose true figures are known.

Each row is one objective on one kind of sample: how often the promise was broken in 500 trials,
beside the share that is allowed, and what it cost in Reject accuracy against the best threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from openmax_core import NoFeasibleThresholdError, OperatingPoint, TradeoffCurve
from openmax_core.tradeoff.class_thresholds import promise_class_thresholds
from openmax_core.tradeoff.objectives import (
    AtMostLost,
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
    Objective,
)
from openmax_core.tradeoff.outcomes import Outcome
from openmax_core.tradeoff.promises import Promise
from tests.benchmarks.measure import Row

N_TRIALS = 500
LEVELS = (0.9, 0.95)
N_CLASSES = 4
OBJECTIVES: tuple[Objective, ...] = (
    MostRejected(0.8),
    AtMostLost(0.05),
    FewestKnownRejected(0.1),
    MostRight(0.6),
    Balanced(),
    LeastCost(),
    LeastCost(3, 1, 5, 0.3),
)


@dataclass(frozen=True)
class Sample:
    """How pictures are drawn.

    Attributes
    ----------
    n, m : test and reject pictures
    decimals : of the scores; with 1 nearly all tie
    shares : of the classes
    """

    name: str
    n: int
    m: int
    decimals: int = 6
    shares: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)


SAMPLES = (
    Sample("200 + 150", 200, 150),
    Sample("many ties", 200, 150, decimals=1),
    Sample("small sets", 40, 30),
    Sample("a rare class", 200, 150, shares=(0.49, 0.3, 0.2, 0.01)),
    Sample("1,000 + 1,000", 1000, 1000),
)


def drawn(sample: Sample, n: int, m: int, generator: np.random.Generator) -> TradeoffCurve:
    """Pictures of the sample's population."""
    labels = generator.choice(N_CLASSES, n, p=sample.shares)
    is_right = generator.random(n) < np.array([0.95, 0.92, 0.9, 0.6])[labels]
    predictions = np.where(is_right, labels, (labels + 1) % N_CLASSES)
    predictions[generator.random(n) < 0.01] = N_CLASSES
    scores = generator.beta(np.array([6, 5, 4, 3])[labels], 2)
    return TradeoffCurve(
        scores.round(sample.decimals),
        predictions,
        labels,
        generator.beta(2, 3, m).round(sample.decimals),
        generator.integers(0, N_CLASSES + 1, m),
        N_CLASSES,
    )


def rows() -> list[Row]:
    """A row for each objective, sample and level, with a single threshold and one per class."""
    found = []
    for sample in SAMPLES:
        population = drawn(sample, 200_000, 200_000, np.random.default_rng(1))
        found += [
            _row(sample, population, objective, level)
            for objective in OBJECTIVES
            for level in LEVELS
        ]
        found += [
            _row(sample, population, objective, LEVELS[0], is_per_class=True)
            for objective in OBJECTIVES[:4]
        ]
    return found


def _row(
    sample: Sample,
    population: TradeoffCurve,
    objective: Objective,
    level: float,
    is_per_class: bool = False,
) -> Row:
    generator = np.random.default_rng(0)
    without = population.all_outcomes.at(0).test_accuracy
    choose = _per_class(population) if is_per_class else _single(population)
    n_made = n_broken = 0
    costs = []
    for _ in range(N_TRIALS):
        curve = drawn(sample, sample.n, sample.m, generator)
        try:
            promise, true, rejected = choose(curve, objective, level)
            best = curve.choose(objective.relative_to(curve.all_outcomes.at(0)))
        except NoFeasibleThresholdError:
            continue
        n_made += 1
        figure = _figure(promise, objective, true, without)
        n_broken += figure > promise.bound if promise.is_ceiling else figure < promise.bound
        costs.append((best.reject_accuracy or 0.0) - rejected)
    # A share that is exactly as allowed is passed in 999 of 1,000 runs of these trials.
    most = int(binom.isf(0.001, N_TRIALS, 1 - level))
    cost = f"{100 * float(np.mean(costs)):.1f} points of Reject accuracy" if costs else "–"
    what = "per class, " if is_per_class else ""
    return Row(
        what=f"{sample.name}: {what}{objective.kind} at {100 * level:g} %",
        here=f"{n_broken} broken",
        budget=f"≤ {most} of {N_TRIALS}",
        met=n_broken <= most,
        note=f"{n_made} of {N_TRIALS} trials had a promise; it cost {cost}",
    )


Chosen = tuple[Promise, Outcome, float]
Choice = Callable[[TradeoffCurve, Objective, float], Chosen]


def _single(population: TradeoffCurve) -> Choice:
    def choose(curve: TradeoffCurve, objective: Objective, level: float) -> Chosen:
        point: OperatingPoint = curve.choose(objective, level)
        assert point.promise is not None
        return point.promise, population.outcome(point.threshold), point.reject_accuracy or 0.0

    return choose


def _per_class(population: TradeoffCurve) -> Choice:
    def choose(curve: TradeoffCurve, objective: Objective, level: float) -> Chosen:
        found = promise_class_thresholds(curve, objective, level)
        assert found.promise is not None
        true = population.outcome_by_class(found.thresholds, 0.5)
        return found.promise, true, found.outcome.reject_accuracy

    return choose


def _figure(promise: Promise, objective: Objective, true: Outcome, without: float) -> float:
    """What is promised, of the population."""
    figures = {
        "test_accuracy": true.test_accuracy,
        "reject_accuracy": true.reject_accuracy,
        "rejected_known": true.rejected_known / true.n_test,
        "lost": without - true.test_accuracy,
        "mean_accuracy": (true.test_accuracy + true.reject_accuracy) / 2,
    }
    if promise.figure == "cost":
        assert isinstance(objective, LeastCost)
        return objective.cost_of(true)
    return figures[promise.figure]
