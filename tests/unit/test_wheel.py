"""What is installed without a checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
NEEDED = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE")


def modules_of_the_core() -> list[str]:
    paths = (REPOSITORY / "openmax_core").rglob("*.py")
    dotted = [path.relative_to(REPOSITORY).with_suffix("").parts for path in paths]
    return sorted(".".join(parts).removesuffix(".__init__") for parts in dotted)


def run(*command: str | Path, cwd: Path) -> str:
    ran = subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_wheel_holds_every_module(tmp_path: Path) -> None:
    source, wheels, installed = (tmp_path / name for name in ("source", "wheels", "installed"))
    shutil.copytree(
        REPOSITORY / "openmax_core",
        source / "openmax_core",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in NEEDED:
        shutil.copy2(REPOSITORY / name, source / name)
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, source, cwd=tmp_path)
    (wheel,) = wheels.glob("*.whl")
    run(*pip, "install", "--no-deps", "--target", installed, wheel, cwd=tmp_path)
    modules = [name for name in modules_of_the_core() if not name.endswith("__main__")]
    program = (
        "import importlib, pathlib, sys\n"
        f"sys.path.insert(0, {str(installed)!r})\n"
        f"for name in {modules!r}:\n"
        "    path = pathlib.Path(importlib.import_module(name).__file__)\n"
        f"    assert path.is_relative_to({str(installed)!r}), path\n"
    )
    run("-c", program, cwd=tmp_path)
    assert (installed / "openmax_core" / "__main__.py").is_file()
