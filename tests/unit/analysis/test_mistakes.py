"""The pictures that a threshold gets wrong, against a loop over every picture."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openmax_core import OpenMax, TradeoffCurve
from openmax_core.activations.activations import Activations
from openmax_core.analysis.mistakes import Mistakes, find_mistakes, picture_at
from openmax_core.errors import OpenMaxError
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.prediction.verdicts import decision_table
from openmax_core.tradeoff.operating_point import class_limits
from openmax_core.workspace.workspace import Workspace
from tests.support.workspaces import CLASSES, make_workspace

COLUMNS = ["split", "row", "path", "score", "gap", "predicted", "truth"]
NAMES = (*CLASSES, "unknown")
C = len(CLASSES)
FITTED = OpenMax("robust").fit(
    np.vstack([np.eye(C) * 3, np.eye(C) * 4, np.eye(C) * 5]), [*range(C)] * 3, CLASSES
)


class Known(NamedTuple):
    """A test picture: score, most probable of C + 1, true class, the classifier's own answer."""

    score: float
    prediction: int
    label: int
    own: int


class Unknown(NamedTuple):
    """A reject picture: score and most probable of C + 1."""

    score: float
    prediction: int


def activations(labels: list[int], owns: list[int], folders: list[str]) -> Activations:
    """Activations whose every second file could not be read: rows are not files."""
    rows = []
    for number, (label, own, folder) in enumerate(zip(labels, owns, folders, strict=True)):
        rows.append((f"{folder}/bad {number}.png", label, -1, "unreadable"))
        rows.append((f"{folder}/{number}.png", label, own, "ok"))
    pictures = pd.DataFrame(rows, columns=["path", "label", "prediction", "status"])
    return Activations(np.zeros((len(labels), C), dtype=np.float32), pictures, {})


def evaluation(test: list[Known], reject: list[Unknown] | None) -> Evaluation:
    """Evaluation with these decisions, whatever logits would lead to them."""
    unknowns = reject or []
    curve = TradeoffCurve(
        [picture.score for picture in test],
        [picture.prediction for picture in test],
        [picture.label for picture in test],
        [picture.score for picture in unknowns],
        [picture.prediction for picture in unknowns],
        C,
    )
    labels = [picture.label for picture in test]
    tested = activations(labels, [p.own for p in test], [CLASSES[label] for label in labels])
    n = len(unknowns)
    rejected = None if reject is None else activations([-1] * n, [0] * n, ["oak"] * n)
    return Evaluation(FITTED, curve, tested, tested, rejected, "train", "made up")


