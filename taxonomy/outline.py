"""A hierarchy as text a person can read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from taxonomy.hierarchy import Hierarchy, IntArray

WIDTH = 100


def describe(hierarchy: Hierarchy) -> dict[str, Any]:
    """Return name, root, dataset, source, content hash, and size and spread of every level."""
    levels = []
    for k, level in enumerate(hierarchy.levels):
        leaves = np.bincount(hierarchy.paths[:, k], minlength=len(level))
        spread = {"min": int(leaves.min()), "median": float(np.median(leaves)), "max": int(leaves.max())}
        levels.append({"level": level.name, "labels": len(level), "leaves_per_label": spread})
    return {
        "name": hierarchy.name,
        "dataset": hierarchy.dataset,
        "root": hierarchy.root,
        "source": dict(hierarchy.source),
        "content_hash": hierarchy.content_hash,
        "levels": levels,
    }


def outline(hierarchy: Hierarchy) -> str:
    """Return a header with the levels and their sizes, then the tree, the last two levels side by side."""
    about = describe(hierarchy)
    lines = [f"{hierarchy.name}: {hierarchy.root}, {hierarchy.depth} levels, {hierarchy.sizes[-1]} classes"]
    for level in about["levels"]:
        spread = level["leaves_per_label"]
        line = f"  {level['level']:<14}{level['labels']:>6} labels"
        if level is not about["levels"][-1]:
            line += f"   classes in each: {spread['min']} to {spread['max']}, median {spread['median']:g}"
        lines.append(line)
    children = [_children(level.parents) for level in hierarchy.levels[1:]]
    counts = [np.bincount(column) for column in hierarchy.paths.T]

    def branches(k: int, labels: Iterable[int], indent: str) -> Iterator[str]:
        names, labels = hierarchy.levels[k].labels, list(labels)
        if k == hierarchy.depth - 1:
            listed = ", ".join(names[i] for i in labels)
            yield from textwrap.wrap(
                listed, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
            )
            return
        for i in labels:
            last = i == labels[-1]
            yield f"{indent}{'└─' if last else '├─'} {names[i]} ({counts[k][i]})"
            yield from branches(k + 1, children[k][i], indent + ("   " if last else "│  "))

    return "\n".join([*lines, "", hierarchy.root, *branches(0, range(hierarchy.sizes[0]), "")])


def _children(parents: IntArray) -> list[list[int]]:
    """Return for every parent the labels under it, in order."""
    order = np.argsort(parents, kind="stable")
    return [part.tolist() for part in np.split(order, np.cumsum(np.bincount(parents))[:-1])]
