"""``make evidence``: which method should be the default, and what that rests on.

The rule, fixed before the final problems are looked at:

1. Candidates are the settings of ``GRID``. One counts if it can be fitted to every development
   problem, and if its mean figures in no group of them lie beyond noise (95 %, paired bootstrap)
   below those of maximum softmax probability.
2. Of those that count, the one with the largest mean of AUROC, OSCR and Reject accuracy at Test
   accuracy ≥ 0.85, each group of problems weighing the same, is the preset 'robust'.
3. It is then compared once, on the final problems, with 'bendale', 'notebook', maximum softmax
   probability and maximum logit.

Prints it all; writes ``assets/evidence.json``, which the dashboard shows, if all data are there.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmax_core.errors import FitError
from openmax_core.methods.distances import euclidean_and_cosine, eucos, learn_factors, scaled_eucos
from openmax_core.methods.method import Decisions
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.reweighting import softmax
from openmax_core.methods.settings import PRESETS
from openmax_core.support.files import write_text_atomically
from openmax_core.tradeoff.curve import TradeoffCurve
from openmax_core.tradeoff.paired_bootstrap import Resamples, figures_of, resampled_figures
from openmax_core.weibull.fit import fit_tails
from tests.benchmarks.problems import Part, Problem, absent, development_problems, final_problems

PATH = Path(__file__).parents[2] / "assets" / "evidence.json"
GRID: dict[str, tuple[Any, ...]] = {
    "centring": ("mean", "minimum"),
    "distance": ("euclidean", "cosine", "eucos", "scaled_eucos"),
    "tail": ((20, None), (10, 0.05), (10, 0.1), (10, 0.2), (10, 0.5)),
    "alpha_rank": (1, 2, 3, 5),
    "strength": (1.0, 0.5, 0.25),
}
MSP = "maximum softmax probability"
FIGURES = ("auroc", "reject_at_floor", "oscr")
FLOOR = 0.85
N_RESAMPLES = 1000
Array = NDArray[np.float64]
Method = Callable[[Problem], TradeoffCurve]
Measured = tuple[Array, Array] | None


class NotMeasurableError(Exception):
    """The problem lacks what the method needs."""


# --- methods -------------------------------------------------------------------------------------


def of_scores(problem: Problem, score: Callable[[Array], Array]) -> TradeoffCurve:
    """Curve of a score alone, without OpenMax."""
    test, reject = problem.test.logits, problem.reject.logits
    return TradeoffCurve(
        score(test),
        test.argmax(axis=1),
        problem.test.labels,
        score(reject),
        reject.argmax(axis=1),
        test.shape[1],
    )


def maximum_softmax(problem: Problem) -> TradeoffCurve:
    """Largest probability of the classifier."""
    return of_scores(problem, lambda logits: softmax(logits).max(axis=1))


def maximum_logit(problem: Problem) -> TradeoffCurve:
    """Largest logit of the classifier."""
    return of_scores(problem, lambda logits: logits.max(axis=1))


def openmax(preset: str, **settings: Any) -> Method:
    """OpenMax calibrated on the training pictures."""

    def method(problem: Problem) -> TradeoffCurve:
        fitted = OpenMax(preset, **settings).fit(problem.train.logits, problem.train.labels)
        return _curve(problem, fitted.decide, fitted.n_classes)

    return method


def held_out(problem: Problem) -> TradeoffCurve:
    """'robust' calibrated on known pictures that the network was not trained on."""
    if problem.held is None:
        raise NotMeasurableError
    fitted = OpenMax("robust").fit(problem.held.logits, problem.held.labels)
    return _curve(problem, fitted.decide, fitted.n_classes)


def left_out_means(problem: Problem) -> TradeoffCurve:
    """'robust' with tails of distances to the mean of the *other* pictures of the class."""
    train = problem.train
    fitted = OpenMax("robust").fit(train.logits, train.labels)
    vectors = train.logits - train.logits.mean(axis=1, keepdims=True)
    right = vectors.argmax(axis=1) == train.labels
    distances = []
    for k, mean in enumerate(fitted.means_):
        own = vectors[right & (train.labels == k)]
        distances.append(eucos(own, (len(own) * mean - own) / (len(own) - 1)))
    fitted.weibull_ = fit_tails(distances, fitted.settings_.tail_size)
    return _curve(problem, fitted.decide, fitted.n_classes)


def on_features(problem: Problem) -> TradeoffCurve:
    """'robust' with distances between penultimate features instead of logits."""
    train = problem.train
    if train.features is None:
        raise NotMeasurableError
    fitted = OpenMax("robust").fit(train.logits, train.labels)
    right = train.logits.argmax(axis=1) == train.labels
    own = [train.features[right & (train.labels == k)] for k in range(fitted.n_classes)]
    means = [rows.mean(axis=0) for rows in own]
    parts = [euclidean_and_cosine(a, b) for a, b in zip(own, means, strict=True)]
    factors = learn_factors(np.concatenate(parts))
    fitted.weibull_ = fit_tails([part @ factors for part in parts], fitted.settings_.tail_size)

    def decisions(part: Part) -> Decisions:
        assert part.features is not None
        distances = [scaled_eucos(part.features, mean, factors) for mean in means]
        return fitted.decide_at(part.logits, fitted.cdf(np.stack(distances, axis=1)))

    return _curve_of(problem, decisions(problem.test), decisions(problem.reject), fitted.n_classes)


def _curve(problem: Problem, decide: Callable[[Array], Decisions], n_classes: int) -> TradeoffCurve:
    return _curve_of(problem, decide(problem.test.logits), decide(problem.reject.logits), n_classes)


def _curve_of(
    problem: Problem, test: Decisions, reject: Decisions, n_classes: int
) -> TradeoffCurve:
    return TradeoffCurve(
        test.scores,
        test.predictions,
        problem.test.labels,
        reject.scores,
        reject.predictions,
        n_classes,
    )


# --- figures -------------------------------------------------------------------------------------


def figures(curve: TradeoffCurve) -> Array:
    """(3,) figures; Reject accuracy is 0 where no threshold keeps Test accuracy ≥ 0.85."""
    return np.nan_to_num(figures_of(curve, FLOOR))


def interval(values: Array) -> tuple[Array, Array]:
    """Ends of the 95 % percentile interval of (R, …) resampled values."""
    low, high = np.quantile(values, [0.025, 0.975], axis=0)
    return low, high


# --- choosing ------------------------------------------------------------------------------------


def candidates() -> Iterator[dict[str, Any]]:
    """All settings of the grid."""
    for values in itertools.product(*GRID.values()):
        chosen = dict(zip(GRID, values, strict=True))
        size, share = chosen.pop("tail")
        yield {**chosen, "tail_size": size, "tail_share": share}


class Problems:
    """Problems in groups that weigh the same, with the resamples that all methods share."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.groups = list(dict.fromkeys(problem.group for problem in problems))
        self.resamples = [
            Resamples.draw(
                len(problem.test.labels),
                len(problem.reject.labels),
                N_RESAMPLES,
                np.random.default_rng(0),
            )
            for problem in problems
        ]

    def by_group(self, values: Sequence[Array]) -> Array:
        """(groups, …) means of (problems, …) values."""
        names = np.array([problem.group for problem in self.problems])
        stacked = np.stack(values)
        return np.stack([stacked[names == group].mean(axis=0) for group in self.groups])

    def mean_figure(self, method: Method) -> float:
        """Mean of all figures, each group weighing the same; NaN where it cannot be fitted."""
        try:
            return float(self.by_group([figures(method(p)) for p in self.problems]).mean())
        except FitError:
            return float("nan")

    def measure(self, method: Method) -> list[Measured]:
        """Figures of a method on every problem; None where it needs what the problem lacks."""
        measured: list[Measured] = []
        for problem, resamples in zip(self.problems, self.resamples, strict=True):
            try:
                curve = method(problem)
            except NotMeasurableError:
                measured.append(None)
            else:
                drawn = np.nan_to_num(resampled_figures(curve, FLOOR, resamples))
                measured.append((figures(curve), drawn))
        return measured

    def differences(
        self, one: list[Measured], other: list[Measured]
    ) -> tuple[list[str], Array, Array]:
        """Groups, (groups, 3) figures of one less those of the other, (R, groups, 3) resampled.

        Groups in which either is not measured are left out.
        """
        by_group: dict[str, list[tuple[Array, Array]]] = {}
        for problem, a, b in zip(self.problems, one, other, strict=True):
            if a is not None and b is not None:
                by_group.setdefault(problem.group, []).append((a[0] - b[0], a[1] - b[1]))
        plain = [np.mean([item[0] for item in items], axis=0) for items in by_group.values()]
        drawn = [np.mean([item[1] for item in items], axis=0) for items in by_group.values()]
        return list(by_group), np.stack(plain), np.stack(drawn, axis=1)


