"""From nothing to a chosen threshold in the guide, without the shell."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from playwright.sync_api import Page, expect

from openmax_core.workspace.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.support.onnx_graphs import SIDE, save_colour_model
from tests.support.shell import CLASSES, put
from tests.support.tables import of_sets, write


def go_on(page: Page, seen: str) -> None:
    """Finish a step, and wait for the line that it shrinks to."""
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name=seen)).to_be_visible()
    Dashboard(page, "").wait_until_idle()


def choose_threshold(dashboard: Dashboard, made: Workspace) -> None:
    page = dashboard.page
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Threshold").click()
    dashboard.wait_for_explorer()
    page.get_by_role("textbox", name="Name", exact=True).fill("first")
    page.get_by_role("button", name="Save threshold").click()
    page.get_by_role("button", name="Make it the default").click()
    expect(page.get_by_text("is now the workspace's operating point")).to_be_visible()
    assert made.operating_point() is not None


def test_an_onnx_file_and_folders_lead_to_a_threshold_by_mouse(
    dashboard: Dashboard, server_folder: Path
) -> None:
    data = server_folder / "colours" / "data"
    for name in CLASSES:
        put(data / "train" / name, name, 25, 0)
        put(data / "test" / name, name, 6, 100)
    put(data / "reject", "green", 6, 200)
    save_colour_model(server_folder / "colours" / "net.onnx", sides=(SIDE, SIDE))
    page = dashboard.page
    dashboard.open("workspace")

    page.locator(".st-key-guide_train_browse button").click()
    for name in ("colours", "data"):
        page.locator(".st-key-places").get_by_role("button", name=name, exact=True).click()
        expect(page.locator(".st-key-browser strong")).to_contain_text(f"/ {name}")
        dashboard.wait_until_idle()
    expect(page.get_by_text("68 pictures in it and below")).to_be_visible()
    page.get_by_role("button", name="Take train, test and reject").click()
    expect(page.locator(".st-key-browser")).to_have_count(0)
    dashboard.wait_until_idle()
    expect(page.get_by_role("textbox", name="Reject folder")).to_have_value(str(data / "reject"))
    go_on(page, "Change the data")
    go_on(page, "Change the classes")
    expect(page.get_by_text("2 classes · 50 train, 12 test")).to_be_visible()
    page.get_by_role("radio", name="An ONNX file").click()
    page.locator(".st-key-guide_model_browse button").click()
    page.get_by_role("button", name="Up", exact=True).click()
    page.get_by_role("button", name="net.onnx").click()
    expect(page.get_by_role("textbox", name="ONNX file", exact=True)).not_to_have_value("")
    go_on(page, "Change the classifier")
    folder = Path(page.get_by_role("textbox", name="Folder of the new workspace").input_value())
    assert (folder.parent, folder.exists()) == (server_folder, False)
    page.get_by_role("textbox", name="Name", exact=True).fill("Colours")
    page.get_by_role("button", name="Create").click()
    dashboard.expect_address_value("workspace", "Colours")
    page.get_by_role("button", name="Run extraction").click()
    expect(page.get_by_text("Everything is stored").first).to_be_visible(timeout=60_000)
    choose_threshold(dashboard, Workspace.open(folder))


def test_a_csv_file_leads_to_a_threshold_by_keyboard_alone(
    dashboard: Dashboard, server_folder: Path
) -> None:
    sets = [table.assign(split=split) for split, table in of_sets().items()]
    write(server_folder / "typed" / "logits.csv", pd.concat(sets))
    page = dashboard.page
    dashboard.open("workspace")

    def tab_to(role: str, name: str) -> None:
        wanted = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
        expect(wanted).to_be_visible()
        dashboard.wait_until_idle()
        for _ in range(80):
            if wanted.evaluate("element => element === document.activeElement"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key never reaches {name}")

    tab_to("radio", "Pictures in folders")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name="Tables of logits")).to_be_checked()
    tab_to("textbox", "Table")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    tab_to("button", "typed")
    page.keyboard.press("Enter")
    tab_to("button", "logits.csv")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Table", exact=True)).not_to_have_value("")
    tab_to("button", "Continue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Change the data")).to_be_visible()
    tab_to("button", "Continue")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 classes · 60 train, 45 test, 30 reject rows")).to_be_visible()
    tab_to("textbox", "Name")
    page.keyboard.type("Typed")
    page.keyboard.press("Tab")
    tab_to("button", "Create")
    page.keyboard.press("Enter")
    dashboard.expect_address_value("workspace", "Typed")
    dashboard.wait_until_idle()
    tab_to("link", "Threshold")
    page.keyboard.press("Enter")
    dashboard.wait_for_explorer()
