"""What things are made of: paint, glass, concrete, brick, asphalt, lamps. Made once per name."""

from __future__ import annotations

from typing import Any

import bpy

Colour = tuple[float, float, float]
CAR_PARTS: dict[str, dict[str, Any]] = {
    "paint": {"base": (0.5, 0.5, 0.5), "roughness": 0.3},
    "glass": {"base": (0.012, 0.016, 0.018), "roughness": 0.04},
    "dark": {"base": (0.012, 0.012, 0.013), "roughness": 0.55},
    "chrome": {"base": (0.7, 0.7, 0.72), "roughness": 0.18, "metallic": 1.0},
    "tyre": {"base": (0.018, 0.018, 0.018), "roughness": 0.85},
    "rim": {"base": (0.42, 0.43, 0.45), "roughness": 0.3, "metallic": 0.9},
    "headlight": {"base": (0.62, 0.65, 0.68), "roughness": 0.08},
    "taillight": {"base": (0.30, 0.008, 0.008), "roughness": 0.1},
    "plate": {"base": (0.78, 0.78, 0.76), "roughness": 0.45},
    "indicator": {"base": (0.6, 0.2, 0.02), "roughness": 0.2},
}


def plain(
    name: str, colour: Colour, roughness: float = 0.6, metallic: float = 0.0
) -> bpy.types.Material:
    """Return a smooth material of one colour."""
    found, tree = _new(name)
    if tree is not None:
        shader = tree.nodes["Principled BSDF"]
        _set(shader, base=colour, roughness=roughness, metallic=metallic)
    return found


def lamp(name: str, colour: Colour, strength: float, lights: bool = True) -> bpy.types.Material:
    """Return something that shines; strength in W/m² a steradian.

    What does not light its surroundings much, as letters, is found by chance alone.
    """
    found, tree = _new(name)
    if tree is not None:
        shader = tree.nodes["Principled BSDF"]
        _set(shader, base=(0.8, 0.8, 0.8), roughness=0.5)
        shader.inputs["Emission Color"].default_value = (*colour, 1)
        shader.inputs["Emission Strength"].default_value = strength
        found.cycles.emission_sampling = "FRONT" if lights else "NONE"
    return found


def set_strength(material: bpy.types.Material, strength: float) -> None:
    """Make a lamp brighter or darker."""
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Emission Strength"].default_value = strength


def car_part(name: str) -> bpy.types.Material:
    """Return the material of a car's part; 'paint' is replaced for each car."""
    found, tree = _new(f"car {name}")
    if tree is not None:
        _set(tree.nodes["Principled BSDF"], **CAR_PARTS[name])
    return found


def paint(name: str, colour: Colour) -> bpy.types.Material:
    """Return car paint: a base under clear coat."""
    found, tree = _new(name)
    if tree is not None:
        shader = tree.nodes["Principled BSDF"]
        _set(shader, base=colour, roughness=0.42, metallic=0.25)
        shader.inputs["Coat Weight"].default_value = 0.9
        shader.inputs["Coat Roughness"].default_value = 0.05
    return found


def rough(
    name: str,
    colour: Colour,
    stained: float = 0.35,
    scale: float = 0.6,
    roughness: tuple[float, float] = (0.6, 0.9),
    bump: float = 0.25,
) -> bpy.types.Material:
    """Return a weathered surface: concrete, plaster, floor paint, asphalt.

    Large soft patches of a darker colour, fine grain, uneven gloss and a little relief; all in
    metres of the world, so that a wall of any size has the same grain.
    """
    found, tree = _new(name)
    if tree is None:
        return found
    shader = tree.nodes["Principled BSDF"]
    where = _position(tree)
    # Few octaves: a picture of 400 x 300 pixels shows no more, and they are most of the time.
    patches = _noise(tree, where, scale, 3, 0.62)
    grain = _noise(tree, where, 28, 0, 0.7)
    darker = tuple(0.62 * part for part in colour)
    patch = _ramp(tree, patches, 0.42, 0.68)
    share = _maths(tree, "MULTIPLY", patch, stained)
    base = _mix(tree, share, colour, darker)
    speckled = _mix(tree, _maths(tree, "MULTIPLY", grain, 0.30), base, (0, 0, 0))
    tree.links.new(speckled, shader.inputs["Base Color"])
    gloss = _range(tree, patches, *roughness)
    tree.links.new(gloss, shader.inputs["Roughness"])
    relief = tree.nodes.new("ShaderNodeBump")
    relief.inputs["Strength"].default_value = bump
    relief.inputs["Distance"].default_value = 0.01
    tree.links.new(grain, relief.inputs["Height"])
    tree.links.new(relief.outputs["Normal"], shader.inputs["Normal"])
    return found


