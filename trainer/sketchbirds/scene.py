"""Where a bird is seen: a blurred backdrop, a perch in focus, leaves before the lens, and the light.

Nothing here knows the species; only what a bird may rest on follows from its order.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from trainer.sketchbirds.fauna import Colour, Support
from trainer.sketchbirds.raster import (
    FloatArray,
    Points,
    blur,
    colour,
    coverage,
    grid,
    lay,
    noise,
    ramp,
    to_image,
    window,
)

# Upper and lower colours of the backdrop; the lens has blurred everything finer.
BACKDROPS: dict[str, tuple[Colour, Colour]] = {
    "sky": ((120, 164, 208), (206, 216, 220)),
    "water": ((112, 140, 150), (74, 108, 122)),
    "reeds": ((188, 178, 130), (120, 118, 70)),
    "branches": ((164, 170, 160), (98, 104, 88)),
    "foliage": ((112, 140, 76), (52, 76, 44)),
    "dusk": ((214, 170, 130), (122, 104, 112)),
}
LEAVES: tuple[Colour, ...] = ((92, 122, 52), (66, 92, 44), (150, 142, 82), (96, 78, 58))
SOILS: tuple[Colour, ...] = ((168, 146, 112), (122, 106, 88), (112, 122, 74), (148, 148, 142))
COARSE = 40  # Backdrops are drawn this small and enlarged, which is the blur of a wide aperture.


def backdrop(rng: np.random.Generator, size: int) -> FloatArray:
    """Draw what lies far behind the bird.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    size : int
        Side of the image in pixels.

    Returns
    -------
    ndarray of float32, shape (3, size, size)
        Colours in [0, 1].
    """
    kind = list(BACKDROPS)[rng.integers(len(BACKDROPS))]
    top, bottom = (colour(c) * _cast(rng, 0.045) for c in BACKDROPS[kind])
    fall = np.linspace(0, 1, COARSE, dtype=np.float32)[:, None]
    wash = (top + (bottom - top) * fall) * (1 + 0.07 * noise(rng, (5, 5), (COARSE, COARSE)))
    image = to_image(wash)
    _blurred_things(ImageDraw.Draw(image, "RGBA"), kind, rng)
    soft = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.9, 1.7)))
    large = soft.resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(large, dtype=np.float32).transpose(2, 0, 1)) * np.float32(1 / 255)


def _cast(rng: np.random.Generator, spread: float) -> FloatArray:
    """Return a slight shift of hue, as one factor per colour."""
    return rng.normal(1.0, spread, (3, 1, 1)).astype(np.float32)


def _blurred_things(pen: ImageDraw.ImageDraw, kind: str, rng: np.random.Generator) -> None:
    """Stalks, twigs, clouds, waves or discs of light, by the kind of backdrop."""
    dark, light = BACKDROPS[kind][1], BACKDROPS[kind][0]
    for _ in range(int(rng.integers(5, 13))):
        x, y, reach, width = rng.uniform((-4, -4, 3, 1), (44, 44, 12, 4)).tolist()
        tone = colour(dark if rng.random() < 0.5 else light) * _cast(rng, 0.05) * rng.uniform(0.7, 1.25)
        fill = (*(np.clip(tone, 0, 1).ravel() * 255).astype(int).tolist(), int(rng.integers(60, 170)))
        if kind == "reeds":
            pen.line([(x, 44), (x + rng.normal(0, 5), y - 10)], fill=fill, width=round(width))
        elif kind == "branches":
            pen.line([(x, y), (x + rng.normal(0, 22), y + rng.normal(0, 16))], fill=fill, width=round(width))
        elif kind in ("sky", "dusk"):
            pen.ellipse((x - 2 * reach, y - 2, x + reach, y + width), fill=fill)
        elif kind == "water":
            pen.ellipse((x - 2 * reach, y, x + 2 * reach, y + width / 2), fill=fill)
        else:
            pen.ellipse((x - reach / 2, y - reach / 2, x + reach / 2, y + reach / 2), fill=fill)


def perch(picture: FloatArray, support: Support, rest: Points, unit: float, rng: np.random.Generator) -> None:
    """Draw what the bird stands on, in place, before the bird is laid over it.

    Parameters
    ----------
    picture : ndarray of float32, shape (3, size, size)
        The backdrop; changed in place.
    support : str
        Kind of perch; water and air leave the picture as it is.
    rest : ndarray, shape (2,)
        Where the feet are, in pixels.
    unit : float
        Pixels per half a body.
    rng : numpy.random.Generator
        Source of randomness.
    """
    if support == "branch":
        _bough(picture, rest, unit * rng.uniform(0.10, 0.19), rng.normal(0, 0.16), rng)
    elif support == "post":
        _post(picture, rest, unit * rng.uniform(0.34, 0.5), rng)
    elif support == "shore":
        _shore(picture, rest, unit, rng)


def _bough(picture: FloatArray, rest: Points, radius: float, slant: float, rng: np.random.Generator) -> None:
    size = picture.shape[1]
    x, y = grid((size, size))
    bow = rng.normal(0, 0.10) / size
    dx = x - np.float32(rest[0])
    knots = noise(rng, (1, 9), (size, size)) * np.float32(0.16 * radius)
    across = (y - rest[1] - radius - slant * dx - bow * dx * dx + knots) / np.float32(radius)
    _bark(picture, across.astype(np.float32), ramp(np.abs(across), 1 + 0.6 / radius, 1 - 0.6 / radius), rng)


def _post(picture: FloatArray, rest: Points, radius: float, rng: np.random.Generator) -> None:
    size = picture.shape[1]
    x, y = grid((size, size))
    side = (x - rest[0] + 0.06 * (y - rest[1])) / radius
    inside = ramp(np.abs(side), 1 + 0.6 / radius, 1 - 0.6 / radius)
    below = ramp(y - rest[1] - 0.12 * radius * side**2, -0.6, 0.6)
    _bark(picture, side.astype(np.float32), (inside * below).astype(np.float32), rng, upright=True)


def _bark(
    picture: FloatArray,
    across: FloatArray,
    mask: FloatArray,
    rng: np.random.Generator,
    *,
    upright: bool = False,
) -> None:
    """Shade a rounded piece of wood; `across` runs from -1 (lit) to 1 (in shadow)."""
    size = picture.shape[1]
    cells = (size // 12, size // 2) if upright else (size // 2, size // 12)
    grain = noise(rng, cells, (size, size))
    wood = colour((124, 104, 84)) * _cast(rng, 0.07) * rng.uniform(0.7, 1.1)
    tone = (1.0 - 0.38 * across) * (1 + 0.13 * grain)
    lay(picture, (wood * tone).astype(np.float32), mask)


def _shore(picture: FloatArray, rest: Points, unit: float, rng: np.random.Generator) -> None:
    """Draw a bank of sand, mud or short grass, sharp at the feet and softer towards its far edge."""
    size = picture.shape[1]
    x, y = grid((size, size))
    far = rest[1] - unit * rng.uniform(0.15, 0.55)
    soil = SOILS[rng.integers(len(SOILS))]
    tone = 0.92 + 0.10 * noise(rng, (size // 2, size // 4), (size, size)) * ramp(y, far, rest[1] + unit * 0.3)
    lay(picture, colour(soil) * tone, ramp(y + 2 * noise(rng, (1, 6), (size, size)), far - 2, far + 3))
    spot = ((x - rest[0]) / (0.75 * unit)) ** 2 + ((y - rest[1] - 0.03 * unit) / (0.13 * unit)) ** 2
    picture *= 1 - 0.42 * ramp(spot.astype(np.float32), 1.2, 0.1)


def water(picture: FloatArray, line: float, rng: np.random.Generator) -> None:
    """Flood the picture below a line, in place: everything above is mirrored, darker and rippled."""
    size = picture.shape[1]
    first = int(np.clip(round(line), 1, size - 1))
    rows = np.arange(first, size, dtype=np.float32)
    depth = rows - first
    waves = np.sin(depth * rng.uniform(0.5, 0.9) * 128 / size * 4 / (1 + depth * 0.03) + rng.uniform(0, 6))
    source = np.clip(first - 1 - depth * rng.uniform(0.8, 1.1) + waves * (0.4 + 0.05 * depth), 0, first - 1)
    shift = np.rint(waves * (0.6 + 0.03 * depth)).astype(np.intp)
    columns = np.clip(np.arange(size)[None, :] + shift[:, None], 0, size - 1)
    tint = colour((70, 98, 108)) * _cast(rng, 0.08)
    mirror = picture[:, source.astype(np.intp)[:, None], columns]
    gleam = 0.045 * waves[:, None] * (1 + 0.6 * noise(rng, (size // 2, 10), (size, size))[first:])
    picture[:, first:] = 0.66 * mirror + 0.30 * tint + gleam.astype(np.float32)
    picture[:, first] *= 0.80


def leaves(picture: FloatArray, rng: np.random.Generator) -> None:
    """Hang a few leaves, blades or twigs between lens and bird, in place and slightly out of focus."""
    size = picture.shape[1]
    for _ in range(int(rng.integers(1, 4))):
        outline, softness = _blade(rng) * size, size * rng.uniform(0.004, 0.014)
        reach = 3 * softness + 1
        rows, columns = window(outline.min(axis=0) - reach, outline.max(axis=0) + reach, (size, size))
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        mask = blur(coverage([outline - (columns.start, rows.start)], shape), softness)
        green = colour(LEAVES[rng.integers(len(LEAVES))]) * np.float32(rng.uniform(0.7, 1.25))
        lay(picture[:, rows, columns], green, 0.95 * mask)


def _blade(rng: np.random.Generator) -> Points:
    """Return the outline of a leaf, a blade of grass or a twig, in shares of the image side."""
    x, y, kind = rng.uniform((0.05, 0.05, 0), (0.95, 0.95, 1)).tolist()
    if kind < 0.45:
        return _lens(x, y, rng.uniform(0, np.pi), rng.uniform(0.10, 0.20), rng.uniform(0.025, 0.055))
    angle = np.pi / 2 + rng.normal(0, 0.25 if kind < 0.8 else 0.9)
    return _lens(x, y, angle, rng.uniform(0.6, 1.0), rng.uniform(0.008, 0.02))


def _lens(x: float, y: float, angle: float, length: float, width: float) -> Points:
    t = np.linspace(-1, 1, 14)
    bow = 0.12 * length * (1 - t**2)
    half = width * (1 - t**2) ** 0.8
    flat = np.concatenate(
        [np.stack([t * length, bow + half], axis=1), np.stack([t * length, bow - half], axis=1)[::-1]]
    )
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(flat @ np.array([[c, s], [-s, c]]) + (x, y))


def expose(picture: FloatArray, rng: np.random.Generator) -> Image.Image:
    """Take the photograph: exposure, warm or cold light, a vignette, contrast and grain.

    Parameters
    ----------
    picture : ndarray of float32, shape (3, size, size)
        The scene, colours around [0, 1].
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    PIL.Image.Image
        The photograph, RGB.
    """
    size = picture.shape[1]
    warmth, gain, contrast = rng.normal(0, 0.08), np.exp(rng.normal(0, 0.18)), rng.normal(1.05, 0.09)
    light = np.array([1 + warmth, 1 + 0.1 * warmth, 1 - warmth], dtype=np.float32) * np.float32(gain)
    x, y = grid((size, size))
    centre = size * rng.uniform(0.35, 0.65, 2).astype(np.float32)
    corner = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) * np.float32(rng.uniform(0.0, 0.75) / size**2)
    lit = picture * light[:, None, None] * (1 - corner)
    grain = rng.standard_normal((size, size), dtype=np.float32) * np.float32(rng.uniform(0.006, 0.022))
    return to_image((lit - 0.45) * np.float32(contrast) + 0.45 + grain)
