"""From a dendrogram to exactly as many nested groups as asked for."""

from __future__ import annotations

import numpy as np

from taxonomy.clustering.features import Float64
from taxonomy.hierarchy import IntArray


def cut(linkage: Float64, groups: int) -> IntArray:
    """Cut a dendrogram into groups by doing the first n - `groups` of its mergers.

    Cutting at a height, as `scipy.cluster.hierarchy.fcluster` does, gives fewer groups than asked where
    heights tie. Counting mergers gives the exact number, and cuts of one dendrogram are always nested.

    Parameters
    ----------
    linkage
        float64 ``[n-1, 4]``, a SciPy linkage matrix with non-decreasing heights.
    groups
        How many, 1 to n.

    Returns
    -------
    int64 ``[n]``: the group of each point, numbered by smallest member.
    """
    n = len(linkage) + 1
    done = n - groups
    top = np.arange(n + done)
    children = linkage[:done, :2].astype(np.int64)
    top[children] = np.arange(n, n + done)[:, None]
    for node in range(n + done - 1, -1, -1):
        top[node] = top[top[node]]
    return in_order(top[:n])


def in_order(groups: IntArray) -> IntArray:
    """Renumber groups in the order of their smallest members."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
