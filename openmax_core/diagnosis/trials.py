"""The network run over a sample of the pictures, under the stored transform and under others."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from openmax_core.diagnosis.files import Listing
from openmax_core.diagnosis.findings import toml_lines
from openmax_core.errors import ClassifierError, PictureError
from openmax_core.network.classifier import library_of, transform_by_name
from openmax_core.network.inference import run
from openmax_core.network.onnx_files import OnnxClassifier, fitted
from openmax_core.pictures.images import IMAGENET_MEAN, IMAGENET_STD, Pixels, Transform, decode
from openmax_core.pictures.locations import Location
from openmax_core.pictures.opening import opened, stream_of
from openmax_core.support.arrays import Int
from openmax_core.support.chunks import n_cores

if TYPE_CHECKING:
    from openmax_core.network.classifier import Classifier
    from openmax_core.network.engines import Engine

# Enough that a class order of ten classes and differences of ten points in accuracy are beyond
# chance, and few enough that a small network is through in a few seconds.
MOST_STORED, MOST_TRIED = 240, 96
BATCH = 8
N_MEASURED = 8  # pictures whose size is looked at
# Sets of small pictures (CIFAR, MNIST, thumbnails) are trained on as they are.
LEAST_SIDE, MOST_SIDE = 16, 256
HALVES = (0.5, 0.5, 0.5)
BYTES_STD = (1 / 255, 1 / 255, 1 / 255)

Report = Callable[[tuple[int, int]], None]


@dataclass(frozen=True)
class Picture:
    """A picture of the sample."""

    split: str
    path: str
    source: Location
    label: int


@dataclass(frozen=True)
class Candidate:
    """A transform that the network may have been trained with.

    Attributes
    ----------
    name : str
    transform : Transform
    transform_input : bool or None
        Of GoogLeNet and Inception alone; None leaves it as it is.
    is_decoding : bool
        It differs from the stored one in how some pictures are decoded alone.
    """

    name: str
    transform: Transform
    transform_input: bool | None = None
    is_decoding: bool = False

    def write(self, stored: Transform) -> str:
        """Lines for ``workspace.toml`` that differ from what is stored."""
        old, new = vars(stored), vars(self.transform)
        differing = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in new.items()
            if value != old[key]
        }
        parts = [toml_lines("transform", differing)] if differing else []
        if self.transform_input is not None:
            parts.append(toml_lines("classifier", {"transform_input": self.transform_input}))
        return "\n\n".join(parts)


@dataclass(frozen=True)
class Tried:
    """What a candidate gave.

    Attributes
    ----------
    candidate : Candidate
    rows : (K,) int64, places in the sample of the pictures that were run
    logits : (K, C) float32, rows of NaN where the output is not finite
    """

    candidate: Candidate
    rows: Int
    logits: NDArray[np.float32]


def candidates(
    classifier: Classifier | OnnxClassifier, own_size: tuple[int, int] | None
) -> list[Candidate]:
    """The stored transform, and what else is plausible, the likeliest first.

    torchvision's own for the architecture's weights; ImageNet's usual one; the notebook's; small
    pictures as they are; the whole picture squeezed into the crop; other interpolations and
    normalisations; and, for those architectures that may normalise inside, that switched over.
    Where pictures have an orientation in EXIF or are transparent, that is left out of account. An
    ONNX file gets pictures of the size that its graph asks for, and channels from 0 to 255 are
    tried; torchvision is not imported.

    Parameters
    ----------
    classifier : with the stored transform
    own_size : height and width that small pictures have in common
    """
    model = classifier if isinstance(classifier, OnnxClassifier) else None
    stored = classifier.transform
    found = [Candidate("stored", stored)]
    if stored.has_bytes_scale:
        mean, std = (_three(np.array(item) / 255) for item in (stored.mean, stored.std))
        found.append(Candidate("mean and std divided by 255", replace(stored, mean=mean, std=std)))
    own = None
    if not isinstance(classifier, OnnxClassifier):
        own = _own_of(classifier.architecture, stored)
        if own is not None:
            library = library_of(classifier.architecture)
            found.append(Candidate(f"{library}'s own for {classifier.architecture}", own))
    image_net = replace(
        stored,
        resize=256,
        crop=(224, 224),
        interpolation="bilinear",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
    )
    found.append(Candidate("ImageNet's usual one", image_net))
    notebook = Transform()
    found.append(
        Candidate(
            "the notebook's",
            replace(stored, **{k: vars(notebook)[k] for k in ("resize", "crop", "interpolation")}),
        )
    )
    if own_size is not None:
        as_they_are = replace(stored, resize=own_size, crop=own_size)
        found.append(Candidate("the pictures in their own size", as_they_are))
    squeezed = replace(stored, resize=stored.crop, interpolation="bilinear")
    found.append(Candidate("the whole picture, without a crop", squeezed))
    other = "bilinear" if stored.interpolation == "nearest" else "nearest"
    found.append(Candidate(f"interpolation {other}", replace(stored, interpolation=other)))
    for name, mean, std in (
        ("mean and std of ImageNet", IMAGENET_MEAN, IMAGENET_STD),
        ("mean and std 0.5", HALVES, HALVES),
        ("no normalisation", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        *([("channels from 0 to 255", (0.0, 0.0, 0.0), BYTES_STD)] if model else []),
    ):
        found.append(Candidate(name, replace(stored, mean=mean, std=std)))
    # torchvision's ImageFolder neither turns pictures nor puts them on white.
    turned = "not turned as EXIF says" if stored.exif else "turned as EXIF says"
    alpha = "transparency dropped" if stored.alpha == "white" else "transparency on white"
    other_alpha = "drop" if stored.alpha == "white" else "white"
    for name, exif, shown in (
        (turned, not stored.exif, stored.alpha),
        (alpha, stored.exif, other_alpha),
        (f"{turned}, {alpha}", not stored.exif, other_alpha),
    ):
        found.append(Candidate(name, replace(stored, exif=exif, alpha=shown), is_decoding=True))
    if model is not None:
        found = [replace(item, transform=_taken(model, item.transform)) for item in found]
    distinct = {item.transform: item for item in reversed(found)}
    found = [item for item in found if distinct[item.transform] is item]
    inside = None
    if not isinstance(classifier, OnnxClassifier):
        inside = vars(classifier.network).get("transform_input")
    if inside is not None:
        for item in (found[0], *(item for item in found if item.transform == own)):
            name = f"{item.name}, transform_input {str(not inside).lower()}"
            found.append(replace(item, name=name, transform_input=not inside))
    return found


def common_size(sample: Sequence[Picture]) -> tuple[int, int] | None:
    """Height and width that the first pictures have in common; None where they are not small."""
    sizes = set()
    for picture in sample[:N_MEASURED]:
        with suppress(PictureError):
            sizes.add(decode(picture.source).size)
    if len(sizes) != 1:
        return None
    width, height = sizes.pop()
    return (height, width) if LEAST_SIDE <= min(width, height) <= MOST_SIDE else None


def _own_of(architecture: str, stored: Transform) -> Transform | None:
    """Evaluation transform of the architecture's newest weights in its library."""
    try:
        own = transform_by_name("weights", architecture)
    except ClassifierError:  # without weights, or its transform is of another kind
        return None
    return replace(own, exif=stored.exif, alpha=stored.alpha)


