"""From outlines to pixels: anti-aliased coverage, soft edges, smooth noise.

A field is a float32 array of shape (rows, columns). A picture has shape (3, rows, columns), values in [0, 1]:
colour first, so that a field multiplies it without a copy and in long contiguous runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

FloatArray = NDArray[np.float32]
Points = NDArray[np.float64]

SUPERSAMPLE = 3

Grid = tuple[int, int]
Window = tuple[slice, slice]


def coverage(outlines: Sequence[Points], shape: Grid) -> FloatArray:
    """Return the share of each pixel that lies inside any of the polygons, as a field of this shape."""
    if not outlines:
        return np.zeros(shape, dtype=np.float32)
    image = Image.new("L", (shape[1] * SUPERSAMPLE, shape[0] * SUPERSAMPLE))
    pen = ImageDraw.Draw(image)
    for outline in outlines:
        pen.polygon((outline * SUPERSAMPLE).ravel().tolist(), fill=255)
    return to_field(image.reduce(SUPERSAMPLE))


def to_field(image: Image.Image) -> FloatArray:
    """Return a greyscale image as a field with values in [0, 1]."""
    return np.asarray(image, dtype=np.float32) * np.float32(1 / 255)


def to_image(picture: FloatArray) -> Image.Image:
    """Return a picture as an RGB image; values outside [0, 1] are clipped."""
    pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def blur(field: FloatArray, radius: float) -> FloatArray:
    """Return the field (values in [0, 1]) blurred by a Gaussian of this radius in pixels."""
    image = Image.fromarray((field * 255).astype(np.uint8))
    return to_field(image.filter(ImageFilter.GaussianBlur(radius)))


def fuse(field: FloatArray, radius: float) -> FloatArray:
    """Round the corners where the parts of a mask meet: blur, then steepen the edge again."""
    steepness = np.float32(max(1.0, 1.6 * radius))
    steep: FloatArray = np.clip((blur(field, radius) - 0.5) * steepness + 0.5, 0, 1)
    return steep


def descent(field: FloatArray) -> FloatArray:
    """Return how much the field grows from row to row, by central differences; 0 in the outer rows."""
    slope = np.zeros_like(field)
    np.subtract(field[2:], field[:-2], out=slope[1:-1])
    slope *= 0.5
    return slope


def ramp(field: FloatArray, low: float, high: float) -> FloatArray:
    """Rise smoothly from 0 where the field is `low` to 1 where it is `high` (or fall, if high < low)."""
    t: FloatArray = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def band(field: FloatArray, centre: float, width: float, soft: float) -> FloatArray:
    """Return 1 within half a `width` of `centre`, falling to 0 over `soft`."""
    return ramp(np.abs(field - np.float32(centre)), width / 2 + soft / 2, width / 2 - soft / 2)


def noise(rng: np.random.Generator, cells: Grid, shape: Grid) -> FloatArray:
    """Return smooth noise of mean 0 and standard deviation near 1, from a grid of (rows, columns) cells."""
    coarse = Image.fromarray(rng.standard_normal(cells, dtype=np.float32))
    return np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC), dtype=np.float32)


def colour(rgb: tuple[int, int, int]) -> FloatArray:
    """Return an 8-bit colour as floats in [0, 1], of shape (3, 1, 1)."""
    return np.asarray(rgb, dtype=np.float32).reshape(3, 1, 1) * np.float32(1 / 255)


def lay(picture: FloatArray, paint: FloatArray, mask: FloatArray) -> None:
    """Lay a paint (a colour or a picture) over the picture through a mask, in place."""
    picture += (paint - picture) * mask


def grid(shape: Grid) -> tuple[FloatArray, FloatArray]:
    """Return the x and y of the pixel centres, of shapes (1, columns) and (rows, 1)."""
    x, y = np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32)
    return x[None, :] + 0.5, y[:, None] + 0.5


def window(low: Points, high: Points, shape: Grid) -> Window:
    """Return the rows and columns of the box from `low` to `high` (x, y), cut to a grid of this shape."""
    x0, y0 = np.floor(low).astype(int).clip(0, (shape[1] - 1, shape[0] - 1)).tolist()
    x1, y1 = np.ceil(high).astype(int).clip((x0 + 1, y0 + 1), (shape[1], shape[0])).tolist()
    return slice(y0, y1), slice(x0, x1)
