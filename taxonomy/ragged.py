"""What is done with lineages that have gaps: nothing, a taxon for each gap, or no level with gaps.

``error``
    Refuses, and names the first gap.
``fill``
    Gives each gap a taxon of its own, named after the nearest taxon below it (after the one above, where
    none is below) and its level: ``Hoatzin (family)``. It states no kinship that the input does not.
``collapse``
    Drops every level at which a lineage has a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from taxonomy.document import shown
from taxonomy.errors import HierarchyError

Ragged = Literal["error", "fill", "collapse"]
POLICIES: tuple[Ragged, ...] = get_args(Ragged)
Lineage = tuple[str, ...]


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
        raise HierarchyError(gap(lineages[int((~full).any(axis=1).argmax())], levels, uneven, len(lineages)))
    if policy == "fill":
        filled = [_filled(line, levels) for line in lineages]
        return filled, tuple(levels), {"ragged": {"policy": policy, "lineages": uneven, "taxa": int((~full).sum())}}
    kept = np.flatnonzero(full.all(axis=0)).tolist()
    if not kept:
        raise HierarchyError("no level has a taxon in every lineage, so collapse leaves none; use `ragged=fill`")
    dropped = [name for k, name in enumerate(levels) if k not in kept]
    even = [tuple(line[k] for k in kept) for line in lineages]
    return even, tuple(levels[k] for k in kept), {"ragged": {"policy": policy, "lineages": uneven, "dropped": dropped}}


def gap(line: Lineage, levels: Sequence[str], uneven: int, count: int) -> str:
    """Return how to tell of `uneven` lineages with gaps among `count`, of which `line` is the first."""
    first = next(name for name, label in zip(levels, line, strict=True) if not label.strip())
    names = [label[:60] if label.strip() else "?" for label in line]
    names = names if len(names) <= 8 else [*names[:4], "...", *names[-3:]]
    return (
        f"{uneven} of {count} lineages have a gap, the first at level {shown(first)} of {' > '.join(names)}; "
        "fill it in, or say `ragged=fill` or `ragged=collapse`"
    )


def _filled(line: Lineage, levels: Sequence[str]) -> Lineage:
    """Name each gap after the nearest taxon below it, or else above it, and its level."""
    named = [k for k, label in enumerate(line) if label.strip()]
    nearest = [min((k for k in named if k >= gap), default=named[-1]) for gap in range(len(line))]
    return tuple(line[k] if k == at else f"{line[k]} ({levels[at]})" for at, k in enumerate(nearest))
