"""The threshold page as an analyst uses it: every control must change what it says it changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, WebSocket, expect

from openmax_core.analysis.mistakes import find_mistakes
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.class_thresholds import measure_gain
from openmax_core.tradeoff.intervals import INTERVALS, share_interval
from openmax_core.tradeoff.objectives import (
    Balanced,
    FewestKnownRejected,
    LeastCost,
    MostRejected,
    MostRight,
)
from openmax_core.tradeoff.operating_point import NoFeasibleThresholdError, OperatingPoint
from openmax_core.tradeoff.resampling import bootstrap_choices, choose_on_half
from openmax_core.tradeoff.slider import MOST_POINTS, round_ends, slider_scale
from openmax_core.workspace.workspace import Workspace
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard
from tests.support.workspaces import made_up_logits, make_workspace


@pytest.fixture(scope="module")
def workspace(server: str, server_folder: Path) -> Workspace:
    return extracted_demo(server_folder)


@pytest.fixture(scope="module")
def evaluation(workspace: Workspace) -> Evaluation:
    return workspace.evaluate("notebook")


@pytest.fixture
def explorer(dashboard: Dashboard, workspace: Workspace) -> Dashboard:
    """The page at the recommended threshold, with the explorer drawn."""
    dashboard.open("threshold?method=notebook")
    dashboard.wait_for_explorer()
    return dashboard


@pytest.fixture
def tidy(workspace: Workspace) -> Iterator[None]:
    """Nothing stays chosen or saved."""
    yield
    workspace.operating_point_path.unlink(missing_ok=True)
    workspace.saved_points.path.unlink(missing_ok=True)


def percent(share: float | None) -> str:
    assert share is not None
    return f"{100 * share:.1f} %"


def note(count: int, total: int, kind: str = "Wilson") -> str:
    bounds = share_interval(count, total, kind)
    shown = f"{100 * bounds.low:.1f}–{100 * bounds.high:.1f} %"
    return f"{count:,} of {total:,} · 95 % {kind} {shown}"


def expect_figures_of(explorer: Dashboard, evaluation: Evaluation, threshold: float) -> None:
    """Both cards, their shares and the confusion are exactly those of the curve."""
    outcome = evaluation.curve.outcome(threshold)
    test, reject = explorer.card("Test accuracy"), explorer.card("Reject accuracy")
    expect(test.locator(".value")).to_have_text(percent(outcome.test_accuracy))
    expect(test.locator(".note")).to_have_text(note(outcome.correct, outcome.n_test))
    expect(test.locator(".legend b")).to_have_text(
        [f"{n:,}" for n in (outcome.correct, outcome.wrong, outcome.rejected_known)]
    )
    expect(reject.locator(".value")).to_have_text(percent(outcome.reject_accuracy))
    expect(reject.locator(".note")).to_have_text(note(outcome.rejected_unknown, outcome.n_reject))
    expect(reject.locator(".legend b")).to_have_text(
        [f"{n:,}" for n in (outcome.rejected_unknown, outcome.accepted_unknown)]
    )
    cells = evaluation.curve.confusion(threshold).ravel()
    table = explorer.page.get_by_role("table", name="Confusion at this threshold")
    expect(table.locator("td")).to_have_text([f"{count:,}" for count in cells])


def test_twenty_positions_show_the_exact_figures_of_the_curve(explorer, evaluation):
    mouse = explorer.page.mouse
    mouse.move(*explorer.point_on_slider(0.5))
    mouse.down()
    seen = set()
    for share in np.linspace(0, 1, 20):
        before = explorer.shown_threshold()
        mouse.move(*explorer.point_on_slider(float(share)))
        if share > 0:
            expect(explorer.page.get_by_label("Exact threshold")).not_to_have_value(str(before))
        threshold = explorer.shown_threshold()
        expect_figures_of(explorer, evaluation, threshold)
        seen.add(threshold)
    mouse.up()
    assert len(seen) == 20
    assert seen <= set(slider_scale(evaluation.curve, evaluation.score_range).positions.tolist())


def test_the_server_hears_nothing_while_dragging_and_once_on_release(page, server, workspace):
    sent: list[object] = []

    def note_down(frame: object) -> None:
        sent.append(frame)

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", note_down)

    page.on("websocket", listen)
    explorer = Dashboard(page, server)
    explorer.open("threshold?method=notebook")
    explorer.wait_for_explorer()
    address = page.url
    sent.clear()
    page.mouse.move(*explorer.point_on_slider(0.5))
    page.mouse.down()
    shown = set()
    for share in np.linspace(0.5, 0.9, 30):
        page.mouse.move(*explorer.point_on_slider(float(share)))
        shown.add(explorer.shown_threshold())
    assert len(shown) > 20
    assert sent == []
    assert page.url == address
    page.mouse.up()
    explorer.expect_address_value("threshold", str(explorer.shown_threshold()))
    explorer.wait_until_idle()
    assert len(sent) == 1


@pytest.mark.parametrize("plot", ["tradeoff", "scores"])
def test_dragging_on_a_chart_moves_the_threshold(explorer, plot):
    page = explorer.page
    box = page.locator(f".{plot} .u-over").bounding_box()
    line = page.locator(f".{plot} .at.line")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 40, steps=5)
    page.mouse.up()
    low, high = round_ends((1 / 7, np.e / (np.e + 6)))
    explorer.expect_address_value("threshold", threshold_text(explorer.shown_threshold()))
    assert abs(explorer.shown_threshold() - (low + 0.6 * (high - low))) < 0.005
    at = line.bounding_box()
    assert abs(at["x"] - (box["x"] + 0.6 * box["width"])) < 8


def test_a_finger_moves_the_threshold(browser, server, evaluation):
    context = browser.new_context(has_touch=True, viewport={"width": 800, "height": 1000})
    explorer = Dashboard(context.new_page(), server)
    explorer.open("threshold?method=notebook")
    explorer.wait_for_explorer()
    before = explorer.shown_threshold()
    session = context.new_cdp_session(explorer.page)

    def touch(kind: str, *shares: float) -> None:
        for share in shares or (None,):
            points = []
            if share is not None:
                x, y = explorer.point_on_slider(share)
                points = [{"x": x, "y": y}]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.9)
    touch("touchMove", 0.7, 0.5, 0.3)
    touch("touchEnd")
    expect(explorer.page.get_by_label("Exact threshold")).not_to_have_value(str(before))
    scale = slider_scale(evaluation.curve, evaluation.score_range)
    assert scale.way_of(explorer.shown_threshold()) == pytest.approx(0.3, abs=0.01)
    explorer.expect_address_value("threshold", str(explorer.shown_threshold()))
    context.close()


def test_every_key_moves_and_the_server_follows(explorer, evaluation):
    scale = slider_scale(evaluation.curve, evaluation.score_range)
    positions = scale.positions.tolist()
    explorer.press("Home")
    assert explorer.shown_threshold() == positions[0]
    explorer.press("ArrowRight", "ArrowUp")
    assert explorer.shown_threshold() == positions[2]
    explorer.press("ArrowLeft")
    assert explorer.shown_threshold() == positions[1]
    explorer.press("PageUp", "PageUp", "PageUp")
    assert scale.way_of(explorer.shown_threshold()) == pytest.approx(0.06, abs=0.005)
    explorer.press("PageDown", "ArrowDown")
    assert scale.way_of(explorer.shown_threshold()) == pytest.approx(0.04, abs=0.006)
    explorer.press("End")
    assert explorer.shown_threshold() == positions[-1]
    explorer.expect_address_value("threshold", threshold_text(positions[-1]))


def test_a_typed_threshold_between_two_positions_is_exact(explorer, evaluation):
    explorer.type_threshold(0.29543)
    expect_figures_of(explorer, evaluation, 0.29543)
    explorer.expect_address_value("threshold", "0.29543")


def test_a_thinned_curve_is_exact_as_well(dashboard, many_scores):
    """Of 12,000 scores a part is sent: what lies between is the server's to answer."""
    evaluation = many_scores.evaluate()
    curve = evaluation.curve
    assert len(curve.thresholds) > MOST_POINTS
    dashboard.open("threshold?workspace=Many+scores")
    dashboard.wait_for_explorer()
    for threshold in (0.8765432, float(curve.thresholds[-4]), 0.5):
        dashboard.type_threshold(threshold)
        expect_figures_of(dashboard, evaluation, threshold)
    dashboard.press("PageUp", "ArrowRight")
    expect_figures_of(dashboard, evaluation, dashboard.shown_threshold())


