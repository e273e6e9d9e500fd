"""One picture: where the car stands, what stands around it, and where the telephone is held.

Everything random follows from the shot's seed alone, so a picture does not depend on those before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import cars
import materials
import numpy as np
import outdoors
import people
from hall import AISLE, BAY, DEPTH, Hall, own_reach
from mathutils import Vector
from parts import put
from shapes import PAINTS, SHAPES, Shape
from spec import Shot

N_PLATES = 60


@dataclass(frozen=True)
class Pose:
    """A car on the floor: where its middle is and how it is turned."""

    x: float
    y: float
    turn: float


class Stage:
    """The movable part of a scene; cleared and filled anew for each shot."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.items: list[bpy.types.Object] = []

    def car(self, pose: Pose) -> Shape:
        """Put a car of a random type and paint onto the floor."""
        rng = self.rng
        which = int(rng.choice(5, p=(0.32, 0.2, 0.2, 0.16, 0.12)))
        kind = SHAPES[which]
        weights = np.array([weight for _, weight in PAINTS])
        colour = int(rng.choice(len(weights), p=weights / weights.sum()))
        item = put(mesh_of(which), (pose.x, pose.y, 0), (0, 0, pose.turn))
        item.material_slots[0].link = "OBJECT"
        item.material_slots[0].material = materials.paint(f"paint {colour}", PAINTS[colour][0])
        self.items.append(item)
        plate = plates()[int(rng.integers(N_PLATES))]
        for y, z, is_nose in cars.plate_places(kind):
            sign = put(plate, (0, y, z), (0, 0, 0 if is_nose else math.pi))
            sign.parent = item
            self.items.append(sign)
        return kind

    def person(self, at: tuple[float, float]) -> None:
        """Put a person onto the floor."""
        turn = float(self.rng.uniform(0, math.tau))
        self.items += people.figure(at, turn, self.rng)

    def clear(self) -> None:
        """Take everything off again."""
        meshes = {item.data for item in self.items if item.type == "MESH"}
        for item in self.items:
            bpy.data.objects.remove(item)
        for mesh in meshes:
            if mesh.users == 0:
                bpy.data.meshes.remove(mesh)
        self.items = []


def plates() -> list[bpy.types.Mesh]:
    """Return the number plates of a scene, made once: letters are slow to make."""
    found = [bpy.data.meshes.get(f"plate {number}") for number in range(N_PLATES)]
    if all(found):
        return found
    rng = np.random.default_rng(0)
    for number in range(N_PLATES):
        letters = "".join(rng.choice(list(cars.LETTERS), 4))
        found[number] = cars.plate_mesh(f"{letters[:2]} {letters[2:]} {rng.integers(10, 999)}")
        found[number].name = f"plate {number}"
        found[number].use_fake_user = True
    return found


def mesh_of(which: int) -> bpy.types.Mesh:
    """Return the mesh of a type of car, made once a scene."""
    kind = SHAPES[which]
    found = bpy.data.meshes.get(f"car {kind.name}")
    if found is None:
        found = cars.build(kind)
        found.name = f"car {kind.name}"
        found.use_fake_user = True
    return found


def stage_indoors(shot: Shot, hall: Hall, rng: np.random.Generator) -> Stage:
    """Fill a hall for a shot and hold the camera."""
    stage = Stage(rng)
    flicker(hall, rng)
    width = hall.garage.bay_width
    bay = float(rng.choice(hall.own_bays))
    taken = [bay]
    if shot.reason == "no car":
        taken = list(hall.own_bays)
        if rng.random() < 0.5:
            bay = float(rng.choice(hall.other_bays[2:-2]))
            taken.append(bay)
        _look_at_nothing(bay, rng)
    elif shot.reason == "in the aisle":
        _aisle(stage, hall, rng)
        taken = []
    elif shot.reason == "in front of an exit":
        taken = _bays_below(_before_exit(stage, hall, rng), hall)
    elif shot.reason == "too close":
        near = 1.5 * width
        taken = [x for x in (*hall.own_bays, *hall.other_bays) if abs(x - bay) < near]
        _too_close(stage, bay, rng)
    else:
        pose = _in_bay(bay, rng)
        if shot.reason == "across the line":
            pose = _across(pose, width, rng)
            taken = _bays_below(pose, hall)
        stage.car(pose)
        _hold(pose, rng)
    _neighbours(stage, hall, taken, rng)
    if shot.reason not in ("too close", "no car") and rng.random() < 0.14:
        _passer_by(stage, rng)
    return stage


