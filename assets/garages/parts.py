"""Small meshes that everything else is made of."""

from __future__ import annotations

import bmesh
import bpy
from mathutils import Matrix


def box(size: tuple[float, float, float], bevel: float = 0.0) -> bmesh.types.BMesh:
    """Make a box around the origin, its edges rounded by ``bevel`` metres."""
    mesh = bmesh.new()
    bmesh.ops.create_cube(mesh, size=1.0, matrix=Matrix.Diagonal((*size, 1.0)))
    if bevel:
        bmesh.ops.bevel(
            mesh, geom=mesh.edges[:], offset=bevel, segments=2, affect="EDGES", profile=0.6
        )
    return mesh


def cylinder(
    radius: float, depth: float, segments: int = 24, bevel: float = 0.0
) -> bmesh.types.BMesh:
    """Make a cylinder around the z axis, with rounded rims."""
    mesh = bmesh.new()
    bmesh.ops.create_cone(
        mesh, cap_ends=True, segments=segments, radius1=radius, radius2=radius, depth=depth
    )
    if bevel:
        rims = [edge for edge in mesh.edges if len({round(v.co.z, 4) for v in edge.verts}) == 1]
        bmesh.ops.bevel(mesh, geom=rims, offset=bevel, segments=3, affect="EDGES", profile=0.6)
    return mesh


def sphere(radii: tuple[float, float, float]) -> bmesh.types.BMesh:
    """Make an ellipsoid."""
    mesh = bmesh.new()
    bmesh.ops.create_uvsphere(
        mesh, u_segments=20, v_segments=12, radius=1.0, matrix=Matrix.Diagonal((*radii, 1.0))
    )
    return mesh


def place(
    piece: bmesh.types.BMesh,
    material: bpy.types.Material,
    at: tuple[float, float, float] = (0, 0, 0),
    turn: tuple[float, float, float] = (0, 0, 0),
    smooth: bool = False,
) -> bpy.types.Object:
    """Put a piece into the scene."""
    mesh = bpy.data.meshes.new("part")
    for face in piece.faces:
        face.smooth = smooth
    piece.to_mesh(mesh)
    piece.free()
    if smooth:
        mesh.set_sharp_from_angle(angle=0.7)
    mesh.materials.append(material)
    return put(mesh, at, turn)


def put(
    mesh: bpy.types.Mesh,
    at: tuple[float, float, float] = (0, 0, 0),
    turn: tuple[float, float, float] = (0, 0, 0),
) -> bpy.types.Object:
    """Put a mesh into the scene."""
    item = bpy.data.objects.new(mesh.name, mesh)
    item.location, item.rotation_euler = at, turn
    bpy.context.scene.collection.objects.link(item)
    return item


def text_mesh(text: str, size: float, material: bpy.types.Material) -> bpy.types.Mesh:
    """Make a line of text, centred at the origin, upright in the x-z plane, read from -y."""
    curve = bpy.data.curves.new("text", "FONT")
    curve.body, curve.size, curve.extrude = text, size, 0.002
    curve.align_x, curve.align_y = "CENTER", "CENTER"
    curve.resolution_u = 3
    item = bpy.data.objects.new("text", curve)
    bpy.context.scene.collection.objects.link(item)
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh: bpy.types.Mesh = bpy.data.meshes.new_from_object(evaluated)
    bpy.data.objects.remove(item)
    bpy.data.curves.remove(curve)
    mesh.transform(Matrix.Rotation(1.5707963, 4, "X"))
    mesh.materials.clear()
    mesh.materials.append(material)
    return mesh