def choose(development: Problems) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The settings that the rule chooses, and all candidates, the best first."""
    rows = []
    for number, settings in enumerate(candidates()):
        value = development.mean_figure(openmax("robust", **settings))
        rows.append({"mean_figure": value, **settings})
        if number % 50 == 0:
            print(f"candidate {number} …", file=sys.stderr, flush=True)
    rows.sort(key=lambda row: -np.nan_to_num(row["mean_figure"]))
    base = development.measure(maximum_softmax)
    for row in rows:
        settings = {name: value for name, value in row.items() if name != "mean_figure"}
        measured = development.measure(openmax("robust", **settings))
        _, _, drawn = development.differences(measured, base)
        _, high = interval(drawn)
        row["is_worse_somewhere"] = bool((high < 0).any())
        if not row["is_worse_somewhere"]:
            return settings, rows
    raise SystemExit("no candidate counts")


def ablations(development: Problems) -> list[dict[str, Any]]:
    """What 'robust' gains or loses on the development problems when one thing is changed."""
    changes: dict[str, Method] = {
        "logits as they are (no centring)": openmax("robust", centring="none"),
        "minimum taken off instead of the mean": openmax("robust", centring="minimum"),
        "Euclidean distance": openmax("robust", distance="euclidean"),
        "eucos with scales learned from the data": openmax("robust", distance="scaled_eucos"),
        "η = 10 % of the class": openmax("robust", tail_size=10, tail_share=0.1),
        "η = half of the class": openmax("robust", tail_size=10, tail_share=0.5),
        "α = 1": openmax("robust", alpha_rank=1),
        "α = 10": openmax("robust", alpha_rank=10),
        "half of the weights (strength ½)": openmax("robust", strength=0.5),
        "full weights (strength 1)": openmax("robust", strength=1.0),
        "negative logits take from 'unknown'": openmax("robust", unknown_from="all"),
        "means without the picture itself": left_out_means,
        "calibrated on pictures held out of training": held_out,
        "distances of penultimate features, scales learned": on_features,
        "bendale": openmax("bendale"),
        "maximum logit": maximum_logit,
        MSP: maximum_softmax,
    }
    rows, base = [], development.measure(openmax("robust"))
    for name, method in changes.items():
        groups, plain, drawn = development.differences(development.measure(method), base)
        low, high = interval(drawn.mean(axis=1))
        rows.append(
            {
                "change": name,
                "difference": dict(zip(FIGURES, plain.mean(axis=0).tolist(), strict=True)),
                "low": dict(zip(FIGURES, low.tolist(), strict=True)),
                "high": dict(zip(FIGURES, high.tolist(), strict=True)),
                "by_group": {
                    group: dict(zip(FIGURES, values, strict=True))
                    for group, values in zip(groups, plain.tolist(), strict=True)
                },
            }
        )
    return rows


# --- reporting -----------------------------------------------------------------------------------


METHODS: dict[str, Method] = {
    "robust": openmax("robust"),
    "bendale": openmax("bendale"),
    "notebook": openmax("notebook"),
    "maximum logit": maximum_logit,
    MSP: maximum_softmax,
}


def report(final: Problems) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Figures of all methods, less those of softmax, on every problem and on every group."""
    by_problem, by_group = [], []
    base = final.measure(maximum_softmax)
    for name, method in METHODS.items():
        measured = final.measure(method)
        for problem, own, other in zip(final.problems, measured, base, strict=True):
            assert own is not None
            assert other is not None
            row = {
                "problem": problem.name,
                "group": problem.group,
                "classes": problem.test.logits.shape[1],
                "test": len(problem.test.labels),
                "reject": len(problem.reject.labels),
                "method": name,
            }
            by_problem.append(row | _figures(own[0], own[0] - other[0], own[1] - other[1]))
        _, plain, drawn = final.differences(measured, base)
        values = final.by_group([item[0] for item in measured if item is not None])
        for index, group in enumerate(final.groups):
            n_problems = sum(problem.group == group for problem in final.problems)
            row = {"group": group, "problems": n_problems, "method": name}
            by_group.append(row | _figures(values[index], plain[index], drawn[:, index]))
    return by_problem, by_group


