"""Cars as meshes: a body lofted through cross-sections, glass, lights, wheels and a number plate.

Lengths are metres. A car stands on z = 0 with its nose towards -y, which is the wall of a hall, and
the middle of its length at the origin: without a turn it is parked nose in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import bmesh
import bpy
import materials
from parts import box, cylinder, sphere, text_mesh
from shapes import Section, Shape

MATERIALS = tuple(materials.CAR_PARTS)
INDEX = {name: number for number, name in enumerate(MATERIALS)}


LETTERS = "ABCDEFGHJKLMNPRSTVWXYZ"
SEAM = 0.014
PILLAR = 0.09


def build(shape: Shape) -> bpy.types.Mesh:
    """Make the mesh of a type of car, with one material slot per name in ``MATERIALS``."""
    body = _cut_arches(_body(shape), shape)
    for piece in _fittings(shape):
        _add(body, *piece)
    mesh = bpy.data.meshes.new(shape.name)
    body.to_mesh(mesh)
    body.free()
    for name in MATERIALS:
        mesh.materials.append(materials.car_part(name))
    mesh.set_sharp_from_angle(angle=math.radians(38))
    # The loft runs from nose to tail along x; a car is placed by the middle of its length.
    for vertex in mesh.vertices:
        x, y, z = vertex.co
        vertex.co = (-y, x - shape.length / 2, z)
    mesh.update()
    return mesh


def plate_mesh(letters: str) -> bpy.types.Mesh:
    """Make the letters of a number plate, centred at the origin and facing -y."""
    return text_mesh(letters, 0.085, materials.plain("plate letters", (0.01, 0.01, 0.012), 0.5))


def plate_places(shape: Shape) -> tuple[tuple[float, float, bool], ...]:
    """Where plates hang, as (y, z, is at the nose), in the frame of :func:`build`."""
    half = shape.length / 2
    front, back = shape.lights[0] - 0.22, shape.lights[1] - 0.17
    return ((-half - 0.055, front, True), (half + 0.045, back, False))


def _body(shape: Shape) -> bpy.types.Mesh:
    stations = list(_stations(shape))
    mesh = bmesh.new()
    rings = [[mesh.verts.new(point) for point in _ring(section)] for section, _ in stations]
    crease = mesh.edges.layers.float.new("crease_edge")
    for number, (first, second) in enumerate(pairwise(rings)):
        for strip in range(len(first) - 1):
            face = mesh.faces.new(
                (first[strip], second[strip], second[strip + 1], first[strip + 1])
            )
            face.smooth = True
            face.material_index = INDEX[_material_of(shape, stations, number, strip)]
    mesh.faces.new(rings[0][::-1]).material_index = INDEX["paint"]
    mesh.faces.new(rings[-1]).material_index = INDEX["paint"]
    # Sheet metal has edges: along the shoulder and belt line, around windows, lights and bumpers.
    lines = {3: 0.35, 4: 0.6, 5: 0.45}
    along = [
        (ring[strip], after[strip], sharp)
        for ring, after in pairwise(rings)
        for strip, sharp in lines.items()
    ]
    caps = [pair for ring in (rings[0], rings[-1]) for pair in pairwise(ring)]
    for first, second, sharp in along + [(*pair, 0.55) for pair in caps]:
        edge = mesh.edges.get((first, second))
        if edge is not None:
            edge[crease] = sharp
    for edge in mesh.edges:
        if len({face.material_index for face in edge.link_faces}) > 1:
            edge[crease] = 0.8
    bmesh.ops.mirror(
        mesh, geom=mesh.verts[:] + mesh.edges[:] + mesh.faces[:], axis="Y", merge_dist=1e-4
    )
    inner = [f for f in mesh.faces if all(abs(vertex.co.y) < 1e-5 for vertex in f.verts)]
    bmesh.ops.delete(mesh, geom=inner, context="FACES")
    bmesh.ops.recalc_face_normals(mesh, faces=mesh.faces[:])
    made = bpy.data.meshes.new("body")
    mesh.to_mesh(made)
    mesh.free()
    return made


def _ring(s: Section) -> list[tuple[float, float, float]]:
    shoulder = s.bottom + 0.62 * (s.belt - s.bottom)
    return [
        (s.at, 0.0, s.bottom),
        (s.at, s.half_width * 0.86, s.bottom),
        (s.at, s.half_width * 0.97, s.bottom + 0.09),
        (s.at, s.half_width, shoulder),
        (s.at, s.half_width * 0.955, s.belt),
        (s.at, s.half_roof + 0.045, s.top - 0.045),
        (s.at, s.half_roof, s.top - 0.012),
        (s.at, 0.0, s.top + 0.014),
    ]


def _stations(shape: Shape) -> Iterator[tuple[Section, str]]:
    """Sections and, in between, pairs that bound door seams and pillars; what begins at each."""
    marks = [(at, at + SEAM, "seam") for at in shape.seams]
    marks += [(at, at + PILLAR, "pillar") for at in shape.pillars]
    cuts = sorted(
        [
            (end, kind if is_start else "")
            for a, b, kind in marks
            for end, is_start in ((a, 1), (b, 0))
        ]
    )
    known = {section.at for section in shape.sections}
    for section in shape.sections:
        yield section, ""
        for at, kind in cuts:
            following = min((x for x in known if x > section.at), default=math.inf)
            if section.at < at < following:
                yield _between(shape, at), kind


def _between(shape: Shape, at: float) -> Section:
    for first, second in pairwise(shape.sections):
        if first.at <= at <= second.at:
            share = (at - first.at) / (second.at - first.at)
            names = ("half_width", "bottom", "belt", "top", "half_roof")
            values = (
                getattr(first, name) * (1 - share) + getattr(second, name) * share for name in names
            )
            return Section(at, *values)
    raise ValueError(f"{at} is not between nose and tail")


def _material_of(shape: Shape, stations: list[tuple[Section, str]], number: int, strip: int) -> str:
    section, begins = stations[number]
    after = stations[number + 1][0].at
    screen = [shape.sections[i].at for i in shape.windscreen]
    rear = [shape.sections[i].at for i in shape.rear_window]
    if strip <= 1:
        return "dark"
    if begins == "seam" and strip in (2, 3):
        return "dark"
    if strip == 4 and screen[0] <= section.at and after <= rear[0] + 1e-6:
        return "dark" if begins == "pillar" else "glass"
    is_screen = screen[0] <= section.at and after <= screen[1] + 1e-6
    is_rear = rear[0] <= section.at and after <= rear[1] + 1e-6
    return "glass" if strip == 6 and (is_screen or is_rear) else "paint"


def _cut_arches(body: bpy.types.Mesh, shape: Shape) -> bmesh.types.BMesh:
    subject = bpy.data.objects.new("subject", body)
    bpy.context.scene.collection.objects.link(subject)
    for name in MATERIALS:
        body.materials.append(materials.car_part(name))
    smooth = subject.modifiers.new("smooth", "SUBSURF")
    smooth.levels = smooth.render_levels = 2
    cutters = []
    for axle in shape.axles:
        for side in (-1, 1):
            cutter = bpy.data.meshes.new("cutter")
            hole = cylinder(shape.wheel + 0.065, 0.42, 32)
            for vertex in hole.verts:
                vertex.co = (
                    axle + vertex.co.x,
                    side * 0.84 + vertex.co.z,
                    shape.wheel + vertex.co.y,
                )
            for face in hole.faces:
                face.material_index = 0
            bmesh.ops.recalc_face_normals(hole, faces=hole.faces[:])
            hole.to_mesh(cutter)
            hole.free()
            cutter.materials.append(materials.car_part("dark"))
            item = bpy.data.objects.new("cutter", cutter)
            bpy.context.scene.collection.objects.link(item)
            cut = subject.modifiers.new("cut", "BOOLEAN")
            cut.object, cut.operation, cut.solver = item, "DIFFERENCE", "EXACT"
            cut.material_mode = "TRANSFER"
            cutters.append(item)
    evaluated = subject.evaluated_get(bpy.context.evaluated_depsgraph_get())
    result = bmesh.new()
    made = evaluated.to_mesh()
    order = [slot.name if slot else "" for slot in made.materials]
    result.from_mesh(made)
    for face in result.faces:
        name = order[face.material_index].removeprefix("car ") if order else "paint"
        face.material_index = INDEX.get(name, INDEX["dark"])
        face.smooth = True
    evaluated.to_mesh_clear()
    for item in (subject, *cutters):
        bpy.data.objects.remove(item)
    return result


def _add(
    body: bmesh.types.BMesh,
    piece: bmesh.types.BMesh,
    material: str,
    at: tuple[float, float, float],
) -> None:
    mesh = bpy.data.meshes.new("piece")
    for face in piece.faces:
        face.material_index = INDEX[material]
        face.smooth = True
    for vertex in piece.verts:
        vertex.co = (vertex.co.x + at[0], vertex.co.y + at[1], vertex.co.z + at[2])
    piece.to_mesh(mesh)
    piece.free()
    body.from_mesh(mesh)
    bpy.data.meshes.remove(mesh)


def _fittings(
    shape: Shape,
) -> Iterator[tuple[bmesh.types.BMesh, str, tuple[float, float, float]]]:
    wheel = shape.wheel
    for axle in shape.axles:
        for side in (-1, 1):
            edge = side * (max(section.half_width for section in shape.sections) - 0.13)
            yield _turned(cylinder(wheel, 0.20, 40, 0.03)), "tyre", (axle, edge, wheel)
            rim = _turned(cylinder(wheel * 0.68, 0.205, 32, 0.02))
            yield rim, "rim", (axle, edge, wheel)
            for spoke in range(5):
                angle = math.tau * spoke / 5
                hole = _turned(cylinder(wheel * 0.15, 0.214, 14))
                away = wheel * 0.42
                place = (axle + away * math.cos(angle), edge, wheel + away * math.sin(angle))
                yield hole, "dark", place
    head, tail = shape.lights
    nose, end = shape.sections[1], shape.sections[-2]
    for side in (-1, 1):
        y = side * (nose.half_width - 0.23)
        yield sphere((0.22, 0.22, 0.085)), "headlight", (nose.at + 0.135, y, head + 0.01)
        yield sphere((0.10, 0.07, 0.03)), "indicator", (nose.at + 0.06, y * 1.02, head - 0.2)
        back = side * (end.half_width - 0.15)
        yield box((0.16, 0.22, 0.20), 0.05), "taillight", (end.at - 0.055, back, tail)
        cowl = shape.sections[shape.windscreen[0]]
        mirror = side * (cowl.half_width + 0.05)
        yield box((0.10, 0.22, 0.14), 0.045), "paint", (cowl.at + 0.36, mirror, cowl.belt + 0.08)
        for seam in shape.seams[1:]:
            handle = box((0.17, 0.03, 0.028), 0.01)
            section = _between(shape, seam - 0.16)
            place = side * (section.half_width * 0.985)
            yield handle, "chrome", (seam - 0.16, place, section.belt - 0.12)
    yield box((0.08, 0.80, 0.12), 0.03), "dark", (0.04, 0, head - 0.06)
    yield box((0.03, 0.72, 0.016), 0.006), "chrome", (0.004, 0, head - 0.06)
    yield box((0.10, 1.10, 0.12), 0.03), "dark", (0.06, 0, shape.sections[0].bottom + 0.05)
    yield sphere((0.02, 0.05, 0.05)), "chrome", (0.005, 0, head - 0.06)
    yield box((0.08, 1.2, 0.12), 0.03), "dark", (shape.length - 0.05, 0, end.bottom + 0.08)
    (front, front_z, _), (back, back_z, _) = plate_places(shape)
    half = shape.length / 2
    yield box((0.03, 0.52, 0.115), 0.008), "plate", (half + front + 0.02, 0, front_z)
    yield box((0.03, 0.52, 0.115), 0.008), "plate", (half + back - 0.02, 0, back_z)


def _turned(piece: bmesh.types.BMesh) -> bmesh.types.BMesh:
    """Turn a cylinder's axis from z to y."""
    for vertex in piece.verts:
        vertex.co = (vertex.co.x, vertex.co.z, vertex.co.y)
    return piece