@pytest.fixture(scope="module")
def saturated(server_folder: Path) -> Evaluation:
    """Scores that pile up below 1: nearly all of what happens lies above 0.99."""
    workspace = make_workspace(server_folder / "saturated", stored=False, name="Saturated")
    for seed, split in enumerate(workspace.pictures.splits):
        files = workspace.pictures.find(split)
        logits = 4 * made_up_logits(files.labels, 3, seed, signal=6.0)
        workspace.stored.store.save(split, files, dict(enumerate(logits)), 3)
    return workspace.evaluate("msp")


def named_thresholds(evaluation: Evaluation, saved: list[float]) -> list[float]:
    """Recommended for several objectives, saved, both ends, and their neighbours."""
    positions = slider_scale(evaluation.curve, evaluation.score_range).positions
    objectives = (
        *(MostRejected(0.85), MostRejected(0.5), MostRight(0.9), MostRight(0.99)),
        *(FewestKnownRejected(0.05), FewestKnownRejected(0.3), Balanced()),
        LeastCost(1.0, 1.0, 5.0, 0.1),
    )
    named = {evaluation.choose(objective).threshold for objective in objectives}
    named |= {*saved, float(positions[0]), float(positions[-1])}
    for index in np.searchsorted(positions, sorted(named)).tolist():
        named |= set(positions[max(0, index - 1) : index + 2].tolist())
    return sorted(named)


