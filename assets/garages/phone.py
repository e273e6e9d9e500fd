"""From light to a telephone's JPEG: white balance, metering, finger, glare, shake, noise, tone.

Everything works on linear RGB, float (height, width, 3), until the tone curve.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Handling:
    """How steadily and carefully a picture is taken; spreads of the random parts."""

    exposure: float = 0.45  # stops
    shake: float = 2.2  # pixels of motion, mean
    defocus: float = 0.7  # pixels
    noise: float = 0.018  # at middle grey
    white: float = 0.12  # of each channel
    glare: float = 0.22  # share of pictures


def develop(light: Picture, rng: np.random.Generator, how: Handling, finger: bool = False) -> bytes:
    """Turn rendered light into the bytes of a JPEG."""
    image = np.clip(light, 0, None)
    luminance = _luminance(image)
    ambient = float(np.exp(np.log(luminance + 1e-4).mean()))
    image = image * _white_balance(image, rng, how.white)
    metered = _metered(_luminance(image))
    image = image * (0.17 / metered) * 2 ** rng.normal(0, how.exposure)
    if finger:
        image = _finger(image, rng)
    image = _bloom(image, rng, how)
    image = _shake(image, rng, how)
    image = image * _vignette(image.shape[:2], float(rng.uniform(0.1, 0.4)))
    gain = how.noise * float(np.clip((0.25 / (ambient + 0.02)) ** 0.25, 0.6, 1.8))
    image = _noise(image, rng, gain * float(rng.lognormal(0, 0.35)))
    image = _tone(image)
    image = _sharpened(image, float(rng.uniform(0.3, 0.9)))
    eight = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(eight).save(written, "JPEG", quality=int(rng.integers(56, 76)), optimize=True)
    return written.getvalue()


def _luminance(image: Picture) -> Picture:
    return image @ np.array([0.2126, 0.7152, 0.0722], np.float32)


def _metered(luminance: Picture) -> float:
    """Log mean with more weight in the middle; lamps count no more than white."""
    height, width = luminance.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    weight = np.exp(-1.2 * (x**2 + y**2))
    limited = np.minimum(luminance, 8 * float(np.median(luminance)) + 1e-4)
    return float(np.exp((np.log(limited + 1e-4) * weight).sum() / weight.sum()))


def _white_balance(image: Picture, rng: np.random.Generator, spread: float) -> Picture:
    """Gains that go half of the way to grey, and miss it a little."""
    mean = np.minimum(image, 1.0).mean((0, 1)) + 1e-4
    gains = (mean[1] / mean) ** 0.5 * np.exp(rng.normal(0, spread, 3))
    return (gains / gains[1]).astype(np.float32)


def _bloom(image: Picture, rng: np.random.Generator, how: Handling) -> Picture:
    bright = np.clip(image - 1.2, 0, 12)
    image = image + 0.05 * _blur(bright, 3) + 0.025 * _blur(bright, 14)
    if rng.random() < how.glare:  # a smeared lens
        strength = float(rng.uniform(0.05, 0.22))
        image = image * (1 - strength / 2) + strength * _blur(np.clip(image, 0, 6), 45)
        angle = float(rng.uniform(-30, 30))
        turned = ndimage.rotate(bright, angle, reshape=False, order=1)
        streak = ndimage.gaussian_filter(turned, (22, 0.8, 0))
        image = image + strength * ndimage.rotate(streak, -angle, reshape=False, order=1)
    return image


def _shake(image: Picture, rng: np.random.Generator, how: Handling) -> Picture:
    length = float(rng.exponential(how.shake))
    if length > 0.6:
        angle = float(rng.uniform(0, math.pi))
        bend = float(rng.normal(0, 0.3))
        radius = math.ceil(length / 2) + 1
        kernel = np.zeros((2 * radius + 1, 2 * radius + 1))
        for part in np.linspace(-0.5, 0.5, 48):
            along, aside = part * length, bend * length * (part * part - 0.08)
            x = along * math.cos(angle) - aside * math.sin(angle) + radius
            y = along * math.sin(angle) + aside * math.cos(angle) + radius
            left, top = math.floor(x), math.floor(y)
            for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
                weight = (1 - abs(x - left - dx)) * (1 - abs(y - top - dy))
                kernel[min(top + dy, 2 * radius), min(left + dx, 2 * radius)] += weight
        kernel /= kernel.sum()
        image = np.stack(
            [ndimage.convolve(image[..., c], kernel, mode="nearest") for c in range(3)], -1
        )
    return _blur(image, 0.35 + float(rng.exponential(how.defocus)) * 0.6)


def _finger(image: Picture, rng: np.random.Generator) -> Picture:
    """A finger over a part of the lens: large, out of focus, glowing at its rim."""
    height, width, _ = image.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    side = int(rng.integers(4))
    reach = float(rng.uniform(0.28, 0.75))
    along = float(rng.uniform(0.2, 0.8))
    tip = {
        0: (width * reach, height * along),
        1: (width * (1 - reach), height * along),
        2: (width * along, height * reach),
        3: (width * along, height * (1 - reach)),
    }[side]
    axis = ((-1, 0), (1, 0), (0, -1), (0, 1))[side]
    slant = float(rng.normal(0, 0.35))
    cos, sin = math.cos(slant), math.sin(slant)
    axis = (axis[0] * cos - axis[1] * sin, axis[0] * sin + axis[1] * cos)
    radius = float(rng.uniform(0.24, 0.42)) * width
    dx, dy = x - tip[0], y - tip[1]
    back = dx * axis[0] + dy * axis[1]  # towards the hand
    aside = np.abs(-dx * axis[1] + dy * axis[0])
    inside = radius - np.where(back < 0, np.hypot(back, aside), aside)
    cover = np.clip(inside / (0.30 * width) + 0.35, 0, 1)
    cover = cover * cover * (3 - 2 * cover)
    skin = np.array([(0.34, 0.13, 0.085), (0.22, 0.085, 0.055), (0.42, 0.20, 0.15)])
    colour = skin[int(rng.integers(len(skin)))] * float(rng.uniform(0.5, 1.3))
    shade = 0.45 + 0.85 * np.clip(1 - inside / radius, 0, 1)[..., None]
    around = _blur(image, 40)
    body = colour * shade * (0.6 + 0.8 * around.mean((0, 1)))
    cover = cover[..., None]
    return (image * (1 - cover) + body * cover).astype(np.float32)


def _noise(image: Picture, rng: np.random.Generator, level: float) -> Picture:
    """Photons and readout, smoothed a little as telephones do."""
    grain = rng.normal(0, 1, image.shape)
    grain = ndimage.gaussian_filter(grain, (0.45, 0.45, 0)) * 1.3
    chroma = ndimage.gaussian_filter(rng.normal(0, 1, image.shape), (1.6, 1.6, 0)) * 3
    sigma = level * np.sqrt(np.clip(image, 0, 4) / 0.18 + 0.12) * 0.42
    return (image + sigma * (0.85 * grain + 0.35 * chroma)).astype(np.float32)


def _tone(image: Picture) -> Picture:
    """A shoulder for the lights, then sRGB's curve and a little contrast."""
    linear = np.clip(image, 0, None)
    shoulder = linear * (1 + linear / 9) / (1 + 0.62 * linear)
    curve = np.where(
        shoulder <= 0.0031308,
        12.92 * shoulder,
        1.055 * np.maximum(shoulder, 1e-8) ** (1 / 2.4) - 0.055,
    )
    curve = np.clip(curve, 0, 1)
    return (curve + 0.10 * (curve - 0.45) * 4 * curve * (1 - curve)).astype(np.float32)


def _sharpened(image: Picture, amount: float) -> Picture:
    return image + amount * (image - _blur(image, 1.1))


def _vignette(shape: tuple[int, int], strength: float) -> Picture:
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return (1 - strength * ((x**2 + y**2) / 2))[..., None].astype(np.float32)


def _blur(image: Picture, sigma: float) -> Picture:
    return ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest")
