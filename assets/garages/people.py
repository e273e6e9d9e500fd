"""Figures that stand in the way: rough bodies in clothes, as a phone catches them in passing."""

from __future__ import annotations

import bmesh
import bpy
import materials
import numpy as np
from mathutils import Euler, Matrix
from parts import cylinder, place, sphere

CLOTHES = (
    (0.02, 0.03, 0.07),
    (0.05, 0.05, 0.05),
    (0.30, 0.28, 0.24),
    (0.22, 0.03, 0.03),
    (0.04, 0.10, 0.06),
    (0.45, 0.46, 0.48),
)
Point = tuple[float, float, float]
Piece = tuple[bmesh.types.BMesh, bpy.types.Material, Point, Point]
SKIN = ((0.52, 0.31, 0.22), (0.30, 0.16, 0.10), (0.11, 0.06, 0.04))


def figure(
    at: tuple[float, float], turn: float, rng: np.random.Generator
) -> list[bpy.types.Object]:
    """Put a person at a place on the floor."""

    def pick(colours: tuple[tuple[float, float, float], ...], what: str) -> bpy.types.Material:
        number = int(rng.integers(len(colours)))
        return materials.plain(f"{what} {number}", colours[number], 0.85)

    coat, trousers, skin = pick(CLOTHES, "coat"), pick(CLOTHES, "trousers"), pick(SKIN, "skin")
    hair = materials.plain("hair", (0.03, 0.02, 0.015), 0.8)
    tall = float(rng.normal(1.72, 0.08)) / 1.72
    stride = float(rng.uniform(-0.25, 0.25))
    pieces: list[Piece] = [
        (cylinder(0.085, 0.50, 14, 0.02), trousers, (-0.10, stride / 5, 0.66), (stride, 0.02, 0)),
        (cylinder(0.065, 0.50, 14, 0.02), trousers, (-0.11, stride / 2, 0.27), (stride, 0, 0)),
        (cylinder(0.085, 0.50, 14, 0.02), trousers, (0.10, -stride / 5, 0.66), (-stride, -0.02, 0)),
        (cylinder(0.065, 0.50, 14, 0.02), trousers, (0.11, -stride / 2, 0.27), (-stride, 0, 0)),
        (sphere((0.18, 0.13, 0.16)), trousers, (0, 0, 0.90), (0, 0, 0)),
        (sphere((0.17, 0.12, 0.30)), coat, (0, 0, 1.12), (0, 0, 0)),
        (sphere((0.21, 0.11, 0.12)), coat, (0, 0, 1.33), (0, 0, 0)),
        (sphere((0.10, 0.09, 0.10)), coat, (0, 0.02, 1.43), (0, 0, 0)),
        (cylinder(0.05, 0.34, 12, 0.02), coat, (-0.225, 0, 1.21), (-stride / 2, 0.16, 0)),
        (cylinder(0.042, 0.32, 12, 0.02), coat, (-0.26, -stride / 4, 0.93), (-stride, 0.05, 0)),
        (cylinder(0.05, 0.34, 12, 0.02), coat, (0.225, 0, 1.21), (stride / 2, -0.16, 0)),
        (cylinder(0.042, 0.32, 12, 0.02), coat, (0.26, stride / 4, 0.93), (stride, -0.05, 0)),
        (sphere((0.035, 0.04, 0.06)), skin, (-0.27, -stride / 2.4, 0.75), (0, 0, 0)),
        (sphere((0.035, 0.04, 0.06)), skin, (0.27, stride / 2.4, 0.75), (0, 0, 0)),
        (cylinder(0.05, 0.14, 12), skin, (0, 0, 1.49), (0, 0, 0)),
        (sphere((0.075, 0.095, 0.115)), skin, (0, 0, 1.61), (0, 0, 0)),
        (sphere((0.085, 0.102, 0.10)), hair, (0, 0.018, 1.655), (0, 0, 0)),
    ]
    root = bpy.data.objects.new("person", None)
    bpy.context.scene.collection.objects.link(root)
    found = [root]
    for cloth in dict.fromkeys(material for _, material, _, _ in pieces):
        item = _joined([piece for piece in pieces if piece[1] == cloth], cloth)
        item.parent = root
        found.append(item)
    root.location, root.rotation_euler, root.scale = (*at, 0), (0, 0, turn), (tall, tall, tall)
    return found


def _joined(pieces: list[Piece], cloth: bpy.types.Material) -> bpy.types.Object:
    """Melt pieces of one cloth into each other, so that shoulders and hips have no seams."""
    whole = bmesh.new()
    for piece, _, where, tilt in pieces:
        turned = Matrix.Translation(where) @ Euler(tilt).to_matrix().to_4x4()
        piece.transform(turned)
        kept = bpy.data.meshes.new("piece")
        piece.to_mesh(kept)
        piece.free()
        whole.from_mesh(kept)
        bpy.data.meshes.remove(kept)
    item = place(whole, cloth, smooth=True)
    melt = item.modifiers.new("melt", "REMESH")
    melt.mode, melt.voxel_size, melt.use_smooth_shade = "VOXEL", 0.022, True
    smooth = item.modifiers.new("smooth", "SMOOTH")
    smooth.factor, smooth.iterations = 0.5, 10
    return item
