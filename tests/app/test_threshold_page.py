"""The Threshold page: what the explorer is given, the decision, the pictures and the table."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from openmax_core import NoFeasibleThresholdError
from openmax_core.analysis.mistakes import find_mistakes
from openmax_core.analysis.reject_folders import reject_folders
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.class_thresholds import choose_class_thresholds, measure_gain
from openmax_core.tradeoff.explorer import explorer_data, outcome_data
from openmax_core.tradeoff.intervals import INTERVALS, share_interval
from openmax_core.tradeoff.objectives import (
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
)
from openmax_core.tradeoff.resampling import bootstrap_choices, choose_on_half, rest_in_words
from openmax_core.tradeoff.sweep import sweep_table
from tests.app.visitor import (
    button,
    choose_axis,
    explorer,
    gallery,
    move_threshold,
    open_picture,
    percent,
    send_moved,
    texts,
)
from tests.support.workspaces import divide_reject_set, make_workspace

OBJECTIVES = {  # as the page first asks for them
    "max_reject_accuracy": MostRejected(0.85),
    "max_test_accuracy": MostRight(0.9),
    "max_rejected_known": FewestKnownRejected(0.05),
    "balanced": Balanced(),
    "least_cost": LeastCost(1, 1, 5, 0.1),
}


def counted(count: int, total: int, kind: str = "Wilson") -> str:
    """A share with its counts and interval, as the page writes it."""
    bounds = share_interval(count, total, kind)
    return (
        f"**{100 * count / total:.1f} %** ({count} of {total}; "
        f"{100 * bounds.low:.1f}–{100 * bounds.high:.1f} %)"
    )


def shows(app, evaluation, threshold: float) -> bool:
    """The explorer, the address and the button that saves are at a threshold."""
    data = explorer(app)
    assert data["value"] == threshold
    assert data["current"] == outcome_data(
        evaluation.curve,
        evaluation.curve,
        threshold,
        explorer_data_of(evaluation)["cells"],
        "Wilson",
    )
    assert app.query_params["threshold"] == threshold_text(threshold)
    return button(app, "Save threshold").label == f"Save threshold {threshold_text(threshold)}"


def explorer_data_of(evaluation, kind: str = "Wilson"):
    openmax = evaluation.openmax
    return explorer_data(
        evaluation.curve, evaluation.curve, openmax.class_names_, openmax.score_range(), kind
    )


# --- where the threshold comes from --------------------------------------------------------------


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
def test_a_visit_begins_at_the_recommended_threshold(open_app, trees, preset):
    app = open_app(trees.folder, "threshold", method=preset)
    evaluation = trees.evaluate(preset)
    assert explorer(app)["curve"] == explorer_data_of(evaluation)
    assert shows(app, evaluation, evaluation.recommend(0.85).threshold)


def test_a_link_reproduces_method_and_threshold(open_app, trees):
    app = open_app(trees.folder, "threshold", method="notebook", threshold="0.3125", tail_size="30")
    assert shows(app, trees.evaluate("notebook", tail_size=30), 0.3125)
    assert "η 30" in texts(app.caption)


@pytest.mark.parametrize("given", ["nonsense", "nan", "7", "-1"])
def test_a_link_with_a_wrong_threshold_shows_the_recommended_one(open_app, trees, given):
    app = open_app(trees.folder, "threshold", threshold=given)
    evaluation = trees.evaluate("bendale")
    assert shows(app, evaluation, evaluation.recommend(0.85).threshold)


def test_a_link_to_a_workspace_that_is_not_here_says_so(open_app, trees):
    app = open_app(trees.folder, "threshold", workspace="Elsewhere", threshold="0.4321")
    assert "The link names the workspace 'Elsewhere'" in texts(app.warning)
    assert explorer(app)["value"] != 0.4321


@pytest.mark.parametrize("given", ["nonsense", "nan", "170", "-1"])
def test_a_link_with_a_wrong_floor_says_so_and_asks_for_the_workspace_s(open_app, trees, given):
    app = open_app(trees.folder, "threshold", floor=given)
    assert f"'{given}'" in texts(app.error)
    assert "85.0 % is used instead." in texts(app.error)
    assert explorer(app)["floors"] == [
        {"of": "test", "share": 0.85, "label": "Test accuracy ≥ 85.0 %"}
    ]


@pytest.mark.parametrize("typed", ["70", "0.7", "70 %", "70.0%"])
def test_a_floor_is_typed_as_percent_or_as_a_fraction(open_app, trees, typed):
    app = open_app(trees.folder, "threshold")
    app.text_input(key="floor").set_value(typed).run()
    assert app.text_input(key="floor").value == "70.0 %"
    assert explorer(app)["floors"][0]["share"] == 0.7
    assert not app.error


def test_each_method_keeps_its_own_threshold(open_app, trees):
    app = open_app(trees.folder, "threshold")
    move_threshold(app, 0.7)
    app.sidebar.selectbox(key="method").set_value("notebook").run()
    evaluation = trees.evaluate("notebook")
    assert shows(app, evaluation, evaluation.recommend(0.85).threshold)
    app.sidebar.selectbox(key="method").set_value("bendale").run()
    assert shows(app, trees.evaluate("bendale"), 0.7)


def test_the_threshold_is_the_same_on_another_page_and_back(open_app, trees):
    app = open_app(trees.folder, "threshold")
    move_threshold(app, 0.7)
    app.switch_page("pages/weibull.py").run()
    app.switch_page("pages/threshold.py").run()
    assert shows(app, trees.evaluate("bendale"), 0.7)


# --- the explorer ------------------------------------------------------------------------------


def test_moving_the_explorer_moves_the_page_and_the_curve_is_sent_once(open_app, trees):
    app = open_app(trees.folder, "threshold")
    for count, threshold in enumerate((0.41, 0.987654321, 0.0, 1.0), start=1):
        move_threshold(app, threshold)
        assert shows(app, trees.evaluate("bendale"), threshold)
        assert explorer(app)["echo"] == count
        assert explorer(app)["curve"] is None
    # A browser that has another curve, or none, is sent this one again.
    send_moved(app, {"value": 1.0, "count": 5, "have": None})
    assert explorer(app)["curve"] == explorer_data_of(trees.evaluate("bendale"))


@pytest.mark.parametrize(
    "moved",
    [
        *(None, 0.7, "0.7", [0.7], {}),
        *({"value": value, "count": 1} for value in ("0.7", None, True, -0.1, 1.1, [0.7])),
        {"value": {"value": 0.7}, "count": {}, "have": []},
    ],
    ids=str,
)
def test_what_no_explorer_sends_moves_nothing(open_app, trees, moved):
    app = open_app(trees.folder, "threshold", threshold="0.6")
    send_moved(app, moved)
    assert not app.exception
    assert shows(app, trees.evaluate("bendale"), 0.6)


def test_the_charts_axis_is_remembered_with_the_session_whatever_the_method(open_app, trees):
    app = open_app(trees.folder, "threshold", method="bendale")
    assert explorer(app)["axis"] == "share"
    choose_axis(app, "score")
    assert explorer(app)["axis"] == "score"
    app.selectbox(key="method").set_value("msp").run()
    assert explorer(app)["axis"] == "score"
    choose_axis(app, "share")
    app.selectbox(key="method").set_value("notebook").run()
    assert explorer(app)["axis"] == "share"
    choose_axis(app, {"no": "axis"})
    assert not app.exception
    assert explorer(app)["axis"] == "share"


@pytest.mark.parametrize("method", ["notebook", "openmax", "max_logit"])
def test_scores_that_do_not_pile_up_are_shown_as_they_are_at_first(open_app, trees, method):
    assert explorer(open_app(trees.folder, "threshold", method=method))["axis"] == "score"


@pytest.mark.parametrize(
    ("method", "can_win"),
    [("bendale", True), ("notebook", True), ("openmax", False), ("robust", False), ("msp", False)],
)
def test_unknown_is_named_only_where_it_can_be_the_most_probable(open_app, trees, method, can_win):
    assert explorer(open_app(trees.folder, "threshold", method=method))["has_unknown"] is can_win


@pytest.mark.parametrize("kind", INTERVALS)
def test_all_intervals_are_of_the_chosen_kind(open_app, trees, kind):
    app = open_app(trees.folder, "threshold", threshold="0.6")
    app.segmented_control(key="interval").set_value(kind).run()
    evaluation = trees.evaluate("bendale")
    data, expected = explorer(app), explorer_data_of(evaluation, kind)
    assert data["curve"] == expected
    assert data["current"] == outcome_data(
        evaluation.curve, evaluation.curve, 0.6, expected["cells"], kind
    )
    point = evaluation.recommend(0.85)
    assert counted(point.counts["correct"], 89, kind) in texts(app.markdown)
    (sweep,) = [item.value for item in app.dataframe]
    row = sweep.iloc[len(sweep) // 2]
    outcome = evaluation.curve.outcome(row["threshold"])
    bounds = share_interval(outcome.correct, outcome.n_test, kind)
    assert (row["test_low"], row["test_high"]) == (100 * bounds.low, 100 * bounds.high)


def test_many_classes_are_listed_instead_of_a_matrix(open_app, tmp_path):
    classes = tuple(f"class_{number:02d}" for number in range(45))
    workspace = make_workspace(tmp_path / "many", classes=classes, n_train=4, n_test=1, n_reject=3)
    app = open_app(workspace.folder, "threshold", tail_size="3", threshold="0.9999")
    evaluation = workspace.evaluate(tail_size=3)
    data = explorer(app)
    assert shows(app, evaluation, 0.9999)
    assert not data["curve"]["is_matrix"]
    assert all(truth != decided for truth, decided in data["curve"]["cells"])
    app.segmented_control(key="mistakes").set_value("Rejected knowns").run()
    rejected = evaluation.curve.outcome(0.9999).rejected_known
    assert f"**{rejected}** of 44 knowns are rejected" in texts(app.caption)


# --- the decision --------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["bendale", "notebook"])
@pytest.mark.parametrize(("kind", "objective"), OBJECTIVES.items(), ids=OBJECTIVES)
def test_every_objective_is_answered_with_the_core_s_choice(
    open_app, trees, preset, kind, objective
):
    app = open_app(trees.folder, "threshold", method=preset, threshold="0.4")
    app.selectbox(key="objective").set_value(kind).run()
    evaluation = trees.evaluate(preset)
    problem = ""
    try:
        point = evaluation.choose(objective)
    except NoFeasibleThresholdError as error:
        point, problem = error.nearest, f"**No recommendation:** {error}."
    assert problem in texts(app.markdown)
    name = "nearest" if problem else "recommended"
    assert explorer(app)["marks"] == [
        {"name": name, "label": f" {name}", "threshold": point.threshold}
    ]
    if not problem:
        assert rest_in_words(evaluation.curve, objective) in texts(app.markdown)
        shown = texts(app.markdown)
        assert f"**Recommended: threshold {threshold_text(point.threshold)}**" in shown
        assert counted(point.counts["correct"], 89) in shown
        assert counted(point.counts["rejected_unknown"], 60) in shown
        assert ("Expected cost" in shown) == (kind == "least_cost")
    button(app, f"Use {name}").click().run()
    assert shows(app, evaluation, point.threshold)
    assert button(app, f"Use {name}").disabled


@pytest.mark.parametrize(
    ("kind", "numbers", "objective", "floors"),
    [
        (
            "max_reject_accuracy",
            {"floor": "60"},
            MostRejected(0.6),
            [{"of": "test", "share": 0.6, "label": "Test accuracy ≥ 60.0 %"}],
        ),
        (
            "max_test_accuracy",
            {"reject_floor": "95 %"},
            MostRight(0.95),
            [{"of": "reject", "share": 0.95, "label": "Reject accuracy ≥ 95.0 %"}],
        ),
        ("max_rejected_known", {"most_rejected": "29"}, FewestKnownRejected(0.29), []),
        (
            "least_cost",
            {"cost_wrong": 3.0, "cost_rejected": 0.5, "cost_accepted": 1.5, "unknown_share": "70"},
            LeastCost(3, 0.5, 1.5, 0.7),
            [],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_numbers_of_the_sentence_are_the_objective_s(
    open_app, trees, kind, numbers, objective, floors
):
    app = open_app(trees.folder, "threshold")
    app.selectbox(key="objective").set_value(kind).run()
    for key, value in numbers.items():
        field_of = app.text_input if isinstance(value, str) else app.number_input
        field_of(key=key).set_value(value)
    app.run()
    point = trees.evaluate("bendale").choose(objective)
    assert f"**Recommended: threshold {threshold_text(point.threshold)}**" in texts(app.markdown)
    assert explorer(app)["marks"][0]["threshold"] == point.threshold
    assert explorer(app)["floors"] == floors
    if isinstance(objective, LeastCost):
        outcome = point.outcome
        known = 3 * outcome.wrong / 89 + 0.5 * outcome.rejected_known / 89
        cost = 0.3 * known + 0.7 * 1.5 * outcome.accepted_unknown / 60
        assert f"Expected cost **{cost:.4g}** a picture." in texts(app.markdown)


def test_a_floor_that_nothing_reaches_is_answered_with_the_nearest(open_app, trees):
    app = open_app(trees.folder, "threshold", threshold="0.9", floor="1.0")
    evaluation = trees.evaluate("bendale")
    with pytest.raises(NoFeasibleThresholdError) as caught:
        evaluation.recommend(1.0)
    nearest = caught.value.nearest
    assert nearest is not None
    assert (
        "**No recommendation:** no threshold reaches Test accuracy ≥ 100.0 %; the nearest, "
        f"threshold {threshold_text(nearest.threshold)}, has Test accuracy "
        f"{percent(nearest.test_accuracy)} "
        f"({nearest.counts['correct']} of 89)."
    ) in texts(app.markdown)
    button(app, "Use nearest").click().run()
    assert shows(app, evaluation, nearest.threshold)


def test_honest_figures_stand_beside_the_flattering(open_app, trees):
    app = open_app(trees.folder, "threshold", floor="0.7")
    app.toggle(key="honest").set_value(True).run()
    curve = trees.evaluate("bendale").curve
    halves = choose_on_half(curve, MostRejected(0.7))
    chosen, kept = halves.chosen.outcome, halves.reported
    assert f"Chosen on one half: **threshold {threshold_text(chosen.threshold)}**" in texts(
        app.markdown
    )
    table = next(
        item.value for item in app.table if "Test accuracy" in item.value.iloc[:, 0].tolist()
    )
    assert table.iloc[:, 0].tolist() == ["Test accuracy", "Reject accuracy"]
    for column, outcome in enumerate((chosen, kept), start=1):
        assert table.iloc[:, column].tolist() == [
            counted(outcome.correct, outcome.n_test),
            counted(outcome.rejected_unknown, outcome.n_reject),
        ]
    misses = kept.test_accuracy < 0.7
    assert misses == ("On the other half it does not meet the constraint" in texts(app.caption))
    low, high = bootstrap_choices(curve, MostRejected(0.7)).quantiles(0.025, 0.975)
    assert f"95 % of them lie between **{low:.4g}** and **{high:.4g}**" in texts(app.caption)
    assert explorer(app)["spread"] == [low, high]


def test_what_the_other_half_misses_is_said(open_app, trees):
    curve = trees.evaluate("bendale").curve
    floor = next(  # the constraint is met on one half, and missed on the other
        floor
        for floor in np.arange(60, 90) / 100
        if choose_on_half(curve, MostRejected(floor)).reported.test_accuracy < floor
    )
    app = open_app(trees.folder, "threshold", floor=str(floor))
    app.toggle(key="honest").set_value(True).run()
    kept = choose_on_half(curve, MostRejected(floor)).reported
    assert (
        "On the other half it does not meet the constraint (Test accuracy ≥ "
        f"{100 * floor:.1f} %): Test accuracy {percent(kept.test_accuracy)} ({kept.correct} of "
        f"{kept.n_test})."
    ) in texts(app.caption)


def test_where_no_resample_meets_the_constraint_that_is_said(open_app, trees):
    app = open_app(trees.folder, "threshold", floor="0.99")
    app.toggle(key="honest").set_value(True).run()
    assert "On one half of the pictures: no threshold reaches Test accuracy" in texts(app.warning)
    assert ("No threshold meets the constraint in any of 200 resamples of the pictures.") in texts(
        app.caption
    )
    assert explorer(app)["spread"] is None


def test_resamples_that_miss_the_constraint_are_counted(open_app, trees):
    app = open_app(trees.folder, "threshold", floor="0.85")
    app.toggle(key="honest").set_value(True).run()
    spread = bootstrap_choices(trees.evaluate("bendale").curve, MostRejected(0.85))
    assert 0 < spread.n_infeasible < 200
    assert (
        f"In {spread.n_infeasible} of them no threshold meets the constraint; these are left out."
    ) in texts(app.caption)


def in_points(difference) -> str:
    low, high = difference.interval.low, difference.interval.high
    return f"{100 * difference.value:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"


@pytest.mark.parametrize("kind", ["balanced", "max_reject_accuracy", "least_cost"])
def test_thresholds_per_class_stand_beside_what_they_gain(open_app, trees, kind):
    app = open_app(trees.folder, "threshold", method="notebook")
    app.selectbox(key="objective").set_value(kind)
    app.toggle(key="per_class").set_value(True).run()
    curve, objective = trees.evaluate("notebook").curve, OBJECTIVES[kind]
    thresholds = next(
        item.value for item in app.dataframe if "predicted class" in item.value.columns
    )
    assert thresholds["predicted class"].tolist() == ["ash", "birch", "cedar"]
    chosen = choose_class_thresholds(curve, objective)
    assert thresholds["threshold"].tolist() == chosen.thresholds.tolist()
    gain = measure_gain(curve, objective)
    gains = next(item.value for item in app.table if "Test accuracy" in item.value.index)
    gains = gains.iloc[:, 0].to_dict()
    assert gains["Test accuracy"] == in_points(gain.test_accuracy)
    assert gains["Reject accuracy"] == in_points(gain.reject_accuracy)
    if kind == "balanced":
        assert gains["mean of both accuracies"] == in_points(gain.value)
    elif kind == "least_cost":
        assert gains["expected cost saved"].startswith(f"{gain.value.value:+.4g} (")
    else:
        kept = "Reject accuracy, with the same constraint (Test accuracy ≥ 85.0 %)"
        assert gains[kept] == in_points(gain.net)
    said = texts(app.success) + texts(app.warning)
    verdict = "worse" if gain.net.interval.high < 0 else "within noise"
    assert f"**{'better' if gain.is_worth_it else verdict}**" in said


def test_thresholds_per_class_that_cannot_be_judged_say_why(open_app, trees):
    app = open_app(trees.folder, "threshold", floor="0.85")
    app.toggle(key="per_class").set_value(True).run()
    assert (
        "Thresholds per class cannot be compared. On one half of the pictures: no threshold "
        "reaches Test accuracy ≥ 85.0 %"
    ) in texts(app.warning)
    assert not app.checkbox


# --- few and no pictures -------------------------------------------------------------------------


def test_without_a_reject_set_the_page_works_and_says_what_is_missing(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", n_reject=0)
    app = open_app(workspace.folder, "threshold")
    evaluation = workspace.evaluate()
    assert "There is no reject set, so Reject accuracy is not measured" in texts(app.info)
    assert "Reject accuracy not measured" in texts(app.markdown)
    assert shows(app, evaluation, evaluation.recommend_by_default(0.85).threshold)
    assert explorer(app)["current"]["reject"] is None
    won = evaluation.curve.n_test_unknown_won
    assert f"For {won} of 89 test pictures, 'unknown' is the most probable class." in texts(
        app.caption
    )
    # There is no unknown to be accepted: the first list is of rejected knowns.
    assert app.segmented_control(key="mistakes").value == "Rejected knowns"
    app.segmented_control(key="mistakes").set_value("Accepted unknowns").run()
    assert "**0** of 0 unknowns are accepted" in texts(app.caption)


@pytest.mark.parametrize(("kind", "objective"), OBJECTIVES.items(), ids=OBJECTIVES)
def test_without_a_reject_set_an_objective_that_needs_one_is_not_offered(
    open_app, tmp_path, kind, objective
):
    workspace = make_workspace(tmp_path / "trees", n_reject=0)
    app = open_app(workspace.folder, "threshold")
    choice = app.selectbox(key="objective")
    if objective.needs_reject_set:
        assert len(choice.options) == 3
        assert all(option.startswith("highest threshold, ") for option in choice.options)
        return
    for key in ("honest", "per_class"):
        app.toggle(key=key).set_value(True)
    choice.set_value(kind).run()
    assert not app.exception


def test_one_test_picture_is_enough_for_a_page_that_says_what_it_is_worth(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", n_test=1)
    for name in ("birch", "cedar"):
        shutil.rmtree(workspace.folder / "test" / name)
    logits = np.array([9, 0, 0], dtype=np.float32)
    workspace.stored.store.save("test", workspace.pictures.find("test"), {0: logits}, 3)
    app = open_app(workspace.folder, "threshold")
    point = workspace.evaluate().recommend(0.85)
    assert shows(app, workspace.evaluate(), point.threshold)
    assert f"Test accuracy {counted(1, 1)} with Reject accuracy" in texts(app.markdown)
    bounds = share_interval(0, 1)
    assert (
        "Only 1 test picture: each changes Test accuracy by 100.0 points, and the 95 % interval "
        f"may be {100 * (bounds.high - bounds.low):.0f} points wide."
    ) in texts(app.warning)
    for key in ("honest", "per_class"):
        app.toggle(key=key).set_value(True)
    app.run()
    assert not app.exception
    assert texts(app.warning).count("there are no test pictures to choose on") == 2


def test_few_pictures_are_said_to_be_few(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "trees", n_test=5, n_reject=9)
    shown = texts(open_app(workspace.folder, "threshold").warning)
    for name, count, half in (("test", 14, 7), ("reject", 9, 4)):
        bounds = share_interval(half, count)
        assert (
            f"Only {count} {name} pictures: each changes {name.capitalize()} accuracy by "
            f"{100 / count:.1f} points, and the 95 % interval may be "
            f"{100 * (bounds.high - bounds.low):.0f} points wide."
        ) in shown


def test_enough_pictures_are_not_said_to_be_few(open_app, trees):
    assert "Only" not in texts(open_app(trees.folder, "threshold").warning)


@pytest.mark.parametrize("split", ["train", "test", "reject"])
def test_damaged_logits_are_named_with_the_way_out(open_app, trees, split):
    (folder,) = (trees.folder / "activations").glob(f"{split}-*")
    logits = np.load(folder / "logits.npy")
    logits[3, 1] = np.nan
    np.save(folder / "logits.npy", logits)
    app = open_app(trees.folder, "threshold")
    path = trees.pictures.find(split).paths[3]
    assert texts(app.error) == (
        f"the stored logits of {split}/{path} are damaged (NaN or Inf); delete "
        f"activations/{folder.name} and run the extraction again"
    )
    assert not app.get("bidi_component")


# --- mistakes at the threshold -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "in_words"),
    [
        ("Accepted unknowns", "accepted_unknowns", "of 60 unknowns are accepted"),
        ("Rejected knowns", "rejected_knowns", "of 89 knowns are rejected"),
        ("Confused classes", "confused", "of 89 knowns are accepted in a wrong class"),
    ],
)
def test_the_gallery_shows_what_the_threshold_gets_wrong_nearest_first(
    open_app, trees, kind, name, in_words
):
    app = open_app(trees.folder, "threshold", threshold="0.3")
    app.segmented_control(key="mistakes").set_value(kind).run()
    pictures = getattr(find_mistakes(trees.evaluate("bendale"), 0.3), name)
    assert f"**{len(pictures)}** {in_words}; nearest to the threshold first." in texts(app.caption)
    if not len(pictures):
        assert "None at this threshold." in texts(app.caption)
        return
    shown = gallery(app)
    table = pictures.table().head(12)
    assert [item["path"] for item in shown] == table["path"].tolist()
    for item, row in zip(shown, table.to_dict(orient="records"), strict=True):
        gap = "'unknown' most probable" if np.isnan(row["gap"]) else f"{row['gap']:.4f} away"
        assert item["lines"][0] == f"{row['score']:.4f} · {gap}"
        assert item["lines"][1].split(": ") == [
            "nearest class" if kind == "Rejected knowns" else "accepted as",
            row["predicted"],
        ]
        assert item["lines"][2] == f"true: {row['path'].split('/')[0]}"
        assert item["picture"].startswith("data:image/jpeg;base64,")


def test_the_gallery_has_pages_which_end_with_the_pictures(open_app, trees):
    app = open_app(trees.folder, "threshold", threshold="0.3")
    pictures = find_mistakes(trees.evaluate("bendale"), 0.3).accepted_unknowns
    assert 12 < len(pictures) <= 24
    app.pagination(key="page_Accepted unknowns").set_value(2).run()
    paths = pictures.table()["path"].tolist()
    assert [item["path"] for item in gallery(app)] == paths[12:]
    # With a threshold that accepts fewer there is no second page any more.
    move_threshold(app, 0.5)
    fewer = find_mistakes(trees.evaluate("bendale"), 0.5).accepted_unknowns
    assert 0 < len(fewer) <= 12
    assert [item["path"] for item in gallery(app)] == fewer.table()["path"].tolist()


def test_a_click_opens_the_picture_with_the_reason_of_its_decision(open_app, trees):
    app = open_app(trees.folder, "threshold", threshold="0.3")
    evaluation = trees.evaluate("bendale")
    row = find_mistakes(evaluation, 0.3).accepted_unknowns.table().iloc[1]
    open_picture(app, f"reject:{row['row']}")
    assert f"reject/{row['path']}" in texts(app.caption)
    assert f"Score {row['score']:.4f} reaches the threshold 0.3; its distance" in texts(app.caption)
    assert f"**Accepted as {row['predicted']}** · true class: **unknown**" in texts(app.markdown)
    logits = evaluation.reject.logits[[row["row"]]]
    distances = evaluation.openmax.distances(logits)
    cdf = evaluation.openmax.cdf(distances)[0]
    nearest = np.argsort(-logits[0])[:2]
    for index in nearest:
        name = evaluation.openmax.class_names_[index]
        assert (
            f"Class {name}: CDF **{cdf[index]:.4f}** at distance {distances[0, index]:.4g}"
        ) in texts(app.markdown)
    assert len(app.get("plotly_chart")) == 3


@pytest.mark.parametrize(
    "key", ["reject:59999", "test:0", "reject", "reject:-1", "../../etc/passwd:0", 5, None, {}, []]
)
def test_only_pictures_that_are_shown_can_be_opened(open_app, trees, key):
    app = open_app(trees.folder, "threshold", threshold="0.3")
    open_picture(app, key)
    assert not app.exception
    assert not app.get("plotly_chart")


def test_a_picture_that_is_gone_is_said_to_be(open_app, trees):
    row = find_mistakes(trees.evaluate("bendale"), 0.3).accepted_unknowns.table().iloc[0]
    (trees.pictures.folder("reject") / row["path"]).unlink()
    app = open_app(trees.folder, "threshold", threshold="0.3")
    assert gallery(app)[0]["picture"] is None
    open_picture(app, f"reject:{row['row']}")
    assert not app.exception
    assert "The picture is no longer there." in texts(app.warning)


# --- the table of thresholds, and what can be taken away -----------------------------------------


def test_the_table_of_thresholds_is_the_sweep(open_app, trees):
    app = open_app(trees.folder, "threshold", method="notebook")
    curve = trees.evaluate("notebook").curve
    box = next(item for item in app.text_input if item.label == "Thresholds")
    assert box.value == "0.30:0.40:0.01"
    expected = sweep_table(curve, np.arange(30, 41) / 100)
    expected.iloc[:, 1:7] *= 100
    shown = app.dataframe[0].value
    assert shown[expected.columns].to_numpy().tolist() == expected.to_numpy().tolist()
    box.set_value("0.4, 0.2").run()
    assert app.dataframe[0].value["threshold"].tolist() == [0.4, 0.2]


def test_a_mistake_in_the_thresholds_of_the_table_says_the_form(open_app, trees):
    app = open_app(trees.folder, "threshold")
    box = next(item for item in app.text_input if item.label == "Thresholds")
    box.set_value("0.2:0.1:*0.5*").run()
    assert "thresholds '0.2:0.1:*0.5*': write start:stop:step" in texts(app.error)
    assert not app.dataframe
    # All else goes on; only the table cannot be taken away.
    assert [item.label for item in app.get("download_button")] == [
        "Report (HTML)",
        "Operating point (JSON)",
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("my_trees", "`openmax report {folder}`"),
        ("my own_trees", "`openmax report '{folder}'`"),
        ("a ``tree`", "``` openmax report '{folder}' ```"),
    ],
)
def test_the_command_for_the_shell_can_be_copied_as_it_is(open_app, tmp_path, name, code):
    workspace = make_workspace(tmp_path / name, n_train=3, n_test=2, n_reject=2)
    app = open_app(workspace.folder, "threshold")
    commands = [item.value for item in app.caption if "in the shell" in item.value]
    assert commands == [f"The report in the shell: {code.format(folder=workspace.folder)}"]


def test_the_way_into_production_is_a_command(open_app, tmp_path):
    workspace = make_workspace(tmp_path / "my_trees", n_train=3, n_test=2, n_reject=2)
    app = open_app(workspace.folder, "threshold")
    (line,) = [item.value for item in app.caption if "openmax export" in item.value]
    assert line.startswith("One ONNX file for production")
    assert line.endswith(f": `openmax export {workspace.folder}`")


# --- Reject accuracy by kind of unknown ----------------------------------------------------------


def folder_rows(app: AppTest) -> list[pd.DataFrame]:
    """The table by folder, if there is one."""
    return [item.value for item in app.dataframe if "folder" in item.value.columns]


def test_the_folders_of_the_reject_set_follow_the_threshold(open_app, trees):
    divide_reject_set(trees, {"elm": 25, "fir": 10})
    app = open_app(trees.folder, "threshold")
    folders = reject_folders(trees.evaluate("bendale"))
    for threshold in (explorer(app)["value"], 0.95, 0.3):
        move_threshold(app, threshold)
        (table,) = folder_rows(app)
        expected = folders.at(threshold)
        expected[["reject_accuracy", "low", "high"]] *= 100
        assert table.to_dict(orient="list") == expected.to_dict(orient="list")
        assert f"At threshold {threshold_text(threshold)}, by folder" in texts(app.caption)


def test_folders_have_the_interval_that_was_chosen(open_app, trees):
    divide_reject_set(trees, {"elm": 25})
    app = open_app(trees.folder, "threshold")
    threshold = explorer(app)["value"]
    app.segmented_control(key="interval").set_value("Clopper–Pearson").run()
    (table,) = folder_rows(app)
    expected = reject_folders(trees.evaluate("bendale")).at(threshold, "Clopper–Pearson")
    assert table["low"].tolist() == (100 * expected["low"]).tolist()


def test_a_reject_set_in_one_folder_has_no_table_by_folder(open_app, trees):
    assert folder_rows(open_app(trees.folder, "threshold")) == []
