"""Trees and graphs as arrays of parents: depths, lineages, and one parent for each node of a graph that has several."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import IntArray, Level

Parents = Literal["refuse", "first", "shortest", "deepest"]
MOST_LEVELS = 10_000


def depths(labels: Sequence[str], parents: IntArray) -> IntArray:
    """Return how far each node is below the one root, int64 ``[N]``.

    Raises
    ------
    HierarchyError
        If this is no tree, or absurdly deep.
    """
    roots = np.flatnonzero(parents < 0)
    if len(roots) != 1:
        names = ", ".join(shown(labels[i]) for i in roots[:3].tolist())
        raise HierarchyError(f"a tree has one root, this has {len(roots)} ({names}); put one taxon above all others")
    depth = np.full(len(parents), -1)
    depth[roots] = 0
    order = np.argsort(parents, kind="stable")
    first = np.searchsorted(parents[order], np.arange(len(parents) + 1))
    frontier, below = roots, 0
    while frontier.size:
        below += 1
        if below > MOST_LEVELS + 1:
            raise HierarchyError(f"the tree is more than {MOST_LEVELS} levels deep; cut it down")
        spans = [order[first[i] : first[i + 1]] for i in frontier]
        frontier = np.concatenate(spans)
        depth[frontier] = below
    if lost := np.flatnonzero(depth < 0).tolist():
        raise HierarchyError(f"{shown(labels[lost[0]])} is its own ancestor; break the circle")
    return depth


def lineage(labels: Sequence[str], parents: IntArray, node: int) -> tuple[str, ...]:
    """Return the names from just below the root down to a node."""
    line: list[str] = []
    while parents[node] >= 0:
        line.append(labels[node])
        node = int(parents[node])
    return tuple(reversed(line))


def levels_of(labels: Sequence[str], parents: IntArray, depth: IntArray, names: Sequence[str]) -> tuple[Level, ...]:
    """Return the levels of an even tree, each in the order in which its nodes are listed."""
    place = np.zeros(len(labels), dtype=np.int64)  # of each node within its level
    by_level = np.split(np.argsort(depth, kind="stable"), np.cumsum(np.bincount(depth))[:-1])
    levels = []
    for name, nodes in zip(names, by_level[1:], strict=True):
        place[nodes] = np.arange(len(nodes))
        levels.append(Level(name, tuple(labels[i] for i in nodes.tolist()), place[parents[nodes]]))
    return tuple(levels)


@dataclass(frozen=True)
class Chosen:
    """A tree within a graph.

    Attributes
    ----------
    parents
        For each node of the graph its parent, -1 for none.
    kept
        The nodes that are in the tree, ascending: without those whose children all went to other parents.
    several
        How many nodes had more than one parent.
    """

    parents: IntArray
    kept: IntArray
    several: int


def one_parent_each(labels: Sequence[str], edges: Sequence[tuple[int, int]], policy: Parents) -> Chosen:
    """Choose one parent for each node of a directed acyclic graph.

    Parameters
    ----------
    labels
        The names of the nodes.
    edges
        Pairs of child and parent, in the order of the file.
    policy
        ``refuse`` a node with several parents; keep the ``first`` that is listed, the one that is nearest to a root
        (``shortest``), or the one that is farthest from it (``deepest``), on a tie the one listed first.

    Raises
    ------
    HierarchyError
        If a node has several parents and the policy is ``refuse``, or is its own ancestor.
    """
    above: list[dict[int, None]] = [{} for _ in labels]
    for child, parent in edges:
        above[child][parent] = None
    many = [node for node, parents in enumerate(above) if len(parents) > 1]
    if many and policy == "refuse":
        one, two, *_ = (shown(labels[p]) for p in above[many[0]])
        others = f", and so have {len(many) - 1} more taxa" if len(many) > 1 else ""
        raise HierarchyError(
            f"{shown(labels[many[0]])} has two parents, {one} and {two}{others}; "
            "keep the right ones, or choose by `parents=first`, `parents=shortest` or `parents=deepest`"
        )
    far = _distances(labels, above, longest=policy == "deepest")
    best = {"shortest": min, "deepest": max}.get(policy)
    parents = [(best(p, key=far.__getitem__) if best else next(iter(p))) if p else -1 for p in above]
    array = np.array(parents, dtype=np.int64)
    was_inner = np.zeros(len(labels), dtype=bool)
    was_inner[[p for ps in above for p in ps]] = True
    return Chosen(array, _with_children(array, was_inner), len(many))


def _distances(labels: Sequence[str], above: Sequence[dict[int, None]], *, longest: bool) -> list[int]:
    """Return how far each node is from a root, by the shortest or the longest way."""
    below: list[list[int]] = [[] for _ in labels]
    for child, parents in enumerate(above):
        for parent in parents:
            below[parent].append(child)
    waiting = [len(parents) for parents in above]
    far = [0] * len(labels)
    ready = deque(node for node, count in enumerate(waiting) if not count)
    done = 0
    while ready:
        node = ready.popleft()
        done += 1
        for child in below[node]:
            waiting[child] -= 1
            if not waiting[child]:
                steps = [far[parent] for parent in above[child]]
                far[child] = 1 + (max(steps) if longest else min(steps))
                ready.append(child)
    if done < len(labels):
        node = next(i for i, count in enumerate(waiting) if count)
        raise HierarchyError(f"{shown(labels[node])} is its own ancestor, or below one that is; break the circle")
    return far


def _with_children(parents: IntArray, was_inner: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> IntArray:
    """Return the nodes that are leaves of the graph or still have one below them."""
    kept = np.ones(len(parents), dtype=bool)
    count = np.bincount(parents[parents >= 0], minlength=len(parents))
    empty = np.flatnonzero(was_inner & (count == 0)).tolist()
    while empty:
        node = empty.pop()
        kept[node] = False
        if (parent := int(parents[node])) >= 0:
            count[parent] -= 1
            if count[parent] == 0:
                empty.append(parent)
    return np.flatnonzero(kept)