def rows_of(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Rows as tuples of plain values; None where there is no gap."""
    rows = table.astype(object).where(table.notna(), None)
    return list(rows.itertuples(index=False, name=None))


Rows = list[tuple[Any, ...]]


def by_counting(
    test: list[Known], reject: list[Unknown], threshold: float
) -> tuple[Rows, Rows, Rows]:
    """Accepted unknowns, rejected knowns and confused ones, one picture after the other."""
    accepted: Rows = []
    rejected: Rows = []
    confused: Rows = []
    for row, picture in enumerate(test):
        won = picture.prediction == C
        is_rejected = won or picture.score < threshold
        if not is_rejected and picture.prediction == picture.label:
            continue
        gap = None if won else abs(picture.score - threshold)
        predicted = NAMES[picture.own if won else picture.prediction]
        truth = NAMES[picture.label]
        found = ("test", row, f"{truth}/{row}.png", picture.score, gap, predicted, truth)
        (rejected if is_rejected else confused).append(found)
    for row, unknown in enumerate(reject):
        if unknown.prediction != C and unknown.score >= threshold:
            gap = unknown.score - threshold
            accepted.append(
                (
                    "reject",
                    row,
                    f"oak/{row}.png",
                    unknown.score,
                    gap,
                    NAMES[unknown.prediction],
                    "unknown",
                )
            )

    def nearest_first(found: Rows) -> Rows:
        return sorted(found, key=lambda row: (row[4] is None, row[4] or 0.0, row[1]))

    return nearest_first(accepted), nearest_first(rejected), nearest_first(confused)


def tables(mistakes: Mistakes) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return (
        mistakes.accepted_unknowns.table(),
        mistakes.rejected_knowns.table(),
        mistakes.confused.table(),
    )


# --- tiny evaluations, made by hand --------------------------------------------------------------

TEST = [
    Known(0.9, 0, 0, 0),  # right
    Known(0.7, 1, 0, 1),  # confused
    Known(0.4, 1, 1, 1),  # rejected, though right
    Known(0.45, 2, 1, 2),  # rejected, and wrong besides
    Known(0.99, 3, 2, 2),  # 'unknown' won over the right answer
    Known(0.2, 3, 2, 0),  # 'unknown' won over a wrong one
    Known(0.5, 0, 1, 0),  # confused, with a score equal to the threshold
]
REJECT = [Unknown(0.5, 0), Unknown(0.95, 2), Unknown(0.49, 1), Unknown(0.99, 3)]


def test_the_tables_are_those_worked_by_hand():
    accepted, rejected, confused = map(
        rows_of, tables(find_mistakes(evaluation(TEST, REJECT), 0.5))
    )
    assert accepted == [
        ("reject", 0, "oak/0.png", 0.5, 0.0, "ash", "unknown"),
        ("reject", 1, "oak/1.png", 0.95, 0.95 - 0.5, "cedar", "unknown"),
    ]
    assert rejected == [
        ("test", 3, "birch/3.png", 0.45, 0.5 - 0.45, "cedar", "birch"),
        ("test", 2, "birch/2.png", 0.4, 0.5 - 0.4, "birch", "birch"),
        ("test", 4, "cedar/4.png", 0.99, None, "cedar", "cedar"),
        ("test", 5, "cedar/5.png", 0.2, None, "ash", "cedar"),
    ]
    assert confused == [
        ("test", 6, "birch/6.png", 0.5, 0.0, "ash", "birch"),
        ("test", 1, "ash/1.png", 0.7, 0.7 - 0.5, "birch", "ash"),
    ]


scores = st.one_of(st.sampled_from([0.1, 0.3, 0.30000000000000004, 0.5, 0.9]), st.floats(0, 1))
answers = st.integers(0, C - 1)
most_probable = st.integers(0, C)
known_pictures = st.lists(st.builds(Known, scores, most_probable, answers, answers), max_size=15)
unknown_pictures = st.lists(st.builds(Unknown, scores, most_probable), max_size=15)


@settings(max_examples=100)
@given(known_pictures, unknown_pictures, st.one_of(scores, st.sampled_from([-1.0, 2.0])))
@example(TEST, REJECT, 0.5)
def test_every_table_is_what_a_loop_over_the_pictures_finds(test, reject, threshold):
    evaluated = evaluation(test, reject)
    found = tables(find_mistakes(evaluated, threshold))
    assert tuple(map(rows_of, found)) == by_counting(test, reject, threshold)
    outcome = evaluated.curve.outcome(threshold)
    counts = (outcome.accepted_unknown, outcome.rejected_known, outcome.wrong)
    assert tuple(map(len, found)) == counts


@settings(max_examples=50)
@given(known_pictures, scores)
def test_without_a_reject_set_the_test_pictures_are_judged_the_same(test, threshold):
    without = tables(find_mistakes(evaluation(test, None), threshold))
    assert tuple(map(rows_of, without)) == by_counting(test, [], threshold)


def test_equally_near_pictures_stay_in_the_order_of_the_set():
    test = [Known(0.25, 0, 0, 0), Known(0.125, 0, 0, 0), Known(0.25, 1, 1, 1)]
    found = find_mistakes(evaluation(test, None), 0.5).rejected_knowns.table()
    assert found["row"].tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("test", "reject", "threshold"),
    [
        ([Known(0.9, 0, 0, 0), Known(0.8, 2, 2, 2)], [Unknown(0.1, 0), Unknown(0.9, 3)], 0.5),
        ([Known(0.9, 0, 0, 0)], [], 0.5),
        ([Known(0.9, 0, 0, 0)], None, 0.5),
        ([], None, 0.5),
    ],
    ids=["both sets", "empty reject set", "no reject set", "no pictures"],
)
def test_where_nothing_is_wrong_the_tables_are_empty_with_the_same_columns(test, reject, threshold):
    full = find_mistakes(evaluation(TEST, REJECT), 0.5)
    for empty, filled in zip(
        tables(find_mistakes(evaluation(test, reject), threshold)), tables(full), strict=True
    ):
        assert len(empty) == 0
        assert list(empty.columns) == list(filled.columns) == COLUMNS
        assert empty["path"].tolist() == []
        for name in COLUMNS:  # a column of texts stays one
            is_number = pd.api.types.is_numeric_dtype(filled[name])
            assert pd.api.types.is_numeric_dtype(empty[name]) == is_number


def test_the_evaluation_is_not_changed():
    evaluated = evaluation(TEST, REJECT)
    before = evaluated.test.pictures.copy(), evaluated.curve.test_scores.copy()
    find_mistakes(evaluated, 0.5)
    pd.testing.assert_frame_equal(evaluated.test.pictures, before[0])
    np.testing.assert_array_equal(evaluated.curve.test_scores, before[1])


# --- a workspace ---------------------------------------------------------------------------------

THRESHOLDS = [0.0, 0.25, 0.4, 0.6, 0.9, 0.97, 0.99, 0.999, 1.0, 2.0]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("trees"))


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_the_tables_have_as_many_rows_as_the_outcome_counts(trees, preset):
    evaluated = trees.evaluate(preset)
    scores = np.concatenate([evaluated.curve.test_scores, evaluated.curve.reject_scores])
    for threshold in [*THRESHOLDS, *scores[::7].tolist()]:
        outcome = evaluated.curve.outcome(threshold)
        found = find_mistakes(evaluated, threshold)
        assert len(found.accepted_unknowns) == outcome.accepted_unknown
        assert len(found.rejected_knowns) == outcome.rejected_known
        assert len(found.confused) == outcome.wrong


def test_the_thresholds_tried_give_rows_of_either_set_and_some_that_unknown_won(trees):
    found = [find_mistakes(trees.evaluate(), threshold) for threshold in THRESHOLDS]
    assert any(len(mistakes.accepted_unknowns) for mistakes in found)
    assert any(mistakes.rejected_knowns.table()["gap"].notna().any() for mistakes in found)
    assert all(mistakes.rejected_knowns.table()["gap"].isna().any() for mistakes in found)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_rows_lead_to_the_picture_its_truth_and_its_score(trees, threshold):
    evaluated = trees.evaluate()
    curve = evaluated.curve
    found = find_mistakes(evaluated, threshold)
    for table in tables(found):
        for split, row, path, score, gap, predicted, truth in rows_of(table):
            folder = trees.pictures.folder(split)
            assert (folder / path).is_file()
            parent = Path(path).parent.name
            assert truth == ("unknown" if split == "reject" else parent)
            source = evaluated.reject if split == "reject" else evaluated.test
            assert source.readable["path"][row] == path
            scores = curve.reject_scores if split == "reject" else curve.test_scores
            predictions = curve.reject_predictions if split == "reject" else curve.test_predictions
            assert score == scores[row]
            if gap is None:
                assert predictions[row] == C
                assert predicted == CLASSES[source.logits[row].argmax()]
            else:
                assert gap == abs(score - threshold)
                assert predicted == CLASSES[predictions[row]]


@pytest.mark.parametrize("threshold", [0.5, 0.99, 2.0])
def test_pictures_near_the_threshold_come_first_and_those_it_cannot_change_last(trees, threshold):
    for table in tables(find_mistakes(trees.evaluate(), threshold)):
        gaps = [math.inf if gap is None else gap for *_, gap, _, _ in rows_of(table)]
        assert gaps == sorted(gaps)


def test_a_picture_that_could_not_be_read_is_no_mistake(trees):
    evaluated = trees.evaluate()
    (unreadable,) = evaluated.test.unreadable["path"]
    everything = find_mistakes(evaluated, 2.0).rejected_knowns.table()
    assert unreadable not in set(everything["path"])
    assert len(everything) == len(evaluated.test) == 89


def test_a_workspace_without_a_reject_set_has_no_accepted_unknowns(tmp_path):
    evaluated = make_workspace(tmp_path, n_train=10, n_test=6, n_reject=0).evaluate()
    found = find_mistakes(evaluated, 0.5)
    assert len(found.accepted_unknowns) == 0
    assert list(found.accepted_unknowns.table().columns) == COLUMNS
    assert len(find_mistakes(evaluated, 2.0).rejected_knowns) == 17


# --- one picture, opened -------------------------------------------------------------------------


def decided(evaluated: Evaluation, split: str, row: int, threshold: float) -> pd.Series:
    limits = class_limits(evaluated.openmax.class_names_, threshold)
    return decision_table(picture_at(evaluated, split, row), limits).iloc[0]


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
@pytest.mark.parametrize("split", ["test", "reject"])
def test_an_opened_picture_is_decided_as_the_curve_decides_it_to_the_last_bit(trees, preset, split):
    evaluated = trees.evaluate(preset)
    curve = evaluated.curve
    scores = curve.test_scores if split == "test" else curve.reject_scores
    predictions = curve.test_predictions if split == "test" else curve.reject_predictions
    for row in range(0, len(scores), 8):
        kept = decided(evaluated, split, row, scores[row])
        lost = decided(evaluated, split, row, float(np.nextafter(scores[row], np.inf)))
        decision = "rejected" if predictions[row] == C else CLASSES[predictions[row]]
        verdict = "rejected" if predictions[row] == C else "accepted"
        assert (kept["decision"], kept["verdict"]) == (decision, verdict)
        assert (lost["decision"], lost["verdict"]) == ("rejected", "rejected")


def test_every_mistake_opens_as_the_mistake_it_is_listed_as(trees):
    evaluated = trees.evaluate()
    threshold = 0.4
    found = find_mistakes(evaluated, threshold)
    assert min(len(found.accepted_unknowns), len(found.rejected_knowns)) > 0
    for split, row, _, _, _, predicted, _ in rows_of(found.accepted_unknowns.table())[:10]:
        assert decided(evaluated, split, row, threshold)["decision"] == predicted
    for split, row, _, _, gap, _, _ in rows_of(found.rejected_knowns.table())[:10]:
        opened = decided(evaluated, split, row, threshold)
        assert opened["verdict"] == "rejected"
        assert ("'unknown' is the most probable" in opened["reason"]) == (gap is None)


def test_an_opened_picture_shows_the_numbers_that_decided(trees):
    evaluated = trees.evaluate()
    logits = evaluated.reject.logits
    probabilities = evaluated.openmax.predict_proba(logits)
    distances = evaluated.openmax.distances(logits)
    for row in (0, 7, len(logits) - 1):
        opened = picture_at(evaluated, "reject", row)
        np.testing.assert_array_equal(opened.after[0], probabilities[row])
        np.testing.assert_array_equal(opened.distances[0], distances[row])
        np.testing.assert_array_equal(opened.cdf[0], evaluated.openmax.cdf(distances)[row])
        by_logit = sorted(range(C), key=lambda index: -logits[row][index])
        assert opened.ranked(0) == by_logit


def test_without_a_reject_set_none_of_its_pictures_can_be_opened():
    with pytest.raises(OpenMaxError, match=r"^there are no pictures of reject$"):
        picture_at(evaluation(TEST, None), "reject", 0)


def test_a_page_of_the_table_is_a_part_of_the_whole():
    found = find_mistakes(evaluation(TEST, REJECT), 0.5).rejected_knowns
    whole = found.table()
    assert len(whole) == len(found) > 2
    for first in range(len(found)):
        part = found.table(first, 2)
        pd.testing.assert_frame_equal(part, whole.iloc[first : first + 2].reset_index(drop=True))
