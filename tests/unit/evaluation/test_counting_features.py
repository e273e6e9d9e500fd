"""Methods of features, fitted and counted in chunks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from openmax_core.analysis.comparison import compare_methods
from openmax_core.methods.registry import FEATURE_METHODS
from openmax_core.workspace.workspace import Workspace
from tests.support.tables import write_sets


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("tables")
    files = write_sets(folder, ".npz", has_features=True)
    made = Workspace.create_from_tables(folder / "w", files, features=True)
    made.extract()
    return made


@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_counts_are_of_the_same_scores(workspace, name, monkeypatch):
    whole = workspace.evaluate(name)
    monkeypatch.setattr("openmax_core.evaluation.counting.MOST_PICTURES", 10)
    for _ in range(2):  # counted, and read from what was counted
        counted = Workspace.open(Path(workspace.folder)).evaluate(name)
        assert counted.counted is not None
        assert counted.method.to_dict() == whole.method.to_dict()
        assert counted.overall.n_test == len(whole.test)
        assert np.isclose(counted.overall.auroc, whole.curve.auroc, atol=1e-3)
        # The sample is of all pictures here.
        assert np.array_equal(counted.curve.test_scores, whole.curve.test_scores)
    result = compare_methods(counted, 0.5, n_resamples=10)
    assert result.left_out == {}
