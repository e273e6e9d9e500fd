"""The guided tour as a first visitor meets it: it shows, it leads, and it does not come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from openmax_core.demos.catalogue import GARAGES
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard

TITLES = (
    "The problem",
    "The slider",
    "Mistakes at this threshold",
    "The Weibull curves",
    "Your own picture",
)
HEADINGS = ("Car-sharing garages", "Threshold", "Threshold", "Weibull", "Upload")
OUTLINED = """() => {
  const roots = [document, ...[...document.querySelectorAll('*')].map((n) => n.shadowRoot)];
  return roots.filter(Boolean).flatMap((root) => [...root.querySelectorAll('*')])
    .filter((node) => node.style?.outlineOffset === '5px')
    .map((node) => {
      const { top, bottom } = node.getBoundingClientRect();
      return { top, bottom, seen: `${node.className} ${node.dataset.testid ?? ''}` };
    });
}"""


class Tour:
    """The tour in one tab of a visitor who comes by."""

    def __init__(self, context: BrowserContext, server: str) -> None:
        self.page: Page = context.new_page()
        self.dashboard = Dashboard(self.page, server, workspace=None)

    @property
    def bar(self) -> Locator:
        return self.page.get_by_role("region", name="Tour of this demo")

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.bar.get_by_role("button", name=name)

    def open(self, path: str = "") -> Tour:
        self.dashboard.open(path)
        return self

    def expect_step(self, number: int) -> None:
        expect(self.bar.locator(".title")).to_have_text(TITLES[number])
        expect(self.bar.locator(".place")).to_have_text(f"Tour · {number + 1} of 5")
        heading = self.page.get_by_role("heading", name=HEADINGS[number], exact=True)
        expect(heading).to_have_count(1)

    def outlined(self, part: str) -> dict[str, float]:
        """Where what the tour speaks of is, once it stands still below the bar."""
        found = self.page.wait_for_function(
            "([script, part, bar]) => { const found = eval(script)(); "
            "const isThere = found.length === 1 && found[0].seen.includes(part) "
            "&& found[0].top >= document.querySelector(bar).getBoundingClientRect().bottom "
            "&& found[0].top < innerHeight; "
            "const isStill = isThere && window.lastTop === found[0].top; "
            "window.lastTop = found[0]?.top; return isStill && found[0]; }",
            arg=[OUTLINED, part, ".st-key-tour"],
            polling=150,
        )
        return dict(found.json_value())


@pytest.fixture(scope="module", autouse=True)
def garages(server: str, server_folder: Path) -> None:
    extracted_demo(server_folder, GARAGES)


@pytest.fixture
def tour(context: BrowserContext, server: str) -> Tour:
    return Tour(context, server).open()


def test_it_leads_through_its_pages_and_marks_what_it_speaks_of(tour):
    parts = ("st-key-pictures", "control", "mistake_pictures", "st-key-multiples", "stFileUpl")
    for number, part in enumerate(parts):
        tour.expect_step(number)
        tour.outlined(part)
        if number < 4:
            tour.button(f"Next: {TITLES[number + 1]}").click()
    tour.button("Back").click()
    tour.expect_step(3)
    tour.button(re.compile("Next")).click()
    tour.expect_step(4)
    tour.button("Done").click()
    expect(tour.bar).to_have_count(0)
    assert tour.page.evaluate(OUTLINED) == []


def test_whoever_left_it_is_not_asked_again(tour):
    tour.expect_step(0)
    tour.button("End the tour").click()
    expect(tour.bar).to_have_count(0)
    tour.page.reload()
    expect(tour.dashboard.metric("Test pictures")).to_be_visible()
    tour.dashboard.wait_until_idle()
    expect(tour.bar).to_have_count(0)
    # The place that it took is given back.
    assert not tour.page.locator(".st-key-tour").is_visible()
    tour.page.get_by_test_id("stSidebarNavLink").filter(has_text="Threshold").click()
    tour.dashboard.wait_for_explorer()
    expect(tour.bar).to_have_count(0)


def test_a_reload_in_its_middle_goes_on_there(tour):
    tour.button("Next: The slider").click()
    tour.expect_step(1)
    tour.button("Next: Mistakes at this threshold").click()
    tour.expect_step(2)
    tour.dashboard.wait_for_explorer()
    assert "threshold=" in tour.page.url
    tour.page.reload()
    tour.expect_step(2)


def test_it_keeps_the_method_that_was_chosen(context, server):
    visitor = Tour(context, server).open("?method=notebook")
    visitor.expect_step(0)
    for number in (1, 2, 3):
        visitor.button(f"Next: {TITLES[number]}").click()
        visitor.expect_step(number)
    expect(visitor.bar.locator(".text")).to_contain_text("(η 100)")
    visitor.dashboard.expect_address_value("method", "notebook")


def test_it_starts_again_from_the_sidebar_as_often_as_one_likes(tour):
    tour.button("End the tour").click()
    tour.page.get_by_test_id("stSidebarNavLink").filter(has_text="Upload").click()
    link = tour.page.get_by_test_id("stSidebar").get_by_role("button", name="Tour of this demo")
    for _ in range(2):
        link.click()
        tour.expect_step(0)
        expect(tour.button("Next: The slider")).to_be_focused()
        tour.button("End the tour").click()
        expect(tour.bar).to_have_count(0)


def test_it_can_be_taken_with_the_keyboard_alone(tour):
    tour.expect_step(0)
    # Nobody's focus is taken by a bar that came by itself.
    expect(tour.button("Next: The slider")).not_to_be_focused()
    tour.button("Next: The slider").focus()
    tour.page.keyboard.press("Enter")
    tour.expect_step(1)
    expect(tour.button("Next: Mistakes at this threshold")).to_be_focused()
    tour.page.keyboard.press("Shift+Tab")
    expect(tour.button("Back")).to_be_focused()
    tour.page.keyboard.press("Escape")
    expect(tour.bar).to_have_count(0)
    expect(tour.page.get_by_test_id("stMain")).to_be_focused()


def test_escape_that_closes_something_else_does_not_end_it(tour):
    tour.button("Next: The slider").click()
    tour.expect_step(1)
    tour.dashboard.wait_for_explorer()
    tour.page.locator(".gallery button").first.click()
    expect(tour.page.get_by_role("dialog")).to_be_visible()
    tour.page.keyboard.press("Escape")
    expect(tour.page.get_by_role("dialog")).to_have_count(0)
    tour.expect_step(1)


def test_the_page_can_be_used_while_it_shows(tour):
    tour.button("Next: The slider").click()
    tour.expect_step(1)
    tour.dashboard.wait_for_explorer()
    before = tour.dashboard.shown_threshold()
    tour.dashboard.press("ArrowLeft")
    assert tour.dashboard.shown_threshold() < before
    tour.dashboard.wait_until_idle()
    tour.expect_step(1)


def test_elsewhere_it_leads_back_to_its_step(tour):
    tour.button("Next: The slider").click()
    tour.expect_step(1)
    tour.page.get_by_test_id("stSidebarNavLink").filter(has_text="About the method").click()
    expect(tour.page.get_by_role("heading", name="About the method", exact=True)).to_be_visible()
    tour.button("Continue the tour").click()
    tour.expect_step(1)


def test_a_link_to_a_threshold_and_another_workspace_show_no_tour(context, server):
    visitor = Tour(context, server).open("threshold?threshold=0.5")
    visitor.dashboard.wait_for_explorer()
    expect(visitor.bar).to_have_count(0)
    visitor.open("?workspace=Handwritten+digits")
    expect(visitor.dashboard.metric("Test pictures")).to_have_text("325")
    expect(visitor.bar).to_have_count(0)


def test_in_a_narrow_window_it_hides_nothing_that_it_speaks_of(
    browser: Browser, server: str
) -> None:
    context = browser.new_context(color_scheme="dark", viewport={"width": 800, "height": 900})
    context.set_default_timeout(60_000)
    tour = Tour(context, server).open()
    tour.outlined("st-key-pictures")
    tour.button("Next: The slider").click()
    tour.outlined("control")
    tour.button("Next: Mistakes at this threshold").click()
    found = tour.outlined("mistake_pictures")
    box = tour.bar.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 800
    assert box["y"] + box["height"] <= found["top"]
    context.close()
