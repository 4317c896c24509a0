"""Parquet files as columns of text, by pyarrow (the extra ``tables``)."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxonomy.errors import HiertaxError

_INDEX = "__index_level_"  # as pandas calls the index of a data frame, where it has no name


@dataclass(frozen=True)
class TextColumns:
    """Columns of text, as long as one another: their names ('' for none), and the cells of each.

    Attributes
    ----------
    left_out
        The names of columns whose cells hold more than a text or a number, such as images.
    """

    names: list[str]
    cells: list[list[str]]
    rows: int
    left_out: list[str]


def names_in(file: Path) -> list[str]:
    """Return the names of the columns of a file, whose rows are not read.

    Raises
    ------
    HiertaxError
        If pyarrow is not there.
    ValueError, OSError
        If it is not Parquet.
    """
    return [str(name) for name in _opened(file).schema_arrow.names]


def read(source: Path | bytes, most_cells: int | None = None) -> TextColumns:
    """Read a file, or the bytes of one.

    Raises
    ------
    HiertaxError
        If pyarrow is not there, or the file has more than `most_cells` cells.
    ValueError, OSError
        If it is not Parquet.
    """
    file = _opened(source if isinstance(source, Path) else io.BytesIO(source))
    rows, width = file.metadata.num_rows, len(file.schema_arrow)
    if most_cells is not None and rows * width > most_cells:
        raise HiertaxError(f"{rows} rows of {width} columns are too many; cut the table down")
    try:
        plain = [field.name for field in file.schema_arrow if not holds_more(field.type)]
        index = _index_of(file.schema_arrow)
        table = file.read(columns=plain)
        table = table.select(sorted(range(table.num_columns), key=lambda k: table.column_names[k] not in index))
        names = ["" if str(name).startswith(_INDEX) else str(name) for name in table.column_names]
        cells = [[text_of(value) for value in column.to_pylist()] for column in table.columns]
    except (ArithmeticError, LookupError, NotImplementedError, TypeError) as error:  # dates of the year 10,000, ...
        raise ValueError(str(error)) from None
    left_out = [str(field.name) for field in file.schema_arrow if holds_more(field.type)]
    return TextColumns(names, cells, rows, left_out)


def text_of(value: Any) -> str:
    """Return a cell as text, blank where there is none; a number is written as an integer where it is one."""
    if isinstance(value, str):
        return value
    if value is None or value != value:  # not a number is not itself
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def library() -> Any:
    """Return `pyarrow.parquet`.

    Raises
    ------
    HiertaxError
        If it is not there.
    """
    try:
        from pyarrow import parquet  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise HiertaxError("Parquet needs pyarrow: pip install 'hiertax[tables]'") from None
    return parquet


def _opened(source: Path | io.BytesIO) -> Any:
    reader = library()
    try:
        return reader.ParquetFile(source)
    except (LookupError, NotImplementedError, TypeError) as error:
        raise ValueError(str(error)) from None


def _index_of(schema: Any) -> list[str]:
    """Return the columns that were the index of a data frame, which stand first there and last in its file."""
    about = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    columns = about.get("index_columns") if isinstance(about, dict) else None
    return [name for name in columns if isinstance(name, str)] if isinstance(columns, list) else []


def holds_more(kind: Any) -> bool:
    """Tell whether the cells of a column hold more than a text or number, such as an image."""
    from pyarrow import types

    return bool(types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind))
