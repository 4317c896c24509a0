"""Partitions of a similarity graph, and the bottom-up loop that stacks them into levels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, get_args

import numpy as np

from taxonomy.clustering.cut import cut, in_order
from taxonomy.clustering.features import Float64
from taxonomy.hierarchy import IntArray

Rule = Literal["spectral", "average", "louvain"]
RULES: tuple[Rule, ...] = get_args(Rule)
RESTARTS = 10


def levelwise(
    n: int,
    sizes: Sequence[int],
    similarity: Callable[[IntArray], Float64],
    partition: Callable[[Float64, int], IntArray],
) -> IntArray:
    """Group n classes level by level from the finest up, measuring the merged groups anew each time.

    Parameters
    ----------
    sizes
        The number of groups of each level, coarsest first.
    similarity
        From the group of each class ``[n]`` to the similarity of the groups ``[G, G]``.
    partition
        From similarities ``[G, G]`` and a number to the part of each group ``[G]``.

    Returns
    -------
    int64 ``[n, len(sizes)]``: the group of each class at each level, coarsest first; nested.
    """
    groups, columns = np.arange(n), []
    for size in reversed(sizes):
        groups = in_order(partition(similarity(groups), size)[groups])
        columns.append(groups)
    return np.stack(columns[::-1], axis=1)


def by_rule(rule: Rule, seed: int) -> Callable[[Float64, int], IntArray]:
    """Return the partition function of a rule."""
    if rule == "average":
        return average
    return partial(spectral if rule == "spectral" else louvain, seed=seed)


def spectral(similarity: Float64, parts: int, *, seed: int) -> IntArray:
    """Partition by normalised spectral clustering (Ng, Jordan & Weiss 2002).

    k-means, with `RESTARTS` restarts, on the rows of the leading eigenvectors of the normalised
    similarity. If it leaves a part empty, which it does where nodes coincide, `_fill` makes up the number.

    Parameters
    ----------
    similarity
        float64 ``[G, G]``, symmetric, not negative; the diagonal does not matter.
    """
    if not 1 < parts < len(similarity):
        return np.arange(len(similarity)) if parts > 1 else np.zeros(len(similarity), dtype=np.int64)
    from scipy.linalg import eigh

    from taxonomy.clustering.representation import unit_rows

    graph = _without_loops(similarity)
    degree = graph.sum(axis=1)
    scale = np.divide(1, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    n = len(graph)
    _, vectors = eigh(graph * scale * scale[:, None], subset_by_index=[n - parts, n - 1])
    return _fill(in_order(kmeans(unit_rows(vectors), parts, seed)), parts, graph)


def kmeans(rows: Float64, parts: int, seed: int) -> IntArray:
    """Return the k-means part of each row, int64 ``[n]``; fewer parts where fewer rows are distinct."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):  # small, as in `taxonomy.clustering.ward`
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(parts, n_init=RESTARTS, random_state=seed).fit_predict(rows)
    return np.asarray(found, dtype=np.int64)


def average(similarity: Float64, parts: int) -> IntArray:
    """Partition by average linkage over the distances 1 - similarity."""
    if len(similarity) == 1:
        return np.zeros(1, dtype=np.int64)
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    distance = 1 - similarity
    np.fill_diagonal(distance, 0)
    return cut(linkage(squareform(distance, checks=False), "average"), parts)


def louvain(similarity: Float64, _parts: int, *, seed: int) -> IntArray:
    """Partition by modularity (Blondel et al. 2008); the number of parts is its own choice."""
    import networkx as nx

    graph = nx.from_numpy_array(_without_loops(similarity))
    part = np.zeros(len(similarity), dtype=np.int64)
    for i, members in enumerate(nx.community.louvain_communities(graph, seed=seed)):
        part[list(members)] = i
    return in_order(part)


def _without_loops(similarity: Float64) -> Float64:
    graph = similarity.copy()
    np.fill_diagonal(graph, 0)
    return graph


def _fill(part: IntArray, parts: int, graph: Float64) -> IntArray:
    """Split off from the largest part its least similar member until there are enough parts."""
    while (count := np.bincount(part)).size < parts:
        members = np.flatnonzero(part == count.argmax())
        inside = graph[np.ix_(members, members)].sum(axis=1)
        part[members[::-1][inside[::-1].argmin()]] = count.size
    return in_order(part)
