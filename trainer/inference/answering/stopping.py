"""How deep to answer: rules over the probabilities of nodes (docs/answers.md, "How deep").

The nodes of a tree are numbered with the root first, then level after level, coarsest first: M = 1 + sum of C_k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Nodes:
    """The M nodes of a hierarchy in one row."""

    hierarchy: Hierarchy

    @cached_property
    def depth(self) -> IntArray:
        """int64 ``[M]``: 0 for the root, k + 1 for a label of level k."""
        return np.repeat(np.arange(self.hierarchy.depth + 1), [1, *self.hierarchy.sizes])

    @cached_property
    def information(self) -> FloatArray:
        """float64 ``[M]``: the bits that a node tells, log2 of the number of leaves less that of those under it."""
        columns = self.hierarchy.paths.T
        counts = [
            np.bincount(column, minlength=size) for column, size in zip(columns, self.hierarchy.sizes, strict=True)
        ]
        leaves = self.hierarchy.sizes[-1]
        return np.asarray(np.log2(leaves) - np.log2(np.concatenate([[leaves], *counts])), dtype=np.float64)

    @cached_property
    def paths(self) -> IntArray:
        """int64 ``[M, K]``: the label index of each node and of its ancestors at their levels, -1 below it."""
        rows = [np.full((1, self.hierarchy.depth), -1)]
        for k, size in enumerate(self.hierarchy.sizes):
            rows.append(np.full((size, self.hierarchy.depth), -1))
            for above in range(k + 1):
                rows[-1][:, above] = self.hierarchy.ancestors(k, above)
        return np.concatenate(rows)

    @cached_property
    def start(self) -> IntArray:
        """int64 ``[K]``: the number of the first node of each level."""
        return np.cumsum([1, *self.hierarchy.sizes[:-1]])


def certain_depth(probability: FloatArray, confidence: float) -> IntArray:
    """Return how many levels hold, int64 ``[N]``: from the coarsest on, as long as each is as likely as `confidence`.

    Parameters
    ----------
    probability
        float64 ``[N, K]``: how likely the label of every level is.
    """
    holds: IntArray = np.logical_and.accumulate(probability >= confidence, axis=1).sum(axis=1)
    return holds


def best_served(probability: FloatArray, served: Sequence[float]) -> IntArray:
    """Return how many levels to answer for an audience, int64 ``[N]``: the last k of the largest F_k P_k.

    Parameters
    ----------
    probability
        float64 ``[N, K]``: how likely the label of every level is.
    served
        F_k: the share of the audience that an answer down to each level serves, where it is right
        (`taxonomy.study.profiles`).
    """
    value = probability * np.asarray(served)
    depth: IntArray = value.shape[1] - value[:, ::-1].argmax(axis=1)
    return depth


def most_specific(nodes: Nodes, probability: FloatArray, threshold: float) -> IntArray:
    """Return of the nodes likelier than a threshold the most informative one, int64 ``[N]`` (Valmadre 2022).

    Of equally informative ones the likelier is taken, then the deeper. With a threshold of 0.5, majority inference, or
    more those that qualify lie on one path. Where none does the answer is the root.

    Parameters
    ----------
    probability
        float64 ``[N, M]``: how likely each node is.
    """
    able = probability > threshold
    able[:, 0] = True
    for worth in (nodes.information, probability, nodes.depth):
        worths = np.where(able, worth, -np.inf)
        able = worths == worths.max(axis=1, keepdims=True)
    node: IntArray = able.argmax(axis=1)
    return node


def best_trade(nodes: Nodes, probability: FloatArray, trade_off: float) -> IntArray:
    """Return the node of the largest (information + lambda) x probability, int64 ``[N]``; of equals the deepest.

    It maximises the expected information of answers of which a given share is to be right (DARTS: Deng, Krause, Berg,
    Fei-Fei, CVPR 2012).

    Parameters
    ----------
    probability
        float64 ``[N, M]``: how likely each node is.
    trade_off
        Lambda, 0 or more: 0 asks for information alone, a large one for the root.
    """
    gain = (nodes.information + trade_off) * probability
    best = gain == gain.max(axis=1, keepdims=True)
    node: IntArray = np.where(best, nodes.depth, -1).argmax(axis=1)
    return node
