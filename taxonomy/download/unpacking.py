"""Archives unpacked without trust, and a dataset put in its place whole or not at all."""

from __future__ import annotations

import filecmp
import gzip
import shutil
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Final

from taxonomy.download.sources import RemoteFile, Source
from taxonomy.errors import HiertaxError
from taxonomy.progress import Progress

GULP: Final = 1 << 14
LARGEST_READ: Final = 1 << 24  # bytes at a time from an archive; only a forged header asks for more
DAMAGE: Final = (  # whatever tarfile and gzip raise on bytes that are no archive
    tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, LookupError, OverflowError, RecursionError,
)  # fmt: skip


def put_in_place(source: Source, fetched: Sequence[Path], to: Path, progress: Progress) -> None:
    """Unpack the files of a dataset beside its place and rename what is in them into place, the dataset's folder last.

    Parameters
    ----------
    fetched
        Where each of the source's files lies.

    Raises
    ------
    HiertaxError
        If an archive is damaged, has a member that is neither file nor folder or that leaves the folder, is
        larger than it may be, or the dataset's folder lacks something. Nothing of it is left.
    """
    if not hasattr(tarfile, "data_filter"):
        raise HiertaxError("this Python cannot unpack archives safely; upgrade to 3.11.4 or later")
    staging = to / f".{source.folder}.unpacking"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        for remote, part in zip(source.files, fetched, strict=True):
            (staging / remote.into).mkdir(parents=True, exist_ok=True)
            _unpack(remote, part, staging / remote.into, progress)
        _into_place(source, staging, to)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack(remote: RemoteFile, part: Path, folder: Path, progress: Progress) -> None:
    if remote.most_bytes is None:
        shutil.copyfile(part, folder / remote.name)
        return
    try:
        with part.open("rb") as packed:
            _extract(remote, remote.most_bytes, packed, folder, progress)
    except DAMAGE as error:
        raise HiertaxError(f"{remote.url}: the archive is damaged or hostile ({error}); do not trust it") from None


def _extract(remote: RemoteFile, most: int, packed: IO[bytes], folder: Path, progress: Progress) -> None:
    bounded = _Bounded(gzip.GzipFile(fileobj=packed), most)
    with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]  # reads, seeks and tells
        for count, member in enumerate(tar, start=1):
            if count > remote.most_members:
                raise tarfile.TarError(f"more than {remote.most_members} members")
            _check_member(member)
            tar.extract(member, folder, set_attrs=False, filter="data")
            progress(f"unpacking {remote.name}", packed.tell(), remote.size)
        while bounded.read(GULP):  # the checksum of gzip stands behind all that tar reads
            pass


def _check_member(member: tarfile.TarInfo) -> None:
    """Refuse what a dataset has no use for; tarfile's own filter is the second wall."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise tarfile.TarError(f"member {member.name!r} leaves the folder")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise tarfile.TarError(f"member {member.name!r} is a link, a device or a sparse file")


def _into_place(source: Source, staging: Path, to: Path) -> None:
    dataset = staging / source.folder
    lacking = [name for name in ("", *source.holds) if not (dataset / name).exists()]
    if lacking or not dataset.is_dir():
        what = f"{source.folder}/{lacking[0]}" if lacking and lacking[0] else source.folder
        raise HiertaxError(f"{source.files[-1].url}: there is no folder {what!r} in the archive; do not trust it")
    for entry in sorted(staging.iterdir(), key=lambda entry: (entry == dataset, entry.name)):
        place = to / entry.name
        if place.exists() and not (place.is_file() and entry.is_file() and filecmp.cmp(place, entry, shallow=False)):
            raise HiertaxError(f"{place}: already there, and other than in the archive; move it away and run again")
        entry.replace(place)


class _Bounded:
    """A file that gives out no more than `most` bytes, nor many at once: an archive cannot exhaust disk or memory."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, most: int) -> None:
        self.file, self.most = file, most

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise tarfile.TarError("a header of absurd size")
        self._check(self.file.tell() + size)
        return self.file.read(size)

    def seek(self, place: int) -> int:
        self._check(place)
        return self.file.seek(place)

    def tell(self) -> int:
        return self.file.tell()

    def _check(self, place: int) -> None:
        if place > self.most:
            raise tarfile.TarError(f"it unpacks to more than {self.most} bytes")
