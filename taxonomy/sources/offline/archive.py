"""The files of a folder, a zip or a tar archive as guarded streams: nothing is ever unpacked to disk.

A stream ends in one line of error where the archive is damaged, holds far more than its size allows for, or
is no table (bytes that never end a line, NUL bytes).
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final

from taxonomy.download.unpacking import DAMAGE
from taxonomy.errors import HiertaxError

MOST_BYTES: Final = 8 << 30  # of one file; GBIF's largest has 2.5 GB
MOST_MEMBERS: Final = 10_000
RATIO: Final = 200  # times that an archive may unpack to its size; tables come to 5 to 30, zeros to 1000
SMALL: Final = 64 << 20  # bytes that any archive may unpack to
LONGEST_LINE: Final = 4 << 20
BUFFER: Final = 1 << 20
LARGEST_READ: Final = 16 << 20  # at a time from a tar archive; only a forged header asks for more
_BROKEN: Final = (*DAMAGE, zipfile.BadZipFile, lzma.LZMAError, NotImplementedError, RuntimeError)
_OPENERS: Final[dict[bytes, Callable[[IO[bytes]], IO[bytes]]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),  # type: ignore[dict-item,return-value]
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


class HostileError(Exception):
    """What an archive holds is not what such an archive holds; the text says what."""


class Stream(io.RawIOBase):
    """A file of an archive, read forwards, guarded.

    Attributes
    ----------
    name
        Its name without folders.
    date
        When it was last changed, as its archive says: ``YYYY-MM-DD``.
    tail
        What was read after the last end of a line; of a whole file nothing, or its last line.
    """

    def __init__(self, path: Path, file: IO[bytes], name: str, date: str, most: int) -> None:
        self.path, self.file, self.name, self.date = path, file, name, date
        self._left, self.tail = most, b""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read up to the size of the buffer.

        Raises
        ------
        HiertaxError
            If the archive is damaged or hostile.
        """
        with _one_line(self.path):
            chunk = self.file.read(len(buffer))
            self._check(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _check(self, chunk: bytes) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise HostileError(f"{self.name} unpacks to far more than the size of the archive")
        if b"\0" in chunk:
            raise HostileError(f"{self.name} holds NUL bytes and is no table in UTF-8")
        end = chunk.rfind(b"\n")
        self.tail = self.tail + chunk if end < 0 else chunk[end + 1 :]
        if len(self.tail) > LONGEST_LINE:
            raise HostileError(f"{self.name} has a line of more than {LONGEST_LINE >> 20} MiB and is no table")

    def buffered(self) -> io.BufferedReader:
        """Return it as a buffered binary file."""
        return io.BufferedReader(self, BUFFER)


class _one_line:  # noqa: N801 - a context manager
    """Turn whatever reading an archive raises into one line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, HostileError):
            raise HiertaxError(f"{self.path}: {error}; fetch the archive again from its publisher") from None
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile) and error.strerror:
            raise HiertaxError(f"{self.path}: {error.strerror}; check the path") from None
        if isinstance(error, (*_BROKEN, OSError)):
            reason = str(error).strip() or type(error).__name__
            raise HiertaxError(f"{self.path}: cut short, damaged or no archive ({reason}); fetch it again") from None


def streams(path: Path, wanted: Callable[[str], bool]) -> Iterator[Stream]:
    """Yield the wanted files of a folder or an archive, in its own order; read each before taking the next.

    Parameters
    ----------
    path
        A folder, a zip archive, or a tar archive as such or in gzip, bzip2 or xz.
    wanted
        Tells of a file's name (without folders) whether to yield it.

    Raises
    ------
    HiertaxError
        If it cannot be read, is damaged, holds a wanted file twice, or holds what such archives do not: members
        that lead elsewhere, links, or far more bytes than its size allows for.
    """
    seen: set[str] = set()
    with _one_line(path):
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise HostileError("no file and no folder")  # opening a pipe would wait for ever
        kind = _of_folder if path.is_dir() else _of_zip if zipfile.is_zipfile(path) else _of_tar
        for stream in kind(path, wanted):
            if stream.name in seen:
                raise HostileError(f"holds {stream.name} twice")
            seen.add(stream.name)
            yield stream


def fingerprint(path: Path, names: Callable[[str], bool]) -> dict[str, str]:
    """Return the SHA-256 of an archive, or of each wanted file of a folder."""
    with _one_line(path):
        if not path.is_dir():
            return {path.name: _digest(path)}
        return {file.name: _digest(file) for file in sorted(path.iterdir()) if file.is_file() and names(file.name)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of_folder(path: Path, wanted: Callable[[str], bool]) -> Iterator[Stream]:
    for file in sorted(path.iterdir()):
        if file.is_file() and wanted(file.name):
            if file.stat().st_size > MOST_BYTES:
                raise HostileError(f"{file.name} is larger than {MOST_BYTES >> 30} GiB")
            day = datetime.fromtimestamp(file.stat().st_mtime, UTC).strftime("%Y-%m-%d")
            with file.open("rb") as opened:
                yield Stream(path, opened, file.name, day, MOST_BYTES)


def _of_zip(path: Path, wanted: Callable[[str], bool]) -> Iterator[Stream]:
    most = _most(path)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise HostileError(f"holds more than {MOST_MEMBERS} files")
        for member in members:
            is_link = stat.S_ISLNK(member.external_attr >> 16)
            _check_member(member.orig_filename, member.file_size, is_link=is_link)
        for member in members:
            name = PurePosixPath(member.filename).name
            if not member.is_dir() and wanted(name):
                day = "{:04}-{:02}-{:02}".format(*member.date_time[:3])
                with archive.open(member) as file:
                    yield Stream(path, file, name, day, min(most, MOST_BYTES))


def _of_tar(path: Path, wanted: Callable[[str], bool]) -> Iterator[Stream]:
    most = _most(path)
    with path.open("rb") as packed:
        start = packed.read(8)
        packed.seek(0)
        unpack = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
        bounded = _Bounded(unpack(packed) if unpack else packed, most)
        with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]  # reads, seeks and tells
            for count, member in enumerate(tar, start=1):
                if count > MOST_MEMBERS:
                    raise HostileError(f"holds more than {MOST_MEMBERS} files")
                is_link = not (member.isreg() or member.isdir()) or member.issparse()
                _check_member(member.name, member.size, is_link=is_link)
                name = PurePosixPath(member.name).name
                file = tar.extractfile(member) if member.isreg() and wanted(name) else None
                if file is not None:
                    day = datetime.fromtimestamp(member.mtime, UTC).strftime("%Y-%m-%d")
                    yield Stream(path, file, name, day, MOST_BYTES)
            bounded.most = min(most, bounded.place + SMALL)
            while bounded.read(BUFFER):  # the checksum stands behind all that tar reads
                pass


def _check_member(name: str, size: int, *, is_link: bool) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name[:3]:
        raise HostileError(f"its member {name!r} leads out of the archive")
    if is_link:
        raise HostileError(f"its member {name!r} is a link, a device or a sparse file")
    if size > MOST_BYTES:
        raise HostileError(f"its member {name!r} claims {size / 1e9:.1f} GB")


def _most(path: Path) -> int:
    return SMALL + RATIO * path.stat().st_size


class _Bounded:
    """A file that gives out no more than `most` bytes, nor many at once."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file, self.most, self.place = file, most, 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise HostileError("a header of absurd size")
        chunk = self.file.read(size)
        self.place += len(chunk)
        if self.place > self.most:
            raise HostileError("unpacks to far more than its size")
        return chunk

    def seek(self, place: int) -> int:
        if place > self.most:
            raise HostileError("unpacks to far more than its size")
        self.place = self.file.seek(place)
        return self.place

    def tell(self) -> int:
        return self.place
