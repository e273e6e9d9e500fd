"""The promised threshold beside the recommended one, as an analyst meets it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.objectives import MostRejected
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard


def test_one_of_both_rows_is_taken_by_a_click(dashboard: Dashboard, server_folder: Path) -> None:
    dashboard.open("threshold")
    dashboard.wait_for_explorer()
    promised = extracted_demo(server_folder).evaluate().choose(MostRejected(0.85), 0.95)
    assert promised.promise is not None
    page = dashboard.page
    table = page.get_by_test_id("stTable").filter(has_text="on these pictures").first
    expect(table).to_contain_text("recommended")
    expect(table).to_contain_text(promised.promise.in_words)
    expect(table).to_contain_text("points of Reject accuracy less")
    page.get_by_role("button", name="Use promised").click()
    text = threshold_text(promised.threshold)
    expect(page.get_by_role("button", name=f"Save threshold {text}")).to_be_visible()
