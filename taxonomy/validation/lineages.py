"""A table of lineages, one row per class, however broken: findings, and the tree that can be made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from msgspec import UNSET

from taxonomy.document import FORMAT, LONGEST, VERSION, Document, LevelDocument, Place, shown
from taxonomy.rules import Finding
from taxonomy.validation.tables import Row, Table

CLASS, ROOT = "class", "root"
REMARKS = frozenset({"note", "basis", "scientific_name", "wikipedia_title"})  # columns of the shipped tables


def read(table: Table) -> tuple[Document | None, Iterable[Finding], Place]:
    """Return the tree of the whole rows, what is wrong with the others, and where each entry stands."""
    columns = [k for k, name in enumerate(table.header) if name != ROOT and name not in REMARKS]
    named = next((k for k in (*columns[:1], *columns[-1:]) if table.header[k] == CLASS), None)
    columns = [k for k in columns if k != named]
    names = [table.header[k] for k in columns]
    if not columns:
        return None, [Finding("bad-header", "line 1", "no column is a level")], _place([], {})
    if not table.rows:
        return None, [Finding("no-labels", "line 2", "the table has no rows")], _place([], {})
    findings = chain(_gaps(table, columns), _roots(table))
    whole = [
        row
        for row in table.rows
        if len(row.cells) == len(table.header)
        and (all(map(str.strip, row.cells)) or all(row.cells[k].strip() for k in columns))
    ]
    if not whole:
        return None, findings, _place([], {})
    levels, lines = _prefix_tree(whole, columns, names)
    named = columns[-1] if named is None else named
    levels[-1].classes = [row.cells[named] for row in whole]
    document = Document(
        format=FORMAT, version=VERSION, name="table", root="root", source={"kind": "table"}, levels=levels
    )
    return document, findings, _place(lines, {"classes": table.header[named]}, names)


def _gaps(table: Table, columns: list[int]) -> Iterator[Finding]:
    for row in table.rows:
        if len(row.cells) != len(table.header):
            message = f"{len(row.cells)} cells under {len(table.header)} columns: {shown(','.join(row.cells))}"
            yield Finding("row-length", f"line {row.line}", message)
            continue
        if all(map(str.strip, row.cells)):
            continue
        filled = [k for k in columns if row.cells[k].strip()]
        line = (tuple(row.cells[k] or "?" for k in columns[:LONGEST]),)
        for k in columns:
            if not row.cells[k].strip():
                between = bool(filled) and k < filled[-1]
                message = f"no {table.header[k]}" + (f" above {shown(row.cells[filled[-1]])}" if between else "")
                rule = "missing-rank" if between else "missing-leaf"
                yield Finding(rule, f"line {row.line}, {table.header[k]}", message, line)


def _roots(table: Table) -> Iterator[Finding]:
    """Yield the rows whose root, where the table has a column for it, is not that of the first row."""
    if ROOT not in table.header:
        return
    column = table.header.index(ROOT)
    roots = [(row.line, row.cells[column]) for row in table.rows if len(row.cells) == len(table.header)]
    for line, root in roots:
        if root != roots[0][1]:
            message = f"root {shown(root)}, but {shown(roots[0][1])} in line {roots[0][0]}"
            yield Finding("two-roots", f"line {line}, {ROOT}", message, ((roots[0][1],), (root,)))


def _prefix_tree(rows: list[Row], columns: list[int], names: list[str]) -> tuple[list[LevelDocument], list[list[int]]]:
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


def _place(lines: list[list[int]], parts: dict[str, str], names: list[str] | None = None) -> Place:
    def place(level: int, part: str, index: int | None = None) -> str:
        column = parts.get(part) or (names[level] if names else "")
        return f"line {1 if index is None else lines[level][index]}, {column}".rstrip(", ")

    return place
