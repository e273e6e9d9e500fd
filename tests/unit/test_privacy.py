"""ONNX Runtime, which reports to its maker unless told not to, is kept silent.

A report shows at once as an identifier in the user's cache folder, and half a minute later as a
look-up of the maker's host.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

REPOSITORY = Path(__file__).resolve().parents[2]

IN_THE_CORE = """
import sys
from pathlib import Path
import numpy as np
from openmax_core.network.engines import OnnxEngine
from openmax_core.pictures.images import Transform
engine = OnnxEngine(Path(sys.argv[1]), Transform(crop=(4, 4)))
assert engine.start(np.zeros((1, 4, 4, 3), dtype=np.uint8))().shape == (1, 3)
"""
IN_THE_SERVER = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("server", sys.argv[2])
server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(server)
try:
    server.ExportedClassifier(Path(sys.argv[1]))
except server.OpenMaxError:  # it has no decisions, yet ONNX Runtime has read it
    pass
"""


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """An ONNX file that takes pictures of 4 × 4 pixels to three logits."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, (48, 3), np.zeros(144, dtype=np.float32))
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pictures"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["logits"]),
        ],
        "network",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ("n", 3, 4, 4))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("n", 3))],
        [weights],
    )
    path = tmp_path / "network.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path
    )
    return path


def run_at_home(script: str, network: Path) -> Path:
    """Run a script in a process whose home folder is empty; returns that folder."""
    home = network.parent / "home"
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ORT_"))}
    server = REPOSITORY / "assets" / "serve" / "server.py"
    subprocess.run(
        [sys.executable, "-c", script, str(network), str(server)],
        env={**environment, "HOME": str(home), "PYTHONPATH": str(REPOSITORY)},
        check=True,
        timeout=120,
    )
    return home


def written(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("script", [IN_THE_CORE, IN_THE_SERVER], ids=["core", "server"])
def test_a_network_that_runs_leaves_nothing_in_the_users_home(script: str, network: Path):
    assert written(run_at_home(script, network)) == []


def test_the_check_sees_what_onnx_runtime_writes_by_itself(network: Path):
    home = run_at_home("import onnxruntime", network)
    if not written(home):
        pytest.skip("this build of ONNX Runtime has no telemetry")