def worn(name: str, colour: Colour, under: Colour, wear: float) -> bpy.types.Material:
    """Return floor paint that has come off in places; ``wear`` from 0, new, to 1, gone."""
    found, tree = _new(name)
    if tree is None:
        return found
    shader = tree.nodes["Principled BSDF"]
    where = _position(tree)
    flakes = _noise(tree, where, 9, 3, 0.8)
    gone = _ramp(tree, flakes, 0.72 - 0.35 * wear, 0.76 - 0.30 * wear)
    tree.links.new(_mix(tree, gone, colour, under), shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.6
    return found


def bricks(
    name: str, colour: Colour, mortar: Colour, size: tuple[float, float]
) -> bpy.types.Material:
    """Return masonry on a wall in the x-z or y-z plane; stones of ``size`` metres."""
    found, tree = _new(name)
    if tree is None:
        return found
    shader = tree.nodes["Principled BSDF"]
    where = _position(tree)
    parts = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(where, parts.inputs[0])
    along = _maths(tree, "ADD", parts.outputs["X"], parts.outputs["Y"])
    flat = tree.nodes.new("ShaderNodeCombineXYZ")
    tree.links.new(along, flat.inputs["X"])
    tree.links.new(parts.outputs["Z"], flat.inputs["Y"])
    wall = tree.nodes.new("ShaderNodeTexBrick")
    tree.links.new(flat.outputs[0], wall.inputs["Vector"])
    wall.inputs["Scale"].default_value = 1.0
    wall.inputs["Brick Width"].default_value = size[0]
    wall.inputs["Row Height"].default_value = size[1]
    wall.inputs["Mortar Size"].default_value = 0.008
    wall.inputs["Color1"].default_value = (*colour, 1)
    wall.inputs["Color2"].default_value = (*(0.72 * part for part in colour), 1)
    wall.inputs["Mortar"].default_value = (*mortar, 1)
    dirt = _noise(tree, where, 0.7, 2, 0.6)
    dirty = _mix(
        tree, _maths(tree, "MULTIPLY", dirt, 0.45), wall.outputs["Color"], (0.03, 0.03, 0.03)
    )
    tree.links.new(dirty, shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.75
    relief = tree.nodes.new("ShaderNodeBump")
    relief.inputs["Strength"].default_value = 0.5
    relief.inputs["Distance"].default_value = 0.01
    relief.invert = True
    tree.links.new(wall.outputs["Fac"], relief.inputs["Height"])
    tree.links.new(relief.outputs["Normal"], shader.inputs["Normal"])
    return found


def striped(name: str, first: Colour, second: Colour, width: float) -> bpy.types.Material:
    """Return slanting stripes, as on corner guards and barred areas."""
    found, tree = _new(name)
    if tree is None:
        return found
    shader = tree.nodes["Principled BSDF"]
    parts = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(_position(tree), parts.inputs[0])
    along = _maths(tree, "ADD", parts.outputs["X"], parts.outputs["Y"])
    slant = _maths(tree, "ADD", along, parts.outputs["Z"])
    phase = _maths(tree, "FRACT", _maths(tree, "DIVIDE", slant, 2 * width))
    which = _maths(tree, "GREATER_THAN", phase, 0.5)
    tree.links.new(_mix(tree, which, first, second), shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.5
    return found


def _new(name: str) -> tuple[bpy.types.Material, Any]:
    """Return the material of a name, and its nodes where it is new."""
    found = bpy.data.materials.get(name)
    if found is not None:
        return found, None
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    return made, made.node_tree


def _set(shader: Any, base: Colour, roughness: float, metallic: float = 0.0) -> None:
    shader.inputs["Base Color"].default_value = (*base, 1)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metallic


def _position(tree: Any) -> Any:
    return tree.nodes.new("ShaderNodeNewGeometry").outputs["Position"]


def _noise(tree: Any, where: Any, scale: float, detail: float, roughness: float) -> Any:
    node = tree.nodes.new("ShaderNodeTexNoise")
    node.inputs["Scale"].default_value = scale
    node.inputs["Detail"].default_value = detail
    node.inputs["Roughness"].default_value = roughness
    tree.links.new(where, node.inputs["Vector"])
    return node.outputs[0]


def _ramp(tree: Any, value: Any, low: float, high: float) -> Any:
    return _range(tree, value, 0.0, 1.0, low, high)


def _range(
    tree: Any, value: Any, to_low: float, to_high: float, low: float = 0.3, high: float = 0.7
) -> Any:
    node = tree.nodes.new("ShaderNodeMapRange")
    node.clamp = True
    for name, number in (
        ("From Min", low),
        ("From Max", high),
        ("To Min", to_low),
        ("To Max", to_high),
    ):
        node.inputs[name].default_value = number
    tree.links.new(value, node.inputs["Value"])
    return node.outputs[0]


def _maths(tree: Any, operation: str, *values: Any) -> Any:
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for number, value in enumerate(values):
        if isinstance(value, int | float):
            node.inputs[number].default_value = value
        else:
            tree.links.new(value, node.inputs[number])
    return node.outputs[0]


def _mix(tree: Any, share: Any, first: Any, second: Any) -> Any:
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type = "RGBA"
    tree.links.new(share, node.inputs["Factor"])
    for name, value in (("A", first), ("B", second)):
        socket = next(s for s in node.inputs if s.name == name and s.type == "RGBA")
        if isinstance(value, tuple):
            socket.default_value = (*value, 1)
        else:
            tree.links.new(value, socket)
    return next(s for s in node.outputs if s.type == "RGBA")
