"""Names of rows in tables of logits."""

from __future__ import annotations

from openmax_core.activations.table_rows import is_row


def test_rows_without_a_path_are_called_by_their_number_and_kind() -> None:
    assert is_row("row 12")
    assert is_row("zebra/row 12")
    assert not is_row("arrow 12")
    assert not is_row("row 12.png")
