"""Lineage tables: one row per class, one column per level, and a column ``class``.

The header names the levels, coarsest first. A column ``class`` holds the dataset's own class names, unless it is the
rank of that name (`taxonomy.formats.columns`); a column ``class_name`` always holds them, and where there are two of
one name the last does.
"""

from __future__ import annotations

import re
from dataclasses import replace

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.formats import columns, edges, lineage_cells, outline, parent_child_csv
from taxonomy.formats.table import (
    CLASS,
    CLASS_NAME,
    REMARKS,
    ROOT,
    Row,
    Table,
    checked,
    dump,
    find_delimiter,
    first_row,
    parse,
    tidied,
)
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_table
from taxonomy.ranks import out_of_order

_UNFIT = "a table cannot carry these names of levels or taxa, which would be read as something else"
_KRAKEN = re.compile(r" *\d+(?:\.\d+)?\t(?:\d+\t){2,4}[A-Z-]\d*\t\d+\t(?= *\S)")
RESERVED = frozenset({*REMARKS, ROOT, "parent", "parent_id"})


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as lineage CSV, classes in its own order.

    Raises
    ------
    HierarchyError
        If a level has a name that would not be read as that of a level.
    """
    table = to_table(hierarchy)
    text = dump([table.header, *(row.cells for row in table.rows)])
    if find_delimiter(text) != "," or text.startswith("#") or edges.looks_like(text):
        raise HierarchyError(f"{_UNFIT}; rename them, or use parent-child-csv")
    return text


def to_table(hierarchy: Hierarchy) -> Table:
    """Return the hierarchy as a table of lineages.

    Raises
    ------
    HierarchyError
        If the table would not be read as what it is.
    """
    names = [level.name for level in hierarchy.levels]
    if unfit := [name for name in names if name.casefold() in RESERVED or name != name.strip()]:
        raise HierarchyError(f"a table cannot carry a level called {shown(unfit[0])}; rename it by `levels`")
    cells = [[level.labels[i] for i in hierarchy.paths[:, k]] for k, level in enumerate(hierarchy.levels)]
    rows = [Row(i + 2, list(row)) for i, row in enumerate(zip(*cells, hierarchy.classes, strict=True))]
    table = Table([*names, CLASS], rows)
    others = {name.casefold() for name in names}
    ambiguous = CLASS_NAME in others or (CLASS not in others and columns.class_is_rank(table, len(names)))
    table = Table([*names, CLASS_NAME], rows) if ambiguous else table
    if not _is_read_as_meant(table):
        raise HierarchyError(f"{_UNFIT}; rename them, or use parent-child-csv")
    return table


def _is_read_as_meant(table: Table) -> bool:
    """Tell whether the reader, which knows tables of others by their header and cells, takes this for what it is."""
    tidy = tidied(table)
    if tidy.header != table.header or tidy.findings or tidy.padded or parent_child_csv.columns(table.header):
        return False
    found, tidy = columns.find(tidy, ImportOptions())
    return (
        lineage_cells.expanded(table, ImportOptions()).header == table.header
        and found.levels == tuple(range(len(table.header) - 1))
        and found.classes == len(table.header) - 1
        and not tidy.findings
    )


def read(text: str, reading: ImportOptions) -> Hierarchy:
    """Read a lineage table; the rows may stand in any order, and empty cells are gaps.

    Raises
    ------
    HierarchyError
        If it is not such a table, with the line, or breaks a rule.
    """
    if other := unreadable(text):
        raise HierarchyError(other)
    if reading.header and not reading.levels and (known := _another_format(text)):
        raise HierarchyError(f"{known[0]}, no table of lineages; read it by `hiertax build --from {known[1]}`")
    return of_table(parse(text, reading.delimiter, header=reading.header), reading)


def unreadable(text: str) -> str | None:
    """Tell what a text is that looks like a table but is none of lineages, and what to do with it."""
    if match := _KRAKEN.match(text):
        column = match[0].count("\t") + 1
        return (
            "a report of Kraken, whose names are indented by blanks, no table of lineages; "
            f"`grep -v unclassified FILE | cut -f{column}` makes an outline of it, for `hiertax build --from outline`"
        )
    if text.startswith(">"):
        return "FASTA, no table of lineages; give the taxonomy as a table, without sequences"
    return None


def _another_format(text: str) -> tuple[str, str] | None:
    """Tell what a text is that is no table of lineages, but would be read as one without a word."""
    start = text[: 2**16]
    if edges.looks_like(start):
        return "two ends of an edge in every row, so an edge list", "edges"
    if outline.looks_like(start):
        return "one name a line, some indented, so an outline", "outline"
    if start.lstrip().startswith("(") and text.rstrip().endswith(";"):
        return "brackets and a semicolon at the end, so Newick", "newick"
    if parent_child_csv.columns(first_row(start)):
        return "columns of children and parents", "parent-child-csv"
    return None


def _with_names(table: Table, reading: ImportOptions) -> Table:
    """Return a table without a header of its own with the names that the reading gives its columns."""
    if reading.header or reading.levels is None or table.all_levels:
        return table
    if len(reading.levels) != len(table.header):
        names = ", ".join(reading.levels)
        raise HierarchyError(f"{len(reading.levels)} level names ({names}) for {len(table.header)} columns; name each")
    if pair := out_of_order(reading.levels):
        raise HierarchyError(
            f"{shown(pair[0])} stands before {shown(pair[1])}, so the columns are not in order; write the names of the "
            "levels as a first line, then say `levels`, coarsest first"
        )
    return replace(table, header=list(reading.levels))


def of_table(table: Table, reading: ImportOptions) -> Hierarchy:
    """Build the hierarchy of a table of lineages.

    Raises
    ------
    HierarchyError
        If something is wrong with the table, or the lineages break a rule.
    """
    table = _with_names(lineage_cells.expanded(table, reading), reading)
    named = reading if reading.header or table.all_levels else replace(reading, levels=None)  # they are the header
    found, table = columns.find(table, named)
    reading.notes.extend(table.notes)
    checked(table)
    for row, first in columns.roots(table, found):
        raise HierarchyError(f"line {row.line}: root {shown(row.cells[found.root or 0])}, but {shown(first)} above")
    root = table.rows[0].cells[found.root] if found.root is not None else ""
    classes = None if found.classes is None else table.column(found.classes)
    return from_table(found.lineages(table), found.names, reading, classes, **({"root": root} if root else {}))
