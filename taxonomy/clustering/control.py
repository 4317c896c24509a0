"""Random hierarchies: the control that knows the shape of a tree but nothing of the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taxonomy.clustering.cut import in_order
from taxonomy.hierarchy import Hierarchy, IntArray


def shuffled(reference: Hierarchy, classes: Sequence[str], seed: int) -> IntArray:
    """Deal the classes at random onto the leaves of a hierarchy, so that every group keeps its size.

    Returns
    -------
    int64 ``[C, K-1]``: the group of each class at each level above the leaves.
    """
    paths = reference.restrict(classes).paths[:, :-1]
    dealt = paths[np.random.default_rng(seed).permutation(len(paths))]
    return np.stack([in_order(column) for column in dealt.T], axis=1)


def dealt(classes: int, sizes: Sequence[int], seed: int) -> IntArray:
    """Deal the classes at random into groups as equal as can be, and these into groups of the next level.

    Returns
    -------
    int64 ``[C, len(sizes)]``: the group of each class at each level, coarsest first.
    """
    generator, groups, columns = np.random.default_rng(seed), np.arange(classes), []
    for size in reversed(sizes):
        part = np.empty(int(groups.max()) + 1, dtype=np.int64)
        part[generator.permutation(len(part))] = np.arange(len(part)) % size
        groups = in_order(part[groups])
        columns.append(groups)
    return np.stack(columns[::-1], axis=1)
