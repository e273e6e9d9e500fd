"""Stored files that were edited by hand, damaged, or written by something else.

Each is opened by everything that reads it. It opens where the odd value does no harm; otherwise an
OpenMaxError names the file. Nothing else is raised, and no figure is made of what is wrong.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tomlkit

from openmax_core import OpenMax, OpenMaxError, Workspace
from openmax_core.activations.activations import KEY
from openmax_core.activations.stored_split import StoredSplit
from openmax_core.analysis.mistakes import find_mistakes
from openmax_core.analysis.reject_folders import reject_folders
from openmax_core.errors import FitError
from openmax_core.monitor.monitor import monitor
from openmax_core.monitor.records import FORMAT, BatchRecords, batch_table, record_to_dict
from openmax_core.monitor.report import class_table
from openmax_core.monitor.shortlist import picture_in_words, pictures_to_look_at
from openmax_core.prediction.choice import choose_method
from openmax_core.tradeoff.objectives import LeastCost, MostRejected
from openmax_core.tradeoff.saved_points import SavedPoint, comparison_table, unfit
from openmax_core.workspace.access import AllowedRoots
from openmax_core.workspace.samples import sample_paths
from tests.support.batches import measured
from tests.support.odd_files import ODD, damaged_bytes, odd_tables, odd_texts, places, with_odd
from tests.support.workspaces import make_workspace

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
Variants = Iterable[tuple[str, bytes]]
Use = Callable[[Workspace], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one of everything that is stored."""
    folder = tmp_path_factory.mktemp("sound") / "trees"
    workspace = make_workspace(folder, n_train=8, n_test=8, n_reject=6)
    evaluation = workspace.evaluate()
    point = evaluation.choose(MostRejected(0.5))
    workspace.choose(replace(point, class_thresholds={"ash": 0.5, "birch": 0.4, "cedar": 0.3}))
    point = evaluation.choose(LeastCost(1, 1, 5, 0.1))
    workspace.saved_points.add(SavedPoint("one", "a note", MOMENT.isoformat(), point))
    batch = measured(workspace, folder / "batch.parquet", seed=1)
    BatchRecords.of(workspace).add(batch, "batch", MOMENT)
    evaluation.openmax.save(folder / "calibration.json")
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "trees"))


def _open_all(folder: Path, path: Path, variants: Variants, use: Use) -> dict[str, int]:
    """Count what ends how; fail where something else than an OpenMaxError is raised."""
    counts = {"opened": 0, "refused": 0}
    for what, content in variants:
        path.write_bytes(content)
        try:
            use(Workspace.open(folder))
        except FitError:  # sound logits that cannot be fitted: the classes are named
            counts["refused"] += 1
            continue
        except OpenMaxError as error:
            problem = str(error)
        except Exception as error:
            raise AssertionError(f"{path.name}: {what}: {error!r}") from error
        else:
            counts["opened"] += 1
            continue
        counts["refused"] += 1
        split = path.parent.name.split("-")[0]
        named = (path.name, path.parent.name, f"stored activations of {split}", "extract")
        assert any(name in problem for name in named), (what, problem)
        assert "\n" not in problem, what
    return counts


def _json(path: Path) -> Iterator[tuple[str, bytes]]:
    content = path.read_bytes()
    # What made the activations is compared as a whole, whatever it holds.
    for what, text in odd_texts(json.loads(content), 1 if path.name == KEY else 5):
        yield what, text.encode()
    yield from damaged_bytes(content).items()


def _table(path: Path) -> Iterator[tuple[str, bytes]]:
    content, table = path.read_bytes(), pq.read_table(path)
    metadata = table.schema.metadata
    for what, odd in odd_tables(table):
        stream = io.BytesIO()
        pq.write_table(odd.replace_schema_metadata(metadata), stream)
        yield what, stream.getvalue()
    yield from damaged_bytes(content).items()


