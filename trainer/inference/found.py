"""The image files that paths stand for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from taxonomy import HiertaxError
from trainer.data.datasets import IMAGE_SUFFIXES


@dataclass(frozen=True)
class FoundImages:
    """Image files, and what was passed over on the way, one line each."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def find_images(paths: Iterable[str | Path]) -> FoundImages:
    """Return the given files, and all image files below the given folders, sorted within each folder.

    Raises
    ------
    HiertaxError
        If a folder holds no image.
    """
    return FoundImages(tuple(image for path in map(Path, paths) for image in _below(path)))


def _below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    images = sorted(file for file in _files(path, set()) if file.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise HiertaxError(f"{path}: no images in this folder; name image files or a folder of them")
    yield from images


def _files(folder: Path, above: set[str]) -> Iterator[Path]:
    """Yield all files below a folder, links followed, but not in a circle."""
    place = os.path.realpath(folder)
    if place in above:
        raise HiertaxError(f"{folder}: a link to a folder above it; remove the link")
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, above | {place})
        else:
            yield entry
