"""Delimited files of an archive as frames of text: only the columns that are needed, in chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from taxonomy.errors import HiertaxError
from taxonomy.sources.offline.archive import Stream

if TYPE_CHECKING:
    import pandas as pd

CHUNK: Final = 500_000  # rows at a time


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written; `quote` is None where quotes have no meaning."""

    delimiter: str = ","
    quote: str | None = '"'
    encoding: str = "utf-8"
    header_lines: int = 1


def read(stream: Stream, dialect: Dialect, columns: Mapping[str, int]) -> pd.DataFrame:
    """Read some columns of a file.

    Parameters
    ----------
    columns
        What to call each column, and its place, counted from 0; several may have one place.

    Returns
    -------
    A frame of str, without blanks around the values, in the order of the file.

    Raises
    ------
    HiertaxError
        If the file is damaged, cut short, not in its encoding, or has rows of more columns than the first.
    """
    import pandas as pd

    where = f"{stream.path}: {stream.name}"
    places = sorted(set(columns.values()))
    try:
        chunks = pd.read_csv(
            stream.buffered(), sep=dialect.delimiter, header=None, skiprows=dialect.header_lines, usecols=places,
            dtype=str, quoting=0 if dialect.quote else 3, quotechar=dialect.quote or '"', keep_default_na=False,
            chunksize=CHUNK, encoding=dialect.encoding, skip_blank_lines=True, index_col=False,
        )  # fmt: skip
        kept = [pd.DataFrame({name: chunk[at].str.strip() for name, at in columns.items()}) for chunk in chunks]
    except pd.errors.EmptyDataError:
        kept = []
    except (UnicodeError, LookupError):
        raise HiertaxError(f"{where}: not {dialect.encoding}; fetch it again") from None
    except ValueError as error:  # the reader's own errors among them
        raise HiertaxError(f"{where}: its rows do not have the form of its header ({error}); fetch it again") from None
    if not kept:
        raise HiertaxError(f"{where}: holds no row; fetch it again")
    if stream.tail and stream.tail.count(dialect.delimiter.encode()) < places[-1]:
        raise HiertaxError(f"{where}: its last row is cut short; fetch it again")
    return pd.concat(kept, ignore_index=True)


def header(stream: Stream, dialect: Dialect) -> list[str]:
    """Return the names of the columns in the first line of a file.

    Raises
    ------
    HiertaxError
        If there is none, or it is not in the file's encoding.
    """
    try:
        line = stream.buffered().readline().decode(dialect.encoding).lstrip("\ufeff").rstrip("\r\n")
    except UnicodeError:
        raise HiertaxError(f"{stream.path}: {stream.name}: not {dialect.encoding}; fetch it again") from None
    if dialect.quote is None:
        return [name.strip() for name in line.split(dialect.delimiter)]
    return [name.strip() for name in cells(line, dialect.delimiter)]


def cells(line: str, delimiter: str = ",") -> list[str]:
    """Return the cells of a line of text; none where it cannot be split, as with a carriage return in the middle."""
    import csv

    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def text_of(path: Path, stream: Stream, most: int = 1 << 20) -> str:
    """Return a small text file whole.

    Raises
    ------
    HiertaxError
        If it is large or not UTF-8.
    """
    content = stream.buffered().read(most + 1)
    if len(content) > most:
        raise HiertaxError(f"{path}: {stream.name} is larger than 1 MiB; fetch the archive again")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HiertaxError(f"{path}: {stream.name} is not UTF-8; fetch the archive again") from None
