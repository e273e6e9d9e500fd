"""Features in tables: read where they are asked for, in every format; faults are named."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from openmax_core.activations.activations import Activations
from openmax_core.activations.tables import open_table
from openmax_core.activations.writing import SetWriter, finish
from openmax_core.errors import ActivationsError
from tests.support.tables import labelled, logits_of, write
from tests.support.workspaces import CLASSES

SUFFIXES = [".csv", ".parquet", ".npz"]
N, D = 9, 12


@pytest.fixture
def features() -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(0, 5, (N, D)).astype(np.float32)


def written(path: Path, features: NDArray[np.float32]) -> Path:
    """A table with features; their columns stand in the order of the alphabet: 0, 1, 10, 11, 2."""
    table = labelled(N, 3)
    columns = {f"feature_{place}": features[:, place] for place in sorted(range(D), key=str)}
    write(path, pd.concat([table, pd.DataFrame(columns)], axis=1))
    if path.suffix == ".npz":
        with np.load(path) as stored:
            np.savez(path, **(dict(stored) | {"features": features}))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_features(
    tmp_path: Path, features: NDArray[np.float32], suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmax_core.activations.tables.MOST_ROWS_AT_ONCE", 4)
    table = open_table(written(tmp_path / f"t{suffix}", features))
    assert table.n_features == D
    parts = list(table.parts(CLASSES, has_features=True))
    found = np.concatenate([part.features for part in parts])
    assert found.tobytes() == features.tobytes()
    logits = np.concatenate([part.logits for part in parts])
    assert logits.tolist() == logits_of(labelled(N, 3)).tolist()
    assert all(part.features.shape[1] == 0 for part in table.parts(CLASSES))


def test_an_array_by_columns_is_read_too(tmp_path: Path, features: NDArray[np.float32]) -> None:
    logits = logits_of(labelled(N, 3))
    path = tmp_path / "t.npz"
    np.savez(path, logits=logits, features=np.asfortranarray(features.astype(np.float64)))
    [part] = open_table(path).parts(CLASSES, has_features=True)
    assert part.features.tolist() == features.tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_features_that_are_no_numbers_are_named(
    tmp_path: Path, features: NDArray[np.float32], suffix: str
) -> None:
    features[4, 10] = np.nan
    table = open_table(written(tmp_path / f"t{suffix}", features))
    column = r"features\[:, 10\]" if suffix == ".npz" else "feature_10"
    with pytest.raises(ActivationsError, match=rf"row 5, column {column}: "):
        list(table.parts(CLASSES, has_features=True))
    assert len(list(table.parts(CLASSES))) == 1  # nobody asked


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_features_says_what_it_lacks(tmp_path: Path, suffix: str) -> None:
    table = open_table(write(tmp_path / f"t{suffix}", labelled(N, 3)))
    what = r"array 'features'" if suffix == ".npz" else "columns feature_<i>"
    with pytest.raises(ActivationsError, match=rf"has no {what}.*features = true under"):
        list(table.parts(CLASSES, has_features=True))


def test_text_in_the_place_of_features_is_refused_where_they_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", labelled(N, 3).assign(feature_0=["x"] * N))
    table = open_table(path)
    assert len(list(table.parts(CLASSES))) == 1
    with pytest.raises(ActivationsError, match=r"column feature_0: holds .*, not numbers"):
        table.require_features()
    np.savez(tmp_path / "t.npz", logits=np.zeros((2, 3)), features=np.array([["a"], ["b"]]))
    with pytest.raises(ActivationsError, match=r"column features: holds <U1, not numbers"):
        open_table(tmp_path / "t.npz").require_features()


def test_features_are_stored_as_float16_and_never_become_infinite(tmp_path: Path) -> None:
    features = np.array([[1.5, -2], [7e4, 0], [-1e30, 65504], [65519, 1e-9]], dtype=np.float32)
    logits, labels = np.eye(4, 3, dtype=np.float32), np.array([0, 1, 2, 0])
    writer = SetWriter(tmp_path, 3, 2)
    for rows in (slice(0, 1), slice(1, 4)):
        names = [f"row {row}" for row in range(4)[rows]]
        writer.add(logits[rows], labels[rows], names, features[rows])
    writer.close()
    assert writer.facts == {"n_features": 2, "n_clipped": 3}
    key = {"store": "test-0", "classifier": "c", "created": "2026-01-01"} | writer.facts
    finish(tmp_path, key)
    found = Activations.load(tmp_path).features
    assert found is not None
    assert found.dtype == np.float16
    assert found.tolist() == [[1.5, -2], [65504, 0], [-65504, 65504], [65504, 0]]


def test_many_features_take_the_memory_of_a_part(tmp_path: Path) -> None:
    n, width = 20_000, 300
    values = np.zeros((n, width), dtype=np.float32)
    np.savez(tmp_path / "t.npz", logits=np.zeros((n, 3), dtype=np.float32), features=values)
    del values
    tracemalloc.start()
    try:
        n_rows = sum(
            len(part) for part in open_table(tmp_path / "t.npz").parts(CLASSES, has_features=True)
        )
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_rows == n
    assert most < 4 * n * width * 1.5 + 30e6  # parts of 2 million numbers
