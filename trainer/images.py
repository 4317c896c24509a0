"""Image files decoded once, in parallel, into one uint8 tensor."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from taxonomy import HiertaxError


class UndecodableImageError(HiertaxError):
    """An image file that cannot be read or decoded."""


def decode(path: Path, size: int) -> NDArray[np.uint8]:
    """Decode an image file to RGB at exactly ``size x size``, whatever its aspect (the paper's recipe).

    Returns
    -------
    uint8 ``[3, size, size]``

    Raises
    ------
    UndecodableImageError
        If it cannot be read or decoded: the file and the reason.
    """
    try:
        with Image.open(path) as image:
            image.info.pop("transparency", None)  # we pass over it; of some palettes Pillow would warn
            pixels = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableImageError(f"{path}: cannot be decoded ({error}); replace the file") from None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def load_images(
    paths: Sequence[Path],
    size: int,
    *,
    skip_bad: bool = False,
    on_image: Callable[[], None] = lambda: None,
) -> tuple[Tensor, list[int]]:
    """Decode many files on all cores.

    Parameters
    ----------
    skip_bad
        Whether to go on without the files that cannot be decoded.
    on_image
        Called after each file.

    Returns
    -------
    images
        uint8 ``[N, 3, size, size]``.
    kept
        The positions in `paths` of the N images.

    Raises
    ------
    HiertaxError
        If a file cannot be decoded and `skip_bad` is false, none can be decoded, or memory is too small.
    """
    _check_memory(len(paths), size)
    images = torch.empty(len(paths), 3, size, size, dtype=torch.uint8)

    def place(i: int) -> bool:
        try:
            images[i] = torch.from_numpy(decode(paths[i], size))
        except UndecodableImageError:
            if not skip_bad:
                raise
            return False
        finally:
            on_image()
        return True

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            good = list(pool.map(place, range(len(paths))))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    kept = [i for i, ok in enumerate(good) if ok]
    if not kept:
        raise HiertaxError(f"{paths[0].parent if paths else 'dataset'}: not one image could be decoded")
    return (images if len(kept) == len(paths) else images[kept]), kept


def _check_memory(count: int, size: int) -> None:
    """Refuse before the machine starts to swap."""
    needed, free = count * 3 * size * size, psutil.virtual_memory().available
    if needed > 0.9 * free:
        raise HiertaxError(
            f"{count} images of {size} px need {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; "
            "lower --image-size or --limit-per-class"
        )
