"""Open-set problems to compare methods on, as logits.

Development problems are made of training pictures alone, some classes taken for unknown; final
problems are test and reject sets. A method is chosen on the former before the latter are looked at.

* flowers: photographs behind ``OPENMAX_BENCH_PICTURES``, a linear head on the frozen features of
  the MobileNetV2 behind ``OPENMAX_BENCH_BACKBONE``, and the same network fine-tuned, which takes
  minutes once: what is trained is kept behind ``OPENMAX_BENCH_FOLDER``, or in the cache folder;
* digits: the embedded demo's; for development small networks on 8 × 8 pixels;
* synthetic: Gaussian classes, logits of linear discriminant analysis; and the same with a constant
  added, or one of each picture's own;
* stored, for development: ``*.npz`` files in the folder ``OPENMAX_BENCH_PROBLEMS``, each with the
  arrays train_logits, train_labels, test_logits, test_labels and reject_logits of a network.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from openmax_core.demos.catalogue import DIGITS
from openmax_core.demos.demo import open_demo
from openmax_core.pictures.images import Transform, decode
from openmax_core.workspace.settings import FILE_NAME
from openmax_core.workspace.workspace import Workspace

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Head = Callable[[Array], Array]
PICTURES, BACKBONE = "OPENMAX_BENCH_PICTURES", "OPENMAX_BENCH_BACKBONE"
FOLDER = "OPENMAX_BENCH_FOLDER"
STORED = "OPENMAX_BENCH_PROBLEMS"
N_FEATURES = 24
SPREADS = {2: 0.6, 4: 0.75, 10: 0.9, 100: 1.15}
SHIFTS = ("+5", "−5", "own")


@dataclass(frozen=True)
class Part:
    """Logits (N, C), labels (N,) (−1: unknown) and features (N, F) of some pictures."""

    logits: Array
    labels: Labels
    features: Array | None = None


@dataclass(frozen=True)
class Problem:
    """Known training and test pictures, and unknown ones.

    Attributes
    ----------
    group : problems that count together
    held : known pictures that the network was not trained on; None if there are none
    """

    name: str
    group: str
    train: Part
    test: Part
    reject: Part
    held: Part | None = None


def development_problems() -> list[Problem]:
    """Problems that a method is chosen on."""
    made = [*_stored(), *_flowers_development(), *_finetuned_development()]
    made += _digits_development()
    for n_classes in SPREADS:
        one_group = [_synthetic(n_classes, seed) for seed in range(3)]
        made += [*one_group, *(_shifted(one_group[0], shift) for shift in SHIFTS)]
    return made


def final_problems(folder: Path) -> list[Problem]:
    """Problems that the chosen method is reported on; the demo is written to ``folder``."""
    made = [*_flowers_final()]
    made += [_shifted(problem, shift) for problem in made for shift in SHIFTS]
    made += _finetuned_final()
    demo = open_demo(DIGITS, folder=folder / "digits")
    demo.extract("cpu")
    made.append(_of_workspace(demo, "digits, the demo's network", "digits"))
    for n_classes in (4, 10, 100):
        one_group = [_synthetic(n_classes, seed) for seed in range(100, 103)]
        made += [*one_group, *(_shifted(one_group[0], shift) for shift in SHIFTS)]
    return made


def feature_problems(folder: Path) -> list[Problem]:
    """Problems whose networks end in a linear layer on features that are at hand.

    None of them has a constant added to its logits. The demo is written to ``folder``.
    """
    made = [*_flowers_development(), *_flowers_final()]
    demo = open_demo(DIGITS, folder=folder / "digits-features")
    classifier = replace(demo.settings.classifier, features=True)
    demo.save_settings(replace(demo.settings, classifier=classifier))
    demo.extract("cpu")
    made.append(_of_workspace(demo, "digits, the demo's network", "digits"))
    for n_classes in (4, 10, 100):
        made += [_synthetic(n_classes, seed) for seed in range(100, 103)]
    return made


def absent() -> str:
    """Say what is left out because its data are not named; '' if nothing is."""
    missing = [name for name in (PICTURES, BACKBONE, STORED) if not os.environ.get(name)]
    return f"{', '.join(missing)} not set: what rests on it is left out" if missing else ""


# --- stored --------------------------------------------------------------------------------------


def _stored() -> Iterator[Problem]:
    folder = os.environ.get(STORED)
    for path in sorted(Path(folder).glob("*.npz")) if folder else ():
        with np.load(path) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
        train, test = (
            Part(arrays[f"{split}_logits"].astype(np.float64), arrays[f"{split}_labels"])
            for split in ("train", "test")
        )
        unknown = arrays["reject_logits"].astype(np.float64)
        labels = np.full(len(unknown), -1)
        yield Problem(path.stem, "stored networks", train, test, Part(unknown, labels))


# --- flowers -------------------------------------------------------------------------------------


def _flowers_development() -> Iterator[Problem]:
    features = _features("train")
    for unknown in features:
        known = [name for name in features if name != unknown]
        parts = {name: _cut(len(features[name]), (0.5, 0.15, 0.35), 7) for name in features}
        split = [[features[name][parts[name][position]] for name in known] for position in range(3)]
        head = _linear_head(split[0])
        yield Problem(
            f"flowers, {unknown} unknown",
            "flowers, linear head",
            _known(split[0], head),
            _known(split[2], head),
            _unknown([features[unknown][parts[unknown][2]]], head),
            held=_known(split[1], head),
        )


def _flowers_final() -> Iterator[Problem]:
    train, test = _features("train"), _features("test")
    if train:
        head = _linear_head(list(train.values()))
        yield Problem(
            "flowers, linear head",
            "flowers, linear head",
            _known(list(train.values()), head),
            _known(list(test.values()), head),
            _unknown(list(_features("reject").values()), head),
        )


def _features(split: str) -> dict[str, Array]:
    """Pooled features of a split's pictures by class; nothing without pictures and backbone."""
    by_class = _files(split)
    if not by_class:
        return {}
    import torch
    from torchvision.models import mobilenet_v2

    from openmax_core.network.engines import normalised

    network = mobilenet_v2(weights=None)
    network.load_state_dict(torch.load(os.environ[BACKBONE], weights_only=True))
    network.eval()
    transform = Transform()
    found = {}
    for name, files in by_class.items():
        rows = []
        with torch.inference_mode():
            for first in range(0, len(files), 16):
                pixels = np.stack([transform.pixels(decode(f)) for f in files[first : first + 16]])
                batch = torch.from_numpy(normalised(pixels, transform))
                rows.append(network.features(batch).mean((2, 3)).numpy())
        found[name] = np.concatenate(rows).astype(np.float64)
    return found