def stage_outdoors(shot: Shot, rng: np.random.Generator) -> Stage:
    """Park a car on a lot in daylight; the lot is built anew each time."""
    stage = Stage(rng)
    centres = outdoors.build(rng)
    outdoors.set_sky(rng)
    bay = float(rng.choice(centres[3:-3]))
    pose = _in_bay(bay, rng)
    stage.car(pose)
    _hold(pose, rng)
    for x in centres:
        if x != bay and rng.random() < 0.5:
            stage.car(_in_bay(x, rng))
        if rng.random() < 0.3:
            stage.car(Pose(x, 14.6, float(rng.choice((0, math.pi)))))
    if rng.random() < 0.2:
        _passer_by(stage, rng)
    return stage


def flicker(hall: Hall, rng: np.random.Generator) -> None:
    """Set each group of lamps: uneven with age, and now and then one that is out."""
    for group in hall.lamps:
        strength = float(rng.lognormal(0, 0.22))
        if rng.random() < 0.14:
            strength = 0.03
        materials.set_strength(group, hall.garage.brightness * strength)


def _in_bay(x: float, rng: np.random.Generator) -> Pose:
    turn = math.pi if rng.random() < 0.6 else 0.0
    return Pose(
        x + float(rng.normal(0, 0.10)),
        2.85 + float(rng.uniform(-0.15, 0.25)),
        turn + math.radians(float(rng.normal(0, 1.3))),
    )


def _across(pose: Pose, width: float, rng: np.random.Generator) -> Pose:
    """Stand on a line: shifted onto it, or turned over it."""
    side = float(rng.choice((-1, 1)))
    if rng.random() < 0.6:
        shift = side * width * float(rng.uniform(0.28, 0.5))
        return Pose(pose.x + shift, pose.y, pose.turn + math.radians(float(rng.normal(0, 4))))
    turn = side * math.radians(float(rng.uniform(14, 32)))
    return Pose(pose.x + side * 0.35, pose.y + float(rng.uniform(0.2, 1.2)), pose.turn + turn)


def _aisle(stage: Stage, hall: Hall, rng: np.random.Generator) -> None:
    """Stand in the way: mostly away from the company's bays, seen along the aisle."""
    turn = float(rng.choice((-1, 1))) * math.pi / 2 + math.radians(float(rng.normal(0, 9)))
    side = float(rng.choice((-1, 1)))
    reach = own_reach(hall.garage)
    x = side * float(rng.uniform(reach * 0.3, reach + 3.5))
    pose = Pose(x, float(rng.uniform(6.6, 9.2)), turn)
    stage.car(pose)
    away = float(rng.uniform(4.0, 6.5))
    angle = math.radians(float(rng.uniform(5, 60)))
    y = pose.y + away * math.sin(angle) * float(rng.choice((-0.5, 0.6)))
    # From the side of the company's bays, so that the far end of the hall is behind the car.
    at = (pose.x - side * away * math.cos(angle), min(max(y, 5.8), 10.5))
    _camera(at, (pose.x, pose.y, 0.7), rng)


def _bays_below(pose: Pose, hall: Hall) -> list[float]:
    """Bays that a car reaches into, however it stands: nobody else parks there."""
    half = 0.95 * abs(math.cos(pose.turn)) + 2.35 * abs(math.sin(pose.turn))
    bays = (*hall.own_bays, *hall.other_bays)
    return [x for x in bays if abs(x - pose.x) < half + 1.05]


def _before_exit(stage: Stage, hall: Hall, rng: np.random.Generator) -> Pose:
    x = hall.door if rng.random() < 0.5 else hall.gate
    if rng.random() < 0.4:
        pose = _in_bay(x, rng)
    else:
        turn = float(rng.choice((-1, 1))) * math.pi / 2
        spread = math.radians(float(rng.normal(0, 10)))
        pose = Pose(x + float(rng.normal(0, 0.4)), float(rng.uniform(1.6, 4.6)), turn + spread)
    stage.car(pose)
    _hold(pose, rng)
    return pose


