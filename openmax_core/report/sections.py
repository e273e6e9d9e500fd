"""What a report says, section by section, as HTML that needs no script.

Sections begin with their heading; one that does not apply is empty.
"""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from openmax_core.analysis.reject_folders import reject_folders
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.openmax import OpenMax
from openmax_core.prediction.verdicts import class_limits
from openmax_core.support.arrays import Float
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.intervals import Interval, share_interval
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.resampling import choose_on_half
from openmax_core.tradeoff.sweep import class_table, class_warnings, sweep_table
from openmax_core.workspace.workspace import Workspace

MOST_ROWS = 200


def lead(point: OperatingPoint) -> str:
    """Figures of the point in a sentence or two, and what it was chosen for."""
    test = _share(point.counts["correct"], point.n_test)
    text = f"At the threshold <b>{threshold_text(point.threshold)}</b>"
    if point.class_thresholds:
        text = "With a threshold per class"
    text += f" Test accuracy is {test}"
    if point.n_reject:
        text += f" and Reject accuracy {_share(point.counts['rejected_unknown'], point.n_reject)}"
    else:
        text += "; Reject accuracy is not measured, for want of pictures of unknowns"
    objective = point.chosen_for
    chosen = f" It was chosen for {escape(objective.in_words)}." if objective else ""
    return f"{text}.{chosen}"


def _share(count: int, total: int) -> str:
    bounds = _range(share_interval(count, total))
    return f"<b>{100 * count / total:.1f} %</b> ({count:,} of {total:,}; 95 % {bounds})"


def _range(bounds: Interval) -> str:
    return f"{100 * bounds.low:.1f}–{100 * bounds.high:.1f} %"


def class_thresholds(point: OperatingPoint) -> str:
    """Table of the point's thresholds per class; empty where it has a single one."""
    if not point.class_thresholds:
        return ""
    table = pd.DataFrame(
        {
            "predicted class": list(point.class_thresholds),
            "threshold": [threshold_text(value) for value in point.class_thresholds.values()],
        }
    )
    return (
        "<h2>Thresholds per class</h2><p>The explorer and the table of thresholds show one "
        f"threshold for all classes.</p>{_table(table)}"
    )


