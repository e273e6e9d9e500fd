"""What a visitor does, by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlparse

from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TimeLimitError


@dataclass
class Dashboard:
    """The dashboard in one tab.

    ``workspace`` is opened where an address names none: the digits, whose figures are known, and
    which no tour speaks of. None leaves it to the dashboard, as for somebody who comes by.
    """

    page: Page
    address: str
    workspace: str | None = "Handwritten digits"

    def open(self, path: str = "", timeout: float = 120_000) -> None:
        """Open a page and wait until it is drawn; the first start extracts the demo."""
        if self.workspace is not None and "workspace=" not in path:
            path += f"{'&' if '?' in path else '?'}{urlencode({'workspace': self.workspace})}"
        self.page.goto(f"{self.address}/{path}")
        # The sidebar is drawn before the page: a script that is idle after it has drawn both.
        expect(self.page.get_by_role("combobox", name="Method")).to_be_visible(timeout=timeout)
        self.wait_until_idle(timeout)
        expect(self.page.locator("h1").first).to_be_visible(timeout=timeout)

    def wait_until_idle(self, timeout: float = 60_000) -> None:
        """Wait until no script runs."""
        app = self.page.locator('[data-testid="stApp"]')
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=timeout)

    def turn_dark(self) -> None:
        """Be a visitor whose system turns from light to dark."""
        app = self.page.get_by_test_id("stApp")
        light = app.evaluate("node => getComputedStyle(node).backgroundColor")
        self.page.emulate_media(color_scheme="dark")
        expect(app).not_to_have_css("background-color", light)
        self.wait_until_idle()

    def expect_no_overflow(self) -> None:
        """Nothing on the page is wider than the window."""
        main = self.page.get_by_test_id("stMain")
        overflow = main.evaluate("node => node.scrollWidth - node.clientWidth")
        assert overflow <= 0, f"{self.page.url} is {overflow} pixels wider than the window"

    def metric(self, label: str) -> Locator:
        """Large number of a metric, by its label."""
        box = self.page.locator('[data-testid="stMetric"]').filter(
            has=self.page.locator('[data-testid="stMetricLabel"]', has_text=re.compile(label))
        )
        return box.locator('[data-testid="stMetricValue"]')

    def address_value(self, name: str) -> str | None:
        """Value of a parameter in the address."""
        values = parse_qs(urlparse(self.page.url).query).get(name)
        return values[0] if values else None

    def expect_address_value(self, name: str, value: str) -> None:
        """Wait until a parameter in the address has a value: it follows the page a moment later."""
        self.page.wait_for_function(
            "([name, value]) => new URLSearchParams(location.search).get(name) === value",
            arg=[name, value],
        )

    def accuracy(self, label: str) -> Locator:
        """Large number of one of the explorer's two cards."""
        return self.card(label).locator(".value")

    def card(self, label: str) -> Locator:
        """One of the explorer's two cards: Test accuracy or Reject accuracy."""
        return self.page.get_by_role("group", name=label, exact=True)

    @property
    def slider(self) -> Locator:
        """The explorer's slider."""
        return self.page.get_by_role("slider", name="Threshold", exact=True)

    def wait_for_explorer(self) -> None:
        """Wait until the explorer shows its figures."""
        expect(self.accuracy("Test accuracy")).to_have_text(re.compile(r"\d %"))
        self.wait_until_idle()

    def shown_threshold(self) -> float:
        """Threshold that the explorer shows."""
        return float(self.page.get_by_label("Exact threshold").input_value())

    def point_on_slider(self, share: float) -> tuple[float, float]:
        """Where on the screen a share of the slider's way is; its thumb is 20 pixels wide."""
        box = self.slider.bounding_box()
        assert box is not None
        return box["x"] + 10 + share * (box["width"] - 20), box["y"] + box["height"] / 2

    def press(self, *keys: str) -> None:
        """Press keys on the explorer's slider, each seen before the next."""
        self.slider.focus()
        for key in keys:
            before = self.shown_threshold()
            self.slider.press(key)
            expect(self.page.get_by_label("Exact threshold")).not_to_have_value(str(before))

    def type_threshold(self, value: float) -> None:
        """Type the exact threshold into a page that is still: a redraw would mix the digits."""
        self.wait_until_idle()
        box = self.page.get_by_label("Exact threshold")
        box.fill(str(value))
        expect(box).to_have_value(str(value))
        box.press("Enter")

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a select box.

        The page follows a moment later: wait for what shows it before acting on.
        """
        box = self.page.get_by_role("combobox", name=label)
        # A click scrolls the page where the box is out of sight, and scrolling closes the list.
        box.scroll_into_view_if_needed()
        wanted = self.page.get_by_role("option", name=option, exact=True)
        for _ in range(3):  # a redraw of the page closes the list as well
            self.wait_until_idle()
            box.press("ArrowDown")
            try:
                wanted.wait_for(timeout=5_000)
            except TimeLimitError:
                continue
            break
        wanted.click()
