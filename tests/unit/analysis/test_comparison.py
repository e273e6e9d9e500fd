"""All methods on the same pictures, and what chance makes of their differences."""

from __future__ import annotations

import numpy as np
import pytest

from openmax_core.analysis.comparison import (
    BASELINE,
    Comparison,
    compare_methods,
    methods_to_compare,
)
from openmax_core.analysis.figures import comparison_figure
from openmax_core.analysis.ranking import FIGURES, NAMES, all_figures
from openmax_core.errors import FitError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.methods.method import Method
from openmax_core.methods.registry import METHODS, METHODS_OF_LOGITS, new_method
from tests.support.evaluations import activations_of, evaluation_of, made_up_evaluation


@pytest.fixture(scope="module")
def evaluation():
    return made_up_evaluation(signal=3.0)


@pytest.fixture(scope="module")
def compared(evaluation) -> Comparison:
    return compare_methods(evaluation, 0.6, n_resamples=60)


def test_every_method_has_its_own_figures(evaluation, compared):
    assert compared.names == METHODS_OF_LOGITS
    assert compared.grid.value.shape == (len(METHODS_OF_LOGITS), len(NAMES))
    for place, name in enumerate(METHODS_OF_LOGITS):
        method = new_method(name).fit(evaluation.train.logits, evaluation.train.labels)
        other = evaluation_of_method(evaluation, method)
        point = other.recommend(0.6)
        expected = all_figures(other.curve, 0.6, point.threshold)
        assert compared.methods[place].threshold == point.threshold
        np.testing.assert_allclose(compared.grid.value[place], list(expected.values()))


def evaluation_of_method(evaluation: Evaluation, method: Method) -> Evaluation:
    return evaluation.of(
        method,
        evaluation.train,
        evaluation.test,
        evaluation.reject,
        evaluation.calibrated_on,
        evaluation.data,
    )


def test_the_baseline_differs_from_nothing(compared):
    row = compared.names.index(BASELINE)
    assert not compared.grid.is_beyond_noise[row].any()
    assert np.all(compared.grid.difference[row] == 0)
    assert "baseline" in compared.verdict(BASELINE)


def test_a_score_of_the_size_of_logits_wins_where_size_tells():
    """Unknowns have small logits with the same probabilities: softmax cannot see them."""
    generator = np.random.default_rng(0)
    labels = np.arange(300) % 3
    logits = 8 * np.eye(3)[labels] + generator.normal(0, 0.5, (300, 3)) + 6
    unknown = 8 * np.eye(3)[labels] + generator.normal(0, 0.5, (300, 3)) - 6
    made = evaluation_of(
        activations_of(logits[:150], labels[:150]),
        activations_of(logits[150:], labels[150:], "test"),
        activations_of(unknown, np.full(300, -1), "reject"),
    )
    found = compare_methods(made, 0.5, n_resamples=60)
    better, worse = found.differing("max_logit")
    assert FIGURES["auroc"].label in better
    assert FIGURES["fpr_at_95_tpr"].label in better  # a smaller one is better
    assert not worse
    assert found.verdict("max_logit").startswith("On these pictures Maximum logit is better in")
    assert "best" in found.extremes("auroc")
    assert "▲" in found.cell_in_words("max_logit", "auroc")
    # It takes the mean off: what is common to all logits is all there is to see.
    assert found.verdict("robust") == (
        "On these pictures OpenMax, preset 'robust' gains nothing beyond noise over softmax."
    )


def test_settings_of_ones_own_are_a_row_of_their_own():
    made = made_up_evaluation(tail_size=7)
    methods = methods_to_compare(made.method)
    assert list(methods) == [*METHODS, f"{made.method.name}*"]
    assert methods[f"{made.method.name}*"].settings() == made.method.settings_
    assert list(methods_to_compare(made_up_evaluation().method)) == list(METHODS)


def test_a_method_that_cannot_be_fitted_is_named(evaluation, monkeypatch):
    methods = {name: new_method(name) for name in ("msp", "max_logit")}
    methods["short"] = new_method("bendale", tail_size=2)

    def refuse(*given, **named):
        raise FitError("class 'a' has too few pictures")

    monkeypatch.setattr(methods["short"], "fit", refuse)
    found = compare_methods(evaluation, 0.6, methods=methods, n_resamples=20)
    assert found.names == ("msp", "max_logit")
    assert found.left_out == {"short": "class 'a' has too few pictures"}


def test_without_unknowns_there_is_nothing_to_compare():
    with pytest.raises(FitError, match="no reject set"):
        compare_methods(made_up_evaluation(n_reject=0), 0.5)


def test_a_floor_that_no_threshold_keeps_is_a_dash(evaluation):
    found = compare_methods(evaluation, 1.0, n_resamples=20)
    assert all(method.threshold is None for method in found.methods)
    assert found.cell_in_words("msp", "reject_at_floor") == "–"
    assert found.interval_in_words("msp", "macro_f1") == "not counted"
    assert found.extremes("reject_at_floor") == (
        "Reject accuracy at the floor: no threshold of any method keeps Test accuracy ≥ 100.0 %."
    )


def test_progress_is_told(evaluation):
    seen: list[tuple[int, int]] = []
    compare_methods(evaluation, 0.6, report=seen.append, n_resamples=10)
    assert seen == [(done, len(METHODS)) for done in range(len(METHODS) + 1)]


def test_a_sample_stands_for_very_many(evaluation, monkeypatch):
    monkeypatch.setattr("openmax_core.analysis.comparison.MOST_PICTURES", 25)
    found = compare_methods(evaluation, 0.6, n_resamples=10)
    assert found.is_sampled
    assert (found.n_test, found.n_reject) == (25, 25)


def test_the_table_holds_every_figure(compared):
    table = compared.table()
    assert table["method"].tolist() == list(METHODS_OF_LOGITS)
    assert table["auroc"].tolist() == compared.grid.value[:, NAMES.index("auroc")].tolist()
    assert {f"{name}_beyond_noise" for name in NAMES} <= set(table.columns)


def test_the_figure_has_a_curve_for_each_method(compared):
    figure = comparison_figure(compared, compared.methods[0].name)
    assert [trace.name for trace in figure.data] == [item.title for item in compared.methods]
    widths = {trace.name: trace.line.width for trace in figure.data}
    assert max(widths, key=widths.__getitem__) == compared.methods[0].title