def _linear_head(by_class: Sequence[Array]) -> Head:
    from sklearn.linear_model import LogisticRegression

    features, labels = _stack(by_class)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=0.01, max_iter=300).fit((features - mean) / spread, labels)
    return lambda a: ((a - mean) / spread) @ model.coef_.T + model.intercept_


def _finetuned_development() -> Iterator[Problem]:
    """Networks fine-tuned to three of the four classes, the fourth unknown."""
    files = _files("train")
    for unknown in ("daisy", "roses") if files else ():
        parts = {
            name: [[paths[i] for i in part] for part in _cut(len(paths), (0.65, 0.35), 7)]
            for name, paths in files.items()
        }
        known = [name for name in files if name != unknown]
        workspace = _finetuned(
            f"flowers-without-{unknown}",
            train={name: parts[name][0] for name in known},
            test={name: parts[name][1] for name in known},
            reject={unknown: parts[unknown][1]},
        )
        yield _of_workspace(
            workspace, f"flowers, fine-tuned, {unknown} unknown", "flowers, fine-tuned"
        )


def _finetuned_final() -> Iterator[Problem]:
    if train := _files("train"):
        sets = {"test": _files("test"), "reject": _files("reject")}
        workspace = _finetuned("flowers", train=train, **sets)
        yield _of_workspace(workspace, "flowers, fine-tuned", "flowers, fine-tuned")


def _finetuned(name: str, **splits: dict[str, list[Path]]) -> Workspace:
    """Workspace with links to pictures and a fine-tuned MobileNetV2; trained only once."""
    from openmax_core.training.settings import TrainingSettings
    from openmax_core.training.training import train

    folder = Path(os.environ.get(FOLDER) or platformdirs.user_cache_path("openmax") / "evidence")
    folder /= name
    if not (folder / FILE_NAME).exists():
        for split, by_class in splits.items():
            for label, paths in by_class.items():
                (folder / split / label).mkdir(parents=True, exist_ok=True)
                for path in paths:
                    (folder / split / label / path.name).symlink_to(path)
        Workspace.create(folder, "mobilenet_v2", reject="reject", name=name)
    workspace = Workspace.open(folder)
    if workspace.settings.classifier.weights is None:
        print(f"fine-tuning {name} …", file=sys.stderr, flush=True)
        train(workspace, os.environ[BACKBONE], TrainingSettings(epochs=2, head_epochs=1))
    workspace.extract("cpu")
    return workspace


def _files(split: str) -> dict[str, list[Path]]:
    pictures = os.environ.get(PICTURES)
    if not pictures or not os.environ.get(BACKBONE):
        return {}
    folders = sorted(path for path in (Path(pictures).resolve() / split).iterdir())
    return {folder.name: sorted(folder.iterdir()) for folder in folders if folder.is_dir()}


def _of_workspace(workspace: Workspace, name: str, group: str) -> Problem:
    def part(split: str) -> Part:
        activations = workspace.stored.activations(split)
        assert activations is not None
        features = activations.features
        return Part(
            np.asarray(activations.logits, dtype=np.float64),
            activations.labels,
            None if features is None else np.asarray(features, dtype=np.float64),
        )

    return Problem(name, group, part("train"), part("test"), part("reject"))