def test_named_thresholds_of_saturated_scores_are_reached_by_keyboard_and_by_drag(
    dashboard, saturated
):
    scale = slider_scale(saturated.curve, saturated.score_range)
    saved = saturated.curve.decimals(saturated.curve.thresholds[[20, 50, 70, 110]])
    named = named_thresholds(saturated, saved)
    assert len(named) >= 20
    assert sum(threshold > 0.99 for threshold in named) >= 10
    dashboard.open("threshold?workspace=Saturated&method=msp")
    dashboard.wait_for_explorer()
    expect(dashboard.page.locator(".explorer .or-unknown")).to_be_hidden()
    dashboard.press("Home")
    for threshold in named:
        for _ in range(60):
            at = dashboard.shown_threshold()
            if at >= threshold:
                break
            ahead = scale.way_of(threshold) - scale.way_of(at)
            dashboard.slider.press("PageUp" if ahead > 0.03 else "ArrowRight")
        assert dashboard.shown_threshold() == threshold
    dashboard.wait_until_idle()
    mouse = dashboard.page.mouse
    mouse.move(*dashboard.point_on_slider(0.5))
    mouse.down()
    for threshold in named:
        mouse.move(*dashboard.point_on_slider(float(scale.way_of(threshold))))
        expect(dashboard.page.get_by_label("Exact threshold")).to_have_value(
            threshold_text(threshold)
        )
        expect_figures_of(dashboard, saturated, threshold)
    mouse.up()
    dashboard.expect_address_value("threshold", threshold_text(named[-1]))


def test_the_charts_are_drawn_over_the_score_or_the_share_of_knowns_rejected(dashboard, saturated):
    page = dashboard.page
    threshold = saturated.choose(MostRight(0.9)).threshold
    dashboard.open(f"threshold?workspace=Saturated&method=msp&threshold={threshold}")
    dashboard.wait_for_explorer()
    explorer = page.locator(".explorer")
    expect(explorer).to_have_attribute("data-axis", "share")
    expect_marker_on_the_curves(dashboard, saturated)
    # Dragging on a chart follows the axis that it has.
    box = page.locator(".tradeoff .u-over").bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 40, steps=5)
    page.mouse.up()
    moved = saturated.curve.outcome(dashboard.shown_threshold())
    assert moved.rejected_known / moved.n_test == pytest.approx(0.6 * 1.03 - 0.015, abs=0.01)
    expect_marker_on_the_curves(dashboard, saturated)
    page.locator(".over label", has_text="score").click()
    expect(explorer).to_have_attribute("data-axis", "score")
    expect(page.get_by_text("Accuracy over the threshold")).to_be_visible()
    dashboard.wait_until_idle()
    expect_marker_on_the_curves(dashboard, saturated)
    # The session remembers it, whatever page is opened in between.
    for name in ("Monitor", "Threshold"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.locator("h1", has_text=name)).to_be_visible()
    dashboard.wait_for_explorer()
    expect(explorer).to_have_attribute("data-axis", "score")


