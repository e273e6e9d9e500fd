"""Two runs that store the same activations at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from openmax_core.activations.activations import Activations
from openmax_core.activations.shards import Rows
from tests.support.workspaces import made_up_logits, make_workspace


def test_runs_that_store_the_same_pictures_at_once_all_end_well_and_leave_one_store(
    tmp_path: Path,
) -> None:
    workspace = make_workspace(tmp_path, n_train=4, n_test=2, n_reject=2, stored=False)
    files = workspace.pictures.find("train")
    logits = made_up_logits(files.labels, 3, seed=0)
    rows: Rows = dict(enumerate(logits))
    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(workspace.stored.store.save, "train", files, rows, 3) for _ in range(8)]
        kept = {run.result() for run in runs}
    (folder,) = (tmp_path / "activations").iterdir()
    assert kept == {folder}
    np.testing.assert_array_equal(Activations.load(folder).logits, logits)
