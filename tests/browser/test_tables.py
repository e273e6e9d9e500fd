"""From a CSV file to a threshold, and to decisions on a table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from openmax_core.workspace.workspace import Workspace
from tests.browser.pages import Dashboard
from tests.support.shell import shell
from tests.support.tables import labelled, of_sets, write


@pytest.fixture
def scores(server: str, server_folder: Path) -> Workspace:
    """A workspace that the shell made of one CSV file."""
    sets = [table.assign(split=split) for split, table in of_sets().items()]
    path = write(server_folder / "scores.csv", pd.concat(sets))
    made = shell("init", server_folder / "scores", "--table", path, "--name", "Scores")
    assert made.code == 0, made.err
    return Workspace.open(server_folder / "scores")


def test_a_csv_file_leads_to_a_threshold_and_a_table_to_decisions(
    dashboard: Dashboard, page: Page, scores: Workspace, server_folder: Path
):
    dashboard.workspace = "Scores"
    dashboard.open("threshold?method=robust")
    dashboard.wait_for_explorer()
    dashboard.type_threshold(0.6)
    dashboard.expect_address_value("threshold", "0.6")
    at = scores.evaluate("robust").point_at(0.6)
    expect(dashboard.accuracy("Test accuracy")).to_have_text(f"{100 * at.test_accuracy:.1f} %")
    assert at.reject_accuracy is not None
    expect(dashboard.accuracy("Reject accuracy")).to_have_text(f"{100 * at.reject_accuracy:.1f} %")
    dashboard.open("upload?method=robust&threshold=0.6")
    rows = labelled(20, 5).drop(columns="label")
    table = write(server_folder / "new.csv", rows)
    page.locator('input[type="file"]').set_input_files(table)
    logits = rows.to_numpy(dtype="float32")
    scored = scores.evaluate("robust").openmax.decide(logits)
    n_accepted = int((scored.scores >= 0.6).sum())
    expect(page.get_by_text(f"20 rows, {n_accepted} accepted")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Results as CSV").click()
    decided = pd.read_csv(waiting.value.path())
    assert (decided["verdict"] == "accepted").sum() == n_accepted
