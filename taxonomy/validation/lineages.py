"""A table of lineages, one row per class, however broken: findings, and the tree that can be made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from msgspec import UNSET

from taxonomy.document import FORMAT, LONGEST, VERSION, Document, LevelDocument, Place, shown
from taxonomy.errors import HiertaxError
from taxonomy.formats import columns, lineage_cells
from taxonomy.formats.columns import Columns
from taxonomy.formats.table import CLASS, ROOT, Row, Table
from taxonomy.leveling import ImportOptions
from taxonomy.ranks import is_placeholder
from taxonomy.rules import Finding


def read(table: Table) -> tuple[Document | None, Iterable[Finding], Place]:
    """Return the tree of the whole rows, what is wrong with the others, and where each entry stands."""
    try:
        table = lineage_cells.expanded(table, ImportOptions())
    except HiertaxError as error:
        return None, [Finding("not-csv", "file", str(error))], _place([], {})
    found, table = columns.find(table, ImportOptions())
    early = [*(Finding("assumed", "file", note) for note in table.notes), *table.findings]
    if not found.levels:
        return None, early, _place([], {})
    if not table.rows:
        nothing = [] if table.findings else [Finding("no-labels", "line 2", "the table has no rows")]
        return None, [*early, *nothing], _place([], {})
    findings = chain(early, padded(table), _gaps(table, found), _roots(table, found))
    rows = [row for row in table.rows if all(row.cells[k] and not is_placeholder(row.cells[k]) for k in found.levels)]
    if not rows:
        return None, findings, _place([], {})
    whole = list({tuple(row.cells[k] for k in _told(found)): row for row in reversed(rows)}.values())[::-1]
    if len(whole) < len(rows):
        findings = chain(findings, [_repeated(rows, whole)])
    levels, lines = _prefix_tree(whole, found.levels, found.names)
    named = found.levels[-1] if found.classes is None else found.classes
    levels[-1].classes = [row.cells[named] for row in whole]
    document = Document(
        format=FORMAT, version=VERSION, name="table", root="root", source={"kind": "table"}, levels=levels
    )
    return document, findings, _place(lines, {"classes": table.header[named] or CLASS}, found.names)


def padded(table: Table) -> Iterator[Finding]:
    """Yield the cells that end with a blank: `hiertax build` strips it, other readers do not."""
    for line, column, cell in table.padded:
        yield Finding("stray-space", f"line {line}, {column}".rstrip(", "), f"{shown(cell)} ends with a space")


def _told(found: Columns) -> tuple[int, ...]:
    return found.levels if found.classes is None else (*found.levels, found.classes)


def _repeated(rows: list[Row], whole: list[Row]) -> Finding:
    kept = {row.line for row in whole}
    first = next(row for row in rows if row.line not in kept)
    return Finding("repeated-row", f"line {first.line}", f"{len(rows)} rows, of which {len(whole)} differ")


def _gaps(table: Table, found: Columns) -> Iterator[Finding]:
    for row in table.rows:
        filled = [k for k in found.levels if row.cells[k] and not is_placeholder(row.cells[k])]
        if len(filled) == len(found.levels):
            continue
        line = (tuple(row.cells[k] or "?" for k in found.levels[:LONGEST]),)
        for k in found.levels:
            place = f"line {row.line}, {table.header[k]}"
            if row.cells[k] and k not in filled:
                yield Finding("placeholder-name", place, f"{shown(row.cells[k])} is no name but a gap", line)
            elif k not in filled:
                between = bool(filled) and k < filled[-1]
                message = f"no {table.header[k]}" + (f" above {shown(row.cells[filled[-1]])}" if between else "")
                yield Finding("missing-rank" if between else "missing-leaf", place, message, line)


def _roots(table: Table, found: Columns) -> Iterator[Finding]:
    """Yield the rows whose root, where the table has a column for it, is not that of the first row."""
    for row, first in columns.roots(table, found):
        root = row.cells[found.root or 0]
        message = f"root {shown(root)}, but {shown(first)} in line {table.rows[0].line}"
        yield Finding("two-roots", f"line {row.line}, {ROOT}", message, ((first,), (root,)))


def _prefix_tree(
    rows: list[Row], columns: Sequence[int], names: Sequence[str]
) -> tuple[list[LevelDocument], list[list[int]]]:
    """Return the levels, and for every label the line of the row that brought it.

    A taxon is one node per distinct lineage above it, so that a taxon with two parents becomes two labels,
    which the rules then name; the finest level has one node per row.
    """
    levels, lines, above = [], [], [0] * len(rows)
    for k, (column, name) in enumerate(zip(columns, names, strict=True)):
        nodes: dict[tuple[int, str], int] = {}
        cells = [row.cells[column] for row in rows]
        if k == len(columns) - 1:
            levels.append(LevelDocument(name, cells, above if k else UNSET))
            lines.append([row.line for row in rows])
            break
        below = [nodes.setdefault(pair, len(nodes)) for pair in zip(above, cells, strict=True)]
        first = dict(zip(reversed(below), reversed(rows), strict=True))
        levels.append(LevelDocument(name, [label for _, label in nodes], [node for node, _ in nodes] if k else UNSET))
        lines.append([first[node].line for node in range(len(nodes))])
        above = below
    return levels, lines


def _place(lines: list[list[int]], parts: dict[str, str], names: Sequence[str] | None = None) -> Place:
    def place(level: int, part: str, index: int | None = None) -> str:
        column = parts.get(part) or (names[level] if names else "")
        return f"line {1 if index is None else lines[level][index]}, {column}".rstrip(", ")

    return place
