"""The Weibull page in a browser: panels, one class in detail, a thousand classes, η and α."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from openmax_core.analysis.class_facts import class_boundary
from openmax_core.analysis.class_health import class_distances, class_health, tail_members
from openmax_core.analysis.sensitivity import AUROC, REJECT_AT_FLOOR, measure_sensitivity
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.workspace.workspace import Workspace
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard
from tests.browser.server import serve
from tests.support.workspaces import make_workspace

N_MANY = 1000


@pytest.fixture(scope="module")
def workspace(server: str, server_folder: Path) -> Workspace:
    return extracted_demo(server_folder)


@pytest.fixture(scope="module")
def evaluation(workspace: Workspace) -> Evaluation:
    return workspace.evaluate("bendale")


@pytest.fixture
def weibull(dashboard: Dashboard, workspace: Workspace) -> Dashboard:
    """The page with its panels drawn."""
    dashboard.open("weibull?method=bendale&threshold=0.5")
    expect(panels(dashboard.page)).to_have_count(6)
    dashboard.wait_until_idle()
    return dashboard


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Evaluation]]:
    """A server with a workspace of a thousand classes, and what it is to show."""
    folder = tmp_path_factory.mktemp("thousand")
    classes = tuple(f"class {number:03d}" for number in range(N_MANY))
    workspace = make_workspace(
        folder / "many", classes=classes, n_train=6, n_test=1, n_reject=20, name="Thousand"
    )
    with serve(folder) as address:
        yield address, workspace.evaluate("bendale")
    log = (folder / "server.log").read_text(errors="replace")
    assert "Traceback" not in log, log


def panels(page: Page) -> Locator:
    return page.locator(".multiples li button")


def names(page: Page) -> Locator:
    return panels(page).locator(".head b")


def open_class(dashboard: Dashboard, name: str) -> Locator:
    """Click a panel; returns the dialog, drawn."""
    dashboard.page.get_by_role("button", name=f"Class {name} in detail", exact=True).click()
    return opened(dashboard, name)


def opened(dashboard: Dashboard, name: str) -> Locator:
    dialog = dashboard.page.get_by_role("dialog")
    expect(dialog.get_by_text(f"Class {name}", exact=True)).to_be_visible()
    dashboard.wait_until_idle()
    return dialog


# --- panels --------------------------------------------------------------------------------------


def test_each_class_has_a_panel_that_says_from_where_on_it_rejects(weibull, evaluation):
    expect(names(weibull.page)).to_have_text([*evaluation.openmax.class_names_])
    for index in range(6):
        boundary = class_boundary(evaluation, class_distances(evaluation), index, 0.5)
        panel = panels(weibull.page).nth(index)
        expect(panel.locator(".says")).to_have_text(boundary.in_words)
        expect(panel.locator("svg .curve")).to_have_count(1)
        expect(panel.locator("svg .steps")).to_have_count(1)
        n_lines = 0 if boundary.distance is None else 3
        expect(panel.locator("svg .boundary")).to_have_count(n_lines)
    test, reject = class_distances(evaluation).of(0)
    counts = panels(weibull.page).first.locator(".axis.count")
    expect(counts).to_have_text([str(len(test)), str(len(reject))])


def test_the_curve_runs_from_the_left_edge_to_the_right_one_and_the_line_is_in_its_place(
    weibull, evaluation
):
    frame = panels(weibull.page).first.locator(".frame").first
    curve = frame.locator(".curve")
    # A box holds the stroke as well, as wide as before the panel was stretched.
    whole, drawn = frame.bounding_box(), curve.bounding_box()
    assert whole is not None
    assert drawn is not None
    assert drawn["x"] == pytest.approx(whole["x"], abs=8)
    assert drawn["width"] == pytest.approx(whole["width"], abs=16)
    lines = [item.bounding_box() for item in panels(weibull.page).first.locator(".boundary").all()]
    assert len({round(line["x"]) for line in lines if line}) == 1


def test_the_threshold_page_s_threshold_moves_the_lines(weibull, evaluation):
    before = panels(weibull.page).first.locator(".says").inner_text()
    weibull.page.get_by_test_id("stSidebarNavLink").filter(has_text="Threshold").click()
    weibull.wait_for_explorer()
    weibull.type_threshold(0.8)
    weibull.expect_address_value("threshold", "0.8")
    weibull.page.get_by_test_id("stSidebarNavLink").filter(has_text="Weibull").click()
    boundary = class_boundary(evaluation, class_distances(evaluation), 0, 0.8)
    says = panels(weibull.page).first.locator(".says")
    expect(says).to_have_text(boundary.in_words)
    assert before != boundary.in_words


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_and_text_are_seen_on_the_ground(page: Page, server, workspace, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 800, "height": 900})
    dashboard = Dashboard(page, server)
    dashboard.open("weibull?method=bendale")
    expect(panels(dashboard.page)).to_have_count(6)
    panel = panels(dashboard.page).first
    steps = brightness(panel.locator(".steps"), "stroke")
    text = brightness(panel.locator("b"), "color")
    ground = brightness(dashboard.page.get_by_test_id("stApp"), "backgroundColor")
    assert abs(steps - ground) > 100
    assert abs(text - ground) > 100
    assert (ground < 128) == (scheme == "dark")


def brightness(place: Locator, style: str) -> float:
    """Mean of red, green and blue of a colour."""
    colour = place.evaluate("(node, style) => getComputedStyle(node)[style]", style)
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3


# --- one class -----------------------------------------------------------------------------------


def test_a_click_shows_a_class_in_detail_and_a_picture_of_its_tail_large(weibull, evaluation):
    dialog = open_class(weibull, "3")
    plots = dialog.locator('[data-testid="stPlotlyChart"]')
    expect(plots).to_have_count(3)
    for number, n_traces in enumerate((4, 1, 3)):
        plots.nth(number).scroll_into_view_if_needed()
        expect(plots.nth(number).locator(".scatterlayer .trace")).to_have_count(n_traces)
    members = tail_members(evaluation, 3)
    distances = dialog.locator(".gallery .text b")
    expect(distances).to_have_text(
        [f"distance {distance:.4g}" for distance in members["distance"][:12]]
    )
    expect(dialog.locator(".gallery img")).to_have_count(12)
    dialog.get_by_role("button", name="Page 2").click()
    expect(distances).to_have_text(
        [f"distance {distance:.4g}" for distance in members["distance"][12:]]
    )
    dialog.locator(".gallery button").first.click()
    expect(dialog.locator('[data-testid="stImage"] img')).to_be_visible()
    expect(dialog.get_by_text(f"train/{members['path'][12]}")).to_be_visible()


def test_a_class_opens_by_keyboard_and_again_after_it_was_closed(weibull):
    page = weibull.page
    panels(page).nth(1).focus()
    page.keyboard.press("Enter")
    dialog = opened(weibull, "1")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    open_class(weibull, "1")


def test_two_classes_after_one_another_show_their_own_figures(weibull, evaluation):
    health = class_health(evaluation, class_distances(evaluation))
    for index in (0, 4):
        dialog = open_class(weibull, str(index))
        shape = evaluation.openmax.weibull_.parameters()["shape"][index]
        row = dialog.locator("tr").filter(has_text="Shape")
        expect(row).to_contain_text(f"{shape:.4g}")
        beyond = f"{health.n_beyond[index]} of {health.n_test[index]}"
        expect(dialog.locator("tr").filter(has_text="beyond the tail")).to_contain_text(beyond)
        weibull.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)


# --- a thousand classes --------------------------------------------------------------------------


def test_of_a_thousand_classes_the_worst_are_drawn_and_a_search_finds_others(dashboard, thousand):
    address, evaluation = thousand
    many = Dashboard(dashboard.page, address)
    many.open("weibull?workspace=Thousand")
    health = class_health(evaluation, class_distances(evaluation))
    worst = [evaluation.openmax.class_names_[index] for index in health.worst_first[:6]]
    expect(names(many.page)).to_have_text(worst)
    search = many.page.get_by_label("Search classes")
    search.fill("class 123, s 99")
    search.press("Enter")
    found = {f"class {number}" for number in (123, *range(990, 1000))}
    expected = [
        name
        for index in health.worst_first
        if (name := evaluation.openmax.class_names_[index]) in found
    ]
    expect(names(many.page)).to_have_text(expected[:6])
    dialog = open_class(many, expected[0])
    expect(dialog.locator(".gallery img")).to_have_count(6)


def test_rows_that_are_ticked_are_the_ones_drawn(dashboard, thousand):
    address, evaluation = thousand
    many = Dashboard(dashboard.page, address)
    many.open("weibull?workspace=Thousand")
    expect(panels(many.page)).to_have_count(6)
    many.wait_until_idle()
    table = many.page.get_by_test_id("stDataFrame")
    health = class_health(evaluation, class_distances(evaluation))
    order = [evaluation.openmax.class_names_[index] for index in health.worst_first]
    for row in (2, 5):
        # The table is a canvas: its first column holds the boxes to tick, rows are 35 pixels high.
        table.click(position={"x": 20, "y": 35 * (row + 1) + 17})
        many.wait_until_idle()
        drawn = [order[2]] if row == 2 else [order[2], order[5]]
        expect(names(many.page)).to_have_text(drawn)


# --- η and α -------------------------------------------------------------------------------------


def test_settings_are_compared_when_asked_for_and_shown_to_the_next_visitor(
    weibull, evaluation, browser, server
):
    page = weibull.page
    result = measure_sensitivity(evaluation, 0.85)
    page.get_by_role("button", name="Compare settings").click()
    expect(page.get_by_text(result.verdict(AUROC))).to_be_visible(timeout=60_000)
    expect(page.locator(".hm")).to_have_count(1)
    cells = page.locator(".textpoint text")
    expect(cells).to_have_count(len(result.alpha_ranks) * len(result.tail_sizes))
    page.get_by_role("button", name=REJECT_AT_FLOOR).or_(
        page.get_by_role("radio", name=REJECT_AT_FLOOR)
    ).click()
    expect(page.get_by_text(result.verdict(REJECT_AT_FLOOR))).to_be_visible()
    other = browser.new_context()
    visitor = Dashboard(other.new_page(), server)
    visitor.open("weibull?method=bendale")
    visitor.page.get_by_role("button", name="Compare settings").click()
    expect(visitor.page.get_by_text(result.verdict(AUROC))).to_be_visible()
    other.close()
