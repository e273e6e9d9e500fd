"""What is rendered: the garages as data, and the kinds of pictures with their numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Garage:
    """How a garage looks. Colours are linear, lengths metres.

    Attributes
    ----------
    floor, bay, line, wall, band, pillar, ceiling, pipes : colours; ``bay`` and ``band`` are the
        company's own bays and the wall behind them
    band_heights : lower and upper edge of the painted band on walls and pillars
    masonry : 'plain', 'bricks' or 'blocks'
    pillar_shape : 'round' or 'square'
    pillar_every : bays between two pillars
    roof : 'flat', 'beams' or 'ducts'
    lamps : 'along', 'across' or 'discs'
    light, brightness : colour and radiance of the lamps
    height, bay_width : of the hall, and of a bay
    gloss : roughness of the smoothest and the dullest floor
    board, letters : colours of the car-sharing company's signs
    level : what is written on the signs beside the name, and on pillars
    wear : how much of the floor's paint has gone, 0 to 1
    """

    name: str
    floor: Colour
    bay: Colour
    line: Colour
    wall: Colour
    band: Colour
    pillar: Colour
    ceiling: Colour
    board: Colour
    letters: Colour
    band_heights: tuple[float, float]
    masonry: str
    pillar_shape: str
    pillar_every: int
    roof: str
    lamps: str
    light: Colour
    brightness: float
    height: float
    bay_width: float
    gloss: tuple[float, float]
    level: str
    wear: float = 0.35
    pipes: Colour = (0.3, 0.3, 0.31)


HARBOUR = Garage(
    name="Harbour",
    floor=(0.20, 0.215, 0.235),
    bay=(0.20, 0.215, 0.235),
    line=(0.72, 0.72, 0.70),
    wall=(0.50, 0.51, 0.52),
    band=(0.03, 0.12, 0.36),
    pillar=(0.62, 0.62, 0.61),
    ceiling=(0.42, 0.42, 0.42),
    board=(0.02, 0.09, 0.32),
    letters=(0.85, 0.85, 0.85),
    band_heights=(0.55, 1.05),
    masonry="plain",
    pillar_shape="round",
    pillar_every=2,
    roof="ducts",
    lamps="along",
    light=(0.86, 0.95, 1.0),
    brightness=26.0,
    height=2.7,
    bay_width=2.5,
    gloss=(0.22, 0.55),
    level="P1",
)
MARKET = Garage(
    name="Market",
    floor=(0.17, 0.165, 0.16),
    bay=(0.26, 0.085, 0.055),
    line=(0.70, 0.66, 0.52),
    wall=(0.55, 0.51, 0.44),
    band=(0.52, 0.17, 0.02),
    pillar=(0.54, 0.51, 0.45),
    ceiling=(0.46, 0.43, 0.38),
    board=(0.55, 0.18, 0.02),
    letters=(0.92, 0.88, 0.78),
    band_heights=(0.0, 0.9),
    masonry="bricks",
    pillar_shape="square",
    pillar_every=3,
    roof="beams",
    lamps="across",
    light=(1.0, 0.84, 0.62),
    brightness=24.0,
    height=2.9,
    bay_width=2.6,
    gloss=(0.5, 0.85),
    level="-2",
    wear=0.5,
)
MUSEUM = Garage(
    name="Museum",
    floor=(0.085, 0.085, 0.09),
    bay=(0.045, 0.045, 0.05),
    line=(0.68, 0.60, 0.10),
    wall=(0.62, 0.61, 0.60),
    band=(0.045, 0.045, 0.05),
    pillar=(0.10, 0.10, 0.105),
    ceiling=(0.20, 0.20, 0.205),
    board=(0.03, 0.03, 0.032),
    letters=(0.82, 0.72, 0.16),
    band_heights=(0.0, 1.0),
    masonry="plain",
    pillar_shape="square",
    pillar_every=2,
    roof="flat",
    lamps="discs",
    light=(1.0, 0.93, 0.84),
    brightness=48.0,
    height=2.6,
    bay_width=2.7,
    gloss=(0.12, 0.4),
    level="U1",
    wear=0.1,
)
STATION = Garage(
    name="Station",
    floor=(0.20, 0.20, 0.19),
    bay=(0.06, 0.15, 0.085),
    line=(0.72, 0.72, 0.68),
    wall=(0.42, 0.42, 0.41),
    band=(0.045, 0.24, 0.08),
    pillar=(0.40, 0.40, 0.385),
    ceiling=(0.30, 0.30, 0.29),
    board=(0.03, 0.20, 0.06),
    letters=(0.85, 0.87, 0.82),
    band_heights=(0.9, 1.45),
    masonry="blocks",
    pillar_shape="square",
    pillar_every=3,
    roof="beams",
    lamps="along",
    light=(0.95, 1.0, 0.86),
    brightness=20.0,
    height=2.5,
    bay_width=2.45,
    gloss=(0.35, 0.75),
    level="3",
    wear=0.55,
    pipes=(0.32, 0.05, 0.04),
)
KNOWN = (HARBOUR, MARKET, MUSEUM, STATION)
# Another operator's garage that looks like the Harbour's on purpose.
BRIDGE = replace(
    HARBOUR,
    name="Bridge",
    pillar_shape="square",
    pillar=(0.56, 0.55, 0.53),
    band=(0.02, 0.16, 0.30),
    board=(0.30, 0.30, 0.31),
    letters=(0.03, 0.05, 0.10),
    wall=(0.56, 0.55, 0.52),
    floor=(0.24, 0.24, 0.235),
    bay=(0.24, 0.24, 0.235),
    band_heights=(0.75, 1.2),
    roof="beams",
    lamps="across",
    light=(0.97, 0.98, 1.0),
    level="B",
)
GARAGES = {item.name: item for item in (*KNOWN, BRIDGE)}

SEED = 7
RIGHT = "in its bay"
REASONS = (
    "across the line",
    "another garage",
    "finger on the lens",
    "in front of an exit",
    "in the aisle",
    "no car",
    "outdoor lot",
    "too close",
)


@dataclass(frozen=True)
class Sizes:
    """How many pictures of each kind, and their size in pixels."""

    train: int = 120
    test: int = 50
    reject: int = 30
    width: int = 400
    height: int = 300


@dataclass(frozen=True)
class Shot:
    """One picture to be made; everything random in it follows from ``seed``."""

    split: str
    garage: str
    reason: str
    number: int
    seed: int = field(repr=False)

    @property
    def path(self) -> str:
        """Where it is written, under the folder of all."""
        folder = self.reason if self.split == "reject" else self.garage
        return f"{self.split}/{folder}/{self.number:03d}.jpg"


def shots(sizes: Sizes, seed: int) -> list[Shot]:
    """List the pictures, garage by garage, so that a hall is built once."""
    found = []
    for garage in KNOWN:
        for split, count in (("train", sizes.train), ("test", sizes.test)):
            found += [(split, garage.name, RIGHT, n) for n in range(count)]
    names = [garage.name for garage in KNOWN]
    for reason in REASONS:
        for n in range(sizes.reject):
            place = names[n % len(names)]
            if reason == "another garage":
                place = BRIDGE.name
            elif reason == "outdoor lot":
                place = "outdoors"
            found.append(("reject", place, reason, n))
    order = [*names, BRIDGE.name, "outdoors"]
    found.sort(key=lambda item: order.index(item[1]))
    return [Shot(*item, seed=hash_of(seed, *item)) for item in found]


def hash_of(seed: int, *parts: object) -> int:
    """Return a 63-bit number that depends on nothing but the arguments."""
    text = "|".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
