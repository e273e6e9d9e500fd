"""What can be read as a batch, and what is said of what cannot."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from openmax_core.errors import OpenMaxError
from openmax_core.monitor.reading import read_batch
from openmax_core.network.inference import NOT_FINITE
from openmax_core.prediction.results import results_json
from openmax_core.prediction.verdicts import score_pictures
from openmax_core.workspace.workspace import Workspace
from tests.support.batches import logits_of_classes, write_table
from tests.support.workspaces import make_workspace

N = 6


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("trees"), n_train=20, n_test=5, n_reject=5)


@pytest.fixture
def logits() -> np.ndarray:
    return logits_of_classes(2, 3, seed=5)


def test_stored_activations_are_read_by_their_folder_or_their_table(trees):
    folder = trees.stored.store.newest("test")
    for source in (folder, folder / "pictures.parquet"):
        batch = read_batch(trees, source)
        stored = trees.stored.activations("test")
        assert batch.logits.tolist() == stored.logits.tolist()
        assert batch.paths == tuple(stored.pictures["path"])
        assert [error for error in batch.errors if error] == ["damaged picture (made up)"]
        assert batch.folder == trees.pictures.folder("test")
        assert batch.notes == ()


def test_activations_of_another_classifier_are_refused(trees, tmp_path):
    other = make_workspace(tmp_path / "other", n_train=3, n_test=2, n_reject=0)
    (other.folder / "weights.safetensors").write_bytes(b"others")
    with pytest.raises(OpenMaxError, match=r"of another classifier than that of .*\(weights diff"):
        read_batch(other, trees.stored.store.newest("test"))


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_table_is_read_in_the_workspace_s_order_of_classes(trees, tmp_path, logits, kind):
    path = write_table(tmp_path / "batch.parquet", trees, logits)
    table = pd.read_parquet(path).rename(columns={"path": "file"})
    table = table[["logit_cedar", "file", "logit_ash", "logit_birch"]].assign(other="x")
    path = tmp_path / f"batch.{kind}"
    table.to_parquet(path) if kind == "parquet" else table.to_csv(path, index=False)
    batch = read_batch(trees, path)
    assert batch.logits == pytest.approx(logits)
    assert batch.paths == tuple(f"{row}.png" for row in range(N))
    assert "cannot be seen" in batch.notes[0]


def test_decisions_of_predict_are_read_with_their_logits(trees, tmp_path, logits):
    evaluation = trees.evaluate()
    names = tuple(f"/data/in/{'ab'[row % 2]}/{row}.png" for row in range(N))
    results = (*logits[:-1], "the file is empty")
    scored = score_pictures(evaluation.openmax, names, results)
    path = tmp_path / "decisions.json"
    path.write_text(results_json(evaluation, scored, 0.5), encoding="utf-8")
    batch = read_batch(trees, path)
    assert batch.logits.tolist() == logits[:-1].tolist()
    assert batch.paths[:2] == ("a/0.png", "b/1.png")
    assert str(batch.folder) == "/data/in"
    assert batch.errors == ("",) * (N - 1) + ("the file is empty",)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers_count_as_unreadable(trees, tmp_path, logits, value):
    logits[2, 1] = value
    batch = read_batch(trees, write_table(tmp_path / "batch.parquet", trees, logits))
    assert batch.errors == ("", "", NOT_FINITE, "", "", "")
    assert len(batch.logits) == N - 1
    logits[:] = value
    with pytest.raises(OpenMaxError, match=r"none of the 6 pictures .* gave logits; the first"):
        read_batch(trees, write_table(tmp_path / "batch.parquet", trees, logits))


def test_stored_logits_that_are_no_numbers_count_as_unreadable(trees, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(trees.stored.store.newest("test"), folder)
    logits = np.load(folder / "logits.npy")
    logits[3] = np.nan
    np.save(folder / "logits.npy", logits)
    batch = read_batch(trees, folder)
    assert [row for row, error in enumerate(batch.errors) if error == NOT_FINITE] == [3]
    assert len(batch.logits) == len(logits) - 1


def test_tables_of_other_classes_or_none_are_refused_by_name(trees, tmp_path, logits):
    path = write_table(tmp_path / "batch.parquet", trees, logits)
    table = pd.read_parquet(path)
    table.rename(columns={"logit_cedar": "logit_oak"}).to_parquet(path)
    with pytest.raises(OpenMaxError, match="it lacks 'cedar' and it has 'oak', which"):
        read_batch(trees, path)
    table.drop(columns="path").to_parquet(path)
    with pytest.raises(OpenMaxError, match="has no column path or file"):
        read_batch(trees, path)
    table[["path"]].to_csv(tmp_path / "decisions.csv", index=False)
    with pytest.raises(OpenMaxError, match=r"has no columns logit_<class>; give a folder .*--json"):
        read_batch(trees, tmp_path / "decisions.csv")
    table[:0].to_parquet(path)
    with pytest.raises(OpenMaxError, match="holds no pictures"):
        read_batch(trees, path)


@pytest.mark.parametrize("name", ["batch.parquet", "batch.csv", "batch.json"])
def test_damaged_files_are_named(trees, tmp_path, name):
    (tmp_path / name).write_bytes(b"\x00\x01 no table")
    with pytest.raises(OpenMaxError, match=rf"{name}"):
        read_batch(trees, tmp_path / name)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"pictures": [{"file": "a.png", "logits": [1.0], "reason": ""}]},
        {"pictures": [{"file": "a.png", "logits": [1.0, None, 2.0], "reason": ""}]},
        {"pictures": [{"logits": [1.0, 0.0, 2.0]}]},
        {"pictures": None},
        {"classes": ["ash", "ash", "birch"]},
    ],
)
def test_decisions_that_are_none_are_refused(trees, tmp_path, change):
    row = {"file": "a.png", "logits": [1.0, 0.0, 2.0], "reason": ""}
    values = {"format": "openmax-results", "classes": list(trees.classes), "pictures": [row]}
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps(values))
    assert len(read_batch(trees, path)) == 1
    path.write_text(json.dumps(values | change))
    with pytest.raises(OpenMaxError, match=r"decisions\.json"):
        read_batch(trees, path)


def test_a_folder_that_is_empty_or_not_there_is_named_before_the_network_is_loaded(trees, tmp_path):
    with pytest.raises(OpenMaxError, match=r"there is no file or folder .*nowhere"):
        read_batch(trees, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(OpenMaxError, match=r"no files in .*empty"):
        read_batch(trees, tmp_path / "empty")
    (tmp_path / "empty" / "Thumbs.db").write_bytes(b"x")
    with pytest.raises(OpenMaxError, match=r"no files in .*empty"):
        read_batch(trees, tmp_path / "empty")


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_column_of_labels_is_read_with_its_gaps(trees, tmp_path, logits, kind):
    path = write_table(tmp_path / "batch.parquet", trees, logits)
    labels = ["ash", "cedar", None, "elm", "2", ""]
    table = pd.read_parquet(path).assign(label=pd.Series(labels, dtype=object))
    path = tmp_path / f"labelled.{kind}"
    table.to_parquet(path) if kind == "parquet" else table.to_csv(path, index=False)
    batch = read_batch(trees, path)
    assert batch.labels is not None
    assert batch.labels.tolist() == [0, 2, -2, -1, 2, -2]
    assert read_batch(trees, path, has_labels=False).labels is None


def test_labels_that_are_none_can_be_left_out(trees, tmp_path, logits):
    path = write_table(tmp_path / "batch.parquet", trees, logits)
    pd.read_parquet(path).assign(label=[0, 1, 2, 77, 0, 1]).to_parquet(path)
    with pytest.raises(OpenMaxError, match=r"row 4, column label: 77 is out of range"):
        read_batch(trees, path)
    assert len(read_batch(trees, path, has_labels=False)) == N


def test_an_npz_file_may_have_labels(trees, tmp_path, logits):
    path = tmp_path / "batch.npz"
    np.savez(path, logits=logits, labels=np.array([0, 0, 1, 1, 2, -1]))
    labels = read_batch(trees, path).labels
    assert labels is not None
    assert labels.tolist() == [0, 0, 1, 1, 2, -1]


def test_stored_activations_keep_their_labels(trees):
    stored = trees.stored.activations("test")
    labels = read_batch(trees, trees.stored.store.newest("test")).labels
    assert labels is not None
    assert labels.tolist() == stored.pictures["label"].tolist()
