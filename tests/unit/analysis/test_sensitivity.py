"""The grid of η and α against direct fits, and its noise against plain resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from openmax_core import OpenMax, TradeoffCurve
from openmax_core.analysis import sensitivity as module
from openmax_core.analysis.figures import sensitivity_figure
from openmax_core.analysis.paired_bootstrap import (
    MetricGrid,
    Resamples,
    compare,
    figures_of,
    resampled_figures,
)
from openmax_core.analysis.sensitivity import (
    AUROC,
    METRICS,
    OSCR,
    REJECT_AT_FLOOR,
    Sensitivity,
    measure_sensitivity,
    sensitivity_grid,
)
from openmax_core.errors import FitError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.jobs import Job
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError
from tests.support.evaluations import activations_of, evaluation_of, made_up_evaluation


def direct(evaluation: Evaluation, **settings: Any) -> TradeoffCurve:
    """Curve of a method that is fitted from the logits."""
    train, test, reject = evaluation.train, evaluation.test, evaluation.reject
    assert reject is not None
    openmax = OpenMax(**(evaluation.openmax.settings_.to_dict() | settings)).fit(
        train.logits, train.labels
    )
    known, unknown = openmax.decide(test.logits), openmax.decide(reject.logits)
    return TradeoffCurve(
        known.scores,
        known.predictions,
        test.labels,
        unknown.scores,
        unknown.predictions,
        openmax.n_classes,
    )


def rejected_at_floor(curve: TradeoffCurve, floor: float) -> float:
    try:
        found = curve.best(floor).reject_accuracy
    except NoFeasibleThresholdError:
        return float("nan")
    assert found is not None
    return found


def tied_curve(seed: int, n_test: int = 25, n_reject: int = 17) -> TradeoffCurve:
    """Few distinct scores, and 'unknown' wins for some of both sets."""
    generator = np.random.default_rng(seed)
    return TradeoffCurve(
        generator.integers(1, 7, n_test) / 8,
        generator.integers(0, 4, n_test),
        generator.integers(0, 3, n_test),
        generator.integers(1, 7, n_reject) / 8,
        generator.integers(0, 4, n_reject),
        3,
    )


# --- the grid ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{"preset": "bendale"}, {"preset": "bendale", "alpha_rank": 2}]
)
def test_every_cell_is_what_a_direct_fit_gives(settings):
    evaluation = made_up_evaluation(signal=3.0, **settings)
    result = measure_sensitivity(evaluation, 0.6, n_resamples=5)
    assert result.tail_sizes == (5, 10, 15, 20, 30)
    assert result.alpha_ranks == (1, 2, 3)
    assert result.tail_sizes[result.current[1]] == 20
    assert result.alpha_ranks[result.current[0]] == settings.get("alpha_rank", 3)
    for i, rank in enumerate(result.alpha_ranks):
        for j, size in enumerate(result.tail_sizes):
            curve = direct(evaluation, tail_size=size, alpha_rank=rank)
            assert result.grids[AUROC].value[i, j] == pytest.approx(curve.auroc, abs=1e-12)
            assert result.grids[OSCR].value[i, j] == pytest.approx(curve.oscr, abs=1e-12)
            expected = rejected_at_floor(curve, 0.6)
            assert result.grids[REJECT_AT_FLOOR].value[i, j] == pytest.approx(expected, nan_ok=True)


def test_a_method_that_weights_all_classes_alike_has_one_row():
    evaluation = made_up_evaluation(preset="notebook", n_train=30, tail_size=25)
    result = measure_sensitivity(evaluation, 0.6, n_resamples=5)
    assert result.alpha_ranks == (None,)
    assert 25 in result.tail_sizes
    assert result.settings_at(0, 0) == f"η {result.tail_sizes[0]}"
    for j, size in enumerate(result.tail_sizes):
        curve = direct(evaluation, tail_size=size)
        assert result.grids[AUROC].value[0, j] == pytest.approx(curve.auroc, abs=1e-12)


def test_an_alpha_of_none_stands_for_all_classes():
    evaluation = made_up_evaluation(preset="notebook", weighting="code", weibull="libmr")
    assert evaluation.openmax.settings_.alpha_rank is None
    sizes, ranks, (row, column) = sensitivity_grid(evaluation)
    assert (ranks[row], sizes[column]) == (3, 100)


def test_of_many_classes_the_grid_takes_few_ranks_and_its_own():
    evaluation = made_up_evaluation(n_classes=30, n_train=20, alpha_rank=25)
    sizes, ranks, (row, _) = sensitivity_grid(evaluation)
    assert ranks == (1, 2, 3, 5, 10, 20, 25)
    assert ranks[row] == 25
    assert sizes == (5, 10, 15, 20)


def test_slow_fits_make_a_smaller_grid_around_the_current_setting(monkeypatch):
    evaluation = made_up_evaluation(preset="notebook", n_train=120, tail_size=50)
    monkeypatch.setattr(module, "MOST_SLOW_FITS", 9)
    assert sensitivity_grid(evaluation)[0] == (30, 50, 75)


def test_a_tail_size_that_gives_no_weibull_is_left_out():
    # The farthest pictures of each class are copies of one another.
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    logits = generator.normal(0, 1, (60, 2)) + 6 * np.eye(2)[labels]
    logits[:10], logits[30:40] = [40.0, 0.0], [0.0, 40.0]
    train = activations_of(logits, labels)
    reject = activations_of(generator.normal(0, 1, (20, 2)), np.full(20, -1))
    evaluation = evaluation_of(train, train, reject, distance="euclidean")
    result = measure_sensitivity(evaluation, 0.6, n_resamples=5)
    assert result.left_out == (5, 10)
    assert np.isnan(result.grids[AUROC].value[:, :2]).all()
    assert np.isfinite(result.grids[AUROC].value[:, 2:]).all()


def test_without_a_reject_set_nothing_is_compared():
    with pytest.raises(FitError, match="without test and reject pictures"):
        measure_sensitivity(made_up_evaluation(n_reject=0), 0.85)


def test_large_sets_are_sampled_and_it_says_so(monkeypatch):
    evaluation = made_up_evaluation(n_test=40)
    assert not measure_sensitivity(evaluation, 0.6, n_resamples=3).is_sampled
    monkeypatch.setattr(module, "MOST_PICTURES", 50)
    result = measure_sensitivity(evaluation, 0.6, n_resamples=3)
    assert result.is_sampled
    assert (result.n_test, result.n_test_all) == (50, 120)
    assert (result.n_reject, result.n_reject_all) == (50, 60)
    again = measure_sensitivity(evaluation, 0.6, n_resamples=3)
    np.testing.assert_array_equal(again.grids[AUROC].value, result.grids[AUROC].value)


def test_it_tells_how_far_it_is_and_can_be_stopped():
    evaluation = made_up_evaluation()
    seen: list[tuple[int, int]] = []
    measure_sensitivity(evaluation, 0.6, seen.append, n_resamples=2)
    assert seen == [(done, 15) for done in range(1, 16)]
    job: Job[tuple[int, int], Sensitivity] = Job(
        lambda report: measure_sensitivity(evaluation, 0.6, report)
    )
    job.cancel()
    job._thread.join()
    assert not job.has_result
    assert job.problem is None


# --- figures on resamples ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("floor", [0.0, 0.1, 0.2, 0.4, 1.0])
def test_the_figures_are_the_curve_s_own(seed, floor):
    curve = tied_curve(seed)
    auroc, rejected, oscr = figures_of(curve, floor)
    assert auroc == pytest.approx(curve.auroc, abs=1e-12)
    assert oscr == pytest.approx(curve.oscr, abs=1e-12)
    assert rejected == pytest.approx(rejected_at_floor(curve, floor), nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("floor", [0.0, 0.1, 0.3])
def test_a_resample_is_a_curve_of_the_pictures_drawn(seed, floor):
    curve = tied_curve(seed)
    draws = Resamples.draw(25, 17, 20, np.random.default_rng(seed))
    assert (draws.test.sum(axis=1) == 25).all()
    assert (draws.reject.sum(axis=1) == 17).all()
    found = resampled_figures(curve, floor, draws)
    for row in range(20):
        test = np.repeat(np.arange(25), draws.test[row].astype(int))
        reject = np.repeat(np.arange(17), draws.reject[row].astype(int))
        drawn = TradeoffCurve(
            curve.test_scores[test],
            curve.test_predictions[test],
            curve.test_labels[test],
            curve.reject_scores[reject],
            curve.reject_predictions[reject],
            3,
        )
        expected = [drawn.auroc, rejected_at_floor(drawn, floor), drawn.oscr]
        np.testing.assert_allclose(found[row], expected, atol=1e-12)


def test_a_curve_where_nothing_is_right_reaches_no_floor():
    curve = TradeoffCurve([0.5, 0.6], [1, 2], [0, 0], [0.1], [0], 2)
    auroc, rejected, oscr = figures_of(curve, 0.5)
    assert (auroc, oscr) == (0.5, 0.0)
    assert np.isnan(rejected)


def test_differences_are_paired_and_judged_together_as_in_a_plain_loop():
    generator = np.random.default_rng(2)
    value = np.array([[0.80, 0.81, 0.70], [0.79, 0.95, 0.80]])
    common = generator.normal(0, 0.05, (300, 1, 1))  # what all cells share does not count
    resampled = value + common + generator.normal(0, [[0.01] * 3, [0.01, 0.02, 0.0]], (300, 2, 3))
    current = (0, 0)
    grid = compare(value, resampled, current)
    spreads = {}
    cells = [(i, j) for i in range(2) for j in range(3) if (i, j) != current]
    for i, j in cells:
        differences = [resampled[r, i, j] - resampled[r, 0, 0] for r in range(300)]
        difference = value[i, j] - value[0, 0]
        low, high = np.quantile(differences, [0.025, 0.975])
        assert grid.difference[i, j] == difference
        assert (grid.difference_low[i, j], grid.difference_high[i, j]) == pytest.approx((low, high))
        spreads[i, j] = np.sqrt(np.mean([(d - difference) ** 2 for d in differences]))
    worst = [
        max(
            abs(resampled[r, i, j] - resampled[r, 0, 0] - value[i, j] + value[0, 0]) / spreads[i, j]
            for i, j in cells
        )
        for r in range(300)
    ]
    limit = np.quantile(worst, 0.95)
    assert limit > 1.96
    for i, j in cells:
        expected = abs(value[i, j] - value[0, 0]) > limit * spreads[i, j]
        assert grid.is_beyond_noise[i, j] == expected
    assert grid.is_beyond_noise.tolist() == [[False, False, True], [False, True, False]]
    low, high = np.quantile(resampled[:, 1, 1], [0.025, 0.975])
    assert (grid.low[1, 1], grid.high[1, 1]) == pytest.approx((low, high))


def test_a_cell_that_often_misses_the_floor_is_not_judged():
    value = np.array([[0.5, 0.9, 0.9, np.nan]])
    resampled = np.random.default_rng(0).normal(value, 0.01, (200, 1, 4))
    resampled[:20, 0, 1] = np.nan  # in 10 % of the resamples
    resampled[:4, 0, 2] = np.nan  # in 2 %
    grid = compare(value, resampled, (0, 0))
    assert grid.is_beyond_noise.tolist() == [[False, False, True, False]]
    assert np.isnan(grid.low[0, 3])


def test_where_the_current_setting_has_no_figure_nothing_is_judged():
    value = np.array([[np.nan, 0.9]])
    resampled = np.random.default_rng(0).normal(value, 0.01, (50, 1, 2))
    grid = compare(value, resampled, (0, 0))
    assert not grid.is_beyond_noise.any()
    assert np.isnan(grid.difference).all()


def test_of_settings_that_are_alike_few_grids_show_any_as_different():
    generator = np.random.default_rng(7)
    alarms = 0
    for _ in range(300):
        truth = generator.normal(0, 0.01, (3, 4))
        resampled = truth + generator.normal(0, 0.01, (200, 3, 4))
        alarms += int(compare(truth, resampled, (1, 1)).is_beyond_noise.any())
    assert alarms / 300 < 0.1


def test_what_too_few_resamples_reach_is_not_called_noise():
    truth = np.array([[0.8, 0.5]])
    resampled = np.repeat(truth[None], 100, axis=0)
    resampled[:30, 0, 1] = np.nan
    grid = compare(truth, resampled, (0, 0))
    assert grid.reached.tolist() == [[1.0, 0.7]]
    assert grid.is_judged.tolist() == [[True, False]]
    assert not grid.is_beyond_noise.any()
    result = Sensitivity(
        (10, 20), (1,), (0, 0), dict.fromkeys(METRICS, grid), 0.85, 9, 8, 9, 8, 100, ()
    )
    assert result.verdict(REJECT_AT_FLOOR).endswith("beyond noise. 1 could not be judged.")
    hover = sensitivity_figure(result, REJECT_AT_FLOOR).data[0].customdata[0]
    assert "not judged: only 70 % of the resamples reach the floor" in hover[1]
    assert "noise" not in hover[1]


def test_a_tail_that_is_a_share_of_the_class_is_refused_in_words():
    evaluation = made_up_evaluation(tail_size=10, tail_share=0.5)
    with pytest.raises(FitError, match="compare settings with a fixed tail_size"):
        measure_sensitivity(evaluation, 0.85)


def test_no_column_but_the_current_one_is_longer_than_the_classes():
    evaluation = made_up_evaluation(n_train=40, tail_size=500)
    sizes, _, (_, column) = sensitivity_grid(evaluation)
    assert sizes[column] == 500
    assert max(size for size in sizes if size != 500) <= 40


# --- in words ------------------------------------------------------------------------------------


def result_of(value: list[list[float]], is_beyond_noise: list[list[bool]]) -> Sensitivity:
    values = np.array(value)
    grid = compare(values, np.repeat(values[None], 3, axis=0), (0, 0))
    marked = MetricGrid(
        grid.value,
        grid.low,
        grid.high,
        grid.difference,
        grid.difference_low,
        grid.difference_high,
        np.array(is_beyond_noise),
        grid.reached,
    )
    grids = dict.fromkeys(METRICS, marked)
    return Sensitivity((10, 20), (1, 3), (0, 0), grids, 0.85, 9, 8, 9, 8, 3, ())


@pytest.mark.parametrize(
    ("value", "marked", "expected"),
    [
        (
            [[0.8, 0.9], [0.7, 0.8]],
            [[False, False], [True, False]],
            "No setting is better than the current one in AUROC beyond noise.",
        ),
        (
            [[0.8, 0.9], [0.7, 0.8]],
            [[False, True], [True, False]],
            "One setting is better than the current one in AUROC beyond noise; the largest gain, "
            "+10.0 points, is at η 20, α 1.",
        ),
        (
            [[0.8, 0.9], [0.95, 0.8]],
            [[False, True], [True, False]],
            "2 settings are better than the current one in AUROC beyond noise; the largest gain, "
            "+15.0 points, is at η 10, α 3.",
        ),
        (
            [[np.nan, 0.9], [0.95, 0.8]],
            [[False, False], [False, False]],
            "AUROC cannot be computed at the current setting, so nothing is compared.",
        ),
    ],
)
def test_the_verdict_names_what_is_better_beyond_noise(value, marked, expected):
    assert result_of(value, marked).verdict(AUROC) == expected
