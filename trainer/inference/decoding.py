"""From the logits of K heads to one consistent path (docs/methods.md, "Answers")."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray


def top_labels(logits: list[Tensor]) -> Tensor:
    """Return the label each head prefers, int64 ``[N, K]``: the paper's independent decoding."""
    return torch.stack([z.argmax(1) for z in logits], dim=1)


def leaf_distribution(hierarchy: Hierarchy, logits: list[Tensor]) -> NDArray[np.float64]:
    """Return the distribution over leaves in which every head has its say, float64 ``[N, C_K]``.

    A leaf scores the product over levels of the probability that head k gives its level-k ancestor; the
    scores are then normalised.

    Parameters
    ----------
    logits
        K tensors ``[N, C_k]``, coarsest level first.
    """
    scores = torch.zeros(len(logits[-1]), hierarchy.sizes[-1], dtype=torch.float64)
    for k, level in enumerate(logits):
        scores += level.double().log_softmax(1)[:, torch.from_numpy(hierarchy.paths[:, k].copy())]
    return scores.softmax(1).numpy()


def best_paths(hierarchy: Hierarchy, logits: list[Tensor]) -> tuple[IntArray, NDArray[np.float64]]:
    """Return the likeliest root-to-leaf path of each sample and how likely each of its nodes is.

    Returns
    -------
    labels
        int64 ``[N, K]``: always a path of the tree.
    probability
        float64 ``[N, K]``: the share of the leaf distribution under each node of the path; it never grows
        from a level to the next finer one.
    """
    leaves = leaf_distribution(hierarchy, logits)
    labels = hierarchy.paths[leaves.argmax(axis=1)]
    under = np.stack([_mass(leaves, hierarchy.paths[:, k], labels[:, k]) for k in range(hierarchy.depth)], axis=1)
    return labels, under


def _mass(leaves: NDArray[np.float64], ancestor: IntArray, label: IntArray) -> NDArray[np.float64]:
    """Return per sample the probability of the leaves whose ancestor is its label, ``[N]``."""
    total = np.where(ancestor[None, :] == label[:, None], leaves, 0.0).sum(axis=1)
    return np.asarray(np.minimum(total, 1.0), dtype=np.float64)
