"""Decisions on single pictures and their reasons."""

from __future__ import annotations

import numpy as np
import pytest

from openmax_core import OpenMax, OpenMaxError
from openmax_core.prediction.verdicts import (
    Logits,
    Reason,
    decide,
    score_pictures,
    score_reason,
    tail_statement,
    unknown_reason,
)
from openmax_core.support.decimals import score_text
from openmax_core.tradeoff.operating_point import class_limits
from tests.support.verdicts import PictureLogits, verdict_table
from tests.support.workspaces import CLASSES, made_up_logits

# Hand-made: clearly ash, clearly cedar, between two classes, and far from all.
ASH, CEDAR, BETWEEN, FAR = [9.0, 0.0, 0.2], [0.1, 0.0, 9.0], [4.5, 4.4, 0.0], [30.0, 29.0, 31.0]


@pytest.fixture(scope="module")
def openmax() -> OpenMax:
    labels = np.repeat(np.arange(3), 30)
    logits = np.random.default_rng(0).normal(0, 0.7, (90, 3))
    logits[np.arange(90), labels] += 9
    return OpenMax("bendale", distance="euclidean").fit(logits, labels, CLASSES)


def pictures(*results: list[float] | str) -> PictureLogits:
    given: list[Logits] = [
        item if isinstance(item, str) else np.array(item, dtype=np.float32) for item in results
    ]
    return PictureLogits(tuple(f"{i}.png" for i in range(len(given))), tuple(given))


def test_a_known_picture_is_accepted_as_its_class(openmax: OpenMax) -> None:
    table = verdict_table(openmax, pictures(ASH, CEDAR), 0.5)
    assert table["verdict"].tolist() == ["accepted", "accepted"]
    assert table["decision"].tolist() == ["ash", "cedar"]
    assert table["nearest_class"].tolist() == ["ash", "cedar"]
    score = openmax.decision_scores([ASH])[0]
    assert openmax.cdf(openmax.distances([ASH]))[0, 0] < 0.0005
    assert table["reason"][0] == (
        f"score {score_text(score)} reaches the threshold 0.5; its distance to the nearest class, "
        "ash, lies below that class's tail"
    )


def test_a_score_under_the_threshold_is_rejected_and_both_are_named(openmax: OpenMax) -> None:
    score = openmax.decision_scores(np.array([ASH], dtype=np.float32))[0]
    table = verdict_table(openmax, pictures(ASH), float(np.nextafter(score, 2)))
    assert table["verdict"].tolist() == ["rejected"]
    assert table["decision"].tolist() == ["rejected"]
    assert table["nearest_class"].tolist() == ["ash"]
    assert table["reason"][0].startswith(f"score {score_text(score)} is under the threshold ")


def test_a_score_equal_to_the_threshold_is_accepted(openmax: OpenMax) -> None:
    score = openmax.decision_scores(np.array([ASH], dtype=np.float32))[0]
    assert verdict_table(openmax, pictures(ASH), float(score))["verdict"][0] == "accepted"


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.1])
def test_where_unknown_wins_it_is_rejected_at_every_threshold(
    openmax: OpenMax, threshold: float
) -> None:
    table = verdict_table(openmax, pictures(FAR), threshold)
    unknown = openmax.predict_proba([FAR])[0, -1]
    beyond = openmax.cdf(openmax.distances([FAR]))[0, 2]
    assert table["verdict"].tolist() == ["rejected"]
    assert beyond == 1
    assert openmax.distances([FAR]).argmin() != 2
    assert table["reason"][0] == (
        f"'unknown' is the most probable ({unknown:.3f}): its distance to cedar, the network's own "
        "answer, lies beyond all of that class's tail"
    )


def test_an_unreadable_picture_has_its_reason_and_no_numbers(openmax: OpenMax) -> None:
    table = verdict_table(openmax, pictures(ASH, "the file is empty", CEDAR), 0.5)
    assert table["verdict"].tolist() == ["accepted", "unreadable", "accepted"]
    row = table.iloc[1]
    assert (row["decision"], row["nearest_class"]) == ("", "")
    assert row["reason"] == "the file is empty"
    assert row["score":"score"].isna().all()
    assert row["p_ash":].isna().all()


