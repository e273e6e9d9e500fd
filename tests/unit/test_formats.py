"""Files that version 0.1 wrote, before its modules had rooms, open with the same figures.

``data/version_0_1`` was written by that version: a workspace with stored activations, counts, a
chosen and four saved operating points and two recorded batches; calibrations; the description in an
exported file; and ``figures.json``, what that version computed from them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_allclose

from openmax_core import OpenMax, OperatingPoint, Workspace
from openmax_core.export.description import ExportDescription
from openmax_core.monitor.records import BatchRecords

DATA = Path(__file__).parent / "data" / "version_0_1"
FIGURES: dict[str, Any] = json.loads((DATA / "figures.json").read_text(encoding="utf-8"))
PRESETS = ("robust", "bendale", "notebook")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    folder = tmp_path / "trees"
    shutil.copytree(DATA / "workspace", folder)
    return Workspace.open(folder)


def test_settings_open(workspace: Workspace) -> None:
    assert workspace.settings.name == "Trees"
    assert workspace.classes == ("ash", "birch", "cedar")
    assert workspace.settings.defaults.preset == "robust"


@pytest.mark.parametrize("preset", PRESETS)
def test_stored_activations_give_the_same_curve(workspace: Workspace, preset: str) -> None:
    curve = workspace.evaluate(preset, tail_size=20).curve
    found = [
        [threshold, curve.test_accuracy(threshold), curve.reject_accuracy(threshold)]
        for threshold, _, _ in FIGURES[f"{preset} curve"]
    ]
    assert_allclose(found, FIGURES[f"{preset} curve"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("preset", PRESETS)
def test_calibrations_give_the_same_probabilities(workspace: Workspace, preset: str) -> None:
    openmax = OpenMax.load(DATA / f"calibration-{preset}.json")
    test = workspace.stored.activations("test")
    assert test is not None
    assert_allclose(openmax.predict_proba(test.logits[:5]), FIGURES[preset], rtol=0, atol=1e-12)
    text = (DATA / f"calibration-{preset}.json").read_text(encoding="utf-8")
    assert json.loads(text) == openmax.to_dict()


def test_counts_are_found_and_give_the_same_curve(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 20)
    assert workspace.is_counted()
    curve = workspace.evaluate().overall
    found = [
        [threshold, curve.test_accuracy(threshold), curve.reject_accuracy(threshold)]
        for threshold, _, _ in FIGURES["counted"]
    ]
    assert_allclose(found, FIGURES["counted"], rtol=0, atol=1e-12)


def as_before(point: OperatingPoint, before: dict[str, Any]) -> dict[str, Any]:
    """What is written of a point, without what later versions added: it must be empty."""
    values = json.loads(point.to_json())
    assert not any(values[name] for name in set(values) - set(before))
    return {name: values[name] for name in before} | {"version": before["version"]}


def test_the_chosen_point_opens_and_is_written_as_it_was(workspace: Workspace) -> None:
    point = workspace.operating_point()
    assert point is not None
    assert [point.threshold, point.test_accuracy, point.reject_accuracy] == FIGURES["point"]
    text = (workspace.folder / "operating_point.json").read_text(encoding="utf-8")
    assert as_before(point, json.loads(text)) == json.loads(text)


def test_saved_points_open(workspace: Workspace) -> None:
    saved = workspace.saved_points.load()
    assert [item.name for item in saved] == ["first", "by hand", "by class", "costs"]
    assert saved[0].note == "a note"
    assert [item.point.objective and item.point.objective["kind"] for item in saved] == [
        "max_reject_accuracy",
        None,
        "max_reject_accuracy",
        "least_cost",
    ]
    assert saved[2].point.class_thresholds is not None
    stored = json.loads((workspace.folder / "operating_points.json").read_text(encoding="utf-8"))
    for item, before in zip(saved, stored["points"], strict=True):
        assert as_before(item.point, before["point"]) == before["point"]


def test_recorded_batches_open(workspace: Workspace) -> None:
    found, problems = BatchRecords.of(workspace).load()
    assert problems == []
    described = [[item.name, item.time, item.id, len(item.pictures())] for item in found]
    assert described == [item[:4] for item in FIGURES["batches"]]
    assert [item.report.reject.rejected for item in found] == [0, 52]


def test_the_description_in_an_exported_file_opens() -> None:
    text = (DATA / "export.json").read_text(encoding="utf-8")
    description = ExportDescription.from_json(text)
    assert description.classes == ("ash", "birch", "cedar")
    before, values = json.loads(text), json.loads(description.to_json())
    values["operating_point"] = as_before(description.operating_point, before["operating_point"])
    assert values == before
