"""Ward's minimum-variance clustering, fast: float32 proposes, float64 decides.

All pairs that are each other's nearest neighbours are merged at once. Ward's criterion is reducible (a
merger never comes nearer to a third cluster than its parts were), so this gives the dendrogram of the
greedy algorithm (Murtagh 1983, "A survey of recent advances in hierarchical clustering algorithms").
Distances come as float32 matrix products; wherever two of them are too close for float32 to tell apart,
the float64 centroids settle it. The merge heights are SciPy's, to float64 rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import IntArray

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Merges = tuple[IntArray, IntArray, Float64]

BLOCK_BYTES = 1 << 22
FEW = 500  # points, below which SciPy's own is quicker


def ward(points: NDArray[Any]) -> Float64:
    """Cluster points by Ward's criterion: below `FEW` by SciPy, else by `merged_in_rounds`.

    Parameters
    ----------
    points
        ``[n, d]``, n >= 1.

    Returns
    -------
    float64 ``[n-1, 4]``: a linkage matrix as `scipy.cluster.hierarchy.linkage` gives it. Which of equal distances
    is merged first depends on the points alone.
    """
    if not 1 < len(points) < FEW:
        return merged_in_rounds(points)
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import pdist

    matrix: Float64 = linkage(pdist(points), "ward")
    return matrix


def merged_in_rounds(points: NDArray[Any]) -> Float64:
    """Cluster points by Ward's criterion, all pairs that are each other's nearest neighbours at once.

    Parameters
    ----------
    points
        ``[n, d]``, n >= 1. Peak memory is that of a few copies of this and one float32 matrix of the clusters
        that are left after the first round, about ``[0.7 n, 0.7 n]``.

    Returns
    -------
    float64 ``[n-1, 4]``: a linkage matrix as `scipy.cluster.hierarchy.linkage` gives it. Equal distances
    are merged in the order of the smallest members.
    """
    from threadpoolctl import threadpool_limits

    distinct, first, copy_of, copies = np.unique(
        points, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    twins = np.setdiff1d(np.arange(len(points)), first)
    merges = [(first[copy_of.ravel()[twins]], twins, np.zeros(len(twins)))]
    named = first[order]
    with threadpool_limits(1, user_api="blas"):  # the products are small: threads would cost more than they give
        for a, b, height in _Clusters(distinct[order], copies[order]).merges():
            merges.append((named[a], named[b], height))
    return linkage_matrix(*(np.concatenate(part) for part in zip(*merges, strict=True)))


def linkage_matrix(a: IntArray, b: IntArray, height: Float64) -> Float64:
    """Turn n-1 merges, each named by one member of either side, into a linkage matrix ``[n-1, 4]``."""
    n = len(a) + 1
    order = np.lexsort((np.maximum(a, b), np.minimum(a, b), height))
    parent, size = list(range(2 * n - 1)), [1] * (2 * n - 1)
    result = np.empty((n - 1, 4))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row, k in enumerate(order.tolist()):
        one, two = sorted((root(int(a[k])), root(int(b[k]))))
        parent[one] = parent[two] = n + row
        size[n + row] = size[one] + size[two]
        result[row] = one, two, height[k], size[n + row]
    return result


class _Clusters:
    """The clusters still apart: their centroids, sizes and squared Ward distances.

    A cluster lives in the slot of its smallest member; the slot of the other part of a merger is dead,
    and dead slots are closed up when they outnumber the living.
    """

    def __init__(self, points: NDArray[Any], size: IntArray) -> None:
        n, d = points.shape
        self.centroid = points.astype(np.float64)
        self.centroid -= np.average(self.centroid, axis=0, weights=size)
        self.rough = self.centroid.astype(np.float32)
        self.norm = np.einsum("ij,ij->i", self.rough, self.rough)
        self.size = size.astype(np.float64)
        self.member = np.arange(n)
        self.alive = np.ones(n, dtype=np.bool_)
        # The worst error of a squared distance from float32 dot products (Higham's bound), and of its weighting.
        self.slack = 2 * (d + 8) * float(np.finfo(np.float32).eps) * float(self.norm.max(initial=0))
        self.distance = np.empty((0, 0), dtype=np.float32)
        self.nearest = np.zeros(n, dtype=np.int64)
        self.nearest_distance = np.full(n, np.inf)

    def merges(self) -> Iterator[Merges]:
        """Yield the merges of every round: two members, and the height."""
        if len(self.member) > 1:
            yield self._first_round()
        stale = np.arange(len(self.member))
        self.distance = np.empty((len(stale), len(stale)), dtype=np.float32)
        self._measure(stale)
        while (living := np.count_nonzero(self.alive)) > 1:
            self._find_nearest(stale)
            a, b = self._mutual_pairs()
            yield self.member[a], self.member[b], np.sqrt(self.nearest_distance[a])
            self._merge(a, b)
            touched = np.zeros(len(self.member), dtype=np.bool_)
            touched[a] = touched[b] = True
            stale = np.flatnonzero(self.alive & (touched | touched[self.nearest]))
            if 2 * (living - len(a)) < len(self.member):
                stale = self._close_up(stale)

    def _first_round(self) -> Merges:
        """Merge the pairs among all points, whose distances are looked at block by block and not kept."""
        for rows in self._blocks(np.arange(len(self.member))):
            self._nearest_in(self._distances(rows), rows)
        a, b = self._mutual_pairs()
        merges = self.member[a], self.member[b], np.sqrt(self.nearest_distance[a])
        self._unite(a, b)
        self._keep(np.flatnonzero(self.alive))
        return merges

    def _blocks(self, slots: IntArray) -> Iterator[IntArray]:
        step = max(1, BLOCK_BYTES // (4 * len(self.member)))
        for start in range(0, len(slots), step):
            yield slots[start : start + step]

    def _measure(self, slots: IntArray) -> None:
        """Write the squared Ward distances between some clusters and all."""
        for rows in self._blocks(slots):
            # Where all are measured, what lies left of a block is the mirror image of what was done before.
            left = int(rows[0]) if len(slots) == len(self.member) else 0
            block = self._distances(rows, left)
            self.distance[rows, left:] = block
            self.distance[left:, rows] = block.T

    def _distances(self, rows: IntArray, left: int = 0) -> Float32:
        """Return the squared Ward distances of some clusters to those from `left` on, 2ab/(a+b) ||x-y||^2."""
        inverse = (1 / self.size).astype(np.float32)
        block: Float32 = (-2 * self.rough[rows]) @ self.rough[left:].T
        block += self.norm[left:]
        block += self.norm[rows, None]
        block *= 2 / (inverse[rows, None] + inverse[left:])
        block[np.arange(len(rows)), rows - left] = np.inf
        dead = np.flatnonzero(~self.alive)
        block[:, dead[dead >= left] - left] = np.inf
        return block

    def _find_nearest(self, slots: IntArray) -> None:
        """Find the nearest neighbour of some clusters."""
        for rows in self._blocks(slots):
            self._nearest_in(self.distance[rows], rows)

    def _nearest_in(self, block: Float32, rows: IntArray) -> None:
        """Note the nearest neighbours of some clusters, of their distances to all; the first of the equally near."""
        limit = block.min(axis=1) + (4 * self.slack * self.size[rows]).astype(np.float32)
        row, column = np.divmod(np.flatnonzero(block <= limit[:, None]), block.shape[1])
        exact = self._exact(rows[row], column)
        best = np.lexsort((column, exact, row))[np.flatnonzero(np.diff(row, prepend=-1))]
        self.nearest[rows], self.nearest_distance[rows] = column[best], exact[best]

    def _exact(self, a: IntArray, b: IntArray) -> Float64:
        """Return the squared Ward distances of pairs of clusters in float64."""
        result = np.empty(len(a))
        step = max(1, BLOCK_BYTES // (8 * self.centroid.shape[1]))
        for start in range(0, len(a), step):
            pair = slice(start, start + step)
            apart = self.centroid[a[pair]] - self.centroid[b[pair]]
            result[pair] = np.einsum("ij,ij->i", apart, apart)
        return result * 2 / (1 / self.size[a] + 1 / self.size[b])

    def _mutual_pairs(self) -> tuple[IntArray, IntArray]:
        """Return the pairs that are each other's nearest neighbours; at least one."""
        slot = np.arange(len(self.member))
        a = np.flatnonzero(self.alive & (self.nearest[self.nearest] == slot) & (slot < self.nearest))
        if not a.size:  # rounding can turn equal distances into a ring: then the nearest pair of all
            one = int(np.where(self.alive, self.nearest_distance, np.inf).argmin())
            a = np.array([min(one, self.nearest[one])])
            self.nearest[a], self.nearest_distance[a] = max(one, self.nearest[one]), self.nearest_distance[one]
        return a, self.nearest[a]

    def _merge(self, a: IntArray, b: IntArray) -> None:
        """Put the union of each pair into the slot of the first, and measure it."""
        self._unite(a, b)
        self.distance[:, b] = np.inf
        self._measure(a)

    def _unite(self, a: IntArray, b: IntArray) -> None:
        total = self.size[a] + self.size[b]
        share = (self.size[b] / total)[:, None]
        self.centroid[a] += share * (self.centroid[b] - self.centroid[a])
        self.rough[a] = self.centroid[a]
        self.norm[a] = np.einsum("ij,ij->i", self.rough[a], self.rough[a])
        self.size[a] = total
        self.alive[b] = False

    def _close_up(self, stale: IntArray) -> IntArray:
        """Drop the dead slots, in place; return the new places of `stale`."""
        kept = np.flatnonzero(self.alive)
        place = np.cumsum(self.alive) - 1
        flat = self.distance.reshape(-1)[: len(kept) ** 2]
        smaller = flat.reshape(len(kept), len(kept))
        for new, old in enumerate(kept):
            smaller[new] = self.distance[old, kept]  # never reaches a row that is still to be read
        self.distance = smaller
        self.nearest = place[self.nearest]
        self._keep(kept)
        return place[stale]

    def _keep(self, kept: IntArray) -> None:
        for name in ("centroid", "rough", "norm", "size", "member", "alive", "nearest", "nearest_distance"):
            setattr(self, name, getattr(self, name)[kept])
