"""A row per image, a column per level: CSV, JSON Lines, Parquet and Excel."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from taxonomy import HiertaxError
from taxonomy.parquet import library
from trainer.inference.tables.rows import Row, Subject

MOST_ROWS: Final = 1_048_576  # of a worksheet, its header included
_GROUP = 16_384  # rows of Parquet in memory at a time
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # what a worksheet cannot hold


def header(subject: Subject) -> list[str]:
    """Return the names of the columns: ``image``, two of each level, ``depth``, ``unknown`` and ``reason``.

    Where a level has one of these names, the column gets an underscore, so that no two have one name.
    """
    levels = [name for level in subject.hierarchy.levels for name in (level.name, f"{level.name}_probability")]
    names: list[str] = []
    for name in levels:
        names.append(_free(name, names))
    image, depth, unknown, reason = (_free(name, names) for name in ("image", "depth", "unknown", "reason"))
    return [image, *names, depth, unknown, reason]


def _free(name: str, taken: Iterable[str]) -> str:
    while name in taken:
        name += "_"
    return name


def cells(subject: Subject, row: Row) -> list[Any]:
    """Return the cells of a row, None where there is nothing to say."""
    found = [cell for _, label, p in subject.chain(row) for cell in (label, p)]
    gaps = [None] * (2 * subject.hierarchy.depth - len(found))
    return [row.image, *found, *gaps, row.depth, None if row.reason else row.unknown, row.reason]


def write_csv(path: Path, subject: Subject, rows: Iterable[Row]) -> None:
    """Write CSV in UTF-8, empty where there is nothing to say."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header(subject))
        table.writerows([_word(cell) for cell in cells(subject, row)] for row in rows)


def _word(cell: Any) -> Any:
    return str(cell).lower() if isinstance(cell, bool) else cell


def write_jsonl(path: Path, subject: Subject, rows: Iterable[Row]) -> None:
    """Write a JSON object per line, with the chain as ``hiertrain predict --json`` prints it."""
    with path.open("wb") as file:
        for row in rows:
            chain = [dict(zip(("level", "label", "probability"), link, strict=True)) for link in subject.chain(row)]
            unknown = None if row.reason else row.unknown
            about = {"depth": row.depth, "unknown": unknown, "reason": row.reason}
            file.write(
                msgspec.json.encode({"image": row.image, "root": subject.hierarchy.root, "chain": chain, **about})
            )
            file.write(b"\n")


def write_parquet(path: Path, subject: Subject, rows: Iterable[Row]) -> None:
    """Write Parquet, some thousand rows at a time."""
    import pyarrow as pa  # type: ignore[import-untyped]

    kinds = [pa.string(), *[pa.string(), pa.float64()] * subject.hierarchy.depth, pa.int64(), pa.bool_(), pa.string()]
    schema = pa.schema(list(zip(header(subject), kinds, strict=True)))
    with path.open("wb") as file, library().ParquetWriter(file, schema) as table:
        for group in _groups(cells(subject, row) for row in rows):
            columns = [pa.array(column, kind) for column, kind in zip(zip(*group, strict=True), kinds, strict=True)]
            table.write_table(pa.Table.from_arrays(columns, schema=schema))


def _groups(rows: Iterator[list[Any]]) -> Iterator[list[list[Any]]]:
    while group := list(islice(rows, _GROUP)):
        yield group


def write_xlsx(path: Path, subject: Subject, rows: Iterable[Row]) -> None:
    """Write an Excel workbook of one sheet, row by row; what does not print is written as its escape."""
    import openpyxl  # type: ignore[import-untyped]

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("answers")
    sheet.append([_cell(sheet, name) for name in header(subject)])
    for row in rows:
        sheet.append([_cell(sheet, cell) for cell in cells(subject, row)])
    book.save(path)


def _cell(sheet: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]

    cell = WriteOnlyCell(sheet, _CONTROL.sub(lambda found: repr(found[0])[1:-1], value))
    cell.data_type = "s"  # or a name that begins with an equals sign would be a formula
    return cell


def check_parquet(_subject: Subject, _count: int) -> None:
    """Refuse to begin where Parquet could not be written.

    Raises
    ------
    HiertaxError
        If pyarrow is not there.
    """
    library()


def check_xlsx(_subject: Subject, count: int) -> None:
    """Refuse to begin what no workbook could hold.

    Raises
    ------
    HiertaxError
        If openpyxl is not there, or there are more images than a worksheet has rows.
    """
    try:
        import openpyxl  # noqa: F401
    except ModuleNotFoundError:
        raise HiertaxError("xlsx needs openpyxl: pip install 'hiertax[tables]'") from None
    if count >= MOST_ROWS:
        raise HiertaxError(f"xlsx: a worksheet has no room for {count:,} images; choose csv or parquet in `out`")
