"""Shards: files that hold many images each, tar files as WebDataset has them and Parquet tables with image bytes.

An image in a shard has an address: the shard's path, and below it the member's name or the number of the row, from 0,
such as ``train/000.tar/0001.jpg`` or ``train.parquet/4711``. An address stands wherever the path of an image may stand.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from taxonomy.datasets import parquet_shards, tar_shards
from taxonomy.datasets.conventions import is_hidden, split_named, suffix
from taxonomy.datasets.dataset import IntArray
from taxonomy.datasets.listing import entries, folders_in
from taxonomy.datasets.notes import few
from taxonomy.errors import HiertaxError

SUFFIXES: Final = (".tar", ".parquet")
_INSIDE: Final = re.compile(r"\.(?:tar|parquet)/", re.IGNORECASE)
_WORDS: Final = re.compile(r"[^\W_]+")


class Address(NamedTuple):
    """Where an image lies: the file, and what names the image in it."""

    shard: str
    name: str


def address(path: str | os.PathLike[str]) -> Address | None:
    """Return the address that a path is; None where it is that of a file of its own."""
    text = os.fspath(path)
    for match in _INSIDE.finditer(text):
        if _is_file(text[: match.end() - 1]):
            return Address(text[: match.end() - 1], text[match.end() :])
    return None


def _is_file(path: str) -> bool:
    try:
        return _known_file(path)
    except FileNotFoundError:
        return False


@lru_cache(maxsize=4096)
def _known_file(path: str) -> bool:
    if not Path(path).is_file():
        raise FileNotFoundError(path)  # which is not remembered: it may come
    return True


def open_image(path: Path) -> Path | io.BytesIO:
    """Return what an image is to be read from: the path of a file of its own, or the bytes of one in a shard.

    Raises
    ------
    OSError, ValueError
        If the shard cannot be read, or has no such image.
    """
    found = address(path)
    if found is None:
        return path
    read = tar_shards.read_member if _is_tar(found.shard) else parquet_shards.read_row
    try:
        return io.BytesIO(read(found.shard, found.name))
    except HiertaxError as error:  # of the shard, where one of the image is looked for
        raise OSError(str(error)) from None


def image_bytes(path: Path) -> bytes:
    """Return the bytes of an image, in a file of its own or in a shard.

    Raises
    ------
    OSError, ValueError
        As `open_image`.
    """
    found = open_image(path)
    return found.getvalue() if isinstance(found, io.BytesIO) else found.read_bytes()


def is_shard(path: Path) -> bool:
    """Tell whether a path is that of a file that holds images: a tar file, or Parquet with a column of images.

    Raises
    ------
    HiertaxError
        If it is Parquet and pyarrow is not there, or cannot read it.
    """
    kind = suffix(path.name)
    return path.is_file() and (kind == ".tar" or (kind == ".parquet" and parquet_shards.holds_images(path)))


def images_in(shard: Path) -> list[Path]:
    """Return the addresses of the images in a shard, in its order.

    Raises
    ------
    HiertaxError
        If it cannot be read, or holds no image.
    """
    tar = _is_tar(str(shard))
    names = tar_shards.read_index(shard).images if tar else range(parquet_shards.read_groups(shard).rows)
    if not len(names):
        raise HiertaxError(f"{shard}: no images in this shard; name another")
    return [shard / str(name) for name in names]


def chunks_of(paths: Sequence[Path]) -> IntArray | None:
    """Return for each image its shard and the part of it that is read at once, both counted through all shards.

    A part is a row group of Parquet, or some hundred images of a tar file, in its order.

    Returns
    -------
    int64 ``[N, 2]``, or None where an image is a file of its own.
    """
    shards: dict[str, int] = {}
    chunk_of: dict[str, Callable[[str], int]] = {}
    places = np.empty((len(paths), 2), dtype=np.int64)
    for i, path in enumerate(paths):
        if (found := address(path)) is None:
            return None
        if found.shard not in shards:
            shards[found.shard] = len(shards)
            chunk_of[found.shard] = (tar_shards if _is_tar(found.shard) else parquet_shards).chunks(found.shard)
        places[i] = shards[found.shard], chunk_of[found.shard](found.name)
    return places


def find_shards(root: Path, kind: str) -> list[str]:
    """Return the shards of a suffix in a folder and in those within it, two deep: paths from it, sorted."""
    found: list[str] = []
    pending = [("", root)]
    while pending:
        prefix, folder = pending.pop()
        files = [entry.name for entry in entries(folder) if suffix(entry.name) == kind and not is_hidden(entry.name)]
        found += [prefix + name for name in files if (folder / name).is_file()]
        if prefix.count("/") < 2:
            pending += [(f"{prefix}{entry.name}/", Path(entry.path)) for entry in folders_in(folder)]
    return sorted(found)


def splits_of(root: Path, shards: Sequence[str]) -> list[str]:
    """Return the split that each shard is of, by its name (``train-000.tar``) or else its folder; none where all lack.

    Raises
    ------
    HiertaxError
        If a name stands for two splits, or for none beside others that do.
    """
    splits = [_split_of(root, shard) for shard in shards]
    if all(split is None for split in splits):
        return []
    if lacking := [shard for shard, split in zip(shards, splits, strict=True) if split is None]:
        other = next(shard for shard, split in zip(shards, splits, strict=True) if split)
        raise HiertaxError(
            f"{root}: {few(lacking, 3)} says of no split that it is, as {other!r} does; rename it, or move it elsewhere"
        )
    return [split for split in splits if split]


def _split_of(root: Path, shard: str) -> str | None:
    *folders, name = shard.split("/")
    for part in (name.partition(".")[0], *reversed(folders)):
        meant = {split for word in _WORDS.findall(part) if (split := split_named(word))}
        if len(meant) > 1:
            raise HiertaxError(f"{root / shard}: the name stands for {' and '.join(sorted(meant))}; rename it")
        if meant:
            return meant.pop()
    return None


def _is_tar(shard: str) -> bool:
    return shard[-4:].casefold() == ".tar"
