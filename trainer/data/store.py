"""Images decoded once and kept on disk as one uint8 array.

An entry of the cache is a folder named by what was decoded and how. It holds ``images.npy``, the array, and
``about.json``. It is built beside its place and renamed as a whole: what lies in its place is complete.
"""

from __future__ import annotations

import io
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import HiertaxError
from trainer.data.images import decode_all, on_all_cores
from trainer.runtime.progress import Reporter

FORMAT: Final = "hiertax-images"
VERSION: Final = 2  # grows whenever the same files would give other pixels
FILTER: Final = "bilinear"


class UnusableCacheError(HiertaxError):
    """A cache folder that cannot take what is to be kept in it."""


class _About(msgspec.Struct):
    """What ``about.json`` says of the array beside it."""

    format: str
    version: int
    source: str
    size: int
    count: int
    left_out: list[int]


def cache_root() -> Path:
    """Return the folder of all entries: HIERTAX_CACHE, or a place in the user's cache."""
    if named := os.environ.get("HIERTAX_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hiertax" / "images"


def decode_once(
    paths: Sequence[Path], size: int, *, skip_bad: bool, what: str, reporter: Reporter
) -> tuple[Tensor, list[int]]:
    """Decode images into the cache unless they are there, and map them into memory.

    Of several processes that ask for the same images one decodes, and the others wait for it.

    Returns
    -------
    images
        uint8 ``[M, 3, size, size]``, not to be written to.
    kept
        The positions in `paths` of the M images.

    Raises
    ------
    UnusableCacheError
        If the cache's folder cannot be written, or has no room.
    HiertaxError
        As `decode_all` does.
    """
    with reporter.images(f"looking for decoded {what} images", len(paths)) as advance:
        folder = cache_root() / fingerprint(paths, size, on_image=advance)
    found = _find(folder, len(paths), size, skip_bad)
    if found is not None:
        return found
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder, what, reporter):
            found = _find(folder, len(paths), size, skip_bad, on_damage=reporter.say)
            if found is None:
                _build(folder, paths, size, skip_bad, what, reporter)
                found = _read(folder, len(paths), size, skip_bad)
            return found
    except OSError as error:
        raise UnusableCacheError(
            f"{folder.parent}: decoded images cannot be kept there ({error.strerror or error}); "
            "set HIERTAX_CACHE to a folder with room"
        ) from None


def fingerprint(paths: Sequence[Path], size: int, on_image: Callable[[], object] = lambda: None) -> str:
    """Return the name of an entry: a hash of what the files hold, in their order, and of how they are decoded."""
    whole = blake2b(f"{FORMAT} {VERSION} {FILTER} {size}".encode(), digest_size=16)
    for digest in on_all_cores(_digest, paths):
        whole.update(digest)
        on_image()
    return whole.hexdigest()


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file_digest(file, blake2b).digest()
    except OSError:
        return bytes(blake2b.MAX_DIGEST_SIZE)  # to be reported, or left out, by who decodes it


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
) -> tuple[Tensor, list[int]] | None:
    """Return what an entry holds, or None where there is none that is whole."""
    try:
        return _read(folder, count, size, skip_bad)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        if folder.exists():
            on_damage(f"{folder}: {error}; decoding anew")
        return None


def _read(folder: Path, count: int, size: int, skip_bad: bool) -> tuple[Tensor, list[int]]:
    """Map an entry into memory; raise OSError, ValueError or DecodeError where it is not whole."""
    about = msgspec.json.decode((folder / "about.json").read_bytes(), type=_About)
    if (about.format, about.version, about.count, about.size) != (FORMAT, VERSION, count, size):
        raise ValueError("about.json is of other images")
    if about.left_out and not skip_bad:
        raise ValueError(f"{len(about.left_out)} images were left out")
    kept = sorted(set(range(count)) - set(about.left_out))
    return _map(folder / "images.npy", len(kept), size), kept


def _map(path: Path, count: int, size: int) -> Tensor:
    """Map ``images.npy`` into memory.

    It is mapped for reading only: of memory that could be written, Linux grants no more than the machine has.
    """
    header = _header(count, size)
    with path.open("rb") as file:
        if file.read(len(header)) != header or path.stat().st_size != len(header) + array_bytes(count, size):
            raise ValueError("images.npy is damaged")
    array = np.memmap(path, np.uint8, mode="r", offset=len(header), shape=(count, 3, size, size))
    with warnings.catch_warnings(action="ignore"):  # Torch warns that it cannot be written
        return torch.from_numpy(array)


def _build(folder: Path, paths: Sequence[Path], size: int, skip_bad: bool, what: str, reporter: Reporter) -> None:
    """Decode all images beside the entry's place, then put them there as a whole."""
    needed, free = array_bytes(len(paths), size), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise OSError(f"{needed / 1e9:.2f} GB needed, {free / 1e9:.2f} GB free")
    reporter.say(f"{what}: {len(paths):,} images of {size} px, {needed / 1e9:.2f} GB, decoded once into {folder}")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a build that was killed: no other process is at work here
    try:
        part.mkdir()
        with reporter.images(f"decoding {what} images", len(paths)) as advance:
            images = decode_all(paths, size, skip_bad=skip_bad, on_image=advance)
            kept = _write_images(part / "images.npy", images, size)
        _write_about(part / "about.json", paths, size, kept)
        shutil.rmtree(folder, ignore_errors=True)  # what was damaged
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


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


def _write_about(path: Path, paths: Sequence[Path], size: int, kept: Sequence[int]) -> None:
    source = os.path.commonpath([path.absolute().parent for path in paths])
    left_out = sorted(set(range(len(paths))) - set(kept))
    with path.open("wb") as file:
        file.write(msgspec.json.encode(_About(FORMAT, VERSION, source, size, len(paths), left_out)))
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
