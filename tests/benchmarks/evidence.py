"""``make evidence``: which method should be the default, and what that rests on.

The rule:

1. Candidates are the settings of ``GRID``. One counts if its mean figures in no group of
   development problems lie beyond noise (95 %, paired bootstrap) below those of maximum softmax
   probability, and if over all groups no more of them lie beyond noise below those of the maximum
   logit than above. Groups with a constant of each picture's own are left out: 'openmax' keeps a
   part of it.
2. Candidates that count differ little. The preset 'openmax' is one of them, with round values.
3. It is then compared on the final problems with all other methods.

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

from openmax_core.analysis.evidence import FIELD_FIGURES
from openmax_core.analysis.paired_bootstrap import Resamples, figures_of, resampled_figures
from openmax_core.analysis.ranking import NAMES, all_figures, figures_on
from openmax_core.errors import FitError
from openmax_core.methods.distances import euchord
from openmax_core.methods.fitting import fit_weibull
from openmax_core.methods.method import Decisions
from openmax_core.methods.openmax import OpenMax
from openmax_core.methods.registry import FEATURE_METHODS, new_method
from openmax_core.methods.scores import SCORES
from openmax_core.methods.settings import DEFAULT_PRESET, PRESETS
from openmax_core.support.files import write_text_atomically
from openmax_core.tradeoff.curve import TradeoffCurve
from tests.benchmarks.problems import (
    Part,
    Problem,
    absent,
    development_problems,
    feature_problems,
    final_problems,
)

PATH = Path(__file__).parents[2] / "assets" / "evidence.json"
GRID: dict[str, tuple[Any, ...]] = {
    "tail_size": (20, 30, 50),
    "kept_mean": (0.5, 0.6, 0.75),
    "strength": (0.25, 0.35),
}
OWN = ", own constants"
MSP = "maximum softmax probability"
FIGURES = ("auroc", "reject_at_floor", "oscr")
FLOOR = 0.85
N_RESAMPLES, N_FEW_RESAMPLES = 1000, 300
WITH_FEATURES = (DEFAULT_PRESET, *SCORES, *FEATURE_METHODS)
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


def score(name: str) -> Method:
    """A score of the logits, by its name."""
    return lambda problem: of_scores(problem, SCORES[name].of)


def openmax(preset: str, **settings: Any) -> Method:
    """OpenMax calibrated on the training pictures."""

    def method(problem: Problem) -> TradeoffCurve:
        fitted = OpenMax(preset, **settings).fit(problem.train.logits, problem.train.labels)
        return _curve(problem, fitted.decide, fitted.n_classes)

    return method


def held_out(problem: Problem) -> TradeoffCurve:
    """'openmax' calibrated on known pictures that the network was not trained on."""
    if problem.held is None:
        raise NotMeasurableError
    fitted = OpenMax("openmax").fit(problem.held.logits, problem.held.labels)
    return _curve(problem, fitted.decide, fitted.n_classes)


def on_features(problem: Problem) -> TradeoffCurve:
    """'openmax' with distances between penultimate features instead of logits."""
    train = problem.train
    if train.features is None:
        raise NotMeasurableError
    fitted = OpenMax("openmax").fit(train.logits, train.labels)
    right = train.logits.argmax(axis=1) == train.labels
    own = [train.features[right & (train.labels == k)] for k in range(fitted.n_classes)]
    means = [rows.mean(axis=0) for rows in own]
    distances = [euchord(a, b) for a, b in zip(own, means, strict=True)]
    _, fitted.weibull_, _ = fit_weibull(
        distances, fitted.n_correct_, fitted.settings_, fitted.class_names_
    )

    def decisions(part: Part) -> Decisions:
        assert part.features is not None
        to_means = [euchord(part.features, mean) for mean in means]
        return fitted.decide_at(part.logits, fitted.cdf(np.stack(to_means, axis=1)))

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
        yield dict(zip(GRID, values, strict=True))


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
    """The preset's settings, and all candidates with what the rule says of them, the best first."""
    softmax, largest = (development.measure(score(name)) for name in ("msp", "max_logit"))
    rows = []
    for settings in candidates():
        measured = development.measure(openmax("openmax", **settings))
        values = development.by_group([item[0] for item in measured if item is not None])
        counts = {
            f"{kind}_{name}": n
            for name, other in (("softmax", softmax), ("maximum_logit", largest))
            for kind, n in _counts(development, measured, other).items()
        }
        counted = counts["below_softmax"] == 0
        counted &= counts["below_maximum_logit"] <= counts["above_maximum_logit"]
        mean = round(float(values.mean()), 5)
        rows.append({"mean_figure": mean, **settings, **counts, "counts": bool(counted)})
    rows.sort(key=lambda row: -row["mean_figure"])
    chosen = {name: getattr(PRESETS["openmax"], name) for name in GRID}
    if not any(row["counts"] for row in rows if chosen.items() <= row.items()):
        raise SystemExit(f"the preset {chosen} does not count: {rows}")
    return chosen, rows


