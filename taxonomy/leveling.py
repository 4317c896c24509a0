"""Trees of uneven depth made level, by a policy that the user chose and the result records.

Every importer and source comes through here. A lineage has one cell per level, coarsest first; an empty
cell is a level at which it names no taxon, and so is a word that says only that there is none (``NA``,
``incertae sedis``, ...). In a table the column of a cell says its level. A tree from elsewhere (Newick,
folders, edges) says no ranks: there taxa are counted from the top, and the leaf stands at the finest level,
so that what is missing is just above the leaf. The policies are
those of `taxonomy.ragged`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy, IntArray, Level
from taxonomy.homonyms import prefix_tree, qualified, refuse_shared
from taxonomy.parents import MOST_LEVELS, Parents, depths, levels_of, lineage
from taxonomy.ragged import Lineage, Ragged, gap, level
from taxonomy.ranks import is_placeholder, out_of_order

Edges = Literal["child-parent", "parent-child"]
MOST_CELLS = 20_000_000  # classes times levels; a small file can describe a tree of any depth


@dataclass(frozen=True)
class ImportOptions:
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
    qualify
        Whether to tell homonyms apart by their parents, ``Prunella (Lamiaceae)``, rather than to refuse them.
    class_column, header, delimiter, encoding
        Of tables: the column of the dataset's class names; whether the first row is a header; what separates
        the cells; the encoding of the text. What was found is noted, where not given.
    edges, parents, labels
        Of edges: which end is the child, where that cannot be told; which parent to keep where a taxon has
        several; the name of each node where the edges have numbers.
    name_inner
        Whether unnamed inner nodes of a tree get the names ``node 1``, ``node 2``, ...
    depths
        Of trees without ranks: which depths to keep, 1 for the coarsest, -1 for the leaves; all where not given.
    notes
        What was assumed, merged or passed over: readers append a sentence each, in the order in which it happened.

    Raises
    ------
    HierarchyError
        If `ragged`, `edges` or `parents` is none of its choices.
    """

    name: str | None = None
    root: str | None = None
    levels: tuple[str, ...] | None = None
    ragged: Ragged = "error"
    source: Mapping[str, Any] = field(default_factory=dict)
    fallback: str = "hierarchy"
    qualify: bool = False
    class_column: str | None = None
    header: bool = True
    delimiter: str | None = None
    encoding: str | None = None
    edges: Edges | None = None
    parents: Parents = "refuse"
    labels: Mapping[str, str] | None = None
    name_inner: bool = False
    depths: tuple[int, ...] | None = None
    notes: list[str] = field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        for name, choices in (("ragged", Ragged), ("edges", Edges), ("parents", Parents)):
            given, known = getattr(self, name), get_args(choices)
            if given not in known and not (name == "edges" and given is None):
                raise HierarchyError(f"`{name}` {given}: there is none; choose from {', '.join(known)}")

    def about(self, **known: Any) -> dict[str, Any]:
        """Return name, root and source for a hierarchy; `known` is what the input says of itself."""
        return known | {
            "name": self.name or known.get("name") or self.fallback,
            "root": self.root or known.get("root") or "object",
            "source": {**known.get("source", {}), **self.source},
        }


def from_table(
    lineages: Sequence[Lineage],
    levels: Sequence[str],
    reading: ImportOptions,
    classes: Sequence[str] | None = None,
    **known: Any,
) -> Hierarchy:
    """Build a hierarchy from lineages of one cell per level; blank cells and placeholders are gaps.

    Rows that are equal, class name included, are one class. A lineage without a class name of its own has its
    deepest taxon for a class.

    Raises
    ------
    HierarchyError
        If the lineages are uneven and the policy is ``error``, or they break a rule of the hierarchy.
    """
    _check_levels(levels)
    lines, gaps = _without_placeholders(lineages)
    _note_gaps(reading, gaps)
    lines, classes = _merged(lines, classes, reading)
    even, kept, remark = level(lines, levels, reading.ragged)
    if classes is not None and reading.ragged == "fill":
        even = _told_apart(even, lines, classes)
    about = reading.about(**known)
    about["source"] |= remark
    return _built(even, kept, _deepest(lines) if classes is None else classes, classes is None, reading, about)


