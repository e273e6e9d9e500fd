"""A hall of a garage: floor, bays, walls, pillars, ceiling, lamps, signs, exits.

The wall with the company's bays is the plane y = 0; bays reach to y = 5, the aisle from there to
y = 11, another row of bays to the opposite wall at y = 16. x runs along the wall, z up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import materials
import numpy as np
from parts import box, cylinder, place, put, text_mesh
from spec import Garage

HALF_LENGTH = 17.0
DEPTH = 16.0
BAY = 5.0
AISLE = (5.0, 11.0)
N_LAMP_GROUPS = 7
OWN = 4  # bays of the company, in the middle


@dataclass(frozen=True)
class Hall:
    """What is needed to put cars and cameras into a hall."""

    garage: Garage
    own_bays: tuple[float, ...]
    other_bays: tuple[float, ...]
    door: float
    gate: float
    lamps: tuple[bpy.types.Material, ...]


def build(garage: Garage) -> Hall:
    """Build a hall into the empty scene."""
    width = garage.bay_width
    n_side = int((HALF_LENGTH - 1) // width)
    centres = [(number + 0.5) * width for number in range(-n_side, n_side)]
    own = tuple(x for x in centres if abs(x) < OWN / 2 * width)
    door, gate = own[-1] + 3 * width, own[0] - 3 * width
    others = tuple(x for x in centres if x not in own and x not in (door, gate))
    _shell(garage)
    _band(garage)
    _floor_paint(garage, centres, own, door, gate)
    _pillars(garage)
    _ceiling(garage)
    lamps = _lamps(garage)
    _signs(garage, own)
    _ways_out(garage, door, gate)
    _clutter(garage)
    return Hall(garage, own, others, door, gate, lamps)


def _shell(garage: Garage) -> None:
    floor = materials.rough(
        "floor", garage.floor, scale=0.45, roughness=garage.gloss, bump=0.08, stained=0.55
    )
    place(box((2 * HALF_LENGTH, DEPTH + 0.4, 0.2)), floor, (0, DEPTH / 2, -0.1))
    wall = wall_material(garage)
    for y in (-0.1, DEPTH + 0.1):
        place(box((2 * HALF_LENGTH, 0.2, garage.height)), wall, (0, y, garage.height / 2))
    for x in (-HALF_LENGTH - 0.1, HALF_LENGTH + 0.1):
        place(box((0.2, DEPTH + 0.4, garage.height)), wall, (x, DEPTH / 2, garage.height / 2))
    if garage.masonry == "plain":
        joint = materials.plain("joint", tuple(0.35 * part for part in garage.wall), 0.9)
        for x in np.arange(-HALF_LENGTH, HALF_LENGTH, 3.7):
            for y in (0.003, DEPTH - 0.003):
                place(box((0.018, 0.008, garage.height)), joint, (float(x), y, garage.height / 2))


def own_reach(garage: Garage) -> float:
    """How far from the middle the company's part of the hall reaches along the wall."""
    return OWN / 2 * garage.bay_width + 0.9


def _band(garage: Garage) -> None:
    """Paint the company's part of the wall; the rest of a hall looks like any other."""
    low, high = garage.band_heights
    band = materials.worn("band", garage.band, garage.wall, garage.wear * 0.35)
    strip = box((2 * own_reach(garage), 0.008, high - low))
    place(strip, band, (0, 0.004, (low + high) / 2))


def wall_material(garage: Garage) -> bpy.types.Material:
    """Return what the walls are made of."""
    if garage.masonry == "bricks":
        return materials.bricks("wall", garage.wall, (0.36, 0.33, 0.28), (0.24, 0.078))
    if garage.masonry == "blocks":
        return materials.bricks("wall", garage.wall, (0.22, 0.22, 0.21), (0.50, 0.25))
    return materials.rough("wall", garage.wall, scale=0.35, bump=0.35, stained=0.3)


