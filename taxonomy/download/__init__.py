"""The official files of datasets: fetched with resume, proven by checksum, unpacked without trust.

A dataset appears in its folder whole or not at all: bytes are kept in hidden ``.part`` files from which a later run
goes on, archives are unpacked beside the target, and only renamed into place once all is there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from taxonomy.download.fetching import check, fetch
from taxonomy.download.sources import ELSEWHERE, SOURCES, RemoteFile, Source
from taxonomy.download.unpacking import put_in_place
from taxonomy.errors import HiertaxError, Interrupted
from taxonomy.progress import Progress

__all__ = ["ELSEWHERE", "SOURCES", "RemoteFile", "Source", "download"]


def download(dataset: str, to: Path, progress: Progress, *, pause: float = 1.0) -> Path:
    """Fetch and unpack a dataset; return its folder. What is already there is left alone.

    Parameters
    ----------
    dataset
        A key of `SOURCES` or `ELSEWHERE`.
    to
        The folder to put the dataset's folder in; made if it is not there.
    progress
        Told what is done, how many bytes so far and how many in all.
    pause
        Seconds before the first new try after a lost connection; doubled each time.

    Raises
    ------
    HiertaxError
        If nobody may fetch the dataset just so, the disk is too small, the server or the connection fails (a later
        run resumes), a checksum differs, or an archive holds what a dataset does not.
    """
    if dataset in ELSEWHERE:
        raise HiertaxError(ELSEWHERE[dataset])
    source = SOURCES[dataset]
    target = to / source.folder
    if target.exists():
        return target
    parts = [to / f".{source.folder}.{remote.name}.part" for remote in source.files]
    try:
        to.mkdir(parents=True, exist_ok=True)
        _check_space(to, source, parts)
        for remote, part in zip(source.files, parts, strict=True):
            fetch(remote, part, progress, pause)
            check(remote, part, progress)
        put_in_place(source, parts, to, progress)
        for part in parts:
            part.unlink()
    except KeyboardInterrupt:
        raise Interrupted(f"{target}: not there yet; what was fetched is kept, run again to go on") from None
    except OSError as error:
        raise HiertaxError(
            f"{to}: {error.strerror or error}; free some space or choose another place, and run again"
        ) from None
    return target


def _check_space(to: Path, source: Source, parts: list[Path]) -> None:
    """Refuse to begin what the disk cannot hold: the rest of the archives, and their files, about as large."""
    there = sum(part.stat().st_size for part in parts if part.exists())
    need, free = 2 * sum(remote.size for remote in source.files) - there, shutil.disk_usage(to).free
    if free < need:
        raise HiertaxError(
            f"{to}: {free / 1e9:.1f} GB free, but archive and files need {need / 1e9:.1f} GB; choose another place"
        )