def _too_close(stage: Stage, bay: float, rng: np.random.Generator) -> None:
    pose = _in_bay(bay, rng)
    kind = stage.car(pose)
    half = kind.length / 2
    end = pose.y + half
    kinds = rng.random()
    if kinds < 0.6:  # the end that shows
        x = pose.x + float(rng.uniform(-0.8, 0.8))
        at = (x + float(rng.normal(0, 0.2)), end + float(rng.uniform(0.28, 0.65)))
        aim = (x, end, float(rng.uniform(0.4, 0.9)))
    else:  # a flank
        side = float(rng.choice((-1, 1)))
        y = pose.y + float(rng.uniform(-0.2, half - 0.3))
        at = (pose.x + side * float(rng.uniform(1.18, 1.4)), y + float(rng.normal(0, 0.25)))
        aim = (pose.x + side * 0.85, y, float(rng.uniform(0.4, 1.1)))
    _camera(at, aim, rng, height=float(rng.uniform(0.6, 1.25)))


def _look_at_nothing(bay: float, rng: np.random.Generator) -> None:
    kind = rng.random()
    at = (bay + float(rng.uniform(-3, 3)), float(rng.uniform(6.5, 10)))
    if kind < 0.25:  # the empty bay
        aim = (bay, float(rng.uniform(0.5, 3.5)), float(rng.uniform(0.2, 1.2)))
    elif kind < 0.5:  # the floor
        aim = (at[0] + float(rng.normal(0, 0.4)), at[1] + float(rng.uniform(-1.2, 1.2)), 0.0)
    elif kind < 0.65:  # the ceiling
        aim = (at[0] + float(rng.normal(0, 1)), at[1] - float(rng.uniform(1.5, 3)), 2.6)
    elif kind < 0.85:  # along the aisle
        aim = (at[0] + float(rng.choice((-1, 1))) * 6, 8.0, 1.2)
    else:  # the row across
        at = (at[0], float(rng.uniform(5.5, 7.5)))
        aim = (at[0] + float(rng.normal(0, 2)), DEPTH, 1.0)
    _camera(at, aim, rng)


def _hold(pose: Pose, rng: np.random.Generator) -> None:
    """Hold the telephone as people do: from the aisle, at the car, seldom straight."""
    aside = float(rng.normal(0, 1.7))
    at = (pose.x + aside, float(rng.uniform(*_STANDING)))
    aim = (
        pose.x + float(rng.normal(0, 0.55)),
        2.4 + float(rng.normal(0, 0.5)),
        0.85 + float(rng.normal(0, 0.22)),
    )
    _camera(at, aim, rng)


_STANDING = (AISLE[0] + 1.6, AISLE[1] - 0.5)


def _camera(
    at: tuple[float, float],
    aim: tuple[float, float, float],
    rng: np.random.Generator,
    height: float | None = None,
) -> None:
    camera = bpy.context.scene.camera
    z = float(np.clip(rng.normal(1.48, 0.14), 0.9, 1.85)) if height is None else height
    position = Vector((*at, z))
    towards = (Vector(aim) - position).to_track_quat("-Z", "Y").to_euler()
    camera.location = position
    camera.rotation_euler = towards
    camera.rotation_euler.rotate_axis("Z", math.radians(float(rng.normal(0, 2.6))))
    camera.data.angle = math.radians(float(rng.uniform(50, 70)))


def _neighbours(stage: Stage, hall: Hall, taken: list[float], rng: np.random.Generator) -> None:
    for x in (*hall.own_bays, *hall.other_bays):
        if x not in taken and rng.random() < 0.55:
            stage.car(_in_bay(x, rng))
    for x in hall.other_bays:
        if rng.random() < 0.35:
            stage.car(Pose(x, DEPTH - BAY / 2 - 0.3, float(rng.choice((0, math.pi)))))


def _passer_by(stage: Stage, rng: np.random.Generator) -> None:
    camera = bpy.context.scene.camera
    ahead = camera.matrix_basis.to_quaternion() @ Vector((0, 0, -1))
    across = Vector((ahead.y, -ahead.x))
    away = float(rng.uniform(1.5, 4.0))
    aside = float(rng.choice((-1, 1))) * away * float(rng.uniform(0.2, 0.62))
    x = camera.location.x + ahead.x * away + across.x * aside
    y = camera.location.y + ahead.y * away + across.y * aside
    if y > BAY + 0.2:
        stage.person((x, y))
