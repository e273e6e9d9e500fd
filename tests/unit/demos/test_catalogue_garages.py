"""The garages' generator: what can be told without its renderer."""

from __future__ import annotations

import csv
import importlib.util
import io
import sys
import zipfile
from collections import Counter
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from openmax_core.demos.catalogue import ARCHIVE, GARAGES
from openmax_core.demos.demo import ASSETS

SOURCES = ASSETS.parent / "garages"
KNOWN = GARAGES.settings.classifier.classes


def load(name: str) -> ModuleType:
    """Import one of the generator's files, which are no package."""
    spec = importlib.util.spec_from_file_location(f"garages_{name}", SOURCES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


spec, phone = load("spec"), load("phone")


@pytest.fixture(scope="module")
def light() -> np.ndarray:
    """A dark room with a lamp."""
    room = np.full((60, 80, 3), 0.05, np.float32)
    room[5:10, 20:60] = 20
    return room


def test_the_archive_holds_what_the_generator_lists():
    with zipfile.ZipFile(ASSETS / ARCHIVE) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("pictures.csv"))))
    listed = spec.shots(spec.Sizes(), spec.SEED)
    assert rows == sorted(
        (
            {"path": s.path, "garage": s.garage, "reason": s.reason, "seed": str(s.seed)}
            for s in listed
        ),
        key=lambda row: row["path"],
    )


def test_every_garage_and_every_reason_has_its_number_of_pictures():
    listed = spec.shots(spec.Sizes(train=3, test=2, reject=5), 1)
    folders = Counter(shot.path.rsplit("/", 1)[0] for shot in listed)
    known = {f"{split}/{name}": n for split, n in (("train", 3), ("test", 2)) for name in KNOWN}
    assert folders == known | {f"reject/{reason}": 5 for reason in spec.REASONS}


def test_wrong_parking_happens_in_every_known_garage():
    listed = spec.shots(spec.Sizes(), 1)
    places = {s.garage for s in listed if s.reason == "across the line"}
    assert places == set(KNOWN)


def test_another_seed_gives_other_pictures_and_the_same_seed_the_same():
    first, again, other = (spec.shots(spec.Sizes(), seed) for seed in (1, 1, 2))
    assert first == again
    assert not {shot.seed for shot in first} & {shot.seed for shot in other}
    assert len({shot.seed for shot in first}) == len(first)


def test_the_telephone_is_reproducible_and_writes_jpeg(light):
    pictures = [
        phone.develop(light, np.random.default_rng(seed), phone.Handling()) for seed in (1, 1, 2)
    ]
    assert pictures[0] == pictures[1] != pictures[2]
    with Image.open(io.BytesIO(pictures[0])) as picture:
        assert (picture.format, picture.size) == ("JPEG", (80, 60))


def test_a_finger_hides_a_part_of_the_picture(light):
    calm = phone.Handling(exposure=0, shake=0, defocus=0, noise=0, white=0, glare=0)
    free, hidden = (
        np.asarray(
            Image.open(
                io.BytesIO(phone.develop(light, np.random.default_rng(3), calm, finger=finger))
            ),
            float,
        )
        for finger in (False, True)
    )
    changed = (np.abs(free - hidden).max(-1) > 40).mean()
    assert 0.1 < changed < 0.95
