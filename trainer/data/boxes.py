"""Images that are cropped to the box of their object before they are resized."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from taxonomy.datasets.dataset import FloatArray

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # which is what may be subclassed in Python 3.11

Box = tuple[float, float, float, float]  # x and y of the upper left corner, width and height, in pixels


class OutsideError(Exception):
    """A box of which nothing lies in its image."""


class BoxedPath(_Path):
    """The path of an image file of which only what lies in a box is meant.

    Attributes
    ----------
    box
        In pixels of the upright image, counted from 0.
    """

    box: Box

    def __reduce__(self) -> tuple[Any, ...]:
        return boxed, (str(self), self.box)


def boxed(path: str | Path, box: Box) -> BoxedPath:
    """Return the path of an image with a box."""
    made = BoxedPath(path)
    made.box = box
    return made


def with_boxes(paths: Sequence[Path], boxes: FloatArray) -> list[Path]:
    """Return paths with their boxes, float64 ``[N, 4]``; one that is not a number throughout is none."""
    return [
        path if any(map(isnan, box)) else boxed(path, tuple(box))
        for path, box in zip(paths, boxes.tolist(), strict=True)
    ]


def cut_out(image: Image.Image, path: object) -> Image.Image:
    """Return what lies in the box of an image's path, whole pixels, as far as there are such; all without a box.

    Raises
    ------
    OutsideError
        If nothing of the box lies in the image.
    """
    box: Box | None = getattr(path, "box", None)
    if box is None:
        return image
    x, y, width, height = box
    left, top = max(floor(x), 0), max(floor(y), 0)
    right, bottom = min(ceil(x + width), image.width), min(ceil(y + height), image.height)
    if width <= 0 or height <= 0 or right <= left or bottom <= top:
        raise OutsideError(
            f"its box (x {x:g}, y {y:g}, {width:g} x {height:g}) has not a pixel in the image of {image.width} x "
            f"{image.height}; mend the box"
        )
    return image.crop((left, top, right, bottom))


def box_words(paths: Sequence[Path]) -> bytes:
    """Return what tells images with these boxes from the same with others; nothing where none has a box."""
    if not any(isinstance(path, BoxedPath) for path in paths):
        return b""
    return repr([getattr(path, "box", None) for path in paths]).encode()
