"""One function per score, over arrays of predicted and true labels.

Labels are int arrays ``[N, K]``: one label index per sample and level, coarsest first (the rows of
`Hierarchy.paths` for consistent ones). A true label of -1 is unknown, where a function says that it may be.
Definitions and their sources are in docs/methods.md, "Metrics". Nothing here loops over samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.lca import BLOCK

FloatArray = NDArray[np.float64]
NodeSet = Literal["heads", "leaf+ancestors", "heads+ancestors"]
TOPS: Final = (1, 5, 20)  # the k of AHD@k


def level_accuracy(truth: IntArray, predicted: IntArray) -> FloatArray:
    """Return the share of right labels at each level, float64 ``[K]``.

    Samples whose true label is unknown (-1) at a level do not count there; NaN where none is known.
    """
    return np.array(
        [_share(int((t == p).sum()), int((t >= 0).sum())) for t, p in zip(truth.T, predicted.T, strict=True)]
    )


def majority_baseline(truth: IntArray) -> FloatArray:
    """Return what always answering the commonest known label of `truth` scores at each level, ``[K]``, as above."""
    known = [column[column >= 0] for column in truth.T]
    return np.array([_share(int(np.bincount(column, minlength=1).max()), len(column)) for column in known])


def _share(count: int, of: int) -> float:
    return count / of if of else math.nan


def weighted_average_accuracy(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray) -> float:
    """Return the accuracies averaged over levels with the numbers of labels as weights (wAP), as `level_accuracy`."""
    return average_over_levels(level_accuracy(truth, predicted), hierarchy.sizes)


def average_over_levels(accuracy: FloatArray, weights: Sequence[int]) -> float:
    """Average over the levels of which anything is known."""
    known = ~np.isnan(accuracy)
    return float(np.average(accuracy[known], weights=np.array(weights)[known])) if known.any() else math.nan


def full_path_accuracy(truth: IntArray, predicted: IntArray) -> float:
    """Return the share of samples that are right at every level (FPA)."""
    return float((truth == predicted).all(axis=1).mean())


def inconsistent(hierarchy: Hierarchy, predicted: IntArray) -> NDArray[np.bool_]:
    """Return whether each pair of neighbouring levels contradicts itself, bool ``[N, K-1]``.

    Entry ``k`` is true where the label predicted at level ``k+1`` is not a child of that at level ``k``.
    """
    above = [level.parents[predicted[:, k + 1]] for k, level in enumerate(hierarchy.levels[1:])]
    return np.stack(above, axis=1) != predicted[:, :-1] if above else np.zeros((len(predicted), 0), dtype=np.bool_)


def tree_inconsistency(hierarchy: Hierarchy, predicted: IntArray) -> float:
    """Return the share of samples whose labels are not one root-to-leaf path, right or wrong (TICE)."""
    return float(inconsistent(hierarchy, predicted).any(axis=1).mean())


def lca_height(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray) -> IntArray:
    """Return the height above the leaves of the lowest common ancestor of true and predicted leaf, ``[N]``.

    0 for the right leaf, K where only the root is shared. The leaf is the label of the finest level.
    """
    return hierarchy.depth - 1 - hierarchy.lca_level(truth[:, -1], predicted[:, -1])


def mistake_severity(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray) -> float:
    """Return the mean LCA height over the wrong leaves only (Bertinetto et al. 2020); NaN if none is wrong."""
    heights = lca_height(hierarchy, truth, predicted)
    wrong = heights[heights > 0]
    return float(wrong.mean()) if wrong.size else math.nan


def tree_induced_error(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray) -> float:
    """Return the mean number of edges between true and predicted leaf (TIE; Dekel et al. 2004)."""
    return float(2 * lca_height(hierarchy, truth, predicted).mean())


def lca_f1(hierarchy: Hierarchy, truth: IntArray, predicted: IntArray) -> float:
    """Return the mean LCA F-measure (Kosmopoulos et al. 2013).

    Between two leaves of a levelled tree precision and recall are both ``1 / (height + 1)``.
    """
    return float((1 / (lca_height(hierarchy, truth, predicted) + 1)).mean())


@dataclass(frozen=True)
class PrecisionRecall:
    """Hierarchical precision, recall and F1, and how they were averaged."""

    precision: float
    recall: float
    f1: float


def hierarchical_precision_recall(
    hierarchy: Hierarchy,
    truth: IntArray,
    predicted: IntArray,
    *,
    nodes: NodeSet = "heads+ancestors",
    average: Literal["micro", "macro"] = "micro",
) -> PrecisionRecall:
    """Return hP, hR and hF (Kiritchenko 2006; Silla & Freitas 2011), the root excluded.

    Parameters
    ----------
    nodes
        The predicted node set: the K ``heads`` alone, the ``leaf+ancestors`` of the finest head, or the
        union of ``heads+ancestors``.
    average
        ``micro`` divides sums over samples, ``macro`` averages each sample's own scores.
    """
    hits, size = node_overlap(hierarchy, truth, predicted, nodes)
    true_size = np.full_like(size, hierarchy.depth)
    if average == "micro":
        hits, size, true_size = hits.sum(keepdims=True), size.sum(keepdims=True), true_size.sum(keepdims=True)
    f1 = 2 * hits / (size + true_size)
    return PrecisionRecall(float((hits / size).mean()), float((hits / true_size).mean()), float(f1.mean()))


def node_overlap(
    hierarchy: Hierarchy, truth: IntArray, predicted: IntArray, nodes: NodeSet
) -> tuple[IntArray, IntArray]:
    """Return per sample how many predicted nodes are true, and how many distinct nodes are predicted."""
    if nodes == "heads":
        return (truth == predicted).sum(axis=1), np.full(len(truth), hierarchy.depth)
    hits, size = (np.empty(len(truth), dtype=np.int64) for _ in range(2))
    for start in range(0, len(truth), BLOCK):
        block = slice(start, start + BLOCK)
        columns = (np.ascontiguousarray(labels[block].T) for labels in (truth, predicted))
        hits[block], size[block] = _overlap_of_columns(hierarchy, *columns, only_leaf=nodes == "leaf+ancestors")
    return hits, size


def _overlap_of_columns(
    hierarchy: Hierarchy, truth: IntArray, predicted: IntArray, *, only_leaf: bool
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Do the same for labels ``[K, N]``, climbing from every head's answer to the root."""
    hits, size = (np.zeros(truth.shape[1], dtype=np.int16) for _ in range(2))
    seen: list[list[IntArray]] = [[] for _ in hierarchy.levels]
    for head in range(hierarchy.depth - 1, hierarchy.depth - 2 if only_leaf else -1, -1):
        node = predicted[head]
        for level in range(head, -1, -1):
            fresh = np.logical_and.reduce([node != other for other in seen[level]], axis=0, initial=True)
            hits += fresh & (node == truth[level])
            size += fresh
            seen[level].append(node)
            node = hierarchy.levels[level].parents[node]
    return hits, size


def distances_of_top(
    hierarchy: Hierarchy, truth: IntArray, top: IntArray, counts: Sequence[int] = TOPS
) -> dict[int, IntArray]:
    """Return for each of some k the sum of the LCA heights of the k best leaves, ``[N]``: k times the AHD of a sample.

    Parameters
    ----------
    truth
        int64 ``[N]``: the true leaf; -1, unknown, gives 0.
    top
        int64 ``[N, M]``: the leaves that were thought best, best first.
    counts
        The k. One that is above M is left out: among all leaves there is nothing to choose.
    """
    heights = hierarchy.depth - 1 - hierarchy.lca_level(np.maximum(truth, 0)[:, None], top)
    heights[truth < 0] = 0
    return {k: heights[:, :k].sum(axis=1) for k in counts if k <= top.shape[1]}


def average_hierarchical_distance(hierarchy: Hierarchy, truth: IntArray, top: IntArray, k: int) -> float:
    """Return the mean LCA height of the k best leaves of each sample (AHD@k; Bertinetto et al. 2020).

    Parameters
    ----------
    truth, top
        As of `distances_of_top`, N at least 1; all true leaves are known, and k is M at most.
    """
    return float(distances_of_top(hierarchy, truth, top, [k])[k].mean()) / k