def test_what_is_no_threshold_is_refused_in_place(explorer):
    box = explorer.page.get_by_label("Exact threshold")
    address = explorer.page.url
    for text in ("1.5", "abc", ""):
        box.fill(text)
        box.press("Enter")
        expect(box).to_have_attribute("aria-invalid", "true")
    expect(explorer.page.get_by_role("status")).to_contain_text("a number from 0 to 1")
    box.press("Escape")
    expect(box).to_have_attribute("aria-invalid", "false")
    assert explorer.page.url == address


def test_a_score_that_is_no_probability_has_a_slider_of_its_own(dashboard, workspace):
    evaluation = workspace.evaluate("max_logit")
    dashboard.open("threshold?method=max_logit")
    dashboard.wait_for_explorer()
    low, high = evaluation.score_range
    positions = slider_scale(evaluation.curve, (low, high)).positions.tolist()
    expect(dashboard.page.locator(".explorer .lowest")).to_have_text(threshold_text(positions[0]))
    expect(dashboard.page.locator(".explorer .highest")).to_have_text(threshold_text(positions[-1]))
    assert positions[0] <= low < high <= positions[-1]
    for threshold in (-1.5, 7.25, round(high, 4) + 1):
        dashboard.type_threshold(threshold)
        expect_figures_of(dashboard, evaluation, threshold)
        dashboard.expect_address_value("threshold", threshold_text(threshold))
    dashboard.press("Home", "ArrowRight", "ArrowRight")
    assert dashboard.shown_threshold() == positions[2]
    expect_figures_of(dashboard, evaluation, positions[2])


def test_a_screen_reader_hears_threshold_and_both_accuracies(explorer, evaluation):
    explorer.press("PageDown")
    threshold = explorer.shown_threshold()
    outcome = evaluation.curve.outcome(threshold)
    words = (
        f"Threshold {threshold}: Test accuracy {percent(outcome.test_accuracy)}, "
        f"Reject accuracy {percent(outcome.reject_accuracy)}"
    )
    expect(explorer.slider).to_have_attribute("aria-valuetext", words)
    expect(explorer.page.get_by_role("status").filter(has_text=words)).to_have_count(1)


def test_the_charts_follow_the_theme(explorer):
    page = explorer.page

    def picture() -> str:
        return page.locator(".tradeoff canvas").evaluate("canvas => canvas.toDataURL()")

    light = picture()
    page.emulate_media(color_scheme="dark")
    expect(page.locator(".explorer")).to_have_css("color", "rgb(229, 234, 243)")
    expect(page.locator(".explorer")).to_have_attribute("data-drawn-in", "rgb(229, 234, 243)")
    assert picture() != light


def expect_marker_on_the_curves(explorer: Dashboard, evaluation: Evaluation) -> None:
    """The line stands at the threshold in both charts, and the dots on their curves.

    As shares of a chart: its ends lie 1.5 % of its axis outside, and its heights go from −2 % to
    104 %. The axis is what the explorer says, the score or the share of knowns rejected.
    """
    low, high = round_ends(evaluation.score_range)
    outcome = evaluation.curve.outcome(explorer.shown_threshold())
    place = (outcome.threshold - low) / (high - low)
    if explorer.page.locator(".explorer").get_attribute("data-axis") == "share":
        place = outcome.rejected_known / outcome.n_test
    across = (0.015 + place) / 1.03
    assert outcome.reject_accuracy is not None
    up = [(share + 0.02) / 1.06 for share in (outcome.test_accuracy, outcome.reject_accuracy)]
    shares = """panel => {
      const box = panel.querySelector('.u-over').getBoundingClientRect();
      const share = (node) => {
        const own = node.getBoundingClientRect();
        return [(own.x + own.width / 2 - box.x) / box.width,
                (box.bottom - own.y - own.height / 2) / box.height];
      };
      return {line: share(panel.querySelector('.at.line'))[0],
              dots: [...panel.querySelectorAll('.at.dot')].map(share)};
    }"""
    for name in (".tradeoff", ".scores"):
        shown = explorer.page.locator(name).evaluate(shares)
        assert shown["line"] == pytest.approx(across, abs=0.01), name
        assert shown["dots"] == [
            pytest.approx([across, share], abs=0.01)
            for share in (up if name == ".tradeoff" else ())
        ]


