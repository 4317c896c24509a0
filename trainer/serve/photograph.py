"""A photograph that somebody sent, decoded in memory as `hiertrain predict` decodes files, or refused in a line."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from taxonomy.pixels import in_short
from trainer.data.images import learn_heif, load_small, to_pixels
from trainer.serve.refused import RefusedError

# Those of photographs, each read by Pillow itself: what it hands to other programs, as EPS, is not among them.
FORMATS: Final = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM")
LARGE: Final = 16_000_000  # pixels; of larger ones, one is decoded at a time
MOST_SCANS: Final = 100  # of a JPEG, each of which passes over all pixels; progressive ones of cameras have some ten
_TILE = (322, 323)  # tags of TIFF: width and length of the pieces that it is decoded in
_MARKER = re.compile(rb"\xff+([^\x00\x01\xff\xd0-\xd7])")  # of JPEG, followed by a length; others have none
_END, _SCAN = b"\xd9", b"\xda"
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

    How many pixels it has, and how often they are passed over, is read from its head first, so that a small file can
    neither become a large image nor take long.

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
            _check_pieces(image, content, most_pixels)
            with _alone(image):
                load_small(image, size)
                return to_pixels(image, size)
    except UnidentifiedImageError:
        raise RefusedError(415, f"no image of a known format; send one of {', '.join(formats())}") from None
    except Image.DecompressionBombError:  # which Pillow raises at the head too
        raise RefusedError(413, f"the image has more than {_millions(most_pixels)} pixels; make it smaller") from None
    except MemoryError:
        raise RefusedError(413, "the image is too large for the memory; make it smaller") from None
    except RefusedError:
        raise
    except Exception as error:  # decoders raise whatever they come upon in what strangers send
        why = " ".join(in_short(error).split())
        raise RefusedError(422, f"the image cannot be decoded ({why}); send it anew") from None


def _check_pixels(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise RefusedError(
            413, f"the image has {width} x {height} pixels, more than {_millions(most)}; make it smaller"
        )


def _check_pieces(image: Image.Image, content: bytes, most: int) -> None:
    """Refuse what is larger inside than it says that it is."""
    tags = getattr(image, "tag_v2", {})
    if all(tag in tags for tag in _TILE) and tags[_TILE[0]] * tags[_TILE[1]] > most:
        raise RefusedError(413, f"a tile of the image has more than {_millions(most)} pixels; save it anew")
    if content.startswith(b"\xff\xd8") and scans(content) > MOST_SCANS:
        raise RefusedError(413, f"the JPEG is stored in more than {MOST_SCANS} scans; save it anew")


def scans(content: bytes) -> int:
    """Count the scans of a JPEG, without those of thumbnails in its head and of what follows its end."""
    at, count = 2, 0
    while (found := _MARKER.search(content, at)) and found[1] != _END:
        count += found[1] == _SCAN
        at = found.end() + max(2, int.from_bytes(content[found.end() : found.end() + 2]))
    return count


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:g} million"


def _alone(image: Image.Image) -> AbstractContextManager[object]:
    return _ONE_LARGE if image.width * image.height > LARGE else nullcontext()
