"""Figures of a score: against other libraries, with ties, and on resamples."""

from __future__ import annotations

import numpy as np
import osr_metrics
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from osr_metrics.selective import aurc
from pytorch_ood import metrics as pytorch_ood_metrics
from pytorch_ood.metrics import functional as pytorch_ood_functional
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, roc_curve

from openmax_core.analysis.paired_bootstrap import Resamples
from openmax_core.analysis.ranking import FIGURES, NAMES, all_figures, figures_on
from openmax_core.tradeoff.curve import TradeoffCurve

N_CLASSES = 4
FLOOR, THRESHOLD = 0.6, 0.4


def made_up(seed: int, n_test: int, n_reject: int, n_scores: int, won: bool) -> TradeoffCurve:
    """A curve with many equal scores; with ``won``, 'unknown' wins for some pictures."""
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, n_scores, n_test + n_reject) / n_scores
    scores[:n_test] = np.round(scores[:n_test] ** 0.5, 2)
    predictions = generator.integers(0, N_CLASSES + won, n_test + n_reject)
    labels = np.where(
        generator.random(n_test) < 0.7,
        np.minimum(predictions[:n_test], N_CLASSES - 1),
        generator.integers(0, N_CLASSES, n_test),
    )
    return TradeoffCurve(
        scores[:n_test], predictions[:n_test], labels, scores[n_test:], predictions[n_test:],
        N_CLASSES,
    )  # fmt: skip


def ranked(curve: TradeoffCurve) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all pictures, 'unknown' won below all others; whether each is known."""
    scores = np.concatenate([curve.test_scores, curve.reject_scores])
    predictions = np.concatenate([curve.test_predictions, curve.reject_predictions])
    is_known = np.repeat([True, False], [curve.n_test, curve.n_reject])
    return np.where(predictions == N_CLASSES, -1.0, scores), is_known


curves = st.builds(
    made_up,
    st.integers(0, 10_000),
    st.integers(2, 60),
    st.integers(2, 60),
    st.sampled_from([1, 3, 10, 1000]),
    st.booleans(),
)


@settings(max_examples=60)
@given(curves)
def test_figures_are_those_of_other_libraries(curve):
    found = all_figures(curve, FLOOR, THRESHOLD)
    scores, is_known = ranked(curve)
    is_right = curve.test_predictions == curve.test_labels
    correct = np.concatenate([is_right, np.zeros(curve.n_reject, dtype=bool)])
    close = pytest.approx
    assert found["auroc"] == close(roc_auc_score(is_known, scores))
    assert found["aupr_known"] == close(average_precision_score(is_known, scores))
    assert found["aupr_unknown"] == close(average_precision_score(~is_known, -scores))
    assert found["aupr_known"] == close(osr_metrics.aupr_in(-scores, ~is_known))
    assert found["aupr_unknown"] == close(osr_metrics.aupr_out(-scores, ~is_known))
    fpr, tpr, _ = roc_curve(is_known, scores, drop_intermediate=False)
    assert found["fpr_at_95_tpr"] == close(fpr[np.argmax(tpr >= 0.95 - 1e-12)])
    if len(np.unique(scores)) > 1:  # of equal scores osr-metrics says 0, not half the accuracy
        assert found["oscr"] == close(
            osr_metrics.compute_aoscr(-scores, ~is_known, correct, np.ones(len(correct)))
        )
    assert found["aurc"] == close(aurc(-scores[: curve.n_test], 1.0 - is_right))
    decided = [
        np.where(scores < THRESHOLD, N_CLASSES, predictions)
        for scores, predictions in (
            (curve.test_scores, curve.test_predictions),
            (curve.reject_scores, curve.reject_predictions),
        )
    ]
    true = np.concatenate([curve.test_labels, np.full(curve.n_reject, N_CLASSES)])
    classes = list(range(N_CLASSES + 1))
    assert found["macro_f1"] == close(
        f1_score(true, np.concatenate(decided), average="macro", labels=classes, zero_division=0)
    )


@settings(max_examples=30)
@given(curves)
def test_pytorch_ood_has_unknown_as_positive(curve):
    """Turned round, a score's figures are those of pytorch-ood where it agrees on the rule."""
    scores, is_known = ranked(curve)
    outlier = torch.from_numpy(-scores)
    labels = torch.from_numpy(np.where(is_known, 0, -1))
    found = all_figures(curve, FLOOR, THRESHOLD)
    metric = pytorch_ood_metrics.AUROC().update(outlier, labels).compute()
    assert found["auroc"] == pytest.approx(metric["AUROC"])
    turned = pytorch_ood_metrics.FPRAtTPR(tpr=0.95).update(-outlier, -1 - labels).compute()
    assert found["fpr_at_95_tpr"] == pytest.approx(next(iter(turned.values())))
    predictions = np.concatenate([curve.test_predictions, curve.reject_predictions])
    true = np.concatenate([curve.test_labels, np.full(curve.n_reject, -1)])
    assert found["oscr"] == pytest.approx(
        float(
            pytorch_ood_functional.oscr_score(
                outlier, torch.from_numpy(predictions), torch.from_numpy(true)
            )
        )
    )