@pytest.mark.parametrize("trigger", ["method", "η", "interval", "theme", "width"])
def test_the_marker_stays_at_its_threshold_when_the_charts_are_drawn_anew(
    explorer, evaluation, workspace, trigger
):
    page = explorer.page
    explorer.type_threshold(0.25)
    explorer.expect_address_value("threshold", "0.25")
    expect_marker_on_the_curves(explorer, evaluation)
    drawn = page.locator(".tradeoff canvas").element_handle()
    if trigger == "method":
        explorer.choose("Method", "bendale")
        explorer.expect_address_value("method", "bendale")
        evaluation = workspace.evaluate("bendale")
    if trigger == "η":
        page.get_by_text("Method settings").click()
        box = page.get_by_role("spinbutton", name="Tail size η")
        box.fill("30")
        box.press("Enter")
        explorer.expect_address_value("tail_size", "30")
        evaluation = workspace.evaluate("notebook", tail_size=30)
    if trigger == "interval":
        page.get_by_role("radio", name="Clopper–Pearson").click()
        expect(page.get_by_text("95 % Clopper–Pearson interval")).to_be_visible()
    if trigger == "theme":
        page.emulate_media(color_scheme="dark")
        expect(page.locator(".explorer")).to_have_attribute("data-drawn-in", "rgb(229, 234, 243)")
    if trigger == "width":  # the charts stay, and are stretched
        page.set_viewport_size({"width": 1000, "height": 900})
    else:
        page.wait_for_function("canvas => !canvas.isConnected", arg=drawn)
    explorer.wait_until_idle()
    expect_marker_on_the_curves(explorer, evaluation)


def test_wider_intervals_are_shown_on_request(explorer, evaluation):
    explorer.page.get_by_role("radio", name="Clopper–Pearson").click()
    outcome = evaluation.curve.outcome(explorer.shown_threshold())
    expect(explorer.card("Test accuracy").locator(".note")).to_have_text(
        note(outcome.correct, outcome.n_test, list(INTERVALS)[1])
    )
    expect(explorer.page.get_by_text("95 % Clopper–Pearson interval")).to_be_visible()


@pytest.mark.parametrize(
    ("option", "objective", "numbers"),
    [
        ("", MostRejected(0.8), {"Test accuracy at least": "80"}),
        (
            "best Test accuracy, with Reject accuracy at least …",
            MostRight(0.7),
            {"Reject accuracy at least": "0.7"},
        ),
        (
            "best Reject accuracy, with at most … of the knowns rejected",
            FewestKnownRejected(0.1),
            {"Knowns rejected at most": "10"},
        ),
        ("largest mean of both accuracies", Balanced(), {}),
        (
            "lowest expected cost …",
            LeastCost(2.0, 1.0, 3.0, 0.5),
            {
                "Cost: wrong class": "2",
                "Cost: known rejected": "1",
                "Cost: unknown accepted": "3",
                "Unknowns in production": "50",
            },
        ),
    ],
)
def test_the_sentence_that_the_analyst_completes(explorer, evaluation, option, objective, numbers):
    page = explorer.page
    if not isinstance(objective, MostRejected):
        explorer.choose("Choose the threshold with the", option)
    for label, text in numbers.items():
        box = page.get_by_label(label, exact=True)
        box.fill(text)
        box.press("Enter")
        explorer.wait_until_idle()
    point = evaluation.choose(objective)
    expect(
        page.get_by_text(f"Recommended: threshold {threshold_text(point.threshold)}")
    ).to_be_visible()
    explorer.type_threshold(0.2)
    explorer.expect_address_value("threshold", "0.2")
    page.get_by_role("button", name="Use recommended").click()
    explorer.expect_address_value("threshold", threshold_text(point.threshold))
    expect_figures_of(explorer, evaluation, point.threshold)


