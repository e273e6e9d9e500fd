"""An open lot in daylight: asphalt, lines, hedges, trees and a building."""

from __future__ import annotations

import math

import bpy
import materials
import numpy as np
from parts import box, cylinder, place, sphere


def build(rng: np.random.Generator) -> tuple[float, ...]:
    """Build a lot into the empty scene; return the middles of its bays at the hedge, y = 0."""
    ground = materials.rough("asphalt", (0.075, 0.075, 0.078), scale=0.3, bump=0.6, stained=0.5)
    place(box((90, 70, 0.2)), ground, (0, 10, -0.1))
    line = materials.worn("lot line", (0.7, 0.7, 0.68), (0.075, 0.075, 0.078), 0.5)
    centres = tuple((number + 0.5) * 2.5 for number in range(-6, 6))
    for number in range(-6, 7):
        for y in (2.5, 14.5):
            place(box((0.11, 5.0, 0.004)), line, (number * 2.5, y, 0.002))
    grass = materials.rough("grass", (0.045, 0.085, 0.022), scale=2.0, bump=1.0, stained=0.6)
    place(box((60, 3.0, 0.24), 0.04), grass, (0, -1.9, 0.08))
    hedge = materials.rough("hedge", (0.020, 0.055, 0.014), scale=6.0, bump=1.0, stained=0.8)
    place(box((40, 0.7, 0.9), 0.1), hedge, (0, -1.2, 0.45))
    for x in np.arange(-20, 20, 0.22):
        for z in (0.35, 0.75):
            radius = float(rng.uniform(0.14, 0.26))
            y = -0.9 - 0.25 * float(rng.random())
            at = (float(x), y, z + 0.2 * float(rng.random()))
            place(sphere((radius, radius, radius)), hedge, at, smooth=True)
    bark = materials.plain("bark", (0.09, 0.06, 0.04), 0.9)
    for x in (-13.0, -6.5, 4.0, 11.5):
        place(cylinder(0.16, 3.4, 12), bark, (x, -2.6, 1.7), smooth=True)
        for _ in range(90):
            offset = rng.normal(0, (0.95, 0.75, 0.65))
            radius = float(rng.uniform(0.18, 0.42))
            at = (x + float(offset[0]), -2.6 + float(offset[1]), 4.2 + float(offset[2]))
            place(sphere((radius, radius, 0.7 * radius)), hedge, at, smooth=True)
    wall = materials.rough("facade", (0.50, 0.44, 0.36), scale=0.4)
    glass = materials.car_part("glass")
    place(box((44, 6, 9)), wall, (2, -11, 4.5))
    for x in np.arange(-17, 20, 2.6):
        for z in (1.6, 4.4, 7.2):
            place(box((1.5, 0.1, 1.7), 0.02), glass, (float(x), -8.0, z))
    return centres


def set_sky(rng: np.random.Generator) -> None:
    """Light the scene by a sun somewhere in a sky that may be overcast."""
    world = bpy.context.scene.world
    nodes = world.node_tree.nodes
    nodes["Background"].inputs["Color"].default_value = (0.42, 0.58, 0.85, 1)
    overcast = rng.random() < 0.4
    nodes["Background"].inputs["Strength"].default_value = 1.6 if overcast else 1.0
    if overcast:
        nodes["Background"].inputs["Color"].default_value = (0.75, 0.79, 0.85, 1)
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy = 0.5 if overcast else 5.0
    sun.data.angle = 0.3 if overcast else 0.009
    sun.data.color = (1.0, 0.93, 0.82)
    turn = float(rng.uniform(-1.3, 1.3))
    sun.rotation_euler = (math.radians(float(rng.uniform(25, 65))), 0, turn)
    bpy.context.scene.collection.objects.link(sun)


def set_dark() -> None:
    """Close the scene: only lamps shine."""
    background = bpy.context.scene.world.node_tree.nodes["Background"]
    background.inputs["Strength"].default_value = 0.0
