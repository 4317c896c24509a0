"""The official archives of datasets: fetched with resume, proven by checksum, unpacked without trust.

A dataset appears in its folder whole or not at all: bytes are kept in a hidden ``.part`` file from which a
later run goes on, members are unpacked beside the target, and only renamed into place once all are there.
"""

from __future__ import annotations

import filecmp
import gzip
import hashlib
import re
import shutil
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from taxonomy.errors import HiertaxError, Interrupted

if TYPE_CHECKING:
    import requests

CHUNK: Final = 1 << 20
GULP: Final = 1 << 14  # read from the network at a time: what a lost connection loses
LARGEST_READ: Final = 16 * CHUNK  # at a time from an archive; only a forged header asks for more
TIMEOUT: Final = (15, 60)  # seconds to connect, and between bytes
TRIES: Final = 5  # without a byte gained
LONGEST_WAIT: Final = 300.0  # seconds, whatever the server asks for
BUSY: Final = (429, 500, 502, 503, 504)
DAMAGE: Final = (  # whatever tarfile and gzip raise on bytes that are no archive
    tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, LookupError, OverflowError, RecursionError,
)  # fmt: skip
Progress = Callable[[str, int, int], None]  # what is done, bytes so far, bytes in all


@dataclass(frozen=True)
class Archive:
    """An official archive: where it is, what it must be, and the most that it may unpack to."""

    url: str
    md5: str
    size: int
    folder: str  # the folder in it that is the dataset
    most_bytes: int
    most_members: int = 100_000


ARCHIVES = {
    "cub": Archive(
        url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
        md5="97eceeb196236b17998738112f37df78", size=1_150_585_339, folder="CUB_200_2011", most_bytes=3 * 10**9,
    ),
    "aircraft": Archive(
        url="https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
        md5="d4acdd33327262359767eeaa97a4f732", size=2_753_340_328, folder="fgvc-aircraft-2013b", most_bytes=6 * 10**9,
    ),
}  # fmt: skip
ELSEWHERE = {
    "cars": "the publisher of Stanford Cars no longer serves it (since 2023); people get copies from Kaggle, such as "
    "https://www.kaggle.com/datasets/jessicali9530/stanford-cars-dataset with the devkit's cars_meta.mat; then: "
    "hiertax build --dataset cars --root DIR",
}


def download(dataset: str, to: Path, progress: Progress, *, pause: float = 1.0) -> Path:
    """Fetch and unpack a dataset; return its folder. What is already there is left alone.

    Parameters
    ----------
    dataset
        A key of `ARCHIVES` or `ELSEWHERE`.
    to
        The folder to put the dataset's folder in; made if it is not there.
    pause
        Seconds before the first new try after a lost connection; doubled each time.

    Raises
    ------
    HiertaxError
        If nobody serves the dataset, the disk is too small, the server or the connection fails (a later
        run resumes), the checksum differs, or the archive holds what a dataset does not.
    """
    if dataset in ELSEWHERE:
        raise HiertaxError(ELSEWHERE[dataset])
    archive = ARCHIVES[dataset]
    target = to / archive.folder
    if target.exists():
        return target
    part = to / f".{PurePosixPath(archive.url).name}.part"
    try:
        to.mkdir(parents=True, exist_ok=True)
        check_space(to, archive, part)
        fetch(archive, part, progress, pause)
        check(archive, part, progress)
        unpack(archive, part, to, progress)
        part.unlink()
    except KeyboardInterrupt:
        raise Interrupted(f"{target}: not there yet; what was fetched is kept, run again to go on") from None
    except OSError as error:
        raise HiertaxError(
            f"{to}: {error.strerror or error}; free some space or choose another place, and run again"
        ) from None
    return target


def check_space(to: Path, archive: Archive, part: Path) -> None:
    """Refuse to begin what the disk cannot hold: the rest of the archive, and its files, about as large."""
    there = part.stat().st_size if part.exists() else 0
    need, free = 2 * archive.size - there, shutil.disk_usage(to).free
    if free < need:
        raise HiertaxError(
            f"{to}: {free / 1e9:.1f} GB free, but archive and files need {need / 1e9:.1f} GB; choose another place"
        )


# ---------------------------------------------------------------- fetching


def fetch(archive: Archive, part: Path, progress: Progress, pause: float) -> None:
    """Append to `part` until it has the archive's size, over as many connections as that takes.

    Raises
    ------
    HiertaxError
        If the server refuses, announces another file, or several tries in a row gain nothing.
    """
    import requests

    tries = 0
    with requests.Session() as session:
        while (before := part.stat().st_size if part.exists() else 0) < archive.size:
            wait, reason = None, "the connection was lost"
            try:
                wait = _receive(session, archive, part, before, progress)
            except requests.RequestException as error:
                reason = _in_short(error)
            reason = reason if wait is None else "the server is busy"
            tries = 0 if part.exists() and part.stat().st_size > before else tries + 1
            if tries >= TRIES:
                done = part.stat().st_size if part.exists() else 0
                raise HiertaxError(
                    f"{archive.url}: {reason} after {done} of {archive.size} bytes; run again to go on from there"
                )
            if tries:
                time.sleep(max(min(wait or 0.0, LONGEST_WAIT), pause * 2 ** (tries - 1)))


