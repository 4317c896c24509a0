"""Edge lists: two names or numbers a line, as of NABirds, WordNet and networkx, without a header.

Which end is the child is found where that can be told: in a tree every child has one parent. A comment ``# parent
child`` tells it too; such a one is written. Numbers get their names from a second file, a number and a name a line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.formats.graph import from_graph
from taxonomy.formats.parent_child_csv import columns
from taxonomy.formats.table import Row, Table, first_row
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import Edges, ImportOptions

SAMPLE = 2**16  # characters that tell whether a text is an edge list
_NUMBERS = re.compile(r"\s*(?:\d+|n\d{8})(?:[ \t]+|\s*[,;]\s*)(?:\d+|n\d{8})\s*")
_DIRECTION = re.compile(r"#?\s*(child|parent)\W+(child|parent)\s*", re.IGNORECASE)
_DATA = re.compile(r"(.+?)(?:\s|[,;|])+\{.*\}\s*")  # an edge and its data, as networkx writes them
_HEADERS = frozenset(
    [("child", "parent"), ("parent", "child"), ("source", "target"), ("from", "to"), ("node1", "node2"), ("u", "v")]
)
_ENDS = tuple(sorted(_HEADERS - {("child", "parent"), ("parent", "child")}))  # `parent_child_csv` has the others
_KEY_END = re.compile(r"[\s,;|]+|:\s+")  # between a number and its name
_MARKS = ("\t", ",", ";", "|")


class Edge(NamedTuple):
    """A line: where it stands, and its two ends as written."""

    line: int
    left: str
    right: str


def looks_like(text: str) -> bool:
    """Tell whether a text is rather an edge list than a table: two ends in every line, numbers or linked by name.

    Numbers have no header. Names are linked where all parents but one are children too, as in a tree. A table whose
    header names child and parent is `taxonomy.formats.parent_child_csv`.
    """
    start = text if len(text) <= SAMPLE else text[:SAMPLE].rpartition("\n")[0] or text[:SAMPLE]
    lines = [line for line in islice(start.splitlines(), 1000) if line.strip() and not line.startswith("#")]
    return bool(lines) and columns(first_row(start)) is None and (all(map(_NUMBERS.fullmatch, lines)) or _linked(lines))


def _linked(lines: Sequence[str]) -> bool:
    """Tell whether lines are the edges of a tree, each of two words or two cells, with or without a header."""
    pairs = _pairs(lines, (*_MARKS, None)) or []
    if pairs and tuple(map(str.casefold, pairs[0])) in _HEADERS:
        pairs = pairs[1:]
    left, right = ({pair[side] for pair in pairs} for side in (0, 1))
    inner = left & right
    return bool(inner) and all(one != two for one, two in pairs) and 1 in (len(left - inner), len(right - inner))


def _pairs(lines: Sequence[str], marks: Sequence[str | None]) -> list[tuple[str, str]] | None:
    """Return the two ends of every line, by the first of some separators that gives two; None where none does.

    A separator may be None for blanks. What networkx adds to an edge is passed over, if every line has it.
    """
    data = [_DATA.fullmatch(line) for line in lines[:1]]
    bare = [match[1] for line in lines if (match := _DATA.fullmatch(line))] if all(data) else []
    for texts in (lines, bare) if len(bare) == len(lines) else (lines,):
        for mark in marks:
            cells = [_split(line, mark) for line in texts]
            if all(len(pair) == 2 and pair[0] and pair[1] for pair in cells):
                return [(one, two) for one, two in cells]
    return _named_ends(lines, marks)


def _named_ends(lines: Sequence[str], marks: Sequence[str | None]) -> list[tuple[str, str]] | None:
    """Return the two ends of every line of a table with more columns, as pandas and Gephi write, by its header."""
    for mark in filter(None, marks):
        header = [cell.casefold() for cell in _split(lines[0], mark)] if lines else []
        ends = next((pair for pair in _ENDS if set(pair) <= set(header)), None)
        rows = [_split(line, mark) for line in lines] if ends else []
        if ends and all(len(row) == len(header) for row in rows):
            one, two = map(header.index, ends)
            return [(row[one], row[two]) for row in rows] if all(row[one] and row[two] for row in rows) else None
    return None


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as pairs of parent and child, separated by tabs.

    Raises
    ------
    HierarchyError
        If two taxa share a name, or a name holds a tab or a line break: pairs of names cannot tell that.
    """
    names = [hierarchy.root, *(label for level in hierarchy.levels for label in level.labels)]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise HierarchyError(f"two taxa are called {shown(name)}, so edges cannot carry them; use parent-child-csv")
        seen.add(name)
        if "\t" in name or len(f"{name}.".splitlines()) > 1 or name != name.strip() or name.startswith("#"):
            raise HierarchyError(f"an edge list cannot carry {shown(name)}; use parent-child-csv")
    above: tuple[str, ...] = (hierarchy.root,)
    lines = ["# parent\tchild"]
    for level in hierarchy.levels:
        lines += [f"{above[p]}\t{label}" for p, label in zip(level.parents.tolist(), level.labels, strict=True)]
        above = level.labels
    return "\n".join(lines) + "\n"


