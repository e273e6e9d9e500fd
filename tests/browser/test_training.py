"""From folders of pictures to a chosen threshold in the browser, with a network trained there."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from openmax_core.workspace.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.browser.test_guide import go_on
from tests.support.shell import ARCHITECTURE, SIDE, put_all, save_backbone


def typed(dashboard: Dashboard, label: str, value: str) -> None:
    """Write into a field, and wait until the page knows it."""
    field = dashboard.page.get_by_role("textbox", name=label, exact=True)
    field.fill(value)
    field.press("Tab")
    dashboard.wait_until_idle()


def test_folders_lead_to_a_threshold_by_a_network_that_is_trained_here(
    dashboard: Dashboard, server: str, server_folder: Path
) -> None:
    """Two classes of coloured noise, and unknowns of a third colour."""
    data = server_folder / "noise"
    put_all(data)
    save_backbone(data / "backbone.safetensors")
    page = dashboard.page
    dashboard.open("workspace")
    for label, name in (("Train", "train"), ("Test", "test"), ("Reject", "reject")):
        typed(dashboard, f"{label} folder", str(data / name))
    go_on(page, "Change the data")
    go_on(page, "Change the classes")
    page.get_by_role("radio", name="Train one here").click()
    dashboard.wait_until_idle()
    dashboard.choose("Architecture", "Another one …")
    dashboard.wait_until_idle()
    typed(dashboard, "Name", ARCHITECTURE)
    page.get_by_text("More settings").first.click()
    typed(dashboard, "Resize", f"{SIDE},{SIDE}")
    typed(dashboard, "Crop", f"{SIDE},{SIDE}")
    go_on(page, "Change the classifier")
    folder = Path(page.get_by_role("textbox", name="Folder of the new workspace").input_value())
    typed(dashboard, "Name", "Noise")
    page.get_by_role("button", name="Create").click()
    dashboard.expect_address_value("workspace", "Noise")
    dashboard.wait_until_idle()
    page.get_by_text("A weights file", exact=True).click()
    file = page.get_by_role("textbox", name="Weights file to start from")
    file.fill(str(data / "backbone.safetensors"))
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
    assert Workspace.open(folder).settings.classifier.weights is not None
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
    point = Workspace.open(folder).operating_point()
    assert point is not None
    assert point.threshold == pytest.approx(dashboard.shown_threshold(), abs=1e-3)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Workspace").click()
    expect(page.get_by_text("Everything is stored")).to_be_visible()
    expect(page.get_by_role("button", name="Choose a threshold")).to_have_count(0)