def _logits(path: Path) -> Iterator[tuple[str, bytes]]:
    content, logits = path.read_bytes(), np.load(path)
    odd: Mapping[str, np.ndarray] = {
        "float64": logits.astype(float),
        "int64": logits.astype(np.int64),
        "complex": logits.astype(complex),
        "text": logits.astype("U3"),
        "big endian": logits.astype(">f4"),
        "one axis": logits.ravel(),
        "three axes": logits[None],
        "no axis": np.array(1, dtype=np.float32),
        "no columns": logits[:, :0],
        "no rows": logits[:0],
        "a class less": logits[:, :2],
        "a picture less": logits[1:],
        "by column": np.asfortranarray(logits),
        "not numbers": logits * np.float32("nan"),
        "infinite": logits + np.float32("inf"),
        "all equal": np.zeros_like(logits),
        "objects": logits.astype(object),
    }
    for what, array in odd.items():
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=True)
        yield what, stream.getvalue()
    shape = str(logits.shape).encode()
    yield "more than there is", content.replace(shape, b"(99999999999, 3)")
    yield "fewer than none", content.replace(shape, b"(-1, 3)")
    yield from damaged_bytes(content).items()


def _use_point(workspace: Workspace) -> None:
    point = workspace.operating_point()
    assert point is not None
    assert point.chosen_for is None or point.chosen_for.in_words
    assert 0 <= point.test_accuracy <= 1
    point.to_json()
    if point.counts:
        assert point.outcome.n_test == point.n_test


def _decide(workspace: Workspace) -> None:
    choice = choose_method(workspace)
    assert np.isfinite(choice.limits).all()
    choice.present_point.to_json()


def _use_saved(workspace: Workspace) -> None:
    saved = workspace.saved_points.load()
    comparison_table(saved).to_csv()
    unfit(saved, workspace.classes)


def _use_batches(workspace: Workspace) -> None:
    records, problems = BatchRecords.of(workspace).load()
    if problems:
        raise OpenMaxError(problems[0])
    batch_table(records, "").to_csv()
    for record in records:
        json.dumps(record_to_dict(record), allow_nan=False)
        assert record.report.verdict
        assert record.report.drift_in_words
        class_table(record.report)
        pictures = record.pictures()
        assert len(pictures) == record.report.reject.n + record.report.n_unreadable
        listed = pictures_to_look_at(record.report, pictures)
        for _, picture in listed.head(3).iterrows():
            assert picture_in_words(picture)


def _look(workspace: Workspace, split: str) -> None:
    roots = AllowedRoots((workspace.folder.parent,))
    activations = workspace.stored.required(split)
    for path, _ in sample_paths(workspace, activations, 2):
        roots.picture(workspace, split, path)
    activations.unreadable[["path", "error"]].to_csv()
    StoredSplit(_stored(workspace, split)).at(np.array([0, 1]))


def _stored(workspace: Workspace, split: str) -> Path:
    folder = workspace.stored.store.newest(split)
    if folder is None:
        raise OpenMaxError("openmax extract")
    return folder


def _evaluate(workspace: Workspace) -> None:
    for split in workspace.pictures.splits:
        workspace.status(split)
    evaluation = workspace.evaluate()
    found = find_mistakes(evaluation, 0.99)
    for pictures in (found.accepted_unknowns, found.rejected_knowns, found.confused):
        assert len(pictures.table()) == len(pictures)
    reject_folders(evaluation).at(0.5)


def _use_as_a_batch(workspace: Workspace) -> None:
    monitor(workspace, _stored(workspace, "test"), choose_method(workspace), compare="test")


