"""Tables of text that come with datasets: CSV, TSV, semicolons, JSON lines and Parquet, read alike."""

from __future__ import annotations

import codecs
import csv
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import numpy as np

from taxonomy import parquet
from taxonomy.datasets.notes import few
from taxonomy.errors import HiertaxError
from taxonomy.files import read_bytes, read_text

if TYPE_CHECKING:
    from pandas import DataFrame

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_JSON_LINES: Final = (".jsonl", ".ndjson")
_Result = TypeVar("_Result")


def read_table(file: Path, delimiter: str | None = None) -> DataFrame:
    """Read a table: Parquet and JSON lines by their suffix, else text with a header.

    Parameters
    ----------
    delimiter
        What separates the cells of text; comma, tab or semicolon, whichever the header has most of, where not given.

    Returns
    -------
    Every cell as text, blank where there is none; columns by their names without capitals and blanks around; the index
    is the line of the file (of Parquet the row). Rows without any text are left out.

    Raises
    ------
    HiertaxError
        If the file cannot be read or is no such table.
    """
    suffix = file.suffix.casefold()
    if suffix == ".parquet":
        table = _parquet(file)
    else:
        table = _json_lines(file) if suffix in _JSON_LINES else _delimited(file, delimiter)
    table.columns = [str(name).strip().casefold() for name in table.columns]
    if len(set(table.columns)) < len(table.columns):
        twice = next(name for name in table.columns if list(table.columns).count(name) > 1)
        raise HiertaxError(f"{file}: two columns are called {twice!r}; rename one of the two")
    return table


def names_of_columns(file: Path) -> tuple[str, ...]:
    """Return what the columns of a table are called, as `read_table` has them, reading no more than its beginning.

    Empty where its text cannot be read.

    Raises
    ------
    HiertaxError
        If it is Parquet, and cannot be read.
    """
    suffix = file.suffix.casefold()
    try:
        if suffix == ".parquet":
            names = _from_parquet(file, parquet.names_in)
        else:
            with file.open(encoding="utf-8-sig") as opened:
                first = opened.readline()
            is_json = suffix in _JSON_LINES
            names = list(msgspec.json.decode(first, type=dict[str, Any])) if is_json else next(csv.reader([first]), [])
    except (OSError, ValueError, csv.Error, msgspec.DecodeError):
        return ()
    return tuple(str(name).strip().casefold() for name in names)


def refuse_lacking(table: DataFrame, columns: Sequence[str], file: Path) -> None:
    """Refuse a table that lacks one of some columns.

    Raises
    ------
    HiertaxError
        With the columns that it has.
    """
    if lacking := [name for name in columns if name not in table.columns]:
        raise HiertaxError(f"{file}: no column {lacking[0]!r} among {few(list(table.columns), 12)}; restore the list")


def unreadable(file: Path, error: Exception) -> HiertaxError:
    """Return what to raise on a table that a parser stumbled over."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return HiertaxError(f"{file}: no table that can be read ({reason}); see to its header and rows")


def _delimited(file: Path, delimiter: str | None) -> DataFrame:
    import pandas as pd

    content = read_bytes(file).removeprefix(codecs.BOM_UTF8)
    try:
        header = content.partition(b"\n")[0].decode()
        delimiter = delimiter or max(",\t;", key=header.count)
        names = next(csv.reader([header], delimiter=delimiter), [])
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):  # it tells of cells lost
            table = pd.read_csv(
                io.BytesIO(content), sep=delimiter, header=0, names=range(len(names)), dtype=str, keep_default_na=False,
                skip_blank_lines=False, index_col=False,
            )  # fmt: skip
    except UnicodeDecodeError as error:
        read_text(file)  # names the byte
        raise unreadable(file, error) from None
    except (ValueError, csv.Error, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise unreadable(file, error) from None
    table.columns = names
    table.index += 2  # lines; the header is the first
    table = table.fillna("")
    empty = (table.iloc[:, 0] == "").to_numpy(dtype=np.bool_, copy=True)
    if empty.any():
        empty[empty] = (table[empty] == "").all(axis=1).to_numpy()
    return table[~empty] if empty.any() else table


def _json_lines(file: Path) -> DataFrame:
    import pandas as pd

    lines = read_bytes(file).removeprefix(codecs.BOM_UTF8).split(b"\n")
    decoder = msgspec.json.Decoder(dict[str, Any])
    records: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            records[number] = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HiertaxError(f"{file}, line {number}: no JSON object ({error}); mend the line") from None
    names = list(dict.fromkeys(name for record in records.values() for name in record))
    columns = {name: [cell(record.get(name)) for record in records.values()] for name in names}
    return pd.DataFrame(columns, index=list(records), dtype="str")


def _parquet(file: Path) -> DataFrame:
    import pandas as pd

    found = _from_parquet(file, parquet.read)
    kept = [k for k, name in enumerate(found.names) if name]
    table = pd.DataFrame({k: found.cells[k] for k in kept}, index=range(1, found.rows + 1), dtype="str")
    return table.set_axis([found.names[k] for k in kept], axis=1)


def _from_parquet(file: Path, read: Callable[[Path], _Result]) -> _Result:
    try:
        return read(file)
    except HiertaxError as error:
        raise HiertaxError(f"{file}: {error}") from None
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from None


def cell(value: Any) -> str:
    """Return a cell as text; a number is written as an integer where it is one."""
    return "" if isinstance(value, dict | list) else parquet.text_of(value)