def read(text: str, reading: ImportOptions) -> Hierarchy:
    """Read an edge list; a single node without a parent is the root.

    Raises
    ------
    HierarchyError
        If a line has not two ends, the direction cannot be told, a node has several parents and the reading does not
        say which to keep, this is no tree, or a number has no name.
    """
    pairs = directed(text, reading)
    nodes = list(dict.fromkeys(end for edge in pairs for end in (edge.right, edge.left)))
    place = {node: i for i, node in enumerate(nodes)}
    edges = [(place[edge.left], place[edge.right]) for edge in pairs]
    labels = _called(nodes, reading)
    inner = {edge.right for edge in pairs}
    leaves = [name for node, name in zip(nodes, labels, strict=True) if node not in inner]
    classes = labels
    if len(set(leaves)) < len(leaves):
        classes = nodes
        reading.notes.append("leaves share names, so the numbers are the class names")
    return from_graph(labels, edges, reading, classes=classes)


def directed(text: str, reading: ImportOptions) -> list[Edge]:
    """Return the edges of a text from child (left) to parent (right), equal ones once."""
    pairs, told = parsed(text, reading)
    unique = list({(edge.left, edge.right): edge for edge in reversed(pairs)}.values())[::-1]
    if len(unique) < len(pairs):
        reading.notes.append(f"edges that repeat passed over: {len(pairs) - len(unique)}")
    direction = reading.edges or told
    if direction is None:
        direction = _direction(unique)
        reading.notes.append(f"read as an edge list, {direction.replace('-', ' then ')}")
    if direction == "child-parent":
        return unique
    return [Edge(edge.line, edge.right, edge.left) for edge in unique]


def table(text: str, reading: ImportOptions) -> Table:
    """Return an edge list as a table with the columns child and parent."""
    rows = [Row(edge.line, [edge.left, edge.right]) for edge in directed(text, reading)]
    return Table(["child", "parent"], rows, tuple(reading.notes))


def parsed(text: str, reading: ImportOptions) -> tuple[list[Edge], Edges | None]:
    """Return the two ends of every line, and the direction where a comment or a header tells it."""
    told: Edges | None = None
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if (
            told is None
            and not lines
            and (match := _DIRECTION.fullmatch(line))
            and match[1].lower() != match[2].lower()
        ):
            told = "child-parent" if match[1].lower() == "child" else "parent-child"
        elif line.strip() and not line.lstrip().startswith("#"):
            lines.append((number, line))
    if not lines:
        raise HierarchyError("no edge in it; give two names or numbers a line")
    marks = (reading.delimiter,) if reading.delimiter else (*_MARKS, None)
    pairs = _pairs([line for _, line in lines], marks)
    if pairs is None:
        at, line = next(((n, line) for n, line in lines if len(line.split()) != 2), lines[0])
        raise HierarchyError(f"line {at}: {shown(line.strip())} has not two ends; separate the two by one tab or comma")
    edges = [Edge(n, *pair) for (n, _), pair in zip(lines, pairs, strict=True)]
    is_header = told is None and len(edges) > 1 and tuple(map(str.casefold, pairs[0])) in _HEADERS
    cells = re.split(r"[\t,;|]", lines[0][1]) if is_header else []
    if len(cells) > 2:
        beside = [cell for cell in cells if cell.strip('" ').casefold() not in ("", *map(str.casefold, pairs[0]))]
        reading.notes.append(f"columns beside the ends of edges passed over: {', '.join(beside)}")
    return edges[1:] if is_header else edges, told


def _split(line: str, mark: str | None) -> list[str]:
    if mark is None:
        return line.split()
    try:
        return [cell.strip() for cell in next(csv.reader(io.StringIO(line), delimiter=mark, skipinitialspace=True), [])]
    except (csv.Error, TypeError, ValueError):
        return []


def _direction(edges: Sequence[Edge]) -> Edges:
    """Tell which end is the child: each child of a tree has one parent, and a graph has one root."""
    left, right = {edge.left for edge in edges}, {edge.right for edge in edges}
    unique: dict[Edges, bool] = {"child-parent": len(left) == len(edges), "parent-child": len(right) == len(edges)}
    rooted: dict[Edges, bool] = {"child-parent": len(right - left) == 1, "parent-child": len(left - right) == 1}
    for sides in (unique, rooted):
        if sum(sides.values()) == 1:
            return next(side for side, is_so in sides.items() if is_so)
    raise HierarchyError(
        "which end of an edge is the child cannot be told; say `edges=child-parent` or `edges=parent-child`"
    )


def names_of(text: str) -> dict[str, str]:
    """Return the names in a text of a number (or any word) and a name a line.

    Raises
    ------
    HierarchyError
        If a line has no name, or a number has two.
    """
    names: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, _, name = (part.strip() for part in _KEY_END.sub("\t", line.strip(), count=1).partition("\t"))
        name = name[1:-1] if len(name) > 2 and name[0] == name[-1] == '"' else name
        if not name:
            raise HierarchyError(f"line {number}: {shown(line.strip())} is no number with a name; write both")
        if names.setdefault(key, name) != name:
            raise HierarchyError(f"line {number}: {shown(key)} has two names; keep one")
    return names


def _called(nodes: Sequence[str], reading: ImportOptions) -> list[str]:
    if reading.labels is None:
        return list(nodes)
    if missing := [node for node in nodes if node not in reading.labels]:
        more = f"; {len(missing)} such in all" if len(missing) > 1 else ""
        raise HierarchyError(f"`labels`: no name for {shown(missing[0])}{more}; add it")
    return [reading.labels[node] for node in nodes]
