"""Rows of tables, brought together to be decided on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from openmax_core.activations.tables import open_table
from openmax_core.errors import OpenMaxError
from openmax_core.prediction.tables import rows_of
from tests.support.tables import labelled, logits_of, write
from tests.support.workspaces import CLASSES


def test_rows_of_all_tables_come_one_after_another(tmp_path: Path) -> None:
    first, second = labelled(6, 1), labelled(3, 2)
    tables = [
        open_table(write(tmp_path / "a.csv", first)),
        open_table(write(tmp_path / "b.npz", second)),
    ]
    names, logits = rows_of(tables, CLASSES)
    assert names == [f"row {row}" for row in (1, 2, 3, 4, 5, 6, 1, 2, 3)]
    expected = np.concatenate([logits_of(first), logits_of(second)])
    assert np.stack(logits).tolist() == expected.tolist()


@pytest.mark.parametrize(("most_rows", "most_values"), [(8, None), (None, 26)])
def test_more_rows_than_are_allowed_are_refused_by_name(
    tmp_path: Path, most_rows: int | None, most_values: int | None
) -> None:
    path = write(tmp_path / "a.csv", labelled(9, 1))
    assert len(rows_of([open_table(path)], CLASSES, 9, 27)[0]) == 9
    with pytest.raises(OpenMaxError, match=r"a\.csv has too many rows for this page"):
        rows_of([open_table(path)], CLASSES, most_rows, most_values)
