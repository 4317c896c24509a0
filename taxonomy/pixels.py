"""An image file as a viewer shows it: upright, 8 bits a channel, RGB, on white (docs/methods.md, "Pixels").

What has no agreed white, such as integers of 32 bits, is refused by name: nothing is clipped.
"""

from __future__ import annotations

import struct
import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

UNREADABLE: Final = (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError)  # as Pillow raises
BROKEN_EXIF: Final = (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error)  # likewise
_SIXTEEN_BITS: Final = ("I;16", "I;16B", "I;16L", "I;16N")
_SIXTEEN_BITS_AS_I: Final = ("PNG", "PPM")  # formats whose grey of 16 bits Pillow opens in mode I, if it is older
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # tags of TIFF
_PREMULTIPLIED: Final = {"La": "LA", "RGBa": "RGBA"}

warnings.filterwarnings("ignore", module=r"PIL\.TiffImagePlugin")  # on broken EXIF, of which we only want one number
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # large, but Pillow's error is the limit


def as_shown(image: Image.Image) -> Image.Image:
    """Return an open image, the first frame where it has several, as a viewer shows it.

    Returns
    -------
    An image in mode RGB, turned as its EXIF orientation says; white where it is transparent.

    Raises
    ------
    ValueError
        If its pixels have no agreed white: integers of 32 bits, signed ones, floats outside of 0 to 1.
    OSError, SyntaxError, struct.error
        If it cannot be read, as Pillow raises them.
    """
    image.load()  # a TIFF turns itself then, and no longer says that it lay on its side
    plain = _to_rgb(image)
    plain.info = dict(image.info)  # with the EXIF block, which not every conversion keeps
    return _upright(plain)


def resized(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Return an image in mode RGB at exactly ``size x size``, whatever its aspect, uint8 ``[3, size, size]``."""
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def in_short(error: BaseException) -> str:
    """Say why bytes cannot be decoded; of unknown ones Pillow would name where they are in memory."""
    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format"
    return str(error) or type(error).__name__


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS:
        return _from_sixteen_bits(image)
    if image.mode == "I":
        if image.format in _SIXTEEN_BITS_AS_I:
            return _grey(np.asarray(image) >> 8)
        raise ValueError("integers of 32 bits, or signed ones, have no agreed white; save it with 8 or 16 bits")
    if image.mode == "F":
        return _from_floats(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image.convert("RGB")


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    """Keep the upper 8 bits, as Pillow does with colour of 16 bits."""
    bits = _tag(image, _BITS_PER_SAMPLE, 16)
    values = np.asarray(image).astype(np.uint16) >> (bits - 8)
    return _grey(255 - values if _white_is_zero(image) else values)


def _from_floats(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # nor where one is no number
        raise ValueError(f"floats from {low:g} to {high:g}, where 0 is black and 1 is white; rescale them")
    scaled = np.rint(255 * values)
    return _grey(255 - scaled if _white_is_zero(image) else scaled)


def _grey(values: NDArray[np.number]) -> Image.Image:
    """Return an RGB image of values ``[H, W]`` in 0 to 255."""
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def _white_is_zero(image: Image.Image) -> bool:
    """Tell whether a TIFF is a negative; of more than 8 bits, Pillow leaves it so."""
    return _tag(image, _PHOTOMETRIC, 1) == 0


def _tag(image: Image.Image, tag: int, default: int) -> int:
    """Return a tag of a TIFF, the default for other formats."""
    value = getattr(image, "tag_v2", {}).get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _on_white(image: Image.Image) -> Image.Image:
    straight = image.convert(_PREMULTIPLIED[image.mode]) if image.mode in _PREMULTIPLIED else image
    layer = straight.convert("RGBA")
    if layer.getchannel("A").getextrema() == (255, 255):
        return layer.convert("RGB")
    page = Image.new("RGBA", layer.size, "white")
    page.alpha_composite(layer)
    return page.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says; where that cannot be read, leave it."""
    try:
        return ImageOps.exif_transpose(image)
    except BROKEN_EXIF:
        return image
