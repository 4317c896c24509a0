"""From the logits of K heads to how likely each leaf is, and from there to every node of the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from taxonomy import Hierarchy

Consistent = Literal["path", "leaf", "chain", "greedy"]


def path_scores(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Tensor:
    """Return for each leaf the sum over levels of the log probability of its ancestor, float64 ``[N, C_K]``."""
    scores = torch.zeros(len(logits[-1]), hierarchy.sizes[-1], dtype=torch.float64)
    for k, level in enumerate(logits):
        scores += level.double().log_softmax(1)[:, torch.from_numpy(hierarchy.paths[:, k].copy())]
    return scores


def finest_scores(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Tensor:  # noqa: ARG001 - it asks one head alone
    """Return what the finest head alone says of each leaf, log probabilities float64 ``[N, C_K]``."""
    return logits[-1].double().log_softmax(1)


def chain_scores(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Tensor:
    """Return the log probability of each leaf, float64 ``[N, C_K]``: every head decides among siblings only."""
    above = torch.zeros(len(logits[0]), 1, dtype=torch.float64)  # of the root
    for level, z in zip(hierarchy.levels, logits, strict=True):
        parents = torch.from_numpy(level.parents.copy())
        above = (above - _log_sum(z.double(), parents, above.shape[1]))[:, parents] + z.double()
    return above


def _log_sum(z: Tensor, group: Tensor, groups: int) -> Tensor:
    """Return the logarithm of the sum of exp(z) within groups of columns, ``[N, groups]``."""
    index = group.expand_as(z)
    most = z.new_full((len(z), groups), -torch.inf).scatter_reduce_(1, index, z, "amax")
    return most + torch.zeros_like(most).index_add_(1, group, (z - most[:, group]).exp()).log()


# What each decoding rule takes the leaves by; it then answers by the best leaf, or, `greedy`, from the root down.
SCORES: Mapping[Consistent, Callable[[Hierarchy, Sequence[Tensor]], Tensor]] = {
    "path": path_scores,
    "leaf": finest_scores,
    "chain": chain_scores,
    "greedy": chain_scores,
}


def node_probabilities(hierarchy: Hierarchy, leaves: Tensor) -> list[Tensor]:
    """Return how likely each node is: the share of the leaves below it.

    Parameters
    ----------
    leaves
        float64 ``[N, C_K]``: a distribution over leaves.

    Returns
    -------
    K tensors ``[N, C_k]``, coarsest level first; a node is never likelier than its parent.
    """
    found = [leaves]
    for k in range(hierarchy.depth - 1, 0, -1):
        parents = torch.from_numpy(hierarchy.levels[k].parents.copy())
        above = torch.zeros(len(leaves), hierarchy.sizes[k - 1], dtype=leaves.dtype)
        found.append(above.index_add_(1, parents, found[-1]).clamp_(max=1.0))
    return found[::-1]