def _figures(value: Array, difference: Array, drawn: Array) -> dict[str, Any]:
    low, high = interval(drawn)
    return {
        figure: {
            "value": float(value[i]),
            "difference": float(difference[i]),
            "low": float(low[i]),
            "high": float(high[i]),
        }
        for i, figure in enumerate(FIGURES)
    }


def main(arguments: Sequence[str]) -> None:
    """Choose, change one thing at a time, report; 'choose' stops before the final problems."""
    if missing := absent():
        print(missing, file=sys.stderr)
    development = Problems(development_problems())
    settings, ranked = choose(development)
    print("chosen:", settings)
    for row in ranked[:20]:
        print(row)
    preset = {name: getattr(PRESETS["robust"], name) for name in settings}
    print("the preset is", "the same" if preset == settings else f"ANOTHER: {preset}")
    changed = ablations(development)
    for row in changed:
        print(_line(row["change"], row["difference"], row["low"], row["high"]))
    if "choose" in arguments:
        return
    with tempfile.TemporaryDirectory() as folder:
        final = Problems(final_problems(Path(folder)))
    by_problem, by_group = report(final)
    for row in [*by_problem, *by_group]:
        print(_final_line(row))
    values = {
        "chosen": settings,
        "n_candidates": len(ranked),
        "best_candidates": ranked[:10],
        "n_development_problems": len(development.problems),
        "n_resamples": N_RESAMPLES,
        "floor": FLOOR,
        "ablations": changed,
        "by_problem": by_problem,
        "by_group": by_group,
    }
    if not missing:
        write_text_atomically(PATH, json.dumps(values, indent=1, allow_nan=False) + "\n")
        print(f"wrote {PATH}")


def _line(name: str, *values: dict[str, float]) -> str:
    parts = [
        f"{value[0]:+.4f} [{value[1]:+.4f}, {value[2]:+.4f}]"
        for value in zip(*(item.values() for item in values), strict=True)
    ]
    return f"{name:46} {'  '.join(parts)}"


def _final_line(row: dict[str, Any]) -> str:
    parts = [
        f"{row[f]['value']:.3f} ({row[f]['difference']:+.3f} "
        f"[{row[f]['low']:+.3f}, {row[f]['high']:+.3f}])"
        for f in FIGURES
    ]
    name = row.get("problem", f"ALL {row['group']}")
    return f"{name:52} {row['method']:28} {'  '.join(parts)}"


if __name__ == "__main__":
    main(sys.argv[1:])
