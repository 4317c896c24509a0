"""A table of child and parent, however broken: findings, and the tree that can be made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from taxonomy.document import FORMAT, LONGEST, VERSION, Document, LevelDocument, Place, shown
from taxonomy.formats.parent_child_csv import Columns, columns, tidy_parents
from taxonomy.formats.table import Row, Table
from taxonomy.rules import Finding
from taxonomy.validation.lineages import padded

IntArray = NDArray[np.int64]
Key = tuple[str, str]  # level ('' where the table has none), name


@dataclass(frozen=True)
class _Forest:
    """Nodes in the order of the table, first the `listed` ones with rows of their own, then mere parents.

    Name, level and class (blank where none is given) and line of each; `parents` are nodes, -1 for none. Where taxa are
    told by ids, mere parents have no name.
    """

    names: list[str]
    levels: list[str]
    classes: list[str]
    lines: list[int]
    parents: IntArray
    listed: int
    column: str
    by_id: bool

    def lineage(self, node: int) -> tuple[str, ...]:
        line: list[str] = []
        while node >= 0 and len(line) < LONGEST:
            line.append(self.names[node])
            node = int(self.parents[node])
        return tuple(reversed(line))

    def place(self, node: int, column: str | None = None) -> str:
        return f"line {self.lines[node]}, {column or self.column}"


def read(table: Table) -> tuple[Document | None, Iterable[Finding], Place]:
    """Return the tree if it is one, what is wrong with the table, and where each entry stands."""
    at = columns(table.header)
    table = table if at is None else tidy_parents(table, at)
    early = [*(Finding("assumed", "file", note) for note in table.notes), *table.findings, *padded(table)]
    if at is None or not table.rows:
        nothing = [] if table.findings else [Finding("no-labels", "line 2", "the table has no rows")]
        return None, [*early, *nothing], lambda *_: "line 2"
    forest, repeats = _forest(table.rows, table.header, at)
    if not forest.names:
        return None, chain(early, _blank(table, at)), _place(forest, [])
    depth = _depths(forest.parents)
    document, nodes = _document(forest, depth)
    return document, chain(early, _blank(table, at), repeats, _structure(forest, depth)), _place(forest, nodes)


def _structure(forest: _Forest, depth: IntArray) -> Iterator[Finding]:
    broken = False
    for finding in chain(_roots(forest, depth), _cycles(forest, depth)):
        broken = True
        yield finding
    if not broken:
        yield from chain(_uneven(forest, depth), _levels(forest, depth))


def _blank(table: Table, at: Columns) -> Iterator[Finding]:
    for row in table.rows:
        for child in {at.key, at.name}:
            if not row.cells[child]:
                yield Finding("blank-label", f"line {row.line}, {table.header[child]}", "a child has no name")


def _forest(rows: list[Row], header: list[str], at: Columns) -> tuple[_Forest, Iterator[Finding]]:
    """Return one node per child and per parent without a row, and the children that have several rows."""
    child, parent, column = at.key, at.parent, header[at.key]
    keys = _Keys.of(rows, child, at.level if at.key == at.name else None)
    first: dict[Key, Row] = {}
    named = [row for row in rows if row.cells[child].strip()]
    later = [(one, row) for row in named if (one := first.setdefault(keys.child(row), row)) is not row]
    above = [keys.parent(row, row.cells[parent], first) for row in first.values()]
    lines = {key: row.line for key, row in first.items()}
    for key, row in zip(above, first.values(), strict=True):
        if key is not None:
            lines.setdefault(key, row.line)  # a parent without a row stands where it is named first
    index = {key: i for i, key in enumerate(lines)}
    parents = [-1 if key is None else index[key] for key in above] + [-1] * (len(lines) - len(first))
    levels, classes = (_column(first, place, len(lines)) for place in (at.level, at.classes))
    called = {key: row.cells[at.name] or key[1] for key, row in first.items()}
    forest = _Forest(
        [called.get(key, key[1]) for key in lines], levels, classes, list(lines.values()),
        np.array(parents, dtype=np.int64), len(first), column, at.key != at.name,
    )  # fmt: skip

    def repeated(one: Row, two: Row) -> Finding:
        above = [keys.parent(row, row.cells[parent], first) for row in (one, two)]
        lines = tuple((*(forest.lineage(index[k]) if k in index else ()), one.cells[child]) for k in above)
        return _repeated(one, two, one.cells[at.name], [row.cells[parent] for row in (one, two)], lines, column)

    return forest, (repeated(*pair) for pair in later)


@dataclass(frozen=True)
class _Keys:
    """What identifies a taxon: its name, and its level where the table has such a column."""

    name: int
    level: int | None
    above: dict[str, str]
    known: dict[str, Key]

    @classmethod
    def of(cls, rows: list[Row], name: int, level: int | None) -> _Keys:
        order = [] if level is None else list(dict.fromkeys(row.cells[level] for row in rows))
        known: dict[str, Key] = {}
        for row in rows:
            known.setdefault(row.cells[name], ("" if level is None else row.cells[level], row.cells[name]))
        return cls(name, level, dict(pairwise(reversed(order))), known)

    def child(self, row: Row) -> Key:
        return ("" if self.level is None else row.cells[self.level], row.cells[self.name])

    def parent(self, row: Row, name: str, listed: dict[Key, Row]) -> Key | None:
        """Return the taxon of that name one level up, or else the first of that name; None for no name."""
        if not name.strip():
            return None
        higher = (self.above.get(self.child(row)[0], ""), name)
        return higher if higher in listed else self.known.get(name, ("", name))


def _column(rows: dict[Key, Row], column: int | None, length: int) -> list[str]:
    cells = [row.cells[column] for row in rows.values()] if column is not None else []
    return cells + [""] * (length - len(cells))


def _repeated(
    one: Row, two: Row, name: str, above: list[str], lines: tuple[tuple[str, ...], ...], column: str
) -> Finding:
    if above[0] == above[1]:
        message = f"{shown(name)} is listed twice, first in line {one.line}"
        return Finding("duplicate-label", f"line {two.line}, {column}", message, lines[:1])
    message = f"{shown(name)} has two parents, {shown(above[0])} (line {one.line}) and {shown(above[1])}"
    return Finding("two-parents", f"line {two.line}, parent", message, lines)


def _depths(parents: IntArray) -> IntArray:
    """Return how many ancestors each node has, -1 if it never reaches a root, in O(n log n) by doubling."""
    up = np.append(np.where(parents < 0, len(parents), parents), len(parents))  # the last one stands above all roots
    depth = np.append((parents >= 0).astype(np.int64), 0)
    for _ in range(len(parents).bit_length()):
        depth += depth[up]
        up = up[up]
    return np.where(up[:-1] == len(parents), depth[:-1], -1)


def _roots(forest: _Forest, depth: IntArray) -> Iterator[Finding]:
    roots = np.flatnonzero(depth == 0).tolist()
    children = np.bincount(forest.parents[forest.parents >= 0], minlength=len(depth))
    listed = [i for i in roots if i < forest.listed]
    absent = roots[len(listed) :]
    if absent and (listed or forest.by_id):
        for i in absent:
            message = f"parent {shown(forest.names[i])} of {children[i]} taxa has no row of its own"
            yield Finding("orphan", forest.place(i, "parent"), message, (forest.lineage(_child(forest, i)),))
        roots = listed
    ranks = {forest.levels[i] for i in roots}
    if len(roots) > 1 and (len(ranks) > 1 or ranks & {"", "root"}):  # else they are the coarsest level
        names = ", ".join(shown(forest.names[i]) for i in roots[:5]) + (", ..." if len(roots) > 5 else "")
        message = f"{len(roots)} taxa have no parent: {names}"
        yield Finding("two-roots", forest.place(roots[1]), message, tuple((forest.names[i],) for i in roots[:2]))


def _child(forest: _Forest, node: int) -> int:
    return int(np.flatnonzero(forest.parents == node)[0])


def _cycles(forest: _Forest, depth: IntArray) -> Iterator[Finding]:
    """Yield one finding per circle, not per taxon that hangs on one."""
    seen = depth >= 0
    for start in np.flatnonzero(~seen).tolist():
        trail: dict[int, int] = {}
        node = start
        while not seen[node]:
            seen[node] = True
            trail[node] = len(trail)
            node = int(forest.parents[node])
        if node in trail:
            circle = list(trail)[trail[node] :]
            names = [forest.names[i] for i in (*circle[:LONGEST], circle[0])]
            message = f"{shown(names[0])} is its own " + ("parent" if len(circle) == 1 else "ancestor")
            yield Finding("cycle", forest.place(circle[0], "parent"), message, (tuple(reversed(names)),))


def _uneven(forest: _Forest, depth: IntArray) -> Iterator[Finding]:
    leaves = np.setdiff1d(np.arange(len(depth)), forest.parents)
    usual = int(np.bincount(depth[leaves]).argmax())
    example = forest.lineage(int(leaves[depth[leaves] == usual][0]))
    for i in leaves[depth[leaves] != usual].tolist():
        message = f"leaf {shown(forest.names[i])} has {depth[i]} ancestors, most have {usual}"
        yield Finding("uneven-depth", forest.place(i), message, (forest.lineage(i), example))


def _levels(forest: _Forest, depth: IntArray) -> Iterator[Finding]:
    usual = _level_names(forest, depth)
    for i, level in enumerate(forest.levels):
        if level and level != usual[depth[i]]:
            message = (
                f"{shown(forest.names[i])} is called {shown(level)}, but others of its depth {shown(usual[depth[i]])}"
            )
            yield Finding("level-mismatch", forest.place(i, "level"), message, (forest.lineage(i),))


def _level_names(forest: _Forest, depth: IntArray) -> dict[int, str]:
    """Return for each depth what most of its taxa are said to be."""
    said = Counter((d, level) for d, level in zip(depth.tolist(), forest.levels, strict=True) if level)
    usual = {d: f"level {d}" for d in range(int(depth.max()) + 1)}
    return usual | {d: level for (d, level), _ in reversed(said.most_common())}


def _document(forest: _Forest, depth: IntArray) -> tuple[Document | None, list[list[int]]]:
    """Return the nodes below the root, or roots and all if there are several, as levels."""
    usual = _level_names(forest, depth)
    first = np.flatnonzero(depth == 0).tolist()
    top = int(len(first) == 1 and forest.levels[first[0]].casefold() in ("", "root"))
    order = np.argsort(depth, kind="stable")
    bounds = np.searchsorted(depth[order], np.arange(top, int(depth.max()) + 2))
    nodes = [order[a:b] for a, b in pairwise(bounds)]
    if not nodes:
        return None, []
    at = np.zeros(len(depth) + 1, dtype=np.int64)
    levels = []
    for k, members in enumerate(nodes):
        at[members] = np.arange(len(members))
        labels = [forest.names[i] for i in members.tolist()]
        levels.append(LevelDocument(usual[k + top], labels, at[forest.parents[members]].tolist() if k else UNSET))
    levels[-1].classes = [forest.classes[i] or forest.names[i] for i in nodes[-1].tolist()]
    root = forest.names[int(np.flatnonzero(depth == 0)[0])] if top else "root"
    about = Document(format=FORMAT, version=VERSION, name="table", root=root, source={"kind": "table"}, levels=levels)
    return about, [members.tolist() for members in nodes]


def _place(forest: _Forest, nodes: list[list[int]]) -> Place:
    """Return what names the line of a label."""

    def place(level: int, part: str, index: int | None = None) -> str:
        if index is None:
            return "line 1"
        return forest.place(nodes[level][index], "parent" if part == "parents" else None)

    return place