def test_only_unreadable_pictures_and_no_pictures_at_all(openmax: OpenMax) -> None:
    table = verdict_table(openmax, pictures("empty", "damaged"), 0.5)
    assert table["verdict"].tolist() == ["unreadable", "unreadable"]
    none = verdict_table(openmax, pictures(), 0.5)
    assert len(none) == 0
    assert none.columns.tolist() == table.columns.tolist()


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_numbers_are_those_of_openmax(preset: str) -> None:
    labels = np.repeat(np.arange(3), 30)
    logits = np.random.default_rng(1).normal(0, 0.7, (90, 3))
    logits[np.arange(90), labels] += 9
    openmax = OpenMax(preset).fit(logits, labels, CLASSES)
    rows = np.array([ASH, CEDAR, BETWEEN, FAR], dtype=np.float32)
    table = verdict_table(openmax, pictures(ASH, "damaged", CEDAR, BETWEEN, FAR), 0.3)
    readable = table[table["verdict"] != "unreadable"]
    probabilities = readable[["p_ash", "p_birch", "p_cedar", "p_unknown"]].to_numpy()
    np.testing.assert_array_equal(probabilities, openmax.predict_proba(rows))
    distances = readable[[f"distance_{name}" for name in CLASSES]].to_numpy()
    np.testing.assert_array_equal(distances, openmax.distances(rows))
    cdf = readable[[f"cdf_{name}" for name in CLASSES]].to_numpy()
    np.testing.assert_array_equal(cdf, openmax.cdf(openmax.distances(rows)))
    np.testing.assert_array_equal(readable["score"], openmax.decision_scores(rows))
    decided = [(*CLASSES, "rejected")[index] for index in openmax.predict(rows, 0.3)]
    assert readable["decision"].tolist() == decided


# --- a threshold per class -------------------------------------------------------------------


def mixed_pictures(n: int = 300) -> PictureLogits:
    """Knowns of all classes and unknowns, and every tenth unreadable."""
    logits = made_up_logits(np.arange(n) % 4 - 1, len(CLASSES), seed=3, signal=5.0)
    rows: list[Logits] = [row if i % 10 else "damaged" for i, row in enumerate(logits)]
    return PictureLogits(tuple(f"{i}.png" for i in range(n)), tuple(rows))


@pytest.mark.parametrize("name", ["elm", "unknown", "rejected", ""])
def test_a_threshold_for_what_is_no_class_of_the_network_is_an_error(
    openmax: OpenMax, name: str
) -> None:
    with pytest.raises(OpenMaxError, match=f"there is a threshold for '{name}', but no class"):
        verdict_table(openmax, mixed_pictures(), 0.38, {"ash": 0.33, name: 2.0})


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
@pytest.mark.parametrize(
    "class_thresholds",
    [
        {"ash": 0.33, "birch": 0.4, "cedar": 0.25},
        {"cedar": 0.44},  # the others keep the single threshold
        {"birch": 1.5, "ash": 0.0},
        {},
    ],
    ids=lambda thresholds: " ".join(thresholds) or "none",
)
def test_every_picture_is_held_against_the_threshold_of_its_predicted_class(
    preset: str, class_thresholds: dict[str, float]
) -> None:
    labels = np.repeat(np.arange(3), 30)
    openmax = OpenMax(preset).fit(made_up_logits(labels, 3, seed=1), labels, CLASSES)
    given = mixed_pictures()
    single = 0.38
    table = verdict_table(openmax, given, single, class_thresholds)
    expected, limits = [], []
    for result in given.results:
        if isinstance(result, str):
            expected.append(("unreadable", ""))
            continue
        probabilities = openmax.predict_proba(result[None])[0]
        best = int(np.argmax(probabilities))
        if best == len(CLASSES):
            expected.append(("rejected", "rejected"))
            continue
        limits.append(class_thresholds.get(CLASSES[best], single))
        is_accepted = openmax.decision_scores(result[None])[0] >= limits[-1]
        expected.append(("accepted", CLASSES[best]) if is_accepted else ("rejected", "rejected"))
    shown = list(zip(table["verdict"], table["decision"], strict=True))
    assert shown == expected
    assert len({verdict for verdict, _ in expected}) == 3
    # The reason names the threshold that it was.
    reasons = table["reason"][table["reason"].str.contains("the threshold")]
    named = reasons.str.extract("the threshold ([^;]+);")[0].tolist()
    assert named == [f"{limit:g}" for limit in limits]


def test_equal_thresholds_per_class_decide_as_the_single_one(openmax: OpenMax) -> None:
    given = mixed_pictures()
    single = verdict_table(openmax, given, 0.6)
    for class_thresholds in ({}, None, dict.fromkeys(CLASSES, 0.6)):
        assert verdict_table(openmax, given, 0.6, class_thresholds).equals(single)


def test_a_threshold_per_class_does_not_bring_back_what_unknown_won(openmax: OpenMax) -> None:
    table = verdict_table(openmax, pictures(FAR), 0.5, dict.fromkeys(CLASSES, 0.0))
    assert table["verdict"].tolist() == ["rejected"]
    assert table["reason"][0].startswith("'unknown' is the most probable")


