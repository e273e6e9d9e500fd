"""Decisions on single pictures: verdicts, their reasons, and which method and threshold decide."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from openmax_core import NoFeasibleThresholdError, OpenMax, OpenMaxError
from openmax_core.prediction import choose_method, expand_paths
from openmax_core.settings import Defaults
from openmax_core.verdicts import Logits, PictureLogits, verdict_table
from openmax_core.workspace import Workspace
from tests.helpers import CLASSES, make_workspace, store_made_up

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


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


# --- verdicts --------------------------------------------------------------------------------


def test_a_known_picture_is_accepted_as_its_class(openmax: OpenMax) -> None:
    table = verdict_table(openmax, pictures(ASH, CEDAR), 0.5)
    assert table["verdict"].tolist() == ["accepted", "accepted"]
    assert table["decision"].tolist() == ["ash", "cedar"]
    assert table["nearest_class"].tolist() == ["ash", "cedar"]
    score = openmax.decision_scores([ASH])[0]
    assert table["reason"][0] == f"score {score:.4f} reaches the threshold 0.5"


def test_a_score_under_the_threshold_is_rejected_and_both_are_named(openmax: OpenMax) -> None:
    score = openmax.decision_scores(np.array([ASH], dtype=np.float32))[0]
    table = verdict_table(openmax, pictures(ASH), float(np.nextafter(score, 2)))
    assert table["verdict"].tolist() == ["rejected"]
    assert table["decision"].tolist() == ["rejected"]
    assert table["nearest_class"].tolist() == ["ash"]
    assert table["reason"][0].startswith(f"score {score:.4f} is under the threshold ")


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
    assert table["reason"][0] == (
        f"'unknown' is the most probable ({unknown:.3f}); its distance to cedar lies beyond "
        f"{100 * beyond:.1f} % of that class's tail"
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


# --- method and threshold --------------------------------------------------------------------


def test_without_a_stored_point_the_recommended_threshold_decides(workspace: Workspace) -> None:
    choice = choose_method(workspace)
    evaluation = workspace.evaluate()
    assert choice.threshold == evaluation.recommend(0.85).threshold
    assert choice.evaluation.openmax.preset_ == "bendale"
    assert choice.source == "recommended under Test accuracy ≥ 0.85"


def test_a_given_threshold_needs_no_floor(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    settings = dataclasses.replace(workspace.settings, defaults=Defaults(min_test_accuracy=1.0))
    workspace.save_settings(settings)
    with pytest.raises(NoFeasibleThresholdError, match="no threshold reaches Test accuracy ≥ 1"):
        choose_method(workspace)
    choice = choose_method(workspace, threshold=0.7)
    assert (choice.threshold, choice.source) == (0.7, "given")


def test_the_stored_point_decides_with_its_own_settings(workspace: Workspace) -> None:
    workspace.choose(workspace.evaluate("notebook", tail_size=15).point_at(0.41))
    choice = choose_method(workspace)
    assert (choice.threshold, choice.source) == (0.41, "the workspace's operating point")
    assert choice.evaluation.openmax.preset_ == "notebook"
    assert choice.evaluation.openmax.settings_["tail_size"] == 15


def test_a_given_threshold_replaces_the_stored_one_but_not_its_method(
    workspace: Workspace,
) -> None:
    workspace.choose(workspace.evaluate("bendale", tail_size=15).point_at(0.41))
    choice = choose_method(workspace, threshold=0.6)
    assert (choice.threshold, choice.source) == (0.6, "given")
    assert choice.evaluation.openmax.settings_["tail_size"] == 15


def test_the_preset_of_the_stored_point_asked_for_by_name_is_the_preset_itself(
    workspace: Workspace,
) -> None:
    workspace.choose(workspace.evaluate("bendale", tail_size=15).point_at(0.41))
    choice = choose_method(workspace, "bendale")
    assert choice.evaluation.openmax.settings_["tail_size"] == 20
    assert choice.source == "recommended under Test accuracy ≥ 0.85"


def test_another_preset_sets_the_stored_point_aside(workspace: Workspace) -> None:
    workspace.choose(workspace.evaluate("bendale").point_at(0.41))
    choice = choose_method(workspace, "notebook")
    assert choice.evaluation.openmax.preset_ == "notebook"
    assert choice.threshold == workspace.evaluate("notebook").recommend(0.85).threshold
    assert choice.source == "recommended under Test accuracy ≥ 0.85"
    assert choose_method(workspace, "notebook", 0.33).threshold == 0.33


def test_a_point_of_other_activations_says_so(workspace: Workspace) -> None:
    workspace.choose(workspace.evaluate().point_at(0.41))
    (workspace.picture_folder("test") / "ash" / "000.png").unlink()
    store_made_up(workspace, "test", workspace.find_pictures("test"), seed=9)
    choice = choose_method(workspace)
    assert choice.threshold == 0.41
    assert choice.source == (
        "the workspace's operating point, on activations that have changed since"
    )


@pytest.mark.parametrize(
    ("written", "instead"),
    [('"tail_size"', '"tail_length"'), ('"tail_size": 20', '"tail_size": "twenty"')],
)
def test_a_point_with_settings_that_do_not_exist_is_named(
    workspace: Workspace, written: str, instead: str
) -> None:
    workspace.choose(workspace.evaluate().point_at(0.41))
    path = workspace.operating_point_path
    text = path.read_text(encoding="utf-8")
    assert written in text
    path.write_text(text.replace(written, instead), encoding="utf-8")
    with pytest.raises(OpenMaxError, match=r"operating_point\.json .*settings.*; choose the"):
        choose_method(workspace)


# --- paths -----------------------------------------------------------------------------------


def test_a_folder_stands_for_the_visible_files_below_it_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a/2.png", "a/1.jpg", ".hidden.png", ".cache/x.png", "a/.y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert expand_paths([str(tmp_path)]) == [
        tmp_path / name for name in ("a/1.jpg", "a/2.png", "b.png")
    ]


def test_a_folder_below_a_hidden_one_is_searched_when_named(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "x.png").touch()
    assert expand_paths([str(tmp_path / ".cache")]) == [tmp_path / ".cache" / "x.png"]


def test_files_keep_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    for name in ("z.png", "a.txt"):
        (tmp_path / name).touch()
    given = [str(tmp_path / "z.png"), str(tmp_path / "a.txt")]
    assert expand_paths(given) == [tmp_path / "z.png", tmp_path / "a.txt"]


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(OpenMaxError, match=f"there is no file or folder {tmp_path}/gone"):
        expand_paths([str(tmp_path), str(tmp_path / "gone")])


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OpenMaxError, match=f"no files in {tmp_path}"):
        expand_paths([str(tmp_path)])