def _taken(model: OnnxClassifier, transform: Transform) -> Transform:
    """Transform as far as an ONNX file leaves a choice."""
    transform = fitted(transform, model.size)
    if model.takes_bytes:
        return replace(transform, mean=model.transform.mean, std=model.transform.std)
    return transform


def _three(values: Sequence[float] | NDArray[Any]) -> tuple[float, float, float]:
    red, green, blue = (float(f"{value:.6g}") for value in values)
    return red, green, blue


def draw_sample(listings: Sequence[Listing], most: int, seed: int = 0) -> list[Picture]:
    """Pictures of known classes, drawn at random: class by class, and set by set in each.

    A beginning of it is spread as evenly over classes and sets as the whole is.
    """
    generator = np.random.default_rng(seed)
    places = {
        item.split: {
            int(label): generator.permutation(np.flatnonzero(item.labels == label)).tolist()
            for label in np.unique(item.labels[item.labels >= 0])
        }
        for item in listings
    }
    labels = sorted({label for by_label in places.values() for label in by_label})
    order = [labels[place] for place in generator.permutation(len(labels))]
    drawn: list[Picture] = []
    while len(drawn) < most and any(any(lists.values()) for lists in places.values()):
        for label in order:
            for item in listings:
                rows = places[item.split].get(label)
                if rows:
                    path = item.files.paths[rows.pop()]
                    drawn.append(Picture(item.split, path, item.files.folder / path, label))
    return drawn[:most]