def _floor_paint(
    garage: Garage, centres: list[float], own: tuple[float, ...], door: float, gate: float
) -> None:
    width = garage.bay_width
    line = materials.worn("line", garage.line, garage.floor, garage.wear)
    if garage.bay != garage.floor:
        bay = materials.worn("bay", garage.bay, garage.floor, garage.wear * 0.6)
        for x in own:
            place(box((width - 0.14, BAY - 0.1, 0.002)), bay, (x, BAY / 2, 0.001))
    edges = sorted({round(x + side * width / 2, 3) for x in centres for side in (-1, 1)})
    for x in edges:
        place(box((0.11, BAY, 0.004)), line, (x, BAY / 2, 0.002))
        place(box((0.11, BAY, 0.004)), line, (x, DEPTH - BAY / 2, 0.002))
    arrow = materials.worn("arrow", (0.6, 0.6, 0.58), garage.floor, 0.55)
    for x in (-8.0, 0.5, 9.0):
        place(box((1.7, 0.16, 0.004)), arrow, (x, 8.0, 0.002))
        for side in (-1, 1):
            head = box((0.75, 0.16, 0.004))
            place(head, arrow, (x + 0.72, 8.0 + side * 0.22, 0.0025), (0, 0, -side * 0.7))
    barred = materials.striped("barred", garage.line, garage.floor, 0.22)
    for x in (door, gate):
        place(box((width - 0.2, BAY - 0.6, 0.003)), barred, (x, BAY / 2, 0.0015))
    for number, x in enumerate(centres):
        letters = text_mesh(f"{101 + number}", 0.42, line)
        put(letters, (x, BAY - 0.35, 0.003), (-math.pi / 2, 0, math.pi))
    for x in own:
        letters = text_mesh("SHARE", 0.5, line)
        put(letters, (x, BAY - 1.0, 0.004), (-math.pi / 2, 0, math.pi))


def _pillars(garage: Garage) -> None:
    step = garage.bay_width * garage.pillar_every
    body = materials.rough("pillar", garage.pillar, scale=0.9, stained=0.35)
    band = materials.worn("pillar band", garage.band, garage.pillar, garage.wear * 0.5)
    guard = materials.striped("guard", (0.65, 0.48, 0.02), (0.02, 0.02, 0.02), 0.09)
    low, high = garage.band_heights
    at = np.arange(-6, 7) * step + (garage.bay_width if garage.pillar_every == 3 else 0)
    for x in (float(x) for x in at if abs(x) < HALF_LENGTH - 0.5):
        for y in (BAY + 0.1, AISLE[1] - 0.1):
            middle = (x, y, garage.height / 2)
            own = abs(x) < own_reach(garage) and y < DEPTH / 2
            number = materials.plain("pillar number", garage.letters, 0.5)
            text = text_mesh(garage.level, 0.2, number)
            put(text, (x, y + 0.25, 1.72), (0, 0, math.pi))
            if garage.pillar_shape == "round":
                place(cylinder(0.24, garage.height, 32), body, middle, smooth=True)
                if not own:
                    continue
                ring = cylinder(0.244, high - low, 32)
                place(ring, band, (x, y, (low + high) / 2), smooth=True)
            else:
                place(box((0.42, 0.42, garage.height), 0.015), body, middle)
                if own:
                    place(box((0.428, 0.428, high - low)), band, (x, y, (low + high) / 2))
                if garage.wear > 0.3:
                    for dx in (-0.205, 0.205):
                        corner = box((0.05, 0.05, 1.0), 0.006)
                        place(corner, guard, (x + dx, y + 0.205, 0.5))


def _ceiling(garage: Garage) -> None:
    slab = materials.rough("ceiling", garage.ceiling, scale=0.4, stained=0.4, bump=0.2)
    place(box((2 * HALF_LENGTH, DEPTH + 0.4, 0.2)), slab, (0, DEPTH / 2, garage.height + 0.1))
    if garage.roof == "beams":
        for x in np.arange(-HALF_LENGTH + 2, HALF_LENGTH, garage.bay_width * 1.5):
            beam = box((0.3, DEPTH, 0.34), 0.01)
            place(beam, slab, (float(x), DEPTH / 2, garage.height - 0.17))
    pipe = materials.plain("pipe", garage.pipes, 0.4, 0.3)
    for y, radius in ((1.1, 0.05), (5.8, 0.07), (6.1, 0.04), (10.4, 0.06)):
        tube = cylinder(radius, 2 * HALF_LENGTH, 16)
        place(tube, pipe, (0, y, garage.height - 0.14 - radius), (0, math.pi / 2, 0), smooth=True)
    if garage.roof == "ducts":
        duct = materials.plain("duct", (0.5, 0.51, 0.52), 0.35, 0.8)
        for y in (4.2, 11.8):
            place(box((2 * HALF_LENGTH, 0.7, 0.32), 0.02), duct, (0, y, garage.height - 0.17))


def _lamps(garage: Garage) -> tuple[bpy.types.Material, ...]:
    groups = tuple(
        materials.lamp(f"lamp {number}", garage.light, garage.brightness)
        for number in range(N_LAMP_GROUPS)
    )
    housing = materials.plain("housing", (0.5, 0.5, 0.5), 0.5)
    z = garage.height - (0.40 if garage.roof == "beams" else 0.12)
    count = 0
    for y in (2.9, 8.0, 13.1):
        for x in np.arange(-HALF_LENGTH + 2, HALF_LENGTH, 3.4 if y != 8.0 else 4.2):
            at = (float(x), y, z)
            if garage.lamps == "discs":
                place(cylinder(0.2, 0.05, 24), groups[count % N_LAMP_GROUPS], at)
            else:
                size = (1.45, 0.09, 0.06) if garage.lamps == "along" else (0.09, 1.45, 0.06)
                place(box(size), groups[count % N_LAMP_GROUPS], at)
                shade = (size[0] + 0.08, size[1] + 0.08, 0.03)
                place(box(shade), housing, (at[0], at[1], z + 0.05))
            count += 3
    return groups


