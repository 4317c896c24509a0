"""Images decoded once and kept on disk as one uint8 array.

An entry of the cache is a folder named by what was decoded and how. It holds ``images.npy``, the array, and
``about.json``. It is built beside its place and renamed as a whole: what lies in its place is complete.
"""

from __future__ import annotations

import io
import mmap
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from torch import Tensor

from taxonomy.datasets.notes import counted
from taxonomy.files import cache_root
from trainer.data.boxes import box_words
from trainer.data.digests import common_folder, content_digests
from trainer.data.entries import (
    ABOUT,
    DIGESTS,
    IMAGES,
    IMAGES_FORMAT,
    VERSIONS,
    About,
    UnusableCacheError,
    built_beside,
    hold,
    make_room,
    mark_used,
)
from trainer.data.images import decode_all
from trainer.runtime.progress import Reporter

FILTER: Final = "bilinear"


class Decoded(NamedTuple):
    """Decoded images.

    Attributes
    ----------
    images
        uint8 ``[M, 3, size, size]``, not to be written to.
    kept
        The positions of the M images among the files asked for.
    in_use
        What keeps the entry from being removed while it is there.
    """

    images: Tensor
    kept: list[int]
    in_use: mmap.mmap


def decode_once(
    paths: Sequence[Path], size: int, *, skip_bad: bool, what: str, reporter: Reporter, limit: float | None = None
) -> Decoded:
    """Decode images into the cache unless they are there, and map them into memory.

    Of several processes that ask for the same images one decodes, and the others wait for it.

    Parameters
    ----------
    limit
        Gigabytes that all entries of the cache may take; those used least recently make room.

    Raises
    ------
    UnusableCacheError
        If the cache's folder cannot be written, or has no room.
    HiertaxError
        As `decode_all` does.
    """
    with reporter.images(f"looking for decoded {what} images", len(paths)) as advance:
        folder = cache_root() / fingerprint(paths, size, on_images=advance)
    found = _find(folder, len(paths), size, skip_bad)
    try:
        if found is None:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _alone(folder, what, reporter):
                found = _find(folder, len(paths), size, skip_bad, on_damage=reporter.say)
                if found is None:
                    if limit is not None:
                        make_room(folder, limit, array_bytes(len(paths), size), reporter.say)
                    _build(folder, paths, size, skip_bad, what, reporter)
                    return _read(folder, len(paths), size, skip_bad)
        if limit is not None:
            make_room(folder, limit, 0, reporter.say)
        return found
    except OSError as error:
        raise UnusableCacheError(
            f"{folder.parent}: decoded images cannot be kept there ({error.strerror or error}); "
            "set HIERTAX_CACHE to a folder with room"
        ) from None


def fingerprint(paths: Sequence[Path], size: int, on_images: Callable[[int], object] = lambda _: None) -> str:
    """Return the name of an entry: a hash of what the files hold, in their order, and of how they are decoded."""
    whole = blake2b(f"{IMAGES_FORMAT} {VERSIONS[IMAGES_FORMAT]} {FILTER} {size}".encode(), digest_size=16)
    whole.update(b"".join(content_digests(paths, cache_root() / DIGESTS, on_images)))
    whole.update(box_words(paths))
    return whole.hexdigest()


@contextmanager
def _alone(folder: Path, what: str, reporter: Reporter) -> Iterator[None]:
    """Keep other processes from building the same entry."""
    lock = FileLock(f"{folder}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        reporter.say(f"{what}: waiting for another process that decodes the same images")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _find(
    folder: Path, count: int, size: int, skip_bad: bool, on_damage: Callable[[str], None] = lambda _: None
) -> Decoded | None:
    """Return what an entry holds, and note that it is used, or None where there is none that is whole."""
    try:
        found = _read(folder, count, size, skip_bad)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        if folder.exists():
            on_damage(f"{folder}: {error}; decoding anew")
        return None
    mark_used(folder)
    return found


def _read(folder: Path, count: int, size: int, skip_bad: bool) -> Decoded:
    """Map an entry into memory; raise OSError, ValueError or DecodeError where it is not whole."""
    about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    if (about.format, about.version, about.count, about.size) != (IMAGES_FORMAT, VERSIONS[IMAGES_FORMAT], count, size):
        raise ValueError("about.json is of other images")
    if about.left_out and not skip_bad:
        raise ValueError(f"{len(about.left_out)} images were left out")
    kept = sorted(set(range(count)) - set(about.left_out))
    images, in_use = _map(folder / IMAGES, len(kept), size)
    return Decoded(images, kept, in_use)


def _map(path: Path, count: int, size: int) -> tuple[Tensor, mmap.mmap]:
    """Map ``images.npy`` into memory.

    It is mapped for reading only: of memory that could be written, Linux grants no more than the machine has.
    """
    header = _header(count, size)
    with path.open("rb") as file:
        if file.read(len(header)) != header or path.stat().st_size != len(header) + array_bytes(count, size):
            raise ValueError("images.npy is damaged")
        in_use = hold(file)
        array = np.memmap(file, np.uint8, mode="r", offset=len(header), shape=(count, 3, size, size))
    with warnings.catch_warnings(action="ignore"):  # Torch warns that it cannot be written
        return torch.from_numpy(array), in_use


def _build(folder: Path, paths: Sequence[Path], size: int, skip_bad: bool, what: str, reporter: Reporter) -> None:
    """Decode all images beside the entry's place, then put them there as a whole."""
    needed, free = array_bytes(len(paths), size), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise OSError(f"{needed / 1e9:.2f} GB needed, {free / 1e9:.2f} GB free")
    number = counted(len(paths), "image")
    reporter.say(f"{what}: {number} of {size} px, {needed / 1e9:.2f} GB, decoded once into {folder}")
    with built_beside(folder, folder.with_name(f".{folder.name}.part")) as part:  # no other process is at work here
        with reporter.images(f"decoding {what} images", len(paths)) as advance:
            images = decode_all(paths, size, skip_bad=skip_bad, on_image=advance)
            kept = _write_images(part / IMAGES, images, size)
        _write_about(part / ABOUT, paths, size, kept, what)


def _write_images(path: Path, images: Iterable[tuple[int, NDArray[np.uint8]]], size: int) -> list[int]:
    """Write images one after another as one array, and return their positions.

    They are written, not put into a memory map, where a full disk would kill the process.
    """
    kept: list[int] = []
    with path.open("wb") as file:
        file.write(_header(0, size))
        for i, pixels in images:
            file.write(pixels.data)
            kept.append(i)
        file.seek(0)
        file.write(_header(len(kept), size))
        file.flush()
        os.fsync(file.fileno())
    return kept


def _write_about(path: Path, paths: Sequence[Path], size: int, kept: Sequence[int], what: str) -> None:
    left_out = sorted(set(range(len(paths))) - set(kept))
    with path.open("wb") as file:
        about = About(IMAGES_FORMAT, VERSIONS[IMAGES_FORMAT], common_folder(paths), size, len(paths), left_out, what)
        file.write(msgspec.json.encode(about))
        file.flush()
        os.fsync(file.fileno())


def _header(count: int, size: int) -> bytes:
    """Return the header of the ``.npy`` file; NumPy leaves room in it for the count to grow, so all are of a length."""
    file = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": (count, 3, size, size)}
    np.lib.format.write_array_header_1_0(file, about)
    return file.getvalue()


def array_bytes(count: int, size: int) -> int:
    """Return how many bytes that many decoded images take."""
    return count * 3 * size * size