def _counts(development: Problems, one: list[Measured], other: list[Measured]) -> dict[str, int]:
    """How many figures of groups lie beyond noise above and below others."""
    groups, _, drawn = development.differences(one, other)
    kept = [index for index, group in enumerate(groups) if not group.endswith(OWN)]
    low, high = interval(drawn[:, kept])
    return {"above": int((low > 0).sum()), "below": int((high < 0).sum())}


def ablations(development: Problems) -> list[dict[str, Any]]:
    """What 'openmax' gains or loses on the development problems when one thing is changed."""
    changes: dict[str, Method] = {
        "nothing of the mean logit kept": openmax("openmax", kept_mean=0.0),
        "all of the mean logit kept": openmax("openmax", kept_mean=1.0),
        "score: largest probability": openmax("openmax", score="probability", kept_mean=0.0),
        "no re-weighting": openmax("openmax", strength=1e-9),
        "half of the weights (strength ½)": openmax("openmax", strength=0.5),
        "full weights (strength 1)": openmax("openmax", strength=1.0),
        "α = 1": openmax("openmax", alpha_rank=1),
        "α = 10": openmax("openmax", alpha_rank=10),
        "η = 50": openmax("openmax", tail_size=50),
        "η = 100": openmax("openmax", tail_size=100),
        "η = half of the class": openmax("openmax", tail_size=20, tail_share=0.5),
        "libMR's Weibull": openmax("openmax", weibull="libmr"),
        "Euclidean distance": openmax("openmax", distance="euclidean"),
        "Euclidean/200 + cosine": openmax("openmax", distance="eucos"),
        "calibrated on pictures held out of training": held_out,
        "distances of penultimate features": on_features,
        **{name: method for name, method in METHODS.items() if name != "openmax"},
    }
    rows, base = [], development.measure(openmax("openmax"))
    for name, method in changes.items():
        groups, plain, drawn = development.differences(development.measure(method), base)
        low, high = interval(drawn.mean(axis=1))
        rows.append(
            {
                "change": name,
                "difference": _named(plain.mean(axis=0)),
                "low": _named(low),
                "high": _named(high),
                "by_group": {
                    group: _named(values) for group, values in zip(groups, plain, strict=True)
                },
            }
        )
    return rows


def _named(values: Array) -> dict[str, float]:
    return dict(zip(FIGURES, np.round(values, 5).tolist(), strict=True))


# --- reporting -----------------------------------------------------------------------------------


METHODS: dict[str, Method] = {
    "openmax": openmax("openmax"),
    "robust": openmax("robust"),
    "bendale": openmax("bendale"),
    "notebook": openmax("notebook"),
    "maximum logit": score("max_logit"),
    "energy": score("energy"),
    "GEN": score("gen"),
    MSP: score("msp"),
}