def _signs(garage: Garage, own: tuple[float, ...]) -> None:
    board = materials.plain("board", garage.board, 0.45)
    letters = materials.plain("letters", garage.letters, 0.5)
    for first, second in zip(own[::2], own[1::2], strict=True):
        x = (first + second) / 2
        place(box((2.5, 0.03, 0.62), 0.008), board, (x, 0.03, garage.height - 0.62))
        name = f"{garage.name.upper()}  {garage.level}"
        put(text_mesh(name, 0.30, letters), (x, 0.055, garage.height - 0.52), (0, 0, math.pi))
        small = text_mesh("SHARED CARS ONLY", 0.14, letters)
        put(small, (x, 0.055, garage.height - 0.80), (0, 0, math.pi))
    for number, x in enumerate(own):
        place(box((0.42, 0.02, 0.3), 0.006), board, (x, 0.03, 1.22))
        text = text_mesh(f"S{number + 1}", 0.19, letters)
        put(text, (x, 0.05, 1.22), (0, 0, math.pi))
    hung = materials.plain("hung", (0.03, 0.05, 0.09), 0.5)
    white = materials.plain("hung letters", (0.85, 0.85, 0.85), 0.5)
    for x in (-10.0, 10.5):
        place(
            box((1.5, 0.05, 0.3), 0.01), hung, (x, 8.0, garage.height - 0.55), (0, 0, math.pi / 2)
        )
        text = text_mesh("EXIT  >", 0.2, white)
        side = math.copysign(1, x)
        put(text, (x - side * 0.03, 8.0, garage.height - 0.55), (0, 0, -side * math.pi / 2))


def _ways_out(garage: Garage, door: float, gate: float) -> None:
    leaf = materials.plain("door", (0.30, 0.31, 0.32), 0.45)
    frame = materials.plain("door frame", (0.12, 0.12, 0.12), 0.5)
    place(box((1.12, 0.05, 2.12), 0.01), frame, (door, 0.02, 1.06))
    place(box((1.0, 0.06, 2.04), 0.01), leaf, (door, 0.03, 1.02))
    handle = materials.plain("handle", (0.02, 0.02, 0.02), 0.4)
    place(box((0.16, 0.05, 0.03), 0.01), handle, (door + 0.38, 0.085, 1.05))
    green = materials.lamp("exit sign", (0.02, 0.55, 0.16), 2.2, lights=False)
    white = materials.lamp("exit letters", (0.9, 1.0, 0.92), 4.0, lights=False)
    place(box((0.62, 0.06, 0.22), 0.01), green, (door, 0.06, 2.28))
    put(text_mesh("EXIT", 0.15, white), (door, 0.095, 2.28), (0, 0, math.pi))
    slat = materials.plain("gate", (0.46, 0.47, 0.48), 0.4, 0.4)
    for z in np.arange(0.05, min(garage.height - 0.2, 2.35), 0.11):
        place(box((2.3, 0.05, 0.10), 0.02), slat, (gate, 0.03, float(z)))
    keep = materials.plain("keep clear", (0.6, 0.05, 0.03), 0.5)
    place(box((1.1, 0.02, 0.34), 0.006), white_board(), (gate, 0.075, 1.5))
    put(text_mesh("KEEP CLEAR", 0.16, keep), (gate, 0.09, 1.5), (0, 0, math.pi))


def white_board() -> bpy.types.Material:
    """Return the white of signs."""
    return materials.plain("white board", (0.75, 0.75, 0.74), 0.5)


def _clutter(garage: Garage) -> None:
    red = materials.plain("extinguisher", (0.5, 0.02, 0.02), 0.3)
    grey = materials.plain("box", (0.42, 0.42, 0.40), 0.5)
    for x in (-9.3, 6.2):
        place(cylinder(0.08, 0.5, 20, 0.03), red, (x, 0.14, 1.1), smooth=True)
        place(box((0.4, 0.12, 0.55), 0.02), grey, (x + 1.1, 0.07, 1.35))
    stop = materials.plain("wheel stop", (0.10, 0.10, 0.10), 0.8)
    if garage.roof != "flat":
        n_side = int((HALF_LENGTH - 1) // garage.bay_width)
        for number in range(-n_side, n_side):
            x = (number + 0.5) * garage.bay_width
            place(box((1.6, 0.14, 0.10), 0.03), stop, (x, 0.62, 0.05))
