"""The doctor on the pages: what is wrong, the line to write, and that it helps."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from openmax_core.workspace.workspace import Workspace
from tests.browser.conftest import extracted_demo
from tests.browser.pages import Dashboard

ORDER = ("1", "2", "3", "4", "5", "0")


@pytest.fixture
def permuted(server: str, server_folder: Path) -> Workspace:
    """The digits with their classes in another order than the network's outputs, extracted."""
    demo = extracted_demo(server_folder)
    folder = server_folder / "permuted"
    shutil.copytree(demo.folder, folder, ignore=shutil.ignore_patterns("activations", ".demo.json"))
    workspace = Workspace.open(folder)
    classifier = replace(workspace.settings.classifier, classes=ORDER)
    workspace.save_settings(replace(workspace.settings, name="Permuted", classifier=classifier))
    workspace.extract("cpu")
    return workspace


def test_the_line_that_the_diagnosis_gives_makes_the_pages_work(
    dashboard: Dashboard, permuted: Workspace
) -> None:
    page = dashboard.page
    dashboard.open("workspace")
    page.get_by_role("textbox", name="Folder of the workspace").fill(str(permuted.folder))
    page.get_by_test_id("stButton").get_by_text("Open", exact=True).click()
    dashboard.expect_address_value("workspace", "Permuted")
    dashboard.wait_until_idle()
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Threshold").click()
    expect(page.get_by_text("0 correctly classified pictures").first).to_be_visible()
    finding = page.get_by_text("outputs do not stand in the order of classes")
    expect(finding.first).to_be_visible(timeout=120_000)
    expect(page.get_by_text("The network alone:")).to_be_visible()
    code = page.get_by_test_id("stCode")
    expect(code).to_have_count(2)
    expect(code.nth(1)).to_contain_text(f"openmax extract {permuted.folder}")
    line = code.nth(0).inner_text().splitlines()[1]
    path = permuted.folder / "workspace.toml"
    text = path.read_text(encoding="utf-8")
    before = next(item for item in text.splitlines() if item.startswith("classes = "))
    path.write_text(text.replace(before, line), encoding="utf-8")
    assert Workspace.open(permuted.folder).classes == tuple("012345")
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Workspace").click()
    page.get_by_role("button", name="Run extraction").click()
    expect(page.get_by_text("Everything is stored")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("Nothing is wrong.")).to_be_visible(timeout=120_000)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Threshold").click()
    dashboard.wait_for_explorer()