def try_out(
    classifier: Classifier | OnnxClassifier,
    device: str,
    tried: Sequence[Candidate],
    sample: Sequence[Picture],
    n_stored: int,
    deadline: float,
    report: Report,
) -> tuple[list[Tried], dict[int, str]]:
    """Run the network over a sample, under every candidate.

    Every picture is decoded once for all. When the time is up no more are begun; candidates that
    the network refuses, or that there was no time for, are left out.

    Parameters
    ----------
    tried : the stored one first
    n_stored : pictures to run under the stored transform; under the others at most ``MOST_TRIED``
    deadline : of ``time.monotonic``

    Returns
    -------
    What each candidate gave, and by place in the sample why a picture could not be read.

    Raises
    ------
    ClassifierError
        The network refuses pictures of the stored transform, or the device fails.
    """
    engines = dict(_engines(classifier, device, tried))
    rows: dict[str, list[int]] = {name: [] for name in engines}
    logits: dict[str, list[NDArray[np.float32]]] = {name: [] for name in engines}
    lost: dict[int, str] = {}
    n_decoded = {item.name: 0 for item in tried if item.is_decoding}
    as_stored: dict[int, NDArray[np.float32] | str] = {}
    n_classes, size = len(classifier.classes), BATCH * n_cores()
    began = time.monotonic()
    with ThreadPoolExecutor(n_cores(), "diagnosis") as pool:
        for first in range(0, n_stored, size):
            now = time.monotonic()
            if first and now > deadline:
                break
            # The others take most of the time: so they end where half of it is gone.
            is_compared = first < MOST_TRIED and (not first or now < (began + deadline) / 2)
            part = range(first, min(first + size, n_stored))
            chosen = [sample[place] for place in part]
            decoded = list(pool.map(partial(_decoded, tried[0].transform), chosen))
            pictures = dict(zip(part, decoded, strict=True))
            lost |= {place: item for place, item in pictures.items() if isinstance(item, str)}
            for candidate in tried if is_compared else tried[:1]:
                if candidate.name not in engines:
                    continue
                if candidate is not tried[0] and time.monotonic() > deadline:
                    break
                given = pictures
                if candidate.is_decoding:
                    other = {
                        place: _decoded_as(candidate.transform, sample[place])
                        for place, item in pictures.items()
                        if not isinstance(item, str)
                    }
                    given = {place: item for place, item in other.items() if item is not None}
                    n_decoded[candidate.name] += len(given)
                try:
                    found = _run(engines[candidate.name], candidate, given, pool, n_classes)
                except ClassifierError:
                    if candidate is tried[0]:
                        raise
                    del engines[candidate.name], rows[candidate.name]
                    continue
                as_stored = found if candidate is tried[0] else as_stored
                if candidate.is_decoding:  # the other pictures are the same
                    found = as_stored | found
                for place, row in found.items():
                    if isinstance(row, str):
                        lost[place] = row
                    else:
                        rows[candidate.name].append(place)
                        logits[candidate.name].append(row)
            report((part.stop, n_stored))
    for engine in engines.values():
        engine.close()
    return [
        Tried(
            item,
            np.array(rows[item.name], dtype=np.int64),
            np.array(logits[item.name], dtype=np.float32).reshape(-1, n_classes),
        )
        for item in tried
        if rows.get(item.name) and n_decoded.get(item.name, 1)
    ], lost


def _engines(
    classifier: Classifier | OnnxClassifier, device: str, tried: Sequence[Candidate]
) -> Iterator[tuple[str, Engine]]:
    """One engine a candidate, all with the same weights."""
    from openmax_core.network.engines import TorchEngine

    if isinstance(classifier, OnnxClassifier):
        own = classifier.engine(device, BATCH)
        yield from ((item.name, own.under(item.transform)) for item in tried)
        return
    for item in tried:
        network = classifier.network
        if item.transform_input is not None:
            network = copy.copy(network)  # its layers are the same
            vars(network)["transform_input"] = item.transform_input
        yield (
            item.name,
            TorchEngine(
                replace(classifier, transform=item.transform, network=network), device, BATCH
            ),
        )


def _decoded(transform: Transform, picture: Picture) -> Image.Image | str:
    try:
        return decode(picture.source, transform=transform)
    except PictureError as error:
        return str(error).removeprefix(f"{picture.source}: ")


def _decoded_as(transform: Transform, picture: Picture) -> Image.Image | None:
    """Decode a picture as a transform asks for; None where that cannot differ, by its header."""
    source = picture.source
    try:
        content = source if isinstance(source, Path) else source.read_bytes()
        with stream_of(content) as stream:
            header = opened(stream)
            is_turned = header.getexif().get(ExifTags.Base.Orientation, 1) != 1
            if not is_turned and not header.has_transparency_data:
                return None
        return decode(content, transform=transform)
    except Exception:  # said where it is decoded as stored
        return None


def _run(
    engine: Engine,
    candidate: Candidate,
    pictures: Mapping[int, Image.Image | str],
    pool: ThreadPoolExecutor,
    n_classes: int,
) -> dict[int, NDArray[np.float32] | str]:
    """Logits by place, or why there are none; NaN where they are not finite."""

    def pixels(picture: Image.Image | str) -> Pixels | str:
        try:
            return picture if isinstance(picture, str) else candidate.transform.pixels(picture)
        except PictureError as error:
            return str(error)

    made = dict(zip(pictures, pool.map(pixels, pictures.values()), strict=True))
    found: dict[int, NDArray[np.float32] | str] = {
        place: item for place, item in made.items() if isinstance(item, str)
    }
    ready = {place: item for place, item in made.items() if not isinstance(item, str)}
    not_finite = np.full(n_classes, np.nan, dtype=np.float32)
    for place, (_, row) in zip(ready, run(engine, list(ready.values())), strict=True):
        found[place] = not_finite if isinstance(row, str) else row
    return found
