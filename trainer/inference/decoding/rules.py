"""The rules by which K heads answer with one label per level, and how likely each label is said to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from trainer.inference.decoding.leaves import leaf_scores, node_probabilities, siblings_of, top_leaves

BLOCK: Final = 1 << 21  # scores worked on at a time: 16 MiB as float64, however many labels a level has
BEAM_WIDTH: Final = 5

Rule = Literal["independent", "leaf", "greedy", "path", "chain", "beam"]


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


def independent(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Decoded:  # noqa: ARG001 - heads know no tree
    """Return the label each head prefers, and its softmax probability: labels that may contradict each other."""
    best = [z.double().softmax(1).max(1).values for z in logits]
    return Decoded(top_labels(logits).numpy(), torch.stack(best, dim=1).numpy())


def best_leaf(hierarchy: Hierarchy, scores: Tensor) -> Decoded:
    """Return the best leaf and its ancestors, each with the probability of all leaves under it.

    Parameters
    ----------
    scores
        float64 ``[N, C_K]``: the log-probability of each leaf, but for one number for each sample.
    """
    return _along(hierarchy, scores.argmax(1), scores)


def _along(hierarchy: Hierarchy, leaves: Tensor, scores: Tensor) -> Decoded:
    """Return the paths of leaves ``[N]``, and their probability under the softmax of scores ``[N, C_K]``."""
    labels, rows = hierarchy.paths[leaves.numpy()], np.arange(len(leaves))
    nodes = node_probabilities(hierarchy, scores.softmax(1).numpy())
    under = [level[rows, column] for level, column in zip(nodes, labels.T, strict=True)]
    return Decoded(labels, np.minimum(np.stack(under, axis=1), 1.0))


def leaf(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Decoded:
    """Return the label that the finest head prefers, and its ancestors, by the finest head alone."""
    return best_leaf(hierarchy, leaf_scores(hierarchy, logits, "leaf"))


def path(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Decoded:
    """Return the path along which the product of what the heads say is largest: every head has its say."""
    return best_leaf(hierarchy, leaf_scores(hierarchy, logits, "path"))


def chain(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Decoded:
    """Return the likeliest leaf where each head says how likely a label is given its parent."""
    return best_leaf(hierarchy, leaf_scores(hierarchy, logits, "chain"))


def greedy(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Decoded:
    """Return the best label of the coarsest level, its best child by the next head, and so on down.

    The probability is that of the same node under ``chain``.
    """
    scores, labels, logs = logits[0].double(), [], []
    for k, siblings in enumerate((*siblings_of(hierarchy), None)):
        best, label = scores.max(1)
        labels.append(label)
        logs.append(best - scores.logsumexp(1))
        if siblings is not None:
            others = siblings.parents[None, :] != label[:, None]
            scores = logits[k + 1].double().masked_fill(others, -torch.inf)
    return Decoded(torch.stack(labels, dim=1).numpy(), torch.stack(logs, dim=1).cumsum(1).exp().numpy())


def beam(hierarchy: Hierarchy, logits: Sequence[Tensor], width: int = BEAM_WIDTH) -> Decoded:
    """Return the best of the paths that are left where only some labels of each level go on to the next.

    They are those with the largest product of what the heads say so far. The probability is that of the same node
    under ``path``.

    Parameters
    ----------
    width
        How many labels of a level go on: with 1 it is ``greedy``, with all of them ``path``.
    """
    total = logits[0].double()
    for level, siblings in zip(logits[1:], siblings_of(hierarchy), strict=True):
        kept = torch.from_numpy(top_leaves(total, width))
        left = torch.full_like(total, -torch.inf).scatter_(1, kept, total.gather(1, kept))
        total = left.index_select(1, siblings.parents).add_(level)
    return _along(hierarchy, total.argmax(1), leaf_scores(hierarchy, logits, "path"))


RULES: Final[Mapping[Rule, Callable[[Hierarchy, Sequence[Tensor]], Decoded]]] = {
    "independent": independent, "leaf": leaf, "greedy": greedy, "path": path, "chain": chain, "beam": beam,
}  # fmt: skip
DEFAULT: Final[Rule] = "path"


def blocks(hierarchy: Hierarchy, logits: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield logits, K tensors ``[N, C_k]``, some samples at a time: as many as take little memory to decode."""
    yield from map(list, zip(*(level.split(rows_of_block(hierarchy)) for level in logits), strict=True))


def rows_of_block(hierarchy: Hierarchy) -> int:
    """Return how many samples take little memory to decode at once."""
    return max(BLOCK // max(hierarchy.sizes), 1)


def decode(hierarchy: Hierarchy, logits: Sequence[Tensor], rule: Rule = DEFAULT) -> Decoded:
    """Decode logits, K tensors ``[N, C_k]`` on the CPU and N at least 1, by a rule, a block of samples at a time.

    Every rule but ``independent`` answers with a path of the tree, and is never surer of a label than of its parent.
    """
    parts = [RULES[rule](hierarchy, block) for block in blocks(hierarchy, logits)]
    return Decoded(
        np.concatenate([part.labels for part in parts]), np.concatenate([part.probability for part in parts])
    )
