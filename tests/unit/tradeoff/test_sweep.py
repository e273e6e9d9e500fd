"""Tables against the curve, independent formulae and counts worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from openmax_core import OpenMax, OpenMaxError, TradeoffCurve
from openmax_core.tradeoff.sweep import (
    borrowed_in_words,
    class_table,
    class_warnings,
    default_thresholds,
    parse_thresholds,
    sweep_table,
)
from tests.support.methods import activations


def fitted(n_classes: int, per_class: int = 30, seed: int = 0, **settings: Any) -> OpenMax:
    labels = np.repeat(np.arange(n_classes), per_class)
    logits = np.random.default_rng(seed).normal(size=(len(labels), n_classes))
    logits[np.arange(len(labels)), labels] += 15
    return OpenMax(**settings).fit(logits, labels)


@pytest.fixture
def curve() -> TradeoffCurve:
    """Three classes; every kind of picture once or twice, worked out by hand below."""
    return TradeoffCurve(
        test_scores=[0.9, 0.6, 0.7, 0.4, 0.8],
        test_predictions=[0, 1, 2, 2, 3],
        test_labels=[0, 1, 1, 2, 0],
        reject_scores=[0.3, 0.65, 0.95, 0.5],
        reject_predictions=[0, 1, 3, 2],
        n_classes=3,
    )


@pytest.fixture
def without_reject() -> TradeoffCurve:
    return TradeoffCurve([0.9, 0.6], [0, 1], [0, 0], [], [], 2)


# --- thresholds ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "0.30:0.40:0.01",
            [0.30, 0.31, 0.32, 0.33, 0.34, 0.35, 0.36, 0.37, 0.38, 0.39, 0.40],
        ),
        ("0.1:0.7:0.1", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        ("0:1:0.3", [0.0, 0.3, 0.6, 0.9]),
        ("0.5:0.5:0.1", [0.5]),
        ("0.5:0.55:0.1", [0.5]),
        ("-0.1:0.1:0.1", [-0.1, 0.0, 0.1]),
        ("0.123456:0.123458:0.000001", [0.123456, 0.123457, 0.123458]),
        ("0.35", [0.35]),
        ("0.4, 0.35,0.9", [0.4, 0.35, 0.9]),
        ("0.12345678901234567", [0.12345678901234567]),
    ],
)
def test_thresholds_are_exactly_the_decimals_as_written(text: str, expected: list[float]) -> None:
    assert parse_thresholds(text).tolist() == expected


def test_up_to_a_thousand_thresholds_are_taken() -> None:
    assert len(parse_thresholds("0:0.999:0.001")) == 1000
    assert len(parse_thresholds(",".join(["0.5"] * 1000))) == 1000
    for text in ("0:1.1:0.001", ",".join(["0.5"] * 1001), "0:1:1e-300"):
        with pytest.raises(OpenMaxError, match="at most 1000"):
            parse_thresholds(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "0.3:0.4", "0.3:0.4:0.1:0.1", "0.4:0.3:0.01", "0.3:0.4:0", "0.3:0.4:-0.01"),
        *("a:b:c", "0.3,", "0.3;0.4", "nan", "inf", "0.3,nan", "nan:1:0.1", "0:nan:0.1"),
        *("0:1:nan", "0:inf:1", "-inf:0:1", "0:1:inf"),
    ],
)
def test_what_is_no_list_of_thresholds_says_the_form(text: str) -> None:
    with pytest.raises(OpenMaxError) as caught:
        parse_thresholds(text)
    assert str(caught.value) == (
        f"thresholds '{text}': write start:stop:step as in 0.30:0.40:0.01 (at most 1000 of them), "
        "or a list as in 0.3,0.35"
    )


def default_of(openmax: OpenMax) -> tuple[str, TradeoffCurve]:
    """Default thresholds of a preset for scores that pile up at its end, and their curve."""
    low, high = openmax.score_range()
    generator = np.random.default_rng(0)
    test, reject = (low + (high - low) * generator.beta(a, 0.3, 300) for a in (3.0, 0.5))
    zeros = np.zeros(300, dtype=int)
    curve = TradeoffCurve(test, zeros, zeros, reject, zeros, openmax.n_classes)
    return default_thresholds(openmax.name, curve, openmax.score_range()), curve


@pytest.mark.parametrize("n_classes", [2, 6, 21])
@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_default_thresholds_reach_across_and_lie_where_something_happens(
    preset: str, n_classes: int
) -> None:
    # The libMR form: three-parameter fits take long, and the range does not depend on them.
    openmax = fitted(n_classes, per_class=4, preset=preset, weibull="libmr")
    text, curve = default_of(openmax)
    thresholds = parse_thresholds(text)
    low, high = openmax.score_range()
    assert thresholds[0] <= low < high <= thresholds[-1]
    assert len(thresholds) == 11
    table = sweep_table(curve, thresholds)
    changed = np.diff(table["rejected_known"]) / 300 + np.diff(table["rejected_unknown"]) / 300
    assert changed == pytest.approx(0.2, abs=0.08)


@pytest.mark.parametrize("n_classes", [3, 4])
def test_the_notebook_s_rows_stay_where_its_scores_reach_them(n_classes: int) -> None:
    openmax = fitted(n_classes, per_class=4, preset="notebook", weibull="libmr")
    assert default_of(openmax)[0] == "0.30:0.40:0.01"


# --- sweep -----------------------------------------------------------------------------------


def test_a_row_is_what_the_curve_says_at_its_threshold(curve: TradeoffCurve) -> None:
    thresholds = [0.0, 0.35, 0.5, 0.6, 0.61, 1.0]
    table = sweep_table(curve, thresholds)
    assert table["threshold"].tolist() == thresholds
    np.testing.assert_array_equal(table["test_accuracy"], curve.test_accuracy(np.array(thresholds)))
    np.testing.assert_array_equal(
        table["reject_accuracy"], curve.reject_accuracy(np.array(thresholds))
    )


def test_counts_of_a_row_worked_out_by_hand(curve: TradeoffCurve) -> None:
    # At 0.6: 0.9 and 0.6 right, 0.7 wrong, 0.4 below, 0.8 'unknown' won.
    # Unknowns: 0.3 and 0.5 below, 0.95 'unknown' won, 0.65 taken for a class.
    row = sweep_table(curve, [0.6]).iloc[0]
    counts = ["correct", "wrong", "rejected_known", "rejected_unknown", "accepted_unknown"]
    assert row[counts].tolist() == [2, 1, 2, 3, 1]
    assert (row["test_accuracy"], row["reject_accuracy"]) == (0.4, 0.75)


def test_intervals_are_wilson_s(curve: TradeoffCurve) -> None:
    row = sweep_table(curve, [0.6]).iloc[0]
    for name, successes, trials in (("test", 2, 5), ("reject", 3, 4)):
        expected = stats.binomtest(successes, trials).proportion_ci(0.95, "wilson")
        assert row[f"{name}_low"] == pytest.approx(expected.low, abs=1e-12)
        assert row[f"{name}_high"] == pytest.approx(expected.high, abs=1e-12)


def test_without_a_reject_set_its_share_is_nan_and_its_counts_are_0(
    without_reject: TradeoffCurve,
) -> None:
    row = sweep_table(without_reject, [0.5]).iloc[0]
    assert all(math.isnan(row[f"reject_{part}"]) for part in ("accuracy", "low", "high"))
    assert (row["rejected_unknown"], row["accepted_unknown"]) == (0, 0)
    assert row["test_accuracy"] == 0.5


# --- classes ---------------------------------------------------------------------------------


def test_enough_pictures_and_a_sound_fit_give_no_warning() -> None:
    assert class_warnings(fitted(3, per_class=40, preset="bendale")) == ["", "", ""]


def test_a_degenerate_fit_of_the_notebook_names_the_step() -> None:
    openmax = fitted(3, per_class=150, preset="notebook")
    texts = class_warnings(openmax)
    assert (openmax.weibull_.parameters()["shape"] < 1).any()
    for shape, tail, text in zip(
        openmax.weibull_.parameters()["shape"], openmax.tails_, texts, strict=True
    ):
        expected = (
            f"degenerate fit (shape {shape:.2f} < 1): the CDF is close to a step at the largest "
            f"training distance, {tail[-1]:.4g}"
        )
        assert text == (expected if shape < 1 else "")


@pytest.mark.parametrize(
    ("per_class", "expected"),
    [
        (20, ""),
        (15, "only 15 correctly classified pictures for a tail of 20: all of them are used"),
        (
            6,
            "only 6 correctly classified pictures for a tail of 20: all of them are used; "
            "6 distances are too few to trust a fit",
        ),
    ],
)
def test_too_few_pictures_are_said(per_class: int, expected: str) -> None:
    assert class_warnings(fitted(2, per_class=per_class, preset="bendale")) == [expected] * 2


def test_classes_that_borrow_their_tail_are_named_all_at_once() -> None:
    logits, labels = activations(4)
    is_kept = labels < 2
    names = ("ash", "birch", "cedar", "elm")
    openmax = OpenMax().fit(logits[is_kept], labels[is_kept], names)
    text = "cannot be fitted (0 of 0 training pictures are right): its tail is borrowed"
    assert [text in item for item in class_warnings(openmax)] == [False, False, True, True]
    assert borrowed_in_words(openmax) == (
        "2 of 4 classes have too few correctly classified pictures and borrow their tails from "
        "the other classes: 'cedar', 'elm'."
    )
    assert borrowed_in_words(openmax, 1).endswith(": 'cedar' and 1 more.")
    assert borrowed_in_words(OpenMax().fit(logits, labels, names)) == ""


def test_a_short_tail_that_was_asked_for_is_still_too_few() -> None:
    openmax = fitted(2, per_class=40, preset="bendale", tail_size=9)
    assert class_warnings(openmax) == ["9 distances are too few to trust a fit"] * 2


def test_a_nearly_constant_tail_is_a_step() -> None:
    labels = np.repeat([0, 1], 20)
    logits = np.zeros((40, 2))
    # Class 0 lies on a circle, but for a millionth: all distances to its mean are nearly 1.
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    logits[:20] = [9, 0] + (1 + 1e-6 * np.cos(7 * angle))[:, None] * np.stack(
        [np.cos(angle), np.sin(angle)], axis=1
    )
    logits[20:] = np.random.default_rng(0).normal((0, 9), size=(20, 2))
    openmax = OpenMax("bendale", distance="euclidean").fit(logits, labels)
    assert class_warnings(openmax) == ["nearly constant tail: the CDF is a step", ""]


def test_the_table_of_classes_has_counts_and_parameters() -> None:
    openmax = fitted(3, per_class=25, preset="bendale")
    table = class_table(openmax)
    assert table.columns.tolist() == [
        *("class", "training pictures", "correct", "tail size"),
        *("shape", "scale", "smallest tail value", "warning"),
    ]
    assert table["class"].tolist() == ["0", "1", "2"]
    assert table["training pictures"].tolist() == [25] * 3
    assert table["tail size"].tolist() == [20] * 3
    assert table["smallest tail value"].tolist() == [tail[0] for tail in openmax.tails_]
