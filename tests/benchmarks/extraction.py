"""Pictures through the network, beside the notebook's loop: a batch of one, picture by picture."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from openmax_core.classifier import Classifier, build_network
from openmax_core.images import Transform
from openmax_core.inference import run
from tests.benchmarks.measure import Row

VARIABLE = "OPENMAX_BENCH_PICTURES"
CASES = (("resnet50", 48, 2.0), ("shufflenet_v2_x0_5", 300, 8.0))
SWEEP = 11


def rows() -> list[Row]:
    """One pass and the notebook's sweep, for a large and a small network."""
    with tempfile.TemporaryDirectory() as folder:
        paths, note = _pictures(Path(folder), max(n for _, n, _ in CASES))
        found: list[Row] = []
        for architecture, n, budget in CASES:
            found += _compare(architecture, paths[:n], budget, note)
        return found


def _compare(architecture: str, paths: list[Path], budget: float, note: str) -> list[Row]:
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    # A network for each: ours is laid out anew in memory.
    classifier, other = (
        Classifier(architecture, tuple("abcd"), Transform(), build_network(architecture, 4).eval())
        for _ in range(2)
    )
    _ours(classifier, paths[:8])
    _notebook(other, paths[:8])
    notebook = _notebook(other, paths)
    here = _ours(classifier, paths)
    n = len(paths)
    ratio = notebook / here
    return [
        Row(
            f"{architecture}: one pass over {n} pictures",
            f"{n / here:.1f}/s",
            f"{n / notebook:.1f}/s",
            ratio,
            f"≥ {budget:g}×",
            ratio >= budget,
            note,
        ),
        Row(
            f"{architecture}: sweep of {SWEEP} thresholds",
            f"{here:.1f} s",
            f"{SWEEP * notebook:.1f} s",
            SWEEP * ratio,
            "≥ 20×",
            SWEEP * ratio >= 20,
            f"the notebook runs the network anew for each threshold: its pass × {SWEEP}",
        ),
    ]


def _ours(classifier: Classifier, paths: list[Path]) -> float:
    started = time.perf_counter()
    for _ in run(classifier, paths):
        pass
    return time.perf_counter() - started


def _notebook(classifier: Classifier, paths: list[Path]) -> float:
    import torch
    from torchvision import transforms

    transform = transforms.Compose(
        [
            transforms.Resize((320, 320), transforms.InterpolationMode.NEAREST),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(classifier.transform.mean, classifier.transform.std),
        ]
    )
    started = time.perf_counter()
    with torch.no_grad():
        for path in paths:
            with Image.open(path) as picture:
                classifier.network(transform(picture.convert("RGB"))[None])
    return time.perf_counter() - started


def _pictures(folder: Path, count: int) -> tuple[list[Path], str]:
    """Real JPEG files of ``OPENMAX_BENCH_PICTURES``, or made-up ones."""
    named = os.environ.get(VARIABLE)
    if named:
        paths = sorted(Path(named).rglob("*.jpg"))[:count]
        if len(paths) == count:
            return paths, f"real pictures of {VARIABLE}"
    generator = np.random.default_rng(0)
    paths = []
    for number in range(count):
        coarse = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
        paths.append(folder / f"{number:04d}.jpg")
        picture.save(paths[-1], quality=90)
    return paths, f"made-up pictures of 320 × 240; name a folder of JPEG files in {VARIABLE}"
