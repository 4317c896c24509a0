"""Lineage CSV: one row per class, one column per level, and a column ``class``.

The header names the levels, coarsest first. A column ``class`` holds the dataset's own class names,
unless it is asked for as a level (zoology has one of that name); where there are two, the last does.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import Reading, from_table

CLASS = "class"


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as lineage CSV, classes in its own order."""
    columns = [[level.labels[i] for i in hierarchy.paths[:, k]] for k, level in enumerate(hierarchy.levels)]
    header = [*(level.name for level in hierarchy.levels), CLASS]
    return dump([header, *zip(*columns, hierarchy.classes, strict=True)])


def read(text: str, reading: Reading) -> Hierarchy:
    """Read lineage CSV; the rows may stand in any order, and empty cells are gaps.

    Raises
    ------
    HierarchyError
        If it is not such a table, with the line, or breaks a rule.
    """
    header, rows = parse(text)
    levels = reading.levels or _level_columns(header)
    if missing := [name for name in levels if name not in header]:
        raise HierarchyError(f"no column {missing[0]!r} in the header ({', '.join(header)}); name its level columns")
    at = [header.index(name) for name in levels]
    classes = None
    if header.count(CLASS) > (CLASS in levels):
        column = len(header) - 1 - header[::-1].index(CLASS)
        classes = [row[column] for row in rows]
    return from_table([tuple(row[i] for i in at) for row in rows], levels, reading, classes)


def _level_columns(header: list[str]) -> tuple[str, ...]:
    names = list(header)
    if CLASS in names:
        del names[len(names) - 1 - names[::-1].index(CLASS)]
    if not names:
        raise HierarchyError("the header names no level; its columns are levels, coarsest first, and class")
    return tuple(names)


def dump(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as CSV with line feeds at line ends, quoted where a cell needs it."""
    out = io.StringIO(newline="")
    plain = csv.writer(out, lineterminator="\n")
    quoted = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:  # older Pythons leave a carriage return bare where it does not end the lines
        (quoted if any("\r" in cell for cell in row) else plain).writerow(row)
    return out.getvalue()


def parse(text: str) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a CSV, each row as long as the header; blank lines are skipped.

    Raises
    ------
    HierarchyError
        If there is no row, the quoting is broken, or a row has too few or too many cells, with its line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if rows and row and len(row) != len(rows[0]):
                raise HierarchyError(
                    f"line {reader.line_num}: {len(row)} cells under a header of {len(rows[0])}; "
                    "separate by commas, and quote cells that hold one"
                )
            if row:
                rows.append(row)
    except csv.Error as error:
        raise HierarchyError(f"line {reader.line_num}: {error}; mend the quoting") from None
    if rows and len(rows[0]) == 1 and (other := next((mark for mark in ";\t|" if mark in rows[0][0]), None)):
        raise HierarchyError(f"the header has one column, {rows[0][0]!r}; separate by commas rather than {other!r}")
    if len(rows) < 2:
        raise HierarchyError("no rows under a header; give a header line and a row per taxon")
    return rows[0], rows[1:]
