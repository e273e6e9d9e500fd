"""Pictures through the network, beside the notebook's loop: a batch of one, picture by picture."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from openmax_core.network.classifier import Classifier, build_network
from openmax_core.network.engines import Engine, OnnxEngine, normalised
from openmax_core.network.inference import run
from openmax_core.network.onnx_export import export
from openmax_core.pictures.images import Transform, decode
from openmax_core.support.chunks import n_cores
from tests.benchmarks.measure import Row, best_seconds

VARIABLE = "OPENMAX_BENCH_PICTURES"
CASES = (("resnet50", 96, 2.0), ("shufflenet_v2_x0_5", 1200, 8.0))
SWEEP = 11
REPEATS = 3


def rows() -> list[Row]:
    """One pass, its overhead and the notebook's sweep, for a large and a small network."""
    with tempfile.TemporaryDirectory() as folder:
        paths, note = _pictures(Path(folder), max(n for _, n, _ in CASES))
        found = [_matrix_peak()]
        for architecture, n, budget in CASES:
            found += _compare(Path(folder), architecture, paths[:n], budget, note)
        return found


def _compare(
    folder: Path, architecture: str, paths: list[Path], budget: float, note: str
) -> list[Row]:
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    network = build_network(architecture, 4).eval()
    classifier = Classifier(architecture, tuple("abcd"), Transform(), network)
    engine = OnnxEngine(export(classifier), classifier.transform)
    _ours(engine, paths[:16])
    _notebook(classifier, paths[:16])
    # In turns, so that a machine that slows down slows both.
    pairs = [(_notebook(classifier, paths), _ours(engine, paths)) for _ in range(REPEATS)]
    notebook, here = (min(times) for times in zip(*pairs, strict=True))
    bare, forward = min(_bare(engine, paths) for _ in range(REPEATS))
    n = len(paths)
    ratio = notebook / here
    overhead = here / bare - 1
    return [
        Row(
            f"{architecture}: one pass over {n} pictures",
            f"{n / here:.1f}/s",
            f"{n / notebook:.1f}/s",
            ratio,
            f"≥ {budget:g}×",
            ratio >= budget,
            f"{engine.in_words}; {note}",
        ),
        Row(
            f"{architecture}: overhead over decoding and the bare forward pass",
            f"{100 * overhead:.1f} %",
            budget="≤ 10 %",
            met=overhead <= 0.1,
            note=f"bare: {n / bare:.1f}/s, one after the other on all cores; "
            f"the network alone: {n / forward:.1f}/s",
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


def _ours(engine: Engine, paths: list[Path]) -> float:
    started = time.perf_counter()
    for _ in run(engine, paths):
        pass
    return time.perf_counter() - started


def _bare(engine: OnnxEngine, paths: list[Path]) -> tuple[float, float]:
    """Decoding and then the network, each with every core busy and nothing between; it alone."""
    size = engine.batch_size
    batches = [paths[start : start + size] for start in range(0, len(paths), size)]
    with ThreadPoolExecutor(engine.n_parallel) as pool:
        started = time.perf_counter()
        ready = list(pool.map(lambda batch: _prepare(batch, engine.transform), batches))
        decoding = time.perf_counter() - started
        started = time.perf_counter()
        list(pool.map(engine.forward, ready))
        forward = time.perf_counter() - started
    return decoding + forward, forward


def _prepare(paths: list[Path], transform: Transform) -> NDArray[np.float32]:
    return normalised(np.stack([transform.pixels(decode(path)) for path in paths]), transform)


def _matrix_peak() -> Row:
    """What the cores multiply at most, for the share of it that a network reaches."""
    a = np.random.default_rng(0).random((2048, 2048)).astype(np.float32)
    n = n_cores()

    def work() -> None:
        with ThreadPoolExecutor(n) as pool:
            list(pool.map(lambda _: a @ a, range(n)))

    rate = n * 2 * 2048**3 / best_seconds(work) / 1e9
    return Row(f"matrix product in float32 on {n} cores", f"{rate:.0f} GFLOP/s")


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
