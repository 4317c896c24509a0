"""Figures as they are measured: one JSON line each, on the disk before the next is begun."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from taxonomy import HiertaxError

Record = dict[str, Any]


class Records:
    """The lines of a file, those of an earlier call and those that are added.

    Attributes
    ----------
    path
        The file. What a kill left of a last line is cut off when the file is opened again.
    lines
        All records, in the order in which they were written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = list(read(path)) if path.exists() else []
        self._rewrite() if path.exists() else path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, record: Record) -> None:
        """Append a record, and wait until it is on the disk."""
        self.lines.append(record)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def of(self, kind: str) -> list[Record]:
        """Return the records of a kind."""
        return [line for line in self.lines if line["kind"] == kind]

    def _rewrite(self) -> None:
        """Cut off what is no whole line."""
        whole = sum(len(line) for line in self.path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n"))
        os.truncate(self.path, whole)


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a file, but for a last line that was cut short.

    Raises
    ------
    HiertaxError
        If the file holds something else.
    """
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict) or "kind" not in record:
            raise HiertaxError(f"{path}: line {number} is no figure of this benchmark; name another file by --out")
        yield record