def _without_placeholders(lineages: Sequence[Lineage]) -> tuple[list[Lineage], int]:
    """Return lineages without blanks around names and without placeholders, and how many of those there were."""
    names = set().union(*lineages)
    gaps = {name for name in names if is_placeholder(name)}
    clean = {name: "" if name in gaps else name.strip() for name in names}
    if all(name == new for name, new in clean.items()):
        return list(lineages), 0
    count = sum(name in gaps for line in lineages for name in line) if gaps else 0
    return [tuple(map(clean.__getitem__, line)) for line in lineages], count


def _note_gaps(reading: ImportOptions, gaps: int) -> None:
    if gaps:
        reading.notes.append(f"names such as 'NA' or 'unknown' that stand for no taxon, taken as gaps: {gaps}")


def _merged(
    lines: list[Lineage], classes: Sequence[str] | None, reading: ImportOptions
) -> tuple[list[Lineage], list[str] | None]:
    """Return the lineages and classes of different rows; a row per image is usual."""
    rows = list(dict.fromkeys(zip(lines, classes or [""] * len(lines), strict=True)))
    if len(rows) < len(lines):
        classes_of = "1 class" if len(rows) == 1 else f"{len(rows)} classes"
        reading.notes.append(f"equal rows are one class: {len(lines)} rows, {classes_of}")
    return [line for line, _ in rows], None if classes is None else [name for _, name in rows]


def _told_apart(even: list[Lineage], lines: list[Lineage], classes: Sequence[str]) -> list[Lineage]:
    """Return lineages in which leaves that were gaps, and got one name, are named after their classes instead."""
    often = Counter(line[-1] for line in even)
    return [
        (*line[:-1], f"{name}{line[-1][line[-1].rindex(' (') :]}") if often[line[-1]] > 1 and not was[-1] else line
        for line, was, name in zip(even, lines, classes, strict=True)
    ]


def _deepest(lines: Sequence[Lineage]) -> list[str]:
    return [next((label for label in reversed(line) if label), "") for line in lines]


def _built(
    lines: list[Lineage], names: Sequence[str], classes: Sequence[str], own: bool, reading: ImportOptions,
    about: dict[str, Any],
) -> Hierarchy:  # fmt: skip
    """Build the hierarchy of even lineages; `own` says that the classes are the names of taxa."""
    levels = prefix_tree(lines, names)
    return _qualified(levels, classes, own, reading, about)


def _qualified(
    levels: tuple[Level, ...], classes: Sequence[str], own: bool, reading: ImportOptions, about: dict[str, Any]
) -> Hierarchy:
    if reading.qualify:
        plain = levels
        levels, renamed = qualified(levels)
        if renamed:
            reading.notes.append(f"names told apart by their parents: {renamed}")
        if own:
            finest = zip(classes, plain[-1].labels, levels[-1].labels, strict=True)
            classes = [new if name == old else name for name, old, new in finest]
    refuse_shared(levels)
    return Hierarchy(levels=levels, classes=tuple(classes), **about)