def test_what_cannot_be_reached_is_answered_with_the_nearest(explorer, evaluation):
    page = explorer.page
    box = page.get_by_role("textbox", name="Test accuracy at least")
    box.fill("99")
    box.press("Enter")
    expect(
        page.get_by_text("No recommendation: no threshold reaches Test accuracy ≥ 99.0 %")
    ).to_be_visible()
    page.get_by_role("button", name="Use nearest").click()
    with pytest.raises(NoFeasibleThresholdError) as error:
        evaluation.recommend(0.99)
    nearest = error.value.nearest
    assert nearest is not None
    explorer.expect_address_value("threshold", threshold_text(nearest.threshold))
    expect_figures_of(explorer, evaluation, nearest.threshold)


def test_honest_figures_stand_beside_the_flattering(explorer, evaluation):
    page = explorer.page
    page.get_by_text("Choose on one half, report on the other").click()
    halves = choose_on_half(evaluation.curve, MostRejected(0.85))
    table = page.get_by_test_id("stTable").filter(has_text="the half it was chosen on")
    for outcome in (halves.chosen.outcome, halves.reported):
        expect(table).to_contain_text(f"{outcome.correct:,} of {outcome.n_test:,}")
        expect(table).to_contain_text(f"{outcome.rejected_unknown:,} of {outcome.n_reject:,}")
    low, high = bootstrap_choices(evaluation.curve, MostRejected(0.85)).quantiles(0.025, 0.975)
    expect(page.get_by_text(f"95 % of them lie between {low:.4g} and {high:.4g}")).to_be_visible()
    expect(page.locator(".marks .spread")).to_have_attribute("title", re.compile(f"{low}"))


def test_thresholds_per_class_show_their_gain_and_are_saved(explorer, evaluation, workspace, tidy):
    page = explorer.page
    page.get_by_text("A threshold per class", exact=True).click()
    gain = measure_gain(evaluation.curve, MostRejected(0.85))
    table = page.get_by_test_id("stTable").filter(has_text="gain over the single threshold")
    expect(table).to_contain_text(f"{100 * gain.value.value:+.1f} points")
    verdict = "better" if gain.is_worth_it else "within noise"
    expect(page.get_by_text(verdict, exact=True)).to_be_visible()
    page.get_by_label("Name").fill("per class")
    page.get_by_text("With the thresholds per class").click()
    page.get_by_role("button", name="Save threshold").click()
    expect(page.get_by_text("Saved as 'per class'.")).to_be_visible()
    (saved,) = workspace.saved_points.load()
    assert saved.point.class_thresholds is not None
    assert set(saved.point.class_thresholds) == set(workspace.classes)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Accepted unknowns", "accepted_unknowns"),
        ("Rejected knowns", "rejected_knowns"),
        ("Confused classes", "confused"),
    ],
)
def test_mistakes_come_nearest_first(explorer, evaluation, kind, name):
    page = explorer.page
    page.get_by_role("radio", name=kind).click()
    table = getattr(find_mistakes(evaluation, explorer.shown_threshold()), name).table()
    expect(page.get_by_text(f"{len(table):,} of ").first).to_be_visible()
    buttons = page.locator(".gallery button")
    expect(buttons).to_have_count(min(12, len(table)))
    for number, row in enumerate(table.head(12).to_dict(orient="records")):
        expect(buttons.nth(number)).to_contain_text(f"{row['score']:.4f}")
        expect(buttons.nth(number)).to_contain_text(f"{row['predicted']}")
    images = page.locator(".gallery img")
    expect(images).to_have_count(min(12, len(table)))
    assert images.first.evaluate("image => image.complete && image.naturalWidth") == 160


def test_the_gallery_follows_the_threshold_and_has_pages(explorer, evaluation):
    page = explorer.page
    explorer.type_threshold(0.25)
    table = find_mistakes(evaluation, 0.25).accepted_unknowns.table()
    expect(
        page.get_by_text(f"{len(table):,} of {evaluation.curve.n_reject:,} unknowns")
    ).to_be_visible()
    first = page.locator(".gallery button").first
    expect(first).to_have_attribute("title", table["path"].iloc[0])
    page.get_by_role("button", name="Page 2", exact=True).click()
    expect(first).to_have_attribute("title", table["path"].iloc[12])


def test_a_click_opens_the_picture_with_its_reason(explorer, evaluation):
    page = explorer.page
    table = find_mistakes(evaluation, explorer.shown_threshold()).accepted_unknowns.table()
    page.locator(".gallery button").nth(1).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"reject/{table['path'].iloc[1]}")
    expect(dialog).to_contain_text(f"Accepted as {table['predicted'].iloc[1]}")
    expect(dialog).to_contain_text("reaches the threshold")
    expect(dialog.locator("img")).to_be_visible()
    expect(dialog.locator(".barlayer .trace")).to_have_count(1)
    expect(dialog.locator('[data-testid="stPlotlyChart"]')).to_have_count(3)
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