@settings(max_examples=30)
@given(curves)
def test_ccr_at_fpr_is_the_best_of_all_thresholds(curve):
    found = all_figures(curve, FLOOR, THRESHOLD)
    outcomes = curve.all_outcomes
    for name, most in (("ccr_at_fpr_1", 0.01), ("ccr_at_fpr_5", 0.05), ("ccr_at_fpr_10", 0.1)):
        allowed = outcomes.accepted_unknown_share <= most
        assert found[name] == pytest.approx(outcomes.test_accuracy[allowed].max())
    assert found["auroc"] == pytest.approx(curve.auroc)
    assert found["oscr"] == pytest.approx(curve.oscr)


@settings(max_examples=20)
@given(curves, st.integers(0, 1000))
def test_a_picture_that_is_drawn_twice_counts_twice(curve, seed):
    generator = np.random.default_rng(seed)
    draws = Resamples.draw(curve.n_test, curve.n_reject, 3, generator)
    resampled = figures_on(curve, FLOOR, THRESHOLD, draws)
    assert resampled.shape == (3, len(NAMES))
    for row, test, reject in zip(resampled, draws.test, draws.reject, strict=True):
        known = np.repeat(np.arange(curve.n_test), test.astype(int))
        unknown = np.repeat(np.arange(curve.n_reject), reject.astype(int))
        copied = TradeoffCurve(
            curve.test_scores[known],
            curve.test_predictions[known],
            curve.test_labels[known],
            curve.reject_scores[unknown],
            curve.reject_predictions[unknown],
            N_CLASSES,
        )
        expected = list(all_figures(copied, FLOOR, THRESHOLD).values())
        np.testing.assert_allclose(row, expected, atol=1e-12)


def test_chunks_of_resamples_change_nothing(monkeypatch):
    curve = made_up(1, 40, 30, 10, won=True)
    draws = Resamples.draw(40, 30, 7, np.random.default_rng(0))
    whole = figures_on(curve, FLOOR, THRESHOLD, draws)
    monkeypatch.setattr("openmax_core.analysis.ranking.CHUNK_VALUES", 100)
    np.testing.assert_allclose(figures_on(curve, FLOOR, THRESHOLD, draws), whole, atol=1e-12)


def test_what_cannot_be_counted_is_nan():
    curve = made_up(1, 40, 30, 10, won=False)
    found = all_figures(curve, 1.01, None)
    assert [name for name, value in found.items() if np.isnan(value)] == [
        "reject_at_floor",
        "macro_f1",
    ]


def test_every_figure_has_words():
    assert all(item.label and item.in_words.endswith(".") for item in FIGURES.values())
