"""Rows kept as they come, beside the table to be: what is in them survives whatever ends the program.

``OUT.part`` is a folder. ``about.json`` says whose rows they are. Every process that works on them appends to a file
of its own, a new one each time it starts, so that a line cut off by a sudden end harms no other. The table is written
there too and renamed into place, and then the folder is removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from taxonomy import HiertaxError
from taxonomy.files import read_json, write_json
from trainer.inference.tables.rows import Row

_ABOUT, _LOCK, _TABLE = "about.json", ".lock", "table"
_DIFFERENT = {"checkpoint": "another run", "answering": "other settings", "images": "other images"}
_decode = msgspec.json.Decoder(Row).decode


@dataclass(frozen=True)
class Index:
    """Where the row of each of N images is.

    Attributes
    ----------
    files
        The files of the journal.
    file, start
        int64 ``[N]``: the file of each row, -1 where there is none yet, and its first byte there.
    unreadable
        How many rows are of images that could not be read.
    others
        How many rows are of images that are not asked for, such as those removed since.
    """

    files: Sequence[Path]
    file: NDArray[np.int64]
    start: NDArray[np.int64]
    unreadable: int
    others: int


@dataclass(frozen=True)
class Journal:
    """The rows of a table to be.

    Attributes
    ----------
    out
        The table's path.
    """

    out: Path

    @property
    def folder(self) -> Path:
        """Where the rows are kept."""
        return self.out.with_name(f"{self.out.name}.part")

    @contextmanager
    def opened(self, about: Mapping[str, Any], *, overwrite: bool = False) -> Iterator[None]:
        """Begin, or go on with what is there, and keep other programs away.

        Parameters
        ----------
        about
            What rows must have in common, as JSON values.
        overwrite
            Whether rows of something else make way.

        Raises
        ------
        HiertaxError
            If another program writes this table, there are rows of something else, or nothing can be written.
        """
        with self._locked():
            self._begin(dict(about), overwrite=overwrite)
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import FileLock, Timeout  # slow to import, and most mistakes show before

        lock = FileLock(self.folder / _LOCK)
        with self.explaining():
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise HiertaxError(
                    f"{self.out}: another program is writing it; wait until it has ended, or choose another `out`"
                ) from None
        try:
            yield
        finally:
            with suppress(OSError):
                (self.folder / _LOCK).unlink(missing_ok=True)  # while it is ours
            lock.release()
            with suppress(OSError):
                self.folder.rmdir()  # where nothing is kept

    def _begin(self, about: dict[str, Any], *, overwrite: bool) -> None:
        file = self.folder / _ABOUT
        before = read_json(file) if file.exists() else None
        if before == about:
            return
        if before is not None and not overwrite:
            raise HiertaxError(
                f"{self.folder}: holds answers of {_difference(before, about)}; start anew by `overwrite`, "
                "or choose another `out`"
            )
        with self.explaining():
            for old in self.files():
                old.unlink()
        write_json(file, about)

    def files(self) -> list[Path]:
        """Return the files that hold rows, in the order in which they were begun."""
        return sorted(self.folder.glob("*.jsonl"))

    def number(self) -> int:
        """Return the number of the next file."""
        return max((int(file.stem) for file in self.files()), default=-1) + 1

    @contextmanager
    def appending(self, number: int) -> Iterator[Callable[[Iterable[Row]], None]]:
        """Begin a file; yield the function that adds rows to it, which are safe once it returns."""
        with ExitStack() as stack:
            with self.explaining():
                file = stack.enter_context((self.folder / f"{number:06d}.jsonl").open("xb", buffering=0))

            def append(rows: Iterable[Row]) -> None:
                with self.explaining():
                    _write(file, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))

            yield append

    def index(self, images: Sequence[str]) -> Index:
        """Find the row of each of N images; the first, should there be several."""
        place = {image: i for i, image in enumerate(images)}
        file, start = np.full(len(images), -1), np.zeros(len(images), dtype=np.int64)
        unreadable = others = 0
        files = self.files()
        for number, path in enumerate(files):
            for at, row in _rows_in(path):
                i = place.get(row.image, -1)
                if i < 0:
                    others += 1
                elif file[i] < 0:
                    file[i], start[i] = number, at
                    unreadable += row.reason is not None
        return Index(files, file, start, unreadable, others)

    def rows(self, index: Index) -> Iterator[Row]:
        """Yield the row of each image, in their order; all must be there."""
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("rb")) for path in index.files]
            for number, start in zip(index.file.tolist(), index.start.tolist(), strict=True):
                files[number].seek(start)
                yield _decode(files[number].readline())

    def finish(self, write: Callable[[Path], None]) -> None:
        """Let the table be written, put it in its place, and forget the rows.

        Raises
        ------
        HiertaxError
            If it cannot be written; the rows are kept.
        """
        part = self.folder / _TABLE
        with self.explaining():
            try:
                write(part)
                _sync(part)
                part.replace(self.out)
            finally:
                part.unlink(missing_ok=True)
            for file in (*self.files(), self.folder / _ABOUT):
                file.unlink()

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Tell in one line why something cannot be written, and what becomes of what is done.

        Raises
        ------
        HiertaxError
            In place of an OSError.
        """
        try:
            yield
        except FileExistsError:
            raise HiertaxError(
                f"{self.out}: cannot be written: {self.out.parent} is no folder, or {self.folder} is a file; "
                "choose another `out`"
            ) from None
        except OSError as error:
            kept = f", then start the same again: what is done is kept in {self.folder}" if self.files() else ""
            raise HiertaxError(
                f"{self.out}: cannot be written: {error.strerror or error}; free some space or choose another place"
                f"{kept}"
            ) from None


def _difference(before: Any, about: Mapping[str, Any]) -> str:
    known = before if isinstance(before, dict) else {}
    return next((said for key, said in _DIFFERENT.items() if known.get(key) != about.get(key)), "another version")


def _write(file: Any, content: bytes) -> None:
    """Write all of it to a file without a buffer, which may take a part at a time."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _rows_in(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a file, each with its first byte; a line that was cut off is none."""
    at = 0
    with path.open("rb") as file:
        for line in file:
            if (row := _row(line)) is not None:
                yield at, row
            at += len(line)


def _row(line: bytes) -> Row | None:
    try:
        return _decode(line) if line.endswith(b"\n") else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _sync(path: Path) -> None:
    """Wait until a file is on the disk, so that after its renaming it is never an empty one."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
