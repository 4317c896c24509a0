"""Parent-child tables: one row per taxon, with its parent.

Written with the columns ``level,label,parent,class``, coarsest level first. A level qualifies the names, so that a
family and a species may share one. Tables of other people need only ``child`` (or ``label``) and ``parent``; then a
name is one taxon wherever it stands. Where there are both, ``child`` (or ``id``) is a number that ``parent`` (or
``parent_id``) refers to, and ``label`` (or ``name``) what the taxon is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.formats.graph import from_graph
from taxonomy.formats.table import Row, Table, checked, dump, parse
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions
from taxonomy.ranks import is_placeholder

HEADER = ("level", "label", "parent", "class")
ROOT = "root"
_IDS = ("child", "id", "childid", "node", "nodeid", "taxid", "taxonid", "tsn")
_NAMES = ("label", "name", "childname", "scientificname", "taxonname", "taxon")
_PARENTS = ("parent", "parentid", "parentnode", "parenttaxid", "parenttaxonid", "parentnameusageid", "parenttsn")
_LEVELS = ("level", "rank", "taxonrank")
_WHOLE = re.compile(r"(\d+)\.0", re.ASCII)
Key = tuple[str, str]  # level ('' where the table has none), name or number


@dataclass(frozen=True)
class Columns:
    """Where the key and the name of a taxon, its parent, level and class stand; without ids the name is the key."""

    key: int
    name: int
    parent: int
    level: int | None
    classes: int | None


def columns(header: Sequence[str]) -> Columns | None:
    """Tell what the columns of a parent-child table are; None for another table."""
    place = {re.sub(r"[\s_.-]+", "", name.casefold()): k for k, name in enumerate(header)}
    ids, names, parents, level = (
        next((place[name] for name in some if name in place), None) for some in (_IDS, _NAMES, _PARENTS, _LEVELS)
    )
    if parents is None or (ids is None and names is None):
        return None
    key, name = (ids if ids is not None else names), (names if names is not None else ids)
    if key is None or name is None:
        return None
    return Columns(key, name, parents, level, place.get("class"))


def tidy_parents(table: Table, at: Columns) -> Table:
    """Return a table in which taxa without a parent have none written, and whole numbers no fraction.

    A parent that says only that there is none (``NULL``, ``NA``) is none, unless a taxon is called so. Where children
    have numbers, so is ``0`` or ``-1`` that no taxon has, and a taxon's own number, as NCBI writes it for the root. A
    column of numbers with blanks becomes one of fractions (``2.0``) in a data frame.
    """
    keys = set(table.column(at.key))
    numbered = at.key != at.name
    cells = [row.cells[at.parent] for row in table.rows]
    if numbered:
        cells = [match[1] if (match := _WHOLE.fullmatch(cell)) and cell not in keys else cell for cell in cells]
    tops = {cell for cell in {*cells} - keys if is_placeholder(cell) or (numbered and cell in ("0", "-1"))}
    above = [
        "" if cell in tops or (numbered and cell == row.cells[at.key]) else cell
        for cell, row in zip(cells, table.rows, strict=True)
    ]
    count = sum(bool(cell) and not parent for cell, parent in zip(cells, above, strict=True))
    rows = [
        Row(line, [*old[: at.parent], parent, *old[at.parent + 1 :]])
        for (line, old), parent in zip(table.rows, above, strict=True)
    ]
    table = replace(table, rows=rows)
    return table.noting(f"parents that name no other taxon, taken for none: {count}") if count else table


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as parent-child CSV; the parent of the coarsest taxa is empty.

    Raises
    ------
    HierarchyError
        If a level is called ``root``, which such a table takes for the root.
    """
    if ROOT in [level.name.casefold() for level in hierarchy.levels]:
        raise HierarchyError("a parent-child table cannot carry a level called 'root'; rename it by `levels`")
    return dump([HEADER, *_rows(hierarchy)])


def _rows(hierarchy: Hierarchy) -> Iterator[tuple[str, str, str, str]]:
    last = hierarchy.depth - 1
    for k, level in enumerate(hierarchy.levels):
        for i, label in enumerate(level.labels):
            parent = hierarchy.levels[k - 1].labels[level.parents[i]] if k else ""
            yield level.name, label, parent, hierarchy.classes[i] if k == last else ""


