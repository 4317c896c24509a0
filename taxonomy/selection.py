"""Part of a hierarchy: fewer levels, fewer classes, one clade."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from taxonomy.document import shown
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy, Level


def select(
    hierarchy: Hierarchy,
    *,
    within: str | None = None,
    classes: Collection[str] | None = None,
    listed: Mapping[str, str] = {},
    levels: Sequence[str] | None = None,
    depths: Sequence[int] | None = None,
) -> Hierarchy:
    """Return part of a hierarchy: first a clade, then some of its classes, then some of its levels.

    Parameters
    ----------
    within
        A taxon; only what is below it stays. ``family=Laridae`` names its level too.
    classes
        The classes that stay, by class name or by label.
    listed
        The line of a file, as errors say it, by the name that it gives of `classes`.
    levels, depths
        The levels that stay, coarsest first, by name or by place (1 for the coarsest, -1 for the finest). Without the
        finest one the taxa of the last that stays are the classes.

    Raises
    ------
    HierarchyError
        If a taxon, class or level is not there, or several are called so.
    """
    named = None if classes is None else _classes(hierarchy, classes, listed)
    if within is not None:
        hierarchy = hierarchy.restrict(_below(hierarchy, within))
    if named is not None:
        _refuse_outside(hierarchy, named, within, listed)
        hierarchy = hierarchy.restrict(list(named))
    if levels is not None:
        hierarchy = _of_levels(hierarchy, [_index(hierarchy, name) for name in levels], "levels")
    if depths is not None:
        hierarchy = _of_levels(hierarchy, [_place(hierarchy, depth) for depth in depths], "depths")
    return hierarchy


def _below(hierarchy: Hierarchy, taxon: str) -> list[str]:
    level, _, name = taxon.rpartition("=")
    found = [
        (k, i)
        for k, one in enumerate(hierarchy.levels)
        for i, label in enumerate(one.labels)
        if label == taxon or (level and label == name and one.name == level)
    ]
    if not found:
        raise HierarchyError(f"`within`: no taxon is called {shown(taxon)}; `hiertax show` lists them")
    if len(found) > 1:
        where = " and ".join(hierarchy.levels[k].name for k, _ in found)
        raise HierarchyError(f"`within`: {shown(taxon)} is a {where}; name the level too, as in family={taxon[:40]}")
    k, i = found[0]
    return [hierarchy.classes[leaf] for leaf in np.flatnonzero(hierarchy.paths[:, k] == i).tolist()]


def _classes(hierarchy: Hierarchy, wanted: Collection[str], listed: Mapping[str, str]) -> dict[str, str]:
    """Return the names that were given, by the class that each means."""
    by_label = dict(zip(hierarchy.levels[-1].labels, hierarchy.classes, strict=True))
    unknown = [name for name in wanted if name not in hierarchy.class_index and name not in by_label]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        where = listed.get(unknown[0], "`classes`")
        raise HierarchyError(f"{where}: no class {shown(unknown[0])}{more} in hierarchy {shown(hierarchy.name)}")
    return {name if name in hierarchy.class_index else by_label[name]: name for name in wanted}


def _refuse_outside(
    hierarchy: Hierarchy, named: Mapping[str, str], within: str | None, listed: Mapping[str, str]
) -> None:
    outside = [name for one, name in named.items() if one not in hierarchy.class_index]
    if outside:
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        where = listed.get(outside[0], "`classes`")
        raise HierarchyError(f"{where}: {shown(outside[0])}{more} is not within {shown(within or '')}; leave it out")


def _index(hierarchy: Hierarchy, name: str) -> int:
    names = [level.name for level in hierarchy.levels]
    if name not in names:
        raise HierarchyError(f"`levels`: no level {shown(name)}; there are {', '.join(names)}")
    return names.index(name)


def _place(hierarchy: Hierarchy, depth: int) -> int:
    if not (1 <= depth <= hierarchy.depth or -hierarchy.depth <= depth <= -1):
        raise HierarchyError(f"`depths`: no depth {depth} in a hierarchy of {hierarchy.depth} levels")
    return depth - 1 if depth > 0 else hierarchy.depth + depth


def _of_levels(hierarchy: Hierarchy, kept: Sequence[int], setting: str) -> Hierarchy:
    if not kept or list(kept) != sorted(set(kept)):
        raise HierarchyError(f"`{setting}`: name each level once, coarsest first")
    levels = []
    for k, above in zip(kept, [-1, *kept], strict=False):
        level = hierarchy.levels[k]
        parents = np.zeros(len(level), dtype=np.int64) if above < 0 else hierarchy.ancestors(k, above)
        levels.append(Level(level.name, level.labels, parents, level.extras))
    classes = hierarchy.classes if kept[-1] == hierarchy.depth - 1 else levels[-1].labels
    return Hierarchy(
        name=hierarchy.name, root=hierarchy.root, levels=tuple(levels), classes=classes, dataset=hierarchy.dataset,
        source=hierarchy.source, extras=hierarchy.extras,
    )  # fmt: skip
