"""The shell's command, run for real, and a workspace that it made of colours."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from PIL import Image

from openmax_core.cli.main import main
from openmax_core.network.classifier import build_network
from openmax_core.workspace.settings import FILE_NAME

torch.set_num_threads(1)  # two threads wait for each other where the cores are busy

ARCHITECTURE = "shufflenet_v2_x0_5"
CLASSES = ("blue", "red")
TRAIN, TEST, REJECT = 40, 12, 10
SIDE = 32
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on standard error, progress bars of work begun before it left out."""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if "pictures" not in line[-30:]]
        assert [line for line in lines if line.startswith("openmax: ")] == lines[-1:]
        return lines[-1].removeprefix("openmax: ")


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


def shell(*arguments: str | Path, terminal: bool = False) -> Ran:
    """Run the command in this process, as the shell would."""
    out, err = io.StringIO(), Terminal() if terminal else io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse's way of ending
            code = int(stop.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def buffered_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def process(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "openmax_core", *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        timeout=120,
        env={**buffered_environment(), **environment},
    )


def put(folder: Path, colour: str, count: int, first_seed: int) -> None:
    """Write dark noise, bright in the channel of its class; unknowns are green."""
    folder.mkdir(parents=True)
    for index in range(count):
        rng = np.random.default_rng([first_seed + index, *colour.encode()])
        pixels = rng.integers(0, 90, (SIDE, SIDE, 3))
        pixels[..., ("red", "green", "blue").index(colour)] += rng.integers(100, 160)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index:02d}.png")


def put_all(folder: Path) -> None:
    for name in CLASSES:
        put(folder / "train" / name, name, TRAIN, 0)
        put(folder / "test" / name, name, TEST, 100)
    put(folder / "reject", "green", REJECT, 200)


def save_backbone(path: Path, n_classes: int = 7) -> None:
    """Save random weights whose batch normalisation has seen noise: training starts at once."""
    torch.manual_seed(1)
    network = build_network(ARCHITECTURE, n_classes).train()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in range(20):
            colour = 1.5 * torch.randn(24, 3, 1, 1, generator=generator)
            network(colour + 0.3 * torch.randn(24, 3, SIDE, SIDE, generator=generator))
    safetensors.torch.save_file(network.state_dict(), path)


def use_small_pictures(folder: Path) -> None:
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    text = text.replace("resize = [320, 320]", f"resize = [{SIDE}, {SIDE}]")
    text = text.replace("crop = [224, 224]", f"crop = [{SIDE}, {SIDE}]  # as they are")
    assert "as they are" in text
    path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Story:
    """A workspace made by the shell alone, and what each command said."""

    folder: Path
    init: Ran
    train: Ran
    extract: Ran
