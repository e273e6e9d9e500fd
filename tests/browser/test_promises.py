"""The promised threshold beside the recommended one, as an analyst meets it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from openmax_core.support.decimals import threshold_text
from openmax_core.tradeoff.objectives import FewestKnownRejected, MostRejected
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard
from tests.support.drawn import drawn_workspace


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


def test_what_cannot_be_promised_says_how_many_pictures_are_needed(
    dashboard: Dashboard, server_folder: Path
) -> None:
    dashboard.workspace = drawn_workspace(server_folder / "few", 40, 40, height=3.5).settings.name
    dashboard.open("threshold")
    page = dashboard.page
    told = page.locator(".st-key-decision")
    expect(told).to_contain_text("Not with 40 pictures: at the observed rate")
    expect(told).to_contain_text("are needed for a chance of 80 %")
    expect(page.get_by_role("button", name="Use promised")).to_be_disabled()
    page.get_by_text("How many pictures for this promise?").click()
    expect(page.get_by_test_id("stTable").filter(has_text="40 known")).to_be_visible()


def test_without_a_reject_set_nothing_is_said_of_reject_accuracy_as_if_it_were_measured(
    dashboard: Dashboard, server_folder: Path
) -> None:
    alone = drawn_workspace(server_folder / "alone", 200, 0)
    dashboard.workspace = alone.settings.name
    dashboard.open("threshold")
    dashboard.wait_for_explorer()
    promised = alone.evaluate().choose(FewestKnownRejected(0.05), 0.95)
    assert promised.promise is not None
    decision = dashboard.page.locator(".st-key-decision")
    expect(decision).to_contain_text(promised.promise.in_words)
    expect(decision).to_contain_text("Reject accuracy not measured")
    dashboard.page.get_by_role("button", name="Use promised").click()
    text = threshold_text(promised.threshold)
    expect(dashboard.page.get_by_role("button", name=f"Save threshold {text}")).to_be_visible()
