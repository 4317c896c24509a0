"""Image files decoded, in parallel and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from taxonomy import HiertaxError
from taxonomy.datasets.conventions import HEIF_SUFFIXES, suffix
from taxonomy.datasets.shards import open_image
from taxonomy.pixels import UNREADABLE, as_shown, in_short, resized
from taxonomy.threads import on_all_cores
from trainer.data.boxes import BoxedPath, OutsideError, cut_out
from trainer.runtime.memory import free_memory

LARGE: Final = 50_000_000  # pixels
_ONE_LARGE = Lock()


class UndecodableImageError(HiertaxError):
    """An image file that cannot be read or decoded."""


def decode(path: Path, size: int) -> NDArray[np.uint8]:
    """Decode an image file to RGB at exactly ``size x size``, whatever its aspect (the paper's recipe).

    It is as a viewer shows it, see `taxonomy.pixels`.

    Returns
    -------
    uint8 ``[3, size, size]``

    Raises
    ------
    UndecodableImageError
        If it cannot be read or decoded: the file and the reason.
    """
    try:
        with _opened(path) as image, _alone(image):
            if not isinstance(path, BoxedPath):  # whose box is of the whole image
                load_small(image, size)
            return to_pixels(image, size, path)
    except OutsideError as error:
        raise UndecodableImageError(f"{path}: {error}") from None
    except UNREADABLE as error:
        raise UndecodableImageError(f"{path}: cannot be decoded ({in_short(error)}); replace the file") from None


def _opened(path: Path) -> Image.Image:
    if suffix(path.name) in HEIF_SUFFIXES:
        learn_heif()
    return Image.open(open_image(path))


@cache
def learn_heif() -> None:
    """Let Pillow read HEIF, by a plugin.

    Raises
    ------
    ValueError
        If that is not installed.
    """
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise ValueError("HEIF needs a plugin: pip install pillow-heif") from None
    register_heif_opener()


def _alone(image: Image.Image) -> AbstractContextManager[object]:
    """Return what keeps other large images from being decoded at the same time: each takes a gigabyte or more."""
    return _ONE_LARGE if image.width * image.height > LARGE else nullcontext()


def load_small(image: Image.Image, size: int) -> None:
    """Let a JPEG that is not loaded yet be decoded at a half, a quarter or an eighth, not below twice the size.

    Its cosines are summed over fewer pixels then, which takes a ninth of the time for 12 million pixels at 224; what
    becomes of them differs by less than a level on average (docs/methods.md, "Pixels"). Other formats have no such way.
    """
    image.draft(None, (2 * size, 2 * size))


def to_pixels(image: Image.Image, size: int, path: Path | None = None) -> NDArray[np.uint8]:
    """Return an open image, which stays as it is, as RGB at exactly ``size x size``, uint8 ``[3, size, size]``.

    Of a path with a box it is what lies in the box.
    """
    return resized(cut_out(as_shown(image), path), size)


def decode_all(
    paths: Sequence[Path],
    size: int,
    *,
    skip_bad: bool = False,
    on_image: Callable[[], object] = lambda: None,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Decode many files on all cores, a few ahead.

    Parameters
    ----------
    skip_bad
        Whether to go on without the files that cannot be decoded.
    on_image
        Called after each file.

    Yields
    ------
    The position in `paths` and the pixels, uint8 ``[3, size, size]``, of every image that can be decoded, in order.

    Raises
    ------
    HiertaxError
        If a file cannot be decoded and `skip_bad` is false (the first such file), or none can be decoded.
    """

    def attempt(path: Path) -> NDArray[np.uint8] | UndecodableImageError:
        try:
            return decode(path, size)
        except UndecodableImageError as error:
            return error

    any_good = False
    for i, pixels in enumerate(on_all_cores(attempt, paths)):
        on_image()
        if not isinstance(pixels, UndecodableImageError):
            any_good = True
            yield i, pixels
        elif not skip_bad:
            raise pixels
    if not any_good:
        raise HiertaxError(
            f"{paths[0].parent if paths else 'dataset'}: not one image could be decoded; check what lies there"
        )


def load_images(
    paths: Sequence[Path],
    size: int,
    *,
    skip_bad: bool = False,
    on_image: Callable[[], object] = lambda: None,
) -> tuple[Tensor, list[int]]:
    """Decode many files into memory, see `decode_all`.

    Returns
    -------
    images
        uint8 ``[N, 3, size, size]``.
    kept
        The positions in `paths` of the N images.

    Raises
    ------
    HiertaxError
        As `decode_all` does, and if memory is too small.
    """
    check_memory(len(paths), size)
    images = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)
    kept: list[int] = []
    for i, pixels in decode_all(paths, size, skip_bad=skip_bad, on_image=on_image):
        images[len(kept)] = torch.from_numpy(pixels)
        kept.append(i)
    return images[: len(kept)], kept


def check_memory(count: int, size: int) -> None:
    """Refuse before the machine starts to swap.

    Raises
    ------
    HiertaxError
        If that many decoded images would leave less than a tenth of the free memory.
    """
    needed, free = count * 3 * size * size, free_memory()
    if needed > 0.9 * free:
        raise HiertaxError(
            f"{count} images of {size} px need {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; "
            "lower `image_size` or `limit_per_class`, or set `cache` to disk"
        )
