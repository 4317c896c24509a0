"""Nodes and edges from elsewhere, as a hierarchy: one parent for each node, one root above all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_tree
from taxonomy.parents import one_parent_each


def from_graph(
    labels: Sequence[str],
    edges: Sequence[tuple[int, int]],
    reading: ImportOptions,
    *,
    rooted: bool = True,
    forest: bool = True,
    classes: Sequence[str] | None = None,
    **known: Any,
) -> Hierarchy:
    """Build a hierarchy from a directed acyclic graph.

    Parameters
    ----------
    labels, classes
        The name of each node, and its class name; the label, where not given.
    edges
        Pairs of child and parent, in the order of the file.
    rooted
        Whether a single node without a parent is the root.
    forest
        Whether several nodes without a parent are the coarsest level, rather than refused.

    Raises
    ------
    HierarchyError
        If a node has several parents and the reading does not say which to keep, or this is no tree.
    """
    chosen = one_parent_each(labels, edges, reading.parents)
    if chosen.several:
        reading.notes.append(f"taxa with several parents: {chosen.several}; kept is the {_KEPT[reading.parents]}")
    if lost := len(labels) - len(chosen.kept):
        reading.notes.append(f"taxa left without any child by that, dropped: {lost}")
    kept = chosen.kept.tolist()
    place = np.full(len(labels) + 1, -1, dtype=np.int64)  # the last entry answers for no parent
    place[chosen.kept] = np.arange(len(kept))
    parents = place[chosen.parents[chosen.kept]]
    names = [labels[i] for i in kept]
    called = names if classes is None else [classes[i] for i in kept]
    if not forest or (rooted and int((parents < 0).sum()) == 1):
        return from_tree(names, parents.tolist(), reading, classes=called, **known)
    return from_tree(
        ["", *names], [-1, *np.where(parents < 0, 0, parents + 1).tolist()], reading, classes=["", *called], **known
    )


_KEPT = {
    "first": "first listed",
    "shortest": "nearest to the root",
    "deepest": "farthest from the root",
}
