"""Photographs of the page, and where a level looked in them, as small JPEG files in the page itself."""

from __future__ import annotations

import base64
import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.explanation.figure import shaded

SIDE: Final = 192  # pixels of a picture
QUALITY: Final = 80  # of its JPEG: 10 kB of a photograph, 30 kB of noise
MOST: Final = 120  # pictures of a section; with two sections of noise the page is below 10 MB
LINE: Final = 2  # pixels, of an outline


def photograph(pixels: NDArray[np.uint8]) -> str:
    """Return an image as the network sees it, uint8 ``[S, S, 3]``, as an address that holds it."""
    return _address(_resized(pixels))


def looked_at(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> str:
    """Return the same, dark but for what a mask ``[S, S]`` says was looked at, which is outlined."""
    small = _resized(pixels)
    scale = Image.fromarray(mask).resize((small.shape[1], small.shape[0]), Image.Resampling.NEAREST)
    inside = np.asarray(scale)
    shown = shaded(small, inside)
    shown[outline(inside)] = 255
    return _address(shown)


def outline(mask: NDArray[np.bool_], width: int = LINE) -> NDArray[np.bool_]:
    """Return the rim of a mask ``[S, S]``, so many pixels wide, within it; what lies beyond the image is within too."""
    inner = mask
    for _ in range(width):
        framed = np.pad(inner, 1, mode="edge")
        inner = inner & framed[2:, 1:-1] & framed[:-2, 1:-1] & framed[1:-1, 2:] & framed[1:-1, :-2]
    return mask & ~inner


def _resized(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if len(pixels) <= SIDE:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def _address(pixels: NDArray[np.uint8]) -> str:
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(picture.getvalue()).decode()}"