def read(text: str, reading: ImportOptions) -> Hierarchy:
    """Read a parent-child table.

    Taxa without a parent are those of the coarsest level; but a single one is the root, unless a column ``level``
    gives it another level than ``root``.

    Raises
    ------
    HierarchyError
        If it is not such a table, a taxon has two parents or an unknown one, this is no tree, or it
        breaks a rule.
    """
    return of_table(parse(text, reading.delimiter), reading)


def of_table(table: Table, reading: ImportOptions) -> Hierarchy:
    """Build the hierarchy of a table of parents and children."""
    at = columns(checked(table).header)
    if at is None:
        raise HierarchyError(f"the header ({', '.join(table.header)}) needs the columns child and parent")
    table = tidy_parents(table, at)
    reading.notes.extend(table.notes)
    levels = list(dict.fromkeys(table.column(at.level))) if at.level is not None else [""]
    depth = {name: k for k, name in enumerate(levels)}
    names: dict[Key, str] = {}
    above: list[tuple[Key, Key | None]] = []
    classes: dict[Key, str] = {}
    for row in table.rows:
        k = depth[row.cells[at.level]] if at.level is not None else 0
        apart = at.level is not None and at.key == at.name  # numbers are different throughout, names in a level only
        key = (levels[k] if apart else "", row.cells[at.key])
        parent = row.cells[at.parent]
        higher = (levels[max(k - 1, 0)] if apart else "", parent) if parent else None
        _check(key, row.cells[at.name], parent, names)
        above.append((key, higher))
        names[key] = row.cells[at.name]
        classes[key] = row.cells[at.classes] if at.classes is not None else ""
    _check_twice(above, names)
    return _built(above, names, classes, [] if at.level is None else levels, table, reading)


def _check(key: Key, name: str, parent: str, names: dict[Key, str]) -> None:
    if not key[1] or not name:
        raise HierarchyError(f"a taxon under {shown(parent)} has no name; name it or remove its row")
    if names.get(key, name) != name:
        raise HierarchyError(f"{shown(key[1])} is called {shown(names[key])} and {shown(name)}; keep one name")


def _check_twice(above: list[tuple[Key, Key | None]], names: dict[Key, str]) -> None:
    seen: set[tuple[Key, Key | None]] = set()
    for pair in above:
        if pair in seen:
            raise HierarchyError(
                f"{shown(names[pair[0]])} is listed twice; keep one row, or tell the taxa apart by a column level"
            )
        seen.add(pair)


def _built(
    above: list[tuple[Key, Key | None]], names: dict[Key, str], classes: dict[Key, str], levels: list[str],
    table: Table, reading: ImportOptions,
) -> Hierarchy:  # fmt: skip
    implied = list(dict.fromkeys(parent for _, parent in above if parent is not None and parent not in names))
    at = columns(table.header)
    if implied and (implied[0][0] or (at is not None and at.key != at.name)):
        what = implied[0][0] or "taxon"
        raise HierarchyError(f"no {what} {shown(implied[0][1])}, yet it is a parent; give it a row")
    keys = [*implied, *names]
    place = {key: i for i, key in enumerate(keys)}
    edges = [(place[child], place[parent]) for child, parent in above if parent is not None]
    tops = {key for key, parent in above if parent is None} | set(implied)
    rooted = len(tops) == 1 and _may_be_root(next(iter(tops)), levels, table)
    if levels:
        below = tuple(name for name in levels if not (rooted and name.casefold() in ("", ROOT)))
        reading = replace(reading, levels=reading.levels or below)
    elif len(tops) > 1:
        reading.notes.append(f"taxa without a parent, taken for the coarsest level: {len(tops)}")
    labels = [names.get(key, key[1]) for key in keys]
    called = [classes.get(key) or names.get(key, key[1]) for key in keys]
    return from_graph(labels, edges, reading, rooted=rooted, classes=called)


def _may_be_root(key: Key, levels: list[str], table: Table) -> bool:
    """Tell whether the only taxon without a parent is the root: it has no level, or one of that name."""
    if not levels:
        return True
    at = columns(table.header)
    row = next((row for row in table.rows if at and row.cells[at.key] == key[1]), None)
    return row is None or at is None or at.level is None or row.cells[at.level].casefold() in ("", ROOT)
