"""Fitting, scoring and the curve, on made-up numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from openmax_core.activations.activations import Activations
from openmax_core.analysis.class_health import class_distances, class_health, health_table
from openmax_core.analysis.comparison import compare_methods
from openmax_core.analysis.multiples import multiple
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.method import Method
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.registry import METHODS, new_method
from openmax_core.methods.settings import DEFAULT_PRESET
from openmax_core.tradeoff.curve import TradeoffCurve
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.tradeoff.resampling import repeated_splits
from openmax_core.weibull.fit import fit_tails
from tests.benchmarks.measure import Row, best_seconds
from tests.support.evaluations import activations_of, made_up_evaluation

N_SCIPY_CLASSES = 20
N_SCORES = 1_000_000
N_LOOK_UPS = 1000
N_PICTURES, N_CLASSES, N_FEATURES = 5000, 10, 512


def rows() -> list[Row]:
    """All measurements of this group."""
    scored = [
        _score(preset, n_classes, n, budget)
        for preset in ("robust", "bendale")
        for n_classes, n, budget in ((10, 400_000, 8e5), (1000, 20_000, 2e4))
    ]
    return [_fit(), *scored, *_curve(), _splits(), _weibull_page(), *_methods()]


def _fit() -> Row:
    generator = np.random.default_rng(0)
    tails = [generator.gamma(5, size=20) for _ in range(1000)]
    here = best_seconds(lambda: fit_tails(tails, 20))
    some = tails[:N_SCIPY_CLASSES]
    scipy = best_seconds(lambda: [stats.weibull_max.fit(tail) for tail in some], 1)
    scipy *= len(tails) / len(some)
    return Row(
        "fit 1,000 classes, η = 20",
        f"{1e3 * here:.1f} ms",
        f"{scipy:.1f} s",
        scipy / here,
        "≤ 15 ms",
        here <= 0.015,
        f"the notebook's SciPy fit was timed on {N_SCIPY_CLASSES} classes and multiplied",
    )


def _score(preset: str, n_classes: int, n: int, budget: float) -> Row:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(n_classes), 30)
    training = generator.normal(size=(len(labels), n_classes)) + 6 * np.eye(n_classes)[labels]
    openmax = OpenMax(preset).fit(training, labels)
    logits = generator.normal(size=(n, n_classes))
    here = n / best_seconds(lambda: openmax.decide(logits), 3)
    few = logits[: max(2, 2000 // n_classes)]
    notebook = len(few) / best_seconds(lambda: _one_at_a_time(openmax, few), 1)
    return Row(
        f"score vectors of {n_classes:,} classes with {preset}, one core",
        f"{here:,.0f}/s",
        f"{notebook:,.0f}/s",
        here / notebook,
        f"≥ {budget:,.0f}/s",
        here >= budget,
    )


def _with_features() -> tuple[Activations, Activations, Activations]:
    """Training, test and reject sets with features, of which a linear layer makes the logits."""
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(N_CLASSES, N_FEATURES)) * 3 / np.sqrt(N_FEATURES)
    means = generator.normal(size=(N_CLASSES, N_FEATURES))

    def part(labels: np.ndarray, split: str) -> Activations:
        features = np.abs(generator.normal(size=(len(labels), N_FEATURES)))
        features[labels >= 0] += means[labels[labels >= 0]] / 2
        logits = (features @ weights.T).astype(np.float32)
        made = activations_of(logits, labels, split)
        return replace(made, features=features.astype(np.float16))

    known = np.arange(N_PICTURES) % N_CLASSES
    return part(known, "train"), part(known, "test"), part(np.full(N_PICTURES, -1), "reject")


def _methods() -> list[Row]:
    """Fitting and scoring of every method, as a ratio to OpenMax, and the comparison of all."""
    train, test, reject = _with_features()
    found: dict[str, tuple[float, float]] = {}
    for name in METHODS:
        fitted = new_method(name)

        def fit(method: Method = fitted) -> None:
            method.fit(train.logits, train.labels, None, train.features)

        def score(method: Method = fitted) -> None:
            method.decide(test.logits, test.features)

        found[name] = best_seconds(fit, 3), best_seconds(score, 3)
    own = found[DEFAULT_PRESET]
    made = [
        Row(
            f"{name}: fit and score {N_PICTURES:,} pictures, C {N_CLASSES}, D {N_FEATURES}",
            f"{1e3 * fitting:.0f} + {1e3 * scoring:.0f} ms",
            note=f"{fitting / own[0]:.1f} and {scoring / own[1]:.1f} times as long as "
            f"'{DEFAULT_PRESET}'",
        )
        for name, (fitting, scoring) in found.items()
        if name != DEFAULT_PRESET
    ]
    method = new_method(DEFAULT_PRESET).fit(train.logits, train.labels)
    evaluation = Evaluation.of(method, train, test, reject, "train", "made up")
    seconds = best_seconds(lambda: compare_methods(evaluation, 0.5), 2)
    return [
        *made,
        Row(
            f"compare all methods on {N_PICTURES:,} + {N_PICTURES:,} pictures, D {N_FEATURES}",
            f"{seconds:.1f} s",
            budget="≤ 5 s",
            met=seconds <= 5,
        ),
    ]


def _one_at_a_time(openmax: OpenMax, logits: np.ndarray) -> None:
    """Each picture against each class, as the notebook's cell goes."""
    for vector in logits:
        for mean in openmax.means_:
            stats.weibull_max.cdf(((vector - mean) ** 2).sum(), 0.2, 60.0, 1.6)


def _curve() -> list[Row]:
    generator = np.random.default_rng(0)
    scores, unknown = generator.random(N_SCORES), generator.random(N_SCORES)
    predictions = generator.integers(0, 5, N_SCORES)
    labels = generator.integers(0, 4, N_SCORES)

    def build() -> TradeoffCurve:
        return TradeoffCurve(scores, predictions, labels, unknown, predictions, 4)

    curve = build()
    building = best_seconds(build, 3)
    thresholds = generator.random(N_LOOK_UPS).tolist()
    here = best_seconds(lambda: [curve.test_accuracy(t) for t in thresholds]) / N_LOOK_UPS
    notebook = best_seconds(lambda: np.mean((predictions == labels) & (scores >= 0.5)), 3)
    return [
        Row(
            "exact curve over 1e6 + 1e6 scores",
            f"{building:.2f} s",
            budget="≤ 0.3 s",
            met=building <= 0.3,
        ),
        Row(
            "one look-up on it",
            f"{1e6 * here:.1f} µs",
            f"{1e3 * notebook:.1f} ms",
            notebook / here,
            "≤ 20 µs",
            here <= 20e-6,
        ),
    ]


def _splits() -> Row:
    curve = made_up_evaluation(n_test=333, n_reject=1000).curve
    here = best_seconds(lambda: repeated_splits(curve, MostRejected(0.85)), 3)
    return Row(
        "choose on 300 halves of 2,000 pictures, count on the others",
        f"{1e3 * here:.0f} ms",
        budget="≤ 150 ms",
        met=here <= 0.15,
    )


def _weibull_page() -> Row:
    evaluation = made_up_evaluation(n_classes=1000, n_train=20, n_test=5, n_reject=5000)

    def first_visit() -> None:
        distances = class_distances(evaluation)
        health = class_health(evaluation, distances)
        health_table(evaluation, health)
        for index in range(6):
            multiple(evaluation, distances, health, index, 0.5)

    here = best_seconds(first_visit, 3)
    return Row(
        "Weibull page of 1,000 classes, η = 20, first visit",
        f"{here:.2f} s",
        budget="≤ 1.5 s",
        met=here <= 1.5,
    )
