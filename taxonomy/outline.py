"""A hierarchy as text a person can read."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from taxonomy.console import visible
from taxonomy.hierarchy import Hierarchy, IntArray

WIDTH = 100
DEEPEST = 30


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
    """Return a header with the levels and their sizes, then the tree, the last two levels side by side.

    Of very deep trees the `DEEPEST` coarsest levels are shown, and the leaves.
    """
    about = describe(hierarchy)
    lines = [f"{hierarchy.name}: {hierarchy.root}, {hierarchy.depth} levels, {hierarchy.sizes[-1]} classes"]
    for level in about["levels"]:
        spread = level["leaves_per_label"]
        line = f"  {level['level']:<14}{level['labels']:>6} labels"
        if level is not about["levels"][-1]:
            line += f"   classes in each: {spread['min']} to {spread['max']}, median {spread['median']:g}"
        lines.append(line)
    hidden = range(DEEPEST, hierarchy.depth - 1)
    if hidden:
        first, last = (hierarchy.levels[k].name for k in (hidden[0], hidden[-1]))
        lines.append(f"  {len(hidden):,} levels, {first} to {last}, are left out below")
    return "\n".join(visible(line) for line in [*lines, "", hierarchy.root, *_branches(hierarchy)])


def _branches(hierarchy: Hierarchy) -> Iterator[str]:
    """Yield the tree below the root, a line for each taxon and the leaves of one parent side by side."""
    shown = [*range(min(DEEPEST, hierarchy.depth - 1)), hierarchy.depth - 1]
    children = [_children(hierarchy.ancestors(k, above)) for above, k in pairwise(shown)]
    counts = [np.bincount(hierarchy.paths[:, k]) for k in shown]

    def below(i: int, labels: Iterable[int], indent: str) -> Iterator[str]:
        names, labels = hierarchy.levels[shown[i]].labels, list(labels)
        if i == len(shown) - 1:
            listed = ", ".join(names[label] for label in labels)
            yield from textwrap.wrap(
                listed, max(WIDTH, len(indent) + 40), initial_indent=indent, subsequent_indent=indent,
                break_on_hyphens=False,
            )  # fmt: skip
            return
        for label in labels:
            last = label == labels[-1]
            yield f"{indent}{'└─' if last else '├─'} {names[label]} ({counts[i][label]})"
            yield from below(i + 1, children[i][label], indent + ("   " if last else "│  "))

    return below(0, range(hierarchy.sizes[0]), "")


def _children(parents: IntArray) -> list[list[int]]:
    """Return for every parent the labels under it, in order."""
    order = np.argsort(parents, kind="stable")
    return [part.tolist() for part in np.split(order, np.cumsum(np.bincount(parents))[:-1])]
