"""The cache's folder: which entries of decoded images, and of their features, it has, and which have to go.

An entry in use is never removed: a process that works with its images holds a shared lock on ``images.npy``, which ends
with the process, however that ends; one that builds an entry holds the lock beside it.
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec
from filelock import FileLock, Timeout

from taxonomy import HiertaxError

try:
    import fcntl
except ImportError:  # Windows, where a file that is mapped cannot be removed
    fcntl = None  # type: ignore[assignment]

IMAGES_FORMAT, FEATURES_FORMAT = "hiertax-images", "hiertax-features"
VERSIONS: Final = {IMAGES_FORMAT: 3, FEATURES_FORMAT: 1}  # grow whenever the same files would give other numbers
ABOUT, IMAGES, FEATURES = "about.json", "images.npy", "features.npy"
DIGESTS: Final = "digests"  # the folder of what is remembered of files, see `trainer.data.digests`
_NAME: Final = 32  # hexadecimal digits in the name of an entry


class UnusableCacheError(HiertaxError):
    """A cache folder that cannot take what is to be kept in it."""


class About(msgspec.Struct):
    """What ``about.json`` says of the array beside it."""

    format: str
    version: int
    source: str
    size: int
    count: int
    left_out: list[int]
    what: str = ""


@dataclass(frozen=True)
class Entry:
    """A folder of the cache.

    Attributes
    ----------
    folder
        Where it lies.
    about
        What it holds; None where that cannot be read, as of a build that was killed.
    bytes
        How much it takes.
    used
        When it was used last, seconds since 1970.
    """

    folder: Path
    about: About | None
    bytes: int
    used: float

    @property
    def name(self) -> str:
        """The name of the entry, 32 hexadecimal digits."""
        return self.folder.name.removeprefix(".").partition(".")[0]

    @property
    def is_current(self) -> bool:
        """Whether images are still decoded as these were; what is not current is never used again."""
        return self.about is not None and VERSIONS.get(self.about.format) == self.about.version


def list_entries(root: Path) -> list[Entry]:
    """Return the entries of a cache, the one that was used last first; nothing else that lies there is one.

    Raises
    ------
    HiertaxError
        If the folder is there and cannot be read.
    """
    try:
        folders = [Path(item.path) for item in os.scandir(root) if item.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HiertaxError(f"{root}: cannot be read: {error.strerror or error}; check HIERTAX_CACHE") from None
    return sorted(filter(None, map(_entry, folders)), key=lambda entry: -entry.used)


def select_entries(entries: Sequence[Entry], names: Sequence[str]) -> list[Entry]:
    """Return the entries that names mean: how the name of an entry begins, or a folder that its images lie in.

    Raises
    ------
    HiertaxError
        If a name means none.
    """
    meant = {name: [entry for entry in entries if _is_meant(entry, name)] for name in names}
    if lost := [name for name, found in meant.items() if not found]:
        raise HiertaxError(f"{lost[0]}: no entry of the cache begins so or is of such a folder; list all of them")
    chosen = {entry.folder for found in meant.values() for entry in found}
    return [entry for entry in entries if entry.folder in chosen]


def _is_meant(entry: Entry, name: str) -> bool:
    folder = Path(name).absolute()
    return bool(name) and (
        entry.name.startswith(name) or (entry.about is not None and Path(entry.about.source).is_relative_to(folder))
    )


def _entry(folder: Path) -> Entry | None:
    name = folder.name.removeprefix(".").partition(".")[0]
    if len(name) != _NAME or not set(name) <= set("0123456789abcdef"):
        return None
    about = None
    with suppress(OSError, msgspec.DecodeError):
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    paths = (folder, *(folder / name for name in (ABOUT, IMAGES, FEATURES)))
    files = [status for path in paths if (status := _status(path))]
    if not files:
        return None  # removed meanwhile
    return Entry(folder, about, sum(s.st_size for s in files[1:]), max(s.st_mtime for s in files))


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def mark_used(folder: Path) -> None:
    """Note that an entry is used now; where nobody may write, its age counts from when it was made."""
    with suppress(OSError):
        os.utime(folder / ABOUT)


def hold(file: IO[bytes]) -> mmap.mmap:
    """Mark a file as in use for as long as what is returned, or any other mapping of the open file, is there."""
    if fcntl is not None:
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)  # which has a handle of its own


@contextmanager
def built_beside(folder: Path, part: Path) -> Iterator[Path]:
    """Give an empty folder to build an entry in, which takes its place as a whole once that has not failed.

    Parameters
    ----------
    folder
        The entry's place; what lies there is replaced.
    part
        The folder to build in, beside it, which nobody else uses; what a build that was killed has left is removed.
    """
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        yield part
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def make_room(folder: Path, limit: float, needed: int, say: Callable[[str], object]) -> None:
    """Remove the entries that were used least recently, until no more than a limit lies there.

    Parameters
    ----------
    folder
        The entry that is wanted, which stays.
    limit
        Gigabytes that all entries may take.
    needed
        Bytes of the entry if it is yet to be built, else 0.

    Raises
    ------
    UnusableCacheError
        If `needed` does not fit beside what is in use.
    """
    if needed > 1e9 * limit:
        raise UnusableCacheError(f"`cache_limit` {limit:g}: {needed / 1e9:.2f} GB are needed; raise it")
    entries = list_entries(folder.parent)
    total = needed + sum(entry.bytes for entry in entries if entry.folder != folder or not needed)
    gone = []
    for entry in reversed(entries):
        if total > 1e9 * limit and entry.folder != folder and remove(entry):
            total -= entry.bytes
            gone.append(entry)
    if gone:
        why = f"removed, least recently used first, to stay within `cache_limit` {limit:g}"
        say(f"{folder.parent}: {counted(gone)} {why}")
    if needed and total > 1e9 * limit:
        used = (total - needed) / 1e9
        raise UnusableCacheError(f"`cache_limit` {limit:g}: {needed / 1e9:.2f} GB are needed, {used:.2f} GB are in use")


def counted(entries: Sequence[Entry]) -> str:
    """Return how many entries these are and what they take."""
    noun = "entry" if len(entries) == 1 else "entries"
    return f"{len(entries)} {noun} of decoded images or features ({sum(entry.bytes for entry in entries) / 1e9:.2f} GB)"


def remove(entry: Entry) -> bool:
    """Remove an entry unless it is in use; return whether it is gone."""
    try:
        with _alone(entry), _unused(entry):
            gone = entry.folder.with_name(f".{entry.name}.{os.getpid()}.gone")
            entry.folder.rename(gone)  # at once, so that nobody finds half of it
    except (OSError, Timeout):
        return not entry.folder.exists()
    shutil.rmtree(gone, ignore_errors=True)
    return True


@contextmanager
def _alone(entry: Entry) -> Iterator[None]:
    """Hold the lock of who builds an entry; raise Timeout where somebody does."""
    with FileLock(entry.folder.with_name(f"{entry.name}.lock"), timeout=0):
        yield


@contextmanager
def _unused(entry: Entry) -> Iterator[None]:
    """Lock the images of an entry; raise OSError where they are in use."""
    if fcntl is None or not (entry.folder / IMAGES).exists():
        yield
        return
    with (entry.folder / IMAGES).open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