def _receive(session: requests.Session, archive: Archive, part: Path, start: int, progress: Progress) -> float | None:
    """Receive what one connection gives from byte `start` on; return the seconds that a busy server asks to wait."""
    headers = {"User-Agent": "hiertax", "Accept-Encoding": "identity"}  # the file's own bytes, not repacked ones
    if start:
        headers["Range"] = f"bytes={start}-"
    with session.get(archive.url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code in BUSY:
            after = answer.headers.get("Retry-After", "")
            return float(after) if after.isdecimal() else 1.0
        start = _start(answer, archive, start)
        with part.open("ab" if start else "wb") as file:
            for chunk in answer.iter_content(GULP):
                start += len(chunk)
                if start > archive.size:
                    raise HiertaxError(f"{archive.url}: more than {archive.size} bytes came; this is not the archive")
                file.write(chunk)
                progress("fetching", start, archive.size)
    return None


def _start(answer: requests.Response, archive: Archive, asked: int) -> int:
    """Return the byte at which an answer starts: that asked for, or 0 where the server knows no ranges."""
    if answer.status_code not in (200, 206):
        status = f"{answer.status_code} {answer.reason}"
        raise HiertaxError(f"{archive.url}: the server answers {status}; try later, or get the file by hand")
    start = 0
    if answer.status_code == 206:
        place = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", answer.headers.get("Content-Range", ""))
        start = int(place[1]) if place else -1
        if start != asked:
            raise HiertaxError(f"{archive.url}: the server sends another range than was asked for; try later")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and start + int(length) != archive.size:
        raise HiertaxError(
            f"{archive.url}: the server announces {start + int(length)} bytes, the archive has {archive.size}; "
            "the publisher may have moved it"
        )
    return start


def _in_short(error: Exception) -> str:
    """Return the innermost reason of an error of requests, without its layers."""
    while (inner := error.__cause__ or error.__context__) is not None and isinstance(inner, Exception):
        error = inner
    return str(getattr(error, "strerror", None) or error).strip() or type(error).__name__


def check(archive: Archive, part: Path, progress: Progress) -> None:
    """Compare the checksum; a file that differs is removed, so that the next run starts afresh.

    Raises
    ------
    HiertaxError
        If it differs.
    """
    md5, done = hashlib.md5(usedforsecurity=False), 0  # what the publishers give
    with part.open("rb") as file:
        while chunk := file.read(CHUNK):
            md5.update(chunk)
            done += len(chunk)
            progress("checking", done, archive.size)
    if md5.hexdigest() != archive.md5:
        part.unlink()
        raise HiertaxError(
            f"{archive.url}: the checksum is {md5.hexdigest()}, not {archive.md5}; the file was removed: run again, "
            "and if it stays so, do not trust the file"
        )


# ---------------------------------------------------------------- unpacking


def unpack(archive: Archive, part: Path, to: Path, progress: Progress) -> None:
    """Unpack an archive beside its place and rename what is in it into place, the dataset's folder last.

    Raises
    ------
    HiertaxError
        If the archive is damaged, has a member that is neither file nor folder or that leaves the folder, is
        larger than `Archive` allows, or lacks the dataset's folder. Nothing of it is left.
    """
    if not hasattr(tarfile, "data_filter"):
        raise HiertaxError("this Python cannot unpack archives safely; upgrade to 3.11.4 or later")
    staging = to / f".{archive.folder}.unpacking"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir()
        with part.open("rb") as packed:
            _unpack(archive, packed, staging, progress)
        _into_place(archive, staging, to)
    except DAMAGE as error:
        raise HiertaxError(f"{archive.url}: the archive is damaged or hostile ({error}); do not trust it") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack(archive: Archive, packed: IO[bytes], staging: Path, progress: Progress) -> None:
    bounded = _Bounded(gzip.GzipFile(fileobj=packed), archive.most_bytes)
    with tarfile.open(fileobj=bounded, mode="r:") as tar:  # type: ignore[call-overload]  # reads, seeks and tells
        for count, member in enumerate(tar, start=1):
            if count > archive.most_members:
                raise tarfile.TarError(f"more than {archive.most_members} members")
            _check_member(member)
            tar.extract(member, staging, set_attrs=False, filter="data")
            progress("unpacking", packed.tell(), archive.size)
        while bounded.read(GULP):  # the checksum of gzip stands behind all that tar reads
            pass


def _check_member(member: tarfile.TarInfo) -> None:
    """Refuse what a dataset has no use for; tarfile's own filter is the second wall."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise tarfile.TarError(f"member {member.name!r} leaves the folder")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise tarfile.TarError(f"member {member.name!r} is a link, a device or a sparse file")


def _into_place(archive: Archive, staging: Path, to: Path) -> None:
    dataset = staging / archive.folder
    if not dataset.is_dir():
        raise tarfile.TarError(f"there is no folder {archive.folder!r} in it")
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


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show progress on standard error, where that is a terminal."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.DownloadColumn(),
               progress.TransferSpeedColumn(), progress.TimeRemainingColumn())  # fmt: skip
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, progress.TaskID] = {}

        def update(doing: str, done: int, total: int) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(doing, total=total)
            bar.update(tasks[doing], completed=done)

        yield update
