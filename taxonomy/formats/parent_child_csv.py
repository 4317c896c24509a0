"""Parent-child CSV: one row per taxon, with its parent.

Written with the columns ``level,label,parent,class``, coarsest level first. A level qualifies the names, so
that a family and a species may share one. Tables of other people need only ``child`` (or ``label``) and
``parent``; then a name is one taxon wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from taxonomy.errors import HierarchyError
from taxonomy.formats.lineage_csv import dump, parse
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import Reading, from_tree

HEADER = ("level", "label", "parent", "class")
Key = tuple[str, str]  # level ('' where the table has none), name


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as parent-child CSV; the parent of the coarsest taxa is empty."""
    return dump([HEADER, *_rows(hierarchy)])


def _rows(hierarchy: Hierarchy) -> Iterator[tuple[str, str, str, str]]:
    last = hierarchy.depth - 1
    for k, level in enumerate(hierarchy.levels):
        for i, label in enumerate(level.labels):
            parent = hierarchy.levels[k - 1].labels[level.parents[i]] if k else ""
            yield level.name, label, parent, hierarchy.classes[i] if k == last else ""


def is_header(content: bytes) -> bool:
    """Tell whether a CSV starts with the header of this format."""
    cells = content.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip().split(",")
    return "parent" in cells and not {"child", "label"}.isdisjoint(cells)


def read(text: str, reading: Reading) -> Hierarchy:
    """Read parent-child CSV.

    Taxa without a parent are those of the coarsest level; but a single name that is only ever a parent is
    the root.

    Raises
    ------
    HierarchyError
        If it is not such a table, a taxon has two parents or an unknown one, this is no tree, or it
        breaks a rule.
    """
    header, rows = parse(text)
    column = {name: i for i, name in enumerate(header)}
    name = next((n for n in ("child", "label") if n in column), None)
    if name is None or "parent" not in column:
        raise HierarchyError(f"the header ({', '.join(header)}) needs the columns child and parent")
    levels = list(dict.fromkeys(row[column["level"]] for row in rows)) if "level" in column else [""]
    parents: dict[Key, Key | None] = {}
    for row in rows:
        k = levels.index(row[column["level"]]) if "level" in column else 0
        _add(parents, (levels[k], row[column[name]]), row[column["parent"]], levels[max(k - 1, 0)])
    if "level" in column:
        reading = replace(reading, levels=reading.levels or tuple(levels))
    classes = {(row[column["level"]] if "level" in column else "", row[column[name]]): row[column["class"]]
               for row in rows} if "class" in column else {}  # fmt: skip
    return _tree(parents, classes, reading)


def _add(parents: dict[Key, Key | None], taxon: Key, parent: str, level_above: str) -> None:
    if not taxon[1].strip():
        raise HierarchyError(f"a taxon under {parent!r} has no name; name it or remove its row")
    above = (level_above, parent) if parent else None
    if taxon in parents:
        one, two = (repr(p[1]) if p else "none" for p in (parents[taxon], above))
        fault = "is listed twice" if one == two else f"has two parents, {one} and {two}"
        raise HierarchyError(f"{taxon[1]!r} {fault}; keep one row, or tell the taxa apart by a column level")
    parents[taxon] = above


def _tree(parents: dict[Key, Key | None], classes: dict[Key, str], reading: Reading) -> Hierarchy:
    implied = [key for key in dict.fromkeys(parents.values()) if key is not None and key not in parents]
    if len(implied) == 1 and implied[0][0] == "" and None not in parents.values():
        nodes, root = [implied[0], *parents], implied[0][1]
    elif implied and implied[0][0]:
        raise HierarchyError(f"no {implied[0][0]} {implied[0][1]!r}, yet it is a parent; give it a row")
    else:
        nodes, root = [("", ""), *implied, *parents], ""
    place = {key: i for i, key in enumerate(nodes)}
    above = [-1, *(place[parents[key]] if parents.get(key) else 0 for key in nodes[1:])]  # type: ignore[index]
    names = [name for _, name in nodes]
    named = [classes.get(key) or key[1] for key in nodes]
    return from_tree(names, above, reading, root=root, classes=named)
