"""From folders of pictures to a chosen threshold in the browser, with a network trained there."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from openmax_core.pictures.images import Transform
from openmax_core.workspace.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.support.shell import ARCHITECTURE, SIDE, put_all, save_backbone


@pytest.fixture
def colours(server: str, server_folder: Path) -> Workspace:
    """Two classes of coloured noise and unknowns of a third colour; no weights yet."""
    folder = server_folder / "colours"
    put_all(folder)
    save_backbone(folder / "backbone.safetensors")
    transform = Transform((SIDE, SIDE), (SIDE, SIDE))
    return Workspace.create(
        folder, ARCHITECTURE, reject="reject", transform=transform, name="Colours"
    )


def test_a_network_is_trained_and_a_threshold_is_chosen(
    dashboard: Dashboard, colours: Workspace
) -> None:
    page = dashboard.page
    dashboard.open("workspace?workspace=Colours")
    page.get_by_text("A weights file", exact=True).click()
    file = page.get_by_role("textbox", name="Weights file to start from")
    file.fill(str(colours.folder / "backbone.safetensors"))
    file.press("Tab")
    dashboard.wait_until_idle()
    page.get_by_text("More settings").first.click()
    for label, value in (("Epochs", "3"), ("Batch size", "8"), ("Learning rate", "0.003")):
        box = page.get_by_role("spinbutton", name=label, exact=True)
        box.fill(value)
        box.press("Tab")
        dashboard.wait_until_idle()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Accuracy on held-out pictures:")).to_be_visible(timeout=120_000)
    assert Workspace.open(colours.folder).settings.classifier.weights is not None
    page.get_by_role("button", name="Run extraction").click()
    # The check starts by itself; what it finds stands beside the way to the threshold.
    expect(page.get_by_text("The network alone:")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Choose a threshold").click()
    dashboard.wait_for_explorer()
    page.get_by_label("Name").fill("first")
    page.get_by_role("button", name="Save threshold").click()
    expect(page.get_by_text("Saved as 'first'.")).to_be_visible()
    page.get_by_role("button", name="Make it the default").click()
    expect(page.get_by_text("'first' is now the workspace's operating point")).to_be_visible()
    point = Workspace.open(colours.folder).operating_point()
    assert point is not None
    assert point.threshold == pytest.approx(dashboard.shown_threshold(), abs=1e-3)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Workspace").click()
    expect(page.get_by_text("Everything is stored")).to_be_visible()
    expect(page.get_by_role("button", name="Choose a threshold")).to_have_count(0)