# --- digits --------------------------------------------------------------------------------------


def _digits_development() -> Iterator[Problem]:
    """Four of the six digits that the demo trains on; of each the first 70 %, as there."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    data = load_digits()
    by_digit = [data.data[data.target == digit] / 16 for digit in range(6)]
    by_digit = [rows[: round(0.7 * len(rows))] for rows in by_digit]
    for seed in range(6):
        known = np.random.default_rng(seed).choice(6, 4, replace=False)
        split = [
            [by_digit[k][slice(*(np.array(ends) * len(by_digit[k])).astype(int))] for k in known]
            for ends in ((0.0, 0.5), (0.5, 0.65), (0.65, 1.0))
        ]
        model = MLPClassifier((24,), max_iter=120, random_state=seed, alpha=1e-3)
        model.fit(*_stack(split[0]))
        layers = list(zip(model.coefs_, model.intercepts_, strict=True))

        def head(a: Array, layers: list[Any] = layers) -> Array:
            (first, first_bias), (last, last_bias) = layers
            return np.maximum(a @ first + first_bias, 0) @ last + last_bias

        unknown = [by_digit[k] for k in range(6) if k not in known]
        yield Problem(
            f"digits, seed {seed}",
            "digits",
            _known(split[0], head),
            _known(split[2], head),
            _unknown(unknown, head),
            held=_known(split[1], head),
        )


# --- synthetic -----------------------------------------------------------------------------------


def _synthetic(n_classes: int, seed: int) -> Problem:
    """Gaussian classes of different shapes; the unknown ones are drawn like the known."""
    generator = np.random.default_rng(1000 * n_classes + seed)
    n_all = n_classes + max(3, n_classes // 3)
    means = generator.normal(0, SPREADS[n_classes], (n_all, N_FEATURES))
    stretches = np.exp(generator.normal(0, 0.35, means.shape))

    def draw(classes: range, count: int) -> list[Array]:
        return [
            means[k] + generator.normal(size=(count, N_FEATURES)) * stretches[k] for k in classes
        ]

    known, unknown = range(n_classes), range(n_classes, n_all)
    train = draw(known, 60 if n_classes == 100 else 150)
    held = draw(known, 20 if n_classes == 100 else 50)
    test = draw(known, max(10, 400 // n_classes))
    reject = draw(unknown, max(10, 400 // len(unknown)))
    centres = np.stack([rows.mean(axis=0) for rows in train])
    residuals = np.concatenate([rows - centre for rows, centre in zip(train, centres, strict=True)])
    inverse = np.linalg.inv(np.cov(residuals.T) + 0.05 * np.eye(N_FEATURES))
    offset = -0.5 * np.einsum("kd,de,ke->k", centres, inverse, centres)

    def head(a: Array) -> Array:
        return a @ inverse @ centres.T + offset

    return Problem(
        f"synthetic, C = {n_classes}, seed {seed}",
        f"synthetic, C = {n_classes}",
        _known(train, head),
        _known(test, head),
        _unknown(reject, head),
        held=_known(held, head),
    )


def _shifted(problem: Problem, shift: str) -> Problem:
    """The same network with a constant added to its logits: for softmax nothing has changed."""
    generator = np.random.default_rng(0)

    def moved(part: Part) -> Part:
        own = 4 * generator.normal(size=(len(part.logits), 1))
        constant = own if shift == "own" else float(shift.replace("−", "-"))
        return replace(part, logits=part.logits + constant)

    parts = {name: moved(getattr(problem, name)) for name in ("train", "test", "reject")}
    held = None if problem.held is None else moved(problem.held)
    how = "a constant of each picture's own" if shift == "own" else shift
    kind = "own constants" if shift == "own" else "shifted"
    return replace(
        problem,
        name=f"{problem.name}, logits {how}",
        group=f"{problem.group}, {kind}",
        held=held,
        **parts,
    )


# --- parts ---------------------------------------------------------------------------------------


def _stack(by_class: Sequence[Array]) -> tuple[Array, Labels]:
    labels = np.repeat(np.arange(len(by_class)), [len(rows) for rows in by_class])
    return np.concatenate(by_class), labels


def _known(by_class: Sequence[Array], head: Head) -> Part:
    features, labels = _stack(by_class)
    return Part(head(features), labels, features)


def _unknown(by_class: Sequence[Array], head: Head) -> Part:
    features, labels = _stack(by_class)
    return Part(head(features), np.full(len(labels), -1), features)


def _cut(length: int, shares: Sequence[float], seed: int) -> list[NDArray[np.intp]]:
    """Positions of a random split into parts of these shares."""
    order = np.random.default_rng(seed).permutation(length)
    return np.split(order, (np.cumsum(shares)[:-1] * length).astype(int))
