"""Tables of scores as files: a folder with one file per table."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from taxonomy import HiertaxError
from taxonomy.files import write_atomic

if TYPE_CHECKING:
    from pandas import DataFrame

Kind = Literal["csv", "parquet"]


def check_folder(folder: Path, kind: Kind) -> None:
    """Refuse, before anything is computed, a folder that nothing can be written to, or a kind that needs a library.

    Raises
    ------
    HiertaxError
        If it is a file, or lies in one, or the library is missing.
    """
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise HiertaxError(f"{place}: is a file; name a folder for the tables")
    if kind == "parquet":
        from taxonomy.parquet import library

        library()


def write_tables(tables: Mapping[str, DataFrame], folder: Path, kind: Kind) -> list[Path]:
    """Write each table as ``NAME.csv`` or ``NAME.parquet`` to a folder, which is made if need be; return the files.

    Raises
    ------
    HiertaxError
        If a file cannot be written; none is ever half-written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HiertaxError(f"{folder}: {error.strerror}; name another folder for the tables") from None
    written = []
    for name, frame in tables.items():
        written.append(folder / f"{name}.{kind}")
        write_atomic(written[-1], _CONTENT[kind](frame))
    return written


def _csv(frame: DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _parquet(frame: DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


_CONTENT: Final[Mapping[Kind, Callable[[DataFrame], bytes]]] = {"csv": _csv, "parquet": _parquet}
