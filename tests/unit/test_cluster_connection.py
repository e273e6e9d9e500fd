"""What is said before there is any cluster; the cluster itself is tested in tests/cluster."""

from __future__ import annotations

import sys

import pytest

from openmax_core.cluster_connection import connect
from openmax_core.cluster_worker import PACKAGE, versions
from openmax_core.errors import ClusterError


def test_without_ray_the_line_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r'pip install "\.\[cluster\]"'):
        connect("auto")


def test_the_versions_that_are_compared_are_those_that_decide_over_bits() -> None:
    assert set(versions()) == {PACKAGE, "numpy", "pillow", "onnxruntime", "torch", "torchvision"}
    assert all(versions().values())
