"""A photograph that somebody sent, decoded in memory as `hiertrain predict` decodes files, or refused in a line."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from taxonomy.pixels import UNREADABLE, in_short
from trainer.data.images import learn_heif, to_pixels
from trainer.serve.refused import RefusedError

# Those of photographs, each read by Pillow itself: what it hands to other programs, as EPS, is not among them.
FORMATS: Final = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM")
LARGE: Final = 16_000_000  # pixels; of larger ones, one is decoded at a time
_ONE_LARGE = Lock()


@cache
def formats() -> tuple[str, ...]:
    """Return the formats that are read: `FORMATS` as far as Pillow was built with them, and HEIF with its plugin."""
    Image.init()
    known = tuple(name for name in FORMATS if name in Image.OPEN)
    try:
        learn_heif()
    except ValueError:
        return known
    return (*known, "HEIF")


def check_type(content_type: str | None) -> None:
    """Refuse a body that says of itself that it is no image.

    Raises
    ------
    RefusedError
        If it is a form, text, or a drawing (SVG).
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind in ("", "application/octet-stream") or (kind.startswith("image/") and "svg" not in kind):
        return
    raise RefusedError(
        415, f"Content-Type {kind[:60]!r} is no photograph; send the file itself as the body, such as image/jpeg"
    )


def decode(content: bytes, size: int, most_pixels: int) -> NDArray[np.uint8]:
    """Decode the bytes of an image file to RGB at exactly ``size x size``.

    How many pixels it has is read from its head first, so that a small file cannot become a large image.

    Returns
    -------
    uint8 ``[3, size, size]``

    Raises
    ------
    RefusedError
        If it is no image of a known format, too large, or damaged.
    """
    if not content:
        raise RefusedError(400, "the body is empty; send the bytes of an image file")
    try:
        with Image.open(io.BytesIO(content), formats=formats()) as image:
            _check_pixels(image.width, image.height, most_pixels)
            with _alone(image):
                return to_pixels(image, size)
    except UnidentifiedImageError:
        raise RefusedError(415, f"no image of a known format; send one of {', '.join(formats())}") from None
    except Image.DecompressionBombError:  # which Pillow raises at the head too
        raise RefusedError(413, f"the image has more than {_millions(most_pixels)} pixels; make it smaller") from None
    except MemoryError:
        raise RefusedError(413, "the image is too large for the memory; make it smaller") from None
    except UNREADABLE as error:
        raise RefusedError(422, f"the image cannot be decoded ({in_short(error)}); send it anew") from None


def _check_pixels(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise RefusedError(
            413, f"the image has {width} x {height} pixels, more than {_millions(most)}; make it smaller"
        )


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:g} million"


def _alone(image: Image.Image) -> AbstractContextManager[object]:
    return _ONE_LARGE if image.width * image.height > LARGE else nullcontext()
