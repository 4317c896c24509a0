"""What the levels' logits are worth against the labels, of which some may be unknown, -1."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

UNKNOWN = -1


class PartialLabels(NamedTuple):
    """How labels that are known in part enter the loss; the same for all parts of a batch.

    Attributes
    ----------
    counts
        float32 ``[K]``: what the sum of each level's terms is divided by: how many images of the whole batch have such
        a term, over the number of parts that it is computed in, on all processes. The mean over parts and processes
        is then the mean over those images, however they are shared out.
    ancestors
        int64 ``[k + 1, C_k]`` for each level k: the label at levels 0 to k of each of its labels. An image whose label
        is unknown at level k answers there for its taxon above, by the sum of the probabilities of the labels in it.
        None where such an image has no term.
    """

    counts: Tensor
    ancestors: tuple[Tensor, ...] | None = None


def multi_level_loss(
    logits: list[Tensor], targets: Tensor, share: Tensor | None = None, partial: PartialLabels | None = None
) -> Tensor:
    """Return the sum over levels of the mean loss, weights 1 (the paper, section 4; docs/methods.md).

    The loss of an image at a level is the cross-entropy, or zero where its label is unknown there; or else, with
    `partial.ancestors`, the marginal likelihood of the taxon that is known. The mean is over the images that have such
    a term; a level of which nothing is known adds zero, and its gradient is exactly zero.

    Parameters
    ----------
    logits
        K tensors ``[B, C_k]``, coarsest level first.
    targets
        int64 ``[B, K]``; -1 where a label is unknown.
    share
        float32 ``[B]``: the part each sample has in its own image; the rest is its partner's, sample B - 1 - i,
        whose labels count for that much (see `trainer.data.augment`).
    partial
        How unknown labels enter where this is a part of a batch; without it they have no term, and the mean is over
        these images alone.
    """
    counts = (targets >= 0).sum(0) if partial is None else partial.counts
    counts = torch.where(counts > 0, counts, 1)  # [K]
    ancestors = None if partial is None else partial.ancestors
    if share is None:
        return (torch.stack([_sum(logits, targets, k, ancestors) for k in range(len(logits))]) / counts).sum()
    partners = targets.flip(0)
    mixed = [
        share * _each(logits, targets, k, ancestors) + (1 - share) * _each(logits, partners, k, ancestors)
        for k in range(len(logits))
    ]
    return (torch.stack(mixed).mean(dim=1) / (counts / len(targets))).sum()


def _sum(logits: list[Tensor], targets: Tensor, k: int, ancestors: tuple[Tensor, ...] | None) -> Tensor:
    """Return the loss of a level, summed over the images."""
    known = cross_entropy(logits[k], targets[:, k], ignore_index=UNKNOWN, reduction="sum")
    return known if ancestors is None or k == 0 else known + marginal_loss(logits[k], targets, ancestors[k]).sum()


def _each(logits: list[Tensor], targets: Tensor, k: int, ancestors: tuple[Tensor, ...] | None) -> Tensor:
    """Return the loss of each image at a level, ``[B]``."""
    known = cross_entropy(logits[k], targets[:, k], ignore_index=UNKNOWN, reduction="none")
    return known if ancestors is None or k == 0 else known + marginal_loss(logits[k], targets, ancestors[k])


def marginal_loss(logits: Tensor, targets: Tensor, ancestors: Tensor) -> Tensor:
    """Return how unlikely a head finds what is known of an image where its label of that level is not.

    That is ``-log`` of the sum of the softmax over the labels below the finest taxon that is known (docs/methods.md).

    Parameters
    ----------
    logits
        ``[B, C]`` of level k, in any precision.
    targets
        int64 ``[B, K]``; -1 where unknown.
    ancestors
        int64 ``[k + 1, C]``: the label at levels 0 to k of each label of level k.

    Returns
    -------
    float32 ``[B]``, exactly zero, as is the gradient, where the label of level k is known or no label above it is.
    """
    known = targets[:, : len(ancestors)] >= 0
    levels = torch.arange(len(ancestors), device=targets.device)
    level = torch.where(known, levels, -1).amax(1)  # [B], of the finest taxon that is known
    at = level.clamp(min=0)
    settled = (known[:, -1] | (level < 0))[:, None]  # [B, 1], nothing to answer for
    inside = settled | (ancestors.index_select(0, at) == targets.gather(1, at[:, None]))  # [B, C]
    scores = logits.float().masked_fill(settled, 0.0)  # so that no rounding of a gradient comes from there
    return scores.logsumexp(1) - scores.masked_fill(~inside, -torch.inf).logsumexp(1)


def has_term(targets: Tensor, *, marginal: bool) -> Tensor:
    """Tell which images have a term in the loss of each level, bool of the shape of `targets` ``[..., K]``."""
    known = targets >= 0
    return known.cumsum(-1) > 0 if marginal else known


def count_hits(logits: list[Tensor], targets: Tensor) -> Tensor:
    """Return how many of the known labels of each level its head prefers, int64 ``[K]``."""
    return (torch.stack([z.argmax(1) for z in logits], dim=1) == targets).sum(0)


def loss_and_hits(
    network: Callable[[Tensor], list[Tensor]],
    inputs: Tensor,
    targets: Tensor,
    share: Tensor | None,
    partial: PartialLabels | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the loss and the number of right answers of every level, ``[K]``: what a plain training step computes."""
    logits = network(inputs)
    return multi_level_loss(logits, targets, share, partial), count_hits(logits, targets)
