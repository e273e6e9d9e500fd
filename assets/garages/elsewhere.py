"""Garages of other towns, drawn at random: what the demo's backbone learns to see.

A network of its own would go by the colour of a whole hall, as it has never seen anything else. On
these pictures it learns what the demo's four garages do not tell: many halls, and in each of them
cars that stand right and cars that do not. None of the demo's five garages is among them, nor an
outdoor lot, nor a finger on the lens.
"""

from __future__ import annotations

import colorsys

import numpy as np
from spec import RIGHT, Colour, Garage, Shot, hash_of

NAMES = (
    *("Abbey", "Bakery", "Castle", "Dockside", "Eastgate", "Forum", "Gasworks", "Hilltop"),
    *("Island", "Junction", "Kings", "Library", "Mill", "Northgate", "Opera", "Palace"),
    *("Quarry", "Riverside", "Southgate", "Theatre", "University", "Victoria", "Westgate", "Zoo"),
)
RIGHT_EACH = 22
WRONG_EACH = {
    "across the line": 5,
    "in front of an exit": 3,
    "in the aisle": 3,
    "no car": 4,
    "too close": 2,
}
WIDTH, HEIGHT = 320, 240


def garages(seed: int) -> list[Garage]:
    """Draw the garages."""
    return [_garage(name, np.random.default_rng(hash_of(seed, name))) for name in NAMES]


def shots(seed: int) -> list[Shot]:
    """List the pictures, garage by garage: a class each garage, and one each kind of wrong."""
    found = []
    for name in NAMES:
        for reason, count in {RIGHT: RIGHT_EACH, **WRONG_EACH}.items():
            label = name if reason == RIGHT else reason
            for number in range(count):
                path = f"train/{label}/{name}-{number:03d}.jpg"
                found.append(Shot(path, name, reason, hash_of(seed, path)))
    return found


def _garage(name: str, rng: np.random.Generator) -> Garage:
    floor = _grey(rng, 0.07, 0.3)
    painted = rng.random() < 0.55
    paint = _strong(rng)
    low = float(rng.choice((0.0, 0.4, 0.7, 0.95)))
    return Garage(
        name=name,
        floor=floor,
        bay=_strong(rng, 0.25) if painted else floor,
        line=_grey(rng, 0.6, 0.75) if rng.random() < 0.7 else (0.68, 0.58, 0.10),
        wall=_grey(rng, 0.38, 0.65),
        band=paint,
        pillar=_grey(rng, 0.12, 0.62),
        ceiling=_grey(rng, 0.2, 0.48),
        board=paint if rng.random() < 0.7 else _strong(rng),
        letters=(0.86, 0.86, 0.84) if rng.random() < 0.7 else (0.82, 0.72, 0.16),
        band_heights=(low, low + float(rng.uniform(0.35, 0.9))),
        masonry=str(rng.choice(("plain", "bricks", "blocks"))),
        pillar_shape=str(rng.choice(("round", "square"))),
        pillar_every=int(rng.integers(2, 4)),
        roof=str(rng.choice(("flat", "beams", "ducts"))),
        lamps=str(rng.choice(("along", "across", "discs"))),
        light=_tinted(rng),
        brightness=float(rng.uniform(20, 30)),
        height=float(rng.uniform(2.5, 2.95)),
        bay_width=float(rng.uniform(2.4, 2.75)),
        gloss=(float(rng.uniform(0.12, 0.5)), float(rng.uniform(0.5, 0.85))),
        level=str(rng.choice(("A", "B", "C", "-1", "-3", "P2", "P3", "U2", "1", "2", "4"))),
        wear=float(rng.uniform(0.05, 0.6)),
        pipes=_grey(rng, 0.2, 0.4) if rng.random() < 0.7 else _strong(rng, 0.3),
    )


def _grey(rng: np.random.Generator, low: float, high: float) -> Colour:
    level = float(rng.uniform(low, high))
    return _colour(level * rng.normal(1, 0.05, 3))


def _strong(rng: np.random.Generator, most: float = 0.5) -> Colour:
    saturation, value = rng.uniform(0.55, 0.97), rng.uniform(0.08, most)
    return colorsys.hsv_to_rgb(float(rng.random()), float(saturation), float(value))


def _tinted(rng: np.random.Generator) -> Colour:
    warmth = float(rng.uniform(-0.15, 0.4))
    return _colour(np.array([1 - max(-warmth, 0), 1 - abs(warmth) * 0.4, 1 - max(warmth, 0)]))


def _colour(parts: np.ndarray) -> Colour:
    red, green, blue = (float(part) for part in parts)
    return red, green, blue
