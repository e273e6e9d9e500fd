"""What production looks like, as an analyst sets it: shares of kinds, costs, stand-ins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from openmax_core.demos.catalogue import GARAGES
from openmax_core.evaluation.evaluation import Evaluation
from openmax_core.support.shares import percent, percent_range
from openmax_core.tradeoff.cost_table import CostTable, parse_costs
from openmax_core.tradeoff.objectives import LeastTableCost
from openmax_core.workspace.workspace import Workspace
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard


@pytest.fixture(scope="module")
def workspace(server: str, server_folder: Path) -> Workspace:
    return extracted_demo(server_folder, GARAGES)


@pytest.fixture(scope="module")
def evaluation(workspace: Workspace) -> Evaluation:
    return workspace.evaluate("notebook")


@pytest.fixture
def explorer(page: Page, server: str, workspace: Workspace) -> Dashboard:
    dashboard = Dashboard(page, server, workspace.settings.name)
    dashboard.open("threshold?method=notebook")
    dashboard.wait_for_explorer()
    return dashboard


def type_into_cell(explorer: Dashboard, editor: Locator, row: int, column: int, text: str) -> None:
    """Type into a cell of an editor: from its first cell on with the arrow keys.

    It is drawn on a canvas; its table for screen readers tells which cell is selected.
    """
    page, cells = explorer.page, editor.locator(".dvn-scroller")
    cells.evaluate("part => part.scrollIntoView({ block: 'center' })")
    at = [(0, 0)]
    at += [(place, 0) for place in range(1, column + 1)]
    at += [(column, place) for place in range(1, row + 1)]
    for index, (across, down) in enumerate(at):
        if index == 0:
            cells.click(position={"x": 20, "y": 52})  # below the head, which has 35 pixels
        else:
            page.keyboard.press("ArrowRight" if down == 0 else "ArrowDown")
        cell = editor.get_by_test_id(f"glide-cell-{across}-{down}")
        expect(cell).to_have_attribute("aria-selected", "true")
    page.keyboard.type(text)
    expect(page.locator("#portal input, #portal textarea").first).to_have_value(text)
    page.keyboard.press("Enter")
    explorer.wait_until_idle()


def test_shares_costs_and_stand_ins(
    explorer: Dashboard, evaluation: Evaluation, workspace: Workspace, tmp_path: Path
) -> None:
    page = explorer.page
    assert evaluation.kinds is not None
    names = evaluation.kinds.names
    # One kind alone is expected: the explorer, the sentence and the table show its figures.
    page.get_by_text("What production looks like: kinds of unknowns").click()
    editor = page.locator('[data-testid="stDataFrame"]').first
    type_into_cell(explorer, editor, 1, 1, "4")
    expect(page.get_by_text(f"Reject accuracy is weighted: {names[1]} 100 %")).to_be_visible()
    weighted = evaluation.in_production({names[1]: 4})
    threshold = explorer.shown_threshold()
    outcome = weighted.overall.outcome(threshold)
    expect(explorer.accuracy("Reject accuracy")).to_have_text(percent(outcome.reject_accuracy))
    bounds = outcome.reject_interval()
    expect(explorer.card("Reject accuracy").locator(".note")).to_have_text(
        f"{outcome.rejected_unknown:,} of {outcome.n_reject:,}, weighted by kind · 95 % Wilson "
        f"{percent_range(bounds.low, bounds.high)}"
    )
    explorer.press("ArrowRight")
    moved = weighted.overall.outcome(explorer.shown_threshold())
    expect(explorer.accuracy("Reject accuracy")).to_have_text(percent(moved.reject_accuracy))
    page.get_by_role("button", name="Count all pictures alike").click()
    alike = evaluation.overall.outcome(explorer.shown_threshold())
    expect(explorer.accuracy("Reject accuracy")).to_have_text(percent(alike.reject_accuracy))

    # A table of costs from a file.
    explorer.choose("Choose the threshold with the", "lowest expected cost, by a table of costs …")
    table = CostTable.of_three(workspace.classes, 1, 1, 5)
    expect(page.get_by_text(re.compile("Expected cost"))).to_be_visible()
    file = tmp_path / "costs.csv"
    dear = re.sub(r",5(?=[,\n])", ",50", table.to_csv())
    file.write_text(dear, encoding="utf-8")
    page.locator('input[type="file"]').set_input_files(file)
    objective = LeastTableCost(parse_costs(dear, workspace.classes), 0.1)
    cost = evaluation.choose(objective).expected_cost
    expect(page.get_by_text(f"Expected cost {cost:.4g} a picture")).to_be_visible()
    file.write_text("truth,nothing", encoding="utf-8")
    explorer.wait_until_idle()
    expect(page.locator('input[type="file"]')).to_have_count(1)  # a new one replaces the first
    page.locator('input[type="file"]').set_input_files(file)
    expect(page.get_by_text("the table of costs has no column")).to_be_visible()

    # Each class in turn is the unknowns.
    page.get_by_role("button", name="Leave out each class").click()
    expect(page.get_by_text("With the reject set AUROC is")).to_be_visible(timeout=60_000)
