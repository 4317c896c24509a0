"""Nested JSON: ``{"name": .., "children": [..]}``, as D3, bigtree and others have it.

Read are also dictionaries keyed by name (``{"Duck": {"Mallard": {}, "Teal": {}}}``, with lists of leaves, or with a key
``children`` inside), and bigtree's dictionary of paths (``{"/Bird/Duck": {..}}``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from taxonomy.document import once, shown
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_tree

DEEPEST = 300  # levels; readers of JSON refuse what is nested some hundred times deeper than usual
_NAMES = ("name", "label", "id")
_KINSHIP = re.compile(r"_*(child|sub|nodes|descend|members|leaves|species$|taxa)", re.IGNORECASE)
_BELOW = "children"
Node = tuple[str, str, Any]  # name, class name ('' for none), what is below


def write(hierarchy: Hierarchy) -> str:
    """Return the hierarchy as nested JSON: ``name``, ``level``, ``children``, and for leaves ``class``.

    Raises
    ------
    HierarchyError
        If it is deeper than readers of JSON follow.
    """
    if hierarchy.depth > DEEPEST:
        raise HierarchyError(f"nested JSON cannot carry {hierarchy.depth} levels, only {DEEPEST}; use another format")
    nodes: list[dict[str, Any]] = []
    for k in range(hierarchy.depth - 1, -1, -1):
        level, below = hierarchy.levels[k], nodes
        nodes = [{"name": label, "level": level.name} for label in level.labels]
        if k == hierarchy.depth - 1:
            nodes = [node | {"class": name} for node, name in zip(nodes, hierarchy.classes, strict=True)]
        else:
            for child, parent in zip(below, hierarchy.levels[k + 1].parents.tolist(), strict=True):
                nodes[parent].setdefault(_BELOW, []).append(child)
    return json.dumps({"name": hierarchy.root, _BELOW: nodes}, ensure_ascii=False, indent=1) + "\n"


def looks_like(content: bytes) -> bool:
    """Tell whether JSON that is neither a hierarchy file nor a graph is nested."""
    return b'"children"' in content


def read(text: str, reading: ImportOptions) -> Hierarchy:
    """Read nested JSON.

    Raises
    ------
    HierarchyError
        If it is not JSON of such a form, with the place; or breaks a rule.
    """
    try:
        raw = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise HierarchyError(f"not JSON: {error}; restore the file") from None
    if isinstance(raw, dict) and len(raw) > 0 and all("/" in key and isinstance(v, dict) for key, v in raw.items()):
        raw = _from_paths(raw)
    labels, parents, classes = [""], [-1], [""]
    tops = list(_nodes(raw, "top level"))
    pending = [(0, node) for node in reversed(tops)]
    while pending:
        parent, (name, called, below) = pending.pop()
        labels.append(name)
        classes.append(called)
        parents.append(parent)
        at = len(labels) - 1
        pending += [(at, node) for node in reversed(list(_nodes(below, shown(name))))]
    called_all = [called or label for called, label in zip(classes, labels, strict=True)]
    if len(tops) == 1:  # the root
        return from_tree(labels[1:], [p - 1 for p in parents[1:]], reading, classes=called_all[1:])
    return from_tree(labels, parents, reading, classes=called_all)


def _nodes(raw: Any, place: str) -> Iterator[Node]:
    """Yield the nodes that a value describes: one, a list of them, or a dictionary by name."""
    if raw is None:
        return
    if isinstance(raw, str):
        yield _named(raw, place), "", None
    elif isinstance(raw, list):
        for one in raw:
            if isinstance(one, list):
                raise HierarchyError(
                    f"in {place}: a list in a list; give each taxon as an object with name and children"
                )
            yield from _nodes(one, place)
    elif isinstance(raw, dict) and (key := next((k for k in _NAMES if isinstance(raw.get(k), str | int)), None)):
        called = raw.get("class")
        _refuse_kinship(raw, place)
        yield _named(str(raw[key]), place), called if isinstance(called, str) else "", _below(raw.get(_BELOW), place)
    elif isinstance(raw, dict):
        for name, below in raw.items():
            if isinstance(below, dict) and isinstance(below.get(_BELOW), list | dict):
                below = below[_BELOW]
            yield _named(name, place), "", _below(below, place)
    else:
        raise HierarchyError(f"in {place}: {shown(raw)} is no taxon; give a name, or an object with name and children")


def _refuse_kinship(raw: dict[str, Any], place: str) -> None:
    """Refuse a key that tells of children and is not read; they would be lost without a word."""
    for key, value in raw.items():
        if key != _BELOW and value and isinstance(value, list | dict) and _KINSHIP.match(key):
            raise HierarchyError(f"in {place}: {shown(key)} seems to hold taxa; give them as a list {_BELOW!r}")


def _named(name: str, place: str) -> str:
    if not name.strip():
        raise HierarchyError(f"in {place}: a taxon has no name; name it or remove it")
    return name


def _below(raw: Any, place: str) -> Any:
    """Return what is below a node; nothing where it holds only remarks, such as a number."""
    if raw is None or isinstance(raw, list | dict):
        return raw
    raise HierarchyError(f"in {place}: {shown(raw)} where children belong; give a list of them")


def _from_paths(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a dictionary by path as one by name."""
    tree: dict[str, Any] = {}
    for path in raw:
        here = tree
        for name in path.strip("/").split("/"):
            here = here.setdefault(name, {})
    return tree
