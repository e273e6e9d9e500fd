"""Folders of stored activations as they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openmax_core.activations.activations import Activations
from openmax_core.activations.writing import SetWriter
from tests.support.tables import labelled, logits_of
from tests.support.workspaces import CLASSES


def test_what_is_written_is_what_stored_activations_are(tmp_path: Path) -> None:
    table = labelled(9, 3)
    writer = SetWriter(tmp_path, len(CLASSES))
    logits, labels = logits_of(table), table["label"].to_numpy()
    for rows in (slice(0, 4), slice(4, 9)):
        names = [f"row {row}" for row in range(9)[rows]]
        writer.add(logits[rows], labels[rows], names)
    writer.close()
    key = '{"store": "test-0", "classifier": "c", "created": "2026-01-01"}'
    (tmp_path / "key.json").write_text(key)
    found = Activations.load(tmp_path)
    assert np.asarray(found.logits).tobytes() == logits.tobytes()
    assert found.labels.tolist() == labels.tolist()
    assert found.readable["prediction"].tolist() == logits.argmax(axis=1).tolist()
    assert found.readable["path"].tolist() == [f"row {row}" for row in range(9)]
    assert writer.n_labels == 3
