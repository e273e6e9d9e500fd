"""Pages of workspaces whose stored files are odd: they say which file and why, and end well."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from openmax_core.monitor.records import BatchRecords
from openmax_core.tradeoff.objectives import MostRejected
from openmax_core.workspace.workspace import Workspace
from pages._shared.registry import PAGES
from tests.support.batches import measured

NAMES = [entry.name for entry in PAGES]


def _said(app: AppTest) -> str:
    values = [item.value for kind in (app.error, app.warning, app.info) for item in kind]
    return " ".join(values).replace("\\", "")  # as it is read


def _all_pages(app: AppTest) -> dict[str, str]:
    said = {"overview": _said(app)}
    for name in NAMES:
        app.switch_page(f"pages/{name}.py").run()
        assert not app.exception, (name, app.exception)
        said[name] = _said(app)
    return said


def test_pages_with_odd_choices_and_batches_name_the_files(
    trees: Workspace, open_app: Callable[..., AppTest]
) -> None:
    evaluation = trees.evaluate()
    trees.choose(evaluation.choose(MostRejected(0.5)))
    batch = BatchRecords.of(trees).add(measured(trees, trees.folder / "b.parquet", 1), "b")
    values = json.loads(trees.operating_point_path.read_text(encoding="utf-8"))
    values["settings"]["alpha_rank"] = [[[]]]
    trees.operating_point_path.write_text(json.dumps(values), encoding="utf-8")
    (trees.folder / "operating_points.json").write_text('{"points": 1e999}', encoding="utf-8")
    assert batch.path is not None
    table = pq.read_table(batch.path)
    place = table.column_names.index("nearest")
    odd = pa.array(["odd"] * len(table))
    pq.write_table(table.set_column(place, "nearest", odd), batch.path)
    said = _all_pages(open_app(trees.folder))
    assert "operating_point.json" in said["threshold"]
    assert "alpha_rank" in said["threshold"]
    assert "operating_points.json" in said["threshold"]
    assert "nearest" in said["monitor"]
    for text in said.values():
        assert str(trees.folder.parent) not in text


@pytest.mark.parametrize("odd", [None, "text", 99, [1]])
def test_pages_with_an_odd_table_of_pictures_name_the_column(
    trees: Workspace, open_app: Callable[..., AppTest], odd: object
) -> None:
    path = next((trees.folder / "activations").glob("test-*")) / "pictures.parquet"
    table = pq.read_table(path)
    labels = pa.array([odd] * len(table), type=pa.int64() if odd is None else None)
    pq.write_table(table.set_column(table.column_names.index("label"), "label", labels), path)
    said = _all_pages(open_app(trees.folder))
    for name in ("overview", "threshold", "weibull", "methods", "upload", "monitor"):
        assert "pictures.parquet" in said[name], (name, said[name])
        assert "label" in said[name]


def test_pages_show_no_picture_from_outside(
    trees: Workspace, open_app: Callable[..., AppTest], tmp_path: Path
) -> None:
    (tmp_path / "outside.png").write_bytes(
        next((trees.folder / "test" / "ash").iterdir()).read_bytes()
    )
    for path in (trees.folder / "activations").glob("*/pictures.parquet"):
        table = pq.read_table(path)
        paths = pa.array(["../../outside.png", str(tmp_path / "outside.png")] * len(table))
        column = paths.slice(0, len(table))
        pq.write_table(table.set_column(table.column_names.index("path"), "path", column), path)
    app = open_app(trees.folder)
    _all_pages(app)
    assert not app.get("imgs")
