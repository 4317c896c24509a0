"""The images that are meant by paths of files, folders and shards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from taxonomy.datasets.listing import is_folder, list_images, passed_over
from taxonomy.datasets.shards import SUFFIXES, find_shards, images_in, is_shard
from taxonomy.errors import HiertaxError


@dataclass(frozen=True)
class FoundImages:
    """Image files, and what was passed over on the way, one line each."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


def find_images(paths: Iterable[str | Path]) -> FoundImages:
    """Return the given files, and all images in the given folders and shards, in the order of their names or as stored.

    A file that is named is taken whatever its suffix, and HEIF in a folder too. In a folder without image files, shards
    are looked for.

    Raises
    ------
    HiertaxError
        If a path does not exist, a folder or shard cannot be read or holds no image, or links lead in a circle.
    """
    images: list[Path] = []
    listings = []
    for path in map(Path, paths):
        if not is_folder(path):
            if not path.exists():
                raise HiertaxError(f"{path}: no such file or folder; check the path")
            images += images_in(path) if is_shard(path) else [path]
            continue
        found = list_images(path, heif=True)
        if not found.images and (shards := _shards_in(path)):
            images += [image for shard in shards for image in images_in(shard)]
            continue
        listings.append(found)
        if not found.images:
            told = "".join(f" ({note})" for note in passed_over([found])[:1])
            raise HiertaxError(f"{path}: no images in this folder{told}; name image files or a folder of them")
        images += sorted(path / folder / name for folder, names in found.images.items() for name in names)
    return FoundImages(tuple(images), tuple(passed_over(listings)))


def _shards_in(folder: Path) -> list[Path]:
    shards = [folder / shard for kind in SUFFIXES for shard in find_shards(folder, kind)]
    return [shard for shard in shards if is_shard(shard)]
