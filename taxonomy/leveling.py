"""Trees of uneven depth made level, by a policy that the user chose and the result records.

Every importer and source comes through here. A lineage has one cell per level, coarsest first; an empty
cell is a level at which it names no taxon. In a table the column of a cell says its level. A tree from
elsewhere (Newick, folders, edges) says no ranks: there taxa are counted from the top, and the leaf stands
at the finest level, so that what is missing is just above the leaf.

``error``
    Refuses, and names the first gap.
``fill``
    Gives each gap a taxon of its own, named after the nearest taxon below it (after the one above, where
    none is below) and its level: ``Hoatzin (family)``. It states no kinship that the input does not.
``collapse``
    Drops every level at which a lineage has a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy, IntArray, Level

Ragged = Literal["error", "fill", "collapse"]
POLICIES: tuple[Ragged, ...] = get_args(Ragged)
Lineage = tuple[str, ...]
MOST_CELLS = 20_000_000  # classes times levels; a small file can describe a tree of any depth


@dataclass(frozen=True)
class Reading:
    """How to read a tree from elsewhere, and what to say about it.

    Attributes
    ----------
    name, root, levels
        What the hierarchy, its root and its levels are called; what the input says, where not given.
    ragged
        What to do with lineages of uneven depth.
    source
        Where the hierarchy comes from; its ``command`` rebuilds it.
    fallback
        The name where neither `name` nor the input gives one.
    """

    name: str | None = None
    root: str | None = None
    levels: tuple[str, ...] | None = None
    ragged: Ragged = "error"
    source: Mapping[str, Any] = field(default_factory=dict)
    fallback: str = "hierarchy"

    def about(self, **known: Any) -> dict[str, Any]:
        """Return name, root and source for a hierarchy; `known` is what the input says of itself."""
        return known | {
            "name": self.name or known.get("name") or self.fallback,
            "root": self.root or known.get("root") or "object",
            "source": {**known.get("source", {}), **self.source},
        }


def from_table(
    lineages: Sequence[Lineage], levels: Sequence[str], reading: Reading, classes: Sequence[str] | None = None
) -> Hierarchy:
    """Build a hierarchy from lineages of one cell per level, blank cells for gaps.

    A lineage without a class name of its own has its deepest taxon for a class.

    Raises
    ------
    HierarchyError
        If the lineages are uneven and the policy is ``error``, or they break a rule of the hierarchy.
    """
    if classes is None:
        classes = [next((label for label in reversed(line) if label.strip()), "") for line in lineages]
    even, kept, remark = level(lineages, levels, reading.ragged)
    about = reading.about()
    about["source"] |= remark
    return Hierarchy.from_lineages(even, kept, classes=classes, **about)


def from_tree(labels: Sequence[str], parents: Sequence[int], reading: Reading, **known: Any) -> Hierarchy:
    """Build a hierarchy from a tree without ranks.

    Parameters
    ----------
    labels
        The names of the nodes, the root's among them.
    parents
        For each node the index of its parent, -1 for the root.
    known
        What the input says of itself (``name``, ``source``, ...), and ``classes`` by node.

    Raises
    ------
    HierarchyError
        If this is no tree, its depth is uneven and the policy is ``error``, or it breaks a rule.
    """
    above = np.asarray(parents, dtype=np.int64)
    depth = _depths(labels, above)
    classes = list(known.pop("classes", labels))
    known.setdefault("root", labels[int(np.flatnonzero(above < 0)[0])])
    leaves = np.setdiff1d(np.arange(len(above)), above)
    count = int(depth.max())
    if count == 0:
        raise HierarchyError("the tree is a root with nothing under it; give it taxa")
    names = _level_names(reading, count)
    about = reading.about(**known)
    if (depth[leaves] == count).all():
        return Hierarchy(
            levels=_levels(labels, above, depth, names), classes=tuple(classes[i] for i in leaves), **about
        )
    uneven = np.flatnonzero(depth[leaves] < count)
    if reading.ragged == "error":
        line = _lineage(labels, above, int(leaves[uneven[0]]))
        raise HierarchyError(_gap(_at_the_bottom(line, count), names, len(uneven), len(leaves)))
    if len(leaves) * count > MOST_CELLS:
        raise HierarchyError(
            f"{len(leaves)} classes below up to {count} levels are too many to level; cut the tree down"
        )
    lines = [_at_the_bottom(_lineage(labels, above, leaf), count) for leaf in leaves.tolist()]
    even, kept, remark = level(lines, names, reading.ragged)
    about["source"] |= remark
    return Hierarchy.from_lineages(even, kept, classes=[classes[i] for i in leaves], **about)


def level(
    lineages: Sequence[Lineage], levels: Sequence[str], policy: Ragged
) -> tuple[list[Lineage], tuple[str, ...], dict[str, Any]]:
    """Return lineages without gaps, the levels they have, and a remark on what was done (empty if nothing).

    Raises
    ------
    HierarchyError
        On a gap under ``error``; if ``collapse`` leaves no level; on a lineage with no taxon at all.
    """
    full = np.array([[bool(label.strip()) for label in line] for line in lineages]).reshape(-1, len(levels))
    if full.all():
        return list(lineages), tuple(levels), {}
    if nothing := np.flatnonzero(~full.any(axis=1)).tolist():
        raise HierarchyError(f"lineage {nothing[0] + 1} names no taxon at all; fill it in or remove it")
    uneven = int((~full.all(axis=1)).sum())
    if policy == "error":
        raise HierarchyError(_gap(lineages[int((~full).any(axis=1).argmax())], levels, uneven, len(lineages)))
    if policy == "fill":
        filled = [_filled(line, levels) for line in lineages]
        return filled, tuple(levels), {"ragged": {"policy": policy, "lineages": uneven, "taxa": int((~full).sum())}}
    kept = np.flatnonzero(full.all(axis=0)).tolist()
    if not kept:
        raise HierarchyError("no level has a taxon in every lineage, so collapse leaves none; use --ragged fill")
    dropped = [name for k, name in enumerate(levels) if k not in kept]
    even = [tuple(line[k] for k in kept) for line in lineages]
    return even, tuple(levels[k] for k in kept), {"ragged": {"policy": policy, "lineages": uneven, "dropped": dropped}}


def _gap(line: Lineage, levels: Sequence[str], uneven: int, count: int) -> str:
    first = next(name for name, label in zip(levels, line, strict=True) if not label.strip())
    shown = [label if label.strip() else "?" for label in line]
    shown = shown if len(shown) <= 8 else [*shown[:4], "...", *shown[-3:]]
    return (
        f"{uneven} of {count} lineages have a gap, the first at level {first!r} of {' > '.join(shown)}; "
        "fill it in, or say --ragged fill or --ragged collapse"
    )


def _filled(line: Lineage, levels: Sequence[str]) -> Lineage:
    """Name each gap after the nearest taxon below it, or else above it, and its level."""
    named = [k for k, label in enumerate(line) if label.strip()]
    nearest = [min((k for k in named if k >= gap), default=named[-1]) for gap in range(len(line))]
    return tuple(line[k] if k == at else f"{line[k]} ({levels[at]})" for at, k in enumerate(nearest))


def _at_the_bottom(line: Lineage, count: int) -> Lineage:
    return (*line[:-1], *[""] * (count - len(line)), line[-1])


def _level_names(reading: Reading, count: int) -> tuple[str, ...]:
    names = reading.levels or tuple(f"level {k + 1}" for k in range(count))
    if len(names) != count:
        raise HierarchyError(
            f"{len(names)} level names ({', '.join(names)}) for a tree of {count} levels below its root; name each"
        )
    return names


def _depths(labels: Sequence[str], parents: IntArray) -> IntArray:
    """Return how far each node is below the one root; refuse what is no tree."""
    roots = np.flatnonzero(parents < 0)
    if len(roots) != 1:
        shown = ", ".join(repr(labels[i]) for i in roots[:3].tolist())
        raise HierarchyError(f"a tree has one root, this has {len(roots)} ({shown}); put one taxon above all others")
    depth = np.full(len(parents), -1)
    depth[roots] = 0
    order = np.argsort(parents, kind="stable")
    first = np.searchsorted(parents[order], np.arange(len(parents) + 1))
    frontier, below = roots, 0
    while frontier.size:
        below += 1
        spans = [order[first[i] : first[i + 1]] for i in frontier]
        frontier = np.concatenate(spans)
        depth[frontier] = below
    if lost := np.flatnonzero(depth < 0).tolist():
        raise HierarchyError(f"{labels[lost[0]]!r} is its own ancestor; break the circle")
    return depth


def _lineage(labels: Sequence[str], parents: IntArray, node: int) -> Lineage:
    line: list[str] = []
    while parents[node] >= 0:
        line.append(labels[node])
        node = int(parents[node])
    return tuple(reversed(line))


def _levels(labels: Sequence[str], parents: IntArray, depth: IntArray, names: Sequence[str]) -> tuple[Level, ...]:
    """Return the levels of an even tree, each in the order in which its nodes are listed."""
    place = np.zeros(len(labels), dtype=np.int64)  # of each node within its level
    by_level = np.split(np.argsort(depth, kind="stable"), np.cumsum(np.bincount(depth))[:-1])
    levels = []
    for name, nodes in zip(names, by_level[1:], strict=True):
        place[nodes] = np.arange(len(nodes))
        levels.append(Level(name, tuple(labels[i] for i in nodes.tolist()), place[parents[nodes]]))
    return tuple(levels)
