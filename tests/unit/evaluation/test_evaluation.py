"""Points chosen on a workspace: described with method and data, whatever they were chosen for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from openmax_core import NoFeasibleThresholdError, OperatingPoint, Workspace
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.settings import MethodSettings
from openmax_core.tradeoff.class_thresholds import choose_class_thresholds
from openmax_core.tradeoff.objectives import (
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
    Objective,
)
from tests.support.workspaces import CLASSES, make_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("trees"))


@pytest.fixture(scope="module")
def evaluation(workspace: Workspace) -> Evaluation:
    return workspace.evaluate("bendale", tail_size=5)


def is_described(point: OperatingPoint, evaluation: Evaluation) -> bool:
    return (point.preset, point.settings, point.data) == (
        "bendale",
        evaluation.openmax.settings_,
        evaluation.data,
    )


@pytest.mark.parametrize(
    "objective",
    [MostRejected(0.7), MostRight(0.8), FewestKnownRejected(0.2), Balanced(), LeastCost()],
    ids=lambda objective: objective.kind,
)
def test_a_chosen_point_is_the_curve_s_with_method_and_data(
    evaluation: Evaluation, objective: Objective
) -> None:
    point = evaluation.choose(objective)
    assert is_described(point, evaluation)
    assert isinstance(point.settings, MethodSettings)
    assert point.settings.tail_size == 5
    bare = evaluation.curve.choose(objective)
    assert replace(point, preset=None, settings=None, data=None) == bare
    assert point.outcome == evaluation.curve.outcome(point.threshold)


def test_the_recommended_point_is_the_one_under_a_floor(evaluation: Evaluation) -> None:
    assert evaluation.recommend(0.7) == evaluation.choose(MostRejected(0.7))


def test_a_point_set_by_hand_has_no_objective(evaluation: Evaluation) -> None:
    point = evaluation.point_at(1 / 3)
    assert (point.threshold, point.objective) == (1 / 3, None)
    assert point.outcome == evaluation.curve.outcome(1 / 3)
    assert is_described(point, evaluation)


def test_the_nearest_of_an_objective_out_of_reach_is_described_as_well(
    evaluation: Evaluation,
) -> None:
    with pytest.raises(NoFeasibleThresholdError) as caught:
        evaluation.choose(MostRejected(1.0))
    nearest = caught.value.nearest
    assert nearest is not None
    assert is_described(nearest, evaluation)
    assert nearest.test_accuracy == evaluation.curve.test_accuracy(0.0) < 1.0


@pytest.mark.parametrize("objective", [Balanced(), MostRight(0.5)])
def test_without_a_reject_set_there_is_no_nearest(tmp_path: Path, objective: Objective) -> None:
    alone = make_workspace(tmp_path, n_reject=0).evaluate("bendale")
    with pytest.raises(NoFeasibleThresholdError, match="there is no reject set") as caught:
        alone.choose(objective)
    assert caught.value.nearest is None
    assert alone.choose(FewestKnownRejected(0.5)).reject_accuracy is None


def test_a_point_with_thresholds_per_class_names_the_classes(evaluation: Evaluation) -> None:
    chosen = choose_class_thresholds(evaluation.curve, Balanced())
    point = evaluation.class_point(chosen, Balanced())
    assert point.class_thresholds == dict(zip(CLASSES, chosen.thresholds.tolist(), strict=True))
    assert point.threshold == evaluation.choose(Balanced()).threshold
    assert point.outcome == chosen.outcome
    assert point.chosen_for == Balanced()
    assert is_described(point, evaluation)


def test_a_refreshed_point_has_the_figures_of_the_present_pictures(evaluation: Evaluation) -> None:
    old = replace(evaluation.point_at(0.4), test_accuracy=0.1, n_test=7, data="c0ffee")
    assert evaluation.refreshed(old) == evaluation.point_at(0.4)
    by_class = replace(old, class_thresholds={"ash": 0.9, "cedar": 0.2})
    expected = evaluation.curve.outcome_by_class(np.array([0.9, 0.4, 0.2]), 0.4)
    refreshed = evaluation.refreshed(by_class)
    assert refreshed.outcome == expected
    assert refreshed.class_thresholds == by_class.class_thresholds
    assert is_described(refreshed, evaluation)
