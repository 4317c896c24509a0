"""One process trains in a run folder at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taxonomy import HiertaxError

LOCK = ".lock"


class TakenError(HiertaxError):
    """Another process trains in a folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder.

    The folder is made, and is gone again afterwards if nothing was put into it. The kernel gives the lock of a process
    that has ended to the next one, so a file that was left behind stops nobody.

    Raises
    ------
    TakenError
        If another process trains there.
    HiertaxError
        If the folder cannot be written.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        with _taken(folder):
            try:
                yield
            finally:
                (folder / LOCK).unlink(missing_ok=True)  # while it is ours
    finally:
        with suppress(OSError):  # it holds a run
            for place in made:
                place.rmdir()


@contextmanager
def _taken(folder: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout  # slow to import, and most mistakes show before

    lock = FileLock(folder / LOCK)
    try:
        for attempts_left in reversed(range(10)):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock.acquire(timeout=0)
                break
            except (FileNotFoundError, FileExistsError):  # another process has removed it meanwhile, as `locked` does
                if not attempts_left:
                    raise
    except Timeout:
        raise TakenError(
            f"{folder}: another process is training here; wait until it has ended, or choose another `out`"
        ) from None
    except OSError as error:
        raise HiertaxError(f"{folder}: cannot be written: {error.strerror or error}; choose another place") from None
    try:
        yield
    finally:
        lock.release()


def refuse_if_locked(folder: Path) -> None:
    """Refuse a folder in which another process trains, before any work is done.

    Raises
    ------
    HiertaxError
        If that is so.
    """
    if (folder / LOCK).exists():
        with _taken(folder):
            pass