def test_points_are_saved_compared_made_default_shown_and_deleted(
    explorer, evaluation, workspace, tidy
):
    page = explorer.page
    for name, threshold in (("strict", 0.3), ("mild", 0.2)):
        explorer.type_threshold(threshold)
        expect(page.get_by_role("button", name=f"Save threshold {threshold}")).to_be_visible()
        page.get_by_label("Name").fill(name)
        page.get_by_label("Note").fill(f"for the {name} garage")
        page.get_by_role("button", name="Save threshold").click()
        expect(page.get_by_text(f"Saved as '{name}'.")).to_be_visible()
    expect(page.locator(".tradeoff .kept")).to_have_count(4)
    strict, mild = workspace.saved_points.load()
    assert (strict.name, strict.note, strict.point.threshold) == (
        "strict",
        "for the strict garage",
        0.3,
    )
    assert mild.point.test_accuracy == evaluation.curve.test_accuracy(0.2)
    # A name that is taken is refused, and nothing is lost.
    page.get_by_label("Name").fill("mild")
    page.get_by_role("button", name="Save threshold").click()
    expect(page.get_by_text("there is a point 'mild' already")).to_be_visible()
    explorer.choose("Point", "strict")
    page.get_by_role("button", name="Make it the default").click()
    expect(page.get_by_text("'strict' is now the workspace's operating point")).to_be_visible()
    assert workspace.operating_point() == strict.point
    page.get_by_role("button", name="Show", exact=True).click()
    explorer.expect_address_value("threshold", "0.3")
    expect_figures_of(explorer, evaluation, 0.3)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("'strict' is deleted")).to_be_visible()
    assert [item.name for item in workspace.saved_points.load()] == ["mild"]
    # A new visit, and Upload, begin with the default.
    explorer.open("upload")
    expect(page.get_by_text("Method notebook")).to_be_visible()


def test_everything_can_be_exported(explorer, evaluation, workspace, tmp_path, browser):
    page = explorer.page
    threshold = explorer.shown_threshold()
    with page.expect_download() as download:
        page.get_by_role("button", name="Operating point (JSON)").click()
    point = OperatingPoint.load(Path(download.value.path()))
    assert point == evaluation.recommend(0.85)
    assert point.threshold == threshold
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    assert Path(download.value.path()).read_text().startswith("threshold,test_accuracy")
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (HTML)").click()
    report = tmp_path / "report.html"
    download.value.save_as(report)
    asked: list[str] = []
    context = browser.new_context(offline=True)
    reader = context.new_page()
    reader.on("request", lambda request: asked.append(request.url))
    reader.goto(report.as_uri())
    alone = Dashboard(reader, "")
    expect(alone.accuracy("Test accuracy")).to_have_text(percent(point.test_accuracy))
    alone.press("PageDown")
    expect_figures_of(alone, evaluation, alone.shown_threshold())
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    expect(reader.locator("svg[role=img]")).to_have_count(len(workspace.classes))
    context.close()


def test_the_table_of_thresholds_is_the_one_that_is_asked_for(explorer):
    page = explorer.page
    box = page.get_by_label("Thresholds", exact=True)
    box.fill("0.2, 0.3")
    box.press("Enter")
    explorer.wait_until_idle()
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["threshold", "0.2", "0.3"]


def test_a_slow_answer_does_not_pull_the_threshold_back(explorer, evaluation):
    """Moved twice, faster than the server answers: the second stays."""
    page: Page = explorer.page
    for share in (0.2, 0.4, 0.6, 0.8):
        page.mouse.move(*explorer.point_on_slider(share))
        page.mouse.down()
        page.mouse.up()
    last = explorer.shown_threshold()
    scale = slider_scale(evaluation.curve, evaluation.score_range)
    assert scale.way_of(last) == pytest.approx(0.8, abs=0.01)
    explorer.expect_address_value("threshold", threshold_text(last))
    explorer.wait_until_idle()
    assert explorer.shown_threshold() == last
