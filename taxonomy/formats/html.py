"""One self-contained HTML page with the tree, collapsible and searchable; it asks no network for anything."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Final, Literal, NamedTuple

import numpy as np

from taxonomy.hierarchy import Hierarchy
from taxonomy.palette import colours

TEMPLATE: Final = "tree.html.jinja"
SCRIPT: Final = "tree.js"


class Step(NamedTuple):
    """A step of the walk through the tree: ``open`` a taxon, name a ``leaf``, or ``close``; which level and label."""

    kind: Literal["open", "leaf", "close"]
    level: int = -1
    label: int = -1


class Shown(NamedTuple):
    """A step as the page shows it."""

    kind: str
    label: str = ""
    level: str = ""
    note: str = ""
    colour: str = ""


def write(hierarchy: Hierarchy) -> str:
    """Return the page; names are escaped, and its policy forbids it to load or send anything."""
    import jinja2  # slow to import, and few commands need it

    source = (files("taxonomy.formats") / TEMPLATE).read_text(encoding="utf-8")
    env = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return env.from_string(source).render(h=hierarchy, steps=_shown(hierarchy), script=tree_script()) + "\n"


def tree_script() -> str:
    """Return the script that opens, closes and searches a tree on a page.

    The tree is the list ``#tree``, whose items hold a row: a ``summary`` where there is more below. Searched is what is
    marked ``.name`` or ``code`` there, by the field ``#query``; ``#found`` says how much is found. ``#expand`` and
    ``#collapse`` are buttons, and ``.tools`` is what is hidden from a page without scripts.
    """
    return (files("taxonomy.formats") / SCRIPT).read_text(encoding="utf-8")


def walk(hierarchy: Hierarchy) -> Iterator[Step]:
    """Walk the tree depth first, without recursion: a hierarchy may have any number of levels."""
    last = hierarchy.depth - 1
    path: tuple[int, ...] = ()
    for leaf in np.lexsort(hierarchy.paths.T[::-1]).tolist():
        line = tuple(hierarchy.paths[leaf].tolist())
        shared = next((k for k, (a, b) in enumerate(zip(path, line, strict=False)) if a != b), 0)
        for _ in path[shared:last]:
            yield Step("close")
        for k in range(shared, last):
            yield Step("open", k, line[k])
        yield Step("leaf", last, leaf)
        path = line
    for _ in range(last):
        yield Step("close")


def _shown(hierarchy: Hierarchy) -> Iterator[Shown]:
    counts = [np.bincount(column) for column in hierarchy.paths.T]
    ring = colours(len(hierarchy.levels[0]))
    for kind, k, i in walk(hierarchy):
        if kind == "close":
            yield Shown(kind)
            continue
        label, name = hierarchy.levels[k].labels[i], hierarchy.classes[i] if kind == "leaf" else ""
        note = str(counts[k][i]) if kind == "open" else "" if name == label else name
        yield Shown(kind, label, hierarchy.levels[k].name, note, "" if k else ring[i])