def from_tree(labels: Sequence[str], parents: Sequence[int], reading: ImportOptions, **known: Any) -> Hierarchy:
    """Build a hierarchy from a tree without ranks.

    Parameters
    ----------
    labels
        The names of the nodes, the root's among them. An inner node whose name is a placeholder is a gap;
        a leaf is a class, whatever its name.
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
    depth = depths(labels, above)
    classes = [name.strip() for name in known.pop("classes", labels)]
    known.setdefault("root", labels[int(np.flatnonzero(above < 0)[0])].strip())
    leaves = np.setdiff1d(np.arange(len(above)), above)
    count = int(depth.max())
    if count == 0:
        raise HierarchyError("the tree is a root with nothing under it; give it taxa")
    labels, gaps = _named(labels, above, leaves)
    _refuse_twins(labels, above)
    _note_gaps(reading, gaps)
    about = reading.about(**known)
    own = all(classes[i] == labels[i] for i in leaves.tolist())
    if not gaps and reading.depths is None and (depth[leaves] == count).all():
        levels = levels_of(labels, above, depth, _level_names(reading, count))
        return _qualified(levels, [classes[i] for i in leaves], own, reading, about)
    return _levelled(labels, above, depth, leaves, [classes[i] for i in leaves], own, reading, about)


def _named(labels: Sequence[str], above: IntArray, leaves: IntArray) -> tuple[list[str], int]:
    """Return the names without blanks around them, '' for inner nodes that are placeholders, and how many are."""
    names = [name.strip() for name in labels]
    inner = np.ones(len(names), dtype=bool)
    inner[leaves] = False
    inner[above < 0] = False
    gaps = [i for i in np.flatnonzero(inner).tolist() if is_placeholder(names[i])]
    for i in gaps:
        names[i] = ""
    return names, len(gaps)


def _refuse_twins(labels: Sequence[str], above: IntArray) -> None:
    """Refuse two nodes of one name under one parent, which levelling would make one."""
    pairs: set[tuple[int, str]] = set()
    for parent, label in zip(above.tolist(), labels, strict=True):
        if label and (parent, label) in pairs:
            raise HierarchyError(f"{shown(label)} is listed twice under {shown(labels[parent])}; keep one of the two")
        pairs.add((parent, label))


def _levelled(
    labels: Sequence[str], above: IntArray, depth: IntArray, leaves: IntArray, classes: list[str], own: bool,
    reading: ImportOptions, about: dict[str, Any],
) -> Hierarchy:  # fmt: skip
    count = int(depth.max())
    kept = _kept(reading.depths, count)
    uneven = np.flatnonzero(depth[leaves] < count)
    if reading.ragged == "error" and kept is None and uneven.size:
        line = lineage(labels, above, int(leaves[uneven[0]]))
        raise HierarchyError(gap(_at_the_bottom(line, count), _level_names(reading, count), len(uneven), len(leaves)))
    if len(leaves) * (count if kept is None else len(kept)) > MOST_CELLS or int(depth[leaves].sum()) > MOST_CELLS:
        raise HierarchyError(
            f"{len(leaves)} classes below up to {count} levels are too many to level; cut the tree down"
        )
    lines = [_at_the_bottom(lineage(labels, above, leaf), count, kept) for leaf in leaves.tolist()]
    names = _level_names(reading, count, kept)
    even, names, remark = level(lines, names, reading.ragged)
    about["source"] |= remark
    return _built(even, names, classes, own, reading, about)


def _kept(depths: tuple[int, ...] | None, count: int) -> list[int] | None:
    """Return the indices of the depths to keep, ascending."""
    if depths is None:
        return None
    if wrong := [d for d in depths if not (1 <= d <= count or -count <= d <= -1)]:
        raise HierarchyError(f"`depths`: no depth {wrong[0]} in a tree of {count} levels below its root")
    kept = [d - 1 if d > 0 else count + d for d in depths]
    if sorted(set(kept)) != kept:
        raise HierarchyError(f"`depths` {', '.join(map(str, depths))}: name each once, coarsest first")
    return kept


def _at_the_bottom(line: Lineage, count: int, kept: Sequence[int] | None = None) -> Lineage:
    """Return a lineage with its leaf at the last of `count` levels; only those kept, where not all are."""
    if kept is None:
        return (*line[:-1], *[""] * (count - len(line)), line[-1])
    return tuple(line[-1] if k == count - 1 else line[k] if k < len(line) - 1 else "" for k in kept)


def _level_names(reading: ImportOptions, count: int, kept: Sequence[int] | None = None) -> tuple[str, ...]:
    places = range(count) if kept is None else kept
    names = reading.levels or tuple(f"level {k + 1}" for k in places)
    if len(names) != len(places):
        raise HierarchyError(
            f"{len(names)} level names ({', '.join(names)}) for a tree of {len(places)} levels below its root; "
            "name each"
        )
    _check_levels(names)
    return names


def _check_levels(names: Sequence[str]) -> None:
    if len(names) > MOST_LEVELS:
        raise HierarchyError(f"{len(names)} levels; a hierarchy of more than {MOST_LEVELS} is none that makes sense")
    if not all(name.strip() for name in names):
        raise HierarchyError(f"level {[bool(n.strip()) for n in names].index(False) + 1} has no name; name every level")
    if pair := out_of_order(names):
        raise HierarchyError(
            f"level {pair[0]!r} stands above {pair[1]!r}, so the ranks are not in order; "
            "name them coarsest first by `levels`"
        )