def report(final: Problems) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Figures of all methods, less those of softmax, on every problem and on every group."""
    by_problem, by_group = [], []
    base = final.measure(METHODS[MSP])
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
            "value": round(float(value[i]), 5),
            "difference": round(float(difference[i]), 5),
            "low": round(float(low[i]), 5),
            "high": round(float(high[i]), 5),
        }
        for i, figure in enumerate(FIGURES)
    }


def report_features(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Figures of methods of features beside others, less those of softmax, on every problem."""
    rows = []
    for problem in problems:
        resamples = Resamples.draw(
            len(problem.test.labels),
            len(problem.reject.labels),
            N_FEW_RESAMPLES,
            np.random.default_rng(0),
        )
        own = {name: _field_figures(name, problem, resamples) for name in WITH_FEATURES}
        value, drawn = own["msp"]
        for name, (mine, mine_drawn) in own.items():
            if np.isnan(mine).all():
                continue
            low, high = interval(mine_drawn - drawn)
            row: dict[str, Any] = {
                "problem": problem.name,
                "group": problem.group,
                "classes": problem.test.logits.shape[1],
                "features": 0
                if problem.train.features is None
                else problem.train.features.shape[1],
                "train": len(problem.train.labels),
                "test": len(problem.test.labels),
                "reject": len(problem.reject.labels),
                "method": name,
            }
            row |= {
                figure: {
                    "value": round(float(mine[i]), 5),
                    "difference": round(float(mine[i] - value[i]), 5),
                    "low": round(float(low[i]), 5),
                    "high": round(float(high[i]), 5),
                }
                for i, figure in enumerate(FIELD_FIGURES)
            }
            rows.append(row)
            told = "  ".join(f"{figure} {row[figure]['value']:.3f}" for figure in FIELD_FIGURES)
            print(f"{problem.name:36} {name:12} {told}", flush=True)
    return rows


def _field_figures(name: str, problem: Problem, resamples: Resamples) -> tuple[Array, Array]:
    """(4,) and (R, 4) figures of a method; NaN where it cannot be fitted."""
    train, test, reject = problem.train, problem.test, problem.reject
    method = new_method(name)
    try:
        method.fit(train.logits, train.labels, features=train.features)
    except FitError as error:
        print(f"{problem.name:36} {name:12} {error}")
        nothing = np.full(len(FIELD_FIGURES), np.nan)
        return nothing, nothing[None]
    curve = _curve_of(
        problem,
        method.decide(test.logits, test.features),
        method.decide(reject.logits, reject.features),
        method.n_classes,
    )
    places = [NAMES.index(figure) for figure in FIELD_FIGURES]
    value = np.array(list(all_figures(curve, FLOOR, None).values()))[places]
    return np.nan_to_num(value), np.nan_to_num(figures_on(curve, FLOOR, None, resamples)[:, places])


def write_features() -> None:
    """Put :func:`report_features` into the stored evidence, beside what is there."""
    with tempfile.TemporaryDirectory() as folder:
        rows = report_features(feature_problems(Path(folder)))
    if absent():
        return
    values = json.loads(PATH.read_text(encoding="utf-8")) | {"of_features": rows}
    _write(values)


def _write(values: dict[str, Any]) -> None:
    write_text_atomically(PATH, json.dumps(values, separators=(",", ":"), allow_nan=False) + "\n")
    print(f"wrote {PATH}")


def main(arguments: Sequence[str]) -> None:
    """Choose, change one thing at a time, report, and add the methods of features.

    'choose' stops before the final problems; 'features' does the last step alone.
    """
    if "features" in arguments:
        write_features()
        return
    if missing := absent():
        print(missing, file=sys.stderr)
    development = Problems(development_problems())
    settings, ranked = choose(development)
    print("chosen:", settings)
    for row in ranked[:20]:
        print(row)
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
        "candidates": ranked,
        "n_development_problems": len(development.problems),
        "n_resamples": N_RESAMPLES,
        "floor": FLOOR,
        "ablations": changed,
        "by_problem": by_problem,
        "by_group": by_group,
    }
    if not missing:
        _write(values)
        write_features()


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
