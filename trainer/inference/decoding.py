"""From the logits of K heads to labels and probabilities, by one rule or another (docs/methods.md, "Answers")."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray

BLOCK = 4096  # samples at a time, so that the distributions over leaves take little memory

Rule = Literal["heads", "path"]


class Decoded(NamedTuple):
    """What some samples are taken for.

    Attributes
    ----------
    labels
        int64 ``[N, K]``: the label at every level, coarsest first.
    probability
        float64 ``[N, K]``: how likely each of them is said to be.
    """

    labels: IntArray
    probability: NDArray[np.float64]


def top_labels(logits: Sequence[Tensor]) -> Tensor:
    """Return the label each head prefers, int64 ``[N, K]``: the paper's independent decoding."""
    return torch.stack([z.argmax(1) for z in logits], dim=1)


def each_head(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Decoded:  # noqa: ARG001 - heads know no tree
    """Return the label each head prefers, and its softmax probability: labels that may contradict each other."""
    best = [z.double().softmax(1).max(1).values for z in logits]
    return Decoded(top_labels(logits).numpy(), torch.stack(best, dim=1).numpy())


def leaf_distribution(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> NDArray[np.float64]:
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


def best_paths(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Decoded:
    """Return the likeliest root-to-leaf path of each sample and how likely each of its nodes is.

    The labels are always a path of the tree. The probability is the share of the leaf distribution under each node
    of the path; it never grows from a level to the next finer one.
    """
    leaves = leaf_distribution(hierarchy, logits)
    labels = hierarchy.paths[leaves.argmax(axis=1)]
    under = np.stack([_mass(leaves, hierarchy.paths[:, k], labels[:, k]) for k in range(hierarchy.depth)], axis=1)
    return Decoded(labels, under)


def _mass(leaves: NDArray[np.float64], ancestor: IntArray, label: IntArray) -> NDArray[np.float64]:
    """Return per sample the probability of the leaves whose ancestor is its label, ``[N]``."""
    total = np.where(ancestor[None, :] == label[:, None], leaves, 0.0).sum(axis=1)
    return np.asarray(np.minimum(total, 1.0), dtype=np.float64)


RULES: Mapping[Rule, Callable[[Hierarchy, Sequence[Tensor]], Decoded]] = {"heads": each_head, "path": best_paths}


def decode(hierarchy: Hierarchy, logits: Sequence[Tensor], rule: Rule = "path") -> Decoded:
    """Decode logits, K tensors ``[N, C_k]`` on the CPU and N at least 1, by a rule, a block of samples at a time."""
    blocks = zip(*(level.split(BLOCK) for level in logits), strict=True)
    labels, probability = zip(*(RULES[rule](hierarchy, block) for block in blocks), strict=True)
    return Decoded(np.concatenate(labels), np.concatenate(probability))