def folders(evaluation: Evaluation, point: OperatingPoint) -> str:
    """Which kind of unknown slips through; empty where the reject set is not divided."""
    divided = reject_folders(evaluation)
    if not divided.is_divided:
        return ""
    names = evaluation.openmax.class_names_
    outcomes = divided.at(class_limits(names, point.threshold, point.class_thresholds))
    part = ""
    if len(outcomes) > MOST_ROWS:
        part = f" The first {MOST_ROWS:,} of {len(outcomes):,} folders."
    among = f" Of {evaluation.sample_in_words}." if evaluation.sampling is not None else ""
    rows = "".join(
        f"<tr><th scope='row'>{escape(item.folder)}</th><td>{_counted(item.rejected, item.n)}</td>"
        "</tr>"
        for item in outcomes[:MOST_ROWS]
    )
    return (
        "<h2>Which unknowns slip through</h2><p>Reject accuracy at this point by folder of the "
        f"reject set, the worst first.{among}{part}</p><div class='wide'><table class='plain'>"
        "<thead><tr><th>folder</th><th>rejected</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def expectation(evaluation: Evaluation, point: OperatingPoint) -> str:
    """What the same objective keeps on pictures that it was not chosen on; empty without it."""
    objective = point.chosen_for
    if objective is None:
        return ""
    heading = "<h2>What to expect on new pictures</h2>"
    try:
        halves = choose_on_half(evaluation.overall, objective)
    except NoFeasibleThresholdError as error:
        return f"{heading}<p>On one half of the pictures {escape(str(error))}.</p>"
    chosen, kept = halves.chosen.outcome, halves.reported
    rows = [("Test accuracy", chosen.correct, chosen.n_test, kept.correct, kept.n_test)]
    if kept.n_reject:
        rows.append(
            (
                "Reject accuracy",
                chosen.rejected_unknown,
                chosen.n_reject,
                kept.rejected_unknown,
                kept.n_reject,
            )
        )
    cells = "".join(
        f"<tr><th scope='row'>{name}</th><td>{_counted(a, b)}</td><td>{_counted(c, d)}</td></tr>"
        for name, a, b, c, d in rows
    )
    alone = " with one threshold for all classes" if point.class_thresholds else ""
    return (
        f"{heading}<p>A threshold that is chosen and counted on the same pictures flatters itself. "
        f"The same objective{alone}, chosen on one half of the pictures "
        f"(threshold {threshold_text(halves.chosen.threshold)}):</p><div class='wide'>"
        "<table class='plain'><thead><tr><th></th><th>on the half it was chosen on</th>"
        f"<th>on the other half</th></tr></thead><tbody>{cells}</tbody></table></div>"
    )


def _counted(count: int, total: int) -> str:
    bounds = _range(share_interval(count, total))
    return f"{100 * count / total:.1f} % ({count:,} of {total:,}; {bounds})"


def sweep(evaluation: Evaluation, point: OperatingPoint, thresholds: Float) -> str:
    """Table of both accuracies at (T,) thresholds, the point's own marked."""
    table = sweep_table(evaluation.overall, thresholds)
    has_reject = evaluation.overall.n_reject > 0
    rows = []
    for row in table.to_dict(orient="records"):
        test = f"{row['test_accuracy']:.4f} [{row['test_low']:.3f}, {row['test_high']:.3f}]"
        reject = (
            f"{row['reject_accuracy']:.4f} [{row['reject_low']:.3f}, {row['reject_high']:.3f}]"
            if has_reject
            else "not measured"
        )
        here = " class='here'" if row["threshold"] == point.threshold else ""
        counts = [int(row[name]) for name in point.counts]
        rows.append(
            f"<tr{here}><th scope='row'>{threshold_text(row['threshold'])}</th><td>{test}</td>"
            f"<td>{reject}</td>" + "".join(f"<td>{count:,}</td>" for count in counts) + "</tr>"
        )
    heads = ["threshold", "Test accuracy", "Reject accuracy", "correct", "wrong class"]
    heads += ["knowns rejected", "unknowns rejected", "unknowns accepted"]
    return (
        "<h2>Table of thresholds</h2><div class='wide'><table class='plain sweep'><thead><tr>"
        + "".join(f"<th scope='col'>{head}</th>" for head in heads)
        + f"</tr></thead><tbody>{''.join(rows)}</tbody><caption>In brackets 95 % Wilson intervals."
        "</caption></table></div>"
    )


def provenance(workspace: Workspace, evaluation: Evaluation, point: OperatingPoint) -> str:
    """Everything that the figures can be traced by."""
    openmax, settings = evaluation.openmax, workspace.settings
    classifier = settings.classifier
    facts = {
        "workspace": workspace.settings.name,
        **({"about": settings.description} if settings.description else {}),
        **({"pictures": settings.notice} if settings.notice else {}),
        "network": f"{classifier.architecture}, weights {classifier.weights}",
        "classes": ", ".join(openmax.class_names_),
        "method": openmax.preset_,
        **{f"setting {name}": value for name, value in openmax.settings_.to_dict().items()},
        "calibrated on": f"{openmax.n_correct_.sum():,} correctly classified of "
        f"{evaluation.train.n_readable:,} {evaluation.calibrated_on} pictures",
        "test pictures": f"{evaluation.overall.n_test:,}",
        "reject pictures": f"{evaluation.overall.n_reject:,}",
        **({"how exact": evaluation.accuracy_in_words} if evaluation.accuracy_in_words else {}),
        **({"single pictures": evaluation.sample_in_words} if evaluation.sample_in_words else {}),
        "accuracy before rejection": f"{evaluation.accuracy_before_rejection:.4f}",
        "threshold": threshold_text(point.threshold),
        "data fingerprint": evaluation.data,
    }
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    parameters, part = class_table(openmax), ""
    if len(parameters) > MOST_ROWS:
        part = f"<p>The first {MOST_ROWS:,} of {len(parameters):,} classes.</p>"
    return (
        "<h2>Where the figures come from</h2><div class='wide'><table class='plain facts'><tbody>"
        f"{rows}</tbody></table></div><p class='faint'>Test accuracy: share of the test pictures "
        "given their right class; a rejected one counts as wrong. Reject accuracy: share of the "
        f"pictures of unknowns that are rejected.</p><h2>Weibull parameters</h2>{part}"
        + _table(parameters.head(MOST_ROWS))
    )


def _table(table: pd.DataFrame) -> str:
    heads = "".join(f"<th scope='col'>{escape(str(name))}</th>" for name in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(_text(value))}</td>" for value in row) + "</tr>"
        for row in table.itertuples(index=False)
    )
    return (
        f"<div class='wide'><table class='plain'><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


MOST_CURVES = 12
WIDTH, HEIGHT, MARGIN = 260.0, 130.0, 18.0


def weibull_curves(openmax: OpenMax) -> str:
    """Section with the CDFs and their tails; with many classes those with a warning first."""
    warnings = class_warnings(openmax)
    order = sorted(range(openmax.n_classes), key=lambda index: not warnings[index])[:MOST_CURVES]
    more = openmax.n_classes - len(order)
    text = (
        "<h2>How far is too far: the classes' Weibull curves</h2><p>Per class the fitted CDF over "
        "the distance to the class's mean, with the tail it was fitted to."
        + (f" {more:,} more classes are in the dashboard." if more else "")
        + "</p><div class='curves'>"
    )
    for index in sorted(order):
        warning = f"<p class='warning'>{escape(warnings[index])}</p>" if warnings[index] else ""
        name = f"<figcaption><b>{escape(openmax.class_names_[index])}</b></figcaption>"
        text += f"<figure>{name}{_svg(openmax, index)}{warning}</figure>"
    return text + "</div>"


def _svg(openmax: OpenMax, index: int) -> str:
    tail = openmax.tails_[index]
    low, high = float(tail[0]), float(tail[-1])
    margin = 0.15 * (high - low) or 1.0
    low, high = max(0.0, low - margin), high + margin
    x = np.union1d(np.linspace(low, high, 150), tail)
    one = np.array([index])

    def place(distances: Float) -> list[tuple[float, float]]:
        cdf = openmax.weibull_.cdf(distances, np.broadcast_to(one, distances.shape))
        across = MARGIN + (distances - low) / (high - low) * (WIDTH - 2 * MARGIN)
        down = HEIGHT - MARGIN - cdf * (HEIGHT - 2 * MARGIN)
        return list(zip(across.tolist(), down.tolist(), strict=True))

    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in place(x))
    dots = "".join(
        f"<circle class='tail' cx='{a:.1f}' cy='{b:.1f}' r='2.5'/>" for a, b in place(tail)
    )
    top, bottom = MARGIN, HEIGHT - MARGIN
    return (
        f"<svg viewBox='0 0 {WIDTH:g} {HEIGHT:g}' role='img' aria-label='Weibull CDF'>"
        f"<path class='grid' d='M{MARGIN:g} {top:g}H{WIDTH - MARGIN:g}M{MARGIN:g} {bottom:g}"
        f"H{WIDTH - MARGIN:g}'/><text x='2' y='{top + 3:g}'>1</text>"
        f"<text x='2' y='{bottom + 3:g}'>0</text>"
        f"<text x='{MARGIN:g}' y='{HEIGHT - 5:g}'>{low:.4g}</text>"
        f"<text x='{WIDTH - MARGIN:g}' y='{HEIGHT - 5:g}' text-anchor='end'>{high:.4g}</text>"
        f"<polyline class='cdf' points='{line}'/>{dots}</svg>"
    )
