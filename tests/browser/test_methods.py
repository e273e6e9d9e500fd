"""The Methods page in a browser: a click on a row makes its method the present one everywhere."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from openmax_core.methods.registry import METHODS
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard

ROW_HEIGHT = 35  # of Streamlit's tables, the header too


def test_a_click_takes_a_method(dashboard: Dashboard, server: str, server_folder: Path) -> None:
    workspace = extracted_demo(server_folder)
    dashboard.open("methods")
    page = dashboard.page
    expect(page.get_by_text("Counted: ", exact=False)).to_be_visible(timeout=120_000)
    dashboard.wait_until_idle()
    assert workspace.evaluate().method.name != "max_logit"
    row = METHODS.index("max_logit") + 1
    table = page.get_by_test_id("stDataFrame").first
    table.click(position={"x": 120, "y": (row + 0.5) * ROW_HEIGHT})
    expect(page.get_by_text("Method max_logit", exact=False).first).to_be_visible()
    expect(page.get_by_text("On these pictures Maximum logit", exact=False)).to_be_visible()
    assert "method=max_logit" in page.url
    # The other pages work with it.
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Threshold").click()
    dashboard.wait_until_idle()
    expect(page.get_by_text("Method max_logit", exact=False).first).to_be_visible()
    point = workspace.evaluate("max_logit").recommend(0.85)
    expect(dashboard.accuracy("Test accuracy")).to_contain_text(f"{100 * point.test_accuracy:.1f}")
