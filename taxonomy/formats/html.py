"""One self-contained HTML page with the tree, collapsible and searchable; it asks no network for anything."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from taxonomy.hierarchy import Hierarchy
from taxonomy.palette import colours

TEMPLATE = "tree.html.jinja"


class Step(NamedTuple):
    """A step of the walk through the tree: ``open`` a taxon, name a ``leaf``, or ``close``."""

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
    return env.from_string(source).render(h=hierarchy, steps=_walk(hierarchy)) + "\n"


def _walk(hierarchy: Hierarchy) -> Iterator[Step]:
    """Walk the tree depth first, without recursion: a hierarchy may have any number of levels."""
    last = hierarchy.depth - 1
    counts = [np.bincount(column) for column in hierarchy.paths.T]
    ring = colours(len(hierarchy.levels[0]))
    path: tuple[int, ...] = ()
    for leaf in np.lexsort(hierarchy.paths.T[::-1]):
        line = tuple(hierarchy.paths[leaf].tolist())
        shared = next((k for k, (a, b) in enumerate(zip(path, line, strict=False)) if a != b), 0)
        for _ in path[shared:last]:
            yield Step("close")
        for k in range(shared, last):
            level, i = hierarchy.levels[k], line[k]
            yield Step("open", level.labels[i], level.name, str(counts[k][i]), "" if k else ring[i])
        label, name = hierarchy.levels[last].labels[leaf], hierarchy.classes[leaf]
        yield Step(
            "leaf", label, hierarchy.levels[last].name, "" if name == label else name, "" if last else ring[leaf]
        )
        path = line
    for _ in range(last):
        yield Step("close")
