"""A part of a hierarchy: some of its classes, and only the taxa above them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taxonomy.document import restriction

if TYPE_CHECKING:
    from taxonomy.hierarchy import Hierarchy, Level


def part_of(hierarchy: Hierarchy, leaves: NDArray[np.int64]) -> Hierarchy:
    """Return the hierarchy of some of its leaves (rising indices), declaring in its source how many it leaves out."""
    kept = [np.unique(hierarchy.paths[leaves, k]) for k in range(hierarchy.depth)]
    levels = [_subset(level, kept[k], kept[k - 1] if k else None) for k, level in enumerate(hierarchy.levels)]
    return replace(
        hierarchy,
        levels=tuple(levels),
        classes=tuple(hierarchy.classes[i] for i in leaves),
        source=dict(hierarchy.source) | _declaration(hierarchy, len(leaves)),
    )


def _declaration(hierarchy: Hierarchy, classes: int) -> dict[str, Any]:
    """Return what the `source` of a hierarchy of so many of its classes says of the others."""
    if classes == len(hierarchy.classes):
        return {}
    earlier = restriction(hierarchy.source)
    return {"restricted": {"classes": classes, "of": max(len(hierarchy.classes), earlier.of if earlier else 0)}}


def _subset(level: Level, kept: NDArray[np.int64], kept_above: NDArray[np.int64] | None) -> Level:
    """Keep some labels of a level, and of its unknown keys the entries that stand beside them."""
    parents = level.parents[kept] if kept_above is None else np.searchsorted(kept_above, level.parents[kept])
    extras = {
        key: [value[i] for i in kept] if isinstance(value, list) and len(value) == len(level) else value
        for key, value in level.extras.items()
    }
    return replace(level, labels=tuple(level.labels[i] for i in kept), parents=parents, extras=extras)
