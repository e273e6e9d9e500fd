"""Memory of an extraction: bounded by batch and shard, whatever the number of pictures."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from openmax_core.pictures.images import Transform
from openmax_core.workspace.workspace import Workspace
from tests.benchmarks.measure import Row

COUNTS = (10_000, 100_000)
ARCHITECTURE = "shufflenet_v2_x0_5"
# A process of its own, so that nothing else counts.
CODE = """
import sys
from pathlib import Path
from openmax_core.workspace.workspace import Workspace
report = Workspace.open(sys.argv[1]).extract("cpu")
assert "torch" not in sys.modules
# Not getrusage: that begins with the memory of the process that started this one.
(line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(1024 * int(line.split()[1]), report.seconds, sum(report.n_run.values()))
"""


def rows() -> list[Row]:
    """Largest resident memory of extracting pictures of 32 × 32 through a small network."""
    if not Path("/proc/self/status").exists():
        return [Row("largest memory of an extraction", "not measured", note="needs Linux")]
    return [_measure(count) for count in COUNTS]


def _measure(count: int) -> Row:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_pictures(folder, count)
        import torch

        from openmax_core.network.classifier import build_network

        torch.manual_seed(0)
        torch.save(build_network(ARCHITECTURE, 2).state_dict(), folder / "net.pth")
        transform = Transform((32, 32), (32, 32))
        workspace = Workspace.create(
            folder, ARCHITECTURE, weights=folder / "net.pth", transform=transform
        )
        workspace.classifier.load_engine("cpu")
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(folder)], capture_output=True, text=True, check=True
        )
    memory, seconds, n_run = map(float, done.stdout.split())
    return Row(
        f"largest memory of extracting {n_run:,.0f} pictures",
        f"{memory / 1e6:.0f} MB",
        budget="≤ 1,500 MB",
        met=memory <= 1.5e9,
        note=f"32 × 32, {ARCHITECTURE}, {seconds:.0f} s",
    )


def _write_pictures(folder: Path, count: int) -> None:
    """Nearly all in train; a thousand pictures under many names."""
    generator = np.random.default_rng(0)
    contents = []
    for _ in range(1000):
        stream = io.BytesIO()
        pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(stream, "PNG")
        contents.append(stream.getvalue())
    for split, share in (("train", 0.98), ("test", 0.02)):
        for label in ("a", "b"):
            (folder / split / label).mkdir(parents=True)
            for number in range(round(count * share / 2)):
                path = folder / split / label / f"{number:06d}.png"
                path.write_bytes(contents[number % len(contents)])
