"""Tables in files that are no text: Parquet and Excel, by pyarrow and openpyxl (the extra ``tables``)."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

from taxonomy import parquet
from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.formats import lineage_csv, parent_child_csv
from taxonomy.formats.table import Row, Table, tidied
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import MOST_CELLS, ImportOptions

MOST_BYTES = 2**30  # of a workbook once unpacked
LONGEST_CELL, MOST_ROWS = 32_767, 1_048_576  # of a worksheet
_CONTROL = re.compile(r"[\x00-\x1f\x7f]|_x[0-9A-Fa-f]{4}_")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # so that equal hierarchies give equal workbooks


def of_table(table: Table, reading: ImportOptions) -> Hierarchy:
    """Build a hierarchy from a table of lineages, or of child and parent where its header says so."""
    if parent_child_csv.columns(table.header):
        return parent_child_csv.of_table(table, reading)
    return lineage_csv.of_table(table, reading)


# ---------------------------------------------------------------- Parquet


def write_parquet(hierarchy: Hierarchy) -> bytes:
    """Return the hierarchy as a Parquet file of a row per class, as of lineage CSV."""
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow.parquet import write_table  # type: ignore[import-untyped]

    table = lineage_csv.to_table(hierarchy)
    columns = [pa.array(table.column(k), pa.string()) for k in range(len(table.header))]
    out = io.BytesIO()
    write_table(pa.Table.from_arrays(columns, names=table.header), out)
    return out.getvalue()


def read_parquet(content: bytes, reading: ImportOptions) -> Hierarchy:
    """Read a Parquet file that holds a table of lineages, or of child and parent.

    Raises
    ------
    HierarchyError
        If it is no such file, holds more than fits, or breaks a rule.
    """
    try:
        found = parquet.read(content, MOST_CELLS)
    except (OSError, ValueError) as error:
        raise HierarchyError(f"not Parquet: {' '.join(str(error).split())[:200]}; write it anew") from None
    if found.left_out:
        reading.notes.append(f"columns that hold neither text nor numbers passed over: {', '.join(found.left_out)}")
    rows = [Row(i + 2, list(cells)) for i, cells in enumerate(zip(*found.cells, strict=True))]
    return of_table(tidied(Table(found.names, rows)), reading)


# ---------------------------------------------------------------- Excel


def write_xlsx(hierarchy: Hierarchy) -> bytes:
    """Return the hierarchy as an Excel workbook of one sheet, as of lineage CSV, every cell text.

    Raises
    ------
    HierarchyError
        If a name holds what a worksheet cannot.
    """
    import openpyxl  # type: ignore[import-untyped]

    table = lineage_csv.to_table(hierarchy)
    if len(table.rows) >= MOST_ROWS:
        raise HierarchyError(f"a worksheet cannot carry {len(table.rows)} classes; use lineage-csv or parquet")
    texts = [table.header, *(row.cells for row in table.rows)]
    if unfit := next(
        (text for row in texts for text in row if len(text) > LONGEST_CELL or _CONTROL.search(text)), None
    ):
        raise HierarchyError(f"a worksheet cannot carry {shown(unfit)}; use lineage-csv or parquet")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("hierarchy")
    for cells in texts:
        sheet.append([_cell(sheet, text) for text in cells])
    out = io.BytesIO()
    book.save(out)
    return _undated(out.getvalue())


def _cell(sheet: Any, text: str) -> Any:
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]

    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"  # or a name that begins with an equals sign would be a formula
    return cell


def _undated(content: bytes) -> bytes:
    """Return a workbook without the times at which it and its parts were made."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z?", b"1980-01-01T00:00:00Z", part)
            new.writestr(zipfile.ZipInfo(name, _EPOCH), part, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def read_xlsx(content: bytes, reading: ImportOptions) -> Hierarchy:
    """Read the first sheet of an Excel workbook: a table of lineages, or of child and parent.

    Raises
    ------
    HierarchyError
        If it is no workbook, holds more than fits once unpacked, or breaks a rule.
    """
    import openpyxl

    _refuse_bomb(content)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        rows = []
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            texts = [parquet.text_of(value) for value in cells]
            if any(texts):
                rows.append(Row(number, texts))
    except Exception as error:  # its parts are XML of any kind, and each reader of one has errors of its own
        raise HierarchyError(f"not an Excel workbook: {' '.join(str(error).split())[:200]}; save it anew") from None
    if others := len(book.worksheets) - 1:
        reading.notes.append(f"sheet {shown(sheet.title)} is read, other sheets passed over: {others}")
    width = max((len(row.cells) for row in rows), default=0)
    padded = [Row(row.line, [*row.cells, *[""] * (width - len(row.cells))]) for row in rows]
    return of_table(tidied(Table(padded[0].cells if padded else [], padded[1:])), reading)


def _refuse_bomb(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise HierarchyError(f"not an Excel workbook: {error}; save it anew as .xlsx") from None
    if size > MOST_BYTES:
        raise HierarchyError(f"the workbook unpacks to {size / 2**20:,.0f} MB, too much; save the table as CSV")
