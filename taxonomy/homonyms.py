"""Taxa of one name on one level: kept apart by their lineages, and told apart by the names of their parents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from taxonomy.document import LONGEST, shown
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Level


def prefix_tree(lines: Sequence[tuple[str, ...]], names: Sequence[str]) -> tuple[Level, ...]:
    """Return even lineages as levels.

    A taxon is one label per distinct lineage down to it, so that homonyms stay two labels, which `qualified` tells
    apart and the rules of a hierarchy refuse. The finest level has a label per lineage. Labels keep the order in
    which they first appear.
    """
    levels: list[Level] = []
    above = [0] * len(lines)
    for k, name in enumerate(names):
        cells = [line[k] for line in lines]
        if k == len(names) - 1:
            levels.append(Level(name, tuple(cells), np.array(above, dtype=np.int64)))
            break
        nodes: dict[tuple[int, str], int] = {}
        below = [nodes.setdefault(pair, len(nodes)) for pair in zip(above, cells, strict=True)]
        parents = np.array([parent for parent, _ in nodes], dtype=np.int64)
        levels.append(Level(name, tuple(label for _, label in nodes), parents))
        above = below
    return tuple(levels)


def qualified(levels: Sequence[Level]) -> tuple[tuple[Level, ...], int]:
    """Return levels in which every name that two parents share bears its parent's, and how many labels that were.

    ``Prunella`` under Lamiaceae and under Prunellidae become ``Prunella (Lamiaceae)`` and ``Prunella (Prunellidae)``.
    Coarser levels come first, so that a parent's name is itself told apart.
    """
    done: list[Level] = []
    renamed = 0
    for level in levels:
        parents = level.parents.tolist()
        pairs = set(zip(level.labels, parents, strict=True))
        shared = {label for label, count in Counter(label for label, _ in pairs).items() if count > 1}
        labels = tuple(
            f"{label} ({done[-1].labels[parent]})" if label in shared else label
            for label, parent in zip(level.labels, parents, strict=True)
        )
        renamed += sum(label in shared for label in level.labels) if shared else 0
        done.append(Level(level.name, labels, level.parents, level.extras))
    return tuple(done), renamed


def refuse_shared(levels: Sequence[Level]) -> None:
    """Refuse names that two taxa of a level share, and say where both are.

    Raises
    ------
    HierarchyError
        On the first such name, coarsest level first, with the count of others on its level.
    """
    for k, level in enumerate(levels):
        if len(set(level.labels)) == len(level.labels):
            continue
        first: dict[str, int] = {}
        pairs = [(first[label], i) for i, label in enumerate(level.labels) if first.setdefault(label, i) != i]
        lines = [_lineage(levels, k, i) for i in pairs[0]]
        name = f"{level.name} {shown(level.labels[pairs[0][0]])}"
        if lines[0] == lines[1]:
            raise HierarchyError(f"{name} is listed twice ({lines[0]}); keep one of the two")
        above = [shown(levels[k - 1].labels[level.parents[i]]) for i in pairs[0]]
        others = len({level.labels[i] for _, i in pairs}) - 1
        more = f", and {others} more names are shared so" if others else ""
        cure = "keep the right one, or tell such taxa apart by their parents, as `hiertax build --qualify` does"
        if len(set(levels[-1].labels)) < len(levels[0]):
            cure = f"if the levels stand finest first, name them coarsest first by `levels`; else {cure}"
        raise HierarchyError(f"{name} has two parents, {above[0]} and {above[1]} ({' | '.join(lines)}){more}; {cure}")


def _lineage(levels: Sequence[Level], k: int, label: int) -> str:
    line: list[str] = []
    for level in reversed(levels[: k + 1]):
        line.append(level.labels[label][:60])
        label = int(level.parents[label])
    return " > ".join(reversed(line[:LONGEST]))
