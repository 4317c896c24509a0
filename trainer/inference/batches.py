"""Images as a user gives them, decoded a batch at a time, so that never all of them are in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from taxonomy import HiertaxError
from taxonomy.datasets import find_images
from taxonomy.datasets.shards import is_shard
from taxonomy.pixels import UNREADABLE
from taxonomy.threads import cores, in_threads
from trainer.data.images import UndecodableImageError, decode, to_pixels
from trainer.runtime.processes import on_this_machine

AHEAD = 2  # batches that are decoded before they are asked for

ImageLike: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[np.uint8]
Images: TypeAlias = ImageLike | Iterable[ImageLike]


@dataclass(frozen=True)
class Batch:
    """B decoded images: what they are called, and uint8 ``[B, 3, S, S]``."""

    names: tuple[str, ...]
    pixels: Tensor


class _Named(NamedTuple):
    name: str
    image: Path | Image.Image


_Decoded: TypeAlias = tuple[str, NDArray[np.uint8]]


def refuse(_name: str, error: UndecodableImageError) -> None:
    """Stop at an image that cannot be decoded."""
    raise error


def decoded_batches(
    images: Images,
    size: int,
    batch_size: int,
    on_bad: Callable[[str, UndecodableImageError], None] = refuse,
    *,
    ahead: bool = True,
) -> Iterator[Batch]:
    """Decode images on all cores, no more than two batches ahead of whoever takes them.

    Parameters
    ----------
    images
        A path of an image, or of a folder, which stands for all images below it; a Pillow image; a uint8 array
        ``[H, W, 3]``, ``[H, W]`` (grey) or ``[N, H, W, 3]``; or any iterable of these, such as a generator.
    size
        The height and width S to resize them to.
    batch_size
        How many make a batch; the last one may have fewer.
    on_bad
        Called with the name of an image that cannot be decoded, and the error; the image is then left out.
    ahead
        Whether to decode while a batch is in use. Not where that takes the same cores: of a network's threads all wait
        for the one that shares its core with a decoder.

    Raises
    ------
    HiertaxError
        If something is none of these, a folder cannot be read or holds no image; and whatever `on_bad` raises.
    """
    given, threads = _one_by_one(images), max(1, cores() // on_this_machine())

    def good(some: Iterable[_Named], ready: int) -> Iterator[_Decoded]:
        for name, pixels in in_threads(partial(_attempt, size=size), some, threads=threads, ahead=ready):
            if isinstance(pixels, UndecodableImageError):
                on_bad(name, pixels)
            else:
                yield name, pixels

    def in_turn() -> Iterator[list[_Decoded]]:
        batch: list[_Decoded] = []
        while chunk := list(islice(given, batch_size - len(batch))):
            batch += good(chunk, len(chunk))
            if len(batch) == batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    # So far ahead that no core waits while the network is at work on a batch.
    whole = good(given, max(4 * cores(), AHEAD * batch_size))
    for batch in iter(lambda: list(islice(whole, batch_size)), []) if ahead else in_turn():
        names, pixels = zip(*batch, strict=True)
        yield Batch(names, torch.from_numpy(np.stack(pixels)))


def _attempt(given: _Named, size: int) -> tuple[str, NDArray[np.uint8] | UndecodableImageError]:
    try:
        return given.name, _decode(given, size)
    except UndecodableImageError as error:
        return given.name, error
    except MemoryError:
        return given.name, UndecodableImageError(f"{given.name}: cannot be decoded (too large); make it smaller")


def _decode(given: _Named, size: int) -> NDArray[np.uint8]:
    if isinstance(given.image, Path):
        return decode(given.image, size)
    try:
        return to_pixels(given.image, size)
    except UNREADABLE as error:
        raise UndecodableImageError(f"{given.name}: cannot be decoded ({error}); replace the image") from None


def _one_by_one(images: Images) -> Iterator[_Named]:
    """Yield image after image: folders opened, arrays of several taken apart, those without a name numbered."""
    alone = isinstance(images, str | os.PathLike | Image.Image | np.ndarray)
    several: Iterable[Any] = images if isinstance(images, Iterable) and not alone else [images]
    at = 0
    for given in several:
        for named in _named(given, at):
            yield named
            at += 1


def _named(given: Any, at: int) -> Iterator[_Named]:
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        yield from (_Named(str(file), file) for file in _images_of(path))
    elif isinstance(given, Image.Image):
        with suppress(*UNREADABLE):  # decoding it will raise the same
            given.load()  # here, since it may not be read by two threads at once
        yield _Named(str(getattr(given, "filename", "") or f"image {at}"), given)
    elif isinstance(given, np.ndarray) and given.dtype == np.uint8 and _is_image(given.shape):
        each = given if given.ndim == 4 else given[None]
        yield from (_Named(f"image {at + i}", Image.fromarray(pixels)) for i, pixels in enumerate(each))
    else:
        is_array = isinstance(given, np.ndarray)
        found = f"{given.dtype} {list(given.shape)}" if is_array else f"{type(given).__name__}"
        raise HiertaxError(
            f"image {at}: expected a path, a Pillow image or a uint8 array [H, W, 3], [H, W] or [N, H, W, 3], "
            f"found {'an array ' if is_array else ''}{found}; convert it"
        )


def _images_of(path: Path) -> Sequence[Path]:
    return find_images([path]).paths if path.is_dir() or is_shard(path) else [path]


def _is_image(shape: tuple[int, ...]) -> bool:
    of_colours = len(shape) in (3, 4) and shape[-1] == 3
    return (of_colours or len(shape) == 2) and min(shape) > 0
