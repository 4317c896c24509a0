"""Scores and distributions over the leaves of a tree, made from the logits of K heads.

Logits may be -inf, for labels that are ruled out, as long as some leaf remains whose ancestors are all allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray

FloatArray = NDArray[np.float64]
LeafRule = Literal["leaf", "path", "chain"]


@dataclass(frozen=True, eq=False)
class Siblings:
    """How the labels of a level hang below those of the level above.

    Attributes
    ----------
    parents
        int64 ``[C]``: the parent of each label.
    order
        int64 ``[C]``: the labels, those of one parent side by side; None where they lie so already.
    starts
        int64 ``[C_above]``: where the children of each parent begin in that order.
    """

    parents: Tensor
    order: Tensor | None
    starts: IntArray

    def reduce(self, ufunc: np.ufunc, values: Tensor) -> Tensor:
        """Reduce values ``[N, C]`` over the children of each parent, to ``[N, C_above]``."""
        together = values if self.order is None else values.index_select(1, self.order)
        return torch.from_numpy(ufunc.reduceat(together.numpy(), self.starts, axis=1))

    def log_shares(self, logits: Tensor) -> Tensor:
        """Return log-softmax among siblings of logits ``[N, C]``; -inf where all siblings are ruled out."""
        best = self.reduce(np.maximum, logits)
        best.masked_fill_(best.isneginf(), 0)
        shifted = logits - best.index_select(1, self.parents)
        total = self.reduce(np.add, shifted.exp()).log_()
        total.masked_fill_(total.isneginf(), 0)
        return shifted.sub_(total.index_select(1, self.parents))


@lru_cache(maxsize=8)
def siblings_of(hierarchy: Hierarchy) -> tuple[Siblings, ...]:
    """Return the siblings of every level but the coarsest, K-1 in all."""
    found = []
    for level, size in zip(hierarchy.levels[1:], hierarchy.sizes, strict=False):
        order = np.argsort(level.parents, kind="stable")
        starts = np.searchsorted(level.parents[order], np.arange(size))
        sorted_already = bool((order == np.arange(len(order))).all())
        found.append(Siblings(torch.tensor(level.parents), None if sorted_already else torch.from_numpy(order), starts))
    return tuple(found)


def _scores_of_finest_head(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Tensor:  # noqa: ARG001 - knows no tree
    return logits[-1].double()


def _scores_of_paths(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Tensor:
    """Sum the logits along each path: log-probabilities differ from them by one number for all leaves of a sample."""
    total = logits[0].double()
    for level, siblings in zip(logits[1:], siblings_of(hierarchy), strict=True):
        total = total.index_select(1, siblings.parents).add_(level)
    return total


def _scores_of_chains(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Tensor:
    total = logits[0].double().log_softmax(1)
    for level, siblings in zip(logits[1:], siblings_of(hierarchy), strict=True):
        total = total.index_select(1, siblings.parents).add_(siblings.log_shares(level.double()))
    return total


LEAF_RULES: Final[Mapping[LeafRule, Callable[[Hierarchy, Sequence[Tensor]], Tensor]]] = {
    "leaf": _scores_of_finest_head, "path": _scores_of_paths, "chain": _scores_of_chains,
}  # fmt: skip


def leaf_scores(hierarchy: Hierarchy, logits: Sequence[Tensor], rule: LeafRule = "path") -> Tensor:
    """Return the score of every leaf, float64 ``[N, C_K]``: log-probabilities, but for one number for each sample.

    Parameters
    ----------
    logits
        K tensors ``[N, C_k]`` on the CPU, coarsest level first. Scaling those of a level weighs it in ``path``.
    rule
        ``leaf``: what the finest head says. ``path``: the sum over levels of what head k says of the leaf's ancestor at
        level k. ``chain``: the same, but each head's probabilities are normalised among siblings first.
    """
    return LEAF_RULES[rule](hierarchy, logits)


def leaf_distribution(hierarchy: Hierarchy, logits: Sequence[Tensor], rule: LeafRule = "path") -> FloatArray:
    """Return the distribution over leaves, float64 ``[N, C_K]``: the softmax of `leaf_scores`, called as that."""
    distribution: FloatArray = leaf_scores(hierarchy, logits, rule).softmax(1).numpy()
    return distribution


def node_probabilities(hierarchy: Hierarchy, leaves: FloatArray) -> list[FloatArray]:
    """Return the probability of every node, K arrays float64 ``[N, C_k]``, coarsest level first.

    A node has the sum of the leaves under it, so that no node is likelier than its parent.

    Parameters
    ----------
    leaves
        float64 ``[N, C_K]``: a distribution over leaves; it is the last of those returned.
    """
    levels = [torch.from_numpy(leaves)]
    for siblings in reversed(siblings_of(hierarchy)):
        levels.append(siblings.reduce(np.add, levels[-1]))
    return [level.numpy() for level in reversed(levels)]


def top_leaves(scores: Tensor, count: int) -> IntArray:
    """Return the best leaves of each sample, best first, int64 ``[N, min(count, C)]``; of equals the first.

    Parameters
    ----------
    scores
        ``[N, C]``, such as `leaf_scores`; not NaN.
    """
    ahead = min(count + 1, scores.shape[1])  # one more, to see a tie at the border
    values, best = scores.topk(ahead, dim=1)
    tied = (values[:, 1:] == values[:, :-1]).any(dim=1)  # topk takes any of equals
    if tied.any():
        best[tied] = scores[tied].sort(dim=1, descending=True, stable=True).indices[:, :ahead]
    found: IntArray = best[:, :count].numpy()
    return found
