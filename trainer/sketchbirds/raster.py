"""From outlines to pixels: anti-aliased coverage, soft edges, smooth noise.

A field is a float32 array of shape (size, size); a picture has shape (size, size, 3) and values in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

FloatArray = NDArray[np.float32]
Points = NDArray[np.float64]

SUPERSAMPLE = 3


def coverage(outlines: Iterable[Points], size: int) -> FloatArray:
    """Return the share of each pixel that lies inside any of the polygons, shape (size, size)."""
    image = Image.new("L", (size * SUPERSAMPLE, size * SUPERSAMPLE))
    pen = ImageDraw.Draw(image)
    for outline in outlines:
        pen.polygon((outline * SUPERSAMPLE).ravel().tolist(), fill=255)
    return to_field(image.reduce(SUPERSAMPLE))


def to_field(image: Image.Image) -> FloatArray:
    """Return a greyscale image as a field with values in [0, 1]."""
    return np.asarray(image, dtype=np.float32) * np.float32(1 / 255)


def blur(field: FloatArray, radius: float) -> FloatArray:
    """Return the field (values in [0, 1]) blurred by a Gaussian of this radius in pixels."""
    image = Image.fromarray((field * 255).astype(np.uint8))
    return to_field(image.filter(ImageFilter.GaussianBlur(radius)))


def fuse(field: FloatArray, radius: float) -> FloatArray:
    """Round the corners where the parts of a mask meet: blur, then steepen the edge again."""
    steepness = np.float32(max(1.0, 1.6 * radius))
    return np.clip((blur(field, radius) - 0.5) * steepness + 0.5, 0, 1)


def ramp(field: FloatArray, low: float, high: float) -> FloatArray:
    """Rise smoothly from 0 where the field is `low` to 1 where it is `high` (or fall, if high < low)."""
    t = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def band(field: FloatArray, centre: float, width: float, soft: float) -> FloatArray:
    """Return 1 within half a `width` of `centre`, falling to 0 over `soft`."""
    return ramp(np.abs(field - np.float32(centre)), width / 2 + soft / 2, width / 2 - soft / 2)


def noise(rng: np.random.Generator, cells: tuple[int, int], size: int) -> FloatArray:
    """Return smooth noise of mean 0 and standard deviation near 1, from a grid of (rows, columns) cells."""
    grid = Image.fromarray(rng.standard_normal(cells, dtype=np.float32))
    return np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)


def colour(rgb: tuple[int, int, int]) -> FloatArray:
    """Return an 8-bit colour as three floats in [0, 1]."""
    return np.asarray(rgb, dtype=np.float32) / 255


def lay(picture: FloatArray, paint: FloatArray, mask: FloatArray) -> None:
    """Lay a paint (a colour or a picture) over the picture through a mask, in place."""
    picture += (paint - picture) * mask[..., None]


def grid(size: int) -> tuple[FloatArray, FloatArray]:
    """Return the x and y of the pixel centres, of shapes (1, size) and (size, 1)."""
    axis = np.arange(size, dtype=np.float32) + 0.5
    return axis[None, :], axis[:, None]
