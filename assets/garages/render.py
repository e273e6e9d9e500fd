"""Render the pictures of the embedded demo: four parking garages, right and wrong parking.

    python assets/garages/render.py FOLDER [--seed 7] [--only PART] [--light FOLDER]

Needs Blender as a Python module and what requirements.txt beside this file names; the dashboard
itself needs none of it. Goes on where it stopped: pictures that are there are not made again.
Everything random follows from the seed. The renderer's threads add in any order, so between two
runs a few pixels in 100,000 differ in their last digits, and with them the bytes of the JPEG.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import hall as halls
import numpy as np
import outdoors
import phone
from compose import Stage, stage_indoors, stage_outdoors
from numpy.typing import NDArray
from spec import GARAGES, SEED, Shot, Sizes, shots

SAMPLES = 8
HANDLING = phone.Handling()


def main() -> None:
    """Render what is missing and write ``pictures.csv``."""
    arguments = _arguments()
    train, test, reject = (int(part) for part in arguments.sizes.split(","))
    sizes = Sizes(train, test, reject)
    folder: Path = arguments.folder
    every = shots(sizes, arguments.seed)
    todo = [
        shot for shot in every if arguments.only in shot.path and not (folder / shot.path).exists()
    ]
    began, built, hall = time.monotonic(), None, None
    for number, shot in enumerate(todo, 1):
        kept = (arguments.light or folder) / f"{shot.path}.npy"
        if kept.exists():
            light = np.load(kept)
        else:
            if shot.garage == "outdoors" or shot.garage != built:
                _empty(sizes, arguments.samples)
                built = shot.garage
                hall = None if built == "outdoors" else halls.build(GARAGES[built])
            light = photograph(shot, hall)
            if arguments.light:
                written = io.BytesIO()
                np.save(written, light)
                write(kept, written.getvalue())
        write(folder / shot.path, develop(shot, light))
        each = (time.monotonic() - began) / number
        left = each * (len(todo) - number) / 60
        print(
            f"{number}/{len(todo)} {shot.path}, {each:.2f} s each, {left:.0f} min left", flush=True
        )
    write_list(folder / "pictures.csv", every)


def photograph(shot: Shot, hall: halls.Hall | None) -> NDArray[np.float16]:
    """Return the light that reaches the telephone, (height, width, 3)."""
    rng = np.random.default_rng(shot.seed)
    stage: Stage = stage_outdoors(shot, rng) if hall is None else stage_indoors(shot, hall, rng)
    light = _render(shot.seed % (1 << 31))
    stage.clear()
    return light.astype(np.float16)


def develop(shot: Shot, light: NDArray[np.float16]) -> bytes:
    """Return the JPEG that the telephone makes of the light."""
    rng = np.random.default_rng((shot.seed, 1))
    return phone.develop(
        light.astype(np.float32), rng, HANDLING, finger=shot.reason == "finger on the lens"
    )


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content)
    temporary.replace(path)


def write_list(path: Path, every: list[Shot]) -> None:
    """Write what each picture shows."""
    rows = sorted((shot.path, shot.garage, shot.reason, shot.seed) for shot in every)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", "garage", "reason", "seed"))
    table.writerows(rows)
    write(path, text.getvalue().encode())


def _empty(sizes: Sizes, samples: int) -> None:
    """Begin an empty scene with a camera."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True
    outdoors.set_dark()
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    camera.data.clip_start = 0.02
    scene.camera = camera
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = sizes.width, sizes.height
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.render.use_persistent_data = True
    cycles = scene.cycles
    cycles.device, cycles.samples = "CPU", samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.denoising_prefilter = "FAST"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 3, 3
    cycles.transmission_bounces = cycles.transparent_max_bounces = 2
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 8.0
    # Sampling lamps evenly halves the time, and the denoiser takes the noise that it leaves.
    cycles.use_light_tree = False


def _render(seed: int) -> NDArray[np.float32]:
    """Return the scene's light, (height, width, 3), top row first."""
    scene = bpy.context.scene
    scene.cycles.seed = seed
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = os.path.join(folder, "light.exr")
        with _silence():
            bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
        bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1, :, :3].copy()


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the renderer's own lines off the terminal."""
    sys.stdout.flush()
    kept, sink = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(sink)
        os.close(kept)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="", help="part of a path, as test/Harbour or reject/no")
    usual = ",".join(str(part) for part in (Sizes.train, Sizes.test, Sizes.reject))
    parser.add_argument("--sizes", default=usual, help="train and test a garage, a reason")
    parser.add_argument(
        "--light", type=Path, help="keep the rendered light here, to change only the telephone"
    )
    parser.add_argument("--samples", type=int, default=SAMPLES, help="paths a pixel")
    return parser.parse_args()


if __name__ == "__main__":
    main()
