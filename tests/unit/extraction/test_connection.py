"""What is said before there is any cluster; the cluster itself is tested in tests/cluster."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from openmax_core.errors import ClusterError
from openmax_core.extraction.connection import connect
from openmax_core.extraction.worker import PACKAGE, code_fingerprint, versions


def test_without_ray_the_line_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r'pip install "\.\[cluster\]"'):
        connect("auto")


def test_the_versions_that_are_compared_are_those_that_decide_over_bits() -> None:
    decide = {"numpy", "pillow", "pi-heif", "onnxruntime", "torch", "torchvision"}
    assert set(versions()) == {PACKAGE, *decide}
    assert all(versions().values())


@pytest.mark.parametrize("changed", ["module.py", "room/module.py", "room/closet/module.py"])
def test_the_fingerprint_of_the_code_covers_every_folder(tmp_path: Path, changed: str) -> None:
    (tmp_path / "room" / "closet").mkdir(parents=True)
    for name in ("module.py", "room/module.py", "room/closet/module.py"):
        (tmp_path / name).write_text("one = 1\n", encoding="utf-8")
    before = code_fingerprint(tmp_path)
    (tmp_path / changed).write_text("one = 2\n", encoding="utf-8")
    assert code_fingerprint(tmp_path) != before


def test_a_module_that_changes_its_room_changes_the_fingerprint(tmp_path: Path) -> None:
    for room in ("a", "b"):
        (tmp_path / room).mkdir()
    (tmp_path / "a" / "module.py").write_text("one = 1\n", encoding="utf-8")
    before = code_fingerprint(tmp_path)
    (tmp_path / "a" / "module.py").rename(tmp_path / "b" / "module.py")
    assert code_fingerprint(tmp_path) != before


def test_the_package_that_is_compared_is_all_of_the_core() -> None:
    core = Path(__file__).resolve().parents[3] / "openmax_core"
    assert versions()[PACKAGE] == code_fingerprint(core)
