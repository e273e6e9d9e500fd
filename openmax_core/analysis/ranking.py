"""Figures that the field reports of a score, on the pictures and on resamples of them.

A picture with a larger score counts as more likely known; where 'unknown' won it ranks below all
others. N test pictures are known, M reject pictures unknown. Libraries disagree on conventions.
These are ours, and each holds with ties:

auroc
    Share of pairs in which a test picture outscores a reject picture, ties counted half: the area
    under the ROC curve by trapezoids, whichever class is positive.
fpr_at_95_tpr
    Known is positive: of the thresholds that accept 95 % of the test pictures or more, the largest;
    the share of reject pictures that it accepts. pytorch-ood, OpenOOD and osr-metrics take unknown
    as positive (:attr:`Figure.elsewhere`),
    which is another figure: the share of test pictures rejected where 95 % of the unknowns are.
aupr_known, aupr_unknown
    Average precision, known or unknown as positive: steps, as in scikit-learn and osr-metrics.
    pytorch-ood joins the points by straight lines, which flatters. Called AUPR-In and AUPR-Out.
oscr
    Area under CCR over FPR (Dhamija et al., 2018): the share of pairs in which a test picture is
    given its right class and outscores a reject picture, ties counted half (trapezoids).
ccr_at_fpr_1, ccr_at_fpr_5, ccr_at_fpr_10
    Largest share of test pictures accepted and given their right class at a threshold that accepts
    at most 1, 5, 10 % of the reject pictures; no point in between is made up.
reject_at_floor
    Reject accuracy at the largest threshold that keeps a floor of Test accuracy.
aurc
    Area under the risk-coverage curve of the test pictures alone (Geifman & El-Yaniv, 2017): the
    mean, over k = 1 … N, of the share of wrong classes among the k with the largest scores; of
    equal scores, the mean over their orders. Smaller is better.
macro_f1
    Mean of the F1 of the C classes and of 'unknown', all at one threshold; a class that is neither
    true nor predicted counts 0, as in scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openmax_core.analysis.paired_bootstrap import Resamples, resampled_figures
from openmax_core.support.arrays import Float, Int
from openmax_core.tradeoff.curve import TradeoffCurve

CHUNK_VALUES = 1 << 22  # of one array of resampled counts: 32 MB
FPRS = {"ccr_at_fpr_1": 0.01, "ccr_at_fpr_5": 0.05, "ccr_at_fpr_10": 0.1}


@dataclass(frozen=True)
class Figure:
    """One figure of a score.

    Attributes
    ----------
    label : str
        Its name in the field.
    in_words : str
        What it is, in a sentence, with the convention.
    elsewhere : str
        What it is called elsewhere, and who counts it in another way; '' if nobody does.
    is_less_better : bool
    """

    label: str
    in_words: str
    elsewhere: str = ""
    is_less_better: bool = False


FIGURES = {
    "auroc": Figure(
        "AUROC",
        "Share of pairs in which a test picture outscores a reject picture; ties count half.",
        "The same everywhere: it does not depend on which class is positive.",
    ),
    "fpr_at_95_tpr": Figure(
        "FPR@95 % TPR",
        "Share of reject pictures that are accepted at the largest threshold that accepts at "
        "least 95 % of the test pictures: known is positive.",
        "pytorch-ood, OpenOOD and osr-metrics take unknown as positive: theirs is the share of "
        "test pictures rejected where 95 % of the unknowns are rejected.",
        is_less_better=True,
    ),
    "aupr_known": Figure(
        "AUPR (known)",
        "Average precision with known as positive, by steps. It depends on how many pictures the "
        "two sets have.",
        "Also AUPR-In. scikit-learn and osr-metrics: the same. pytorch-ood joins the points by "
        "straight lines.",
    ),
    "aupr_unknown": Figure(
        "AUPR (unknown)",
        "Average precision with unknown as positive, by steps. It depends on how many pictures "
        "the two sets have.",
        "Also AUPR-Out. scikit-learn and osr-metrics: the same. pytorch-ood joins the points by "
        "straight lines.",
    ),
    "oscr": Figure(
        "OSCR",
        "Share of pairs in which a test picture gets its right class and outscores a reject "
        "picture; ties count half.",
        "Also AUOSCR. pytorch-ood and osr-metrics: the same. The code of Vaze et al. (2022) "
        "breaks ties by the order of the pictures.",
    ),
    "ccr_at_fpr_1": Figure(
        "CCR@FPR 1 %",
        "Largest share of test pictures accepted with their right class, where at most 1 % of the "
        "reject pictures are accepted.",
        "Some libraries interpolate between two thresholds; no threshold has that figure.",
    ),
    "ccr_at_fpr_5": Figure("CCR@FPR 5 %", "As CCR@FPR 1 %, with at most 5 %."),
    "ccr_at_fpr_10": Figure("CCR@FPR 10 %", "As CCR@FPR 1 %, with at most 10 %."),
    "reject_at_floor": Figure(
        "Reject accuracy at the floor",
        "Largest Reject accuracy of thresholds that keep the floor of Test accuracy.",
        "1 − FPR at a given CCR.",
    ),
    "aurc": Figure(
        "AURC",
        "Mean share of wrong classes among the test pictures that are kept, over every number of "
        "pictures kept. Reject pictures have no part in it.",
        "osr-metrics: the same. Jaeger et al. (2023) count unknowns as mistakes too.",
        is_less_better=True,
    ),
    "macro_f1": Figure(
        "Open-set macro-F1",
        "Mean of the F1 of every class and of 'unknown', at the method's threshold for the floor.",
        "scikit-learn's f1_score with average='macro' over C + 1 classes. Some papers leave "
        "'unknown' out of the mean.",
    ),
}
NAMES = tuple(FIGURES)


@dataclass(frozen=True)
class _Cells:
    """Counts over the distinct scores, from the largest down; (R, K) each.

    ``known``, ``wrong`` and ``unknown`` are counts at or above the score of a cell.
    """

    known: Float
    wrong: Float
    unknown: Float


def figures_on(
    curve: TradeoffCurve, floor: float, threshold: float | None, draws: Resamples
) -> Float:
    """(R, F) figures of :data:`NAMES` on resamples, each picture counted as often as it was drawn.

    Parameters
    ----------
    curve : of a method, on N test and M reject pictures; neither set is empty
    floor : of Test accuracy
    threshold : at which ``macro_f1`` is counted; NaN without
    draws : (R, N) and (R, M)
    """
    step = max(1, CHUNK_VALUES // max(curve.n_test + curve.n_reject, 1))
    parts = [
        _figures(curve, floor, threshold, Resamples(*part))
        for start in range(0, len(draws.test), step)
        for part in [(draws.test[start : start + step], draws.reject[start : start + step])]
    ]
    return np.concatenate(parts)


def all_figures(curve: TradeoffCurve, floor: float, threshold: float | None) -> dict[str, float]:
    """Every figure of :data:`NAMES` on the pictures as they are; arguments as in `figures_on`."""
    once = Resamples(np.ones((1, curve.n_test)), np.ones((1, curve.n_reject)))
    return dict(zip(NAMES, figures_on(curve, floor, threshold, once)[0].tolist(), strict=True))


def _figures(
    curve: TradeoffCurve, floor: float, threshold: float | None, draws: Resamples
) -> Float:
    auroc, rejected, oscr = resampled_figures(curve, floor, draws).T
    cells = _cells(curve, draws)
    found = {
        "auroc": auroc,
        "fpr_at_95_tpr": _fpr_at(cells, 0.95),
        "aupr_known": _average_precision(cells.known, cells.unknown),
        "aupr_unknown": _average_precision(*_from_below(cells.unknown, cells.known)),
        "oscr": oscr,
        **{name: _ccr_at(cells, most) for name, most in FPRS.items()},
        "reject_at_floor": rejected,
        "aurc": _aurc(cells),
        "macro_f1": _macro_f1(curve, threshold, draws),
    }
    return np.stack([found[name] for name in NAMES], axis=1)


def _cells(curve: TradeoffCurve, draws: Resamples) -> _Cells:
    ranks = [
        np.where(predictions == curve.n_classes, -np.inf, scores)
        for scores, predictions in (
            (curve.test_scores, curve.test_predictions),
            (curve.reject_scores, curve.reject_predictions),
        )
    ]
    distinct = np.unique(np.concatenate(ranks))[::-1]
    n_cells = len(distinct)

    def at_or_above(rank: Float, weights: Float) -> Float:
        order = np.argsort(-rank, kind="stable")
        summed = np.zeros((len(weights), len(rank) + 1))
        np.cumsum(weights[:, order], axis=1, out=summed[:, 1:])
        ends = np.searchsorted(-rank[order], -distinct, side="right")
        return np.asarray(summed[:, ends]).reshape(len(weights), n_cells)

    is_wrong = curve.test_predictions != curve.test_labels
    return _Cells(
        at_or_above(ranks[0], draws.test),
        at_or_above(ranks[0][is_wrong], draws.test[:, is_wrong]),
        at_or_above(ranks[1], draws.reject),
    )


def _fpr_at(cells: _Cells, tpr: float) -> Float:
    # A count is compared with a whole number: shares of rounded numbers would miss equality.
    needed = np.ceil(tpr * cells.known[:, -1] - 1e-9)
    first = (cells.known >= needed[:, None]).argmax(axis=1)
    rows = np.arange(len(first))
    return np.asarray(cells.unknown[rows, first] / cells.unknown[:, -1])


def _average_precision(positive: Float, negative: Float) -> Float:
    """(R,) sum of precision × step of recall, of (R, K) counts accepted, ascending."""
    steps = np.diff(positive, axis=1, prepend=0.0)
    accepted = positive + negative
    precision = np.divide(positive, accepted, out=np.zeros_like(accepted), where=accepted > 0)
    return np.asarray((steps * precision).sum(axis=1) / positive[:, -1])


def _from_below(positive: Float, negative: Float) -> tuple[Float, Float]:
    """Counts at or below each score, from the smallest up, of counts at or above it."""

    def reverse(counts: Float) -> Float:
        above = np.concatenate([np.zeros((len(counts), 1)), counts[:, :-1]], axis=1)
        return np.asarray((counts[:, -1:] - above)[:, ::-1])

    return reverse(positive), reverse(negative)


def _ccr_at(cells: _Cells, most: float) -> Float:
    correct = cells.known - cells.wrong
    allowed = cells.unknown <= np.floor(most * cells.unknown[:, -1:] + 1e-9)
    return np.asarray(np.where(allowed, correct, 0.0).max(axis=1) / cells.known[:, -1])


def _aurc(cells: _Cells) -> Float:
    """Of equal scores, each next one is as wrong as they are on average."""
    n_most = int(cells.known[:, -1].max())
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n_most + 1))])
    before = np.diff(cells.known, axis=1, prepend=0.0)
    start = (cells.known - before).astype(np.int64)
    wrong = np.diff(cells.wrong, axis=1, prepend=0.0)
    share = np.divide(wrong, before, out=np.zeros_like(wrong), where=before > 0)
    earlier = cells.wrong - wrong
    risks = (earlier - share * start) * (harmonic[cells.known.astype(np.int64)] - harmonic[start])
    return np.asarray((risks + share * before).sum(axis=1) / cells.known[:, -1])


def _macro_f1(curve: TradeoffCurve, threshold: float | None, draws: Resamples) -> Float:
    if threshold is None:
        return np.full(len(draws.test), np.nan)
    n, unknown = curve.n_classes + 1, curve.n_classes
    right, given, true = (np.zeros((len(draws.test), n)) for _ in range(3))
    for labels, scores, predictions, weights in (
        (curve.test_labels, curve.test_scores, curve.test_predictions, draws.test),
        (
            np.full(curve.n_reject, unknown),
            curve.reject_scores,
            curve.reject_predictions,
            draws.reject,
        ),
    ):
        decided = np.where(scores < threshold, unknown, predictions)
        right += weights @ _one_hot(labels, n, decided == labels)
        given += weights @ _one_hot(decided, n)
        true += weights @ _one_hot(labels, n)
    both = given + true
    return np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0).mean(axis=1)


def _one_hot(classes: Int, n: int, where: NDArray[np.bool_] | bool = True) -> Float:
    return ((classes[:, None] == np.arange(n)) & np.reshape(where, (-1, 1))).astype(np.float64)
