"""Bytes that values hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from openmax_core.support.arrays import bytes_held
from tests.support.evaluations import made_up_evaluation


def test_arrays_and_tables_are_counted_once() -> None:
    array = np.zeros(1000)
    assert bytes_held(array) == 8000
    assert bytes_held({"a": array, "b": [array, array[:10]]}) == 8000
    seen: set[int] = set()
    assert bytes_held([array], seen) == 8000
    assert bytes_held((array,), seen) == 0


def test_a_view_holds_all_that_it_is_of() -> None:
    assert bytes_held(np.zeros(1000)[:1]) == 8000


def test_what_lies_in_a_file_is_not_counted(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(1000))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert bytes_held(mapped) == 0
    assert bytes_held(mapped[3:5]) == 0


def test_texts_of_a_long_table_are_estimated_by_its_first_rows() -> None:
    table = pd.DataFrame({"path": ["x" * 100] * 5000, "size": np.arange(5000)})
    exact = int(table.memory_usage(deep=True).sum())
    assert abs(bytes_held(table) - exact) < 0.1 * exact


def test_an_evaluation_holds_its_logits_tables_and_scores() -> None:
    evaluation = made_up_evaluation(n_test=500, n_reject=100)
    parts = [evaluation.train, evaluation.test, evaluation.reject]
    least = sum(part.logits.nbytes for part in parts if part is not None)
    assert bytes_held(evaluation) > least + evaluation.curve.test_scores.nbytes