def _use_calibration(workspace: Workspace) -> None:
    openmax = OpenMax.load(workspace.folder / "calibration.json")
    with np.errstate(all="ignore"):
        openmax.predict_proba(np.array([[5.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))


def _count(workspace: Workspace) -> None:
    workspace.evaluate().overall.test_accuracy(0.5)


@pytest.mark.parametrize(
    ("name", "use", "most_opened"),
    [
        ("operating_point.json", _use_point, 0.15),
        ("operating_points.json", _use_saved, 0.15),
        ("calibration.json", _use_calibration, 0.2),
    ],
)
def test_odd_json_is_refused_by_name_or_does_no_harm(
    folder: Path, name: str, use: Use, most_opened: float
) -> None:
    path = folder / name
    counts = _open_all(folder, path, _json(path), use)
    assert counts["opened"] < most_opened * counts["refused"]


def test_a_point_that_opens_decides(folder: Path) -> None:
    path = folder / "operating_point.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    names = [("settings", name) for name in values["settings"]] + [("threshold",), ("preset",)]
    odd = [ODD[name] for name in ("zero", "negative", "huge", "fraction", "deep list", "missing")]
    texts = [json.dumps(with_odd(values, place, item)).encode() for place in names for item in odd]
    counts = _open_all(folder, path, [("", text) for text in texts], _decide)
    assert counts["refused"]


@pytest.mark.parametrize("split", ["train", "test", "reject"])
@pytest.mark.parametrize("name", ["pictures.parquet", "logits.npy", "key.json"])
def test_odd_activations_are_refused_by_name_or_do_no_harm(
    folder: Path, split: str, name: str
) -> None:
    path = next((folder / "activations").glob(f"{split}-*")) / name
    makers = {".parquet": _table, ".npy": _logits, ".json": _json}
    variants = list(makers[path.suffix](path))
    assert _open_all(folder, path, variants, lambda item: _look(item, split))["refused"]
    few = variants[:: 2 if name == "logits.npy" else 25]
    assert _open_all(folder, path, few, _evaluate)["refused"]
    if split == "test":
        assert _open_all(folder, path, few, _use_as_a_batch)["refused"]


@pytest.mark.parametrize("name", ["pictures.parquet", "logits.npy"])
def test_odd_activations_that_are_counted_are_refused_by_name(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 10)
    monkeypatch.setattr("openmax_core.evaluation.counting.CountedStore.load", lambda *_: None)
    path = next((folder / "activations").glob("test-*")) / name
    variants = list(_table(path) if name.endswith("parquet") else _logits(path))
    assert _open_all(folder, path, variants[::12], _count)["refused"]


def test_odd_counts_are_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 10)
    before = Workspace.open(folder).evaluate().overall.test_accuracy(0.5)
    (counts,) = (folder / "activations" / "counts").glob("[!.]*")
    sound = Path(shutil.copytree(counts, folder / "sound"))
    for name in ("key.json", "calibration.json", "test/key.json", "test/pictures.parquet"):
        variants = list(_table(sound / name) if name.endswith("parquet") else _json(sound / name))
        for _, content in variants[len(variants) // 2 :][:1]:
            shutil.rmtree(counts)
            shutil.copytree(sound, counts)
            (counts / name).write_bytes(content)
            assert Workspace.open(folder).evaluate().overall.test_accuracy(0.5) == before


def test_odd_tables_of_recorded_batches_are_refused_by_name(folder: Path) -> None:
    (path,) = (folder / "batches").glob("*.parquet")
    variants = list(_table(path))[::3]
    assert _open_all(folder, path, variants, _use_batches)["refused"]


def test_odd_figures_of_recorded_batches_are_refused_by_name(folder: Path) -> None:
    (path,) = (folder / "batches").glob("*.parquet")
    table = pq.read_table(path)

    def variants() -> Variants:
        values = json.loads(table.schema.metadata[FORMAT.encode()])
        for what, text in list(odd_texts(values))[::5]:
            stream = io.BytesIO()
            pq.write_table(table.replace_schema_metadata({FORMAT: text}), stream)
            yield what, stream.getvalue()

    assert _open_all(folder, path, variants(), _use_batches)["refused"]


def test_odd_settings_are_refused_by_name(folder: Path) -> None:
    path = folder / "workspace.toml"
    values = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()

    def variants() -> Variants:
        for place in places(values):
            for name, odd in ODD.items():
                try:
                    text = tomlkit.dumps(with_odd(values, place, odd))
                except Exception:
                    continue
                yield f"{place}: {name}", text.encode("utf-8", "surrogatepass")
        yield from damaged_bytes(path.read_bytes()).items()

    def use(workspace: Workspace) -> None:
        assert workspace.state()
        for split in workspace.pictures.splits:
            workspace.status(split)

    assert _open_all(folder, path, variants(), use)["refused"]