# --- what no threshold changes -------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_scores_hold_what_the_library_says_of_each_picture_alone(preset: str) -> None:
    labels = np.repeat(np.arange(3), 30)
    openmax = OpenMax(preset).fit(made_up_logits(labels, 3, seed=1), labels, CLASSES)
    given = mixed_pictures(60)
    scored = score_pictures(openmax, *given)
    assert len(scored) == 60
    for row, result in enumerate(given.results):
        if isinstance(result, str):
            assert not scored.is_readable[row]
            assert (scored.own[row], scored.predictions[row]) == (-1, -1)
            assert np.isnan([scored.scores[row], *scored.after[row], *scored.before[row]]).all()
            continue
        one = result[None].astype(np.float64)
        exponential = [np.exp(value - one.max()) for value in one[0]]
        expected = [value / sum(exponential) for value in exponential]
        np.testing.assert_allclose(scored.before[row], expected, rtol=1e-12)
        after = openmax.predict_proba(one)[0]
        np.testing.assert_array_equal(scored.after[row], after)
        np.testing.assert_array_equal(scored.distances[row], openmax.distances(one)[0])
        np.testing.assert_array_equal(scored.cdf[row], openmax.cdf(openmax.distances(one))[0])
        decided = openmax.decide(one)
        assert scored.scores[row] == decided.scores[0]
        assert scored.predictions[row] == decided.predictions[0]
        assert scored.is_unknown[row] == (after.argmax() == 3)
        assert scored.ranked(row) == sorted(range(3), key=lambda index: -one[0, index])


def test_decisions_are_those_of_predict_at_every_threshold(openmax: OpenMax) -> None:
    given = mixed_pictures()
    scored = score_pictures(openmax, *given)
    rows = [row for row, result in enumerate(given.results) if not isinstance(result, str)]
    logits = np.array([given.results[row] for row in rows])
    for threshold in (0.0, 0.3, 0.9, *scored.scores[rows][:5].tolist(), 1.1):
        is_accepted, limits = decide(scored, class_limits(CLASSES, threshold))
        expected = openmax.predict(logits, threshold) != openmax.n_classes
        np.testing.assert_array_equal(is_accepted[rows], expected)
        assert not is_accepted[~scored.is_readable].any()
        held = scored.is_readable & ~scored.is_unknown
        assert set(limits[held].tolist()) == {threshold}
        assert np.isnan(limits[~held]).all()


# --- reasons -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cdf", "words"),
    [
        (0.0, "lies below that class's tail"),
        (0.0004, "lies below that class's tail"),
        (0.0006, "lies beyond 0.1 % of that class's tail"),
        (0.997, "lies beyond 99.7 % of that class's tail"),
        (0.9994, "lies beyond 99.9 % of that class's tail"),
        (0.9999, "lies beyond more than 99.9 % of that class's tail"),
        (1.0, "lies beyond all of that class's tail"),
    ],
)
def test_the_tail_in_words(cdf: float, words: str) -> None:
    assert tail_statement("roses", cdf, False) == (
        f"its distance to the nearest class, roses, {words}"
    )
    assert tail_statement("roses", cdf, True) == (
        f"its distance to roses, the network's own answer, {words}"
    )


def test_where_unknown_won_by_other_tails_the_reason_does_not_blame_the_nearest() -> None:
    reason = unknown_reason(0.7, "roses", 0.0, False)
    assert reason.at("0.5", is_accepted=False) == (
        "'unknown' is the most probable (0.700), by the tails of other classes; its distance to "
        "the nearest class, roses, lies below that class's tail"
    )
    assert reason.at("0.5", is_accepted=True) == reason.at("0.5", is_accepted=False)


def test_a_threshold_stands_in_the_middle_of_its_reason() -> None:
    reason = score_reason(0.61237, "roses", 0.25, False)
    tail = "its distance to the nearest class, roses, lies beyond 25.0 % of that class's tail"
    assert reason.at("0.5", is_accepted=True) == f"score 0.6124 reaches the threshold 0.5; {tail}"
    assert reason.at("0.7", is_accepted=False) == f"score 0.6124 is under the threshold 0.7; {tail}"
    assert Reason("empty", "empty").at("0.7", is_accepted=False) == "empty"


def test_the_nearest_class_is_called_so_only_where_it_is(openmax: OpenMax) -> None:
    # The largest logit is birch's, the nearest mean is ash's.
    apart = [9.0, 9.1, 0.0]
    distances = openmax.distances([apart])[0]
    nearest = int(distances.argmin())
    reason = verdict_table(openmax, pictures(apart), 0.1)["reason"][0]
    assert ("the nearest class, birch" in reason) == (nearest == 1)
    assert ("birch, the network's own answer" in reason) == (nearest != 1)
