"""Hierarchical clustering of class representations (docs/clustering.md, "Hierarchical clustering")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from taxonomy.clustering.cut import cut, in_order
from taxonomy.clustering.features import Float64
from taxonomy.clustering.partition import kmeans, levelwise, spectral
from taxonomy.clustering.representation import Representation, group_means, unit_rows
from taxonomy.clustering.ward import ward
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import IntArray

Linkage = Literal["ward", "average", "complete", "kmeans", "spectral"]
NEIGHBOUR = 5
LINKAGES: tuple[Linkage, ...] = get_args(Linkage)


def dendrogram(represented: Representation, linkage: Linkage) -> Float64 | None:
    """Return the linkage matrix ``[C-1, 4]``, or None where the linkage gives none.

    ``ward`` uses Euclidean distance, ``average`` and ``complete`` 1 - cosine.

    Raises
    ------
    HiertaxError
        If the linkage needs vectors and there are only confusions.
    """
    if represented.kind == "confusion" and linkage in ("ward", "kmeans"):
        raise HiertaxError(
            f"linkage {linkage} needs a vector per class, which confusions are not; use average, complete or spectral"
        )
    if linkage == "kmeans" or linkage == "spectral":
        return None
    if linkage == "ward" or len(represented.rows) == 1:
        return ward(represented.rows)
    from scipy.cluster.hierarchy import linkage as scipy_linkage
    from scipy.spatial.distance import squareform

    matrix: Float64 = scipy_linkage(squareform(represented.distance(squared=True), checks=False), linkage)
    return matrix


def cluster(
    represented: Representation, linkage: Linkage, tree: Float64 | None, sizes: Sequence[int], seed: int
) -> IntArray:
    """Group classes into nested levels of exactly the sizes asked for.

    Parameters
    ----------
    tree
        The `dendrogram` of the linkage.
    sizes
        Number of groups per level, coarsest first, not decreasing, C at most.

    Returns
    -------
    int64 ``[C, len(sizes)]``: the group of each class at each level.
    """
    if tree is not None:
        return np.stack([cut(tree, size) for size in sizes], axis=1)
    if linkage == "kmeans":
        return bisect(represented.rows, sizes, seed)
    return levelwise(
        len(represented.rows), sizes, lambda groups: _affinity(represented, groups),
        lambda similarity, parts: spectral(similarity, parts, seed=seed),
    )  # fmt: skip


def bisect(rows: Float64, sizes: Sequence[int], seed: int) -> IntArray:
    """Group by bisecting k-means: again and again split the group of the largest squared error in two.

    Coarser levels are earlier stages of the same splitting, so that the levels are nested.
    """
    groups, columns = np.zeros(len(rows), dtype=np.int64), []
    error = [_squared_error(rows)]
    for size in sizes:
        while len(error) < size:
            members = np.flatnonzero(groups == _most_spread(error, groups))
            half = members[_two_means(rows[members], seed)]
            error[groups[members[0]]] = _squared_error(rows[np.setdiff1d(members, half)])
            error.append(_squared_error(rows[half]))
            groups[half] = len(error) - 1
        columns.append(in_order(groups))
    return np.stack(columns, axis=1)


def _squared_error(rows: Float64) -> float:
    return float(((rows - rows.mean(axis=0)) ** 2).sum())


def _most_spread(error: list[float], groups: IntArray) -> int:
    """Return the group of two or more members with the largest error, the larger one of equals."""
    count = np.bincount(groups)
    return int(np.lexsort((count, np.where(count > 1, error, -1)))[-1])


def _two_means(rows: Float64, seed: int) -> IntArray:
    """Return the indices of one of two clusters; the last row alone where the rows coincide."""
    if (rows == rows[0]).all():
        return np.array([len(rows) - 1])
    found = kmeans(rows, 2, seed)
    half = np.flatnonzero(found != found[0])
    return half if half.size else np.array([len(rows) - 1])


def _affinity(represented: Representation, groups: IntArray) -> Float64:
    """Return the similarity of groups: mean similarity of confusions, or a Gaussian of the distance of means.

    The Gaussian is locally scaled (Zelnik-Manor & Perona 2004): its width for two groups is the product of
    their distances to their own `NEIGHBOUR`-th neighbour, or the farthest if there are fewer.
    """
    if represented.kind == "confusion":
        return group_means(group_means(represented.rows, groups).T, groups)
    means = Representation(represented.kind, unit_rows(group_means(represented.rows, groups)))
    squared = means.distance(squared=True)
    own = np.sort(squared, axis=1)[:, min(NEIGHBOUR, len(squared) - 1)]
    width = np.sqrt(own * own[:, None])
    apart = np.divide(squared, width, out=np.where(squared > 0, np.inf, 0.0), where=width > 0)
    similarity: Float64 = np.exp(-apart)
    return similarity
