"""Scores of answers that stop at a node of any level, or at the root, against true leaves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import Hierarchy, IntArray

FloatArray = NDArray[np.float64]


class NodeScores(NamedTuple):
    """How near each of N answers is to the true leaf, each ``[N]``.

    Attributes
    ----------
    right
        bool: whether the answer is on the true path; the root always is.
    tree_induced_error
        int64: the number of edges between answer and true leaf.
    lca_precision, lca_recall, lca_f1
        One over one more than the edges from the answer, and from the true leaf, to their lowest common ancestor, and
        their harmonic mean (Kosmopoulos et al. 2013).
    hierarchical_precision, hierarchical_recall
        The share of the answer's nodes that are true, and of true nodes that it has, the root excluded; the root, an
        answer without nodes, is all precise.
    """

    right: NDArray[np.bool_]
    tree_induced_error: IntArray
    lca_precision: FloatArray
    lca_recall: FloatArray
    lca_f1: FloatArray
    hierarchical_precision: FloatArray
    hierarchical_recall: FloatArray


def score_nodes(hierarchy: Hierarchy, truth: IntArray, level: IntArray, label: IntArray) -> NodeScores:
    """Score answers at nodes of any level.

    Parameters
    ----------
    truth
        int64 ``[N]``: the true leaf.
    level, label
        int64 ``[N]``: the level of the answer, -1 for the root, and its label there; that of the root is passed over.
    """
    shared = _shared_nodes(hierarchy, truth, level, label)
    below_answer, below_truth = level + 1 - shared, hierarchy.depth - shared
    precision, recall = 1 / (below_answer + 1), 1 / (below_truth + 1)
    return NodeScores(
        right=below_answer == 0,
        tree_induced_error=below_answer + below_truth,
        lca_precision=precision,
        lca_recall=recall,
        lca_f1=2 * precision * recall / (precision + recall),
        hierarchical_precision=np.where(level < 0, 1.0, shared / np.maximum(level + 1, 1)),
        hierarchical_recall=shared / hierarchy.depth,
    )


def _shared_nodes(hierarchy: Hierarchy, truth: IntArray, level: IntArray, label: IntArray) -> IntArray:
    """Return how many levels of true leaf and answer agree, from the coarsest down, ``[N]``."""
    shared = np.zeros(len(truth), dtype=np.int64)
    for k in range(hierarchy.depth):
        at = np.flatnonzero(level == k)
        for above in range(k + 1):
            shared[at] += hierarchy.ancestors(k, above)[label[at]] == hierarchy.paths[truth[at], above]
    return shared
